"""Digits 3 and 6 with 17 qubits, and rivals with as little to see."""

import math
from collections.abc import Callable

import numpy as np
import pennylane as qml
import torch
import torch.nn.functional as F
from torch import nn

from circuits.parts import Row, logistic, only, seconds_of
from qdvae_helpers import gates
from qdvae_helpers.data import ImageSet


def tutorial_circuit(device: str, diff_method: str) -> Callable:
    """The circuit of the TensorFlow Quantum tutorial in PennyLane, for one image."""

    @qml.qnode(qml.device(device, wires=17), interface="torch", diff_method=diff_method)
    def circuit(spins, weights):
        for wire in range(16):
            if spins[wire] < 0:
                qml.X(wire)
        qml.X(16)
        qml.Hadamard(16)
        for wire in range(16):
            qml.IsingXX(math.pi * weights[wire], wires=[wire, 16])
        for wire in range(16):
            qml.IsingZZ(math.pi * weights[16 + wire], wires=[wire, 16])
        qml.Hadamard(16)
        return qml.expval(qml.Z(16))

    return circuit


def train_one_by_one(circuit: Callable, spins: torch.Tensor, signs: torch.Tensor) -> None:
    """One pass over some images in batches of 32, each image simulated on its own."""
    weights = (2 * math.pi * torch.rand(32)).requires_grad_()
    optimizer = torch.optim.Adam([weights])
    for x, y in zip(spins.split(32), signs.split(32), strict=True):
        outputs = torch.stack([circuit(row.tolist(), weights) for row in x])
        optimizer.zero_grad()
        (1 - y * outputs).clamp(min=0).mean().backward()
        optimizer.step()


def times_17_qubits(spins: torch.Tensor, signs: torch.Tensor, quick: bool) -> list[list[str]]:
    """Method, images measured and seconds per epoch, of the three ways."""
    n = len(spins)

    def closed(models: int) -> None:
        def loss(weights, rows):
            output = gates.readout_expectation(spins[rows], weights[:, :16], weights[:, 16:])
            return (1 - signs[rows] * output).clamp(min=0).mean(1)

        start = 2 * math.pi * torch.rand(models, 32)
        gates.fit_seeds(loss, start, n, epochs=1, batch_size=32)

    rows = []
    closed(1)
    for models in (1, 50):
        spent = seconds_of(lambda models=models: closed(models))
        rows.append([f"closed form, {models} trained at once", f"{n:,}", f"{spent:.2f}"])
    for device, method, measured in (
        ("lightning.qubit", "adjoint", 32 if quick else 320),
        ("default.qubit", "backprop", 4 if quick else 64),
    ):
        circuit = tutorial_circuit(device, method)
        train_one_by_one(circuit, spins[:1], signs[:1])  # the first call is slower
        part = spins[:measured], signs[:measured]
        spent = seconds_of(lambda part=part, circuit=circuit: train_one_by_one(circuit, *part))
        extrapolated = f"{spent * n / measured:.0f}"
        rows.append([f"{device}, {method}", f"{measured} (extrapolated)", extrapolated])
    return rows


def classifiers_3_and_6(train: ImageSet, test: ImageSet, quick: bool) -> tuple[list[Row], tuple]:
    """Accuracies, and the images that the circuit sees with their signs."""
    (images, labels), (test_images, test_labels) = only(train, (3, 6)), only(test, (3, 6))
    is_three, test_is_three = labels == 3, test_labels == 3
    grey, kept, _ = gates.remove_contradictions(gates.sixteen_pixels(images), is_three)
    bits = (grey > 0.5).float()
    test_grey = gates.sixteen_pixels(test_images)
    test_bits = (test_grey > 0.5).float()
    spins, signs = 1 - 2 * bits, 2 * kept.float() - 1
    seeds = 3 if quick else 50
    generator = torch.Generator().manual_seed(0)

    def right(outputs: torch.Tensor) -> list[float]:
        return ((outputs > 0) == test_is_three).float().mean(-1).tolist()

    def circuit_loss(weights, rows):
        output = gates.readout_expectation(spins[rows], weights[:, :16], weights[:, 16:])
        return (1 - signs[rows] * output).clamp(min=0).mean(1)

    start = 2 * math.pi * torch.rand(seeds, 32, generator=generator)
    epochs = 1 if quick else 3
    trained = gates.fit_seeds(circuit_loss, start, len(bits), epochs=epochs, batch_size=32)
    outputs = gates.readout_expectation(1 - 2 * test_bits, trained[:, :16], trained[:, 16:])
    rows: list[Row] = [("17-qubit circuit", right(outputs), f"{epochs} epochs; published 0.8725")]

    def net(x, w):
        hidden = x @ w[:, :32].unflatten(1, (16, 2)) + w[:, 32:34].unsqueeze(1)
        return (hidden.relu() @ w[:, 34:36].unsqueeze(2)).squeeze(2) + w[:, 36:]

    def net_loss(w, chosen):
        target = kept[chosen].float()
        losses = F.binary_cross_entropy_with_logits(net(bits[chosen], w), target, reduction="none")
        return losses.mean(1)

    sizes = [(32, (6 / 18) ** 0.5), (2, 0.0), (2, 2**0.5), (1, 0.0)]  # Keras: Glorot, zero biases
    limits = torch.cat([torch.full((n,), limit) for n, limit in sizes])
    start = (2 * torch.rand(seeds, 37, generator=generator) - 1) * limits
    epochs = 1 if quick else 20
    trained = gates.fit_seeds(net_loss, start, len(bits), epochs=epochs, batch_size=128)
    remark = f"{epochs} epochs; published 0.8674, see the next row"
    rows.append(("net of 37 parameters", right(net(test_bits, trained)), remark))
    remark = "as Keras counts logits by default"
    rows.append(("the same nets, cut at 0.5", right(net(test_bits, trained) - 0.5), remark))

    patterns, index = torch.unique(torch.cat([bits, test_bits]), dim=0, return_inverse=True)
    votes = torch.zeros(len(patterns)).index_add_(0, index[: len(bits)], signs)
    best = torch.zeros(len(patterns)).index_add_(
        0, index[len(bits) :], 2 * test_is_three.float() - 1
    )
    seen = index[len(bits) :]
    rows += [
        ("logistic regression, 16 bits", [logistic(bits, kept, test_bits, test_is_three)], ""),
        ("table of the training patterns", [float(np.mean(right(votes[seen])))], ""),
        ("ceiling of 16 bits", [float(np.mean(right(best[seen])))], "knows the test labels"),
    ]
    grey_all = gates.sixteen_pixels(images)
    means, test_means = (F.avg_pool2d(x, 4).flatten(1) for x in (images, test_images))
    rows += [
        (
            "logistic regression, 16 grey",
            [logistic(grey_all, is_three, test_grey, test_is_three)],
            "",
        ),
        (
            "logistic regression, 49 means",
            [logistic(means, is_three, test_means, test_is_three)],
            "",
        ),
    ]
    part = 256 if quick else 4_000
    found = [cnn(images[:part], is_three[:part], test_images, test_is_three, s) for s in range(3)]
    rows.append(("CNN of 1,198,721 parameters", found, f"1 epoch, {part:,} images"))
    return rows, (spins, signs)


def cnn(
    x: torch.Tensor, y: torch.Tensor, x_test: torch.Tensor, y_test: torch.Tensor, seed: int
) -> float:
    """The tutorial's convolutional network after one epoch."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        *(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Dropout(0.25), nn.Flatten(), nn.Linear(64 * 144, 128), nn.ReLU()),
        *(nn.Dropout(0.5), nn.Linear(128, 1)),
    )
    optimizer = torch.optim.Adam(model.parameters())
    for rows in torch.randperm(len(x)).split(128):
        loss = F.binary_cross_entropy_with_logits(model(x[rows]).squeeze(1), y[rows].float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        said = torch.cat([model.eval()(part).squeeze(1) > 0 for part in x_test.split(500)])
    return float((said == y_test).float().mean())
