"""Likelihoods against models small enough to sum over every state."""

import math

import pytest
import torch
from small_models import SHARES, class_grbm, random_grbm

from qdvae_helpers.errors import SamplerError, SettingError
from qdvae_helpers.evaluate import enumerate_states
from qdvae_helpers.graphs import densest_subgraph
from qdvae_helpers.likelihood import (
    binarise,
    class_partition_functions,
    log_likelihood,
    log_partition_function,
)
from qdvae_helpers.models import QDVAE
from qdvae_helpers.priors import of_class
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


# With classes ------------------------------------------------------------------------------------


@pytest.fixture
def prior3(graph12):
    return class_grbm(graph12)


def exact_log_z(grbm) -> list[float]:
    return [enumerate_states(of_class(grbm, y)).log_partition_function for y in range(3)]


def test_the_exact_sampler_knows_log_z_of_each_class(prior3, graph12):
    sampler = make_sampler(prior3, "exact", graph=graph12)
    found = [sampler.log_partition_function(y) for y in range(3)]
    assert found == pytest.approx(exact_log_z(prior3), abs=1e-4)
    assert len({round(value, 2) for value in found}) == 3
    with pytest.raises(SamplerError, match="class=3"):
        sampler.log_partition_function(3)


@pytest.mark.parametrize("downwards", [False, True])
def test_log_z_of_each_class_is_estimated_from_both_sides(downwards, prior3, graph12):
    options = {"graph": graph12, "num_samples": 1_000, "levels": 200, "downwards": downwards}
    truth = exact_log_z(prior3)
    for seed in range(2):
        found = class_partition_functions(prior3, seed=seed, **options)
        for (value, error), right in zip(found, truth, strict=True):
            assert 0 < error < 0.05
            assert abs(value - right) < 4.5 * error
        swapped = zip(found, truth[1:] + truth[:1], strict=True)
        assert max(abs(value - right) / error for (value, error), right in swapped) > 10


def test_the_way_up_errs_downwards_and_the_way_down_upwards(qpu):
    graph = densest_subgraph(qpu, 32)
    grbm = class_grbm(graph, scale=0.7)
    exact = make_sampler(grbm, "exact", graph=graph)
    truth = torch.tensor([exact.log_partition_function(y) for y in range(3)])

    def errors(levels, num_samples, downwards, seeds):
        options = {"graph": graph, "levels": levels, "num_samples": num_samples}
        found = [
            class_partition_functions(grbm, downwards=downwards, seed=seed, **options)
            for seed in range(seeds)
        ]
        return torch.tensor([[one.value for one in classes] for classes in found]) - truth

    hasty = [float(errors(3, 30, way, 4).mean()) for way in (False, True)]
    assert hasty[0] < -0.1
    assert hasty[1] > 0.1
    slow = [errors(300, 200, way, 1).abs().max() for way in (False, True)]
    assert max(slow) < 0.15


def test_a_plain_prior_has_one_class_and_the_same_log_z(grbm12, graph12):
    options = {"graph": graph12, "num_samples": 200, "levels": 50, "seed": 3}
    assert class_partition_functions(grbm12, **options) == [
        pytest.approx(log_partition_function(grbm12, **options))
    ]
    (down,) = class_partition_functions(grbm12, downwards=True, **options)
    truth = enumerate_states(grbm12).log_partition_function
    assert abs(down.value - truth) < 4.5 * down.error


@pytest.fixture
def model3(graph12, prior3) -> QDVAE:
    model = QDVAE(graph12, (16,), classes=("a", "b", "b")).eval()
    model.grbm.load_state_dict(prior3.state_dict())
    return model


def test_the_likelihood_with_classes_against_a_sum_over_all_strings(model3, digits):
    images, grbm = binarise(digits.images[:20]), model3.grbm
    log_z = exact_log_z(grbm)
    each = [enumerate_states(of_class(grbm, y)) for y in range(3)]
    p = sum(share * one.probabilities for share, one in zip(SHARES, each, strict=True))
    with torch.no_grad():
        pixels = torch.distributions.Bernoulli(model3.decode(each[0].states))
        truth = [
            torch.logsumexp(pixels.log_prob(x).flatten(1).sum(1).double() + p.log(), 0)
            for x in images
        ]
    truth = float(torch.stack(truth).mean())
    many = log_likelihood(model3, images, log_z, draws=5_000).value
    assert many == pytest.approx(truth, abs=0.1)
    assert log_likelihood(model3, images, log_z, draws=1).value < many - 0.5
    raised = [value + 2.0 for value in log_z]
    assert log_likelihood(model3, images, raised, draws=9).value == pytest.approx(
        log_likelihood(model3, images, log_z, draws=9).value - 2, abs=1e-3
    )


@pytest.mark.parametrize("log_z", [1.0, [1.0], [1.0] * 4, [], [1.0, 2.0, math.nan], "abc", None])
def test_a_likelihood_needs_log_z_of_each_class(log_z, model3, digits):
    with pytest.raises(SettingError, match="log_z"):
        log_likelihood(model3, digits.images[:1].round(), log_z, draws=2)
