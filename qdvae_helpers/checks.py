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


# 00_start_here -------------------------------------------------------------------------------


@exercise
def spin_of_bit(function: Callable[[float], float]) -> str | None:
    """``function(bit)``: the spin -1 or +1 of a bit 0 or 1."""
    low, high = float(function(0)), float(function(1))
    if (low, high) == (-1, 1):
        return None
    if (low, high) == (1, -1):
        return "the wrong way round: the bit 0 belongs to the spin -1, the bit 1 to +1."
    if (low, high) == (0, 1):
        return "this is still the bit: a spin is -1 or +1, never 0."
    return f"0 must become -1 and 1 must become 1; yours become {low:g} and {high:g}."


@exercise
def eight_digits(images: torch.Tensor) -> str | None:
    """Eight generated images ``(8, 1, 28, 28)`` in [0, 1]."""
    if not isinstance(images, torch.Tensor):
        return f"a tensor of images is asked for, this is a {type(images).__name__}."
    if images.dim() == 2:
        return "this looks like spins: decode them, or use model.generate, which does both steps."
    if images.shape[1:] != (1, 28, 28):
        return f"images have shape (8, 1, 28, 28), yours is {tuple(images.shape)}."
    if len(images) != 8:
        return f"eight digits are asked for, these are {len(images)}."
    if images.min() < 0 or images.max() > 1:
        return "brightness lies between 0 and 1: use model.generate or model.decode."
    if len({image.numpy(force=True).tobytes() for image in images}) < 8:
        return "some of them are equal: draw all eight at once, model.generate(8, ...)."
    return None


@exercise
def flip(function: Callable) -> str | None:
    """``function(spins, which)``: a copy of ``spins`` with opposite signs at places ``which``."""
    spins = torch.tensor([1.0, -1.0, -1.0, 1.0, 1.0])
    before, which = spins.clone(), torch.tensor([0, 1, 4])
    answer = function(spins, which)
    if not torch.equal(spins, before):
        return "the spins that were handed in have changed: work on a copy, spins.clone()."
    if not isinstance(answer, torch.Tensor) or answer.shape != spins.shape:
        return "return all five spins, those that stay as they are, too."
    if torch.equal(answer, torch.tensor([-1.0, 1.0, -1.0, 1.0, -1.0])):
        return None
    if torch.equal(answer, spins):
        return "nothing has changed: assign the new values to a copy and return the copy."
    if torch.equal(answer, -spins):
        return "all spins have changed: change the sign at the places `which` alone."
    if torch.equal(answer, torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0])):
        return "you flipped all the others: the places `which` are those to flip."
    if torch.equal(answer[which], -torch.ones(3)):
        return "you set them to -1, but a spin that is -1 already must become +1."
    return f"flipping places 0, 1 and 4 of {before.tolist()} must not give {answer.tolist()}."


@exercise
def couplers_of_each(function: Callable) -> str | None:
    """``function(nodes, edges)``: number of couplers of each qubit, in the order of ``nodes``."""
    nodes, edges = (7, 12, 30, 41), ((7, 12), (7, 30), (12, 30))
    answer = function(nodes, edges)
    if isinstance(answer, dict):
        return "return a list, one number a qubit, in the order of `nodes`."
    answer = [int(count) for count in answer]
    if answer == [2, 2, 2, 0]:
        return None
    if answer == [2, 1, 0, 0] or answer == [0, 1, 2, 0]:
        return "you count one end of each coupler only: (7, 30) belongs to 7 and to 30."
    if answer == [2, 2, 2]:
        return "qubit 41 is missing: it has no coupler, so its number is 0."
    if answer == [3, 3, 3, 3]:
        return "this is the number of all couplers: count those that the qubit is an end of."
    return f"a triangle of qubits and a lonely one must give [2, 2, 2, 0], yours gives {answer}."


# 01_classical_autoencoders -------------------------------------------------------------------


# 02_spin_latent_space ------------------------------------------------------------------------


# 03_mmd_kernels ------------------------------------------------------------------------------


def _example_gram() -> torch.Tensor:
    """RBF Gram matrix of 3 + 5 points, so that no two blocks have one size."""
    points = torch.tensor([0.0, 0.3, 1.0, 1.2, 2.0, 2.1, 3.0, 3.5])
    return torch.exp(-((points[:, None] - points[None, :]) ** 2))


def _close(value, truth: float) -> bool:
    return abs(float(value) - truth) < 1e-4


@exercise
def check_biased_mmd(function) -> str | None:
    """``function(gram, n)``: squared MMD from the means of whole blocks."""
    gram = _example_gram()
    value = function(gram, 3)
    xx, yy, xy = (block.mean().item() for block in (gram[:3, :3], gram[3:, 3:], gram[:3, 3:]))
    if _close(value, xx + yy - 2 * xy):
        return None
    if _close(value, xx + yy + 2 * xy):
        return "the block between x and y needs a minus: similarity makes the distance smaller."
    if _close(value, xx + yy - xy):
        return "the block between x and y counts twice, since it occurs as (x, y) and as (y, x)."
    sums = [block.sum().item() for block in (gram[:3, :3], gram[3:, 3:], gram[:3, 3:])]
    if _close(value, sums[0] + sums[1] - 2 * sums[2]):
        return "take means of the blocks, not sums: the samples may have different sizes."
    off = [(sums[0] - 3) / 6, (sums[1] - 5) / 20]
    if _close(value, sum(off) - 2 * xy):
        return "this is the unbiased estimate (exercise 2): here the diagonals stay in."
    return f"for 3 + 5 points it must give {xx + yy - 2 * xy:.4f}, yours gives {float(value):.4f}."


@exercise
def check_unbiased_mmd(function) -> str | None:
    """``function(gram, n)``: squared MMD without the diagonals of the blocks xx and yy."""
    gram = _example_gram()
    value = function(gram, 3)
    xx, yy = gram[:3, :3].sum().item(), gram[3:, 3:].sum().item()
    xy = gram[:3, 3:].mean().item()
    truth = (xx - 3) / 6 + (yy - 5) / 20 - 2 * xy
    if _close(value, truth):
        return None
    if _close(value, xx / 9 + yy / 25 - 2 * xy):
        return "the diagonals are still in: this is the biased estimate."
    if _close(value, (xx - 3) / 9 + (yy - 5) / 25 - 2 * xy):
        return "the diagonals are gone, but you still divide by n * n: n * (n - 1) pairs are left."
    if _close(value, xx / 6 + yy / 20 - 2 * xy):
        return "you divide by n * (n - 1), but the diagonals are still in the sums."
    cut = (gram[:3, 3:].sum().item() - gram[:3, 3:].trace().item()) / 12
    if _close(value, (xx - 3) / 6 + (yy - 5) / 20 - 2 * cut):
        return "leave the block between x and y whole: no point meets itself there."
    return f"for 3 + 5 points it must give {truth:.4f}, yours gives {float(value):.4f}."


@exercise
def check_p_value(function) -> str | None:
    """``function(observed, shuffled)``: permutation p-value that counts the observed split."""
    shuffled = torch.tensor([0.1, 0.5, 0.3, 0.7, 0.2, 0.4, 0.9, 0.6, 0.8])
    value = float(function(0.65, shuffled))
    if _close(value, 3 / 9):
        return "count the observed split along: add 1 above and below, so that p is never 0."
    if _close(value, 3 / 10):
        return "you added 1 to the number of splits, but not to the count."
    if _close(value, 7 / 10):
        return "you counted the smaller values: count those at least as large as the observed one."
    if not _close(value, 4 / 10):
        return f"with 3 of 9 shuffled values above the observed one p is 0.4, yours is {value:.3f}."
    if not _close(function(0.5, torch.full((9,), 0.5)), 1.0):
        return "an equal value counts, too: use `>=`, not `>`."
    return None


@exercise
def check_spin_distance(function) -> str | None:
    """``function(dot, n)``: squared distance of two strings of n spins from their dot product."""
    s = torch.tensor([1.0, -1.0, 1.0, 1.0, -1.0, -1.0, 1.0])
    t = torch.tensor([1.0, 1.0, 1.0, -1.0, -1.0, 1.0, 1.0])
    dot, truth = float(s @ t), float((s - t).square().sum())
    value = function(dot, 7)
    if _close(value, truth):
        return None
    if _close(value, truth / 4):
        return "this is the Hamming distance: each place that differs counts 4."
    if _close(value, truth**0.5):
        return "this is the distance, not its square."
    if _close(value, 2 * 7 + 2 * dot):
        return "wrong sign of the dot product: equal strings (dot = n) have distance 0."
    if _close(value, 7 - dot) or _close(value, 7 - 2 * dot):
        return "both strings contribute their squared length n, and the dot product counts twice."
    return f"7 spins of which 3 differ: it must give {truth:.0f}, yours gives {float(value):.3f}."


# 04_grbm_on_a_qpu_subgraph -------------------------------------------------------------------


# 05_training_the_qdvae -----------------------------------------------------------------------


# 06_generating_digits ------------------------------------------------------------------------


# 07_how_good_is_it ---------------------------------------------------------------------------
