"""Checks of lesson 02: spins and their gradients, what is dead among them, and their q(s)."""

import math

import torch
from torch import Tensor, tensor

from qdvae_helpers.checks.verdict import Rows, by_examples


@by_examples(
    (
        tensor([[3.0, -3.0, 0.4], [-0.4, 2.0, -2.0]]),
        tensor([[0.6, 0.6, 0.7], [0.3, 0.9, 0.9]]),
    ),
    (torch.linspace(-3, 3, 24), torch.arange(24) * 0.618 % 1),  # scattered numbers
)
def spins_from_uniform(logits: Tensor, uniform: Tensor) -> Rows:
    """``function(logits, uniform)``: +1 where the uniform number is below P(+1), else -1."""
    thresholds = logits.sigmoid(), torch.sigmoid(-logits), logits, logits.softmax(-1)
    right, other, bare, shared = (torch.where(uniform < p, 1.0, -1.0) for p in thresholds)
    sure, mirrored = logits.sign(), -other
    yield right, "for logits 3, -3, 0.4 and uniform numbers 0.6, 0.6, 0.7 spins are +1, -1, -1."
    yield -right, "every spin is the wrong way round: +1 belongs where uniform is *below* P(+1)."
    yield sure, "this is the likelier value each time; use the uniform number to draw at random."
    yield mirrored, "a correct draw, but mirrored: here +1 belongs where uniform is *below* P(+1)."
    yield other, "P(+1) is sigmoid(logit); you used sigmoid(-logit), which is P(-1)."
    yield bare, "you compare with the logit: compare the uniform number with sigmoid(logits)."
    yield shared, "softmax shares 1 among the logits: each spin has a sigmoid of its own."
    yield logits.sigmoid(), "this is P(+1) itself: compare the uniform number with it."
    yield logits.tanh(), "this is no draw: compare the uniform number with sigmoid(logits)."
    bits = "these are bits 0 and 1; spins are -1 and +1."
    yield lambda given: (given == 0).any() and torch.equal(given, given**2), bits
    yield lambda given: (given.abs() != 1).any(), "spins are -1 and +1."


@by_examples(
    (tensor([-1.0, 1.0, 1.0]), tensor([-0.76, 0.29, 0.96], requires_grad=True)),
    (tensor([[1.0], [-1.0]]), tensor([[0.1], [0.4]], requires_grad=True)),
)
def straight_through(hard: Tensor, soft: Tensor) -> Rows:
    """``function(hard, soft)``: the value of ``hard`` and the gradient of ``soft``."""
    right, cancelled = soft + (hard - soft).detach(), soft + (hard - soft)
    yield right, "its value is neither of the two: the soft parts have to cancel in the value."
    yield soft, "its value is the soft one: the decoder has to see the true spins."
    yield hard, "its value is right, but no gradient flows: only the *difference* is detached."
    yield cancelled, "its gradient is zero: what is added to soft has to be detached."
    yield soft + (soft - hard).detach(), "the difference has the wrong sign: hard minus soft."


def _estimates(seed: int, rows: int, size: int) -> Tensor:
    """Scattered estimates whose mean is not what they estimate."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, size, generator=generator, dtype=torch.float64) + 0.5


@by_examples(
    (_estimates(0, 40, 3), tensor([1.0, -2.0, 0.5], dtype=torch.float64), 1),
    (_estimates(1, 25, 5), tensor([0.3, 0.1, -0.4, 0.2, 0.6], dtype=torch.float64), 10),
    (_estimates(2, 60, 2), tensor([-1.0, 0.2], dtype=torch.float64), 1000),
)
def error_of_average(estimates: Tensor, exact: Tensor, draws: int) -> Rows:
    """``function(estimates, exact, draws)``: error of an average, over the length of ``exact``."""
    miss, size = estimates.mean(0) - exact, exact.norm()
    bias, variance = miss.square().sum(), estimates.var(0).sum()
    biased = estimates.var(0, unbiased=False).sum()
    spread = (variance / draws).sqrt()
    error = (bias + variance / draws).sqrt()
    yield error / size, "for {draws:g} draws expect {right:.4f}, yours is {given:.4f}."
    yield error, "divide by the length of the exact gradient, `exact.norm()`."
    yield error**2 / size**2, "this is the squared error: take the root."
    yield (bias + variance).sqrt() / size, "{draws:g} draws divide the variance by {draws:g}."
    yield ((bias + variance) / draws).sqrt() / size, "more draws do not shrink the bias."
    yield (bias + variance).sqrt() / draws / size, "more draws do not shrink the bias."
    yield (bias.sqrt() + spread) / size, "bias and spread add in squares, not as they are."
    yield spread / size, "the bias is missing."
    yield bias.sqrt() / size, "the variance is missing: it is divided by the number of draws."
    single_sd = estimates.std(0).sum()
    yield (bias + single_sd / draws).sqrt() / size, "add variances of components, not deviations."
    yield (
        (bias + single_sd**2 / draws).sqrt() / size,
        "add variances of components, not deviations.",
    )
    yield (bias + biased / draws).sqrt() / size, "nearly: `estimates.var(0)` divides by n - 1."
    yield (miss.sum() ** 2 + variance / draws).sqrt() / size, "square each component, then add."
    short = (miss.square().mean() + estimates.var(0).mean() / draws).sqrt()
    yield short / size, "add the components up, do not average them."


@by_examples((tensor([-3.0, 0.0, 1.0]),), (tensor([[2.0, -0.5]]),))
def spin_entropy(logits: Tensor) -> Rows:
    """``function(logits)``: the entropy of each spin in nats."""
    plus, minus = torch.sigmoid(logits), torch.sigmoid(-logits)
    entropy = -(plus * plus.log() + minus * minus.log())
    yield entropy, "for logits {logits} expect about {right}, yours is {given}."
    yield -entropy, "wrong sign: an entropy is never negative."
    yield entropy / math.log(2), "those are bits; for nats use the natural logarithm."
    yield -plus * plus.log(), "the term of -1 is missing: sum over both values of the spin."
    yield -plus.log() - minus.log(), "weight each logarithm with its own probability."


def _columns(*columns: list[float]) -> Tensor:
    return tensor(columns).T


@by_examples(
    (  # used, stuck at +1, an idle coin, stuck at -1, used though nearly always +1
        _columns(
            [3.0, -3.0, 2.0, -1.0],
            [9.0, 6.0, 8.0, 7.0],
            [0.0, 0.1, 0.0, -0.1],
            [-7.0, -7.0, -9.0, -9.0],
            [9.0, 9.0, 9.0, 1.9],
        ),
    ),
    (_columns([9.0, 4.5], [0.5, -0.5], [0.14, -0.14], [0.13, 0.13]),),  # threshold, two images
    (torch.zeros(4, 3),),
    (_columns([4.0, -4.0, 3.0], [-1.0, 2.0, -3.0]),),  # none
    # deviations 0.09, 0.13, 0.21, or 0.08, 0.11, 0.18 where a mean over n takes that over n - 1
    (_columns([0.16, -0.16] * 2, [0.22, -0.22] * 2, [0.36, -0.36] * 2),),
)
def dead_count(logits: Tensor) -> Rows:
    """``function(logits)``: how many columns have mean spins that hardly vary over the rows."""
    mean = torch.tanh(logits / 2)
    dead, stuck = mean.std(0) < 0.1, mean.mean(0).abs() > 0.9
    full = tensor(mean.shape[1])
    yield dead.sum(), "for {logits} expect {right:g} dead spins, yours is {given:g}."
    yield full - dead.sum(), "these are the living: count deviations *below* 0.1."
    yield (
        (mean.std(1) < 0.1).sum(),
        "std over the images, axis 0: does a *spin* vary between images?",
    )
    yield (logits.std(0) < 0.1).sum(), "a logit of 6 or of 9 is one spin: take the mean spin first."
    yield (dead & stuck).sum(), "an idle coin, with mean 0 for every image, is dead, too."
    yield stuck.sum(), "a spin is dead where its mean *varies* little, wherever it lies."
    yield dead.double().mean(), "this is the share of dead spins: count them."
    yield (mean.var(0) < 0.1).sum(), "that is the variance; the threshold is for the deviation."
    yield (logits.sigmoid().std(0) < 0.1).sum(), "this is P(+1): the mean spin is tanh(logit / 2)."
    yield (logits.tanh().std(0) < 0.1).sum(), "the mean spin is tanh(logit / 2): half the logit."
    yield dead.double(), "one number is asked for: sum over the spins."


@by_examples(
    (
        tensor([[2.0, -1.0], [-3.0, 0.5], [0.0, 4.0]]),
        tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]),
    ),
    (
        tensor([[1.0, -2.0, 0.3], [-1.0, -0.5, 2.0], [3.0, 1.0, -1.0], [0.2, 0.1, -2.0]]),
        tensor([[1.0, -1.0, 1.0], [-1.0, -1.0, -1.0]]),
    ),
)
def aggregate_posterior(logits: Tensor, strings: Tensor) -> Rows:
    """``function(logits, strings)``: the chance of each string, averaged over the images."""
    each = torch.sigmoid(strings * logits[:, None])  # (images, strings, spins)
    given_image = each.prod(-1)
    yield given_image.mean(0), "for the first string expect {right}, yours is {given}."
    yield given_image, "this is q(s|x), one row per image: average over the images."
    yield given_image.sum(0), "that is a sum over images: it must be a mean."
    yield (
        each.mean(0).prod(-1),
        "first multiply over spins, then average: these are independent coins.",
    )
    average = torch.sigmoid(strings * logits.mean(0)).prod(-1)
    yield average, "you average the logits: average the *probabilities*, at the very end."
    yield each.sum(-1).mean(0), "the chance of a string is a product over its spins, not a sum."
    yield each.mean(-1).mean(0), "the chance of a string is a product over its spins, not a mean."
    yield given_image.mean(1), "axis 0 is the images: you averaged over the strings."
    reverse = torch.sigmoid(-strings * logits[:, None]).prod(-1).mean(0)
    yield reverse, "mirrored: a spin has the probability sigmoid(s * logit)."
    bare = (strings * logits[:, None]).prod(-1).mean(0)
    yield bare, "these are no probabilities: sigmoid(s * logit) for each spin."
