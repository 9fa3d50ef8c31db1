"""Checks of lesson 04: energies, ratios, the gradient of a coupling, one spin given the others."""

import math

import torch
from torch import Tensor, tensor

from qdvae_helpers.checks.verdict import Rows, Try, by_examples


@by_examples(
    ([0.5, -1.0, 0.25], {(0, 1): 1.5, (1, 2): -0.75}, [1, -1, -1]),
    ([1.0, 2.0, -0.5], {(0, 1): 0.5, (1, 2): 1.0}, [-1, -1, 1]),
)
def ising_energy(h: list, J: dict, s: list) -> Rows:
    """``function(h, J, s)``: list of biases, dict of couplings by pair, list of spins."""
    biases = sum(a * b for a, b in zip(h, s, strict=True))
    couplers = sum(value * s[i] * s[j] for (i, j), value in J.items())
    right = biases + couplers
    yield right, "for h={h}, J={J}, s={s} the energy is {right:g}, but you return {given:g}."
    yield -right, "the sign is reversed: in this series E is plus the sum of h s and of J s s."
    yield biases, "only the biases are counted: add J s s for every coupler."
    yield couplers, "only the couplers are counted: add h s for every spin."
    yield right + couplers, "every coupler is counted twice: each pair appears once in J."
    why = "a coupler need not join neighbours in the list: take both ends, (i, j), from J."
    yield Try([0.0, 0.0, 0.0], {(0, 2): 2.0}, [1, 1, -1]), why


@by_examples((-1.0, 1.0), (0.2, 0.5))
def probability_ratio(a: float, b: float) -> Rows:
    """``function(energy_a, energy_b)``: how many times likelier a is than b."""
    yield math.exp(b - a), "for energies {a:g} and {b:g} it is {right:.3f}, you return {given:.3f}."
    yield math.exp(a - b), "upside down: in the test a has the lower energy, so it is likelier."
    yield b - a, "that is the difference of the energies; the ratio is its exponential."
    why = "large energies break it: subtract the energies first, then take one exponential."
    yield Try(999.0, 1000.0), why


_DATA = tensor([[1.0, 1, -1, -1], [1, 1, 1, 1], [-1, 1, 1, -1], [1, 1, 1, -1]])
_MODEL = tensor([[1.0, -1, -1, 1], [1, -1, 1, -1], [1, 1, 1, -1], [-1, 1, -1, 1]])
_LONGER = torch.cat([_MODEL, _DATA[:1], -_MODEL[1:]])


@by_examples(
    *[(_DATA, _MODEL, i, j) for i, j in ((0, 1), (2, 0), (1, 3))],
    form="your function returns several numbers: take the mean over the strings of each set.",
)
def coupling_gradient(data: Tensor, model: Tensor, i: int, j: int) -> Rows:
    """``function(data, model, i, j)``: two sets of spins ``(M, n)``; d NLL / d J_ij."""
    right, same, following = (
        (data[:, a] * data[:, b]).mean() - (model[:, a] * model[:, b]).mean()
        for a, b in ((i, j), (0, 1), (i, (i + 1) % 4))
    )
    a, b = data.mean(0), model.mean(0)
    products = a[i] * a[j] - b[i] * b[j]
    yield right, "for spins {i} and {j} of two sets it is {right:g}, but you return {given:g}."
    yield -right, "the sign is reversed: for E = + J s s it is the data's mean minus the model's."
    yield 4 * right, "these are sums over the samples: take means."
    yield products, "these are products of means: multiply the two spins first, then take the mean."
    yield right - products, "these are covariances: take the means of the products alone."
    yield same, "you look at the same spins each time: `i` and `j` say which."
    yield following, "`j` may be any spin: it need not follow `i`."
    why = "the sets may differ in size: take the mean over *all* strings of each, then subtract."
    yield Try(_DATA, _LONGER, 0, 1), why


@by_examples(
    (0.3, tensor([-1.0, 0.5]), tensor([1.0, -1.0])),
    (-0.4, tensor([0.7, 0.2, -0.6]), tensor([-1.0, 1.0, -1.0])),
    form="your function returns several numbers: the field is the sum over all neighbours.",
)
def conditional_probability(h: float, J: Tensor, s: Tensor) -> Rows:
    """``function(h, J, neighbours)``: a number, two tensors ``(k,)``; P(s = +1 | neighbours)."""
    sum_js = (J * s).sum()
    fields = h + sum_js, -h - sum_js, (h + sum_js) / 2, h + 0 * sum_js, sum_js, h + J.sum()
    right, reverse, half, alone, free, unsigned = (torch.sigmoid(-2 * field) for field in fields)
    yield right, "for h={h:g}, J={J}, neighbours {s} it is {right:.3f}, you return {given:.3f}."
    yield reverse, "the sign is reversed: a positive field makes +1 costly."
    yield half, "a factor 2 is missing: the two energies differ by twice the field."
    yield alone, "the neighbours are missing: the field is h + sum of J times neighbour."
    yield free, "the spin's own bias h is missing from the field."
    yield unsigned, "a neighbour may be -1: multiply each coupling by its neighbour."
