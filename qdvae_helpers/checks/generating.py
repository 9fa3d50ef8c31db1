"""Checks of lesson 06: shares, memory of chains, sick samplers, flips, nearest images."""

import math

import torch
from torch import Tensor, tensor

from qdvae_helpers.checks.verdict import Rows, Try, by_examples, exercise


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
    yield (p, one), "that is the spread of a single picture: more pictures must shrink it."
    yield (p, root), "the factor 1 - p is missing: a share near 1 is as certain as one near 0."
    yield lambda given: given[0] > 1, "first comes the share, not a count or a percentage."
    why = "{k} of {n} is a share of {right[0]:.3f}; yours is {given[0]:.3f}."
    yield lambda given: abs(given[0] - p) > 1e-4, why


_BEFORE = tensor([1.0, 3.0, 2.0, 9.0, 7.0, 8.0, 6.0, -4.0, -1.0])
_AFTER = tensor([2.5, 2.0, 3.0, 8.0, 9.5, 6.5, 7.0, -1.5, -3.0])
_OF = tensor([0, 0, 0, 2, 2, 2, 2, 5, 5])


def _deviations(values: Tensor, groups: Tensor) -> Tensor:
    of = torch.stack([values[groups == y].mean() for y in groups])
    return values - of


@by_examples(
    (_BEFORE, _AFTER, _OF),
    (_BEFORE[:7], -0.3 * _AFTER.roll(1)[:7], _OF[:7].flip(0)),
    (_AFTER.roll(1), _BEFORE, tensor([3, 1, 3, 1, 1, 0, 0, 3, 0])),
    form="return one number, the sum over all chains of all groups.",
)
def memory(before: Tensor, after: Tensor, groups: Tensor) -> Rows:
    """``function(before, after, groups)``: how values correlate, each without its group's mean."""
    a, b = _deviations(before, groups), _deviations(after, groups)
    all_a, all_b = before - before.mean(), after - after.mean()
    top, bottom = (a * b).sum(), ((a * a).sum() * (b * b).sum()).sqrt()
    right, plain = top / bottom, (all_a * all_b).sum() / (all_a.norm() * all_b.norm())
    raw = (before * after).sum() / (before.norm() * after.norm())
    one = [y for y in groups.unique() if (groups == y).sum() > 1]
    each = [a[groups == y] @ b[groups == y] for y in one]
    sizes = [a[groups == y].norm() * b[groups == y].norm() for y in one]
    parts = [x / y for x, y in zip(each, sizes, strict=True)]
    yield right, "for the groups {groups} the memory is {right:.3f}; yours is {given:.3f}."
    yield plain, "you subtract the mean of *all* chains: subtract that of each chain's own group."
    yield raw, "no mean is subtracted: a group's mean would count as memory."
    yield top, "that is the sum of the products: divide by the root, as in the formula."
    yield top / len(before), "that is a covariance: divide by the root, as in the formula."
    yield top / bottom**2, "the root in the denominator is missing."
    yield abs(right), "the sign is lost: values may also reverse, and then r is negative."
    yield right**2, "that is r squared."
    yield sum(parts) / len(parts), "you average over groups: sum over all chains, then divide."
    yield sum(parts), "you divide group by group: sum over all chains first."
    half = (a * all_b).sum() / (a.norm() * all_b.norm())
    yield half, "`after` needs the means of the groups, too."


_FAULTS = {"A": "hurried", "B": "thrifty", "C": "warm", "D": "right"}
_TELLING = {
    "A": "its digits are wrong, and no temperature explains its energy and its beta together.",
    "B": "its temperature is right, and still its digits are wrong by far more than the floor.",
    "C": "its digits are right; which beta has that energy in the table of temperatures?",
    "D": "compare all three of its numbers with those of Gibbs sampling.",
}


@exercise
def sampler_faults(answers: dict) -> str | None:
    """``answers[sampler]``: what ails it."""
    known = ", ".join(sorted(_FAULTS.values()))
    for sampler, truth in _FAULTS.items():
        if sampler not in answers:
            return f"there is no answer for sampler {sampler}."
        if (answer := answers[sampler]) not in _FAULTS.values():
            return f"{sampler}: {answer!r} is none of {known}."
        if answer != truth:
            return f"sampler {sampler} is not {answer!r}: {_TELLING[sampler]}"
    return None


_SPINS = tensor([[1.0, -1, 1, -1, 1], [-1, -1, 1, 1, -1], [1, 1, 1, -1, 1]]).repeat(2, 1)
_EFFECT = tensor([0.3, 2.0, 0.1, 1.0, 0.2])


# More rows than columns, so that to take rows for columns is no error.
@by_examples(
    (_SPINS, _EFFECT, 2),
    (_SPINS, _EFFECT.flip(0), 3),
    (-_SPINS[:5, [0, 2, 1, 3]], tensor([-0.5, -1.0, 0.2, 0.7]), 1),
)
def influential_flips(spins: Tensor, effect: Tensor, k: int) -> Rows:
    """``function(spins, effect, k)``: a copy with the k most influential spins flipped."""

    def flipped(columns: Tensor) -> Tensor:
        return spins.index_copy(1, columns, -spins[:, columns])

    order = effect.argsort(descending=True)
    places, rows = order[:k], order[: min(k, len(spins))]
    right = flipped(places)
    yield right, "k={k}: in every row the {k} spins of largest effect must be flipped, no others."
    why = "you flipped the spins with the *smallest* effect: sort in descending order."
    yield flipped(effect.argsort()[:k]), why
    yield -right, "you flipped all *but* the most influential spins."
    yield spins, "nothing is flipped: multiply the chosen columns by -1."
    yield flipped(order[: k + 1]), "you flipped one spin too many: `[:k]` takes k of them."
    yield (
        flipped(order[k - 1 : k]),
        "you flipped one spin only, the k-th: `[:k]` takes the first k.",
    )
    yield flipped(torch.arange(k)), "you flipped the first spins, not those of the largest effect."
    by_size = effect.abs().argsort(descending=True)[:k]
    yield flipped(by_size), "you took the largest *absolute* numbers: the largest are asked for."
    yield spins.index_fill(1, places, -1.0), "you set the spins to -1: multiply them by -1."
    first = torch.cat([right[:1], spins[1:]])
    yield first, "only the first row is flipped: index all rows with `[:, places]`."
    whole = spins.index_copy(0, rows, -spins[rows])
    yield whole, "you flipped whole rows: the spins are columns, `[:, places]`."
    none = "k=0 must flip nothing: `[-0:]` takes everything, `[:0]` nothing."
    yield Try(spins, effect, 0), none
    yield right[:, places], "return whole strings, not only the spins that were flipped."


def _images(*rows: str) -> Tensor:
    """Images of 2 x 3 pixels with a rim of paper, two pixels wide."""
    small = tensor([[float(pixel) for pixel in row] for row in rows]).reshape(-1, 1, 2, 3)
    return torch.nn.functional.pad(small, (2, 2, 2, 2))


_MOVED = _images("000110", "011111", "110100")
_ORIGINALS = torch.cat([_images("001100", "111000"), _images("110100").roll((1, 1), (2, 3))])
_FAR = torch.cat([_images("100001").roll((2, 0), (2, 3)), _images("011100").roll((-1, 2), (2, 3))])


@by_examples(
    (_MOVED, _ORIGINALS, 0),
    (_MOVED, _ORIGINALS, 1),
    (_images("100001", "010100", "110111", "001000"), torch.cat([_FAR, _ORIGINALS]), 2),
    (_MOVED[:2], _FAR, 1),
    (torch.cat([_ORIGINALS[:1], _MOVED[:1]]), _ORIGINALS, 1),  # a copy that was not moved
    form="one number for each of the N images is asked for, shape (N,); yours is {found}.",
)
def nearest_distance(images: Tensor, others: Tensor, reach: int) -> Rows:
    """``function(images, others, reach)``: fewest differing pixels over others and shifts."""

    def table(down: int, right: int) -> Tensor:
        moved = images.roll((down, right), (2, 3))
        return (moved.unsqueeze(1) != others).flatten(2).sum(2).double()

    span = range(-reach, reach + 1)
    by = {(down, right): table(down, right) for down in span for right in span}
    every = torch.stack(list(by.values()))
    right = every.amin(0).amin(1)
    cross = torch.stack([t for (d, r), t in by.items() if d == 0 or r == 0])
    corner = torch.stack([t for (d, r), t in by.items() if d >= 0 and r >= 0])
    half = torch.stack([t for (d, r), t in by.items() if d < max(1, reach) and r < max(1, reach)])
    yield right, "with reach={reach} {right} pixels are expected; yours are {given}."
    yield by[0, 0].amin(1), "nothing is shifted: `reach` says how far to look."
    for step in (1, 2):
        places = range(-step, step + 1)
        fixed = torch.stack([table(d, r) for d in places for r in places])
        yield fixed.amin(0).amin(1), "you always shift equally far: `reach` says how far."
    yield cross.amin(0).amin(1), "diagonal shifts are missing: two loops, one inside the other."
    yield corner.amin(0).amin(1), "shifts go up and left, too: begin with -reach."
    yield half.amin(0).amin(1), "range(-reach, reach) ends before reach: add 1."
    moved = torch.stack([t for place, t in by.items() if place != (0, 0)] or [by[0, 0]])
    why = "no shift at all counts, too: leave (0, 0) among the shifts."
    yield moved.amin(0).amin(1), why
    yield by[reach, reach].amin(1), "this is the last shift only: keep the smallest over all."
    for power in (1, 0.5):
        best = every.amin(0) ** power
        yield best, "this is the whole table of distances: keep the smallest of each row."
        columns = best.amin(0)
        yield columns, "you looked for the nearest image of each *other*: minimise along axis 1."
    yield every.amin(0).argmin(1), "these are the places of the nearest ones: take the values."
    yield every.amin(0).amax(1), "these are the farthest of the others: take the minimum."
    yield every.amax(0).amin(1), "this is the worst of all shifts: take the minimum over shifts."
    yield every.mean(0).amin(1), "this is the mean over shifts: take the minimum."
    yield every.amin(0).mean(1), "this is the mean over all others: take the minimum."
    yield every.amin(2).sum(0), "you add up over the shifts: take the minimum."
    yield right.sqrt(), "this is the distance: its square counts the pixels that differ."
