"""Checks of lesson 01: parameters, a loss, codes to walk and to draw, the price of a Gaussian."""

import itertools
import math
from collections.abc import Callable

import torch
from torch import Tensor, tensor

from qdvae_helpers.checks.verdict import Rows, by_examples, exercise


@by_examples(([3, 2],), ([4, 3, 5],), ([784, 256, 128, 2],))
def count_parameters(widths: list[int]) -> Rows:
    """``function(widths)``: weights and biases of linear layers of these widths."""
    weights, first, last = sum(a * b for a, b in itertools.pairwise(widths)), widths[0], widths[-1]
    every = weights + sum(widths)
    yield every - first, "widths {widths} have {right} parameters, you count {given}."
    yield weights, "widths {widths}: the weights are right, now add the biases."
    yield every - last, "a layer has one bias for each of its outputs, not of its inputs."
    yield every, "the input has no bias: biases belong to the outputs of a layer."


def _batch(n: int, side: int, seed: int) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    shape = (n, 1, side, side)
    return torch.rand(shape, generator=g) * 0.8 + 0.1, torch.rand(shape, generator=g)


@by_examples(
    _batch(2, 3, 0), _batch(5, 2, 1), form="one number is asked for, the mean over the images."
)
def batch_loss(brightness: Tensor, images: Tensor) -> Rows:
    """``function(brightness, images)``: cross-entropy in nats per image."""
    each = -(images * brightness.log() + (1 - images) * (1 - brightness).log())
    right, pixels = each.sum() / len(images), each[0].numel()
    exchanged = -(brightness * images.log() + (1 - brightness) * (1 - images).log())
    ink = -(images * brightness.log())
    yield right, "for these images it is {right:.3f} nats per image, yours is {given:.3f}."
    yield right / pixels, "this is a mean over pixels: sum over the pixels of an image first."
    yield each.sum(), "this is a sum over all images: average over them."
    yield -right, "the sign is wrong: a surprise is minus a logarithm, and never negative."
    yield (
        exchanged.sum() / len(images),
        "guess and truth are exchanged: the guess is in the logarithm.",
    )
    yield ink.sum() / len(images), "paper counts, too: add (1 - image) times log(1 - brightness)."
    yield (each - ink).sum() / len(images), "ink counts, too: add image times log(brightness)."
    squares = (brightness - images).square().sum() / len(images)
    yield squares, "these are squared errors: the cross-entropy is asked for."


@by_examples(
    (tensor([0.0, 10.0]), tensor([4.0, -10.0]), 5),
    (tensor([1.0, 2.0, -1.0]), tensor([0.0, 5.0, 1.0]), 4),
)
def interpolate(a: Tensor, b: Tensor, n: int) -> Rows:
    """``function(a, b, n)``: n equally spaced points on the line from a to b, both included."""
    line = a + torch.linspace(0, 1, n).unsqueeze(1) * (b - a)
    yield line, "both ends are right, but the points between are not equally spaced on the line."
    yield line.flip(0), "your line runs from b to a: the first point must be a."
    why = "the first point must be a, which is {a}; yours is {given[0]}."
    yield lambda given: not torch.allclose(given[0], a.double(), atol=1e-4), why
    why = "the last point must be b: the weight has to reach 1 (use n - 1 steps, not n)."
    yield lambda given: not torch.allclose(given[-1], b.double(), atol=1e-4), why


@by_examples(
    (
        tensor([1.0, -2.0], requires_grad=True),
        tensor([0.0, 2.0], requires_grad=True),
        tensor([0.5, -1.0]),
    ),
    (
        tensor([[0.5], [3.0]], requires_grad=True),
        tensor([[-1.0], [1.0]], requires_grad=True),
        tensor([[2.0], [0.3]]),
    ),
)
def reparameterise(mean: Tensor, log_v: Tensor, noise: Tensor) -> Rows:
    """``function(mean, log_variance, noise)``: the code, differentiable in the first two."""
    code, wide, log = (mean + s * noise for s in ((log_v / 2).exp(), log_v.exp(), log_v))
    yield code, "mean {mean}, log_variance {log_v}, noise {noise}: {right}, yours is {given}."
    yield wide, "you multiply the noise by the variance: take its root, exp(log_variance / 2)."
    yield log, "log_variance is a logarithm: turn it into a standard deviation first."
    yield code.detach(), "the value is right, but no gradient reaches mean and log_variance."


@by_examples((0.0, 1.0), (2.0, 1.0), (0.0, 0.25), (-1.0, 3.0))
def gaussian_kl_by_hand(mean: float, variance: float) -> Rows:
    """``function(mean, variance)``: KL of one Gaussian from the standard normal, in nats."""
    said = "mean {mean:g}, variance {variance:g}: {right:.4f} nats, yours {given:.4f}."
    log = math.log(variance)
    right = (mean**2 + variance - 1 - log) / 2
    squared = (mean**2 + variance**2 - 1 - 2 * log) / 2
    reverse = ((mean**2 + 1) / variance - 1 + log) / 2
    yield right, said
    yield 2 * right, f"{said} Twice too much: the half is missing."
    yield -right, f"{said} The sign is wrong: a divergence is never negative."
    yield squared, f"{said} You square the second argument, but it is the variance already."
    yield right + 0.5, f"{said} The -1 is missing: the prior itself must cost nothing."
    yield right + log, f"{said} The logarithm has the wrong sign."
    yield reverse, f"{said} This is KL(prior || q): average over q, not over the prior."


@exercise
def own_draws(draw: Callable[[Tensor, int], Tensor]) -> str | None:
    """``function(codes, n)``: new codes ``(n, d)`` that lie where given ones do, and are not these.

    Tried on two islands of unlike size, in two and in three dimensions, with other numbers of
    draws than of codes.
    """
    if not callable(draw):
        return "hand over the function itself: its name, without brackets behind it."
    for d, n, seed in ((2, 400, 0), (3, 90, 1)):
        g = torch.Generator().manual_seed(seed)
        islands = [torch.randn(150, d, generator=g) + 12, torch.randn(50, d, generator=g) - 12]
        codes = torch.cat(islands)
        given = codes.clone()
        new = draw(given, n)
        if not isinstance(new, Tensor) or new.shape != (n, d):
            found = tuple(new.shape) if isinstance(new, Tensor) else f"a {type(new).__name__}"
            return f"a tensor ({n}, {d}) is asked for, one code per row; yours is {found}."
        if not torch.equal(given, codes):
            return "your function changed the codes that it was given: work on a copy."
        if not new.isfinite().all():
            return "some of the new codes are not finite numbers."
        if len(new.unique(dim=0)) < n:
            return "some of your codes are equal: each draw needs chance of its own."
        new = new.to(codes.dtype)
        exactly = "donot_use_mm_for_euclid_dist"
        away = torch.cdist(new, codes, compute_mode=exactly).min(1).values
        if (away < 1e-6).any():
            return "some of your codes are codes that were given: move them a little."
        if (away > 4).float().mean() > 0.05:
            return "more than one in twenty falls into empty places: stay near the given codes."
        large = float((new.mean(1) > 0).float().mean())
        if not 0 < large < 1:
            return "one of the two islands is never reached: digits live on both."
        if not 0.6 < large < 0.9:
            why = "three quarters of the codes lie on one island, but of your draws"
            return f"{why} {large:.0%}: islands should be reached as often as they are inhabited."
        if (new[new.mean(1) > 0].mean(0) - islands[0].mean(0)).abs().max() > 0.8:
            return "your draws lie beside the island's middle: noise must not move it."
        if new[new.mean(1) > 0].std(0).min() < 0.5:
            return "your draws crowd into one place of an island: reach all of it."
        if torch.equal(new, draw(codes.clone(), n)):
            return "the same codes come out again: draw anew each time, without a fixed seed."
    return None
