"""Choosing a sampler, and the graph of a whole QPU."""

import pytest
from small_models import new_model

from qdvae_helpers import samplers
from qdvae_helpers.errors import GraphError, QPUError, SamplerError, SettingError
from qdvae_helpers.graphs import ideal_graph
from qdvae_helpers.samplers import (
    ExactSampler,
    GibbsSampler,
    make_sampler,
    sampler_kind,
    working_graph,
)


def test_the_kind_is_the_argument_then_the_environment_then_gibbs(monkeypatch, grbm12, graph12):
    assert sampler_kind() == "gibbs"
    monkeypatch.setenv("QDVAE_SAMPLER", "exact")
    assert sampler_kind() == "exact"
    assert sampler_kind("annealer") == "annealer"
    assert type(make_sampler(grbm12, graph=graph12)) is ExactSampler
    assert type(make_sampler(grbm12, "gibbs", graph=graph12)) is GibbsSampler
    monkeypatch.setenv("QDVAE_SAMPLER", "")
    assert sampler_kind() == "gibbs"


def test_an_unknown_kind_is_answered_with_the_known_ones(monkeypatch, grbm12):
    assert {"gibbs", "annealer", "exact", "recorded", "qpu"} <= set(samplers._MAKERS)
    with pytest.raises(SettingError, match=", ".join(samplers._MAKERS)):
        make_sampler(grbm12, "qpuu")
    monkeypatch.setenv("QDVAE_SAMPLER", "nonsense")
    with pytest.raises(SettingError, match="QDVAE_SAMPLER"):
        make_sampler(grbm12)


@pytest.mark.parametrize("kind", ["gibbs", "annealer", "exact"])
def test_numbers_out_of_range_are_refused(kind, grbm12, graph12):
    with pytest.raises(SamplerError, match="num_samples=0 must be 1 or more"):
        make_sampler(grbm12, kind, num_samples=0, graph=graph12)
    with pytest.raises(SamplerError, match="seed=-1 must be 0 or more"):
        make_sampler(grbm12, kind, seed=-1, graph=graph12)


def test_options_reach_the_sampler_and_its_device(grbm12, graph12):
    assert make_sampler(grbm12, "gibbs", graph=graph12, sweeps=3).sweeps == 3
    sampler = make_sampler(grbm12, "annealer", graph=graph12, num_sweeps=7, prefactor=0.2)
    assert sampler.device.substitute_kwargs["num_sweeps"] == 7
    assert sampler.prefactor == 0.2


def test_a_new_sampler_needs_a_line_in_the_table_of_makers_and_no_other(
    grbm12, graph12, monkeypatch
):
    class Slow(ExactSampler):
        def __init__(self, grbm, num_samples=256, *, pause=1, seed=0, graph=None):
            super().__init__(grbm, num_samples, seed=seed, graph=graph)
            self.pause = pause

    monkeypatch.setitem(samplers._MAKERS, "slow", Slow)
    assert make_sampler(grbm12, "slow", graph=graph12, pause=3).pause == 3
    with pytest.raises(SettingError, match="no option haste: choose from pause"):
        make_sampler(grbm12, "slow", graph=graph12, haste=3)


def test_the_simulated_qpu_needs_to_know_its_graph(grbm12):
    with pytest.raises(SamplerError, match=r"needs graph=\.\.\."):
        make_sampler(grbm12, "annealer")


def test_a_wanted_sampler_that_cannot_serve_is_an_error_or_replaced_aloud(
    grbm12, graph12, monkeypatch, capsys
):
    with pytest.raises(QPUError, match="No Leap token"):
        make_sampler(grbm12, "qpu", graph=graph12)
    assert capsys.readouterr().out == ""
    assert make_sampler(grbm12, "qpu", graph=graph12, or_else="exact").kind == "exact"
    assert capsys.readouterr().out.endswith("Continuing with the sampler 'exact'.\n")
    monkeypatch.setenv("QDVAE_SAMPLER", "qpu")  # a wish for all lessons, not for this one
    assert make_sampler(grbm12, graph=graph12).kind == "gibbs"
    assert "No Leap token" in capsys.readouterr().out


def test_a_lesson_that_trains_does_not_stop_where_recorded_samples_are_wished_for(
    graph12, monkeypatch, capsys
):
    monkeypatch.setenv("QDVAE_SAMPLER", "recorded")
    sampler = make_sampler(new_model(graph12).grbm, num_samples=4, graph=graph12)
    assert sampler.kind == "gibbs"
    assert "No recording belongs to this model" in capsys.readouterr().out


def test_a_working_graph_is_ideal_live_or_explained(qpu):
    assert working_graph() == working_graph("ideal") == qpu  # no token: offline
    assert working_graph("ideal", seed=1) == ideal_graph(1) != qpu
    with pytest.raises(SettingError, match="'ideal' or 'live'"):
        working_graph("simulated")
    with pytest.raises(GraphError, match="DWAVE_API_TOKEN"):
        working_graph("live")


def test_with_a_token_the_graph_is_the_live_one(leap, live):
    for graph in (working_graph(), working_graph("live")):
        assert graph.hash == live.hash
        assert graph.source.startswith("live graph of Advantage2_test (graph id 01test), captured")


def test_without_an_answer_the_ideal_graph_is_taken_aloud(leap, qpu, capsys):
    leap.faults["solvers"].extend(["401"] * 2)
    with pytest.raises(GraphError, match="401"):
        working_graph("live")
    assert working_graph() == qpu
    assert "Continuing with the ideal graph." in capsys.readouterr().out


def test_a_working_graph_is_live_where_a_real_qpu_shall_draw(qpu, graph12, monkeypatch):
    """Also where the token stands in D-Wave's own file, which only the connection reads."""
    monkeypatch.setattr("qdvae_helpers.samplers.live_graph", lambda: graph12)
    assert working_graph() == qpu
    monkeypatch.setenv("QDVAE_SAMPLER", "qpu")
    assert working_graph() == graph12
