"""Checks of exercises: they print a verdict and never raise."""

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


@pytest.mark.parametrize(
    ("check", "answer", "verdict"),
    [
        ("spins_from_uniform", lambda x, u: torch.where(u < x.sigmoid(), 1.0, -1.0), "Correct."),
        ("spins_from_uniform", lambda x, u: (u < x.sigmoid()).float(), "these are bits 0 and 1"),
        ("spins_from_uniform", lambda x, u: torch.where(u > x.sigmoid(), 1, -1), "the wrong way"),
        ("spins_from_uniform", lambda x, u: x.sign(), "the likelier value"),
        ("spins_from_uniform", lambda x, u: torch.where(u < 0.5, 1, -1), "expect [1.0, -1.0"),
        ("mean_spin", lambda x: 2 * x.sigmoid() - 1, "Correct."),
        ("mean_spin", torch.sigmoid, "that is P(+1)"),
        ("mean_spin", torch.tanh, "a logit is halved"),
        ("mean_spin", lambda x: -torch.tanh(x / 2), "wrong sign"),
        ("straight_through", lambda hard, soft: soft + (hard - soft).detach(), "Correct."),
        ("straight_through", lambda hard, soft: hard.detach() + soft - soft.detach(), "Correct."),
        ("straight_through", lambda hard, soft: hard, "no gradient flows"),
        ("straight_through", lambda hard, soft: soft, "its value is the soft one"),
        ("straight_through", lambda hard, soft: soft + (hard - soft), "its gradient is zero"),
        ("straight_through", lambda hard, soft: soft + hard.detach(), "neither of the two"),
        ("spin_entropy", lambda x: -sum(p * p.log() for p in (x.sigmoid(), 1 - x.sigmoid())), "C"),
        ("spin_entropy", lambda x: -x.sigmoid() * x.sigmoid().log(), "the term of -1 is missing"),
        ("spin_entropy", lambda x: torch.distributions.Bernoulli(logits=x).entropy().sum(), "one"),
        ("spin_entropy", lambda x: -torch.distributions.Bernoulli(logits=x).entropy(), "wrong sig"),
    ],
)
def test_lesson_02_names_the_mistake(check, answer, verdict, capsys):
    getattr(checks, check)(answer)
    assert verdict in capsys.readouterr().out
