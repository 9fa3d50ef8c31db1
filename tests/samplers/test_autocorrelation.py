"""Integrated autocorrelation times, on chains whose time is known."""

import math

import pytest
import torch

from qdvae_helpers.errors import SamplerError
from qdvae_helpers.samplers import autocorrelation_time


def forgetful(r: float, records: int, chains: int, seed: int = 0) -> torch.Tensor:
    """Gaussian chains in equilibrium whose memory falls by ``r`` a record."""
    noise = torch.randn(records, chains, generator=torch.Generator().manual_seed(seed)).double()
    x = [noise[0]]
    for step in noise[1:]:
        x.append(r * x[-1] + math.sqrt(1 - r**2) * step)
    return torch.stack(x)


def by_hand(x: torch.Tensor, mean: float, window: int) -> float:
    """Lag by lag."""
    d = x.double() - mean
    lags = [(d[: len(d) - k] * d[k:]).mean() for k in range(window + 1)]
    return float(1 + 2 * sum(lags[1:]) / lags[0])


@pytest.mark.parametrize("r", [0.0, 0.5, 0.9, 0.97])
def test_it_finds_the_time_of_chains_that_forget_at_a_known_rate(r):
    found = autocorrelation_time(forgetful(r, 8_000, 16, seed=3))
    tau = (1 + r) / (1 - r)
    assert found.trusted
    assert abs(found.tau - tau) < 4 * found.error + 0.02 * tau  # five times leave e^-5 of the sum
    assert found.error < 0.15 * tau
    assert 5 * found.tau <= found.window <= 7 * found.tau + 2
    assert found.length == pytest.approx(8_000 / found.tau)


def test_the_error_is_that_of_repetitions():
    found = [autocorrelation_time(forgetful(0.9, 2_000, 4, seed)) for seed in range(60)]
    times = torch.tensor([one.tau for one in found])
    mean_error = sum(one.error for one in found) / len(found)
    assert 0.6 < float(times.std()) / mean_error < 1.6


def test_it_is_the_sum_over_lags():
    x = forgetful(0.8, 300, 5)
    for mean in (None, 0.0, 0.3):
        found = autocorrelation_time(x, mean)
        expected = by_hand(x, float(x.mean()) if mean is None else mean, found.window)
        assert found.tau == pytest.approx(expected)


def test_chains_in_different_valleys_count_as_memory():
    """What is fast inside a valley and never leaves it."""
    inside = 0.5 * forgetful(0.5, 2_000, 8)
    valley = torch.tensor([1.0, -1.0]).repeat(4)
    found = autocorrelation_time(inside + valley)
    assert found.tau > 400
    assert not found.trusted
    own = autocorrelation_time(inside + valley - (inside + valley).mean(0))
    assert abs(own.tau - 3) < 4 * own.error
    assert own.trusted  # which is why each chain's own mean must not be subtracted


def test_short_runs_are_not_trusted_and_too_low():
    """The mean of a single short chain moves along with it."""
    found = [autocorrelation_time(forgetful(0.99, 400, 1, seed)) for seed in range(20)]
    assert not any(one.trusted for one in found)
    assert sum(one.tau for one in found) / len(found) < 0.6 * 199
    # Many chains and the true mean mend the number; that the tail is missing they cannot know.
    with_mean = autocorrelation_time(forgetful(0.99, 400, 200), mean=0.0)
    assert abs(with_mean.tau - 199) < 4 * with_mean.error
    assert not with_mean.trusted


def test_what_never_moves_is_infinitely_slow():
    x = torch.ones(50, 3)
    for mean in (None, 0.0):
        found = autocorrelation_time(x, mean)
        assert (found.tau, found.length, found.trusted) == (math.inf, 0, False)
    frozen = torch.tensor([1.0, -1.0]).expand(50, 2)
    assert autocorrelation_time(frozen).tau == math.inf


def test_alternating_records_are_not_better_than_independent_ones():
    x = torch.tensor([1.0, -1.0]).repeat(100)[:, None]
    assert autocorrelation_time(x).tau == 1


@pytest.mark.parametrize(
    "x", [torch.ones(3), torch.ones(1, 4), torch.ones(5, 0), [[1.0, 2.0]], torch.ones(2, 2, 2)]
)
def test_other_shapes_are_refused(x):
    with pytest.raises(SamplerError, match="records, chains"):
        autocorrelation_time(x)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_numbers_must_be_finite(bad):
    x = torch.zeros(10, 2)
    x[3, 1] = bad
    with pytest.raises(SamplerError, match="finite"):
        autocorrelation_time(x)
    with pytest.raises(SamplerError):
        autocorrelation_time(torch.randn(10, 2), mean=bad)
