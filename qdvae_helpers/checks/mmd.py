"""Checks of lesson 03: estimates of the MMD, permutation test, distances of spins."""

import torch
from torch import Tensor, tensor

from qdvae_helpers.checks.verdict import Rows, Try, by_examples


def _gram(*points: float) -> Tensor:
    line = tensor(points)
    return torch.exp(-((line[:, None] - line[None, :]) ** 2))


_GRAM = _gram(0.0, 0.3, 1.0, 1.2, 2.0, 2.1, 3.0, 3.5)
_SPLITS = (_GRAM, 3), (_GRAM, 6)  # 3 + 5 and 6 + 2 points: no two blocks have one size
_OTHERWISE = "for {n} of 8 points in x it must give {right:.4f}, yours gives {given:.4f}."


def _sums(gram: Tensor, n: int) -> tuple[Tensor, Tensor, Tensor]:
    return gram[:n, :n].sum(), gram[n:, n:].sum(), gram[:n, n:].sum()


@by_examples(*_SPLITS)
def biased_mmd(gram: Tensor, n: int) -> Rows:
    """``function(gram, n)``: squared MMD from the means of whole blocks."""
    m, (xx, yy, xy) = len(gram) - n, _sums(gram, n)
    within, between, sums = xx / n**2 + yy / m**2, xy / (n * m), xx + yy - 2 * xy
    right = within - 2 * between
    unbiased = (xx - n) / (n * (n - 1)) + (yy - m) / (m * (m - 1)) - 2 * between
    yield right, _OTHERWISE
    plus, once = within + 2 * between, within - between
    yield plus, "the block between x and y needs a minus: similarity makes the distance smaller."
    yield once, "the block between x and y counts twice: it occurs as (x, y) and as (y, x)."
    yield sums, "take means of the blocks, not sums: the samples may have different sizes."
    yield sums / n**2, "every block has a mean of its own: only the block xx has n * n entries."
    yield right.sqrt(), "this is the distance: the *squared* one is asked for, without the root."
    yield unbiased, "this is the unbiased estimate (exercise 2): here the diagonals stay in."


@by_examples(*_SPLITS)
def unbiased_mmd(gram: Tensor, n: int) -> Rows:
    """``function(gram, n)``: squared MMD without the diagonals of the blocks xx and yy."""
    m, (xx, yy, xy) = len(gram) - n, _sums(gram, n)
    between = 2 * xy / (n * m)
    of_x, of_y = (xx - n) / (n * (n - 1)), (yy - m) / (m * (m - 1))
    yield of_x + of_y - between, _OTHERWISE
    biased = xx / n**2 + yy / m**2 - between
    squares = (xx - n) / n**2 + (yy - m) / m**2 - between
    diagonals = xx / (n * (n - 1)) + yy / (m * (m - 1)) - between
    twice, of_one = 2 * of_x + 2 * of_y - between, of_x + (yy - m) / (n * (n - 1)) - between
    cut = of_x + of_y - 2 * (xy - gram[:n, n:].trace()) / (n * m - min(n, m))
    yield biased, "the diagonals are still in: this is the biased estimate."
    yield squares, "the diagonals are gone, but you still divide by n * n, not by n * (n - 1)."
    yield diagonals, "you divide by n * (n - 1), but the diagonals are still in the sums."
    yield twice, "a block holds each pair twice, so divide by n * (n - 1), with no half."
    yield of_one, "y has a number of points of its own, m: divide its block by m * (m - 1)."
    yield cut, "leave the block between x and y whole: no point meets itself there."
    near = _gram(0.0, 1.0, 2.0, 0.1, 1.1, 2.1, 1.0)
    yield Try(near, 3), "it may be negative, or its mean would not be right: leave the sign."


@by_examples(
    (0.65, tensor([0.1, 0.5, 0.3, 0.7, 0.2, 0.4, 0.9, 0.6, 0.8])),
    (0.5, tensor([0.5, 0.2, 0.5, 0.6])),  # equal values
    (0.1, tensor([-0.5, 0.2, 0.0])),  # a large negative one
)
def p_value(observed: float, shuffled: Tensor) -> Rows:
    """``function(observed, shuffled)``: permutation p-value that counts the observed split."""
    n, large, size = len(shuffled), shuffled >= observed, shuffled.abs()
    wrong = shuffled > observed, shuffled < observed, shuffled <= observed, size >= abs(observed)
    p, strict, *small, far = ((1 + hits.sum()) / (1 + n) for hits in (large, *wrong))
    yield p, "{observed:g} among {shuffled} has p = {right:.3f}, yours is {given:.3f}."
    yield large.sum() / n, "count the observed split along: add 1 above and below: p is never 0."
    yield large.sum() / (1 + n), "you added 1 to the number of splits, but not to the count."
    for smaller in small:
        yield smaller, "you counted the smaller values: count those at least as large."
    yield strict, "an equal value counts, too: use `>=`, not `>`."
    yield far, "values may be negative: only a *large* one speaks for a difference, so no `abs`."
    yield (1 + large.sum()) / 10, "the number of splits is len(shuffled), which differs."


@by_examples((1.0, 7), (-4.0, 10))
def spin_distance(dot: float, n: int) -> Rows:
    """``function(dot, n)``: squared distance of two strings of n spins from their dot product."""
    right = 2 * (n - dot)
    yield right, "n = {n}, dot = {dot:g}: it must give {right:g}, yours gives {given:g}."
    yield right / 4, "this is the Hamming distance: each place that differs counts 4."
    yield right**0.5, "this is the distance, not its square."
    yield 2 * (n + dot), "wrong sign of the dot product: equal strings (dot = n) have distance 0."
    yield 2 * right, "dot is n - 2 x (places that differ), not n - (places that differ)."
    for wrong in (n - dot, n - 2 * dot, 2 * n - dot):
        yield wrong, "both strings contribute their squared length n, the dot product twice."
    yield 2 * (n - abs(dot)), "the dot product is negative where most places differ: no `abs`."
