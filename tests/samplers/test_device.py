"""The temperature of a device: measured, followed, and left alone where samples say nothing."""

import math

import pytest
import torch
from small_models import random_grbm, true_beta

from qdvae_helpers.errors import SamplerError
from qdvae_helpers.graphs import densest_subgraph
from qdvae_helpers.samplers import (
    DeviceSampler,
    SimulatedQPU,
    estimate_beta,
    make_sampler,
)


def test_calibration_finds_the_hidden_temperature(qpu):
    graph = densest_subgraph(qpu, 64)
    for seed in range(3):
        device = SimulatedQPU(graph, seed=seed, num_sweeps=100)
        sampler = DeviceSampler(random_grbm(graph, 0), device, 1000, seed=seed, graph=graph)
        assert 1 / sampler.prefactor == pytest.approx(true_beta(device), rel=0.05)


def test_the_estimate_is_the_plugins_with_an_error_bar(grbm12, graph12):
    exact = make_sampler(grbm12, "exact", num_samples=500, graph=graph12)
    found = [estimate_beta(grbm12, exact.sample()) for _ in range(40)]
    assert found[0].beta == grbm12.estimate_beta(
        make_sampler(grbm12, "exact", num_samples=500, graph=graph12).sample()
    )
    betas = torch.tensor([estimate.beta for estimate in found])
    assert abs(float(betas.mean()) - 1) < 4.5 * float(betas.std()) / 40**0.5
    assert 0.5 < found[0].error / float(betas.std()) < 1.4


def test_frozen_spins_have_no_temperature(grbm12, graph12):
    frozen = torch.ones(20, 12)
    grbm12.linear.data.fill_(-1.0)  # all up is what this model likes best
    grbm12.quadratic.data.zero_()
    assert estimate_beta(grbm12, frozen) == (math.inf, math.inf)


def test_a_temperature_that_cannot_be_measured_is_an_error_at_once(grbm12, graph12):
    device = SimulatedQPU(graph12, num_sweeps=20)
    device.substitute_kwargs["beta_range"] = [0, 1e6]  # so cold that no spin ever moves
    with pytest.raises(SamplerError, match=r"did not settle \(last estimate inf\)"):
        DeviceSampler(grbm12, device, 20, graph=graph12)
    assert device.calls == 1


def test_a_drifting_temperature_is_followed_within_five_per_cent(qpu):
    """Simulated device with noise on h and J, and a model whose couplings say enough."""
    graph = densest_subgraph(qpu, 48)
    device = SimulatedQPU(graph, seed=2, noise=0.005, num_sweeps=100)
    sampler = DeviceSampler(random_grbm(graph, 0, 0.2), device, 300, graph=graph, track_every=1)
    drifted = 1.15 * true_beta(device)
    device.substitute_kwargs["beta_range"] = [0, drifted]
    for _ in range(12):
        sampler.sample()
    assert 1 / sampler.prefactor == pytest.approx(drifted, rel=0.05)
    estimate = sampler.temperatures[-1]
    assert abs(estimate.beta - drifted) < 4 * estimate.error < 0.2 * drifted


def test_weak_couplings_do_not_move_the_prefactor(grbm12, graph12):
    grbm12.linear.data.zero_()
    grbm12.quadratic.data.fill_(0.01)
    device = SimulatedQPU(graph12, num_sweeps=50)
    sampler = DeviceSampler(grbm12, device, 50, prefactor=0.15, graph=graph12, track_every=1)
    for _ in range(3):
        sampler.sample()
    assert sampler.prefactor == 0.15
    assert sampler.temperatures == []


def test_every_so_many_calls_are_tracked(grbm12, graph12):
    device = SimulatedQPU(graph12, num_sweeps=50)
    sampler = DeviceSampler(grbm12, device, 1_000, prefactor=0.15, graph=graph12, track_every=3)
    tracked = []
    for _ in range(7):
        sampler.sample()
        tracked.append(len(sampler.temperatures))
    assert tracked == [0, 0, 1, 1, 1, 2, 2]
