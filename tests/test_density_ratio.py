"""The ratio of the encoder's strings to the prior's, against exact values on a few spins."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from conftest import random_grbm

from qdvae_helpers.checkpoints import load_checkpoint, load_pretrained, save_checkpoint
from qdvae_helpers.data import load_images
from qdvae_helpers.density_ratio import DensityRatio, choose, divergence_bound, fit_density_ratio
from qdvae_helpers.errors import SettingError
from qdvae_helpers.evaluate import enumerate_states, quality
from qdvae_helpers.judge import load_judge
from qdvae_helpers.models import QDVAE
from qdvae_helpers.samplers import GibbsSampler
from qdvae_helpers.training import TrainConfig, fit


@pytest.fixture(scope="module")
def model_(graph12):
    torch.manual_seed(0)
    model = QDVAE(graph12, (16,)).eval()
    model.grbm.load_state_dict(random_grbm(graph12, seed=1, scale=0.3).state_dict())
    model.dvae.encoder.net[-1].weight.data *= 8  # strings that depend on the image
    return model


@pytest.fixture
def model(model_):
    return copy.deepcopy(model_)


@pytest.fixture(scope="module")
def fitted(model_, digits):
    return fit_density_ratio(model_, digits.images, steps=200, batch_size=300, progress=False)


@torch.no_grad()
def exact(model, images):
    """All strings, and the logarithms of q (over these images) and of p."""
    listed = enumerate_states(model.grbm)
    logits = model.encode(images)
    both = F.logsigmoid(logits).double(), F.logsigmoid(-logits).double()
    up = (listed.states.double() + 1) / 2
    log_q = torch.logsumexp(up @ both[0].T + (1 - up) @ both[1].T, 1) - math.log(len(images))
    return listed.states, log_q, listed.probabilities.log()


def test_the_fit_finds_the_exact_ratio_and_divergence(model, digits, fitted):
    states, log_q, log_p = exact(model, digits.images)
    found = fitted(states).double()
    q = log_q.exp()
    divergence = float((q * (log_q - log_p)).sum())
    error = float((q * (found - (log_q - log_p)).square()).sum().sqrt())
    spread = float((q * (log_q - log_p - divergence).square()).sum().sqrt())
    assert divergence > 0.3  # there is something to find
    assert error < 0.4 * spread
    encoded = states[torch.multinomial(q, 20_000, replacement=True)]
    prior = states[torch.multinomial(log_p.exp(), 20_000, replacement=True)]
    assert divergence_bound(fitted, encoded, prior) == pytest.approx(divergence, abs=0.15)


def test_the_fit_repeats_with_its_seed_and_leaves_torch_alone(model, digits):
    options = {"steps": 3, "batch_size": 20, "progress": False}
    torch.manual_seed(5)
    before = torch.get_rng_state()
    weights = copy.deepcopy(model.state_dict())
    one, same, other = (
        fit_density_ratio(model, digits.images[:50], seed=seed, **options) for seed in (1, 1, 2)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(t, weights[name]) for name, t in model.state_dict().items())
    spins = torch.ones(1, 12)
    assert torch.equal(one(spins), same(spins))
    assert not torch.equal(one(spins), other(spins))


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


def test_choosing_brings_strings_nearer_to_the_encoders(model, digits, fitted):
    states, log_q, log_p = exact(model, digits.images)
    rank = 2.0 ** torch.arange(12)

    def distance(spins):
        """Total variation distance from q, with the noise of a finite sample."""
        which = ((spins + 1) / 2 @ rank).long()
        counts = torch.bincount(which, minlength=len(states)) / len(spins)
        return float((counts - log_q.exp()).abs().sum() / 2)

    generator = torch.Generator().manual_seed(1)
    perfect = states[torch.multinomial(log_q.exp(), 10_000, True, generator=generator)]
    found = []
    for k in (1, 4, 64):
        drawn = torch.multinomial(log_p.exp(), k * 10_000, True, generator=generator)
        candidates = states[drawn].unflatten(0, (k, 10_000))
        found.append(distance(choose(candidates, fitted, generator)) - distance(perfect))
    assert found[0] > found[1] > found[2]
    assert found[2] < 0.5 * found[0]


def test_generate_chooses_and_repeats(model, digits):
    with pytest.raises(SettingError, match="fit_density_ratio"):
        model.generate(2, candidates=3)
    with pytest.raises(SettingError, match="1 or more"):
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
        def __init__(self, grbm, num_chains, **options):
            made.append(num_chains)
            super().__init__(grbm, num_chains, **options)

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


def test_a_saved_model_keeps_its_ratio(model, tmp_path):
    model.ratio = DensityRatio(12).eval()
    loaded = load_checkpoint(save_checkpoint(model, tmp_path / "model.safetensors"))
    spins = torch.ones(2, 12)
    assert torch.equal(loaded.ratio(spins), model.ratio(spins))
    assert not loaded.ratio.training
    assert not any(weight.requires_grad for weight in loaded.ratio.parameters())


def test_training_drops_the_ratio_of_the_model_before(model, digits):
    model.ratio = DensityRatio(12)
    model.info = {"ratio": {"steps": 1, "divergence": 1.0}}
    fit(model, digits, TrainConfig(steps=1, batch_size=10), progress=False)
    assert model.ratio is None
    assert "ratio" not in model.info


def test_chosen_samples_of_a_shipped_model_are_nearer_to_real_digits(real_mnist):
    test = load_images("mnist", "test").rounded().images[:2_000]
    model, judge = load_pretrained("qdvae-256-sharp"), load_judge()
    plain, chosen = (
        quality(model.generate(1_000, seed=0, candidates=k).round(), test, judge) for k in (1, 20)
    )
    assert chosen.frechet < 0.7 * plain.frechet
    assert chosen.coverage > plain.coverage


@pytest.mark.parametrize("options", [{"steps": 0}, {"batch_size": 0}])
def test_a_fit_without_steps_or_strings_is_refused(model, digits, options):
    with pytest.raises(SettingError, match="1 or more"):
        fit_density_ratio(model, digits.images, **options)


def test_a_fit_without_images_is_refused(model, digits):
    with pytest.raises(SettingError, match="no images"):
        fit_density_ratio(model, digits.images[:0])


def test_a_ratio_with_answers_of_another_shape_is_refused():
    with pytest.raises(SettingError, match=r"squeeze\(-1\)"):
        choose(torch.ones(3, 5, 2), torch.nn.Linear(2, 1))
