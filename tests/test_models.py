"""Encoder, spins, decoder."""

import pytest
import torch

from qdvae_helpers.checkpoints import load_pretrained
from qdvae_helpers.data import load_images
from qdvae_helpers.errors import SettingError
from qdvae_helpers.evaluate import quality
from qdvae_helpers.graphs import densest_subgraph
from qdvae_helpers.judge import load_judge
from qdvae_helpers.models import NETWORKS, QDVAE, GaussianVAE, SpinDiscretiser
from qdvae_helpers.samplers import make_sampler


@pytest.fixture(params=NETWORKS)
def model(qpu, request):
    return QDVAE(densest_subgraph(qpu, 24), (32,), network=request.param).eval()


def test_shapes_and_ranges_of_the_public_methods(model):
    images = torch.rand(5, 1, 28, 28)
    logits = model.encode(images)
    spins = model.spins(logits)
    assert logits.shape == spins.shape == (5, model.n_spins) == (5, 24)
    assert set(spins.unique().tolist()) <= {-1.0, 1.0}
    for pictures in (model.decode(spins), model.reconstruct(images)):
        assert pictures.shape == (5, 1, 28, 28)
        assert 0 <= pictures.min() <= pictures.max() <= 1


def test_decoding_keeps_every_axis_before_the_spins(model):
    spins = torch.randint(2, (3, 4, 24)) * 2.0 - 1
    pictures = model.decode(spins)
    assert pictures.shape == (3, 4, 1, 28, 28)
    torch.testing.assert_close(pictures[2, 1], model.decode(spins[2, 1:2])[0])


def test_an_unknown_network_is_refused_by_name(qpu):
    with pytest.raises(SettingError, match="choose one of dense, convolutional"):
        QDVAE(densest_subgraph(qpu, 4), (8,), network="recurrent")


def test_a_convolutional_decoder_treats_all_places_alike(qpu):
    """Maps moved by one place of 7x7 are pixels moved by four, away from the border."""
    decoder = QDVAE(densest_subgraph(qpu, 4), (8,), network="convolutional").dvae.decoder
    maps = torch.zeros(1, 64, 7, 7)
    maps[..., 2:5, 2:4] = torch.rand(64, 3, 2)
    empty, painted, moved = (decoder.net[3:](m) for m in (0 * maps, maps, maps.roll(1, 3)))
    assert (painted - empty).abs().max() > 0.01
    torch.testing.assert_close((painted - empty).roll(4, 3), moved - empty)


def test_spins_have_the_mean_that_their_logits_say():
    logits = torch.tensor([[-3.0, -1.0, 0.0, 0.5, 4.0]])
    spins = SpinDiscretiser(tau=0.5, hard=False).eval()(logits, 100_000)
    assert spins.shape == (1, 100_000, 5)
    assert (spins.mean(1) - torch.tanh(logits / 2)).abs().max() < 5 / 100_000**0.5


@pytest.mark.parametrize("hard", [False, True])
def test_training_spins_carry_a_gradient(hard):
    logits = torch.zeros(4, 6, requires_grad=True)
    spins = SpinDiscretiser(tau=0.5, hard=hard).train()(logits, 2)
    assert (set(spins.detach().unique().tolist()) == {-1.0, 1.0}) == hard
    spins.sum().backward()
    assert (logits.grad > 0).all()


def test_generate_repeats_with_its_seed_and_not_without(model):
    first = model.generate(3, seed=1)
    assert first.shape == (3, 1, 28, 28)
    assert torch.equal(first, model.generate(3, seed=1))
    assert not torch.equal(first, model.generate(3, seed=2))
    assert not torch.equal(model.generate(3), model.generate(3))


def test_generate_takes_any_sampler_and_any_number(model):
    sampler = make_sampler(model.grbm, "gibbs", num_samples=4, graph=model.graph)
    assert model.generate(10, sampler=sampler).shape == (10, 1, 28, 28)


def test_the_prior_starts_almost_empty(model):
    assert model.grbm.quadratic.abs().max() < 0.05
    assert model.grbm.linear.abs().max() == 0


def test_the_gaussian_vae_has_the_public_methods_of_the_qdvae():
    model = GaussianVAE(3, (16,))
    images = torch.rand(5, 1, 28, 28)
    mean, log_variance = model.encode(images)
    codes = model.codes(mean, log_variance)
    assert mean.shape == log_variance.shape == codes.shape == (5, 3)
    for pictures in (model.decode(codes), model.reconstruct(images), model.generate(5)):
        assert pictures.shape == (5, 1, 28, 28)
        assert 0 <= pictures.min() <= pictures.max() <= 1
    assert torch.equal(model.generate(4, seed=1), model.generate(4, seed=1))
    assert not torch.equal(model.generate(4, seed=1), model.generate(4, seed=2))
    assert not torch.equal(model.generate(4), model.generate(4))


def test_gaussian_codes_have_the_asked_mean_and_variance_and_carry_gradients():
    mean = torch.tensor([-2.0, 0.5]).repeat(100_000, 1).requires_grad_()
    log_variance = torch.tensor([0.0, -4.0]).repeat(100_000, 1).requires_grad_()
    codes = GaussianVAE(2, (4,)).codes(mean, log_variance)
    standard_error = (log_variance[0] / 2).exp() / 100_000**0.5
    assert ((codes.mean(0) - mean[0]).abs() < 5 * standard_error).all()
    torch.testing.assert_close(codes.std(0), (log_variance[0] / 2).exp(), rtol=0.02, atol=0)
    codes.square().sum().backward()
    assert mean.grad.any()
    assert log_variance.grad.any()


def test_a_decoder_that_starts_from_the_mean_image_beats_one_that_does_not(model, digits):
    spins = torch.ones(1, 24)
    mean = digits.images.mean(0, keepdim=True).clamp(0.01, 0.99)
    before = (model.decode(spins) - mean).abs().mean()
    model.start_from_mean(digits.images)
    assert (model.decode(spins) - mean).abs().mean() < before / 3


def test_a_round_draws_pixels_encodes_and_decodes(model):
    images = torch.rand(6, 1, 28, 28)
    assert torch.equal(model.refine(images, 0), images)
    once, twice = model.refine(images, 1, seed=3), model.refine(images, 2, seed=3)
    assert once.shape == images.shape
    assert torch.equal(model.refine(images, 1, seed=3), once)
    assert not torch.equal(model.refine(images, 1, seed=4), once)
    assert not torch.equal(twice, once)
    # Black-and-white images and a certain encoder leave no room for chance: one reconstruction.
    with torch.no_grad():
        last = [m for m in model.dvae.encoder.modules() if isinstance(m, torch.nn.Linear)][-1]
        last.weight.mul_(1e7)
        expected = model.decode(model.encode(images.round()).sign())
    torch.testing.assert_close(model.refine(images.round(), 1), expected)


def test_generate_with_rounds_is_generate_and_refine(model):
    plain = model.generate(4, seed=5)
    assert torch.equal(model.generate(4, seed=5, rounds=2), model.refine(plain, 2, seed=5))


def test_rounds_bring_samples_of_the_shipped_model_nearer_to_real_digits(real_mnist):
    test = load_images("mnist", "test").rounded().images[:2_000]
    model, judge = load_pretrained("qdvae-256"), load_judge()
    samples = model.generate(1_000, seed=0)
    later = model.refine(samples, 3)
    before, after = (quality(images.round(), test, judge) for images in (samples, later))
    assert after.frechet < 0.85 * before.frechet
    assert after.coverage > before.coverage
