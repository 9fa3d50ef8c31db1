"""The two generative models."""

import pytest
import torch

from qdvae_helpers.checkpoints import load_pretrained
from qdvae_helpers.data import held_out_sample
from qdvae_helpers.errors import SamplerError, SettingError
from qdvae_helpers.evaluate import quality
from qdvae_helpers.graphs import densest_subgraph, ideal_graph
from qdvae_helpers.judge import load_judge
from qdvae_helpers.models import QDVAE, GaussianVAE
from qdvae_helpers.samplers import make_sampler


@pytest.fixture
def model(qpu):
    return QDVAE(densest_subgraph(qpu, 24), (32,)).eval()


def test_shapes_and_ranges_of_the_public_methods(model):
    images = torch.rand(5, 1, 28, 28)
    logits = model.encode(images)
    spins = model.spins(logits)
    assert logits.shape == spins.shape == (5, model.n_spins) == (5, 24)
    assert set(spins.unique().tolist()) <= {-1.0, 1.0}
    for pictures in (model.decode(spins), model.reconstruct(images)):
        assert pictures.shape == (5, 1, 28, 28)
        assert 0 <= pictures.min() <= pictures.max() <= 1


def test_without_gradients_many_images_pass_in_parts_with_the_same_result(model):
    images, sizes = torch.rand(2_345, 1, 28, 28), []
    for network in (model.dvae.encoder, model.dvae.decoder):
        network.register_forward_hook(lambda _, inputs, __: sizes.append(len(inputs[0])))
    logits = model.encode(images)
    pictures = model.decode(model.spins(logits.detach(), torch.Generator().manual_seed(0)))
    assert sizes == [2_345, 2_345]  # a gradient needs all layers of all images anyway
    assert logits.requires_grad
    assert pictures.requires_grad
    with torch.no_grad():
        assert torch.allclose(model.encode(images), logits, atol=1e-5)
        spins = model.spins(logits, torch.Generator().manual_seed(0))
        assert torch.allclose(model.decode(spins), pictures, atol=1e-5)
        assert torch.equal(model.decode(spins[0]), model.decode(spins[:1])[0])
    assert max(sizes[2:]) == 1_000


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("hard", [True, False])
def test_calling_the_model_is_the_plugins_forward_with_the_generators_numbers(
    training, hard, graph12
):
    model = QDVAE(graph12, (16,), hard=hard).train(training)
    images = torch.rand(5, 1, 28, 28)
    torch.manual_seed(7)
    expected = model.dvae(images, 3)
    before = torch.get_rng_state()
    found = [model(images, 3, torch.Generator().manual_seed(seed)) for seed in (7, 7, 8)]
    assert torch.equal(torch.get_rng_state(), before)  # which nobody touched
    for one, same, plugins in zip(found[0], found[1], expected, strict=True):
        assert torch.equal(one, plugins)
        assert torch.equal(one, same)
    assert torch.equal(found[2][0], expected[0])  # logits are no matter of chance
    assert not torch.equal(found[2][1], expected[1])
    torch.manual_seed(7)
    alone = model(images, 3)
    assert all(torch.equal(a, b) for a, b in zip(alone, expected, strict=True))
    assert [tuple(part.shape) for part in alone] == [(5, 12), (5, 3, 12), (5, 3, 1, 28, 28)]


def test_spins_follow_their_generator(model):
    logits = torch.zeros(4, 24)
    first, same, other = (
        model.spins(logits, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_generate_repeats_with_its_seed_and_not_without(model):
    first = model.generate(3, seed=1)
    assert first.shape == (3, 1, 28, 28)
    assert torch.equal(first, model.generate(3, seed=1))
    assert not torch.equal(first, model.generate(3, seed=2))
    assert not torch.equal(model.generate(3), model.generate(3))


def test_generate_takes_any_sampler_of_the_model_and_any_number(model, graph12):
    sampler = make_sampler(model.grbm, "gibbs", num_samples=4, graph=model.graph)
    assert model.generate(10, sampler=sampler).shape == (10, 1, 28, 28)
    other = QDVAE(model.graph, (32,))
    with pytest.raises(SamplerError):
        other.generate(3, sampler=sampler)


def test_the_prior_starts_almost_empty(model):
    assert 0 < model.grbm.quadratic.abs().max() < 0.05
    assert model.grbm.linear.abs().max() == 0


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
        model.dvae.encoder.net[-1].weight.mul_(1e7)
        expected = model.decode(model.encode(images.round()).sign())
    torch.testing.assert_close(model.refine(images.round(), 1), expected)


def test_rounds_mend_digits_whose_spins_were_damaged():
    """Samples as drawn have little to be mended, so some spins are flipped first."""
    test = held_out_sample(2_000).rounded().images
    model, judge = load_pretrained("qdvae-256"), load_judge()
    flipped = torch.rand(1_000, 256, generator=torch.Generator().manual_seed(0)) < 0.08
    samples = model.decode(model.prior_strings(1_000, seed=0) * (1 - 2 * flipped.float()))
    later = model.refine(samples, 3)
    before, after = (quality(images.round(), test, judge) for images in (samples, later))
    assert after.frechet < 0.85 * before.frechet
    assert after.coverage > before.coverage


# Wishes ------------------------------------------------------------------------------------------

NAMES = ("cat", "dog", "cat", "cow")
CLASSES = torch.tensor([0.1, 0.2, 0.3, 0.4])


@pytest.fixture
def wishing(graph12):
    """A model whose classes are seen in its spins: the first three are all up for their own."""
    model = QDVAE(graph12, (16,), classes=NAMES).eval()
    with torch.no_grad():
        model.grbm.class_biases.fill_(6)
        model.grbm.class_biases[range(4), range(4)] = -6
    model.grbm.shares.copy_(CLASSES)
    return model


def classes_of(spins):
    return spins[:, :4].argmax(1)


def test_a_model_with_classes_names_what_may_be_wished_for(wishing, model):
    assert wishing.class_names == NAMES
    assert wishing.wishes == ("cat", "dog", "cow")
    assert wishing.settings["classes"] == list(NAMES)
    assert model.wishes == model.class_names == ()


@pytest.mark.parametrize("kind", [None, "gibbs", "exact", "annealer"])
def test_a_wish_is_obeyed_by_every_sampler(kind, wishing):
    sampler = None
    if kind is not None:  # of fewer strings than are asked for
        options = {"prefactor": 0.2, "num_sweeps": 50} if kind == "annealer" else {}
        sampler = make_sampler(wishing.grbm, kind, num_samples=7, graph=wishing.graph, **options)

    def drawn(n, wish):
        spins = wishing.prior_strings(n, sampler, 3, classes=wish)
        assert spins.shape == (n, 12)
        return classes_of(spins).tolist()

    assert drawn(20, "dog") == [1] * 20
    assert drawn(20, 2) == [3] * 20  # the third name
    assert sorted(drawn(20, "cat")) == [0] * 5 + [2] * 15  # as frequent as their shares
    mixed = drawn(18, ["dog", 2] * 9)
    assert mixed == [1, 3] * 9
    assert drawn(3, torch.tensor([1, 2, 1])) == [1, 3, 1]
    usual = drawn(100, None)
    assert [usual.count(y) for y in range(4)] == [10, 20, 30, 40]
    assert usual != sorted(usual)


def test_images_of_a_wish_are_decoded_strings_and_repeat_with_their_seed(wishing):
    for wish in (None, "cat", [0, 1, 2, 1, 0]):
        images = wishing.generate(5, seed=4, classes=wish)
        assert torch.equal(images, wishing.generate(5, seed=4, classes=wish))
        strings = wishing.prior_strings(5, seed=4, classes=wish)
        torch.testing.assert_close(images, wishing.decode(strings))
        assert not torch.equal(images, wishing.generate(5, seed=5, classes=wish))


def test_without_a_seed_classes_differ_from_call_to_call(wishing):
    one, other = (classes_of(wishing.prior_strings(40)).tolist() for _ in range(2))
    assert one != other
    assert sorted(one) != one


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ("cow boy", "there is no 'cow boy' among cat, dog, cow"),
        (3, "classes=3 is too many: choose 2"),
        (-1, "classes=-1"),
        (["cat", "dog"], "2 wishes for 3 images"),
        (["cat"] * 4, "4 wishes for 3 images"),
        ([], "0 wishes for 3 images"),
    ],
)
def test_a_wish_that_the_model_does_not_know_is_refused(wish, message, wishing):
    with pytest.raises(SettingError, match=message):
        wishing.generate(3, classes=wish)


def test_a_plain_model_takes_no_wishes(model):
    for wish in ("7", 7, [1, 2, 3]):
        with pytest.raises(SettingError, match="one prior for all images"):
            model.generate(3, classes=wish)


@pytest.mark.parametrize("names", [["one"], "ab", ["a", ""], ["a", None], [1, 2], 3, ["a"] * 300])
def test_names_of_classes_that_are_none_are_refused(names, graph12):
    with pytest.raises(SettingError, match="classes"):
        QDVAE(graph12, (8,), classes=names)


def test_the_shipped_models_obey_wishes_for_a_digit():
    model, judge = load_pretrained("qdvae-256-labels"), load_judge()
    assert model.wishes == tuple("0123456789")
    wishes = [digit for digit in range(10) for _ in range(20)]
    seen = judge.classes(judge(model.generate(200, seed=0, classes=wishes))).argmax(1)
    assert (seen == torch.tensor(wishes)).float().mean() > 0.85


# The classical reference -------------------------------------------------------------------------


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


def test_a_samplers_seed_decides_the_classes_too():
    model = QDVAE(densest_subgraph(ideal_graph(), 12), (16,), classes=("a", "b", "c"))
    model.grbm.class_biases.data.normal_(std=2)

    def drawn(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        torch.rand(1)  # torch's global numbers have no part in it
        sampler = make_sampler(model.grbm, "gibbs", num_samples=20, seed=seed, graph=model.graph)
        first = model.prior_strings(20, sampler)
        return first, model.prior_strings(20, sampler)

    (first, then), (again, _), (other, _) = drawn(1), drawn(1), drawn(2)
    assert torch.equal(first, again)
    assert not torch.equal(first, then)
    assert not torch.equal(first, other)
