"""The losses of a prior with classes, against exact sums over all spin strings."""

import math

import pytest
import torch
from small_models import SHARES, class_grbm, random_grbm
from test_losses import gradients, prior_samples, reconstruction_of_each

from qdvae_helpers.errors import SettingError
from qdvae_helpers.evaluate import enumerate_states
from qdvae_helpers.graphs import densest_subgraph
from qdvae_helpers.losses import (
    importance_weighted_loss,
    kl_loss,
    mean_energy,
    mmd_loss,
    nll_loss,
    spin_kernel,
)
from qdvae_helpers.priors import of_class


@pytest.fixture
def grbm8(qpu):
    return random_grbm(densest_subgraph(qpu, 8), seed=1)


@pytest.fixture
def decoder():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(8, 784), torch.nn.Unflatten(-1, (1, 28, 28)))


TEN = torch.tensor([0, 1, 0, 2, 0, 1, 0, 2, 0, 1])  # classes as frequent as the shares say
UNEVEN, EVEN = (200_000, 50_000, 150_000), (130_000, 130_000, 130_000)


@pytest.fixture
def prior3(qpu):
    return class_grbm(densest_subgraph(qpu, 8), seed=1)


def samples_by_class(grbm, counts, seed=0):
    """Samples of the prior, so many of each class, and their classes."""
    spins = [prior_samples(of_class(grbm, y), m, seed + y) for y, m in enumerate(counts)]
    return torch.cat(spins), torch.repeat_interleave(torch.arange(3), torch.tensor(counts))


def exact_log_p(grbm, states):
    """``log p(s | y)`` of all strings, ``(3, 2^n)``, differentiable."""
    energies = grbm(states) + grbm.class_biases @ states.T
    return -energies - torch.logsumexp(-energies, 1, keepdim=True)


def parameters_of(grbm):
    return grbm.linear, grbm.quadratic, grbm.class_biases


@pytest.mark.parametrize("counts", [UNEVEN, EVEN])
def test_kl_within_classes_has_the_gradient_of_the_exact_divergence(counts, prior3):
    logits = torch.randn(10, 8, requires_grad=True)
    states = enumerate_states(of_class(prior3)).states
    log_q = torch.nn.functional.logsigmoid(states * logits.unsqueeze(1)).sum(-1)
    exact = (log_q.exp() * (log_q - exact_log_p(prior3, states)[TEN])).sum(1).mean()
    samples, of_samples = samples_by_class(prior3, counts)
    loss = kl_loss(logits, prior3, samples, TEN, of_samples)
    parameters = (logits, *parameters_of(prior3))
    truth, found = gradients(exact, *parameters), gradients(loss, *parameters)
    torch.testing.assert_close(found[0], truth[0], rtol=1e-4, atol=1e-5)  # no sampling noise
    for mine, right in zip(found[1:], truth[1:], strict=True):
        assert (mine - right).abs().max() < 0.009  # 5 standard errors
    swapped = kl_loss(logits, prior3, samples, (TEN + 1) % 3, of_samples)
    assert (gradients(swapped, *parameters)[3] - truth[3]).abs().max() > 0.05


def test_unequally_many_samples_are_weighted_to_the_shares_and_would_mislead_without(prior3):
    logits = torch.zeros(10, 8)
    samples, of_samples = samples_by_class(prior3, UNEVEN)
    even = kl_loss(logits, prior3, *(samples_by_class(prior3, EVEN, seed=7)[:1]), TEN,
                   samples_by_class(prior3, EVEN)[1])  # fmt: skip
    uneven = kl_loss(logits, prior3, samples, TEN, of_samples)
    assert float(uneven.detach()) == pytest.approx(float(even.detach()), abs=0.05)
    right = gradients(even, *parameters_of(prior3))[2]
    assert (gradients(uneven, *parameters_of(prior3))[2] - right).abs().max() < 0.01
    unweighted = mean_energy(prior3, torch.tanh(logits / 2), TEN)
    unweighted = unweighted - mean_energy(prior3, samples, of_samples)
    assert (gradients(unweighted, *parameters_of(prior3))[2] - right).abs().max() > 0.05


def test_nll_within_classes_has_the_gradient_of_the_exact_likelihood(prior3):
    spins = torch.where(torch.rand(50, 8) > 0.4, 1.0, -1.0).requires_grad_()
    classes = TEN.repeat(5)
    states = enumerate_states(of_class(prior3)).states
    numbers = (states.unsqueeze(0) == spins.detach().unsqueeze(1)).all(-1).long().argmax(1)
    exact = -exact_log_p(prior3, states)[classes, numbers].mean()
    samples, of_samples = samples_by_class(prior3, UNEVEN)
    loss = nll_loss(prior3, spins, samples, classes, of_samples)
    assert torch.autograd.grad(loss, spins, retain_graph=True, allow_unused=True)[0] is None
    truth = gradients(exact, *parameters_of(prior3))
    for mine, right in zip(gradients(loss, *parameters_of(prior3)), truth, strict=True):
        assert (mine - right).abs().max() < 0.009


def test_weighted_strings_of_classes_give_the_likelihood_and_its_gradient(prior3, decoder):
    images, classes = (torch.rand(10, 1, 28, 28) > 0.5).float(), TEN
    states = enumerate_states(of_class(prior3)).states
    samples, of_samples = samples_by_class(prior3, UNEVEN)
    errors = reconstruction_of_each(decoder(states), images)
    exact = -torch.logsumexp(-errors + exact_log_p(prior3, states)[classes], 1).mean()
    draws = states.expand(10, -1, -1)
    loss = importance_weighted_loss(
        torch.zeros(10, 8), draws, decoder(draws), images, prior3, samples, 1.0, classes, of_samples
    )
    log_z = [enumerate_states(of_class(prior3, y)).log_partition_function for y in range(3)]
    mean_log_z = sum(share * z for share, z in zip(SHARES, log_z, strict=True))
    mean_prior_energy = sum(
        share * float(of_class(prior3, y)(samples[of_samples == y]).detach().mean())
        for y, share in enumerate(SHARES)
    )
    torch.testing.assert_close(
        loss.detach() + mean_log_z + mean_prior_energy, exact.detach(), rtol=1e-4, atol=1e-3
    )
    parameters = (decoder[0].weight, *parameters_of(prior3))
    found, truth = gradients(loss, *parameters), gradients(exact, *parameters)
    torch.testing.assert_close(found[0], truth[0], rtol=1e-3, atol=1e-3)
    for mine, right in zip(found[1:], truth[1:], strict=True):
        assert (mine - right).abs().max() < 0.009


def test_one_class_makes_no_difference(grbm8, decoder):
    images = (torch.rand(2, 1, 28, 28) > 0.5).float()
    logits, samples = torch.randn(2, 8), prior_samples(grbm8, 100)
    both = {
        "classes": torch.zeros(2, dtype=torch.int64),
        "prior_classes": torch.zeros(100, dtype=torch.int64),
    }
    spins = torch.where(torch.rand(2, 3, 8) > 0.5, 1.0, -1.0)
    weighted = (logits, spins, decoder(spins), images, grbm8, samples, 0.7)
    pairs = [
        (kl_loss(logits, grbm8, samples), kl_loss(logits, grbm8, samples, **both)),
        (
            nll_loss(grbm8, spins[:, 0], samples),
            nll_loss(grbm8, spins[:, 0], samples, **both),
        ),
        (importance_weighted_loss(*weighted), importance_weighted_loss(*weighted, **both)),
    ]
    for plain, with_classes in pairs:
        assert torch.equal(plain, with_classes)
    kernel = spin_kernel(8)
    torch.testing.assert_close(
        mmd_loss(spins[:, 0], samples, kernel), mmd_loss(spins[:, 0], samples, kernel, **both)
    )


def test_without_biases_of_classes_all_classes_are_the_plain_prior(prior3):
    prior3.class_biases.data.zero_()
    plain = of_class(prior3)
    logits, samples = torch.randn(10, 8), prior_samples(plain, 1_000)
    of_samples = torch.repeat_interleave(torch.arange(3), torch.tensor([500, 300, 200]))
    torch.testing.assert_close(
        kl_loss(logits, prior3, samples, TEN, of_samples), kl_loss(logits, plain, samples)
    )


def slow_mmd(x, y, of_x, of_y):
    """The unbiased estimate of each class, averaged by its share of ``x``, pair by pair."""

    def k(a, b):
        d = float((a - b).square().sum())
        return sum(math.exp(-d / (16 * 2.0**w)) for w in range(-3, 4))

    total = 0.0
    for c in set(of_x.tolist()) & set(of_y.tolist()):
        ours, theirs = x[of_x == c], y[of_y == c]
        m, n = len(ours), len(theirs)
        if m < 2 or n < 2:
            continue
        xx = sum(k(a, b) for i, a in enumerate(ours) for j, b in enumerate(ours) if i != j)
        yy = sum(k(a, b) for i, a in enumerate(theirs) for j, b in enumerate(theirs) if i != j)
        xy = sum(k(a, b) for a in ours for b in theirs)
        one = xx / (m * (m - 1)) + yy / (n * (n - 1)) - 2 * xy / (m * n)
        total += m / len(x) * one
    return total


@pytest.mark.parametrize(
    ("of_x", "of_y"),
    [
        ([0] * 4 + [1] * 5, [1] * 3 + [0] * 4),
        ([0] * 4 + [1] * 4 + [2], [0] * 3 + [1] * 2 + [2] * 2),  # one string of class 2
        ([0] * 4 + [3] * 5, [0] * 3 + [3] + [1] * 3),  # one sample of 3, and none of ours in 1
        ([0] * 9, [0] * 7),
    ],
)
def test_mmd_within_classes_against_a_double_loop(of_x, of_y):
    x = torch.sign(torch.randn(9, 8)).requires_grad_()
    y = torch.sign(torch.randn(7, 8))
    of_x, of_y = torch.tensor(of_x), torch.tensor(of_y)
    found = mmd_loss(x, y, spin_kernel(8), of_x, of_y)
    assert float(found.detach()) == pytest.approx(slow_mmd(x.detach(), y, of_x, of_y), abs=1e-4)
    (slope,) = gradients(found, x)
    counted = [c for c in of_x.unique() if (of_x == c).sum() > 1 and (of_y == c).sum() > 1]
    for row, c in zip(slope, of_x, strict=True):
        assert bool(row.any()) == bool(c in counted)


def test_mmd_of_nothing_that_counts_is_zero():
    x, y = torch.ones(3, 8), -torch.ones(3, 8)
    one, other = torch.tensor([0, 1, 2]), torch.tensor([0, 1, 2])
    assert mmd_loss(x, y, spin_kernel(8), one, other) == 0


def test_classes_that_are_missing_or_none_are_refused(prior3, decoder):
    images = torch.rand(2, 1, 28, 28)
    logits = torch.zeros(2, 8)
    samples, of_samples = samples_by_class(prior3, (3, 3, 3))
    good = torch.tensor([0, 2])
    spins = torch.ones(2, 1, 8)
    weighted = (logits, spins, decoder(spins), images, prior3, samples, 1.0)
    for loss in (
        lambda a, b: kl_loss(logits, prior3, samples, a, b),
        lambda a, b: nll_loss(prior3, logits, samples, a, b),
        lambda a, b: importance_weighted_loss(*weighted, a, b),
    ):
        assert loss(good, of_samples).isfinite()
        for a, b in ((None, of_samples), (good, None)):
            with pytest.raises(SettingError, match="biases for 3 classes: give classes"):
                loss(a, b)
        for bad in (torch.tensor([0, 3]), torch.tensor([0]), torch.tensor([0.0, 1.0]), [0, 1]):
            with pytest.raises(SettingError, match="classes"):
                loss(bad, of_samples)
            with pytest.raises(SettingError, match="classes"):
                loss(good, bad)
    kernel = spin_kernel(8)
    for a, b in (
        (good, None),
        (None, of_samples),
        (good, of_samples[:2]),
        (good[:1], of_samples),
        ([0, 1], of_samples),
        (good.float(), of_samples),
        (good - 1, of_samples),
        (good, of_samples - 1),
    ):
        with pytest.raises(SettingError, match="class"):
            mmd_loss(torch.ones(2, 8), samples, kernel, a, b)
