"""What ``evaluate`` says of spins: all states of a small machine, and signs of health."""

import pytest
import torch
from small_models import random_grbm

from qdvae_helpers.errors import SettingError
from qdvae_helpers.evaluate import dead_spins, energy_decorrelation, enumerate_states, moment_gap
from qdvae_helpers.graphs import densest_subgraph
from qdvae_helpers.samplers import make_sampler


@pytest.mark.parametrize("beta", [1.0, 0.3])
def test_enumeration_against_a_calculation_by_hand(qpu, beta):
    grbm = random_grbm(densest_subgraph(qpu, 2), 0)
    (h0, h1), (j,) = grbm.linear.tolist(), grbm.quadratic.tolist()
    weights = {
        (a, b): torch.tensor(-beta * (h0 * a + h1 * b + j * a * b)).exp().item()
        for a in (-1, 1)
        for b in (-1, 1)
    }
    exact = enumerate_states(grbm, beta)
    assert len(exact.states) == len(exact.probabilities) == 4
    for state, p in zip(exact.states.tolist(), exact.probabilities.tolist(), strict=True):
        assert p == pytest.approx(weights[tuple(state)] / sum(weights.values()), rel=1e-5)
    z = torch.tensor(exact.log_partition_function).exp()
    assert float(z) == pytest.approx(sum(weights.values()), rel=1e-5)


def test_enumeration_ends_at_twenty_spins(qpu):
    grbm = random_grbm(densest_subgraph(qpu, 21), 0)
    with pytest.raises(SettingError, match="at most 20"):
        enumerate_states(grbm)


def test_spins_that_say_nothing_are_counted():
    alive = 4 * torch.randn(100, 8)
    assert dead_spins(alive) == 0
    alive[:, :3] = 1.0
    assert dead_spins(alive) == 3


@pytest.fixture
def prior(graph12, grbm12):
    """Independent samples, new ones at every call."""
    return make_sampler(grbm12, "exact", num_samples=20_000, graph=graph12).sample


def test_the_moment_gap_is_small_at_the_optimum_alone(grbm12, prior):
    certain = 40 * prior()  # logits of an encoder that writes the prior's strings
    spins = prior()
    assert moment_gap(grbm12, certain, spins) < 0.02
    assert moment_gap(grbm12, torch.zeros(10, 12), spins) > 0.1


def test_decorrelation_is_one_for_independent_chains_and_zero_for_those_that_stand_still(
    grbm12, prior
):
    spins = prior()
    assert energy_decorrelation(grbm12, spins, prior()) > 0.95
    # Rounding: the correlation of equal numbers is 1 up to the last digits.
    assert energy_decorrelation(grbm12, spins, spins) == pytest.approx(0, abs=1e-6)
    half = torch.cat([spins[:10_000], prior()[10_000:]])
    assert 0.2 < energy_decorrelation(grbm12, spins, half) < 0.5  # (1 - r) / (1 + r), r near 1/2
    alike = torch.ones(10, 12)
    assert energy_decorrelation(grbm12, alike, alike) == pytest.approx(0, abs=1e-6)
