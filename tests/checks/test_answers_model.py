"""Answers to the exercises of lessons 05 to 12 as learners write them, right and wrong."""

import re

import pytest
import torch

from qdvae_helpers.losses import encoder_entropy

MOVED = {"reconstruction": {"encoder", "decoder"}, "MMD": {"encoder"}, "NLL": {"prior"}}
DIAGNOSIS = {"A": "frozen prior", "B": "collapse", "C": "healthy", "D": "impatient prior"}


def kl(of_energy=1.0, of_entropy=1.0, of_prior=1.0, cut=()):
    """The three terms of the KL, each times a number; those in ``cut`` are detached."""

    def loss(logits, energy, prior_spins):
        terms = {
            "energy": of_energy * energy(torch.tanh(logits / 2)).mean(),
            "entropy": -of_entropy * encoder_entropy(logits),
            "prior": -of_prior * energy(prior_spins).mean(),
        }
        return sum(term.detach() if name in cut else term for name, term in terms.items())

    return loss


def flat_means(logits, energy, prior_spins):
    means = torch.tanh(logits / 2).detach()
    return energy(means).mean() - encoder_entropy(logits) - energy(prior_spins).mean()


def pair_means(s, pairs):
    return torch.stack([(s[:, i] * s[:, j]).mean() for i, j in pairs])


def gaps(a, b, pairs):
    return pair_means(a, pairs) - pair_means(b, pairs)


TRAINING = [
    ("parts_that_move", MOVED, "Correct."),
    ("parts_that_move", MOVED | {"MMD": "encoder"}, "Correct."),
    ("parts_that_move", MOVED | {"MMD": ...}, "there is no answer yet"),
    ("parts_that_move", {"MMD": {"encoder"}}, "there is no answer for NLL, reconstruction"),
    ("parts_that_move", MOVED | {"NLL": {"latent"}}, "['latent'] is no part"),
    (
        "parts_that_move",
        MOVED | {"MMD": {"encoder", "prior"}},
        "MMD does not move the prior: the prior enters as samples",
    ),
    (
        "parts_that_move",
        MOVED | {"reconstruction": "decoder"},
        "reconstruction moves the encoder, too",
    ),
    ("kl_from_three_terms", kl(), "Correct."),
    ("kl_from_three_terms", kl(of_entropy=0), "the entropy is missing"),
    ("kl_from_three_terms", kl(of_prior=0), "nothing stands for log Z"),
    ("kl_from_three_terms", kl(of_energy=0), "the encoder's energy is missing"),
    ("kl_from_three_terms", kl(of_energy=0, of_prior=0), "this is the entropy alone"),
    ("kl_from_three_terms", kl(of_energy=-1, of_prior=-1), "the signs of both energies"),
    ("kl_from_three_terms", kl(of_energy=2, of_prior=2), "on a small example"),
    ("kl_from_three_terms", lambda x, *rest: kl()(x.detach(), *rest), "no gradient reaches"),
    ("kl_from_three_terms", lambda *args: kl()(*args).detach(), "no gradient flows"),
    ("kl_from_three_terms", flat_means, "no gradient flows through the mean spins"),
    ("kl_from_three_terms", kl(cut=["entropy"]), "no gradient flows through the entropy"),
    ("kl_from_three_terms", kl(cut=["prior"]), "no gradient of log Z"),
    ("kl_from_three_terms", kl(cut=["energy"]), "its gradient is not"),
    ("kl_from_three_terms", lambda *args: kl()(*args).item(), "return one number as a tensor"),
    ("gap_of_moments", lambda *args: gaps(*args).square().mean().sqrt(), "Correct."),
    ("gap_of_moments", lambda *args: gaps(*args).square().mean(), "take the square root"),
    ("gap_of_moments", lambda *args: gaps(*args).mean().abs(), "differences of both signs"),
    ("diagnoses", DIAGNOSIS, "Correct."),
    ("diagnoses", DIAGNOSIS | {"C": ...}, "there is no answer yet"),
    ("diagnoses", {"A": "frozen prior"}, "there is no answer for B"),
    ("diagnoses", DIAGNOSIS | {"D": "tired"}, "D: 'tired' is none of"),
    (
        "diagnoses",
        DIAGNOSIS | {"A": "healthy"},
        "A is no case of 'healthy': look at the last column",
    ),
]


def flipped(spins, effect, k, descending=True):
    result = spins.clone()
    result[:, effect.argsort(descending=descending)[:k]] *= -1
    return result


def flip_in_place(spins, effect, k):
    spins[:, effect.argsort(descending=True)[:k]] *= -1
    return spins


def flip_rows(spins, effect, k):
    result = spins.clone()
    result[effect.argsort(descending=True)[:k]] *= -1
    return result


def energy(of_shared=1.0, of_class=1.0, of_pairs=1.0, row=lambda y: y):
    """The energy of a string in its class, each part times a number."""

    def function(h, W, J, s, y):
        pairs = sum(value * s[i] * s[j] for (i, j), value in J.items())
        shared, own = (sum(a * b for a, b in zip(x, s, strict=True)) for x in (h, W[row(y)]))
        return of_shared * shared + of_class * own + of_pairs * pairs

    return function


def all_classes(h, W, J, s, y):
    return energy()(h, W, J, s, y) + energy(0, 1, 0)(h, W, J, s, 1 - y)


def clamped(mine, rest, k, free=float("nan"), own=True):
    row = torch.full_like(mine, free)
    places = (mine - rest).abs().argsort(descending=True)[:k]
    row[places] = (mine if own else mine - rest)[places].sign()
    return row


def clamped_in_place(mine, rest, k):
    mine[:] = clamped(mine, rest, k)
    return mine


def table(images, others):
    return torch.cdist(images.flatten(1), others.flatten(1))


def share(error):
    return lambda k, n: (k / n, error(k / n, n))


GENERATING = [
    ("share_and_error", share(lambda p, n: (p * (1 - p) / n) ** 0.5), "Correct."),
    ("share_and_error", share(lambda p, n: (n * p * (1 - p)) ** 0.5), "the error of the count"),
    ("share_and_error", share(lambda p, n: (p / n) ** 0.5), "the factor 1 - p"),
    ("share_and_error", share(lambda p, n: (p * (1 - p) / (n - 1)) ** 0.5), "divide by n"),
    ("share_and_error", share(lambda p, n: 0.1), "for 30 of 400 the error is 0.0132"),
    ("share_and_error", lambda k, n: (k, 0.1), "first comes the share"),
    ("share_and_error", lambda k, n: (1 - k / n, 0.1), "is a share of 0.075; yours is 0.925"),
    ("share_and_error", lambda k, n: k / n, "return two numbers"),
    (
        "nearest_distance",
        lambda a, b: torch.cdist(a.flatten(1), b.flatten(1), p=1).min(1).values,
        "Correct.",
    ),
    ("nearest_distance", lambda a, b: table(a, b).square().min(1).values, "Correct."),
    ("nearest_distance", lambda a, b: table(a, b).min(1).values, "this is the distance"),
    ("nearest_distance", lambda a, b: table(a, b).argmin(1), "these are the places"),
    ("nearest_distance", lambda a, b: table(a, b).square().min(1), "take the `.values`"),
    ("nearest_distance", lambda a, b: table(a, b).square(), "this is the whole table"),
    (
        "nearest_distance",
        lambda a, b: table(a, b).square().min(0).values,
        "you looked for the nearest image of each",
    ),
    ("class_energy", energy(), "Correct."),
    ("class_energy", energy(of_shared=0), "the shared biases h are forgotten"),
    ("class_energy", energy(of_class=0), "the biases of the class are forgotten"),
    ("class_energy", energy(of_pairs=2), "the couplings are counted twice"),
    ("class_energy", energy(of_pairs=0), "the couplings are forgotten"),
    ("class_energy", energy(-1, -1, -1), "the sign is reversed"),
    ("class_energy", energy(of_class=-1), "added to h, not subtracted"),
    ("class_energy", energy(of_class=2), "the biases of the class are counted twice"),
    ("class_energy", energy(row=lambda y: 1 - y), "the energy in the other class"),
    ("class_energy", energy(row=lambda y: 0), "for s=[1, -1, -1] in class 1 the energy is"),
    ("class_energy", all_classes, "only the row W[y] counts"),
    ("class_energy", lambda h, W, J, s, y: s, "one number is asked for"),
    ("influential_flips", flipped, "Correct."),
    ("influential_flips", lambda s, e, k: flipped(s, e, k, False), "with the *smallest* effect"),
    ("influential_flips", flip_in_place, "your function changed its input"),
    ("influential_flips", lambda s, e, k: s.mul_(-1), "your function changed its input"),
    ("influential_flips", flip_rows, "you flipped whole rows"),
    ("influential_flips", lambda s, e, k: flipped(s, e, 2), "k=3: in every row the 3 spins"),
    (
        "influential_flips",
        lambda s, e, k: flipped(s, -torch.arange(5), k),
        "k=2: in every row the 2",
    ),
    ("class_clamps", clamped, "Correct."),
    ("class_clamps", lambda m, r, k: clamped(m, r, k, free=0.0), "a free spin is NaN"),
    ("class_clamps", lambda m, r, k: clamped(m, r, k, own=False), "the sign of the difference"),
    ("class_clamps", lambda m, r, k: clamped(m, r, 3), "as many spins as `k` says"),
    ("class_clamps", lambda m, r, k: clamped(m, r, k + 1), "k=3 spins must be clamped"),
    ("class_clamps", lambda m, r, k: m.sign(), "no spin is free"),
    ("class_clamps", lambda m, r, k: clamped(m, r.roll(1), k), "differ most are others"),
    ("class_clamps", lambda m, r, k: 2 * clamped(m, r, k), "take the sign of the class's own"),
    ("class_clamps", clamped_in_place, "your function changed its input"),
]


def pattern_of(text):
    return lambda name: re.match(text, name) is not None


STUDIO = [
    ("steps_of_a_run", lambda n, b, e: n // b * e, "Correct."),
    ("steps_of_a_run", lambda n, b, e: n * e // b, "for 90 images"),
    ("steps_of_a_run", lambda n, b, e: -(-n // b) * e, "for 60,000 images"),
    ("steps_of_a_run", lambda n, b, e: n * e / b, "a number of steps is whole"),
    ("safe_name", pattern_of(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z"), "Correct."),
    ("safe_name", pattern_of(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"), "'good\\n' passes"),
    ("safe_name", pattern_of(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}\Z"), "'aaaaaaaaaaaaaaaaaaaa' is"),
    ("safe_name", pattern_of(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}\Z"), "'_mine' passes"),
    ("safe_name", pattern_of(r"[A-Za-z\d][A-Za-z\d_-]{0,63}\Z"), "another script"),
    ("safe_name", pattern_of(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z"), "'a.b' passes"),
    ("safe_name", pattern_of(r"[A-Za-z0-9][A-Za-z0-9 _-]{0,63}\Z"), "'a b' passes"),
    ("safe_name", lambda name: "/" not in name, "'a\\\\b' passes"),
    ("safe_name", str.isalpha, "'first-try' is harmless"),
    ("safe_name", lambda name: ..., "there is no answer yet"),
    ("time_left", lambda d, t, f, s: (t - d) * s / (d - f), "Correct."),
    ("time_left", lambda d, t, f, s: (t - d) * s / d, "a resumed run is too quick"),
    ("time_left", lambda d, t, f, s: t * s / (d - f), "that is the time of the whole"),
]


@pytest.mark.parametrize(("check", "answer", "said"), TRAINING + GENERATING + STUDIO)
def test_answers(check, answer, said, verdict):
    assert said in verdict(check, answer)
