"""Likelihoods against models small enough to sum over every state."""

import math

import pytest
import torch
from small_models import random_grbm

from qdvae_helpers.evaluate import enumerate_states
from qdvae_helpers.graphs import densest_subgraph
from qdvae_helpers.likelihood import binarise, log_likelihood, log_partition_function
from qdvae_helpers.models import QDVAE
from qdvae_helpers.samplers import make_sampler


@pytest.fixture
def model(graph12) -> QDVAE:
    """Random couplings that matter, and an encoder that knows something."""
    model = QDVAE(graph12, (16,)).eval()
    model.grbm.load_state_dict(random_grbm(graph12, seed=3).state_dict())
    return model


def exact_log_likelihood(model, images):
    exact = enumerate_states(model.grbm)
    with torch.no_grad():
        pixels = torch.distributions.Bernoulli(model.decode(exact.states))
        per_image = [
            torch.logsumexp(pixels.log_prob(x).flatten(1).sum(1) + exact.probabilities.log(), 0)
            for x in images
        ]
    return float(torch.stack(per_image).mean())


@pytest.mark.parametrize("n", [12, 48])
def test_log_partition_function_against_the_exact_one(qpu, n):
    graph = densest_subgraph(qpu, n)
    grbm = random_grbm(graph, seed=n)
    truth = make_sampler(grbm, "exact", graph=graph).log_partition_function()
    for seed in range(3):
        found = log_partition_function(grbm, graph=graph, num_samples=500, levels=100, seed=seed)
        assert 0 < found.error < 0.1
        assert abs(found.value - truth) < 4.5 * found.error


def test_the_bound_reaches_the_likelihood_with_many_draws(model, digits):
    images = binarise(digits.images[:20])
    log_z = enumerate_states(model.grbm).log_partition_function
    truth = exact_log_likelihood(model, images)
    elbo = log_likelihood(model, images, log_z, draws=1).value
    many = log_likelihood(model, images, log_z, draws=5_000).value
    assert elbo < many - 0.5
    assert many == pytest.approx(truth, abs=0.1)


def test_log_z_enters_with_a_minus(model, digits):
    images = binarise(digits.images[:3])
    values = [log_likelihood(model, images, log_z, draws=10).value for log_z in (0.0, 2.0)]
    assert values[0] - values[1] == pytest.approx(2)


def test_binarised_images_are_black_and_white_with_the_right_mean(digits):
    images = digits.images[:100]
    drawn = torch.stack([binarise(images, seed) for seed in range(200)])
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    error = (images * (1 - images) / 200).sqrt()
    z = (drawn.mean(0) - images)[error > 0] / error[error > 0]
    assert float(z.square().mean()) == pytest.approx(1, abs=5 * math.sqrt(2 / len(z)))
    assert torch.equal(binarise(images, 1), drawn[1])
