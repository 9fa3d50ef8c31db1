"""Checks of the exercises: each says in words what is wrong with an answer, and never raises.

A check is a function from the learner's answer to what is wrong with it, or ``None``; the decorator
:func:`exercise` prints the verdict.  One section a lesson, in the order of the exercises.
"""

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any, SupportsFloat

import torch

_EMPTY = "there is no answer yet: replace the `...` in the cell above, run it, then this one again."
_NOTHING = "your function returns nothing: is there a `return` in front of the result?"


def exercise(check: Callable[..., str | None]) -> Callable[..., None]:
    """Print ``Correct`` or ``Not yet`` and why, whatever the learner's code does.

    An answer that is ``None`` or ``...``, and a function that returns ``...``, count as empty.
    """

    @functools.wraps(check)
    def verdict(*answers) -> None:
        try:
            empty = any(answer is None or answer is ... for answer in answers)
            problem = _EMPTY if empty else check(*map(_watched, answers))
        except _EmptyAnswerError as empty_answer:
            problem = str(empty_answer)
        except Exception as error:  # the learner's code may raise anything
            problem = f"your code stopped with {type(error).__name__}: {error}"
        print("Correct." if problem is None else f"Not yet: {problem}")

    return verdict


class _EmptyAnswerError(Exception):
    """The learner's function still is the stub, or forgets to return."""


def _watched(answer: Any) -> Any:
    """A function that says so when the learner's function returns nothing; values as they are."""
    if not callable(answer):
        return answer

    @functools.wraps(answer)
    def call(*args, **kwargs):
        if (result := answer(*args, **kwargs)) is ...:
            raise _EmptyAnswerError(_EMPTY)
        if result is None:
            raise _EmptyAnswerError(_NOTHING)
        return result

    return call


def is_close(value: SupportsFloat, truth: SupportsFloat) -> bool:
    """Whether a number is the right one up to rounding; no answer here needs more digits."""
    return abs(float(value) - float(truth)) < 1e-4


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
    nodes, edges = (30, 7, 41, 12), ((7, 12), (7, 30))
    answer = function(nodes, edges)
    if isinstance(answer, dict) or not hasattr(answer, "__iter__"):
        return "return a list, one number a qubit, in the order of `nodes`."
    answer = [int(count) for count in answer]
    if answer == [1, 2, 0, 1]:
        return None
    if answer in ([0, 2, 0, 0], [1, 0, 0, 1]):
        return "you count one end of each coupler only: (7, 30) belongs to 7 and to 30."
    if answer == [1, 2, 1]:
        return "qubit 41 is missing: it has no coupler, so its number is 0."
    if answer == [2, 2, 2, 2]:
        return "this is the number of all couplers: count those that the qubit is an end of."
    if sorted(answer) == [0, 1, 1, 2]:
        return "these are the right numbers in another order: keep the order of `nodes`."
    return f"nodes {nodes} and edges {edges} must give [1, 2, 0, 1], yours gives {answer}."


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
    given = function(a, b, n)
    if isinstance(given, list | tuple):
        return "return one tensor, not a list: torch.stack makes one of them."
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
    if not torch.allclose(given, function(mean, log_variance, noise)):
        return "it comes out differently each time: use the `noise` that is handed in."
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
        squared = (mean**2 + variance**2 - 1 - math.log(variance**2)) / 2
        if math.isclose(given, squared, abs_tol=1e-4):
            return f"{said}. You square the second argument, but it is the variance already."
        if math.isclose(given, right + 0.5, abs_tol=1e-4):
            return f"{said}. The -1 is missing: the prior itself must cost nothing."
        if math.isclose(given, (mean**2 + variance - 1 + math.log(variance)) / 2, abs_tol=1e-4):
            return f"{said}. The logarithm has the wrong sign."
        if math.isclose(given, (mean**2 + 1) / variance / 2 - 0.5 + math.log(variance) / 2):
            return f"{said}. This is KL(prior || q): average over q, not over the prior."
        return f"{said}."
    return None


# 02_spin_latent_space ------------------------------------------------------------------------


@exercise
def spins_from_uniform(function: Callable) -> str | None:
    """``function(logits, uniform)`` is +1 where the uniform number is below P(+1), else -1."""
    logits = torch.tensor([[3.0, -3.0, 0.4], [-0.4, 2.0, -2.0]])
    uniform = torch.tensor([[0.6, 0.6, 0.7], [0.3, 0.9, 0.9]])
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
    if torch.equal(spins, torch.where(logits + torch.logit(uniform) > 0, 1.0, -1.0)):
        return "a right draw, but mirrored: here +1 belongs where uniform is *below* P(+1)."
    if torch.equal(spins, torch.where(uniform < torch.sigmoid(-logits), 1.0, -1.0)):
        return "P(+1) is sigmoid(logit); you used sigmoid(-logit), which is P(-1)."
    if not torch.equal(spins, right):
        if torch.equal(spins, torch.where(uniform < logits, 1.0, -1.0)):
            return "you compare with the logit: compare the uniform number with sigmoid(logits)."
        return "for logits 3, -3, 0.4 and uniform numbers 0.6, 0.6, 0.7 the spins are +1, -1, -1."
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


def _example_gram() -> torch.Tensor:
    """RBF Gram matrix of 3 + 5 points, so that no two blocks have one size."""
    points = torch.tensor([0.0, 0.3, 1.0, 1.2, 2.0, 2.1, 3.0, 3.5])
    return torch.exp(-((points[:, None] - points[None, :]) ** 2))


@exercise
def biased_mmd(function: Callable) -> str | None:
    """``function(gram, n)``: squared MMD from the means of whole blocks."""
    gram = _example_gram()
    value = function(gram, 3)
    xx, yy, xy = (block.mean().item() for block in (gram[:3, :3], gram[3:, 3:], gram[:3, 3:]))
    if is_close(value, xx + yy - 2 * xy):
        return None
    if is_close(value, xx + yy + 2 * xy):
        return "the block between x and y needs a minus: similarity makes the distance smaller."
    if is_close(value, xx + yy - xy):
        return "the block between x and y counts twice, since it occurs as (x, y) and as (y, x)."
    sums = [block.sum().item() for block in (gram[:3, :3], gram[3:, 3:], gram[:3, 3:])]
    if is_close(value, sums[0] + sums[1] - 2 * sums[2]):
        return "take means of the blocks, not sums: the samples may have different sizes."
    if is_close(value, (sums[0] + sums[1] - 2 * sums[2]) / 9):
        return "every block has a mean of its own: only the block xx has n * n entries."
    if is_close(value, max(xx + yy - 2 * xy, 0.0) ** 0.5):
        return "this is the distance: the *squared* one is asked for, without the root."
    off = [(sums[0] - 3) / 6, (sums[1] - 5) / 20]
    if is_close(value, sum(off) - 2 * xy):
        return "this is the unbiased estimate (exercise 2): here the diagonals stay in."
    return f"for 3 + 5 points it must give {xx + yy - 2 * xy:.4f}, yours gives {float(value):.4f}."


@exercise
def unbiased_mmd(function: Callable) -> str | None:
    """``function(gram, n)``: squared MMD without the diagonals of the blocks xx and yy."""
    gram = _example_gram()
    value = function(gram, 3)
    xx, yy = gram[:3, :3].sum().item(), gram[3:, 3:].sum().item()
    xy = gram[:3, 3:].mean().item()
    truth = (xx - 3) / 6 + (yy - 5) / 20 - 2 * xy
    if is_close(value, truth):
        return None
    if is_close(value, xx / 9 + yy / 25 - 2 * xy):
        return "the diagonals are still in: this is the biased estimate."
    if is_close(value, (xx - 3) / 9 + (yy - 5) / 25 - 2 * xy):
        return "the diagonals are gone, but you still divide by n * n: n * (n - 1) pairs are left."
    if is_close(value, xx / 6 + yy / 20 - 2 * xy):
        return "you divide by n * (n - 1), but the diagonals are still in the sums."
    if is_close(value, (xx - 3) / 3 + (yy - 5) / 10 - 2 * xy):
        return (
            "a block holds each pair twice, as (i, j) and (j, i): divide by n * (n - 1), no half."
        )
    if is_close(value, (xx - 3) / 6 + (yy - 5) / 6 - 2 * xy):
        return "y has a number of points of its own, m: divide its block by m * (m - 1)."
    cut = (gram[:3, 3:].sum().item() - gram[:3, 3:].trace().item()) / 12
    if is_close(value, (xx - 3) / 6 + (yy - 5) / 20 - 2 * cut):
        return "leave the block between x and y whole: no point meets itself there."
    return f"for 3 + 5 points it must give {truth:.4f}, yours gives {float(value):.4f}."


@exercise
def p_value(function: Callable) -> str | None:
    """``function(observed, shuffled)``: permutation p-value that counts the observed split."""
    shuffled = torch.tensor([0.1, 0.5, 0.3, 0.7, 0.2, 0.4, 0.9, 0.6, 0.8])
    value = float(function(0.65, shuffled))
    if is_close(value, 3 / 9):
        return "count the observed split along: add 1 above and below, so that p is never 0."
    if is_close(value, 3 / 10):
        return "you added 1 to the number of splits, but not to the count."
    if is_close(value, 7 / 10):
        return "you counted the smaller values: count those at least as large as the observed one."
    if not is_close(value, 4 / 10):
        return f"with 3 of 9 shuffled values above the observed one p is 0.4, yours is {value:.3f}."
    if not is_close(function(0.5, torch.full((9,), 0.5)), 1.0):
        return "an equal value counts, too: use `>=`, not `>`."
    if not is_close(function(0.1, torch.tensor([-0.5, 0.2, 0.0])), 2 / 4):
        return "values may be negative: only a *large* one speaks for a difference, so no `abs`."
    return None


@exercise
def spin_distance(function: Callable) -> str | None:
    """``function(dot, n)``: squared distance of two strings of n spins from their dot product."""
    s = torch.tensor([1.0, -1.0, 1.0, 1.0, -1.0, -1.0, 1.0])
    t = torch.tensor([1.0, 1.0, 1.0, -1.0, -1.0, 1.0, 1.0])
    dot, truth = float(s @ t), float((s - t).square().sum())
    value = function(dot, 7)
    if is_close(value, truth):
        return None
    if is_close(value, truth / 4):
        return "this is the Hamming distance: each place that differs counts 4."
    if is_close(value, truth**0.5):
        return "this is the distance, not its square."
    if is_close(value, 2 * 7 + 2 * dot):
        return "wrong sign of the dot product: equal strings (dot = n) have distance 0."
    if is_close(value, 4 * (7 - dot)):
        return "the dot product is n - 2 x (places that differ), not n - (places that differ)."
    if is_close(value, 7 - dot) or is_close(value, 7 - 2 * dot):
        return "both strings contribute their squared length n, and the dot product counts twice."
    return f"7 spins of which 3 differ: it must give {truth:.0f}, yours gives {float(value):.3f}."


# 04_grbm_on_a_qpu_subgraph -------------------------------------------------------------------


@exercise
def ising_energy(energy: Callable) -> str | None:
    """``energy(h, J, s)``: list of biases, dict of couplings by pair, list of spins -> a number."""
    h, couplings, s = [0.5, -1.0, 0.25], {(0, 1): 1.5, (1, 2): -0.75}, [1, -1, -1]
    found = float(energy(h, couplings, s))
    if abs(found + 1.0) < 1e-6:
        if abs(float(energy([0.0] * 3, {(0, 2): 2.0}, [1, 1, -1])) + 2.0) < 1e-6:
            return None
        return "a coupler need not join neighbours in the list: take both ends, (i, j), from J."
    likely = {
        1.0: "the sign is reversed: in this series E is plus the sum of h s plus that of J s s.",
        1.25: "only the biases are counted: add J s s for every coupler.",
        -2.25: "only the couplers are counted: add h s for every spin.",
        -3.25: "every coupler is counted twice: each pair appears once in J.",
    }
    for wrong, why in likely.items():
        if abs(found - wrong) < 1e-6:
            return why
    return f"for h={h}, J={couplings}, s={s} the energy is -1.0, but you return {found:g}."


@exercise
def probability_ratio(ratio: Callable) -> str | None:
    """``ratio(energy_a, energy_b)`` -> how many times likelier a is than b."""
    found = float(ratio(-1.0, 1.0))
    if abs(found - math.exp(2)) < 1e-3:
        try:
            large = float(ratio(999.0, 1000.0))
        except (OverflowError, ZeroDivisionError):
            large = math.nan
        if abs(large - math.e) < 1e-3:
            return None
        return "large energies break it: subtract the energies first, then take one exponential."
    if abs(found - math.exp(-2)) < 1e-3:
        return "upside down: a has the lower energy in the test, so it must be the likelier one."
    if abs(found - 2) < 1e-3:
        return "that is the difference of the energies; the ratio is its exponential."
    return f"for energies -1 and 1 the ratio is exp(2) = 7.389, but you return {found:.3f}."


@exercise
def coupling_gradient(gradient: Callable) -> str | None:
    """``gradient(data, model, i, j)``: two sets of spins ``(M, n)`` -> d NLL / d J_ij."""
    data = torch.tensor([[1.0, 1, -1], [1, 1, 1], [-1, 1, 1], [1, 1, 1]])
    model = torch.tensor([[1.0, -1, -1], [1, -1, 1], [1, 1, 1], [-1, 1, -1]])
    found = gradient(data, model, 0, 1)
    if torch.as_tensor(found).numel() > 1:
        return "your function returns several numbers: take the mean over the strings of each set."
    found = float(found)
    correct = 1.0  # 0.5 - (-0.5)
    if abs(found - correct) < 1e-6:
        more = torch.cat([model, model])
        if abs(float(gradient(data, more, 0, 1)) - correct) < 1e-6:
            return None
        return "it changes when the model's samples are listed twice: take means, not sums."
    if abs(found + correct) < 1e-6:
        return "the sign is reversed: for E = + J s s it is the data's mean minus the model's."
    if abs(found - 4 * correct) < 1e-6:
        return "these are sums over the samples: take means."
    if abs(found - 0.5) < 1e-6:
        return "these are products of means: multiply the two spins first, then take the mean."
    return f"on two sets of four strings it is 1.0, but you return {found:g}."


@exercise
def conditional_probability(p_up: Callable) -> str | None:
    """``p_up(h, J, neighbours)``: a number, two tensors ``(k,)`` -> P(s = +1 | neighbours)."""
    h, couplings, spins = 0.3, torch.tensor([-1.0, 0.5]), torch.tensor([1.0, 1.0])
    field = 0.3 - 0.5  # h + sum J s
    found = p_up(h, couplings, spins)
    if torch.as_tensor(found).numel() > 1:
        return "your function returns several numbers: the field is the sum over all neighbours."
    found = float(found)

    def sigmoid(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    if abs(found - sigmoid(-2 * field)) < 1e-4:
        return None
    likely = {
        sigmoid(2 * field): "the sign is reversed: a positive field makes +1 costly.",
        sigmoid(-field): "a factor 2 is missing: the two energies differ by twice the field.",
        sigmoid(-2 * h): "the neighbours are missing: the field is h + sum of J times neighbour.",
        sigmoid(-2 * (field - h)): "the spin's own bias h is missing from the field.",
    }
    for wrong, why in likely.items():
        if abs(found - wrong) < 1e-4:
            return why
    return f"for h=0.3, J=(-1, 0.5) and both neighbours up it is 0.599, but you return {found:.3f}."


# 05_training_the_qdvae -----------------------------------------------------------------------


_MOVED = {
    "reconstruction": {"encoder", "decoder"},
    "MMD": {"encoder"},
    "NLL": {"prior"},
}
_WHY_NOT = {
    ("reconstruction", "prior"): "the prior does not occur in the decoder's output.",
    ("MMD", "decoder"): "the MMD compares spins with spins: no pixel occurs in it.",
    ("MMD", "prior"): "the prior enters as samples, and those are plain numbers.",
    ("NLL", "encoder"): "`detach` cuts the way from the spins back to the encoder.",
    ("NLL", "decoder"): "the likelihood of spins under the prior contains no pixel.",
}
_WHY = {
    ("reconstruction", "encoder"): "the decoder's gradient reaches it through the relaxed spins.",
    ("reconstruction", "decoder"): "it paints the pixels that are compared.",
    ("MMD", "encoder"): "the spins are straight-through, so their gradient reaches it.",
    ("NLL", "prior"): "the energy of given spins depends on its biases and couplings.",
}


@exercise
def parts_that_move(moved: dict) -> str | None:
    """``moved[loss]``: the set of parts, of encoder, decoder and prior, that get a gradient."""
    for loss, truth in _MOVED.items():
        answer = moved.get(loss)
        if answer is None or answer is ...:
            return _EMPTY
        answer = {answer} if isinstance(answer, str) else set(answer)
        if unknown := answer - {"encoder", "decoder", "prior"}:
            return f'{loss}: {sorted(unknown)} is no part: use "encoder", "decoder", "prior".'
        for part in sorted(answer - truth):
            return f"{loss} does not move the {part}: {_WHY_NOT[loss, part]}"
        for part in sorted(truth - answer):
            return f"{loss} moves the {part}, too: {_WHY[loss, part]}"
    return None


@exercise
def kl_from_three_terms(loss: Callable) -> str | None:
    """``loss(logits, energy, prior_spins)``: the KL's three terms, mean over the batch."""
    logits = torch.tensor([[0.5, -1.0, 2.0], [1.5, 0.3, -0.7]], requires_grad=True)
    prior_spins = torch.tensor([[1.0, 1.0, -1.0], [1.0, -1.0, 1.0], [-1.0, 1.0, 1.0]])
    h, couplings = torch.tensor([0.4, -0.2, 0.7]), torch.tensor([-0.5, 0.8])

    def energy(s: torch.Tensor) -> torch.Tensor:
        return s @ h + (s[:, :-1] * s[:, 1:]) @ couplings

    value = loss(logits, energy, prior_spins)
    if not isinstance(value, torch.Tensor) or value.numel() != 1:
        return "return one number as a tensor: average every term over its rows."
    p = torch.sigmoid(logits)
    per_spin = -(p * p.log() + (1 - p) * (1 - p).log())
    entropy = per_spin.sum(1).mean()
    expected = energy(torch.tanh(logits / 2)).mean()
    of_prior = energy(prior_spins).mean()
    truth = float((expected - entropy - of_prior).detach())
    reaches, value = value.requires_grad, value.detach()
    if is_close(value, truth):
        if reaches:
            return None
        return "the value is right, but no gradient reaches the logits: do not detach them."
    mistakes = [
        (expected + entropy - of_prior, "wrong sign of the entropy: chance makes the KL smaller."),
        (expected - of_prior, "the entropy is missing: all spins would fall into one valley."),
        (
            expected - entropy + of_prior,
            "wrong sign of the prior's samples: the gradient of log Z is *minus* their energy's.",
        ),
        (
            expected - entropy,
            "nothing stands for log Z: subtract the energy of the prior's samples.",
        ),
        (
            energy(torch.tanh(logits)).mean() - entropy - of_prior,
            "the mean spin is tanh(logit / 2), not tanh(logit).",
        ),
        (energy(logits).mean() - entropy - of_prior, "the energy wants mean spins, not logits."),
        (
            energy(logits.sign()).mean() - entropy - of_prior,
            "do not round the spins: the expected energy is the energy of the *means*.",
        ),
        (
            expected - per_spin.mean() - of_prior,
            "the entropy is a sum over spins; only over the batch it is averaged.",
        ),
    ]
    for wrong, message in mistakes:
        if is_close(value, float(wrong.detach())):
            return message
    return f"on a small example it must give {truth:.4f}, yours gives {float(value):.4f}."


@exercise
def gap_of_moments(gap: Callable) -> str | None:
    """``gap(a, b, pairs)``: RMS difference of ``<s_i s_j>`` between two samples of spins."""
    generator = torch.Generator().manual_seed(4)
    a = 2 * torch.randint(2, (6, 4), generator=generator).float() - 1
    b = 2 * torch.randint(2, (9, 4), generator=generator).float() - 1
    pairs = [(0, 1), (1, 2), (0, 3)]
    value = float(gap(a, b, pairs))
    moments = [torch.stack([(s[:, i] * s[:, j]).mean() for i, j in pairs]) for s in (a, b)]
    difference = moments[0] - moments[1]
    if is_close(value, float(difference.square().mean().sqrt())):
        return None
    if is_close(value, float(difference.square().mean())):
        return "take the square root at the end: this is the mean square."
    if is_close(value, float(difference.abs().mean())):
        return "this is the mean of absolute differences: square, average, take the root."
    if is_close(value, float(difference.square().sum().sqrt())):
        return "average the squares over the pairs: you summed them."
    if is_close(value, abs(float(difference.mean()))) or is_close(value, float(difference.mean())):
        return "differences of both signs cancel: square them before you average."
    products = [torch.stack([s[:, i].mean() * s[:, j].mean() for i, j in pairs]) for s in (a, b)]
    if is_close(value, float((products[0] - products[1]).square().mean().sqrt())):
        return "multiply the spins of each string first, then average: correlations get lost else."
    truth = float(difference.square().mean().sqrt())
    return f"on a small example it must give {truth:.4f}, yours gives {value:.4f}."


_DIAGNOSES = {
    "A": "frozen prior",
    "B": "collapse",
    "C": "healthy",
    "D": "impatient prior",
}
_SIGNS = {
    "A": "look at the last column: its couplings still are what they were at the start.",
    "B": "look at the entropy, near its maximum of 33.3, and at the reconstruction.",
    "C": "compare reconstruction, dead spins and the last column with those of the other three.",
    "D": "look at the size of the couplings, and at the entropy beside it.",
}


@exercise
def diagnoses(answers: dict) -> str | None:
    """``answers[report]``: what ails the run of that report."""
    known = {*_DIAGNOSES.values(), "stretched warm-up"}
    for report, truth in _DIAGNOSES.items():
        answer = answers.get(report)
        if answer is None or answer is ...:
            return _EMPTY
        if answer not in known:
            return f"{report}: {answer!r} is none of {', '.join(sorted(known))}."
        if answer != truth:
            return f"{report} is no case of {answer!r}: {_SIGNS[report]}"
    return None


# 06_generating_digits ------------------------------------------------------------------------


@exercise
def share_and_error(function: Callable) -> str | None:
    """``function(k, n)``: the estimated share ``k / n`` and its standard error."""
    k, n = 30, 400
    p = k / n
    error = math.sqrt(p * (1 - p) / n)
    given = function(k, n)
    if not isinstance(given, tuple | list) or len(given) != 2:
        return "return two numbers: `return share, error`."
    share, found = float(given[0]), float(given[1])
    if math.isclose(share, k) or math.isclose(share, 100 * p):
        return "the first number is the share, between 0 and 1, not a count or a percentage."
    if not math.isclose(share, p, rel_tol=1e-4):
        return f"{k} of {n} is a share of {p:.3f}; yours is {share:.3f}."
    likely = {
        error * n: "that is the error of the count: divide it by n.",
        error**2: "that is the variance: take its square root.",
        math.sqrt(p * (1 - p) / (n - 1)): "divide by n, as in the formula above, not by n - 1.",
        math.sqrt(p * (1 - p)): "that is the spread of a single picture: more pictures help.",
        math.sqrt(
            p / n
        ): "the factor 1 - p is missing: a share near 1 is as certain as one near 0.",
    }
    for wrong, why in likely.items():
        if math.isclose(found, wrong, rel_tol=1e-4):
            return why
    if not math.isclose(found, error, rel_tol=1e-4):
        return f"for {k} of {n} the error is {error:.4f}; yours is {found:.4f}."
    return None


@exercise
def nearest_distance(function: Callable) -> str | None:
    """``function(images, others)``: pixels that differ from the nearest other, ``(N,)``."""
    others = torch.zeros(3, 1, 2, 3)
    others[1, 0, 0] = 1.0
    others[2] = 1.0
    images = torch.zeros(2, 1, 2, 3)
    images[0, 0, 1, :2] = 1.0  # differs from the others in 2, 5, 4 pixels
    images[1, 0, 0, 1:] = 1.0
    images[1, 0, 1, :] = 1.0  # in 5, 4, 1
    table = (images.unsqueeze(1) != others).flatten(2).sum(2).float()
    given = torch.as_tensor(function(images, others)).float()
    if given.shape == table.shape:
        return "this is the whole table of distances: keep the smallest of each row."
    if given.shape == (len(others),):
        return "you looked for the nearest image of each *other*: take the minimum along axis 1."
    if given.shape != (len(images),):
        return f"one number for each of 2 images: expected shape (2,), got {tuple(given.shape)}."
    right = table.min(1).values
    for wrong, why in (
        (table.argmin(1).float(), "these are the places of the nearest ones: take the values."),
        (table.max(1).values, "these are the farthest ones: take the minimum."),
        (table.mean(1), "this is the mean over all others: take the minimum."),
    ):
        if torch.allclose(given, wrong, atol=1e-3):
            return why
    if torch.allclose(given, right.sqrt(), atol=1e-3):
        return "this is the distance: its square counts the pixels that differ."
    if not torch.allclose(given, right, atol=1e-3):
        return f"expected {right.tolist()} pixels, got {given.tolist()}."
    return None


@exercise
def influential_flips(function: Callable) -> str | None:
    """``function(spins, effect, k)``: a copy with the k most influential spins flipped."""
    spins = torch.tensor([[1.0, -1, 1, -1, 1], [-1, -1, 1, 1, -1]])
    effect = torch.tensor([0.3, 2.0, 0.1, 1.0, 0.2])
    original = spins.clone()
    given = torch.as_tensor(function(spins, effect, 2)).float()
    if not torch.equal(spins, original):
        return "your function changed its input: `clone()` the spins first."
    if given.shape != spins.shape:
        return f"expected the shape {tuple(spins.shape)}, got {tuple(given.shape)}."
    sign = torch.tensor([1.0, -1, 1, -1, 1])
    if torch.equal(given, spins * sign):
        return None
    if torch.equal(given, spins * torch.tensor([1.0, 1, -1, 1, -1])):
        return "you flipped the spins with the *smallest* effect: sort in descending order."
    if torch.equal(given, -spins * sign):
        return "you flipped all *but* the most influential spins."
    if torch.equal(given, torch.where(sign < 0, -1.0, spins)):
        return "you set the spins to -1: flipping multiplies them by -1."
    if torch.equal(given, torch.cat([spins[:1] * sign, spins[1:]])):
        return "only the first row is flipped: index all rows with `[:, places]`."
    flips = int((given != spins).sum(1).float().mean())
    return f"with k=2 spins 1 and 3 must be flipped in each row; you flip {flips} a row."


@exercise
def class_clamps(function: Callable) -> str | None:
    """``function(mean_class, mean_rest, k)``: the class's signs at k places, NaN elsewhere."""
    mine = torch.tensor([0.9, -0.1, 0.2, -0.8, 0.7, 0.1])
    rest = torch.tensor([0.8, -0.2, 0.9, 0.6, -0.5, 0.1])
    nan = float("nan")
    right = torch.tensor([nan, nan, 1.0, -1.0, 1.0, nan])
    row = torch.as_tensor(function(mine, rest, 3)).float()
    if row.shape != right.shape:
        return f"one value for each spin: expected shape (6,), got {tuple(row.shape)}."
    if (row == 0).any():
        return "a free spin is NaN, not 0: 0 is no value of a spin."
    if not row.isnan().any():
        return "no spin is free: all places but k must stay NaN."
    if int((~row.isnan()).sum()) != 3:
        return f"k=3 spins must be clamped, yours are {int((~row.isnan()).sum())}."
    if not torch.equal(row.isnan(), right.isnan()):
        signed = (mine - rest).argsort(descending=True)[:3]
        if set(signed.tolist()) == set((~row.isnan()).nonzero()[:, 0].tolist()):
            return (
                "take the *absolute* difference: a spin that falls tells as much as one that rises."
            )
        return "the three places where the means differ most are 2, 3 and 4: compare yours."
    clamped = row[2:5]
    if not (clamped.abs() == 1).all():
        return "a clamped spin is -1 or +1: take the sign of the mean."
    if torch.equal(clamped, (mine - rest).sign()[2:5]):
        return "that is the sign of the difference: take the value that the class itself prefers."
    if torch.equal(clamped, -right[2:5]) or torch.equal(clamped, rest.sign()[2:5]):
        return "these values are those of the *rest*: take the sign of the class's own mean."
    return None if torch.equal(clamped, right[2:5]) else "take the sign of the class's own mean."


# 07_how_good_is_it ---------------------------------------------------------------------------


_WIDE = torch.tensor([-900.0, 0.0, -100.0])  # log weights, of which one counts


@exercise
def frechet_one_dimension(function: Callable) -> str | None:
    """``function(x, y)``: squared Frechet distance of two samples of numbers."""
    x, y = torch.tensor([1.0, 2.0, 3.0, 6.0]), torch.tensor([4.0, 10.0, 4.0])
    means = float((x.mean() - y.mean()) ** 2)
    spreads = float((x.std() - y.std()) ** 2)
    given = float(function(x, y))
    if is_close(given, means + spreads):
        return None
    population = float((x.std(correction=0) - y.std(correction=0)) ** 2)
    for wrong, why in (
        (means, "only the means are compared: the spreads count as well."),
        (spreads, "only the spreads are compared: the means count as well."),
        (means + float((x.var() - y.var()) ** 2), "compare standard deviations, not variances."),
        (means + abs(float(x.var() - y.var())), "square the difference of standard deviations."),
        (means**0.5 + spreads**0.5, "square both differences before you add them."),
        ((means + spreads) ** 0.5, "this is the root; by convention the squared distance is used."),
        (means - spreads, "the second square is added, not subtracted."),
        (means + population, "use torch's default `.std()`, which divides by n - 1."),
    ):
        if is_close(given, wrong):
            return why
    return f"for {x.tolist()} and {y.tolist()} it is {means + spreads:.4f}, you return {given:.4f}."


@exercise
def errors_apart(function: Callable) -> str | None:
    """``function(a, b)``: difference of two means of repeated runs in its standard errors."""
    a, b = torch.tensor([20.0, 21.0, 25.0, 22.0]), torch.tensor([10.0, 12.0, 14.0])
    difference = float(a.mean() - b.mean())
    squares = float(a.var() / len(a)), float(b.var() / len(b))
    right = difference / math.sqrt(sum(squares))
    given = float(function(a, b))
    if is_close(given, right):
        if is_close(function(b, a), -right):
            return None
        return "the sign is lost: it must be negative where b is the larger one."
    if is_close(given, -right):
        return "the sign is reversed: it must be positive where a is the larger one."
    population = float(a.var(correction=0) / len(a) + b.var(correction=0) / len(b))
    for wrong, why in (
        (difference, "that is the difference itself: divide it by its standard error."),
        (
            difference / math.sqrt(float(a.var() + b.var())),
            "you divide by the spread of single runs; a mean of n runs varies less (variance / n).",
        ),
        (
            difference / sum(map(math.sqrt, squares)),
            "errors of independent runs add as squares: sum the squares, then take the root.",
        ),
        (difference / sum(squares), "the root is missing: a variance is no error."),
        (difference / math.sqrt(population), "use torch's default `.var()`, dividing by n - 1."),
    ):
        if is_close(given, wrong):
            return why
    return f"for {a.tolist()} and {b.tolist()} it is {right:.4f}, you return {given:.4f}."


@exercise
def importance_bound(function: Callable) -> str | None:
    """``function(log_weights)``: the logarithm of the mean weight, from ``(K,)`` log weights."""
    small = torch.tensor([0.0, -1.0, 0.5, -2.0])
    right = float(torch.logsumexp(small, 0)) - math.log(4)
    given = float(function(small))
    for wrong, why in (
        (right + math.log(4), "this is the logarithm of the sum: a mean divides by K."),
        (right + 2 * math.log(4), "log K has the wrong sign: dividing by K subtracts log K."),
        (float(small.mean()), "this is the mean of the logarithms, the ELBO: average the weights."),
        (math.exp(right), "this is the mean weight: take its logarithm."),
    ):
        if is_close(given, wrong):
            return why
    if not is_close(given, right):
        return f"for {small.tolist()} it is {right:.4f}, you return {given:.4f}."
    if not abs(float(function(small - 900)) - (right - 900)) < 0.01:  # also where it is NaN
        return "log weights near -900 break it (exp gives 0): use torch.logsumexp."
    if not is_close(function(_WIDE), -math.log(3)):
        return "log weights of very different size break it: subtract the *largest* one first."
    return None


@exercise
def effective_sample_size(function: Callable) -> str | None:
    """``function(log_weights)``: ``(sum w)^2 / sum w^2``, from ``(K,)`` log weights."""
    small = torch.tensor([0.0, -1.0, 0.5, -2.0])
    weights = small.exp()
    right = float(weights.sum() ** 2 / weights.square().sum())
    given = float(function(small))
    shares = weights / weights.sum()
    for wrong, why in (
        (right / 4, "this is the share of K; the effective size itself is between 1 and K."),
        (1 / right, "upside down: equal weights must give K."),
        (float(1 / weights.square().sum()), "divide the weights by their sum first."),
        (float(weights.sum() / weights.square().sum()), "the sum of the weights is squared."),
        (float(small.sum() ** 2 / small.square().sum()), "these are log weights: exponentiate."),
        (float(torch.exp(-(shares * shares.log()).sum())), "use squares here, not the entropy."),
    ):
        if is_close(given, wrong):
            return why
    if not is_close(given, right):
        return f"for {small.tolist()} it is {right:.4f}, you return {given:.4f}."
    for shift in (-900, 900):
        if not abs(float(function(small + shift)) - right) < 0.01:  # also where it is NaN
            return f"log weights near {shift} break it: normalise them first, with torch.softmax."
    if not is_close(function(_WIDE), 1):
        return "log weights of very different size break it: subtract the *largest* one first."
    return None


# 08_studio -----------------------------------------------------------------------------------


@exercise
def steps_of_a_run(function: Callable) -> str | None:
    """``function(images, batch, epochs)``: gradient steps; a batch is never half full."""
    for images, batch, epochs, right in (
        (60_000, 256, 1, 234),
        (1_000, 100, 3, 30),
        (90, 32, 4, 8),
    ):
        given = function(images, batch, epochs)
        if given == right:
            continue
        asked = f"for {images:,} images, batches of {batch} and {epochs} epochs"
        if given == images * epochs // batch:
            return f"{asked}: round down within each epoch, then multiply by the epochs."
        if given == -(-images // batch) * epochs:
            return f"{asked}: you round up, but a batch that is not full is left out."
        if isinstance(given, float):
            return f"{asked}: a number of steps is whole: use `//`."
        return f"{asked} it is {right}, you return {given}."
    return None


@exercise
def safe_name(function: Callable[[str], bool]) -> str | None:
    """``function(name)``: whether a typed name may become a file in the folder of models."""
    for name in ("first-try", "run_2", "A", "9lives"):
        if not function(name):
            return f"{name!r} is harmless, but you refuse it."
    for name, why in (
        ("../secret", "it leads out of the folder"),
        ("models/a", "it leads into another folder"),
        ("a\\b", "Windows reads the backslash as a way into another folder"),
        (".hidden", "files that begin with a dot are hidden"),
        ("-rf", "programs take a leading hyphen for an option"),
        ("", "it is empty"),
        ("a" * 65, "it has 65 characters; the studio allows 64"),
        ("good\n", "it ends with a line break: `$` and `.match` let it pass, use `fullmatch`"),
        ("naïve", "other machines may spell its letters differently: allow A-Z, a-z, 0-9, _ and -"),
    ):
        if function(name):
            return f"{name[:20]!r} passes, but {why}."
    return None


@exercise
def time_left(function: Callable) -> str | None:
    """``function(done, total, first, seconds)``: seconds left, from this session's own steps."""
    for done, total, first, seconds in ((50, 100, 0, 10.0), (300, 400, 200, 20.0)):
        right = (total - done) * seconds / (done - first)
        given = float(function(done, total, first, seconds))
        if is_close(given, right):
            continue
        if is_close(given, (total - done) * seconds / done):
            return (
                "a resumed run is too quick: the first steps were done in another session, so "
                "divide by done - first."
            )
        if is_close(given, total * seconds / (done - first)):
            return "that is the time of the whole run: only total - done steps are left."
        asked = f"for step {done} of {total}, begun at step {first}, after {seconds:g} seconds"
        return f"{asked} it is {right:.1f} seconds, you return {given:.1f}."
    return None
