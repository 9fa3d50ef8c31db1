"""Digits 0 to 3 with a quantum convolutional network on eight qubits."""

from collections.abc import Callable

import pennylane as qml
import torch
import torch.nn.functional as F

from circuits.parts import Row, logistic, only, seconds_of
from qdvae_helpers import gates
from qdvae_helpers.data import ImageSet
from qdvae_helpers.judge import resize


def pennylane_qcnn(device: str, diff_method: str, *, ancillas: bool) -> Callable:
    """The network in PennyLane, with four ancillas as in the post or without."""

    @qml.qnode(qml.device(device, wires=12), interface="torch", diff_method=diff_method)
    def circuit(images, weights):
        qml.AmplitudeEmbedding(images, wires=range(8), normalize=True)
        for kind, (a, b), first in gates.QCNN_BLOCKS:
            p = weights[first : first + gates.QCNN_ANGLES[kind]]
            if kind == "pooling":
                qml.CRZ(p[0], wires=[a, b])
                qml.X(a)
                qml.CRX(p[1], wires=[a, b])
                continue
            qml.U3(p[0], p[1], p[2], wires=a)
            qml.U3(p[3], p[4], p[5], wires=b)
            qml.CNOT([a, b])
            qml.RY(p[6], wires=a)
            qml.RZ(p[7], wires=b)
            qml.CNOT([b, a])
            qml.RY(p[8], wires=a)
            qml.CNOT([a, b])
            qml.U3(p[9], p[10], p[11], wires=a)
            qml.U3(p[12], p[13], p[14], wires=b)
        if not ancillas:
            return qml.probs(wires=gates.QCNN_KEPT)
        for k in range(4):
            qml.ctrl(qml.X(8 + k), control=gates.QCNN_KEPT, control_values=[k // 2, k % 2])
        return [qml.expval(qml.Z(8 + k)) for k in range(4)]

    return circuit


def times_qcnn(images: torch.Tensor, quick: bool) -> list[list[str]]:
    """Method, batch, and seconds for 1,000 images, forward and backward."""

    def step(circuit, part):
        weights = torch.randn(gates.QCNN_PARAMETERS, requires_grad=True)
        outputs = circuit(part, weights)
        outputs = torch.stack(outputs, -1) if isinstance(outputs, list | tuple) else outputs
        outputs.square().sum().backward()

    ways = [
        ("plain torch, 8 wires", gates.qcnn_probabilities, 32, 1 if quick else 30),
        ("default.qubit, backprop, 8 wires", ("default.qubit", "backprop", False), 32, 3),
        ("default.qubit, backprop, 8 wires", ("default.qubit", "backprop", False), 250, 2),
        ("default.qubit, backprop, 12 wires", ("default.qubit", "backprop", True), 32, 2),
        ("lightning.qubit, adjoint, 12 wires", ("lightning.qubit", "adjoint", True), 16, 1),
    ]
    rows = []
    for name, way, batch, repeats in ways:
        circuit = way if callable(way) else pennylane_qcnn(way[0], way[1], ancillas=way[2])
        part = images[: 2 if quick else batch]
        step(circuit, part)

        def work(circuit=circuit, part=part, repeats=repeats):
            for _ in range(repeats):
                step(circuit, part)

        spent = seconds_of(work) / repeats / len(part)
        rows.append([name, str(len(part)), f"{1_000 * spent:.2f}"])
    return rows


def classifiers_of_four_digits(
    train: ImageSet, test: ImageSet, quick: bool
) -> tuple[list[Row], torch.Tensor]:
    """Accuracies with all images, and the images as vectors."""
    (images, y), (test_images, y_test) = only(train, (0, 1, 2, 3)), only(test, (0, 1, 2, 3))
    x, x_test = resize(images, 16).flatten(1), resize(test_images, 16).flatten(1)
    seeds, epochs = (2, 1) if quick else (3, 8)
    shuffle = torch.randperm(256, generator=torch.Generator().manual_seed(2))
    rows: list[Row] = []
    for name, n, ours, rate, order in (
        ("as in the post (rate 0.001)", len(x), False, 1e-3, None),
        ("the post's loss, rate 0.01", len(x), False, 1e-2, None),
        ("loss -log p, rate 0.001", len(x), True, 1e-3, None),
        ("loss -log p, rate 0.01", len(x), True, 1e-2, None),
        ("loss -log p, rate 0.01", 4_000, True, 1e-2, None),
        ("the same, pixels shuffled", 4_000, True, 1e-2, shuffle),
    ):
        n = 64 if quick else n
        a, b = (x, x_test) if order is None else (x[:, order], x_test[:, order])

        def loss(weights, chosen, a=a, ours=ours):
            p = gates.qcnn_probabilities(a[chosen], weights)
            if not ours:
                p = (1 - 2 * p).softmax(-1).softmax(-1)
            return -p.gather(2, y[chosen].unsqueeze(2)).squeeze(2).clamp(min=1e-9).log().mean(1)

        start = torch.randn(
            seeds, gates.QCNN_PARAMETERS, generator=torch.Generator().manual_seed(1)
        )
        trained = gates.fit_seeds(loss, start, n, epochs=epochs, batch_size=32, learning_rate=rate)
        sign = 1 if ours else -1  # the post takes the largest <Z> = 1 - 2 p
        with torch.no_grad():
            parts = [gates.qcnn_probabilities(part, trained) for part in b.split(500)]
        right = (sign * torch.cat(parts, 1)).argmax(2) == y_test
        remark = f"{epochs} epochs, {n:,} images"
        if name.startswith("as in the post"):
            remark += "; published 0.92, not held out"
        rows.append(
            (f"quantum convolutional network, {name}", right.float().mean(1).tolist(), remark)
        )
    means, test_means = (
        F.adaptive_avg_pool2d(v.unflatten(1, (1, 16, 16)), 7).flatten(1) for v in (x, x_test)
    )
    for n in (len(x), 4_000):
        value = logistic(means[:n], y[:n], test_means, y_test)
        rows.append(("logistic regression, 49 means, 200 parameters", [value], f"{n:,} images"))
    return rows, x
