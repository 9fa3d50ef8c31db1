"""Answers to the exercises of lessons 06 to 12 as learners write them, right and wrong."""

import math
import re

import pytest
import torch


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


def frechet(x, y):
    return (x.mean() - y.mean()).square(), (x.std() - y.std()).square()


def apart(a, b, of_a, of_b):
    return (a.mean() - b.mean()) / (of_a + of_b) ** 0.5


def by_errors(a, b):
    return apart(a, b, a.var() / len(a), b.var() / len(b))


JUDGING = [
    ("frechet_one_dimension", lambda x, y: sum(frechet(x, y)), "Correct."),
    ("frechet_one_dimension", lambda x, y: frechet(x, y)[0], "only the means"),
    ("frechet_one_dimension", lambda x, y: sum(frechet(x, y)) ** 0.5, "this is the root"),
    (
        "frechet_one_dimension",
        lambda x, y: frechet(x, y)[0] + (x.var() - y.var()) ** 2,
        "not variances",
    ),
    ("errors_apart", by_errors, "Correct."),
    ("errors_apart", lambda a, b: by_errors(b, a), "sign is reversed"),
    ("errors_apart", lambda a, b: abs(by_errors(a, b)), "the sign is lost"),
    ("errors_apart", lambda a, b: apart(a, b, a.var(), b.var()), "spread of single runs"),
    (
        "errors_apart",
        lambda a, b: (a.mean() - b.mean()) / sum(v.std() / len(v) ** 0.5 for v in (a, b)),
        "add as squares",
    ),
    ("importance_bound", lambda w: torch.logsumexp(w, 0) - math.log(len(w)), "Correct."),
    ("importance_bound", lambda w: torch.logsumexp(w, 0), "a mean divides by K"),
    ("importance_bound", lambda w: torch.logsumexp(w, 0) / len(w), "subtracts log K outside"),
    ("importance_bound", torch.mean, "mean of the logarithms"),
    ("importance_bound", lambda w: w.exp().mean().log(), "use torch.logsumexp"),
    (
        "importance_bound",
        lambda w: (w - w.min()).exp().mean().log() + w.min(),
        "subtract the *largest* one",
    ),
    ("effective_sample_size", lambda w: 1 / w.softmax(0).square().sum(), "Correct."),
    (
        "effective_sample_size",
        lambda w: (w - w.min()).exp().sum() ** 2 / (w - w.min()).exp().square().sum(),
        "subtract the *largest* one",
    ),
    (
        "effective_sample_size",
        lambda w: w.exp().sum() ** 2 / w.exp().square().sum(),
        "near -900 break it: normalise them first",
    ),
    (
        "effective_sample_size",
        lambda w: w.double().exp().sum() ** 2 / w.double().exp().square().sum(),
        "normalise them first",
    ),
    ("effective_sample_size", lambda w: 1 / w.exp().square().sum(), "by their sum first"),
    ("effective_sample_size", torch.numel, "for [0, -1, 0.5, -2] it is"),
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


@pytest.mark.parametrize(("check", "answer", "said"), GENERATING + JUDGING + STUDIO)
def test_answers(check, answer, said, verdict):
    assert said in verdict(check, answer)
