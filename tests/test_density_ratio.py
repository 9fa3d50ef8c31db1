"""The ratio of the encoder's strings to the prior's, against exact values on a few spins."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from small_models import random_grbm

from qdvae_helpers.checkpoints import load_checkpoint, load_pretrained, save_checkpoint
from qdvae_helpers.data import held_out_sample
from qdvae_helpers.density_ratio import DensityRatio, choose, divergence_bound, fit_density_ratio
from qdvae_helpers.errors import SettingError
from qdvae_helpers.evaluate import enumerate_states, quality
from qdvae_helpers.judge import load_judge
from qdvae_helpers.models import QDVAE
from qdvae_helpers.samplers import GibbsSampler


@pytest.fixture(scope="module")
def fitted(graph12, digits):
    """A model with its ratio; nobody may change it."""
    torch.manual_seed(0)
    model = QDVAE(graph12, (16,)).eval()
    model.grbm.load_state_dict(random_grbm(graph12, seed=1, scale=0.3).state_dict())
    model.dvae.encoder.net[-1].weight.data *= 8  # strings that depend on the image
    model.fit_ratio(digits.images, steps=200, batch_size=300, progress=False)
    return model


@pytest.fixture
def model(fitted):
    """The same without its ratio."""
    own = copy.deepcopy(fitted)
    own.ratio = None
    return own


@torch.no_grad()
def exact(model, images):
    """All strings, and the logarithms of q (over these images) and of p."""
    listed = enumerate_states(model.grbm)
    logits = model.encode(images)
    both = F.logsigmoid(logits).double(), F.logsigmoid(-logits).double()
    up = (listed.states.double() + 1) / 2
    log_q = torch.logsumexp(up @ both[0].T + (1 - up) @ both[1].T, 1) - math.log(len(images))
    return listed.states, log_q, listed.probabilities.log()


def test_the_fit_finds_the_exact_ratio_and_divergence(fitted, digits):
    states, log_q, log_p = exact(fitted, digits.images)
    found = fitted.ratio(states).double()
    q = log_q.exp()
    divergence = float((q * (log_q - log_p)).sum())
    error = float((q * (found - (log_q - log_p)).square()).sum().sqrt())
    spread = float((q * (log_q - log_p - divergence).square()).sum().sqrt())
    assert divergence > 0.3  # there is something to find
    assert error < 0.4 * spread
    encoded = states[torch.multinomial(q, 20_000, replacement=True)]
    prior = states[torch.multinomial(log_p.exp(), 20_000, replacement=True)]
    bound = divergence_bound(fitted.ratio, encoded, prior)
    assert bound == pytest.approx(divergence, abs=0.15)


def test_the_fit_repeats_with_its_seed_and_leaves_model_and_torch_alone(model, digits):
    options = {"steps": 3, "batch_size": 20, "progress": False}
    torch.manual_seed(5)
    before = torch.get_rng_state()
    weights = copy.deepcopy(model.state_dict())
    ratios = [model.fit_ratio(digits.images[:50], seed=seed, **options) for seed in (1, 1, 2)]
    assert model.ratio is ratios[2]
    model.ratio = None
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(t, weights[name]) for name, t in model.state_dict().items())
    one, same, other = (ratio(torch.ones(1, 12)) for ratio in ratios)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_the_fit_ends_in_evaluation_mode_without_gradients_even_inside_no_grad(model, digits):
    with torch.no_grad():
        ratio = model.fit_ratio(digits.images, steps=2, batch_size=10, progress=False)
    assert not ratio.training
    assert not any(weights.requires_grad for weights in ratio.parameters())


def test_two_sources_of_strings_are_enough_for_a_fit():
    """One spin of which q has more, and another that says nothing."""
    asked = {"q": [], "p": []}

    def source(name, share):
        generator = torch.Generator().manual_seed(0)

        def draw(n):
            asked[name].append(n)
            shares = torch.tensor([share, 0.5]).expand(n, 2)
            return 2 * torch.bernoulli(shares, generator=generator) - 1

        return draw

    options = {"steps": 60, "batch_size": 200, "learning_rate": 3e-3, "progress": False}
    ratio = fit_density_ratio(source("q", 0.75), source("p", 0.5), 2, **options)
    assert asked == {"q": [200] * 60, "p": [200] * 60}  # new ones at every step
    strings = torch.tensor([[a, b] for a in (-1.0, 1.0) for b in (-1.0, 1.0)])
    truth = torch.tensor([0.5, 0.5, 1.5, 1.5]).log()
    torch.testing.assert_close(ratio(strings), truth, atol=0.15, rtol=0)


class Known(torch.nn.Module):
    """Strings of one spin: +1 is three times as frequent in q as in p."""

    def forward(self, spins):
        return math.log(3) * (spins[..., 0] + 1) / 2


@pytest.mark.parametrize("k", [1, 2, 5])
def test_the_choice_has_the_probabilities_that_it_says(k):
    n = 40_000
    generator = torch.Generator().manual_seed(0)
    p = 0.3
    candidates = 2 * torch.bernoulli(torch.full((k, n, 1), p), generator=generator) - 1
    chosen = choose(candidates, Known(), generator)
    # With j of k candidates at +1, one of them is kept with probability 3 j / (3 j + k - j).
    wanted = sum(
        math.comb(k, j) * p**j * (1 - p) ** (k - j) * 3 * j / (3 * j + k - j) for j in range(k + 1)
    )
    assert float((chosen > 0).float().mean()) == pytest.approx(
        wanted, abs=5 * math.sqrt(wanted * (1 - wanted) / n)
    )


def test_choosing_brings_strings_nearer_to_the_encoders(fitted, digits):
    states, log_q, log_p = exact(fitted, digits.images)
    rank = 2.0 ** torch.arange(12)

    def distance(spins):
        """Total variation distance from q, with the noise of a finite sample."""
        which = ((spins + 1) / 2 @ rank).long()
        counts = torch.bincount(which, minlength=len(states)) / len(spins)
        return float((counts - log_q.exp()).abs().sum() / 2)

    generator = torch.Generator().manual_seed(1)
    perfect = states[torch.multinomial(log_q.exp(), 5_000, True, generator=generator)]
    found = []
    for k in (1, 4, 32):
        drawn = torch.multinomial(log_p.exp(), k * 5_000, True, generator=generator)
        candidates = states[drawn].unflatten(0, (k, 5_000))
        found.append(distance(choose(candidates, fitted.ratio, generator)) - distance(perfect))
    assert found[0] > found[1] > found[2]
    assert found[2] < 0.5 * found[0]


def test_generate_chooses_and_repeats(model):
    with pytest.raises(SettingError, match="fit_ratio"):
        model.generate(2, candidates=3)
    with pytest.raises(SettingError, match="candidates=0 must be 1 or more"):
        model.generate(2, candidates=0)
    plain = model.generate(4, seed=1)
    model.ratio = DensityRatio(12).eval()
    assert torch.equal(model.generate(4, seed=1), plain)
    chosen = model.generate(4, seed=1, candidates=3)
    assert chosen.shape == plain.shape
    assert torch.equal(model.generate(4, seed=1, candidates=3), chosen)
    assert not torch.equal(chosen, plain)
    few = GibbsSampler(model.grbm, 3, seed=1, graph=model.graph)
    assert model.generate(4, few, candidates=3).shape == plain.shape
    later = model.generate(4, seed=1, candidates=3, rounds=2)
    assert torch.equal(later, model.refine(chosen, 2, seed=1))


def test_candidates_are_as_many_as_asked_and_of_many_chains(model, monkeypatch):
    made = []

    class Counted(GibbsSampler):
        def __init__(self, grbm, num_samples, **options):
            made.append(num_samples)
            super().__init__(grbm, num_samples, **options)

    monkeypatch.setattr("qdvae_helpers.models.GibbsSampler", Counted)
    assert model.candidate_strings(1, 40, seed=0).shape == (40, 1, 12)
    assert model.candidate_strings(3, 1, seed=0).shape == (1, 3, 12)
    assert model.candidate_strings(2, 500, seed=0).shape == (500, 2, 12)
    assert made == [40, 3, 256]


def test_generate_keeps_what_the_ratio_prefers(model, monkeypatch):
    class First(torch.nn.Module):
        def forward(self, spins):
            return 1e3 * spins[..., 0]

    model.ratio = First()
    monkeypatch.setattr(model, "decode", lambda spins: spins)
    assert (model.generate(50, seed=0, candidates=30)[:, 0] > 0).float().mean() > 0.99


def test_a_saved_model_keeps_its_ratio(fitted, tmp_path):
    loaded = load_checkpoint(save_checkpoint(fitted, tmp_path / "model.safetensors"))
    spins = torch.ones(2, 12)
    assert torch.equal(loaded.ratio(spins), fitted.ratio(spins))
    assert not loaded.ratio.training
    assert not any(weight.requires_grad for weight in loaded.ratio.parameters())


def test_chosen_samples_of_a_shipped_model_are_nearer_to_real_digits():
    test = held_out_sample(1_000).rounded().images
    model, judge = load_pretrained("qdvae-256-sharp"), load_judge()
    plain, chosen = (
        quality(model.generate(500, seed=0, candidates=k).round(), test, judge) for k in (1, 10)
    )
    assert chosen.frechet < 0.8 * plain.frechet
    assert chosen.coverage > plain.coverage


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"steps": 0}, "steps=0"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"n_images": 0}, "0 images"),
    ],
)
def test_a_fit_without_steps_strings_or_images_is_refused(model, digits, options, why):
    images = digits.images[: options.pop("n_images", 5)]
    with pytest.raises(SettingError, match=why):
        model.fit_ratio(images, **{"batch_size": 10} | options)
    assert model.ratio is None


def test_sources_are_not_asked_where_there_is_nothing_to_do():
    with pytest.raises(SettingError, match="steps=0 and batch_size=10"):
        fit_density_ratio(None, None, 2, steps=0, batch_size=10)


def test_a_ratio_with_answers_of_another_shape_is_refused():
    with pytest.raises(SettingError, match=r"squeeze\(-1\)"):
        choose(torch.ones(3, 5, 2), torch.nn.Linear(2, 1))
