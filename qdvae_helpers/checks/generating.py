"""Checks of lesson 06: shares, nearest images, energies of a class, flips, clamps of a class."""

import math

import torch
from torch import Tensor, tensor

from qdvae_helpers.checks.verdict import Rows, by_examples


@by_examples((30, 400), (9, 50), form="return two numbers: `return share, error`.")
def share_and_error(k: int, n: int) -> Rows:
    """``function(k, n)``: the estimated share ``k / n`` and its standard error."""
    p = k / n
    variance = p * (1 - p)
    one, root = math.sqrt(variance), math.sqrt(p / n)
    right = p, one / math.sqrt(n)
    yield right, "for {k} of {n} the error is {right[1]:.4f}; yours is {given[1]:.4f}."
    yield (p, one * math.sqrt(n)), "that is the error of the count: divide it by n."
    yield (p, variance / n), "that is the variance: take its square root."
    yield (p, one / math.sqrt(n - 1)), "divide by n, as in the formula above, not by n - 1."
    yield (p, one), "that is the spread of a single picture: more pictures help."
    yield (p, root), "the factor 1 - p is missing: a share near 1 is as certain as one near 0."
    yield lambda given: given[0] > 1, "first comes the share, not a count or a percentage."
    why = "{k} of {n} is a share of {right[0]:.3f}; yours is {given[0]:.3f}."
    yield lambda given: abs(given[0] - p) > 1e-4, why


def _images(*rows: str) -> Tensor:
    """Images of 2 x 3 pixels."""
    return tensor([[float(pixel) for pixel in row] for row in rows]).reshape(-1, 1, 2, 3)


@by_examples(
    (_images("000110", "011111"), _images("000000", "111000", "111111")),
    (_images("100001", "010100", "110111", "001000"), _images("100001", "001110")),
)
def nearest_distance(images: Tensor, others: Tensor) -> Rows:
    """``function(images, others)``: pixels that differ from the nearest other, ``(N,)``."""
    table = (images.unsqueeze(1) != others).flatten(2).sum(2).double()
    right = table.min(1).values
    yield right, "expected {right} pixels, got {given}."
    for power in (1, 0.5):
        columns = table.min(0).values ** power
        yield table**power, "this is the whole table of distances: keep the smallest of each row."
        yield columns, "you looked for the nearest image of each *other*: minimise along axis 1."
    yield table.argmin(1), "these are the places of the nearest ones: take the values."
    yield table.max(1).values, "these are the farthest ones: take the minimum."
    yield table.mean(1), "this is the mean over all others: take the minimum."
    yield right.sqrt(), "this is the distance: its square counts the pixels that differ."


_H, _W = [0.5, -1.0, 0.25], [[1.0, -0.5, 0.75], [-0.25, 2.0, -1.5]]
_J = {(0, 1): 1.5, (0, 2): -0.75}


@by_examples((_H, _W, _J, [1, -1, -1], 1), (_H, _W, _J, [-1, -1, 1], 0))
def class_energy(h: list, W: list, J: dict, s: list, y: int) -> Rows:
    """``function(h, W, J, s, y)``: lists, a dict by pair, spins, a class; their energy."""

    def along(biases: list) -> float:
        return sum(a * b for a, b in zip(biases, s, strict=True))

    shared, own, other = along(h), along(W[y]), along(W[1 - y])
    couplers = sum(value * s[i] * s[j] for (i, j), value in J.items())
    right = shared + own + couplers
    yield right, "for s={s} in class {y} the energy is {right:g}, but you return {given:g}."
    yield own + couplers, "the shared biases h are forgotten: every class has them, too."
    yield shared + couplers, "the biases of the class are forgotten: add W[y][i] s_i."
    yield right + couplers, "the couplings are counted twice: each pair appears once in J."
    yield shared + own, "the couplings are forgotten: all classes share them, add J s s."
    yield -right, "the sign is reversed: in this series E is plus h s, plus W s, plus J s s."
    yield shared - own + couplers, "the biases of the class are added to h, not subtracted."
    yield shared + other + couplers, "that is the energy in the other class: `y` says which row."
    yield right + other, "you add the biases of all classes: only the row W[y] counts."
    yield right + own, "the biases of the class are counted twice."


# More rows than columns, so that to take rows for columns is no error.
_SPINS = tensor([[1.0, -1, 1, -1, 1], [-1, -1, 1, 1, -1], [1, 1, 1, -1, 1]]).repeat(2, 1)
_EFFECT = tensor([0.3, 2.0, 0.1, 1.0, 0.2])


@by_examples((_SPINS, _EFFECT, 2), (_SPINS, _EFFECT.flip(0), 3))
def influential_flips(spins: Tensor, effect: Tensor, k: int) -> Rows:
    """``function(spins, effect, k)``: a copy with the k most influential spins flipped."""
    places, last = effect.argsort(descending=True)[:k], effect.argsort()[:k]
    right = spins.index_copy(1, places, -spins[:, places])
    smallest = spins.index_copy(1, last, -spins[:, last])
    lowered = spins.index_fill(1, places, -1.0)
    first, rows = torch.cat([right[:1], spins[1:]]), spins.index_copy(0, places, -spins[places])
    yield right, "k={k}: in every row the {k} spins of largest effect must be flipped, no others."
    yield smallest, "you flipped the spins with the *smallest* effect: sort in descending order."
    yield -right, "you flipped all *but* the most influential spins."
    yield lowered, "you set the spins to -1: flipping multiplies them by -1."
    yield first, "only the first row is flipped: index all rows with `[:, places]`."
    yield rows, "you flipped whole rows: the spins are columns, `[:, places]`."


_CLASS = tensor([0.9, -0.1, 0.2, -0.8, 0.7, 0.1])
_REST = tensor([0.8, -0.2, 0.9, 0.6, -0.5, 0.1])


@by_examples((_CLASS, _REST, 3), (_REST, _CLASS, 2))
def class_clamps(mine: Tensor, rest: Tensor, k: int) -> Rows:
    """``function(mean_class, mean_rest, k)``: the class's signs at k places, NaN elsewhere."""
    difference, sign = mine - rest, mine.sign()

    def clamps(values: Tensor, signed: bool = False, k: int = k) -> Tensor:
        places = (difference if signed else difference.abs()).argsort(descending=True)[:k]
        return torch.full_like(values, torch.nan).index_copy(0, places, values[places])

    right, signed, preferred = clamps(sign), clamps(sign, signed=True), clamps(difference.sign())
    yield right, "the k={k} places where {mine} and {rest} differ most are others: compare yours."
    yield signed, "take the *absolute* difference: falling spins tell as much as rising ones."
    yield clamps(mine), "a clamped spin is -1 or +1: take the sign of the mean."
    yield preferred, "that is the sign of the difference: take what the class itself prefers."
    for wrong in (rest.sign(), -sign):
        yield clamps(wrong), "these are values of the *rest*: take the sign of the class's mean."
    yield clamps(sign, k=3), "clamp as many spins as `k` says, which differs."
    yield lambda row: (row == 0).any(), "a free spin is NaN, not 0: 0 is no value of a spin."
    yield lambda row: not row.isnan().any(), "no spin is free: all places but k must stay NaN."
    yield lambda row: (~row.isnan()).sum() != k, "k={k} spins must be clamped, no more, no fewer."
    same = right.isnan()
    yield lambda row: torch.equal(row.isnan(), same), "take the sign of the class's own mean."
