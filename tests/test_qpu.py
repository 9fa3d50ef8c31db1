"""The path to a real QPU: D-Wave's own client, with everything below HTTP replaced.

``fake_leap.FakeLeap`` knows what it truly drew and what it would charge, so each test compares what
arrives with that.
"""

import io
import json
import logging
import os
import random
import re
import subprocess
import threading
import time
import traceback
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests_mock
import torch
from conftest import random_grbm
from dwave.cloud import Future
from dwave.system import FixedEmbeddingComposite
from dwave.system.warnings import WarningAction
from fake_leap import ACCESS_TIME_US, ENDPOINT, TOKEN, FakeLeap

from qdvae_helpers.budget import qpu_tally
from qdvae_helpers.checkpoints import load_checkpoint, load_pretrained, read_header
from qdvae_helpers.errors import BudgetError, QPUError, SamplerError, SettingError
from qdvae_helpers.graphs import QPUGraph, densest_subgraph, working_graph
from qdvae_helpers.leap import close, connect, explain
from qdvae_helpers.models import QDVAE
from qdvae_helpers.placement import compare, place
from qdvae_helpers.recordings import load_recording, record, save_recording
from qdvae_helpers.samplers import make_sampler
from qdvae_helpers.training import TrainConfig, fit

# So long that a thread which the machine lets wait for seconds is not taken for a lost problem.
PATIENCE = {"backoff_s": 0.001, "ask_again_s": 120.0, "timeout_s": 600.0}


@pytest.fixture(scope="module")
def live(qpu) -> QPUGraph:
    """The working graph of the only QPU that there is."""
    return densest_subgraph(qpu, 40)


@pytest.fixture(scope="module")
def home(live) -> QPUGraph:
    """A model's graph, all of it healthy."""
    return densest_subgraph(live, 12)


@pytest.fixture
def grbm(home):
    return random_grbm(home, seed=3)


@pytest.fixture
def account(monkeypatch):
    """A token and a budget in the environment."""
    monkeypatch.setenv("DWAVE_API_TOKEN", TOKEN)
    monkeypatch.setenv("DWAVE_API_ENDPOINT", ENDPOINT)
    monkeypatch.setenv("QDVAE_QPU_BUDGET_S", "100")


@pytest.fixture
def leap(account, live):
    with requests_mock.Mocker() as mock:
        yield FakeLeap(mock, live)


@pytest.fixture
def make(leap, grbm, home):
    """Builds QPU samplers of the model, and closes their connections."""
    made = []

    def build(model=grbm, graph=home, **options):
        options = {"prefactor": 0.15, "num_samples": 20} | PATIENCE | options
        made.append(make_sampler(model, "qpu", graph=graph, **options))
        return made[-1]

    yield build
    for sampler in made:
        sampler.device.close()


@pytest.fixture
def ask_again_once_forgotten(leap, monkeypatch):
    """Ends the wait for an accepted problem when the client has lost sight of it.

    A clock in its place would also end the waits for threads that the machine keeps from running.
    """
    wait = Future.wait

    def watching(computation, timeout=None):
        if threading.current_thread() is not threading.main_thread() or timeout is None:
            return wait(computation, timeout)
        end = time.monotonic() + timeout
        while not (done := wait(computation, 0.002)) and time.monotonic() < end:
            if computation.id in leap.forgotten:
                leap.forgotten.remove(computation.id)
                break
        return done

    monkeypatch.setattr(Future, "wait", watching)


def true_spins(leap, name, graph) -> torch.Tensor:
    """What the service drew, in the order of the model's nodes."""
    drawn = leap.drawn[name]
    order = [drawn["qubits"].index(q) for q in graph.nodes]
    return torch.tensor(drawn["spins"][:, order]).float()


# Submitting and decoding -----------------------------------------------------------------------


def test_the_samples_are_those_that_were_drawn_for_the_problem_that_was_meant(
    leap, make, grbm, home
):
    sampler = make(num_samples=33)
    spins = sampler.sample()
    ((name, problem),) = leap.drawn.items()
    assert torch.equal(spins, true_spins(leap, name, home))
    h, J = grbm.to_ising(0.15)
    assert problem["h"] == pytest.approx(h)
    sent = {edge: value for edge, value in problem["J"].items() if value != 0}
    assert sent == pytest.approx(J)
    wanted = {"num_reads": 33, "answer_mode": "raw", "auto_scale": False}
    assert problem["params"] == wanted
    provenance = sampler.provenance
    assert str(provenance).startswith("QPU Advantage2_test, 33 reads, graph")
    assert provenance.parameters["solver_graph_id"] == "01test"
    assert provenance.parameters["timing_us"]["qpu_access_time"] == ACCESS_TIME_US
    json.dumps(provenance.to_dict())


@pytest.mark.parametrize("gauges", [0, 4])
def test_the_devices_temperature_is_found(account, live, gauges):
    for seed in range(3):
        with requests_mock.Mocker() as mock:
            leap = FakeLeap(mock, live, seed=seed)
            sampler = make_sampler(random_grbm(live, 1), "qpu", graph=live, gauges=gauges)
            assert 1 / sampler.prefactor == pytest.approx(leap.device._hidden_beta, rel=0.05)
            sampler.device.close()


def test_reads_beyond_the_solvers_limit_are_sent_in_batches(leap, make, home):
    leap.properties["num_reads_range"] = [1, 50]
    spins = make(num_samples=121).sample()
    assert [p["params"]["num_reads"] for p in leap.drawn.values()] == [41, 40, 40]
    assert torch.equal(spins, torch.cat([true_spins(leap, name, home) for name in leap.drawn]))


def test_gauges_reverse_spins_on_the_device_and_nowhere_else(leap, make, grbm, home):
    sampler = make(num_samples=4_002, gauges=4)
    spins = sampler.sample()
    problems = list(leap.drawn.values())
    assert [p["params"]["num_reads"] for p in problems] == [1001, 1001, 1000, 1000]
    signs = {tuple(value > 0 for value in p["h"].values()) for p in problems}
    assert len(signs) == 4
    field = torch.tensor([p["h"][q] for p in problems for q in home.nodes]).view(4, -1).float()
    torch.testing.assert_close(field.abs(), (0.15 * grbm.linear).abs().detach().expand(4, -1))
    # Undone after sampling: the energies are those of one and the same model.
    energies = torch.tensor([e for p in problems for e in p["energies"]]).float()
    torch.testing.assert_close(0.15 * grbm(spins).detach(), energies, atol=1e-4, rtol=0)


def test_couplings_that_only_one_sign_of_would_fit_are_refused_with_gauges(leap, make, grbm):
    grbm.quadratic.data.zero_()
    grbm.quadratic.data[0] = -1.5
    make(prefactor=1.0).sample()
    with pytest.raises(SamplerError, match=r"J = -1.5 is outside the device's range \[-1, 1\]"):
        make(prefactor=1.0, gauges=2).sample()
    assert len(leap.drawn) == 1


def test_out_of_range_is_an_error_or_an_announced_clip(leap, make, grbm, capsys):
    grbm.quadratic.data.fill_(0.1)
    grbm.quadratic.data[:2] = 3.0
    with pytest.raises(SamplerError, match="lower the prefactor"):
        make(prefactor=1.0).sample()
    assert not leap.drawn
    sampler = make(prefactor=1.0, out_of_range="clip")
    sampler.sample()
    sampler.sample()
    assert capsys.readouterr().out.count("2 of 54 biases lie outside") == 1
    (problem, _) = leap.drawn.values()
    assert max(problem["J"].values()) == 1.0
    with pytest.raises(SamplerError, match="'error' or 'clip'"):
        make(out_of_range="ignore")


def test_a_group_of_couplers_has_a_limit_of_its_own(leap, make, grbm):
    leap.properties["per_group_coupling_range"] = [-3.0, 3.0]
    grbm.quadratic.data.fill_(0.9)
    with pytest.raises(SamplerError, match="couplings of a group at qubit"):
        make(prefactor=1.0).sample()
    grbm.quadratic.data.fill_(0.1)
    assert make(prefactor=1.0).sample().shape == (20, 12)


def test_anneal_options_are_checked_before_anything_is_sent(leap, make, grbm):
    with pytest.raises(SamplerError, match=r"range \[0.5, 2000\]"):
        make(annealing_time=0.1)
    with pytest.raises(SamplerError, match="Fast anneal needs h = 0"):
        make(fast_anneal=True).sample()
    assert not leap.drawn
    grbm.linear.data.zero_()
    sampler = make(fast_anneal=True, annealing_time=0.01, prefactor=None)  # calibrates, too
    sampler.sample()
    params = list(leap.drawn.values())[-1]["params"]
    assert params["fast_anneal"] is True
    assert params["annealing_time"] == 0.01


def test_fast_anneal_is_refused_where_there_is_none(leap, make):
    del leap.properties["fast_anneal_time_range"]
    with pytest.raises(SamplerError, match="has no fast anneal"):
        make(fast_anneal=True)


def test_clamped_spins_cost_a_submission_a_row(leap, make, monkeypatch):
    # What importing dwave.inspector sets; the composite's look for broken chains fails here.
    monkeypatch.setattr(FixedEmbeddingComposite, "warnings_default", WarningAction.SAVE)
    given = torch.full((3, 12), float("nan"))
    given[:, :4] = 1.0
    spins = make().sample(given)
    assert (spins[:, :4] == 1).all()
    assert set(spins.unique().tolist()) == {-1.0, 1.0}
    assert len(leap.drawn) == 3


# Faults ----------------------------------------------------------------------------------------


def everything_shown(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) + repr(error) + str(error.__dict__)


def assert_clean(caught) -> None:
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    assert TOKEN not in everything_shown(error)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("401", "wrong or expired: copy the present one"),
        ("403", "may not use this solver"),
        ("429", "refuses more requests"),
        ("500", "fault of its own"),
        ("503", "fault of its own"),
        ("none", "No QPU of the wanted kind is online"),
        ("timeout", "check connection and proxy"),
        ("no network", "check connection and proxy"),
        ("malformed", "no proper answer"),
    ],
)
def test_what_keeps_one_from_connecting_is_said_with_a_remedy(leap, fault, said, capsys):
    leap.faults["solvers"].extend([fault] * 4)
    with pytest.raises(QPUError, match=said) as caught:
        connect("zephyr")
    assert "stay offline with QDVAE_SAMPLER=annealer" in str(caught.value)
    assert_clean(caught)


def test_a_missing_token_file_or_profile_is_explained(monkeypatch, tmp_path):
    with pytest.raises(QPUError, match="No Leap token is set: set DWAVE_API_TOKEN"):
        connect()
    monkeypatch.setenv("DWAVE_CONFIG_FILE", str(tmp_path / "missing.conf"))
    with pytest.raises(QPUError, match="configuration file cannot be read"):
        connect()
    path = tmp_path / "d.conf"
    path.write_text("[defaults]\n")
    monkeypatch.setenv("DWAVE_CONFIG_FILE", str(path))
    monkeypatch.setenv("DWAVE_PROFILE", "absent")
    with pytest.raises(QPUError, match="no such profile: check DWAVE_PROFILE") as caught:
        connect()
    assert_clean(caught)


def test_a_named_solver_and_ones_own_settings_are_respected(leap, live, monkeypatch):
    leap.properties["topology"] = {"type": "pegasus", "shape": [16]}
    with pytest.raises(QPUError, match="No QPU of the wanted kind"):
        connect("zephyr")
    close(connect("zephyr", solver={"qpu": True}))
    monkeypatch.setenv("DWAVE_API_SOLVER", json.dumps({"num_active_qubits__gt": 39}))
    close(connect("zephyr"))
    monkeypatch.setenv("DWAVE_API_SOLVER", json.dumps({"num_active_qubits__gt": 40}))
    with pytest.raises(QPUError, match="No QPU of the wanted kind"):
        connect("zephyr")


@pytest.mark.parametrize("fault", ["429", "500", "503", "timeout", "no network", "malformed"])
def test_passing_faults_of_a_submission_are_tried_again(leap, make, home, fault):
    leap.faults["submit"].extend([fault] * 2)
    spins = make().sample()
    assert torch.equal(spins, true_spins(leap, list(leap.drawn)[-1], home))
    assert leap.requests.count("submit") == 3


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("401", "wrong or expired"),
        ("403", "may not use"),
        ("failed", "refused the problem"),
        ("offline", "maintenance"),
    ],
)
def test_lasting_faults_of_a_submission_are_not(leap, make, fault, said):
    leap.faults["submit"].append(fault)
    sampler = make()
    with pytest.raises(QPUError, match=said) as caught:
        sampler.sample()
    assert leap.requests.count("submit") == 1
    assert_clean(caught)


def test_retries_end(leap, make):
    leap.faults["submit"].extend(["503"] * 100)
    with pytest.raises(QPUError, match="fault of its own"):
        make(retries=3).sample()
    assert leap.requests.count("submit") == 4


@pytest.mark.parametrize("stage", ["poll", "load"])
@pytest.mark.parametrize("fault", ["timeout", "no network", "429", "503", "malformed", "empty"])
@pytest.mark.usefixtures("ask_again_once_forgotten")
def test_faults_after_acceptance_neither_lose_nor_pay_twice(leap, make, home, stage, fault):
    if stage == "load":
        fault = {"malformed": "garbled", "empty": "no answer"}.get(fault, fault)
    leap.faults[stage].extend([fault] * 2)
    spins = make().sample()
    ((name, _),) = leap.drawn.items()
    assert torch.equal(spins, true_spins(leap, name, home))
    assert leap.requests.count("submit") == 1
    assert qpu_tally().spent_s == pytest.approx(leap.charged_s)


@pytest.mark.parametrize("fault", ["fewer", "flipped", "other qubits", "cut off", "garbled"])
def test_an_answer_that_is_none_is_fetched_again_and_at_last_refused(leap, make, home, fault):
    leap.faults["load"].append(fault)
    sampler = make()
    assert torch.equal(sampler.sample(), true_spins(leap, "problem-1", home))
    leap.faults["load"].extend([fault] * 20)
    with pytest.raises(QPUError, match=r"no proper answer .*\(Problem problem-2; it is counted"):
        sampler.sample()
    assert leap.requests.count("submit") == 2


def test_a_queue_without_end_is_left_and_the_problem_cancelled(leap, make):
    leap.queue_without_end = True
    sampler = make(timeout_s=0.5, ask_again_s=0.2)
    with pytest.raises(QPUError, match="queue may be long"):
        sampler.sample()
    leap.queue_without_end = False
    eventually(lambda: leap.cancelled == ["problem-1"])


def test_an_interrupt_cancels_and_goes_on_its_way(leap, make, monkeypatch):
    sampler = make()
    leap.queue_without_end = True

    wait = Future.wait

    def interrupted(computation, timeout=None):
        if threading.current_thread() is not threading.main_thread():
            return wait(computation, timeout)  # one of the client's own
        computation.wait_id(60)
        raise KeyboardInterrupt

    monkeypatch.setattr("dwave.cloud.computation.Future.wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sampler.sample()
    leap.queue_without_end = False
    eventually(lambda: leap.cancelled == ["problem-1"])


def test_an_interrupt_between_two_tries_cancels_the_problem_that_was_accepted(
    leap, make, monkeypatch
):
    sampler = make()
    leap.queue_without_end = True
    leap.faults["poll"].append("429")  # ends the client's own watch over the problem

    def interrupted(seconds):
        raise KeyboardInterrupt

    clock = SimpleNamespace(monotonic=time.monotonic, sleep=interrupted)
    monkeypatch.setattr("qdvae_helpers.qpu.time", clock)
    with pytest.raises(KeyboardInterrupt) as caught:
        sampler.sample()
    eventually(lambda: leap.cancelled == ["problem-1"])
    assert caught.value.__context__ is None  # a foreign error would hold the request's headers
    assert qpu_tally().spent_s > 0
    leap.queue_without_end = False


def eventually(condition) -> None:
    """Wait for the client's threads."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.usefixtures("ask_again_once_forgotten")
def test_two_hundred_random_sequences_of_faults(leap, make, home):
    """No sample is lost or invented, nothing is sent without need, nothing hangs."""
    sampler = make(num_samples=8)
    answered = 0
    for seed in range(200):
        rng = random.Random(seed)
        for stage, kinds in {
            "submit": ["429", "500", "timeout", "no network", "malformed", "reply lost", "empty"],
            "poll": ["429", "503", "timeout", "malformed", "empty", "still waiting"],
            "load": ["429", "503", "timeout", "fewer", "flipped", "cut off", "garbled"],
        }.items():
            leap.faults[stage].clear()
            leap.faults[stage].extend(rng.choices(kinds, k=rng.choice([0, 0, 1, 1, 2])))
        faults = sum(map(len, leap.faults.values()))
        allowed = leap.requests.count("submit") + 1 + len(leap.faults["submit"])
        before = set(leap.drawn)
        spins = None
        try:
            spins = sampler.sample()
        except QPUError:
            assert faults > 4  # as many as there are retries are put up with
        new = [name for name in leap.drawn if name not in before]
        if spins is not None:
            answered += 1
            assert any(torch.equal(spins, true_spins(leap, name, home)) for name in new)
        assert leap.requests.count("submit") <= allowed
        assert qpu_tally().spent_s > leap.charged_s - 1e-9
    assert answered >= 180


@pytest.mark.parametrize("gauges", [0, 3])
def test_batches_that_were_answered_are_kept_when_a_later_one_fails(leap, make, home, gauges):
    leap.properties["num_reads_range"] = [1, 50]
    sampler = make(num_samples=121, retries=0, gauges=gauges)
    leap.faults["submit"].extend([None, None, "429"])
    with pytest.raises(QPUError, match=r"\(429\).* 81 of the 121 reads .*are kept") as caught:
        sampler.sample()
    assert_clean(caught)
    assert [len(answer) for answer in sampler.device.partial] == [41, 40]
    assert len(leap.drawn) == 2
    spins = sampler.sample()
    assert [p["params"]["num_reads"] for p in leap.drawn.values()] == [41, 40, 40]
    assert qpu_tally().spent_s == pytest.approx(leap.charged_s)
    # Gauges are undone in what arrives, so compare what they leave alone: the energies.
    drawn = torch.tensor([e for p in leap.drawn.values() for e in p["energies"]]).float()
    torch.testing.assert_close(0.15 * sampler.grbm(spins).detach(), drawn, atol=1e-4, rtol=0)
    if not gauges:
        assert torch.equal(spins, torch.cat([true_spins(leap, name, home) for name in leap.drawn]))
    assert sampler.device.partial == []
    sampler.sample()  # nothing is handed out twice
    assert len(leap.drawn) == 6


def test_answers_that_were_kept_serve_no_other_problem(leap, make, grbm, home):
    leap.properties["num_reads_range"] = [1, 50]
    sampler = make(num_samples=100, retries=0)
    leap.faults["submit"].extend([None, "503"])
    with pytest.raises(QPUError, match="50 of the 100 reads"):
        sampler.sample()
    grbm.linear.data[0] += 0.25
    leap.faults["submit"].append("503")
    with pytest.raises(QPUError) as caught:
        sampler.sample()
    assert "are kept" not in str(caught.value)
    spins = sampler.sample()
    _, *names = leap.drawn
    assert torch.equal(spins, torch.cat([true_spins(leap, name, home) for name in names]))


def test_the_budget_in_the_middle_of_a_call_and_an_interrupt_keep_what_was_paid(
    leap, make, home, monkeypatch
):
    leap.properties["num_reads_range"] = [1, 50]
    sampler = make(num_samples=150)
    one = sampler.device.careful.estimate_s(12, 50)
    monkeypatch.setenv("QDVAE_QPU_BUDGET_S", str(1.01 * one))
    with pytest.raises(BudgetError, match=r"set QDVAE_QPU_BUDGET_S.* 50 of the 150 reads"):
        sampler.sample()
    monkeypatch.setenv("QDVAE_QPU_BUDGET_S", "100")
    wait, waits = Future.wait, []

    def interrupted(computation, timeout=None):
        if threading.current_thread() is threading.main_thread() and timeout is not None:
            waits.append(computation.wait_id(60))
            if len(waits) == 2:
                raise KeyboardInterrupt
        return wait(computation, timeout)

    with monkeypatch.context() as patch:
        patch.setattr(Future, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            sampler.sample()
    spins = sampler.sample()
    names = ["problem-1", "problem-2", "problem-4"]
    assert torch.equal(spins, torch.cat([true_spins(leap, name, home) for name in names]))
    assert len(leap.drawn) == 4


def test_rows_of_clamped_spins_that_were_answered_are_kept(leap, make, home):
    sampler = make(retries=0)
    given = torch.full((4, 12), float("nan"))
    given[:, :4] = 1.0  # the same problem in every row, yet each row has a sample of its own
    leap.faults["submit"].extend([None, None, "503"])
    with pytest.raises(QPUError, match="2 of the 4 reads"):
        sampler.sample(given)
    spins = sampler.sample(given)
    assert spins.shape == (4, 12)
    free = QPUGraph(home.nodes[4:], ())
    drawn = torch.cat([true_spins(leap, name, free) for name in leap.drawn])
    assert torch.equal(spins[:, 4:], drawn)
    assert leap.requests.count("submit") == 5


def test_a_recording_that_fails_half_way_keeps_what_arrived(leap, make, home, capsys):
    leap.properties["num_reads_range"] = [1, 50]
    sampler = make(num_samples=100, retries=0)
    leap.faults["submit"].extend([None] * 3 + ["503"])
    recording = record(sampler, 200)
    drawn = torch.cat([true_spins(leap, name, home) for name in leap.drawn])
    assert recording.spins.shape == (150, 12)
    assert torch.equal(recording.spins, drawn)
    shown = capsys.readouterr().out
    assert "fault of its own" in shown
    assert "Recording the 150 of 200 reads that arrived." in shown
    assert sampler.device.partial == []  # they are in the recording, and handed out nowhere else
    leap.faults["submit"].append("503")
    with pytest.raises(QPUError, match="fault of its own"):
        record(make(num_samples=100, retries=0), 100)


# Cost ------------------------------------------------------------------------------------------


def test_nothing_is_sent_without_a_budget(leap, make, monkeypatch):
    for value in ("", "0"):
        monkeypatch.setenv("QDVAE_QPU_BUDGET_S", value)
        with pytest.raises(BudgetError, match=r"set QDVAE_QPU_BUDGET_S to 0\.\d\d or more"):
            make()
    assert leap.requests == ["solvers"] * len(leap.requests)
    for value in ("much", "-1", "nan", "inf"):
        monkeypatch.setenv("QDVAE_QPU_BUDGET_S", value)
        with pytest.raises(SettingError, match="use for example 2"):
            make()


def test_cost_is_shown_first_and_the_tally_holds_what_the_solver_reports(leap, make, capsys):
    sampler = make(num_samples=100)
    shown = capsys.readouterr().out
    assert "QPU Advantage2_test: 1 call of 100 reads at about" in shown
    assert "100.00 s of the budget are left" in shown
    solver = sampler.device.solver
    expected = solver.estimate_qpu_access_time(12, num_reads=100) / 1e6
    assert sampler.plan(500).total_s == pytest.approx(500 * expected)
    assert f"about {500 * expected:.2f} s of QPU access time" in str(sampler.plan(500))
    sampler.sample()
    assert qpu_tally().spent_s == pytest.approx(ACCESS_TIME_US / 1e6)
    assert "0.012 s of QPU access time spent in 1 submissions" in str(qpu_tally())


def test_gauges_and_batches_count_a_programming_each(leap, make):
    one, four = make(num_samples=100), make(num_samples=100, gauges=4)
    programming = leap.properties["problem_timing_data"]["typical_programming_time"] + 1000
    extra = four.plan(1).total_s - one.plan(1).total_s
    assert extra == pytest.approx(3 * programming / 1e6)


def test_a_refused_submission_costs_nothing_and_one_of_unknown_fate_its_estimate(leap, make):
    leap.faults["submit"].extend(["429", "reply lost"])
    sampler = make()
    estimate = sampler.plan(1).call_s
    sampler.sample()
    assert len(leap.drawn) == 2
    assert qpu_tally().spent_s == pytest.approx(estimate + ACCESS_TIME_US / 1e6)


def test_the_budget_stops_before_it_is_passed(leap, make, monkeypatch):
    sampler = make()
    call = sampler.plan(1).call_s
    monkeypatch.setenv("QDVAE_QPU_BUDGET_S", str(2 * ACCESS_TIME_US / 1e6 + call))
    calls = 0
    while not sampler.exhausted:
        sampler.sample()
        calls += 1
    assert calls == 3
    with pytest.raises(BudgetError, match="of the budget"):
        sampler.sample()
    assert len(leap.drawn) == 3


def test_a_solver_that_does_not_say_how_long_it_takes_is_not_used(leap, make):
    del leap.properties["problem_timing_data"]
    with pytest.raises(QPUError, match="cost cannot be foreseen"):
        make()


def tiny_training(make, home, digits, path, steps=40, **options):
    model = QDVAE(home, (16,))
    sampler = make(model.grbm, **options)
    config = TrainConfig(steps=steps, batch_size=20, report_every=10, seed=1)
    return model, lambda: fit(model, digits, config, sampler=sampler, checkpoint=path)


def test_training_says_its_cost_stops_at_the_budget_and_goes_on_later(
    leap, make, home, digits, tmp_path, monkeypatch, capsys
):
    path = tmp_path / "model.safetensors"
    _, train = tiny_training(make, home, digits, path)
    call = make().plan(1).call_s
    monkeypatch.setenv("QDVAE_QPU_BUDGET_S", str(6.5 * ACCESS_TIME_US / 1e6 + call))
    result = train()
    assert not result.finished
    shown = capsys.readouterr().out
    assert "40 calls of 20 reads" in shown
    assert "the budget of QPU time" in shown
    step = read_header(path)["info"]["step"]
    assert 6 <= step <= 8
    monkeypatch.setenv("QDVAE_QPU_BUDGET_S", "100")
    _, train = tiny_training(make, home, digits, path)
    assert train().finished


def test_a_fault_in_training_keeps_the_checkpoint_of_the_last_whole_step(
    leap, make, home, digits, tmp_path
):
    path = tmp_path / "model.safetensors"
    _, train = tiny_training(make, home, digits, path, retries=0)
    leap.faults["submit"].extend([None] * 5 + ["503"])
    with pytest.raises(QPUError, match="fault of its own"):
        train()
    assert read_header(path)["info"]["step"] == 5
    model, train = tiny_training(make, home, digits, path)
    assert train().finished
    assert torch.isfinite(model.grbm.linear).all()


# Temperature -----------------------------------------------------------------------------------


def test_a_drifting_temperature_is_followed_within_five_per_cent(qpu):
    """Simulated device with noise on h and J, and a model whose couplings say enough."""
    from qdvae_helpers.samplers import DeviceSampler, SimulatedQPU

    graph = densest_subgraph(qpu, 48)
    device = SimulatedQPU(graph, seed=2, noise=0.005, num_sweeps=200)
    sampler = DeviceSampler(random_grbm(graph, 0, 0.2), device, 300, graph=graph, track_every=1)
    drifted = 1.15 * device._hidden_beta
    device.substitute_kwargs["beta_range"] = [0, drifted]
    for _ in range(12):
        sampler.sample()
    assert 1 / sampler.prefactor == pytest.approx(drifted, rel=0.05)
    estimate = sampler.temperatures[-1]
    assert abs(estimate.beta - drifted) < 4 * estimate.error < 0.2 * drifted


def test_training_reports_the_devices_temperature(qpu, digits):
    graph = densest_subgraph(qpu, 24)
    model = QDVAE(graph, (16,))
    model.grbm.quadratic.data = random_grbm(graph, 2).quadratic.data
    sampler = make_sampler(
        model.grbm, "annealer", num_samples=300, graph=graph, num_sweeps=200, track_every=2
    )
    config = TrainConfig(steps=6, batch_size=20, report_every=3)
    (_, last) = fit(model, digits, config, sampler=sampler, progress=False).history
    assert last["device_beta"] == sampler.temperatures[-1].beta
    assert last["device_beta"] == pytest.approx(sampler.device._hidden_beta, rel=0.15)
    assert len(sampler.temperatures) == 3


def test_weak_couplings_do_not_move_the_prefactor(leap, make, grbm):
    grbm.linear.data.zero_()
    grbm.quadratic.data.fill_(0.01)
    sampler = make()
    for _ in range(3):
        sampler.sample()
    assert sampler.prefactor == 0.15
    assert sampler.temperatures == []


# Drift -----------------------------------------------------------------------------------------


def without(graph: QPUGraph, qubits=(), couplers=()) -> QPUGraph:
    kept = graph.subgraph(set(graph.nodes) - set(qubits))
    edges = tuple(edge for edge in kept.edges if edge not in set(couplers))
    return QPUGraph(kept.nodes, edges, graph.topology, graph.shape, "drifted")


def test_what_is_gone_is_named(home, live):
    assert not compare(home, live)
    assert "All qubits and couplers" in str(compare(home, live))
    qubit, coupler = home.nodes[0], next(e for e in home.edges if home.nodes[0] not in e)
    drift = compare(home, without(live, [qubit], [coupler]))
    assert drift.qubits == (qubit,)
    assert drift.couplers == (coupler,)
    assert f"lacks 1 qubit ({qubit}) and 1 coupler ({coupler})" in str(drift)


def test_a_model_moves_to_healthy_qubits_and_keeps_its_distribution(account, qpu):
    whole = densest_subgraph(qpu, 80)
    home = densest_subgraph(whole, 8)
    model = random_grbm(home, seed=1)
    drifted = without(whole, [home.nodes[0]])
    with requests_mock.Mocker() as mock:
        leap = FakeLeap(mock, drifted)
        sampler = make_sampler(
            model, "qpu", graph=home, num_samples=5_000, prefactor=1 / leap.device._hidden_beta
        )
        spins = sampler.sample()
        sampler.device.close()
    assert "placed on" in str(sampler.provenance)
    placed = sampler.device.embedding
    assert set(placed) == set(home.nodes)
    assert home.nodes[0] not in placed.values()
    exact = make_sampler(model, "exact", graph=home, num_samples=5_000).sample()
    ours, theirs = (model.sufficient_statistics(s).double().mean(0) for s in (spins, exact))
    assert (ours - theirs).abs().max() < 0.09  # 4.5 standard errors of a difference


def test_without_a_place_the_way_offline_is_taken_aloud(account, live, qpu, capsys):
    home = densest_subgraph(live, 38)
    model = random_grbm(home, seed=1)
    with requests_mock.Mocker() as mock:
        FakeLeap(mock, without(live, home.nodes[:1]))
        with pytest.raises(QPUError, match="no other place for the model was found"):
            make_sampler(model, "qpu", graph=home)
        sampler = make_sampler(model, "qpu", graph=home, or_else="gibbs")
    assert sampler.kind == "gibbs"
    shown = capsys.readouterr().out
    assert f"lacks 1 qubit ({home.nodes[0]})" in shown
    assert "Continuing with the sampler 'gibbs'." in shown


def test_a_captured_graph_knows_solver_and_date(leap, live):
    graph = working_graph("live")
    assert graph.hash == live.hash
    assert graph.source.startswith("live graph of Advantage2_test (graph id 01test), captured 20")


def test_views_of_saved_models_contact_nobody(account, tmp_path):
    with requests_mock.Mocker() as mock:  # knows no address: any request would fail
        model = load_pretrained()
        model.generate(2, seed=1)
        load_checkpoint(Path(__file__).parent.parent / "data/pretrained/qdvae-256.safetensors")
        assert mock.request_history == []


@pytest.fixture(scope="module")
def real_qpu() -> tuple[QPUGraph, dict]:
    """The working graph and the properties of a real Advantage2."""
    path = Path(os.environ.get("QDVAE_DATA", "none")) / "qpu" / "advantage2_system1.5.json"
    if not path.is_file():
        pytest.skip("QDVAE_DATA has no properties of a real QPU")
    content = json.loads(path.read_text())["properties"]
    edges = tuple((u, v) for u, v in content["couplers"])
    return QPUGraph(tuple(content["qubits"]), edges, source="real"), content


def test_a_model_trained_on_a_real_graph_runs_there(real_qpu, account, capsys):
    graph, content = real_qpu
    home = densest_subgraph(graph, 256)
    with requests_mock.Mocker() as mock:
        leap = FakeLeap(mock, graph, **content)
        model = random_grbm(home, seed=1, scale=0.1)
        sampler = make_sampler(model, "qpu", graph=home, num_samples=256, prefactor=0.2)
        spins = sampler.sample()
        assert sampler.plan(1).total_s == pytest.approx(0.0788, abs=1e-4)
        sampler.device.close()
    assert torch.equal(spins, true_spins(leap, "problem-1", home))


def test_what_fits_on_a_real_graph_that_it_was_not_made_for(real_qpu, qpu):
    graph, _ = real_qpu
    small = densest_subgraph(qpu, 48)
    assert compare(small, graph)  # defects differ
    placed = place(small, graph)
    target = graph.to_networkx()
    assert len(set(placed.values())) == 48
    assert all(target.has_edge(placed[u], placed[v]) for u, v in small.edges)
    shipped = load_pretrained().graph
    assert place(shipped, graph) is None  # docs/qpu.md says so


# Secrets ---------------------------------------------------------------------------------------


def test_the_token_is_in_no_log_output_error_or_recording(
    account, live, home, grbm, tmp_path, capsys
):
    for name in list(logging.root.manager.loggerDict):  # what earlier tests have left there
        logging.getLogger(name).filters.clear()
    heard = io.StringIO()
    handler = logging.StreamHandler(heard)
    root = logging.getLogger()
    level, client_level = root.level, logging.getLogger("dwave").level
    root.addHandler(handler)
    root.setLevel(1)
    try:
        with requests_mock.Mocker() as mock:
            leap = FakeLeap(mock, live)
            options = {"graph": home, "num_samples": 10, "prefactor": 0.15} | PATIENCE
            sampler = make_sampler(grbm, "qpu", **options)
            leap.faults["submit"].extend(["500", "no network"])
            path = save_recording(record(sampler, 10), tmp_path / "r.safetensors")
            leap.faults["submit"].append("failed")
            with pytest.raises(QPUError) as caught:
                sampler.sample()
            sampler.device.close()
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        logging.getLogger("dwave").setLevel(client_level)
    assert len(heard.getvalue()) > 1_000  # the client did speak
    assert TOKEN not in heard.getvalue()
    assert TOKEN.encode() not in path.read_bytes()
    recording = load_recording(path)
    assert not recording.simulated
    assert recording.provenance.parameters["solver"] == "Advantage2_test"
    assert recording.provenance.parameters["timing_us"]["qpu_access_time"] == ACCESS_TIME_US
    assert TOKEN not in "".join(capsys.readouterr())
    assert TOKEN not in repr(sampler.provenance) + repr(vars(sampler))
    assert_clean(caught)


def test_no_file_of_the_repository_holds_a_token():
    root = Path(__file__).resolve().parent.parent
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    token = re.compile(rb"\b[A-Za-z0-9]{2,4}-[0-9a-f]{40}\b")
    assert token.search(TOKEN.encode())
    for name in filter(None, listed.stdout.split("\0")):
        path = root / name
        if path.is_file():
            assert not token.search(path.read_bytes()), name


def test_every_kind_of_error_is_one_or_two_plain_sentences():
    from dwave.cloud import exceptions as cloud

    kinds = [
        cloud.SolverOfflineError("x"),
        cloud.PollingTimeout(),
        cloud.ProblemStructureError("x"),
        cloud.CanceledFutureError(),
        cloud.InvalidAPIResponseError("x"),
        cloud.UseAfterCloseError("x"),
        KeyError("x"),
    ]
    said = [explain(error) for error in kinds]
    assert len(set(said)) == len(said)
    assert all(text.endswith("stay offline with QDVAE_SAMPLER=annealer.") for text in said)
