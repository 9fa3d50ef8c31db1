"""Checks of lesson 02: drawing spins, their mean and entropy, the straight-through trick."""

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
    yield mirrored, "a right draw, but mirrored: here +1 belongs where uniform is *below* P(+1)."
    yield other, "P(+1) is sigmoid(logit); you used sigmoid(-logit), which is P(-1)."
    yield bare, "you compare with the logit: compare the uniform number with sigmoid(logits)."
    yield shared, "softmax shares 1 among the logits: each spin has a sigmoid of its own."
    yield lambda given: torch.equal(given, given**2), "these are bits 0 and 1; spins are -1 and +1."
    yield lambda given: (given.abs() != 1).any(), "spins are -1 and +1."


@by_examples((tensor([-4.0, -1.0, 0.0, 0.5, 2.0]),), (tensor([[3.0, -2.0]]),))
def mean_spin(logits: Tensor) -> Rows:
    """``function(logits)``: the mean of a +-1 spin, tanh(logit / 2)."""
    mean = torch.tanh(logits / 2)
    yield mean, "for logit 2 the mean is P(+1) - P(-1) = 0.881 - 0.119 = 0.762; compare yours."
    yield logits.sigmoid(), "that is P(+1), between 0 and 1; the mean weighs +1 *and* -1."
    yield logits.tanh(), "a logit is halved before the tanh."
    yield -mean, "wrong sign: a large logit makes +1 likely."


@by_examples((tensor([-1.0, 1.0, 1.0]), tensor([-0.76, 0.29, 0.96], requires_grad=True)))
def straight_through(hard: Tensor, soft: Tensor) -> Rows:
    """``function(hard, soft)``: the value of ``hard`` and the gradient of ``soft``."""
    right, cancelled = soft + (hard - soft).detach(), soft + (hard - soft)
    yield right, "its value is neither of the two: the soft parts have to cancel in the value."
    yield soft, "its value is the soft one: the decoder has to see the true spins."
    yield hard, "its value is right, but no gradient flows: only the *difference* is detached."
    yield cancelled, "its gradient is zero: what is added to soft has to be detached."


@by_examples((tensor([-3.0, 0.0, 1.0]),), (tensor([[2.0, -0.5]]),))
def spin_entropy(logits: Tensor) -> Rows:
    """``function(logits)``: the entropy of each spin in nats."""
    plus, minus = torch.sigmoid(logits), torch.sigmoid(-logits)
    entropy = -(plus * plus.log() + minus * minus.log())
    yield entropy, "for logits {logits} expect about {right}, yours is {given}."
    yield -entropy, "wrong sign: an entropy is never negative."
    yield entropy / math.log(2), "those are bits; for nats use the natural logarithm."
    yield -plus * plus.log(), "the term of -1 is missing: sum over both values of the spin."
