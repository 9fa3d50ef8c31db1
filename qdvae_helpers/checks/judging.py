"""Checks of lesson 08: the Frechet distance, two measures to be fooled, errors of differences."""

import itertools
import math

import torch
from torch import Tensor, tensor

from qdvae_helpers.checks.verdict import Rows, by_examples, exercise

_A = tensor([[1.0, 0.0], [2.0, -3.0], [3.0, 1.0], [6.0, 4.0]])
_B = tensor([[4.0, 2.0], [10.0, -1.0], [4.0, 3.0]])
_C = tensor([[0.5, -4.0, 2.0], [-1.0, 0.0, 2.5], [1.5, 1.0, -7.0], [0.0, -2.5, 3.0], [4.0, 9.0, 0]])


@by_examples((_A, _B), (_C, _C[:4] @ tensor([[0.0, 2.0, 1], [-1, 0.5, 0], [0, 1.0, 0.2]])))
def frechet_by_axes(a: Tensor, b: Tensor) -> Rows:
    """``function(a, b)``: squared Frechet distances ``(n, d), (m, d)`` of each axis, added."""
    means, spreads = (a.mean(0) - b.mean(0)) ** 2, (a.std(0) - b.std(0)) ** 2
    variances, population = (a.var(0) - b.var(0)) ** 2, a.std(0, False) - b.std(0, False)
    right = (means + spreads).sum()
    yield right, "for a = {a} and b = {b} it is {right:.4f}, you return {given:.4f}."
    yield means + spreads, "these are the distances of the axes one by one: add them up."
    yield (means + spreads).mean(), "this is the mean over the axes: add them up."
    yield means.sum(), "only the means are compared: the spreads count as well."
    yield spreads.sum(), "only the spreads are compared: the means count as well."
    yield (means + variances).sum(), "compare standard deviations, not variances."
    roots = (a.mean(0) - b.mean(0)).abs() + (a.std(0) - b.std(0)).abs()
    yield roots.sum(), "square both differences before you add them."
    yield right.sqrt(), "this is the root; by convention the squared distance is used."
    yield (means - spreads).sum(), "the second square is added, not subtracted."
    yield (means + population**2).sum(), "use torch's default `.std(0)`, which divides by n - 1."
    whole = (a.mean() - b.mean()) ** 2 + (a.std() - b.std()) ** 2
    yield (
        whole,
        "all axes are thrown together: mean and standard deviation go down the rows, `(0)`.",
    )
    across = min(len(a), len(b))
    rows = (a.mean(1)[:across] - b.mean(1)[:across]) ** 2
    yield rows.sum(), "you average within each point: go down the rows, `.mean(0)`."


def _example_cloud(n: int, d: int, seed: int) -> Tensor:
    """A crooked cloud in double precision, with a mean that is not zero."""
    g = torch.Generator().manual_seed(seed)
    points = torch.randn(n, d, generator=g, dtype=torch.float64)
    return points.exp() @ torch.randn(d, d, generator=g, dtype=torch.float64) + 3


@exercise
def fools_frechet(function) -> str | None:
    """``function(points)``: other points with the same mean and covariance, no copies."""
    for n, d, seed in ((40, 3, 0), (60, 5, 1), (30, 2, 2)):
        points = _example_cloud(n, d, seed)
        before = points.clone()
        fake = function(points)
        if not torch.equal(points, before):
            return "your function changed its input: work on a copy, `clone()` it first."
        if not isinstance(fake, Tensor):
            return f"return a tensor of points, yours is a {type(fake).__name__}."
        if fake.ndim != 2 or fake.shape[1] != d or len(fake) < 2:
            shape = tuple(fake.shape)
            return f"from points of shape {(n, d)} return points (any number, {d}), yours: {shape}."
        fake = fake.detach().double()
        size = points.std(0).max()
        if (fake.mean(0) - points.mean(0)).abs().max() > 1e-3 * size:
            return (
                "the mean has moved, and the Frechet distance sees that: where do your points have "
                "their centre?"
            )
        wrong = (torch.cov(fake.T) - torch.cov(points.T)).abs().max() > 1e-3 * size**2
        if wrong:
            return "the mean is right, the covariance is not, and the Frechet distance sees that."
        if (torch.cdist(fake, points).min(1).values < 1e-6 * size).float().mean() > 0.05:
            return (
                "these are (nearly all) the points themselves: everybody would be fooled by them."
            )
    return None


_REAL = [0.0, 1.0, 2.0, 5.0]


@exercise
def fools_recall(answer) -> str | None:
    """Three numbers: as generated points they have recall 1, precision 0 and coverage 0 (k = 1)."""
    if isinstance(answer, list | tuple) and any(part is ... for part in answer):
        return "there is no answer yet: replace the three `...` in the cell above, and run it."
    try:
        made = torch.as_tensor(answer, dtype=torch.float64).flatten()
    except (TypeError, ValueError, RuntimeError):
        return "three numbers are asked for, in a list or a tensor."
    if len(made) != 3 or not made.isfinite().all():
        return f"three (finite) numbers are asked for, you give {len(made)}."
    real = tensor(_REAL, dtype=torch.float64)
    between = (real[:, None] - made).abs()
    radii = [
        (x[:, None] - x).abs().sort(1).values[:, 1].clamp(min=0) for x in (real, made)
    ]  # of real and of generated points
    in_real = between <= radii[0][:, None]
    if in_real.any():
        i, j = in_real.nonzero()[0].tolist()
        return (
            f"{made[j]:g} lies in the disc of the real point {real[i]:g}, which reaches from "
            f"{real[i] - radii[0][i]:g} to {real[i] + radii[0][i]:g}: that is precision."
        )
    recall = (between <= radii[1]).any(1)
    if not recall.all():
        missed = real[~recall].tolist()[0]
        reach = ", ".join(f"{x:g} +- {r:g}" for x, r in zip(made, radii[1], strict=True))
        return (
            f"the real point {missed:g} lies in no generated disc (yours: {reach}), so recall is "
            f"{recall.double().mean():.2f}. Which point has a large disc?"
        )
    return None


_RUNS = tensor([20.0, 21.0, 25.0, 22.0]), tensor([10.0, 14.0, 12.5, 15.0])
_MORE = tensor([0.3, -1.0, 2.0, 0.1, 0.4]), tensor([1.0, 0.5, 3.5, 0.7, 2.0])


@by_examples(_RUNS, _MORE)
def errors_of_pairs(a: Tensor, b: Tensor) -> Rows:
    """``function(a, b)``: mean difference of paired runs in its standard errors."""
    d, n = a - b, len(a)
    mean, right = d.mean(), d.mean() / (d.std() / math.sqrt(n))
    yield right, "for a = {a} and b = {b} it is {right:.4f}, you return {given:.4f}."
    unpaired = mean / (a.var() / n + b.var() / n).sqrt()
    yield unpaired, "this treats the runs as unpaired: take the differences pair by pair first."
    yield right.abs(), "the sign is lost: it must be negative where b is the larger one."
    yield -right, "the sign is reversed: it must be positive where a is the larger one."
    yield mean, "that is the mean difference itself: divide it by its standard error."
    yield mean / d.std(), "you divide by the spread of single pairs; a mean of n pairs varies less."
    yield mean / (d.std() / n), "the error falls as the *root* of the number of pairs."
    yield mean / (d.var() / n), "the root is missing: a variance is no error."
    yield mean * d.std() / math.sqrt(n), "divide by the standard error, do not multiply by it."
    population = d.std(correction=0) / math.sqrt(n)
    yield mean / population, "use torch's default `.std()`, which divides by n - 1."
    yield d / (d.std() / math.sqrt(n)), "one number is asked for: the *mean* difference in errors."


_DIFFERENCES = tensor([[1.0, -0.5], [2.0, 0.3], [0.5, 0.9]])
_WIDER = tensor([[-1.0, 0.2, 4.0], [0.4, 0.1, 5.0], [-2.0, 0.4, 4.5], [-0.5, -0.7, 6.0]])


def _patterns(n: int) -> Tensor:
    return tensor(list(itertools.product((1.0, -1.0), repeat=n)))


@by_examples((_DIFFERENCES, _patterns(3)), (_WIDER, _patterns(4)[[0, 3, 5, 9, 14]]))
def largest_by_chance(differences: Tensor, signs: Tensor) -> Rows:
    """``function(differences, signs)``, ``(n, k), (m, n)``: for each row of signs the largest size
    among the k paired errors."""
    root = math.sqrt(len(differences))
    flipped = signs[:, :, None] * differences
    errors = flipped.mean(1) / (flipped.std(1) / root)
    right = errors.abs().amax(1)
    yield right, "for {differences} and signs {signs} it is {right}, you return {given}."
    yield errors.amax(1), "the size counts, not the sign: `.abs()` before the largest is taken."
    yield errors.amax(1).abs(), "take `.abs()` *before* the largest, not after."
    yield errors.abs(), "these are the errors of every comparison: take the largest of each row."
    yield errors.abs().amin(1), "this is the smallest of the k comparisons: take the largest."
    yield errors.abs().mean(1), "this is the mean of the k comparisons: take the largest."
    yield errors.abs().amax(), "this is the largest of all: one number for each row of signs."
    yield errors.abs()[:, 0], "only the first comparison counts here: take the largest of all k."
    spread = (flipped.mean(1) / flipped.std(1)).abs().amax(1)
    yield spread, "divide by the error of the mean, which is the spread over the root of n."
    yield flipped.mean(1).abs().amax(1), "these are the means: divide each by its standard error."
    fixed = (flipped.mean(1) / (differences.std(0) / root)).abs().amax(1)
    yield fixed, "the spread changes with the signs, too: compute it after the signs are flipped."
