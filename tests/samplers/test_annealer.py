"""The simulated QPU: D-Wave's interface, a temperature that it does not tell, and ranges."""

import pytest
import torch
from small_models import true_beta, z_scores

from qdvae_helpers.errors import SamplerError
from qdvae_helpers.samplers import DeviceSampler, SimulatedQPU, make_sampler


def test_samples_agree_with_enumeration_at_the_right_prefactor(grbm12, graph12):
    device = SimulatedQPU(graph12, num_sweeps=500)
    prefactor = 1 / true_beta(device)
    sampler = DeviceSampler(grbm12, device, 6_000, prefactor=prefactor, graph=graph12)
    assert z_scores(grbm12, sampler.sample()).abs().max() < 4.5
    sampler.prefactor *= 1.1
    assert z_scores(grbm12, sampler.sample()).abs().max() > 6


def test_free_spins_are_drawn_given_the_clamped_ones(grbm12, graph12):
    given = torch.full((12,), float("nan"))
    given[:8] = torch.tensor([1.0, -1.0, 1.0, 1.0, -1.0, 1.0, -1.0, -1.0])
    device = SimulatedQPU(graph12, num_sweeps=200)
    sampler = DeviceSampler(grbm12, device, prefactor=1 / true_beta(device), graph=graph12)
    spins = sampler.sample(given.repeat(600, 1))
    assert spins.shape == (600, 12)
    assert (spins[:, :8] == given[:8]).all()
    assert z_scores(grbm12, spins, given=given).abs().max() < 4.5


def test_the_hidden_temperature_is_that_of_its_seed_and_of_real_devices(graph12):
    betas = [true_beta(SimulatedQPU(graph12, seed=seed)) for seed in (*range(20), 0)]
    assert betas[0] == betas[-1]
    assert len(set(betas)) == 20
    assert 5 <= min(betas) < max(betas) <= 8


def test_noise_moves_every_bias_anew_at_each_call(graph12):
    u, v = graph12.edges[0]
    problem = {u: 0.1}, {(u, v): 0.1}
    exact = SimulatedQPU(graph12, num_sweeps=10)
    (energy,) = {abs(e) for e in exact.sample_ising({}, {(u, v): 0.1}, num_reads=20).record.energy}
    assert energy == pytest.approx(0.1)
    noisy = SimulatedQPU(graph12, noise=0.05, num_sweeps=10)
    seen = {
        tuple(sorted(set(noisy.sample_ising(*problem, num_reads=40).record.energy.round(9))))
        for _ in range(3)
    }
    assert len(seen) == 3


def test_biases_outside_its_ranges_are_refused_and_the_worst_is_named(grbm12, graph12):
    grbm12.quadratic.data[0] = 1.5
    sampler = make_sampler(grbm12, "annealer", graph=graph12, prefactor=1.0)
    with pytest.raises(SamplerError, match=r"J = 1.5 is outside the device's range \[-2, 1\]"):
        sampler.sample()
    device = SimulatedQPU(graph12)
    with pytest.raises(SamplerError, match="h = -7 is outside"):
        device.sample_ising({graph12.nodes[0]: -7.0}, {}, num_reads=1)
    assert device.calls == sampler.device.calls == 0
