"""Gibbs sampling against the exact distribution.

The limits are far enough out that a right sampler passes with every seed in practice, and one test
shows that a sampler which is 10 % too cold does not.
"""

import pytest
import torch
from small_models import random_grbm, z_scores

from qdvae_helpers.errors import SamplerError
from qdvae_helpers.graphs import densest_subgraph
from qdvae_helpers.samplers import GibbsSampler, make_sampler


@pytest.mark.parametrize("n", [12, 16])
@pytest.mark.parametrize("seed", [0, 1])
def test_chains_agree_with_enumeration(qpu, n, seed):
    graph = densest_subgraph(qpu, n)
    grbm = random_grbm(graph, seed=n + seed)
    sampler = make_sampler(grbm, "gibbs", num_samples=20_000, seed=seed, graph=graph)
    z = z_scores(grbm, sampler.sample(sweeps=100))
    assert z.abs().max() < 4.5
    assert 0.5 < z.square().mean() < 2.0  # neither biased nor suspiciously good


def test_the_comparison_notices_a_sampler_that_is_too_cold(grbm12, graph12):
    cold = make_sampler(grbm12, "gibbs", num_samples=20_000, beta=1.1, graph=graph12)
    assert z_scores(grbm12, cold.sample(sweeps=100)).abs().max() > 8


def test_chains_that_were_restarted_agree_with_enumeration(grbm12, graph12):
    sampler = make_sampler(grbm12, "gibbs", num_samples=20_000, seed=5, graph=graph12)
    assert z_scores(grbm12, sampler.restart(300)).abs().max() < 4.5


def test_a_graph_without_coordinates_is_coloured_as_well(grbm12):
    sampler = GibbsSampler(grbm12, 20_000)
    assert z_scores(grbm12, sampler.sample(sweeps=100)).abs().max() < 4.5


@pytest.mark.parametrize("n", [12, 40])
def test_the_annealed_log_partition_function_agrees_with_the_exact_one(qpu, n):
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
    sampler = make_sampler(grbm, "gibbs", num_samples=5_000, graph=graph)
    error = (exact * (1 - exact) / 5_000) ** 0.5
    assert abs(share_up(sampler.restart(600)) - exact) < 6 * error
    sampler.anneal(100, resample=False)
    assert share_up(sampler.sample(sweeps=50)) - exact > 10 * error  # plain annealing errs


def test_further_spins_are_a_hundred_sweeps_away_or_the_samplers_own_number(grbm12, graph12):
    for own, expected in ((10, 100), (150, 150)):
        sampler, twin = (GibbsSampler(grbm12, 30, own, graph=graph12) for _ in range(2))
        assert torch.equal(sampler.more(), twin.sample(sweeps=expected))


@pytest.mark.skipif(not torch.backends.mkl.is_available(), reason="this torch has no MKL")
def test_sparse_and_dense_products_draw_the_same_spins(qpu, monkeypatch):
    graph = densest_subgraph(qpu, 96)
    grbm = random_grbm(graph, seed=0)

    def draw():
        sampler = make_sampler(grbm, "gibbs", num_samples=200, graph=graph)
        return sampler.sample(sweeps=3), sampler.anneal(5)

    sparse = draw()
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: False)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "sparse_csr_tensor", None)  # calling it would raise
        dense = draw()
    assert (sparse[0] == dense[0]).float().mean() > 0.999  # sums in another order round differently
    torch.testing.assert_close(sparse[1], dense[1], atol=0.5, rtol=0)


def test_free_spins_are_drawn_given_the_clamped_ones(grbm12, graph12):
    given = torch.full((12,), float("nan"))
    given[[0, 3, 7]] = torch.tensor([1.0, -1.0, 1.0])
    sampler = make_sampler(grbm12, "gibbs", num_samples=10, seed=2, graph=graph12)
    before = sampler.state_dict()["bits"]
    spins = sampler.sample(given.repeat(20_000, 1), sweeps=100)
    assert (spins[:, [0, 3, 7]] == given[[0, 3, 7]]).all()
    assert z_scores(grbm12, spins, given=given).abs().max() < 4.5
    assert torch.equal(before, sampler.state_dict()["bits"])  # persistent chains left alone


def test_a_move_to_another_device_is_a_copy(grbm12, graph12):
    sampler = make_sampler(grbm12, "gibbs", num_samples=20, graph=graph12)
    before = sampler.state_dict()["bits"]
    moved = sampler.to("cpu")
    assert moved.sample().shape == (20, 12)
    assert torch.equal(sampler.state_dict()["bits"], before)


def test_chains_of_another_shape_or_without_work_are_refused(grbm12, graph12):
    with pytest.raises(SamplerError, match="sweeps=0 must be 1 or more"):
        GibbsSampler(grbm12, 10, sweeps=0)
    ten, three = (GibbsSampler(grbm12, n, graph=graph12) for n in (10, 3))
    with pytest.raises(SamplerError, match="same number of chains"):
        ten.load_state_dict(three.state_dict())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_replayed_sweeps_on_a_gpu_are_those_launched_one_by_one(grbm12, graph12):
    grbm = grbm12.to("cuda")
    replaying = GibbsSampler(grbm, 20, graph=graph12)

    def launched():
        """What comes next, from a sampler whose first call is no replay."""
        other = GibbsSampler(grbm, 20, graph=graph12)
        other.load_state_dict(replaying.state_dict())
        return other.sample()

    for call in range(6):
        expected = launched()
        assert torch.equal(replaying.sample(), expected)
        if call == 2:  # after a replay, with new parameters in the old place
            grbm.linear.data.mul_(-2)
        if call == 4:  # and with older chains
            replaying.load_state_dict(GibbsSampler(grbm, 20, graph=graph12).state_dict())
    assert replaying.sample().device.type == "cuda"
    grbm.quadratic.data.zero_()
    grbm.linear.data = torch.full((12,), -5.0, device="cuda")  # in a new place
    assert replaying.sample().mean() > 0.99
    assert replaying.sample().mean() > 0.99
    assert replaying.to("cuda").sample(sweeps=3).mean() > 0.99
    assert replaying.to("cpu").sample().device.type == "cuda"  # where the model is
