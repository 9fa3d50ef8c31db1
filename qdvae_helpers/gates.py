"""Two gate-model classifiers without a circuit simulator (taught in ``13`` and ``14``).

* The 17-qubit circuit of the TensorFlow Quantum tutorial after Farhi and Neven
  (arXiv:1802.06002): its output has a closed form, :func:`readout_expectation`.
* A quantum convolutional network on 8 qubits after Cong, Choi and Lukin (arXiv:1810.03787), in the
  layout of Benson's post on AWS: a state vector in plain torch, :func:`qcnn_probabilities`.

Both are exact, differentiable, and take several sets of weights at once, so that many seeds train
in one go (:func:`fit_seeds`).  ``tests/test_gates.py`` compares both with PennyLane.
"""

import itertools
import math
from collections.abc import Callable

import torch

from qdvae_helpers.arguments import (
    require_count,
    require_image_shape,
    require_number,
    require_plain,
    require_rows,
    require_seed,
)
from qdvae_helpers.errors import SettingError, TrainingError

# The 17-qubit classifier -----------------------------------------------------------------------


def sixteen_pixels(images: torch.Tensor) -> torch.Tensor:
    """What is left of ``(N, 1, 28, 28)`` resized to 4x4 without antialiasing: ``(N, 16)``.

    That is every seventh pixel from the fourth on, row by row.

    Raises:
        SettingError: images of another size.
    """
    require_image_shape("images", images)
    return images[:, 0, 3::7, 3::7].flatten(1)


def remove_contradictions(
    patterns: torch.Tensor, labels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, dict[str, int]]:
    """Keep each pattern ``(N, d)`` once, and none that occurs with both labels, ``(N,)`` bool.

    Returns:
        The patterns that are left, their labels, and how many different ones there were:
        ``unique``, of these ``true`` and ``false`` with one label only, and ``both``.

    Raises:
        SettingError: no patterns, or labels that are no truth values.
    """
    require_rows("patterns", patterns)
    fits = isinstance(labels, torch.Tensor) and labels.dtype == torch.bool
    if not fits or labels.shape != patterns.shape[:1]:
        raise SettingError("labels must be one truth value per pattern, such as digits == 3.")
    unique, index = torch.unique(patterns, dim=0, return_inverse=True)
    n_true = torch.bincount(index, labels.float())
    only_true, only_false = n_true == torch.bincount(index), n_true == 0
    kept = only_true | only_false
    numbers = {"true": only_true, "false": only_false, "both": ~kept}
    counts = {"unique": len(unique)} | {name: int(k.sum()) for name, k in numbers.items()}
    return unique[kept], only_true[kept], counts


def cosine_neuron(xx: torch.Tensor, zz: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Size and angles of the one cosine that the circuit computes.

    Args:
        xx, zz: ``(..., n)`` exponents of the XX and the ZZ gates.

    Returns:
        ``R`` of shape ``(...,)`` in [0, 1] and the angles phi ``(..., n)`` in radians.
    """
    along, across = torch.cos(math.pi * zz), torch.cos(math.pi * xx) * torch.sin(math.pi * zz)
    return torch.hypot(along, across).prod(-1), torch.atan2(across, along)


def readout_expectation(spins: torch.Tensor, xx: torch.Tensor, zz: torch.Tensor) -> torch.Tensor:
    """Exact expectation of the readout qubit, ``-R cos(sum_i phi_i z_i)``: ``(..., B)``.

    Args:
        spins: ``(..., B, n)`` with entries -1 and +1; +1 is the qubit in state 0 (paper).
        xx, zz: as for :func:`cosine_neuron`.
    """
    for name, values in {"spins": spins, "xx": xx, "zz": zz}.items():
        require_plain(name, values)
    sizes = {tuple(t.shape)[-1:] for t in (spins, xx, zz)}
    if len(sizes) > 1 or sizes == {()}:
        raise SettingError(
            f"Spins of shape {tuple(spins.shape)}, exponents of shapes {tuple(xx.shape)} and "
            f"{tuple(zz.shape)}: give one exponent of each kind per spin."
        )
    size, angles = cosine_neuron(xx, zz)
    return -size.unsqueeze(-1) * torch.cos((spins @ angles.unsqueeze(-1)).squeeze(-1))


# The quantum convolutional network -------------------------------------------------------------

QCNN_WIRES = 8
QCNN_PARAMETERS = 357  # how long the post makes the list, of which 192 numbers are read
QCNN_ANGLES = {"convolution": 15, "pooling": 2}  # of one block


def _layout() -> list[tuple[str, tuple[int, int], int]]:
    """Kind, wires and first parameter of every two-qubit block, in the order of the circuit.

    As in the post, the last block of a layer joins the first wire with the last, and a pooling
    layer steps on by less than it reads: four numbers serve a pooling and a convolution.
    """
    blocks, wires, first = [], list(range(QCNN_WIRES)), 0
    while len(wires) > 2:
        n = len(wires)
        pairs = [*itertools.pairwise(wires), (wires[0], wires[-1])]
        blocks += [("convolution", pair, first + 15 * i) for i, pair in enumerate(pairs)]
        first += 15 * n
        blocks += [("pooling", pairs[i], first + 2 * i) for i in [*range(0, n, 2), n - 1]]
        first += 2 * (n // 2 + 1)
        wires = wires[1::2]
    return blocks


QCNN_BLOCKS = _layout()
QCNN_KEPT = (3, 7)  # the wires that are left at the end
QCNN_READ = sorted({first + i for kind, _, first in QCNN_BLOCKS for i in range(QCNN_ANGLES[kind])})


def _matrix(*rows: list[torch.Tensor]) -> torch.Tensor:
    """Entries of shape ``(...,)`` in rows to matrices ``(..., n, n)``."""
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def _kron(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Kronecker products of matrices ``(..., 2, 2)``."""
    return torch.einsum("...ij,...kl->...ikjl", a, b).flatten(-4, -3).flatten(-2, -1)


def _u3(theta: torch.Tensor, phi: torch.Tensor, delta: torch.Tensor) -> torch.Tensor:
    c, s = torch.cos(theta / 2), torch.sin(theta / 2)
    e_phi, e_delta = torch.exp(1j * phi), torch.exp(1j * delta)
    return _matrix([c + 0j, -e_delta * s], [e_phi * s, e_phi * e_delta * c])


def _ry(angle: torch.Tensor) -> torch.Tensor:
    zero = torch.zeros_like(angle)
    return _u3(angle, zero, zero)


def _rz(angle: torch.Tensor) -> torch.Tensor:
    half = torch.exp(0.5j * angle)
    zero = torch.zeros_like(half)
    return _matrix([half.conj(), zero], [zero, half])


def convolution_unitary(p: torch.Tensor) -> torch.Tensor:
    """The convolution on two qubits, from 15 angles: ``(..., 15)`` to ``(..., 4, 4)``."""
    a = p.unbind(-1)
    one = torch.eye(2, dtype=_complex(p))
    down = torch.eye(4, dtype=_complex(p))[[0, 1, 3, 2]]  # the first qubit controls
    up = torch.eye(4, dtype=_complex(p))[[0, 3, 2, 1]]  # the second one does
    before, after = _kron(_u3(*a[0:3]), _u3(*a[3:6])), _kron(_u3(*a[9:12]), _u3(*a[12:15]))
    turns = up @ _kron(_ry(a[6]), _rz(a[7])) @ down
    return after @ down @ _kron(_ry(a[8]), one) @ turns @ before


def pooling_unitary(p: torch.Tensor) -> torch.Tensor:
    """The pooling on two qubits, from 2 angles: ``(..., 2)`` to ``(..., 4, 4)``.

    The first qubit turns the second about Z where it is 1, about X where it is 0, and is flipped.
    """
    z, x = p.unbind(-1)
    cos, sin = torch.cos(x / 2) + 0j, -1j * torch.sin(x / 2)
    half, zero = torch.exp(0.5j * z), torch.zeros_like(cos)
    return _matrix(
        [zero, zero, half.conj(), zero],
        [zero, zero, zero, half],
        [cos, sin, zero, zero],
        [sin, cos, zero, zero],
    )


def apply_two_qubit_gate(
    states: torch.Tensor, gate: torch.Tensor, wires: tuple[int, int]
) -> torch.Tensor:
    """Apply a gate ``(..., 4, 4)`` to two wires, in this order, of many states.

    These are ``(..., 2, ..., 2, B)``: as many leading axes as the gate's, then one axis of length 2
    a wire, then one index a state.
    """
    lead = gate.dim() - 2
    places = [lead + wire for wire in wires]
    front = states.movedim(places, (lead, lead + 1))
    done = (gate @ front.reshape(*gate.shape[:-1], -1)).reshape(front.shape)
    return done.movedim((lead, lead + 1), places)


def qcnn_probabilities(images: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Probabilities ``(..., B, 4)`` of 00, 01, 10, 11 on the two wires that are left, exact.

    Args:
        images: ``(..., B, 256)``, not all zero; they are normalised to amplitudes.
        weights: ``(..., 357)`` angles in radians, of which those of ``QCNN_READ`` matter.

    Raises:
        SettingError: other shapes, or an image that is black or no image: it has no amplitudes.
    """
    require_plain("images", images)
    require_plain("weights", weights)
    shapes = tuple(images.shape[-1:]), tuple(weights.shape[-1:])
    if shapes != ((2**QCNN_WIRES,), (QCNN_PARAMETERS,)) or images.dim() < 2:
        raise SettingError(
            f"Images of shape {tuple(images.shape)} and weights of shape {tuple(weights.shape)}: "
            f"give (..., B, {2**QCNN_WIRES}) and (..., {QCNN_PARAMETERS})."
        )
    lead, norms = weights.shape[:-1], images.norm(dim=-1, keepdim=True)
    if not ((norms > 0) & norms.isfinite()).all():
        raise SettingError("An image is black or holds a value that is no number: leave it out.")
    amplitudes = images / norms
    states = amplitudes.to(_complex(weights)).mT.expand(*lead, 2**QCNN_WIRES, -1)
    states = states.unflatten(-2, (2,) * QCNN_WIRES)
    gates = {}
    for kind, unitary in (("convolution", convolution_unitary), ("pooling", pooling_unitary)):
        starts = torch.tensor([first for other, _, first in QCNN_BLOCKS if other == kind])
        chosen = starts[:, None] + torch.arange(QCNN_ANGLES[kind])
        gates[kind] = iter(unitary(weights[..., chosen]).unbind(-3))  # all of a kind in one go
    for kind, wires, _ in QCNN_BLOCKS:
        states = apply_two_qubit_gate(states, next(gates[kind]), wires)
    weight = states.real.square() + states.imag.square()
    lost = [len(lead) + wire for wire in range(QCNN_WIRES) if wire not in QCNN_KEPT]
    return weight.sum(lost).flatten(-3, -2).mT


def _complex(real: torch.Tensor) -> torch.dtype:
    return torch.complex128 if real.dtype == torch.float64 else torch.complex64


# Training --------------------------------------------------------------------------------------


def fit_seeds(
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    weights: torch.Tensor,
    n_images: int,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float = 1e-3,
    seed: int = 0,
) -> torch.Tensor:
    """Train S models with Adam, each on its own order of the images; returns weights ``(S, P)``.

    Adam treats every number for itself, so a stack of models learns as each would alone.

    Args:
        loss: maps weights ``(S, P)`` and row numbers ``(S, B)`` to mean losses ``(S,)``.
        weights: ``(S, P)``, where the S models start.
        n_images: how many images there are.
        epochs: passes over all images.
        batch_size: images per step; the last, smaller batch of an epoch is used, too.
        learning_rate: of Adam.
        seed: of the first model's orders; the next ones count on from it.

    Raises:
        TrainingError: a weight became infinite or no number.
    """
    n_images, epochs = require_count("n_images", n_images), require_count("epochs", epochs)
    batch_size, seed = require_count("batch_size", batch_size), require_seed(seed)
    require_number("learning_rate", learning_rate, above=0)
    require_rows("weights", weights)
    generators = [torch.Generator().manual_seed(seed + k) for k in range(len(weights))]
    weights = weights.detach().clone().requires_grad_()
    optimizer = torch.optim.Adam([weights], lr=learning_rate, fused=True)
    for _ in range(epochs):
        orders = torch.stack([torch.randperm(n_images, generator=g) for g in generators])
        for rows in orders.split(batch_size, 1):
            total = loss(weights, rows).sum()
            optimizer.zero_grad()
            total.backward()
            optimizer.step()
    if not weights.isfinite().all():
        raise TrainingError("Weights are no numbers any more: lower learning_rate, or mend loss.")
    return weights.detach()
