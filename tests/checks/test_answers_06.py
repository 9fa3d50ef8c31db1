"""Answers to the exercises of lesson 06 as learners write them, right and wrong."""

import re

import pytest
import torch

# --- a share with its error


def share(error):
    return lambda k, n: (k / n, error(k / n, n))


SHARES = [
    (share(lambda p, n: (p * (1 - p) / n) ** 0.5), "Correct."),
    (lambda k, n: [k / n, ((k / n) * (1 - k / n)) ** 0.5 / n**0.5], "Correct."),
    (lambda k, n: torch.tensor([k / n, (k * (n - k) / n**3) ** 0.5]), "Correct."),
    (share(lambda p, n: (n * p * (1 - p)) ** 0.5), "the error of the count"),
    (share(lambda p, n: (p / n) ** 0.5), "the factor 1 - p"),
    (share(lambda p, n: (p * (1 - p) / (n - 1)) ** 0.5), "divide by n"),
    (share(lambda p, n: p * (1 - p) / n), "take its square root"),
    (share(lambda p, n: (p * (1 - p)) ** 0.5), "the spread of a single picture"),
    (share(lambda p, n: 0.1), "for 30 of 400 the error is 0.0132"),
    (lambda k, n: (k, 0.1), "first comes the share"),
    (lambda k, n: (1 - k / n, 0.1), "is a share of 0.075; yours is 0.925"),
    (lambda k, n: k / n, "return two numbers"),
]

# --- the memory of chains


def centred(values, groups):
    return values - torch.stack([values[groups == y].mean() for y in groups])


def correlation(a, b):
    return (a @ b) / (a @ a * (b @ b)) ** 0.5


def by_index_add(before, after, groups):
    counts = torch.bincount(groups)
    parts = []
    for values in (before, after):
        means = torch.zeros(len(counts)).index_add(0, groups, values) / counts.clamp(min=1)
        parts.append(values - means[groups])
    return correlation(*parts)


def by_loops(before, after, groups):
    top = left = right = 0.0
    for y in set(groups.tolist()):
        mine = [m for m in range(len(groups)) if int(groups[m]) == y]
        a = [float(before[m]) for m in mine]
        b = [float(after[m]) for m in mine]
        for x, z in zip(a, b, strict=True):
            p, q = x - sum(a) / len(a), z - sum(b) / len(b)
            top, left, right = top + p * q, left + p * p, right + q * q
    return top / (left * right) ** 0.5


def remembered(change=lambda r: r):
    return lambda b, a, g: change(correlation(centred(b, g), centred(a, g)))


def in_place(before, after, groups):
    before -= before.mean()
    return before.sum()


def each_group(before, after, groups):
    a, b = centred(before, groups), centred(after, groups)
    found = [correlation(a[groups == y], b[groups == y]) for y in groups.unique()]
    return torch.stack(found).nan_to_num(0).mean()


MEMORY = [
    (remembered(), "Correct."),
    (by_index_add, "Correct."),
    (by_loops, "Correct."),
    (remembered(lambda r: r.double().reshape(1)), "Correct."),
    (lambda b, a, g: torch.corrcoef(torch.stack([b, a]))[0, 1], "the mean of *all* chains"),
    (lambda b, a, g: correlation(b, a), "no mean is subtracted"),
    (lambda b, a, g: centred(b, g) @ centred(a, g), "the sum of the products"),
    (lambda b, a, g: (centred(b, g) * centred(a, g)).mean(), "that is a covariance"),
    (remembered(abs), "the sign is lost"),
    (remembered(lambda r: r**2), "r squared"),
    (remembered(lambda r: r + 1), "the memory is"),
    (lambda b, a, g: correlation(centred(b, g), a - a.mean()), "`after` needs"),
    (lambda b, a, g: centred(b, g) * centred(a, g), "return one number"),
    (each_group, "you average over groups"),
    (in_place, "your function changed its input"),
]

# --- sick samplers

RIGHT = {"A": "hurried", "B": "thrifty", "C": "warm", "D": "right"}
FAULTS = [
    (RIGHT, "Correct."),
    (dict.fromkeys(RIGHT, ...), "there is no answer yet"),
    (RIGHT | {"A": "warm"}, "sampler A is not 'warm': its digits are wrong"),
    (RIGHT | {"B": "right"}, "sampler B is not 'right': its temperature is right"),
    (RIGHT | {"C": "thrifty"}, "sampler C is not 'thrifty': its digits are right"),
    (RIGHT | {"D": "warm"}, "compare all three"),
    (RIGHT | {"D": "Right"}, "D: 'Right' is none of hurried, right, thrifty, warm"),
    ({"A": "hurried"}, "no answer for sampler B"),
    ("hurried", "in a dictionary"),
    (["hurried", "thrifty", "warm", "right"], "in a dictionary"),
]

# --- flips


def flipped(spins, effect, k, descending=True):
    result = spins.clone()
    result[:, effect.argsort(descending=descending)[:k]] *= -1
    return result


def flip_the_last(spins, order, start):
    return spins.index_copy(1, order[start:], -spins[:, order[start:]])


def flip_by_topk(spins, effect, k):
    signs = torch.ones(spins.shape[1])
    signs[effect.topk(k).indices] = -1
    return spins * signs


def flip_in_place(spins, effect, k):
    spins[:, effect.argsort(descending=True)[:k]] *= -1
    return spins


def flip_then_restore(spins, effect, k):
    result = flipped(spins, effect, k)
    spins[:] = 0
    return result


def flip_rows(spins, effect, k):
    result = spins.clone()
    result[effect.argsort(descending=True)[:k]] *= -1
    return result


FLIPS = [
    (flipped, "Correct."),
    (flip_by_topk, "Correct."),
    (lambda s, e, k: flip_the_last(s, e.argsort(), len(e) - k), "Correct."),
    (lambda s, e, k: flip_the_last(s, e.argsort(), -k), "k=0 must flip nothing"),
    (lambda s, e, k: flipped(s.double(), e, k), "Correct."),
    (lambda s, e, k: flipped(s, e, k, False), "with the *smallest* effect"),
    (flip_in_place, "your function changed its input"),
    (flip_then_restore, "your function changed its input"),
    (lambda s, e, k: s.mul_(-1), "your function changed its input"),
    (lambda s, e, k: s, "nothing is flipped"),
    (lambda s, e, k: -s, "of largest effect must be flipped"),
    (lambda s, e, k: flipped(s, e, k + 1), "one spin too many"),
    (lambda s, e, k: flipped(s, e.abs(), k), "the largest *absolute* numbers"),
    (lambda s, e, k: flipped(s, -torch.arange(len(e)), k), "you flipped the first spins"),
    (lambda s, e, k: flipped(s, e, 2), "k=3: in every row the 3 spins"),
    (flip_rows, "your code stopped|you flipped whole rows|must be flipped"),
]

# --- the nearest image, at all positions


def nearest(images, others, reach, within=lambda d, r: True, power=2):
    found = []
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            if within(down, right):
                moved = images.roll((down, right), (2, 3)).flatten(1)
                found.append(torch.cdist(moved, others.flatten(1)) ** power)
    return torch.stack(found).amin(0).amin(1)


def by_padding(images, others, reach):
    height, width = images.shape[2:]
    wide = torch.nn.functional.pad(images, (reach,) * 4)
    best = torch.full((len(images),), torch.inf)
    for down in range(2 * reach + 1):
        for right in range(2 * reach + 1):
            part = wide[:, :, down : down + height, right : right + width]
            differ = (part.unsqueeze(1) != others.unsqueeze(0)).sum((2, 3, 4))
            best = torch.minimum(best, differ.min(1).values.float())
    return best


def move_others(images, others, reach):
    span = range(-reach, reach + 1)
    moved = torch.cat([others.roll((d, r), (2, 3)) for d in span for r in span])
    return (images.unsqueeze(1) - moved).abs().sum((2, 3, 4)).min(1).values


NEAREST = [
    (nearest, "Correct."),
    (by_padding, "Correct."),
    (move_others, "Correct."),
    (lambda a, b, r: nearest(a.double(), b.double(), r), "Correct."),
    (lambda a, b, r: nearest(a, b, r, power=1), "this is the distance"),
    (lambda a, b, r: nearest(a, b, 0), "nothing is shifted"),
    (lambda a, b, r: nearest(a, b, 1), "you always shift equally far"),
    (lambda a, b, r: nearest(a, b, r, lambda d, s: d == 0 or s == 0), "diagonal shifts"),
    (lambda a, b, r: nearest(a, b, r, lambda d, s: d >= 0 and s >= 0), "up and left, too"),
    (lambda a, b, r: nearest(a, b, r, lambda d, s: max(d, s) < max(r, 1)), "add 1"),
    (lambda a, b, r: nearest(b, a, r), "nearest image of each"),
    (lambda a, b, r: nearest(a, b, r, lambda d, s: (d, s) != (0, 0) or r == 0), "no shift at all"),
    (lambda a, b, r: torch.cdist(a.flatten(1), b.flatten(1)).min(1), "take the `.values`"),
]

ANSWERS = [
    ("share_and_error", SHARES),
    ("memory", MEMORY),
    ("sampler_faults", FAULTS),
    ("influential_flips", FLIPS),
    ("nearest_distance", NEAREST),
]


@pytest.mark.parametrize(
    ("check", "answer", "says"), [(check, *row) for check, rows in ANSWERS for row in rows]
)
def test_each_answer_hears_what_fits_it(check, answer, says, verdict):
    assert re.search(says if "|" in says else re.escape(says), verdict(check, answer))
