"""The losses against exact sums over all spin strings."""

import math

import pytest
import torch
from dwave.plugins.torch.models.losses.kl_divergence import pseudo_kl_divergence_loss
from small_models import random_grbm

from qdvae_helpers.evaluate import enumerate_states
from qdvae_helpers.graphs import densest_subgraph
from qdvae_helpers.losses import (
    encoder_entropy,
    gaussian_kl,
    importance_weighted_loss,
    kl_loss,
    mean_energy,
    mmd_loss,
    nll_loss,
    reconstruction_loss,
    spin_kernel,
)


@pytest.fixture
def grbm8(qpu):
    return random_grbm(densest_subgraph(qpu, 8), seed=1)


def exact_kl(logits, grbm):
    """``sum_s q(s) (log q(s) - log p(s))`` by enumeration, differentiable."""
    states = enumerate_states(grbm).states
    log_q = torch.nn.functional.logsigmoid(states * logits.unsqueeze(1)).sum(-1)  # (B, 2^n)
    energy = grbm(states)
    log_p = -energy - torch.logsumexp(-energy, 0)
    return (log_q.exp() * (log_q - log_p)).sum(1).mean()


def prior_samples(grbm, m, seed=0):
    exact = enumerate_states(grbm)
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.multinomial(exact.probabilities, m, replacement=True, generator=generator)
    return exact.states[chosen]


def gradients(loss, *parameters):
    return torch.autograd.grad(loss, parameters)


def test_mean_energy_is_the_plugins_with_its_gradients(grbm8):
    spins = torch.randn(5, 8, requires_grad=True)
    parameters = (spins, grbm8.linear, grbm8.quadratic)
    ours, plugins = mean_energy(grbm8, spins), grbm8(spins).mean()
    torch.testing.assert_close(ours, plugins)
    for mine, theirs in zip(
        gradients(ours, *parameters), gradients(plugins, *parameters), strict=True
    ):
        torch.testing.assert_close(mine, theirs)


def test_kl_has_the_gradient_of_the_exact_divergence(grbm8):
    logits = torch.randn(5, 8, requires_grad=True)
    parameters = (logits, grbm8.linear, grbm8.quadratic)
    exact = gradients(exact_kl(logits, grbm8), *parameters)
    samples = prior_samples(grbm8, 400_000)
    ours = gradients(kl_loss(logits, grbm8, samples), *parameters)
    torch.testing.assert_close(ours[0], exact[0], rtol=1e-4, atol=1e-5)  # no sampling noise
    for mine, truth in zip(ours[1:], exact[1:], strict=True):
        assert (mine - truth).abs().max() < 5 / math.sqrt(400_000)


def test_kl_is_the_divergence_minus_the_prior_entropy(grbm8):
    logits = torch.randn(5, 8)
    p = enumerate_states(grbm8).probabilities
    prior_entropy = float(-(p * p.log()).sum())
    ours = kl_loss(logits, grbm8, prior_samples(grbm8, 400_000))
    assert float(ours.detach()) + prior_entropy == pytest.approx(
        float(exact_kl(logits, grbm8).detach()), abs=0.02
    )


def test_the_plugins_pseudo_kl_underweights_the_entropy(qpu):
    # The reason for our own: with nothing to learn (zero logits, zero energy) the entropy is
    # n log 2, and the plugin counts a single spin's.
    grbm = random_grbm(densest_subgraph(qpu, 32), seed=0, scale=0.0)
    logits, spins = torch.zeros(4, 32), torch.ones(4, 32)
    ours = kl_loss(logits, grbm, spins)
    plugin = pseudo_kl_divergence_loss(spins, logits, spins, grbm)
    assert float(ours.detach()) == pytest.approx(-32 * math.log(2), rel=1e-5)
    assert float(plugin.detach()) == pytest.approx(-math.log(2), rel=1e-5)


def test_entropy_agrees_with_torch():
    logits = 3 * torch.randn(7, 5)
    truth = torch.distributions.Bernoulli(logits=logits).entropy().sum(1).mean()
    assert float(encoder_entropy(logits)) == pytest.approx(float(truth), rel=1e-5)


def test_nll_has_the_gradient_of_the_exact_likelihood_and_spares_the_encoder(grbm8):
    spins = torch.where(torch.rand(50, 8) > 0.4, 1.0, -1.0).requires_grad_()
    parameters = (grbm8.linear, grbm8.quadratic)
    log_z = torch.logsumexp(-grbm8(enumerate_states(grbm8).states), 0)
    exact = gradients(grbm8(spins.detach()).mean() + log_z, *parameters)
    loss = nll_loss(grbm8, spins, prior_samples(grbm8, 400_000))
    assert torch.autograd.grad(loss, spins, retain_graph=True, allow_unused=True)[0] is None
    assert loss.dim() == 0
    for mine, truth in zip(gradients(loss, *parameters), exact, strict=True):
        assert (mine - truth).abs().max() < 5 / math.sqrt(400_000)


@pytest.fixture
def two_images():
    """Two images of noise, and a decoder."""
    torch.manual_seed(0)
    images = (torch.rand(2, 1, 28, 28) > 0.5).float()
    decoder = torch.nn.Sequential(torch.nn.Linear(8, 784), torch.nn.Unflatten(-1, (1, 28, 28)))
    return images, decoder


def test_all_strings_weighted_give_the_likelihood_and_its_gradient(grbm8, two_images):
    # An encoder of fair coins draws all 256 strings equally often: each once is no estimate.
    images, decoder = two_images
    states = enumerate_states(grbm8).states
    prior_spins = prior_samples(grbm8, 400_000)
    energies = grbm8(states)
    log_z = torch.logsumexp(-energies, 0)
    errors = reconstruction_of_each(decoder(states), images)
    exact = (log_z - torch.logsumexp(-errors - energies, 1)).mean()

    draws = states.expand(2, -1, -1)
    logits = torch.zeros(2, 8)
    loss = importance_weighted_loss(logits, draws, decoder(draws), images, grbm8, prior_spins)
    log_z_without_its_stand_in = log_z + grbm8(prior_spins).mean()
    torch.testing.assert_close(loss + log_z_without_its_stand_in, exact)
    parameters = (decoder[0].weight, grbm8.linear, grbm8.quadratic)
    found, truth = gradients(loss, *parameters), gradients(exact, *parameters)
    torch.testing.assert_close(found[0], truth[0], rtol=1e-3, atol=1e-4)
    for mine, right in zip(found[1:], truth[1:], strict=True):
        assert (mine - right).abs().max() < 5 / math.sqrt(400_000)


def reconstruction_of_each(pixel_logits, images):
    """``-log p(x | s)`` for every image (rows) and string (columns)."""
    log_p = torch.distributions.Bernoulli(logits=pixel_logits.unsqueeze(0)).log_prob(
        images.unsqueeze(1)
    )
    return -log_p.flatten(2).sum(-1)


@pytest.mark.parametrize("kl_weight", [1.0, 0.3])
def test_one_weighted_draw_is_one_draw_of_the_elbo(kl_weight, grbm8, two_images):
    images, decoder = two_images
    prior_spins = prior_samples(grbm8, 100)
    logits = torch.randn(2, 8)
    one = torch.where(torch.rand(2, 1, 8) > 0.5, 1.0, -1.0)
    log_q = torch.distributions.Bernoulli(logits=logits).log_prob((one[:, 0] + 1) / 2).sum(1)
    kl = (log_q + grbm8(one[:, 0])).mean() - grbm8(prior_spins).mean()
    expected = reconstruction_loss(decoder(one), images) + kl_weight * kl
    found = importance_weighted_loss(
        logits, one, decoder(one), images, grbm8, prior_spins, kl_weight
    )
    torch.testing.assert_close(found, expected)


def test_reconstruction_sums_over_pixels_and_averages_over_images_and_draws():
    images = torch.rand(3, 1, 28, 28)
    logits = torch.randn(3, 2, 1, 28, 28)
    p = torch.sigmoid(logits)
    x = images.unsqueeze(1)
    truth = -(x * p.log() + (1 - x) * (1 - p).log()).sum((-1, -2, -3)).mean()
    assert float(reconstruction_loss(logits, images)) == pytest.approx(float(truth), rel=1e-4)


def test_mmd_separates_and_stays_finite_on_collapsed_spins():
    kernel = spin_kernel(32)
    noise = torch.where(torch.rand(400, 32) > 0.5, 1.0, -1.0)
    biased = torch.where(torch.rand(200, 32) > 0.3, 1.0, -1.0)
    same = float(mmd_loss(noise[:200], noise[200:], kernel))
    other = float(mmd_loss(noise[:200], biased, kernel))
    assert abs(same) < 0.02 < other
    collapsed = torch.ones(10, 32)
    assert float(mmd_loss(collapsed, collapsed, kernel)) == pytest.approx(0, abs=1e-5)


def test_mmd_against_a_double_loop():
    x, y = torch.sign(torch.randn(6, 8)), torch.sign(torch.randn(5, 8))

    def k(a, b):
        d = float((a - b).square().sum())
        return sum(math.exp(-d / (16 * 2.0**w)) for w in range(-3, 4))

    xx = sum(k(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j) / 30
    yy = sum(k(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j) / 20
    xy = sum(k(a, b) for a in x for b in y) / 30
    assert float(mmd_loss(x, y, spin_kernel(8))) == pytest.approx(xx + yy - 2 * xy, abs=1e-4)


def test_gaussian_kl_is_that_of_torch_distributions():
    mean, log_variance = torch.randn(6, 3), torch.randn(6, 3)
    q = torch.distributions.Normal(mean, (log_variance / 2).exp())
    p = torch.distributions.Normal(0.0, 1.0)
    exact = torch.distributions.kl_divergence(q, p).sum(1).mean()
    torch.testing.assert_close(gaussian_kl(mean, log_variance), exact)
    assert gaussian_kl(torch.zeros(2, 4), torch.zeros(2, 4)) == 0


def test_images_of_any_size_can_be_scored_as_lesson_01_does():
    target, guess = torch.tensor([[1.0, 0.0], [1.0, 0.5]]), torch.tensor([[0.9, 0.2], [0.6, 0.5]])
    by_hand = -(target * guess.log() + (1 - target) * (1 - guess).log()).sum()
    logits = torch.logit(guess).view(1, 1, 1, 2, 2)
    assert torch.isclose(reconstruction_loss(logits, target.view(1, 1, 2, 2)), by_hand)
