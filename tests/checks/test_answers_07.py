"""Answers to the exercises of lesson 07 as learners write them, right and wrong."""

import math

import pytest
import torch

# --- the energy in a class


def energy(of_shared=1.0, of_class=1.0, of_pairs=1.0, row=lambda y: y):
    """The energy of a string in its class, each part times a number."""

    def function(h, W, J, s, y):
        pairs = sum(value * s[i] * s[j] for (i, j), value in J.items())
        shared, own = (sum(a * b for a, b in zip(x, s, strict=True)) for x in (h, W[row(y)]))
        return of_shared * shared + of_class * own + of_pairs * pairs

    return function


def all_classes(h, W, J, s, y):
    return energy()(h, W, J, s, y) + energy(0, 1, 0)(h, W, J, s, 1 - y)


def by_tensors(h, W, J, s, y):
    s = torch.tensor(s, dtype=torch.float64)
    total = (torch.tensor(h) + torch.tensor(W[y])).double() @ s
    for (i, j), value in J.items():
        total += value * s[i] * s[j]
    return total


ENERGIES = [
    (energy(), "Correct."),
    (by_tensors, "Correct."),
    (energy(of_shared=0), "the shared biases h are forgotten"),
    (energy(of_class=0), "the biases of the class are forgotten"),
    (energy(of_pairs=2), "the couplings are counted twice"),
    (energy(of_pairs=0), "the couplings are forgotten"),
    (energy(-1, -1, -1), "the sign is reversed"),
    (energy(of_class=-1), "added to h, not subtracted"),
    (energy(of_class=2), "the biases of the class are counted twice"),
    (energy(row=lambda y: 1 - y), "the energy in the other class"),
    (energy(row=lambda y: 0), "for s=[1, -1, -1] in class 1 the energy is"),
    (all_classes, "only the row W[y] counts"),
    (lambda h, W, J, s, y: s, "one number is asked for"),
]

# --- a wish


def wish(classes="torch.tensor(own)[shares[own].multinomial(n, replacement=True)]", **parts):
    """A wish as a learner writes it: groups set, then strings drawn, or ``late`` the other way."""
    pictures = parts.get("pictures", "model.decode(chains.restart(sweeps))")
    lines = [f"{parts.get('to', 'chains.classes')} = {classes}", f"found = {pictures}"]
    prepared = [
        "names, shares, n = model.class_names, model.grbm.shares, chains.num_samples",
        "own = [y for y, name in enumerate(names) if name == digit]",
    ]
    head = "def made(model, chains, digit, sweeps):"
    lines = [head, *prepared, *(lines[::-1] if parts.get("late") else lines), "return found"]
    names = {"torch": torch}
    exec("\n    ".join(lines), names)
    return names["made"]


def largest_parts(model, chains, digit, sweeps):
    """Groups dealt out by their shares, without any chance."""
    weights = [
        share * (name == digit)
        for share, name in zip(model.grbm.shares.tolist(), model.class_names, strict=True)
    ]
    rows = []
    for y, weight in enumerate(weights):
        rows += [y] * round(chains.num_samples * weight / sum(weights))
    rows = (rows + rows[-1:] * chains.num_samples)[: chains.num_samples]
    chains.classes = torch.tensor(rows)
    return model.decode(chains.restart(sweeps))


WISHES = [
    (wish(), "Correct."),
    (largest_parts, "Correct."),
    (wish(to="chains.classes[:]"), "Correct."),
    (wish(pictures="model.decode(chains.restart(sweeps=sweeps))"), "Correct."),
    (wish("chains.classes"), "nobody wished"),
    (wish(late=True), "the wish comes too late"),
    (wish("torch.full((n,), int(digit))"), "7 is a digit, not the number of a group"),
    (wish("torch.full((n,), own[0])"), "3 groups belong to the digit, you use 1"),
    (wish("shares.multinomial(n, replacement=True)"), "a 7 is wished, and some strings are drawn"),
    (wish("torch.tensor([own[k % len(own)] for k in range(n)])"), "as frequent as they were"),
    (wish("own"), "must be a tensor with the number of a group per chain"),
    (wish("torch.full((n,), 10)"), "there are the groups 0 to 9 only"),
    (
        wish("(shares * (torch.tensor([0]) == digit)).multinomial(n, replacement=True)"),
        "are words compared with words?",
    ),
    (wish(pictures="model.decode(chains.sample(sweeps=sweeps))"), "`sample` carries on"),
    (wish(pictures="model.decode(chains.restart())"), "hand on how long"),
    (wish(pictures="model.decode(chains.fresh())"), "hand on how long"),
    (wish(pictures="chains.restart(sweeps)"), "these are spins"),
    (wish(pictures="model.decode(chains.restart(sweeps))[:5]"), "return the pictures"),
    (wish(pictures="model.decode(chains.restart(sweeps)).round()"), "the pictures as they are"),
    (wish(pictures="chains.restart(sweeps) and 0"), "your code stopped with RuntimeError"),
    (wish(pictures="(chains.restart(sweeps), 7)[1]"), "return the pictures, `model.decode`"),
    (lambda m, c, d, s: m.generate(c.num_samples, c, classes=d), "no strings are drawn"),
    (lambda *args: ..., "there is no answer yet"),
    (7, "hand over the function itself"),
]

# --- problems of a device


def counted(groups, clamps):
    return len(
        {(int(y), *row) for y, row in zip(groups, clamps.nan_to_num(0).tolist(), strict=True)}
    )


def by_unique(groups, clamps):
    rows = torch.cat([groups.unsqueeze(1).float(), clamps.nan_to_num(0)], 1)
    return rows.unique(dim=0).shape[0]


def by_text(groups, clamps):
    return len({str((int(y), row.tolist())) for y, row in zip(groups, clamps, strict=True)})


def with_nan(groups, clamps):
    rows = zip(groups.tolist(), clamps.tolist(), strict=True)
    return len({(y, *row) for y, row in rows})


def in_place(groups, clamps):
    clamps[clamps.isnan()] = 0
    return counted(groups, clamps)


PROBLEMS = [
    (lambda y, c: len(torch.stack([y, c.nansum(1)], 1).unique(dim=0)), "there are 5 problems"),
    (lambda y, c: len((y[:, None] + c.nan_to_num(0)).unique(dim=0)), "at other spins"),
    (counted, "Correct."),
    (by_unique, "Correct."),
    (by_text, "Correct."),
    (lambda g, c: torch.tensor(counted(g, c)), "Correct."),
    (lambda g, c: len(g), "every string is counted"),
    (lambda g, c: len(g.unique()), "you count groups only"),
    (lambda g, c: len(c.nan_to_num(0).unique(dim=0)), "you count clamps only"),
    (lambda g, c: len(g.unique()) * len(c.nan_to_num(0).unique(dim=0)), "count the *pairs*"),
    (lambda g, c: counted(g, c.abs()), "different problems"),
    (lambda g, c: counted(g, c.nan_to_num(2)), "Correct."),
    (lambda g, c: counted(g, c.nan_to_num(1)), "by another number than 1"),
    (lambda g, c: counted(g, c.nan_to_num(-1)), "by another number than -1"),
    (with_nan, "NaN is not equal to NaN"),
    (lambda g, c: 2 * counted(g, c), "there are 5 problems, not 10"),
    (in_place, "your function changed its input"),
]

# --- clamps


def clamped(mine, rest, k, free=float("nan"), own=True):
    row = torch.full_like(mine, free)
    places = (mine - rest).abs().argsort(descending=True)[:k]
    row[places] = (mine if own else mine - rest)[places].sign()
    return row


def by_loop(mine, rest, k):
    order = sorted(range(len(mine)), key=lambda i: -abs(float(mine[i] - rest[i])))
    row = [math.nan] * len(mine)
    for i in order[:k]:
        row[i] = 1.0 if mine[i] > 0 else -1.0
    return torch.tensor(row, dtype=torch.float64)


def clamped_in_place(mine, rest, k):
    mine[:] = clamped(mine, rest, k)
    return mine


def clamp_the_last(mine, order, start):
    places = order[start:]
    return torch.full_like(mine, float("nan")).index_copy(0, places, mine.sign()[places])


CLAMPS = [
    (clamped, "Correct."),
    (by_loop, "Correct."),
    (lambda m, r, k: clamp_the_last(m, (m - r).abs().argsort(), len(m) - k), "Correct."),
    (lambda m, r, k: clamp_the_last(m, (m - r).abs().argsort(), -k), "k=0 must leave"),
    (lambda m, r, k: clamped(m, r, k, free=0.0), "a free spin is NaN"),
    (lambda m, r, k: clamped(m, r, k, own=False), "the sign of the difference"),
    (lambda m, r, k: clamped(m, r, 3), "as many spins as `k` says"),
    (lambda m, r, k: clamped(m, r, 1), "as many spins as `k` says"),
    (lambda m, r, k: clamped(m, r, k + 1), "one spin too many"),
    (lambda m, r, k: clamped(m, r, k + 2), "k=3 spins must be clamped"),
    (lambda m, r, k: clamped(r, m, k), "these are values of the *rest*"),
    (lambda m, r, k: clamped(m, 0 * m, k), "the surest spins of the class"),
    (lambda m, r, k: m.sign(), "no spin is free"),
    (lambda m, r, k: clamped(m, r.roll(1), k), "differ most are others"),
    (lambda m, r, k: 2 * clamped(m, r, k), "take the sign of the class's own"),
    (clamped_in_place, "your function changed its input"),
]

# --- Metropolis


def by_minimum(current, new, draws):
    return draws < torch.minimum(torch.ones(len(draws)), (new - current).exp())


def by_where(current, new, draws):
    return torch.where(draws.log() < new - current, 1.0, 0.0)


ACCEPTED = [
    (lambda c, n, u: u < (n - c).exp(), "Correct."),
    (lambda c, n, u: u.log() < n - c, "Correct."),
    (by_minimum, "Correct."),
    (by_where, "Correct."),
    (lambda c, n, u: (n - c).exp().clamp(max=1), "these are the probabilities"),
    (lambda c, n, u: n > c, "only better strings"),
    (lambda c, n, u: u > (n - c).exp(), "turned round"),
    (lambda c, n, u: u < (c - n).exp(), "the sign is turned"),
    (lambda c, n, u: u < n - c, "compare with exp"),
    (lambda c, n, u: u < n.exp(), "only the *change*"),
    (lambda c, n, u: u < n.exp() / c.exp(), "exp(-600) is 0 to a computer"),
    (lambda c, n, u: u < torch.sigmoid(n - c), "the rule of Gibbs sampling"),
    (lambda c, n, u: torch.rand(len(u)) < (n - c).exp(), "use the numbers that are handed in"),
    (lambda c, n, u: u[0] < (n - c).exp(), "is expected"),
]

# --- few pixels


def grid(rows=slice(4, 24, 2), columns=slice(4, 24, 2)):
    mask = torch.zeros(28, 28, dtype=torch.bool)
    mask[rows, columns] = True
    return mask


def pixels(mask, wrong=10.0):
    def measure(one):
        return wrong if one.equal(mask) else 20.0

    return {"mask": mask, "measure": measure, "upper half": grid(slice(0, 14), slice(0, 28))}


MASKS = [
    (pixels(grid()), "Correct."),
    (pixels(grid(), 30.0), "30.0 pixels are wrong on average, from the upper half 20.0"),
    (pixels(grid(slice(0, 14), slice(0, 28))), "392 pixels are known: 100 are allowed"),
    (pixels(grid().float()), "True and False"),
    (pixels(grid().view(1, 28, 28)), "True and False"),
    (pixels(grid(slice(0, 0))), "nothing is known"),
    (pixels(grid()) | {"mask": ...}, "there is no answer yet"),
]

ANSWERS = [
    ("class_energy", ENERGIES),
    ("asked_for", WISHES),
    ("problems", PROBLEMS),
    ("class_clamps", CLAMPS),
    ("accepted", ACCEPTED),
    ("few_pixels", MASKS),
]


@pytest.mark.parametrize(
    ("check", "answer", "says"), [(check, *row) for check, rows in ANSWERS for row in rows]
)
def test_each_answer_hears_what_fits_it(check, answer, says, verdict):
    assert says in verdict(check, answer)
