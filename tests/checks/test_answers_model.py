"""Answers to the exercises of lessons 06 to 12 as learners write them, right and wrong."""

import math
import re

import pytest
import torch


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


@pytest.mark.parametrize(("check", "answer", "said"), JUDGING + STUDIO)
def test_answers(check, answer, said, verdict):
    assert said in verdict(check, answer)
