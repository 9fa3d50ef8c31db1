"""Checks of lesson 15: a rotation, independent qubits, interference, shots, a chain of CNOTs."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, tensor

from qdvae_helpers.checks.verdict import Rows, by_examples, exercise


@by_examples((0.5,), (2.0,), (math.pi,))
def probability_of_one(theta: float) -> Rows:
    """``function(theta)``: probability of 1 after a rotation about Y by theta."""
    amplitude = math.sin(theta / 2)
    yield amplitude**2, "for theta = {theta:.3g} it is {right:.4f}, yours is {given:.4f}."
    yield amplitude, "this is the amplitude: a probability is its square."
    yield math.cos(theta / 2) ** 2, "this is the probability of 0."
    yield math.sin(theta) ** 2, "the amplitude has half of the angle: sin(theta / 2)."


@by_examples(
    (tensor([0.1, 0.7, 0.4], dtype=torch.float64),),
    (tensor([0.8, 0.3], dtype=torch.float64),),
    read=torch.flatten,
)
def joint(p: Tensor) -> Rows:
    """``function(p_one)``: probabilities of all outcomes of independent qubits."""
    bits = torch.cartesian_prod(*[torch.arange(2)] * len(p))  # qubit 0 is the slowest
    right = torch.where(bits == 1, p, 1 - p).prod(1)
    mirrored = torch.where(bits.flip(1) == 1, p, 1 - p).prod(1)
    yield right, "for {p} the outcomes, all zeros first, have {right}; yours have {given}."
    yield mirrored, "qubit 0 is the fastest in your order: it must be the slowest (00, 01, 10, 11)."
    yield right.flip(0), "0 and 1 are exchanged: the first outcome is all zeros, factors 1 - p."
    yield lambda given: abs(given.sum() - 1) > 1e-4, "probabilities add up to 1, yours do not."


@by_examples((0.2, 400), (0.7, 50))
def shot_error(p: float, shots: int) -> Rows:
    """``function(p, shots)``: standard deviation of a frequency."""
    one, root = math.sqrt(p * (1 - p)), math.sqrt(shots)
    yield one / root, "p = {p:g} and {shots} shots: it is {right:.4f}, yours is {given:.4f}."
    yield one**2 / shots, "this is the variance: take its root."
    yield one, "this is the error of a single shot: divide its variance by the number of shots."
    unbiased = "that is one shot less: divide by the number of shots, as p is known, not estimated."
    yield one / math.sqrt(shots - 1), unbiased
    yield 1 / root, "it depends on p, too: one shot has the variance p (1 - p)."
    yield one / shots, "divide the variance by the number of shots before the root, not after it."
    yield one * root, "this is the error of the count: divide by the number of shots."
    yield p**0.5 / root, "the factor 1 - p is missing: an outcome that always comes has no error."


@by_examples((tensor([0.8, -0.5, 0.9, 0.3]),), (tensor([-0.6, 0.7]),))
def through_chain(z: Tensor) -> Rows:
    """``function(z)``: expectations after a chain of CNOTs, from those of independent qubits."""
    pairs, backwards = torch.cat([z[:1], z[1:] * z[:-1]]), z.flip(0).cumprod(0).flip(0)
    yield z.cumprod(0), "for {z} it is {right}, yours is {given}."
    yield z, "these are the expectations before the chain."
    yield z.cumsum(0), "you add: the parity of spins is their product."
    yield pairs, "each CNOT acts on what the one before made: qubit 2 holds bits 0, 1 *and* 2."
    before = torch.cat([torch.ones(1), z[:-1].cumprod(0)])
    yield before, "off by one: qubit k holds bit k, too, so its own z is among the factors."
    yield backwards, "the wrong way round: qubit 0 is unchanged, the last one has all the factors."


@exercise
def beyond_products(circuit: Callable[[Tensor], Tensor]) -> str | None:
    """``circuit(angles)``: four probabilities that are no product, in whatever order."""
    still = torch.ones(3, dtype=torch.bool)  # which of three equations every example fulfils
    seen = []
    for angles in ((0.3, 1.1), (-0.7, 0.4), (1.3, -0.2), (0.9, 0.6)):
        p = torch.as_tensor(circuit(torch.tensor(angles, dtype=torch.float64))).double()
        if p.shape != (4,) or abs(float(p.sum()) - 1) > 1e-6 or (p < -1e-9).any():
            return "four probabilities are asked for: return qml.probs(wires=[0, 1])."
        pairs = torch.stack([p[0] * p[k] - p[1:].prod() / p[k].clamp(min=1e-12) for k in (1, 2, 3)])
        still &= pairs.abs() < 1e-6
        seen.append(p)
    if max(float((a - seen[0]).abs().max()) for a in seen) < 1e-6:
        return "the probabilities do not depend on the angles."
    if still[2]:
        return (
            "these are plain products, p00 p11 = p01 p10: the CNOT is missing, or your gates undo "
            "what it did to the probabilities."
        )
    if still.any():
        why = "they are still products, in another order: your gates only permute the outcomes"
        return f"{why}, as Hadamards on both qubits do. Rotate one with RY."
    return None
