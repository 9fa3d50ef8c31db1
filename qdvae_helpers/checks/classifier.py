"""Checks of lesson 13: ceiling, a circuit of two pixels, closed form, hinge, half a circuit."""

import contextlib
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, tensor

from qdvae_helpers.checks.verdict import Rows, by_examples, exercise


@by_examples(
    ([*"aaabbbcdd"], [False, True, True, False, False, True, True, True, False]),
    ([*"xxzyzxzxyx"], [True, False, False, True, False, False, True, False, True, False]),
)
def ceiling(patterns: list, labels: list) -> Rows:
    """``function(patterns, labels)``: accuracy of the best classifier that sees patterns alone."""
    groups = {p: [y for q, y in zip(patterns, labels, strict=True) if q == p] for p in patterns}
    counts, n = [(g.count(True), g.count(False)) for g in groups.values()], len(labels)
    best, pure = sum(map(max, counts)), sum(max(c) for c in counts if not min(c))
    first, last = (sum(g.count(g[end]) for g in groups.values()) for end in (0, -1))
    equal = sum(max(c) / sum(c) for c in counts) / len(counts)
    yield best / n, "{patterns} with {labels} allow {right:.3f}; yours gives {given:.3f}."
    yield best, "this is the number of images it gets right: divide by the number of images."
    yield pure / n, "a contradictory pattern is not lost: answer with its more frequent label."
    why = "take the more frequent label of each pattern: not its first or last, not one for all."
    for count in (first, last, labels.count(True), labels.count(False)):
        yield count / n, why
    yield 1.0, "two images with one pattern must get the same answer, so not all can be right."
    yield equal, "weigh every pattern by its number of images, not all patterns equally."
    yield len(counts) / n, "this is the share of different patterns: count images that are right."


@by_examples(
    (tensor([1.0, -1.0, -1.0]), tensor([0.3, 0.8, 0.15]), tensor([0.6, 0.25, 0.9])),
    (tensor([-1.0, 1.0]), tensor([0.7, 0.1]), tensor([0.4, 0.35])),
    form="one number is asked for: multiply all the factors.",
)
def closed_form(z: Tensor, t: Tensor, s: Tensor) -> Rows:
    """``function(z, t, s)``: expectation of the readout, from spins and both sets of exponents."""

    def factors(z: Tensor, t: Tensor, s: Tensor, pi: float = math.pi) -> Tensor:
        return torch.complex(torch.cos(pi * s), z * torch.cos(pi * t) * torch.sin(pi * s))

    right, total = -factors(z, t, s).prod(), -factors(z, t, s).sum()
    yield right.real, "for z={z}, t={t}, s={s} it is {right:.4f}, yours {given:.4f}."
    yield -right.real, "the sign is reversed: the readout starts in |->, so f has a minus."
    yield right.imag, "this is the imaginary part."
    yield -factors(z**2, t, s).prod().real, "the pixels z do not occur in it."
    still = -factors(z, 0 * t, s).prod().real
    yield still, "the factor cos(pi t) is missing: the XX layer flips pixels at random."
    yield total.real, "multiply the factors, do not add them."
    radians, exchanged = factors(z, t, s, pi=1).prod(), factors(z, s, t).prod()
    yield -radians.real, "exponents are in units of pi: multiply them by math.pi."
    yield -exchanged.real, "t and s are exchanged: t belongs to the XX layer, s to the ZZ layer."


@by_examples(
    (tensor([1.0, 1.0, -1.0, -1.0]), tensor([0.5, 2.0, 0.25, -0.5])),
    (tensor([-1.0, 1.0, 1.0]), tensor([-3.0, -0.5, 0.75])),
    form="one number is asked for: take the mean over the images.",
)
def hinge(y: Tensor, f: Tensor) -> Rows:
    """``function(y, f)``: mean of max(0, 1 - y f)."""
    losses, reverse = 1 - y * f, (1 + y * f).relu().mean()
    uncut = losses.mean()
    yield losses.relu().mean(), "it must give {right:.4f}, yours gives {given:.4f}."
    yield losses.relu().sum(), "this is the sum: take the mean."
    yield uncut, "an answer that is more than right costs nothing: cut off at zero before the mean."
    yield reverse, "wrong sign: where the answer is right, y f is positive and the loss is small."
    yield (1 - f).relu().mean(), "the labels y do not occur in it."


@by_examples(
    (tensor([0.5, -1.0, 2.0]),),
    (tensor([0.3, 0.8]),),
    read=lambda s: torch.exp(1j * math.pi * s),  # exponents count modulo 2
)
def zz_for(angles: Tensor) -> Rows:
    """``function(angles)``: ZZ exponents with these angles where all XX exponents are zero."""
    right = angles / math.pi
    yield right, "with t = 0 the factor of a pixel is exp(i pi s z): make it exp(i phi z)."
    yield angles * math.pi, "the wrong way round: an exponent s turns by pi s, so divide."
    yield angles, "these are the angles: an exponent is in units of pi."
    for wrong in (2 * right, right / 2):
        yield wrong, "wrong by a factor of two: the phase between the two amplitudes is pi s z."
    yield -right, "wrong sign (the decisions would be the same, as a cosine is even)."


class _Bits(tuple):
    """Two pixels that count how often one of them is looked at."""

    looks = 0

    def __getitem__(self, place: int) -> int:
        self.looks += 1
        return super().__getitem__(place)


def _branches(circuit: Callable[[Sequence[int]], float]) -> bool:
    """Whether a circuit looks at its pixels again, after each was written into its qubit."""
    pixels = _Bits((1, 1))
    with contextlib.suppress(Exception):  # some ways to write them take a plain tuple only
        circuit(pixels)
    return pixels.looks > len(pixels)


@exercise
def pixels_agree(circuit: Callable[[Sequence[int]], float]) -> str | None:
    """``circuit(bits)``: expectation of the readout, +1 for two equal pixels and -1 for others."""
    found = {}
    for bits in ((0, 0), (0, 1), (1, 0), (1, 1)):
        value = circuit(bits)
        if type(value) in (int, float):  # numpy's numbers come from a measurement
            return "a number came back, no measurement: build it from gates, under @qml.qnode."
        if getattr(value, "shape", None) != ():
            return "one number is asked for: return qml.expval(qml.Z(2))."
        found[bits] = float(value)
    right = {(0, 0): 1.0, (0, 1): -1.0, (1, 0): -1.0, (1, 1): 1.0}
    if all(abs(found[bits] - right[bits]) < 1e-5 for bits in right):
        if _branches(circuit):
            return "your gates look at `bits`: the same gates have to serve all four pairs."
        return None
    if all(abs(found[bits] + right[bits]) < 1e-5 for bits in right):
        return "the other way round: +1 is for equal pixels. One more X on the readout?"
    if max(found.values()) - min(found.values()) < 1e-5:
        return f"the readout says {found[0, 0]:+.2f} whatever the pixels are: no gate reaches it."
    for pixel in (0, 1):
        pairs = [((0, 0), (0, 1), (1, 0), (1, 1))[k] for k in range(4)]
        if all(
            abs(found[a] - found[b]) < 1e-5 for a in pairs for b in pairs if a[pixel] == b[pixel]
        ):
            return (
                f"the readout depends on pixel {pixel} alone: the other one has to act on it, too."
            )
    wrong = next(bits for bits in right if abs(found[bits] - right[bits]) > 1e-5)
    return f"pixels {wrong} must give {right[wrong]:+.0f}, your circuit says {found[wrong]:+.3f}."
