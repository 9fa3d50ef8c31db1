"""A real QPU behind the seam: D-Wave's own client, with everything below HTTP replaced."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import requests_mock
import torch
from dwave.system import FixedEmbeddingComposite
from dwave.system.warnings import WarningAction
from fake_leap import ACCESS_TIME_US, FakeLeap, without
from small_models import random_grbm, true_beta

from qdvae_helpers.errors import BudgetError, QPUError, SamplerError
from qdvae_helpers.graphs import QPUGraph, densest_subgraph
from qdvae_helpers.qpu import qpu_tally
from qdvae_helpers.samplers import make_sampler


def test_the_samples_are_those_that_were_drawn_for_the_model(leap, make_live, home_grbm, home):
    sampler = make_live(num_samples=33)
    spins = sampler.sample()
    assert torch.equal(spins, leap.true_spins(home))
    (problem,) = leap.drawn.values()
    h, j = home_grbm.to_ising(0.15)
    assert problem["h"] == pytest.approx(h)
    assert {edge: value for edge, value in problem["J"].items() if value != 0} == pytest.approx(j)
    assert problem["params"] == {"num_reads": 33, "answer_mode": "raw", "auto_scale": False}
    provenance = sampler.provenance
    assert str(provenance).startswith("QPU Advantage2_test, 33 reads, graph")
    assert provenance.parameters["solver_graph_id"] == "01test"
    assert provenance.parameters["timing_us"]["qpu_access_time"] == ACCESS_TIME_US
    assert json.loads(json.dumps(provenance.to_dict()))["kind"] == "qpu"


@pytest.mark.parametrize("gauges", [0, 4])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_devices_temperature_is_found(account, live, gauges, seed):
    with requests_mock.Mocker() as mock:
        leap = FakeLeap(mock, live, seed=seed)
        sampler = make_sampler(random_grbm(live, 1), "qpu", graph=live, gauges=gauges)
        assert 1 / sampler.prefactor == pytest.approx(true_beta(leap.device), rel=0.05)
        sampler.close()


def test_with_gauges_the_samples_are_still_those_of_the_model(leap, make_live, home_grbm):
    spins = make_live(num_samples=1_000, gauges=4).sample()
    drawn = np.concatenate([problem["energies"] for problem in leap.drawn.values()])
    energies = 0.15 * home_grbm(spins).detach()
    assert energies.numpy() == pytest.approx(drawn, abs=1e-4)


def test_what_the_device_would_refuse_is_not_sent(leap, make_live, home_grbm):
    home_grbm.quadratic.data.zero_()
    home_grbm.quadratic.data[0] = -1.5
    assert make_live(prefactor=1.0).sample().shape == (20, 12)
    with pytest.raises(SamplerError, match=r"J = -1\.5"):
        make_live(prefactor=1.0, gauges=2).sample()  # which would send its negative, too
    home_grbm.quadratic.data[0] = 3.0
    with pytest.raises(SamplerError, match="J = 3"):
        make_live(prefactor=1.0).sample()
    assert len(leap.drawn) == 1


def test_a_group_of_couplers_that_the_device_would_refuse_is_not_sent(leap, make_live, home_grbm):
    leap.properties["per_group_coupling_range"] = [-3.0, 3.0]
    home_grbm.quadratic.data.fill_(0.9)
    with pytest.raises(SamplerError, match="of a group at qubit"):
        make_live(prefactor=1.0).sample()
    assert not leap.drawn
    home_grbm.quadratic.data.fill_(0.1)
    assert make_live(prefactor=1.0).sample().shape == (20, 12)


def test_clamped_spins_cost_a_submission_a_row(leap, make_live, monkeypatch):
    # What importing dwave.inspector sets; the composite's look for broken chains fails here.
    monkeypatch.setattr(FixedEmbeddingComposite, "warnings_default", WarningAction.SAVE)
    given = torch.full((3, 12), float("nan"))
    given[:, :4] = 1.0
    spins = make_live().sample(given)
    assert (spins[:, :4] == 1).all()
    assert set(spins.unique().tolist()) == {-1.0, 1.0}
    assert len(leap.drawn) == 3


# Kept answers ----------------------------------------------------------------------------------


def test_a_call_that_breaks_off_says_what_is_kept_and_goes_on_later(leap, make_live, home):
    leap.properties["num_reads_range"] = [1, 50]
    sampler = make_live(num_samples=121, retries=0)
    leap.faults["submit"].extend([None, None, "429"])
    with pytest.raises(QPUError, match=r"\(429\).* 81 of the 121 reads .*are kept") as caught:
        sampler.sample()
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert torch.equal(sampler.sample(), leap.true_spins(home))
    assert len(leap.drawn) == 3
    assert qpu_tally().spent_s == pytest.approx(leap.charged_s)


def test_rows_of_clamped_spins_that_were_answered_are_kept(leap, make_live, home):
    sampler = make_live(retries=0)
    given = torch.full((4, 12), float("nan"))
    given[:, :4] = 1.0  # the same problem in every row, yet each row has a sample of its own
    leap.faults["submit"].extend([None, None, "503"])
    with pytest.raises(QPUError, match="2 of the 4 reads"):
        sampler.sample(given)
    spins = sampler.sample(given)
    assert spins.shape == (4, 12)
    free = QPUGraph(home.nodes[4:], ())
    assert torch.equal(spins[:, 4:], leap.true_spins(free))
    assert leap.requests.count("submit") == 5


def test_what_was_paid_for_can_be_salvaged_once(leap, make_live, home):
    leap.properties["num_reads_range"] = [1, 50]
    sampler = make_live(num_samples=150, retries=0)
    assert sampler.salvage() == []
    leap.faults["submit"].extend([None, None, "503"])
    with pytest.raises(QPUError):
        sampler.sample()
    parts = sampler.salvage()
    assert [(len(spins), classes.tolist()) for spins, classes in parts] == [(50, [0] * 50)] * 2
    assert torch.equal(torch.cat([spins for spins, _ in parts]), leap.true_spins(home))
    assert sampler.salvage() == []
    sampler.sample()
    assert len(leap.drawn) == 5  # nothing of this call had been kept


# Cost ------------------------------------------------------------------------------------------


def test_nothing_is_sent_without_a_budget(leap, make_live, monkeypatch):
    monkeypatch.delenv("QDVAE_QPU_BUDGET_S")
    with pytest.raises(BudgetError, match=r"^Measuring the temperature and one call takes about 0"):
        make_live(prefactor=None)
    with pytest.raises(BudgetError, match=r"^One call takes about 0"):
        make_live(prefactor=0.15)
    assert set(leap.requests) == {"solvers"}


def test_the_cost_is_shown_first(leap, make_live, capsys):
    sampler = make_live(num_samples=100)
    shown = capsys.readouterr().out
    assert "QPU Advantage2_test: 1 call of 100 reads at about" in shown
    assert "measure the temperature" not in shown  # it was given
    expected = sampler.device.solver.estimate_qpu_access_time(12, num_reads=100) / 1e6
    assert sampler.plan(500).total_s == pytest.approx(500 * expected)
    make_live(num_samples=100, prefactor=None)
    assert " s to measure the temperature: about" in capsys.readouterr().out


def test_the_budget_stops_before_it_is_passed(leap, make_live, monkeypatch):
    sampler = make_live()
    call = sampler.plan(1).call_s
    monkeypatch.setenv("QDVAE_QPU_BUDGET_S", str(2 * ACCESS_TIME_US / 1e6 + call))
    calls = 0
    while not sampler.exhausted:
        sampler.sample()
        calls += 1
    assert calls == 3
    with pytest.raises(BudgetError):
        sampler.sample()
    assert len(leap.drawn) == 3


# Drift -----------------------------------------------------------------------------------------


def test_a_model_moves_to_healthy_qubits_and_keeps_its_distribution(account, live):
    home = densest_subgraph(live, 8)
    model = random_grbm(home, seed=1)
    with requests_mock.Mocker() as mock:
        leap = FakeLeap(mock, without(live, home.nodes[:1]))
        options = {"num_samples": 5_000, "prefactor": 1 / true_beta(leap.device)}
        sampler = make_sampler(model, "qpu", graph=home, track_every=0, **options)
        spins = sampler.sample()
        sampler.close()
    assert "placed on" in str(sampler.provenance)
    exact = make_sampler(model, "exact", graph=home, num_samples=5_000).sample()
    ours, theirs = (model.sufficient_statistics(s).double().mean(0) for s in (spins, exact))
    assert (ours - theirs).abs().max() < 0.09  # 4.5 standard errors of a difference

    placed, couplings = sampler.problem_on_chip()
    (problem,) = leap.drawn.values()
    assert set(placed.nodes) == set(problem["qubits"])
    assert home.nodes[0] not in placed.nodes
    sent = {edge: value for edge, value in problem["J"].items() if value != 0}
    assert dict(zip(placed.edges, couplings.tolist(), strict=True)) == pytest.approx(sent)


def test_without_a_place_the_way_offline_is_taken_aloud(account, live, capsys):
    home = densest_subgraph(live, 38)
    model = random_grbm(home, seed=1)
    with requests_mock.Mocker() as mock:
        FakeLeap(mock, without(live, home.nodes[:1]))
        with pytest.raises(QPUError, match="no other place for the model was found"):
            make_sampler(model, "qpu", graph=home)
        sampler = make_sampler(model, "qpu", graph=home, or_else="gibbs")
    assert sampler.kind == "gibbs"
    assert f"lacks 1 qubit ({home.nodes[0]})" in capsys.readouterr().out


def test_a_model_trained_on_a_real_graph_runs_there(account):
    path = Path(os.environ.get("QDVAE_DATA", "none")) / "qpu" / "advantage2_system1.5.json"
    if not path.is_file():
        pytest.skip("QDVAE_DATA has no properties of a real QPU")
    content = json.loads(path.read_text())["properties"]
    edges = tuple((u, v) for u, v in content["couplers"])
    graph = QPUGraph(tuple(content["qubits"]), edges, source="real")
    home = densest_subgraph(graph, 256)
    with requests_mock.Mocker() as mock:
        leap = FakeLeap(mock, graph, **content)
        model = random_grbm(home, seed=1, scale=0.1)
        sampler = make_sampler(model, "qpu", graph=home, num_samples=256, prefactor=0.2)
        spins = sampler.sample()
        assert sampler.plan(1).total_s == pytest.approx(0.0788, abs=1e-4)
        sampler.close()
    assert torch.equal(spins, leap.true_spins(home))
