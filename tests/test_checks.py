"""Checks of exercises: they print a verdict and never raise."""

import pytest
import torch

from qdvae_helpers import checks
from qdvae_helpers.checks import exercise
from qdvae_helpers.losses import encoder_entropy


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


def off_diagonal(block):
    return (block.sum() - block.trace()) / (len(block) * (len(block) - 1))


@pytest.mark.parametrize(
    ("check", "answer", "verdict"),
    [
        (
            checks.check_biased_mmd,
            lambda k, n: k[:n, :n].mean() + k[n:, n:].mean() - 2 * k[:n, n:].mean(),
            "Correct.",
        ),
        (
            checks.check_biased_mmd,
            lambda k, n: k[:n, :n].mean() + k[n:, n:].mean() - k[:n, n:].mean(),
            "Not yet: the block between x and y counts twice",
        ),
        (
            checks.check_biased_mmd,
            lambda k, n: k[:n, :n].sum() + k[n:, n:].sum() - 2 * k[:n, n:].sum(),
            "Not yet: take means",
        ),
        (
            checks.check_unbiased_mmd,
            lambda k, n: off_diagonal(k[:n, :n]) + off_diagonal(k[n:, n:]) - 2 * k[:n, n:].mean(),
            "Correct.",
        ),
        (
            checks.check_unbiased_mmd,
            lambda k, n: k[:n, :n].mean() + k[n:, n:].mean() - 2 * k[:n, n:].mean(),
            "Not yet: the diagonals are still in: this is the biased",
        ),
        (
            checks.check_unbiased_mmd,
            lambda k, n: (
                (k[:n, :n].sum() - n) / n**2 + (k[n:, n:].sum() - 5) / 25 - 2 * k[:n, n:].mean()
            ),
            "Not yet: the diagonals are gone",
        ),
        (checks.check_p_value, lambda o, v: (1 + (v >= o).sum()) / (1 + len(v)), "Correct."),
        (checks.check_p_value, lambda o, v: (v >= o).float().mean(), "Not yet: count the observed"),
        (
            checks.check_p_value,
            lambda o, v: (1 + (v > o).sum()) / (1 + len(v)),
            "Not yet: an equal value counts",
        ),
        (checks.check_spin_distance, lambda dot, n: 2 * (n - dot), "Correct."),
        (checks.check_spin_distance, lambda dot, n: (n - dot) / 2, "Not yet: this is the Hamming"),
        (checks.check_spin_distance, lambda dot, n: 2 * (n + dot), "Not yet: wrong sign"),
    ],
)
def test_checks_of_lesson_03_name_the_mistake(check, answer, verdict, capsys):
    check(answer)
    assert capsys.readouterr().out.startswith(verdict)


MOVED = {"reconstruction": {"encoder", "decoder"}, "MMD": {"encoder"}, "NLL": {"prior"}}
DIAGNOSIS = {"A": "frozen prior", "B": "collapse", "C": "healthy", "D": "impatient prior"}


def kl_without(term):
    def loss(logits, energy, prior_spins):
        terms = {
            "energy": energy(torch.tanh(logits / 2)).mean(),
            "entropy": -encoder_entropy(logits),
            "prior": -energy(prior_spins).mean(),
        }
        return sum(value for name, value in terms.items() if name != term)

    return loss


def pair_means(s, pairs):
    return torch.stack([(s[:, i] * s[:, j]).mean() for i, j in pairs])


@pytest.mark.parametrize(
    ("check", "answer", "verdict"),
    [
        (checks.parts_that_move, MOVED, "Correct."),
        (checks.parts_that_move, MOVED | {"MMD": ...}, "Not yet: there is no answer yet"),
        (
            checks.parts_that_move,
            MOVED | {"MMD": {"encoder", "prior"}},
            "Not yet: MMD does not move the prior: the prior enters as samples",
        ),
        (
            checks.parts_that_move,
            MOVED | {"reconstruction": "decoder"},
            "Not yet: reconstruction moves the encoder, too",
        ),
        (checks.kl_from_three_terms, kl_without(None), "Correct."),
        (checks.kl_from_three_terms, kl_without("entropy"), "Not yet: the entropy is missing"),
        (checks.kl_from_three_terms, kl_without("prior"), "Not yet: nothing stands for log Z"),
        (
            checks.kl_from_three_terms,
            lambda logits, *rest: kl_without(None)(logits.detach(), *rest),
            "Not yet: the value is right, but no gradient",
        ),
        (
            checks.gap_of_moments,
            lambda a, b, p: (pair_means(a, p) - pair_means(b, p)).square().mean().sqrt(),
            "Correct.",
        ),
        (
            checks.gap_of_moments,
            lambda a, b, p: (pair_means(a, p) - pair_means(b, p)).square().mean(),
            "Not yet: take the square root",
        ),
        (
            checks.gap_of_moments,
            lambda a, b, p: (pair_means(a, p) - pair_means(b, p)).mean().abs(),
            "Not yet: differences of both signs cancel",
        ),
        (checks.diagnoses, DIAGNOSIS, "Correct."),
        (checks.diagnoses, DIAGNOSIS | {"D": "tired"}, "Not yet: D: 'tired' is none of"),
        (
            checks.diagnoses,
            DIAGNOSIS | {"A": "healthy"},
            "Not yet: A is no case of 'healthy': look at the last column",
        ),
    ],
)
def test_checks_of_lesson_05_name_the_mistake(check, answer, verdict, capsys):
    check(answer)
    assert capsys.readouterr().out.startswith(verdict)
