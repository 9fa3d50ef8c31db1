"""Checks of the exercises: each says in words what is wrong with an answer, and never raises.

A check is a function from the learner's answer to what is wrong with it, or ``None``; the decorator
:func:`exercise` prints the verdict.  One section a lesson, in the order of the exercises.
"""

import functools
from collections.abc import Callable

import torch

_EMPTY = "there is no answer yet: replace the `...` in the cell above, run it, then this one again."


def exercise(check: Callable[..., str | None]) -> Callable[..., None]:
    """Print ``Correct`` or ``Not yet`` and why, whatever the learner's code does.

    An answer that is ``None`` or ``...``, and a function that returns one of these, count as empty.
    """

    @functools.wraps(check)
    def verdict(*answers) -> None:
        try:
            empty = any(answer is None or answer is ... for answer in answers)
            problem = _EMPTY if empty else check(*map(_watched, answers))
        except _EmptyAnswerError:
            problem = _EMPTY
        except Exception as error:  # the learner's code may raise anything
            problem = f"your code stopped with {type(error).__name__}: {error}"
        print("Correct." if problem is None else f"Not yet: {problem}")

    return verdict


class _EmptyAnswerError(Exception):
    """The learner's function still is the stub."""


def _watched(answer):
    """A function that says so when the learner's function returns nothing; values as they are."""
    if not callable(answer):
        return answer

    @functools.wraps(answer)
    def call(*args, **kwargs):
        if (result := answer(*args, **kwargs)) is None or result is ...:
            raise _EmptyAnswerError
        return result

    return call


# 01_classical_autoencoders -------------------------------------------------------------------


# 02_spin_latent_space ------------------------------------------------------------------------


@exercise
def spins_from_uniform(function: Callable) -> str | None:
    """``function(logits, uniform)`` is +1 where the uniform number is below P(+1), else -1."""
    logits = torch.tensor([[3.0, -3.0, 0.4], [-0.4, 2.0, -2.0]])
    uniform = torch.tensor([[0.6, 0.6, 0.7], [0.3, 0.9, 0.1]])
    right = torch.where(uniform < torch.sigmoid(logits), 1.0, -1.0)
    spins = torch.as_tensor(function(logits, uniform)).float()
    if spins.shape != right.shape:
        return f"logits of shape {tuple(logits.shape)} gave spins of shape {tuple(spins.shape)}."
    if not ((spins == 1) | (spins == -1)).all():
        zeros = ((spins == 1) | (spins == 0)).all()
        return "these are bits 0 and 1; spins are -1 and +1." if zeros else "spins are -1 and +1."
    if torch.equal(spins, -right):
        return "every spin is the wrong way round: +1 belongs where uniform is *below* P(+1)."
    if torch.equal(spins, torch.where(logits > 0, 1.0, -1.0)):
        return "this is the likelier value each time; use the uniform number to draw at random."
    if torch.equal(spins, torch.where(uniform < torch.sigmoid(-logits), 1.0, -1.0)):
        return "P(+1) is sigmoid(logit); you used sigmoid(-logit), which is P(-1)."
    if not torch.equal(spins, right):
        return f"for {logits[0].tolist()} and {uniform[0].tolist()} expect {right[0].tolist()}."
    return None


@exercise
def mean_spin(function: Callable) -> str | None:
    """``function(logits)`` is the mean of a +-1 spin, tanh(logit / 2)."""
    logits = torch.tensor([-4.0, -1.0, 0.0, 0.5, 2.0])
    answer = torch.as_tensor(function(logits)).float()
    for wrong, why in (
        (torch.sigmoid(logits), "that is P(+1), between 0 and 1; the mean weighs +1 *and* -1."),
        (torch.tanh(logits), "a logit is halved before the tanh."),
        (-torch.tanh(logits / 2), "wrong sign: a large logit makes +1 likely."),
    ):
        if answer.shape == wrong.shape and torch.allclose(answer, wrong, atol=1e-4):
            return why
    right = torch.tanh(logits / 2)
    if answer.shape != right.shape or not torch.allclose(answer, right, atol=1e-4):
        return "for logit 2 the mean is P(+1) - P(-1) = 0.881 - 0.119 = 0.762; compare yours."
    return None


@exercise
def straight_through(function: Callable) -> str | None:
    """``function(hard, soft)`` has the value of ``hard`` and the gradient of ``soft``."""
    logits = torch.tensor([-1.0, 0.3, 2.0], requires_grad=True)
    soft = torch.tanh(logits)
    hard = torch.where(logits > 0, 1.0, -1.0)
    result = function(hard, soft)
    if torch.allclose(result, soft):
        return "its value is the soft one: the decoder has to see the true spins."
    if not torch.allclose(result, hard):
        return "its value is neither of the two: the soft parts have to cancel in the value."
    if not result.requires_grad:
        return "its value is right, but no gradient flows: only the *difference* is detached."
    result.sum().backward()
    if torch.allclose(logits.grad, torch.zeros(3)):
        return "its gradient is zero: what is added to soft has to be detached."
    expected = 1 - torch.tanh(logits.detach()) ** 2
    if not torch.allclose(logits.grad, expected, atol=1e-5):
        return "its value is right, but its gradient is not that of soft."
    return None


@exercise
def spin_entropy(function: Callable) -> str | None:
    """``function(logits)`` is the entropy of each spin in nats."""
    logits = torch.tensor([-3.0, 0.0, 1.0])
    plus, minus = torch.sigmoid(logits), torch.sigmoid(-logits)
    right = -(plus * plus.log() + minus * minus.log())
    answer = torch.as_tensor(function(logits)).float()
    if answer.shape != right.shape:
        return f"one number for each spin: expected shape (3,), got {tuple(answer.shape)}."
    if torch.allclose(answer, -right, atol=1e-4):
        return "wrong sign: an entropy is never negative."
    if torch.allclose(answer, right / torch.tensor(2.0).log(), atol=1e-4):
        return "those are bits; for nats use the natural logarithm."
    if torch.allclose(answer, -plus * plus.log(), atol=1e-4):
        return "the term of -1 is missing: sum over both values of the spin."
    if not torch.allclose(answer, right, atol=1e-4):
        return f"for logits {logits.tolist()} expect about [0.191, 0.693, 0.582]."
    return None


# 03_mmd_kernels ------------------------------------------------------------------------------


# 04_grbm_on_a_qpu_subgraph -------------------------------------------------------------------


# 05_training_the_qdvae -----------------------------------------------------------------------


# 06_generating_digits ------------------------------------------------------------------------


# 07_how_good_is_it ---------------------------------------------------------------------------
