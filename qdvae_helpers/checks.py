"""Checks of the exercises: each says in words what is wrong with an answer, and never raises.

A check is a function from the learner's answer to what is wrong with it, or ``None``; the decorator
:func:`exercise` prints the verdict.  One section a lesson, in the order of the exercises.
"""

import functools
import itertools
import math
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


@exercise
def count_parameters(function: Callable[[list[int]], int]) -> str | None:
    """``function(widths)``: weights and biases of linear layers of these widths."""
    for widths in ([3, 2], [4, 3, 5], [784, 256, 128, 2]):
        pairs = list(itertools.pairwise(widths))
        weights = sum(a * b for a, b in pairs)
        right = weights + sum(widths[1:])
        given = function(list(widths))
        if given == right:
            continue
        if given == weights:
            return f"widths {widths}: the weights are right, now add the biases."
        if given == weights + sum(widths[:-1]):
            return "a layer has one bias for each of its outputs, not of its inputs."
        if len(pairs) > 1 and given == weights + sum(widths):
            return "the input has no bias: biases belong to the outputs of a layer."
        return f"widths {widths} have {right} parameters, you count {given}."
    return None


@exercise
def interpolate(function: Callable) -> str | None:
    """``function(a, b, n)``: n equally spaced points on the line from a to b, both included."""
    a, b, n = torch.tensor([0.0, 10.0]), torch.tensor([4.0, -10.0]), 5
    right = torch.tensor([[0.0, 10.0], [1.0, 5.0], [2.0, 0.0], [3.0, -5.0], [4.0, -10.0]])
    given = torch.as_tensor(function(a, b, n))
    if given.shape != right.shape:
        return (
            f"from two codes of shape (2,) and n=5 must come the shape (5, 2), one point a row; "
            f"yours is {tuple(given.shape)}."
        )
    if torch.allclose(given, right, atol=1e-5):
        return None
    if torch.allclose(given, right.flip(0), atol=1e-5):
        return "your line runs from b to a: the first point must be a."
    if not torch.allclose(given[0], a, atol=1e-5):
        return f"the first point must be a, which is {a.tolist()}; yours is {given[0].tolist()}."
    if not torch.allclose(given[-1], b, atol=1e-5):
        return "the last point must be b: the weight has to reach 1 (use n - 1 steps, not n)."
    return "both ends are right, but the points between are not equally spaced on the line."


@exercise
def reparameterise(function: Callable) -> str | None:
    """``function(mean, log_variance, noise)``: the code, differentiable in the first two."""
    mean = torch.tensor([1.0, -2.0], requires_grad=True)
    log_variance = torch.tensor([0.0, 2.0], requires_grad=True)
    noise = torch.tensor([0.5, -1.0])
    given = function(mean, log_variance, noise)
    right = mean + (log_variance / 2).exp() * noise
    if torch.allclose(given, mean + log_variance.exp() * noise):
        return "you multiply the noise by the variance: it must be its root, exp(log_variance / 2)."
    if torch.allclose(given, mean + log_variance * noise):
        return "log_variance is a logarithm: turn it into a standard deviation first."
    if not torch.allclose(given, right):
        return f"for mean 1, log-variance 0 and noise 0.5 the code is 1.5; yours is {given[0]:.3g}."
    if not given.requires_grad:
        return "the value is right, but no gradient reaches mean and log_variance: do not detach."
    gradients = torch.autograd.grad(given.sum(), (mean, log_variance), allow_unused=True)
    if any(gradient is None for gradient in gradients):
        return "the gradient must reach both mean and log_variance: do not detach either."
    return None


@exercise
def gaussian_kl_by_hand(function: Callable[[float, float], float]) -> str | None:
    """``function(mean, variance)``: KL of one Gaussian from the standard normal, in nats."""
    for mean, variance in ((0.0, 1.0), (2.0, 1.0), (0.0, 0.25), (-1.0, 3.0)):
        right = (mean**2 + variance - 1 - math.log(variance)) / 2
        given = float(function(mean, variance))
        if math.isclose(given, right, abs_tol=1e-4):
            continue
        said = f"mean {mean:g}, variance {variance:g}: {right:.4f} nats, yours {given:.4f}"
        if math.isclose(given, 2 * right, abs_tol=1e-4):
            return f"{said}. Twice too much: the half is missing."
        if math.isclose(given, -right, abs_tol=1e-4):
            return f"{said}. The sign is wrong: a divergence is never negative."
        if math.isclose(given, right + 0.5, abs_tol=1e-4):
            return f"{said}. The -1 is missing: the prior itself must cost nothing."
        if math.isclose(given, (mean**2 + variance - 1 + math.log(variance)) / 2, abs_tol=1e-4):
            return f"{said}. The logarithm has the wrong sign."
        if math.isclose(given, (mean**2 + 1) / variance / 2 - 0.5 + math.log(variance) / 2):
            return f"{said}. You took the divergence the other way round, from q to the prior."
        return f"{said}."
    return None


# 02_spin_latent_space ------------------------------------------------------------------------


# 03_mmd_kernels ------------------------------------------------------------------------------


# 04_grbm_on_a_qpu_subgraph -------------------------------------------------------------------


# 05_training_the_qdvae -----------------------------------------------------------------------


# 06_generating_digits ------------------------------------------------------------------------


# 07_how_good_is_it ---------------------------------------------------------------------------
