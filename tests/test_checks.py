"""Checks of exercises: they print a verdict and never raise."""

import itertools
import math

import pytest
import torch

from qdvae_helpers import checks
from qdvae_helpers.checks import exercise


@exercise
def double(function):
    return None if function(2) == 4 else "doubling 2 must give 4."


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (lambda x: 2 * x, "Correct.\n"),
        (lambda x: x, "Not yet: doubling 2 must give 4.\n"),
        (..., "Not yet: there is no answer yet"),
        (None, "Not yet: there is no answer yet"),
        (lambda x: ..., "Not yet: there is no answer yet"),
        (lambda x: None, "Not yet: there is no answer yet"),
        (lambda: 4, "Not yet: your code stopped with TypeError"),
        (lambda x: 1 / 0, "Not yet: your code stopped with ZeroDivisionError: division by zero"),
    ],
)
def test_a_check_prints_a_verdict_and_never_raises(answer, verdict, capsys):
    double(answer)
    assert capsys.readouterr().out.startswith(verdict)


def verdict_on(check, answer, capsys) -> str:
    check(answer)
    return capsys.readouterr().out.strip()


def layers(widths):
    return list(itertools.pairwise(widths))


def line(a, b, weights):
    return torch.stack([(1 - t) * a + t * b for t in weights])


@pytest.mark.parametrize(
    ("check", "answer", "said"),
    [
        (checks.count_parameters, lambda w: sum(a * b + b for a, b in layers(w)), "Correct."),
        (checks.count_parameters, lambda w: sum(a * b for a, b in layers(w)), "add the biases"),
        (checks.count_parameters, lambda w: sum(a * b + a for a, b in layers(w)), "not of its in"),
        (checks.interpolate, lambda a, b, n: line(a, b, torch.linspace(0, 1, n)), "Correct."),
        (checks.interpolate, lambda a, b, n: line(b, a, torch.linspace(0, 1, n)), "from b to a"),
        (checks.interpolate, lambda a, b, n: line(a, b, torch.arange(n) / n), "n - 1 steps"),
        (checks.interpolate, lambda a, b, n: line(a, b, torch.linspace(0, 1, n)).T, "(5, 2)"),
        (checks.reparameterise, lambda m, v, e: m + (v / 2).exp() * e, "Correct."),
        (checks.reparameterise, lambda m, v, e: m + v.exp() * e, "exp(log_variance / 2)"),
        (checks.reparameterise, lambda m, v, e: m + v * e, "is a logarithm"),
        (checks.reparameterise, lambda m, v, e: (m + (v / 2).exp() * e).detach(), "no gradient"),
        (checks.gaussian_kl_by_hand, lambda m, v: (m * m + v - 1 - math.log(v)) / 2, "Correct."),
        (checks.gaussian_kl_by_hand, lambda m, v: m * m + v - 1 - math.log(v), "the half is"),
        (checks.gaussian_kl_by_hand, lambda m, v: (m * m + v - math.log(v)) / 2, "-1 is missing"),
        (checks.gaussian_kl_by_hand, lambda m, v: (m * m + v - 1 + math.log(v)) / 2, "logarithm"),
    ],
)
def test_exercises_of_lesson_01(check, answer, said, capsys):
    assert said in verdict_on(check, answer, capsys)
