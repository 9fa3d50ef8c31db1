"""What every sampler promises, so that nobody has to ask which one it is."""

import pytest
import torch
from dwave.plugins.torch.samplers import TorchSampler
from small_models import random_grbm

from qdvae_helpers.errors import SamplerError
from qdvae_helpers.graphs import QPUGraph, densest_subgraph
from qdvae_helpers.samplers import make_sampler

WITH_SEED = ("gibbs", "annealer", "exact", "recorded")
KINDS = (*WITH_SEED, "qpu")


@pytest.mark.parametrize("kind", KINDS)
def test_spins_come_with_their_provenance(kind, build, home):
    sampler = build(kind)
    assert isinstance(sampler, TorchSampler)
    first, second = sampler.sample(), sampler.sample()
    assert first.shape == second.shape == (20, 12)
    assert first.dtype == torch.float32
    assert set(first.unique().tolist()) == {-1.0, 1.0}
    assert not torch.equal(first, second)
    assert sampler.graph == home
    assert sampler.kind == sampler.provenance.kind == kind
    assert sampler.provenance.graph_hash == home.hash
    assert home.hash in str(sampler.provenance)
    assert sampler.simulated == (kind != "qpu")
    assert "quantum" not in str(sampler.provenance)


@pytest.mark.parametrize("kind", WITH_SEED)
def test_the_seed_decides_the_sequence(kind, build):
    one, same, other = (build(kind, seed=seed) for seed in (1, 1, 2))
    for _ in range(2):
        first = one.sample()
        assert torch.equal(first, same.sample())
    assert not torch.equal(first, other.sample())


@pytest.mark.parametrize("kind", WITH_SEED)
def test_a_saved_state_continues_the_same_sequence(kind, build):
    sampler, other = build(kind, seed=1), build(kind, seed=1)
    sampler.sample()
    state = sampler.state_dict()
    expected = sampler.sample()
    other.load_state_dict(state)
    assert torch.equal(other.sample(), expected)


@pytest.mark.parametrize("kind", ["gibbs", "annealer", "exact", "qpu"])
def test_parameters_are_read_at_every_call(kind, build, home_grbm):
    sampler = build(kind, num_samples=100)
    home_grbm.quadratic.data.zero_()
    home_grbm.linear.data = torch.full((12,), -5.0)
    assert sampler.sample().mean() > 0.99


@pytest.mark.parametrize("kind", KINDS)
def test_fresh_and_further_spins_are_as_many_as_others(kind, build):
    sampler = build(kind)
    assert sampler.fresh().shape == sampler.more().shape == (20, 12)


@pytest.mark.parametrize("kind", ["annealer", "exact", "recorded"])
def test_independent_samples_need_no_more_than_the_next_call(kind, build):
    sampler, twin = build(kind), build(kind)
    assert torch.equal(sampler.fresh(), twin.sample())
    assert torch.equal(sampler.more(), twin.sample())


@pytest.mark.parametrize("kind", WITH_SEED)
def test_what_costs_nothing_has_no_plan_and_no_end(kind, build):
    sampler = build(kind)
    assert sampler.plan(1_000_000) is None
    assert sampler.exhausted is False
    assert sampler.salvage() == []


@pytest.mark.parametrize("kind", KINDS)
def test_closing_ends_the_connection_where_there_is_one(kind, build, leap):
    sampler = build(kind)
    assert sampler.sample().shape == (20, 12)
    before = list(leap.requests)
    sampler.close()
    sampler.close()  # nobody has to remember
    if kind == "qpu":
        with pytest.raises(SamplerError):
            sampler.sample()
    assert leap.requests == before


@pytest.mark.parametrize("kind", KINDS)
def test_only_a_device_that_is_tracked_has_diagnostics(kind, build):
    sampler = build(kind)
    assert sampler.diagnostics() == {}
    if kind in ("annealer", "qpu"):
        sampler = build(kind, num_samples=1_000, track_every=1)
        sampler.sample()
        assert sampler.diagnostics() == {"device_beta": sampler.temperatures[-1].beta}


def lasting(provenance) -> dict:
    """What a call does not add to."""
    return {k: v for k, v in provenance.parameters.items() if k != "timing_us"}


@pytest.mark.parametrize("kind", KINDS)
def test_inside_steady_all_samples_are_drawn_alike(kind, build):
    follows = kind in ("annealer", "qpu")
    sampler = build(kind, **({"num_samples": 1_000, "track_every": 1} if follows else {}))
    said = lasting(sampler.provenance)
    with sampler.steady():
        sampler.sample()
        sampler.sample()
    assert lasting(sampler.provenance) == said
    with pytest.raises(KeyError), sampler.steady():
        raise KeyError
    sampler.sample()
    assert (lasting(sampler.provenance) != said) == follows  # as before the block


@pytest.mark.parametrize(
    ("kind", "scale"),
    [("gibbs", 1), ("exact", 1), ("annealer", 0.15), ("recorded", 0.15), ("qpu", 0.15)],
)
def test_the_problem_on_the_chip_is_as_a_device_gets_it(kind, scale, build, home, home_grbm):
    graph, couplings = build(kind).problem_on_chip()
    assert graph == home
    torch.testing.assert_close(couplings, scale * home_grbm.quadratic.detach())
    assert not couplings.requires_grad


@pytest.mark.parametrize("kind", KINDS)
def test_a_sampler_serves_no_other_model(kind, build, home, home_grbm):
    sampler = build(kind)
    assert sampler.grbm is home_grbm
    assert sampler.require_model(home_grbm) is None
    with pytest.raises(SamplerError, match="draws from another model"):
        sampler.require_model(random_grbm(home, seed=3))  # an equal one, yet another


@pytest.mark.parametrize("kind", ["gibbs", "exact"])
def test_a_graph_that_is_not_the_models_is_refused(kind, qpu, grbm12, graph12):
    fewer = QPUGraph(graph12.nodes, graph12.edges[1:])
    for other in (densest_subgraph(qpu, 13), fewer):
        with pytest.raises(SamplerError, match="same order"):
            make_sampler(grbm12, kind, graph=other)


@pytest.mark.parametrize("kind", ["gibbs", "annealer"])
def test_wrong_clamps_are_refused(kind, build):
    sampler = build(kind)
    with pytest.raises(SamplerError, match=r"give \(chains, 12\)"):
        sampler.sample(torch.zeros(3, 11))
    with pytest.raises(SamplerError, match="NaN where a spin is free"):
        sampler.sample(torch.zeros(3, 12))


@pytest.mark.parametrize("kind", ["exact", "recorded"])
def test_samplers_that_cannot_clamp_name_one_that_can(kind, build):
    with pytest.raises(SamplerError, match="cannot clamp spins: use the sampler 'gibbs'"):
        build(kind).sample(torch.ones(1, 12))
