"""The loss of a step: for each recipe what its parts add up to."""

import math

import pytest
import torch
from small_models import new_model

from qdvae_helpers.graphs import densest_subgraph
from qdvae_helpers.losses import (
    importance_weighted_loss,
    kl_loss,
    mmd_loss,
    nll_loss,
    reconstruction_loss,
    spin_kernel,
)
from qdvae_helpers.training import TrainConfig
from qdvae_helpers.training.objective import Objective, decoder_loss


@pytest.fixture
def model(graph12):
    return new_model(graph12).train()


@pytest.fixture
def batch(digits):
    return digits.images[:40]


@pytest.fixture
def prior_spins():
    return 2.0 * torch.randint(2, (50, 12)) - 1


def seeded_generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def loss_of(model, batch, prior_spins, kl_weight=0.7, **settings):
    config = TrainConfig(**settings)
    return Objective(model, config)(batch, prior_spins, kl_weight, seeded_generator())


def test_elbo_is_reconstruction_and_weighted_divergence(model, batch, prior_spins):
    logits, _, pixels = model(batch, 2, seeded_generator())
    expected = reconstruction_loss(pixels, batch) + 0.7 * kl_loss(logits, model.grbm, prior_spins)
    torch.testing.assert_close(loss_of(model, batch, prior_spins, spin_draws=2), expected)


def test_iwae_is_the_importance_weighted_bound(model, batch, prior_spins):
    logits, spins, pixels = model(batch, 3, seeded_generator())
    expected = importance_weighted_loss(logits, spins, pixels, batch, model.grbm, prior_spins, 0.7)
    found = loss_of(model, batch, prior_spins, recipe="iwae", spin_draws=3)
    torch.testing.assert_close(found, expected)


def test_mmd_compares_true_spins_and_teaches_the_prior_theirs(model, batch, prior_spins):
    _, spins, pixels = model(batch, 2, seeded_generator())
    true_spins = spins.flatten(0, 1).sign()
    assert not torch.equal(true_spins, spins.flatten(0, 1))
    parts = (
        reconstruction_loss(pixels, batch),
        50.0 * mmd_loss(true_spins, prior_spins, spin_kernel(12)),
        nll_loss(model.grbm, true_spins, prior_spins),
    )
    found = loss_of(model, batch, prior_spins, recipe="mmd", spin_draws=2, mmd_weight=50.0)
    torch.testing.assert_close(found, sum(parts))
    found.backward()
    encoder, prior = model.dvae.encoder.net[0].weight.grad, model.grbm.quadratic.grad
    (alone,) = torch.autograd.grad(parts[2], model.grbm.quadratic)
    torch.testing.assert_close(prior, alone)  # nothing else teaches the prior
    assert encoder.any()


def test_the_mmd_of_the_recipe_vanishes_where_encoder_and_prior_agree(qpu, digits):
    """Uniform spins on both sides; relaxed spins would score 0.1 here."""
    model = new_model(densest_subgraph(qpu, 64)).train()
    last_layer = model.dvae.encoder.net[-1]
    torch.nn.init.zeros_(last_layer.weight)
    torch.nn.init.zeros_(last_layer.bias)
    prior_spins = 2.0 * torch.randint(2, (512, 64)) - 1
    with_mmd, without = (
        loss_of(model, digits.images, prior_spins, recipe="mmd", spin_draws=2, mmd_weight=weight)
        for weight in (1.0, 0.0)
    )
    # The difference of two losses of some 540 nats carries single precision.
    assert abs(float((with_mmd - without).detach())) < 0.01


def test_the_decoders_loss_is_that_of_true_spins_and_teaches_the_decoder_alone(model, batch):
    model.eval()
    loss = decoder_loss(model, batch, 2, seeded_generator())
    _, spins, pixels = model(batch, 2, seeded_generator())
    assert set(spins.unique().tolist()) == {-1.0, 1.0}
    torch.testing.assert_close(loss, reconstruction_loss(pixels, batch))
    loss.backward()
    taught = {id(weights) for weights in model.parameters() if weights.grad is not None}
    assert taught == {id(weights) for weights in model.dvae.decoder.parameters()}


@pytest.mark.parametrize("recipe", ["elbo", "iwae", "mmd"])
def test_the_generator_alone_decides_the_noise(recipe, model, batch, prior_spins):
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        found.append(loss_of(model, batch, prior_spins, recipe=recipe, spin_draws=2).item())
    assert found[0] == found[1]
    assert math.isfinite(found[0])


@pytest.mark.parametrize(
    ("recipe", "weights"),
    [
        ("elbo", {"reconstruction": 1.0, "kl": 0.7}),
        ("mmd", {"reconstruction": 1.0, "mmd": 30.0, "nll": 1.0}),
        ("iwae", {}),
    ],
)
def test_the_parts_of_the_last_loss_are_at_hand_and_add_up(
    model, batch, prior_spins, recipe, weights
):
    objective = Objective(model, TrainConfig(recipe=recipe, mmd_weight=30.0, spin_draws=2))
    loss = objective(batch, prior_spins, 0.7, seeded_generator())
    parts = objective.parts
    assert set(parts) == {"loss", *(f"loss_{name}" for name in weights)}
    assert not any(part.requires_grad for part in parts.values())
    torch.testing.assert_close(parts["loss"], loss.detach())
    if weights:
        added = sum(weight * parts[f"loss_{name}"] for name, weight in weights.items())
        torch.testing.assert_close(added, parts["loss"])
