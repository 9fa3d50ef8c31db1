"""Checks of lesson 01: counting parameters, walking between codes, the price of a Gaussian."""

import itertools
import math

import torch
from torch import Tensor, tensor

from qdvae_helpers.checks.verdict import Rows, by_examples


@by_examples(([3, 2],), ([4, 3, 5],), ([784, 256, 128, 2],))
def count_parameters(widths: list[int]) -> Rows:
    """``function(widths)``: weights and biases of linear layers of these widths."""
    weights, first, last = sum(a * b for a, b in itertools.pairwise(widths)), widths[0], widths[-1]
    every = weights + sum(widths)
    yield every - first, "widths {widths} have {right} parameters, you count {given}."
    yield weights, "widths {widths}: the weights are right, now add the biases."
    yield every - last, "a layer has one bias for each of its outputs, not of its inputs."
    yield every, "the input has no bias: biases belong to the outputs of a layer."


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
