"""Checks of lesson 14: amplitudes, a block undone, what is read, a gate, a double softmax."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, tensor

from qdvae_helpers.checks.verdict import Rows, VerdictError, by_examples, exercise


@by_examples((tensor([0.0, 0.3, 0.4, 1.2]),), (tensor([1.0, 0.5]),))
def amplitudes(pixels: Tensor) -> Rows:
    """``function(pixels)``: the same vector with length one."""
    right, shares = pixels / pixels.norm(), pixels / pixels.sum()
    brightest, squares = pixels / pixels.max(), pixels / pixels.square().sum()
    yield right, "{pixels} divided by its length is {right}, yours is {given}."
    yield shares, "these add up to 1, but their *squares* have to: divide by the length."
    yield brightest, "you divided by the largest pixel: divide by the length of the vector."
    yield squares, "you divided by the sum of squares: take its root."
    yield right**2, "these are the probabilities: amplitudes are what one squares to get them."


@by_examples(
    ([("a", (0, 1), 0), ("a", (1, 2), 3), ("b", (0, 2), 5), ("b", (0, 1), 9)], {"a": 3, "b": 2}),
    ([("a", (0, 1), 2), ("b", (1, 2), 2), ("a", (0, 2), 10)], {"a": 2, "b": 5}),
    form="these are the parameters themselves: return how many they are.",
)
def count_read(blocks: list, angles: dict) -> Rows:
    """``function(blocks, angles)``: number of different parameters that the blocks read."""
    fewer, read, more = (
        [first + i for kind, _, first in blocks for i in range(angles[kind] + extra)]
        for extra in (-1, 0, 1)
    )
    end = max(read) + 1
    yield len(set(read)), "the blocks {blocks} read {right} parameters, you count {given}."
    yield len(read), "a parameter that two blocks read counts once: use a set."
    yield end, "this is the length of the list: parameters between the blocks are not read."
    yield len(blocks), "this counts blocks: each reads as many parameters as its kind has angles."
    for wrong in (fewer, more):
        yield len(set(wrong)), "off by one: a block with n angles reads `range(first, first + n)`."


def _complex(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, dtype=torch.complex128, generator=generator)


@by_examples(
    (_complex(0, 2, 2, 2), _complex(1, 4, 4)),
    (_complex(2, 2, 2, 2), _complex(3, 4, 4)),
    form="the result has the shape (2, 2, 2) again, yours is {found}: reshape it back.",
)
def apply_gate(state: Tensor, gate: Tensor) -> Rows:
    """``function(state, gate)``: a 4x4 matrix on the first two of three wires."""
    a, b = state.reshape(4, 2), state.reshape(2, 4)
    products = gate @ a, gate.T @ a, gate.mH @ a, b @ gate.T, b @ gate
    right, turned, conjugate, last, inverted = (p.reshape(2, 2, 2) for p in products)
    yield right, "amplitudes that differ in the first two wires alone form the groups of four."
    yield turned, "you multiplied by the transposed matrix: the gate stands on the left."
    yield conjugate, "you took the conjugate transpose: use the matrix as it is."
    yield last, "your gate acts on the last two wires: the first two belong to the rows, (4, 2)."
    yield right.real, "amplitudes are complex: keep their imaginary parts."
    yield right.abs() ** 2, "these are squared sizes: return the amplitudes themselves."
    alike = "a gate keeps the length of a state by itself: return the product as it is."
    unit = right / right.norm()
    yield lambda given: (given / given.norm() - unit).abs().max() < 1e-4, alike
    yield inverted, "your gate acts on the last two wires, and from the wrong side."


@by_examples((tensor([0.5, -0.2, 0.9, 0.1]), 2), (tensor([0.3, 0.8, -0.6, 0.0]), 0))
def post_loss(z: Tensor, label: int) -> Rows:
    """``function(z, label)``: cross-entropy of a softmax of four expectations."""
    scores = z, z.softmax(0), z.softmax(0).softmax(0)
    once, right, thrice = (F.cross_entropy(score, tensor(label)) for score in scores)
    yield right, "for z={z} and label {label} it is {right:.4f}, yours is {given:.4f}."
    yield once, "only one softmax: cross_entropy applies its own, on top of the post's."
    yield thrice, "that is one softmax too many: cross_entropy applies the second one itself."
    yield -right, "wrong sign: a cross-entropy is never negative."


@exercise
def comes_back(circuit: Callable[[Tensor], Tensor]) -> str | None:
    """``circuit(p)``: probabilities of two qubits that went through a pooling block and back."""

    def away(p: tuple[float, float]) -> float:
        """Probability of having missed the outcome 00."""
        found = torch.as_tensor(circuit(torch.tensor(p, dtype=torch.float64)))
        if found.shape != (4,) or found.is_complex() or abs(float(found.sum()) - 1) > 1e-6:
            raise VerdictError("four probabilities are asked for: return qml.probs(wires=[0, 1]).")
        return 1 - float(found[0])

    if away((0.0, 0.0)) > 1e-6:
        return "with both angles 0 the block is an X on the first qubit: undo that, too."
    first, second = away((0.9, 0.0)) > 1e-6, away((0.0, 1.3)) > 1e-6
    if first and second:
        return (
            "neither rotation is undone: each needs its gate once more, with minus its angle, and "
            "in reverse order: what was done last has to be undone first."
        )
    if first:
        return "the CRZ is not undone: the same gate with minus its angle, -p[0], as the last one."
    if second:
        return "the CRX is not undone: the same gate with minus its angle, -p[1], as the first one."
    for p in ((0.9, 1.3), (-2.0, 0.4), (2.7, -1.9)):
        if away(p) > 1e-6:
            return f"for angles {p} the qubits miss 00: what was done last has to be undone first."
    return None
