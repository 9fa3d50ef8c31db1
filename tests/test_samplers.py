"""Every sampler against the exact distribution, and what the seam promises.

A moment estimated from M independent samples has a standard error that is known exactly here, so
each comparison is a z-score.  The limits are far enough out that a right sampler passes with every
seed in practice, and one test shows that a sampler which is 10 % too cold does not.
"""

import math

import numpy as np
import pytest
import torch
from conftest import random_grbm
from dwave.plugins.torch.samplers import TorchSampler

from qdvae_helpers import samplers
from qdvae_helpers.errors import SamplerError, SettingError
from qdvae_helpers.evaluate import enumerate_states
from qdvae_helpers.graphs import QPUGraph, densest_subgraph
from qdvae_helpers.samplers import DeviceSampler, GibbsSampler, SimulatedQPU, make_sampler


def z_scores(grbm, spins, beta=1.0, given=None):
    """Deviation of all first and pair moments from the exact ones, in standard errors."""
    exact = enumerate_states(grbm, beta)
    states, p = exact.states, exact.probabilities
    if given is not None:  # condition on clamped spins
        match = ((states == given) | given.isnan()).all(1)
        p = torch.where(match, p, 0)
        p = p / p.sum()
    truth = p @ grbm.sufficient_statistics(states).double()
    estimate = grbm.sufficient_statistics(spins).double().mean(0)
    error = ((1 - truth**2).clamp(min=1e-12) / len(spins)).sqrt()
    return ((estimate - truth) / error)[1 - truth**2 > 1e-9]


@pytest.mark.parametrize("n", [12, 16])
@pytest.mark.parametrize("seed", [0, 1])
def test_gibbs_agrees_with_enumeration(qpu, n, seed):
    graph = densest_subgraph(qpu, n)
    grbm = random_grbm(graph, seed=n + seed)
    sampler = make_sampler(grbm, "gibbs", num_samples=20_000, seed=seed, graph=graph)
    z = z_scores(grbm, sampler.sample(sweeps=300))
    assert z.abs().max() < 4.5
    assert 0.5 < z.square().mean() < 2.0  # neither biased nor suspiciously good


def test_the_comparison_notices_a_sampler_that_is_too_cold(grbm12, graph12):
    cold = make_sampler(grbm12, "gibbs", num_samples=20_000, beta=1.1, graph=graph12)
    assert z_scores(grbm12, cold.sample(sweeps=300)).abs().max() > 8


def test_gibbs_after_burn_in_agrees_with_enumeration(grbm12, graph12):
    sampler = make_sampler(grbm12, "gibbs", num_samples=20_000, seed=5, graph=graph12)
    assert z_scores(grbm12, sampler.burn_in(300)).abs().max() < 4.5


@pytest.mark.parametrize("n", [12, 40])
def test_annealed_log_partition_function_agrees_with_the_exact_one(qpu, n):
    graph = densest_subgraph(qpu, n)
    grbm = random_grbm(graph, seed=n)
    truth = make_sampler(grbm, "exact", graph=graph).log_partition_function()
    sampler = make_sampler(grbm, "gibbs", num_samples=4_000, graph=graph)
    log_weights = sampler.anneal(100, resample=False)
    ratios = (log_weights - truth).exp()
    error = float(ratios.std()) / 4_000**0.5
    assert 0 < error < 0.05
    assert abs(float(ratios.mean()) - 1) < 4.5 * error
    population = sampler.anneal(100)
    assert float(population[0]) == pytest.approx(truth, abs=0.1)
    assert (population == population[0]).all()


def test_population_annealing_fills_two_valleys_as_the_exact_sampler_does(qpu):
    """A ferromagnet in a weak field: no chain changes its valley once it is cold."""
    graph = densest_subgraph(qpu, 32)
    grbm = random_grbm(graph, seed=0, scale=0)
    grbm.quadratic.data.fill_(-0.5)
    grbm.linear.data.fill_(0.02)

    def share_up(spins):
        return float((spins.mean(1) > 0).float().mean())

    exact = share_up(make_sampler(grbm, "exact", num_samples=10_000, graph=graph).sample())
    sampler = make_sampler(grbm, "gibbs", num_samples=10_000, graph=graph)
    error = (exact * (1 - exact) / 10_000) ** 0.5
    assert abs(share_up(sampler.burn_in(1_000)) - exact) < 6 * error
    sampler.anneal(160, resample=False)
    assert share_up(sampler.sample(sweeps=200)) - exact > 10 * error  # plain annealing errs


@pytest.mark.skipif(not samplers._sparse_products(), reason="this torch has no MKL")
def test_sparse_and_dense_products_draw_the_same_spins(qpu, monkeypatch):
    graph = densest_subgraph(qpu, 96)
    grbm = random_grbm(graph, seed=0)

    def draw():
        sampler = make_sampler(grbm, "gibbs", num_samples=200, graph=graph)
        return sampler.sample(sweeps=3), sampler.anneal(5)

    sparse = draw()
    monkeypatch.setattr(samplers, "_sparse_products", lambda: False)
    dense = draw()
    assert (sparse[0] == dense[0]).float().mean() > 0.999  # sums in another order round differently
    torch.testing.assert_close(sparse[1], dense[1], atol=0.5, rtol=0)


def test_gibbs_draws_the_free_spins_given_the_clamped_ones(grbm12, graph12):
    given = torch.full((12,), float("nan"))
    given[[0, 3, 7]] = torch.tensor([1.0, -1.0, 1.0])
    sampler = make_sampler(grbm12, "gibbs", num_samples=10, seed=2, graph=graph12)
    before = sampler.state_dict()["bits"]
    spins = sampler.sample(given.repeat(20_000, 1), sweeps=300)
    assert (spins[:, [0, 3, 7]] == given[[0, 3, 7]]).all()
    assert z_scores(grbm12, spins, given=given).abs().max() < 4.5
    assert torch.equal(before, sampler.state_dict()["bits"])  # persistent chains left alone


def test_exact_sampler_agrees_with_enumeration(grbm12, graph12):
    sampler = make_sampler(grbm12, "exact", num_samples=10_000, graph=graph12)
    assert z_scores(grbm12, sampler.sample()).abs().max() < 4.5
    truth = enumerate_states(grbm12).log_partition_function
    before = sampler.state_dict()
    assert sampler.log_partition_function() == pytest.approx(truth, abs=1e-4)
    assert sampler.state_dict() == before


def test_simulated_qpu_agrees_with_enumeration_at_the_right_prefactor(grbm12, graph12):
    device = SimulatedQPU(graph12)
    prefactor = 1 / device._hidden_beta
    sampler = DeviceSampler(grbm12, device, 10_000, prefactor=prefactor, graph=graph12)
    assert z_scores(grbm12, sampler.sample()).abs().max() < 4.5
    sampler.prefactor *= 1.1
    assert z_scores(grbm12, sampler.sample()).abs().max() > 8


def test_calibration_finds_the_hidden_temperature(qpu):
    graph = densest_subgraph(qpu, 64)
    for seed in range(3):
        device = SimulatedQPU(graph, seed=seed)
        sampler = DeviceSampler(random_grbm(graph, 0), device, 1000, seed=seed, graph=graph)
        assert 1 / sampler.prefactor == pytest.approx(device._hidden_beta, rel=0.05)


def test_one_estimator_serves_calibration_and_tracking(grbm12, graph12, monkeypatch):
    spins = make_sampler(grbm12, "exact", num_samples=500, graph=graph12).sample()
    estimate = samplers.estimate_beta(grbm12, spins)
    assert estimate.beta == grbm12.estimate_beta(spins)  # the plugin's, which lesson 04 explains
    assert (estimate.beta, estimate.error) == tuple(estimate)
    frozen = samplers.BetaEstimate(math.inf, math.inf)
    monkeypatch.setattr(samplers, "estimate_beta", lambda grbm, spins: frozen)
    device = SimulatedQPU(graph12)
    with pytest.raises(SamplerError, match=r"did not settle \(last estimate inf\)"):
        DeviceSampler(grbm12, device, 20, graph=graph12)
    assert device.calls == 1


def test_enumeration_against_a_calculation_by_hand(qpu):
    graph = densest_subgraph(qpu, 2)
    grbm = random_grbm(graph, 0)
    (h0, h1), (j,) = grbm.linear.tolist(), grbm.quadratic.tolist()
    weights = {
        (a, b): torch.tensor(-(h0 * a + h1 * b + j * a * b)).exp().item()
        for a in (-1, 1)
        for b in (-1, 1)
    }
    exact = enumerate_states(grbm)
    for state, p in zip(exact.states.tolist(), exact.probabilities.tolist(), strict=True):
        assert p == pytest.approx(weights[tuple(state)] / sum(weights.values()), rel=1e-5)


def test_enumeration_ends_at_twenty_spins(qpu):
    grbm = random_grbm(densest_subgraph(qpu, 21), 0)
    with pytest.raises(SettingError, match="at most 20"):
        enumerate_states(grbm)


@pytest.mark.parametrize("kind", ["gibbs", "annealer", "exact"])
def test_what_the_seam_promises(kind, grbm12, graph12):
    def build(seed):
        return make_sampler(grbm12, kind, num_samples=50, seed=seed, graph=graph12)

    sampler = build(1)
    assert isinstance(sampler, TorchSampler)
    first, second = sampler.sample(), sampler.sample()
    assert first.shape == (50, 12)
    assert first.dtype == torch.float32
    assert set(first.unique().tolist()) == {-1.0, 1.0}
    assert not torch.equal(first, second)
    again = build(1)
    assert torch.equal(first, again.sample())
    assert torch.equal(second, again.sample())
    assert not torch.equal(first, build(2).sample())
    provenance = sampler.provenance
    assert provenance.kind == kind
    assert provenance.graph_hash == graph12.hash in str(provenance)
    assert "quantum" not in str(provenance)


@pytest.mark.parametrize("kind", ["gibbs", "annealer", "exact"])
def test_parameters_are_read_at_every_call(kind, grbm12, graph12):
    sampler = make_sampler(grbm12, kind, num_samples=100, graph=graph12)
    grbm12.quadratic.data.zero_()
    grbm12.linear.data = torch.full((12,), -5.0)
    assert sampler.sample().mean() > 0.99


@pytest.mark.parametrize("kind", ["gibbs", "annealer", "exact"])
def test_a_saved_state_continues_the_same_sequence(kind, grbm12, graph12):
    sampler = make_sampler(grbm12, kind, num_samples=20, seed=1, graph=graph12)
    sampler.sample()
    state = sampler.state_dict()
    expected = sampler.sample()
    other = make_sampler(grbm12, kind, num_samples=20, seed=1, graph=graph12)
    other.load_state_dict(state)
    assert torch.equal(other.sample(), expected)


def test_gibbs_moves_to_another_device_as_a_copy(grbm12, graph12):
    sampler = make_sampler(grbm12, "gibbs", num_samples=20, graph=graph12)
    before = sampler.state_dict()["bits"]
    moved = sampler.to("cpu")
    assert moved.sample().shape == (20, 12)
    assert torch.equal(sampler.state_dict()["bits"], before)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_replayed_sweeps_on_a_gpu_are_those_launched_one_by_one(grbm12, graph12):
    grbm = grbm12.to("cuda")
    replaying, launching = (GibbsSampler(grbm, 20, graph=graph12) for _ in range(2))
    for call in range(5):
        launching._run(launching._bits, np.full(launching.sweeps, 1.0))
        assert torch.equal(replaying.sample(), launching._to_spins(launching._bits))
        if call == 2:  # after a replay, also with new parameters in the old place
            grbm.linear.data.mul_(-2)
            state = replaying.state_dict()
            replaying.sample()
            replaying.load_state_dict(state)
    assert replaying.sample().device.type == "cuda"
    grbm.quadratic.data.zero_()
    grbm.linear.data = torch.full((12,), -5.0, device="cuda")  # in a new place
    assert replaying.sample().mean() > 0.99
    assert replaying.sample().mean() > 0.99
    assert replaying.to("cuda").sample(sweeps=3).mean() > 0.99
    assert replaying.to("cpu").sample().device.type == "cuda"  # where the model is


@pytest.mark.parametrize("kind", ["gibbs", "annealer", "exact"])
def test_fresh_spins_of_every_kind(kind, grbm12, graph12):
    sampler = make_sampler(grbm12, kind, num_samples=30, graph=graph12)
    assert sampler.fresh().shape == (30, 12)


def test_simulated_qpu_draws_the_free_spins_given_the_clamped_ones(grbm12, graph12):
    given = torch.full((12,), float("nan"))
    given[:8] = torch.tensor([1.0, -1.0, 1.0, 1.0, -1.0, 1.0, -1.0, -1.0])
    device = SimulatedQPU(graph12, num_sweeps=200)
    prefactor = 1 / device._hidden_beta
    sampler = DeviceSampler(grbm12, device, prefactor=prefactor, graph=graph12)
    spins = sampler.sample(given.repeat(1500, 1))
    assert spins.shape == (1500, 12)
    assert (spins[:, :8] == given[:8]).all()
    assert z_scores(grbm12, spins, given=given).abs().max() < 4.5


def test_wrong_requests_are_refused_with_a_remedy(qpu, grbm12, graph12, monkeypatch):
    with pytest.raises(SettingError, match="gibbs, annealer, exact"):
        make_sampler(grbm12, "qpuu")
    monkeypatch.setenv("QDVAE_SAMPLER", "nonsense")
    with pytest.raises(SettingError, match="QDVAE_SAMPLER"):
        make_sampler(grbm12)
    with pytest.raises(SamplerError, match="same order"):
        make_sampler(grbm12, "gibbs", graph=densest_subgraph(qpu, 13))
    fewer = QPUGraph(graph12.nodes, graph12.edges[1:])
    with pytest.raises(SamplerError, match="same order"):
        make_sampler(grbm12, "gibbs", graph=fewer)
    with pytest.raises(SamplerError, match="must both be 1 or more"):
        GibbsSampler(grbm12, 10, sweeps=0)
    for kind in ("gibbs", "annealer", "exact"):
        with pytest.raises(SamplerError, match="num_samples=0 must be 1 or more"):
            make_sampler(grbm12, kind, num_samples=0, graph=graph12)
        with pytest.raises(SamplerError, match="seed=-1 must be 0 or more"):
            make_sampler(grbm12, kind, seed=-1, graph=graph12)
    gibbs = make_sampler(grbm12, "gibbs", graph=graph12)
    device = make_sampler(grbm12, "annealer", prefactor=0.15, graph=graph12)
    for sampler in (gibbs, device):
        with pytest.raises(SamplerError, match=r"give \(chains, 12\)"):
            sampler.sample(torch.zeros(3, 11))
        with pytest.raises(SamplerError, match="NaN where a spin is free"):
            sampler.sample(torch.zeros(3, 12))
    other = make_sampler(grbm12, "gibbs", num_samples=3, graph=graph12)
    with pytest.raises(SamplerError, match="same number of chains"):
        gibbs.load_state_dict(other.state_dict())
    with pytest.raises(SamplerError, match="cannot clamp"):
        make_sampler(grbm12, "exact", graph=graph12).sample(torch.zeros(1, 12))


def test_a_graph_too_large_for_exact_sampling_is_refused(qpu):
    graph = densest_subgraph(qpu, 128)
    with pytest.raises(SamplerError, match="treewidth"):
        make_sampler(random_grbm(graph, 0), "exact", graph=graph)


def test_the_simulated_qpu_enforces_its_ranges(grbm12, graph12):
    grbm12.quadratic.data[0] = 1.5
    sampler = make_sampler(grbm12, "annealer", graph=graph12, prefactor=1.0)
    with pytest.raises(SamplerError, match=r"J = 1.5 is outside the device's range \[-2, 1\]"):
        sampler.sample()
    device = SimulatedQPU(graph12)
    with pytest.raises(SamplerError, match="h = -7 is outside"):
        device.sample_ising({graph12.nodes[0]: -7.0}, {}, num_reads=1)
