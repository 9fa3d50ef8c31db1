"""The gate-model classifiers of lessons 09 to 11: time, and accuracy with spreads, in one run.

    python benchmarks/gate_models.py [--output benchmarks/results/gate_models.md] [--quick]

Times are of training: forward, backward and the optimiser's step, in batches as in the original.
Where a method is too slow for a whole epoch a part of it is measured and extrapolated; the table
names the number of images.  CPU time of the process on one thread, so that other work on the
machine, and threads that wait for each other, disturb less.  Accuracies are on MNIST's test images
of the digits in question, mean and standard deviation over random starts (and orders of the
images).  ``--quick`` only shows that everything runs.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pennylane as qml
import torch
import torch.nn.functional as F
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from torch import nn

from qdvae_helpers import gates
from qdvae_helpers.checkpoints import load_pretrained
from qdvae_helpers.data import ImageSet, load_images
from qdvae_helpers.judge import resize
from qdvae_helpers.losses import reconstruction_loss
from qdvae_helpers.models import Decoder, Encoder

Row = tuple[str, list[float], str]  # name, one accuracy a seed, remark


def only(images: ImageSet, digits: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Images and labels of some digits."""
    chosen = torch.isin(images.labels, torch.tensor(digits))
    return images.images[chosen], images.labels[chosen]


def logistic(x: torch.Tensor, y: torch.Tensor, x_test: torch.Tensor, y_test: torch.Tensor) -> float:
    """Accuracy of logistic regression."""
    return LogisticRegression(max_iter=2_000).fit(x, y).score(x_test, y_test)


# 17 qubits -------------------------------------------------------------------------------------


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


def seconds_of(work: Callable[[], object]) -> float:
    """CPU seconds."""
    began = time.process_time()
    work()
    return time.process_time() - began


def times_17_qubits(spins: torch.Tensor, signs: torch.Tensor, quick: bool) -> list[str]:
    """Seconds an epoch of the three ways."""
    n = len(spins)

    def closed(models: int) -> None:
        def loss(weights, rows):
            output = gates.readout_expectation(spins[rows], weights[:, :16], weights[:, 16:])
            return (1 - signs[rows] * output).clamp(min=0).mean(1)

        start = 2 * math.pi * torch.rand(models, 32)
        gates.fit_seeds(loss, start, n, epochs=1, batch_size=32)

    lines = []
    closed(1)
    for models in (1, 50):
        spent = seconds_of(lambda models=models: closed(models))
        lines.append(f"| closed form, {models} trained at once | {n:,} | {spent:.2f} |")
    for device, method, measured in (
        ("lightning.qubit", "adjoint", 32 if quick else 320),
        ("default.qubit", "backprop", 4 if quick else 64),
    ):
        circuit = tutorial_circuit(device, method)
        train_one_by_one(circuit, spins[:1], signs[:1])  # the first call is slower
        part = spins[:measured], signs[:measured]
        spent = seconds_of(lambda part=part, circuit=circuit: train_one_by_one(circuit, *part))
        lines.append(
            f"| {device}, {method} | {measured} (extrapolated) | {spent * n / measured:.0f} |"
        )
    return lines


def classifiers_3_and_6(train: ImageSet, test: ImageSet, quick: bool) -> tuple[list[Row], tuple]:
    """Lesson 09."""
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


# The quantum convolutional network -------------------------------------------------------------


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


def times_qcnn(images: torch.Tensor, quick: bool) -> list[str]:
    """Seconds for 1,000 images, forward and backward."""

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
    lines = []
    for name, way, batch, repeats in ways:
        circuit = way if callable(way) else pennylane_qcnn(way[0], way[1], ancillas=way[2])
        part = images[: 2 if quick else batch]
        step(circuit, part)

        def work(circuit=circuit, part=part, repeats=repeats):
            for _ in range(repeats):
                step(circuit, part)

        spent = seconds_of(work) / repeats / len(part)
        lines.append(f"| {name} | {len(part)} | {1_000 * spent:.2f} |")
    return lines


def classifiers_of_four_digits(
    train: ImageSet, test: ImageSet, quick: bool
) -> tuple[list[Row], torch.Tensor]:
    """Lesson 10, with all images."""
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


# Five qubits -----------------------------------------------------------------------------------


def ten_digits(train: ImageSet, test: ImageSet, quick: bool) -> list[Row]:
    """Lesson 11: what goes into the same head."""
    steps, seeds = (30, 2) if quick else (2_000, 3)
    torch.manual_seed(0)
    encoder, decoder = Encoder(64, (256, 128)), Decoder(64, (256, 128))
    optimizer = torch.optim.Adam(
        [*encoder.parameters(), *decoder.parameters()], lr=2e-3, fused=True
    )
    for _ in range(steps):
        batch = train.images[torch.randint(len(train.images), (128,))]
        loss = reconstruction_loss(decoder(encoder(batch)).unsqueeze(1), batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        features, test_features = encoder(train.images), encoder(test.images)
    pca = PCA(5, random_state=0).fit(features)
    codes = [torch.tensor(pca.transform(f)).float() for f in (features, test_features)]
    low, high = codes[0].min(0).values, codes[0].max(0).values
    unit = [((code - low) / (high - low)).clamp(0, 1) for code in codes]
    angles = [math.pi * u for u in unit]  # in [0, pi], where the sine folds
    unfolded = [math.pi * (u - 0.5) for u in unit]

    def probabilities(theta: torch.Tensor) -> torch.Tensor:
        """Products of (1 +- sin theta) / 2; the chain of CNOTs would only permute them."""
        p = torch.stack([(1 + theta.sin()) / 2, (1 - theta.sin()) / 2], -1)
        result = torch.ones(len(theta), 1)
        for k in range(5):
            result = (result.unsqueeze(2) * p[:, k].unsqueeze(1)).flatten(1)
        return result

    def shots(p: torch.Tensor, seed: int) -> torch.Tensor:
        p = p.double().numpy()
        counts = np.random.default_rng(seed).multinomial(1_024, p / p.sum(1, keepdims=True))
        return torch.tensor(counts / 1_024).float()

    exact = [probabilities(a) for a in angles]
    qdvae = load_pretrained("qdvae-256")
    torch.manual_seed(0)
    with torch.no_grad():
        spins = [qdvae.spins(qdvae.encode(s.images.round())).float() for s in (train, test)]
    inputs = {
        "64 features of an autoencoder": ([features, test_features], "published 0.98"),
        "5 angles (PCA of the features)": (angles, ""),
        "32 exact probabilities of the circuit": (exact, "published 0.75"),
        "32 frequencies, 1,024 shots": ([shots(p, s) for s, p in enumerate(exact)], ""),
        "32 exact probabilities, angles not folded": (
            [probabilities(a) for a in unfolded],
            "",
        ),
        "5 expectations <Z>, not folded": ([a.sin().cumprod(1) for a in unfolded], ""),
        "the same without CNOTs": ([a.sin() for a in unfolded], ""),
        "256 spins of qdvae-256": (spins, ""),
    }
    rows: list[Row] = []
    for name, ((x, x_test), remark) in inputs.items():
        found = [head(x, train.labels, x_test, test.labels, steps, s) for s in range(seeds)]
        rows.append((name, found, remark))
    return rows


def head(
    x: torch.Tensor,
    y: torch.Tensor,
    x_test: torch.Tensor,
    y_test: torch.Tensor,
    steps: int,
    seed: int,
) -> float:
    """Accuracy of a net with 64 hidden units."""
    torch.manual_seed(seed)
    mean, std = x.mean(0), x.std(0) + 1e-6
    net = nn.Sequential(nn.Linear(x.shape[1], 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3, fused=True)
    for _ in range(steps):
        rows = torch.randint(len(x), (128,))
        loss = F.cross_entropy(net((x[rows] - mean) / std), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return float((net((x_test - mean) / std).argmax(1) == y_test).float().mean())


# The tables ------------------------------------------------------------------------------------


def table(rows: list[Row]) -> list[str]:
    """Markdown lines: mean, standard deviation, number of seeds."""
    lines = ["| classifier | accuracy | sd | seeds | remark |", "|---|---|---|---|---|"]
    for name, found, remark in rows:
        spread = f"{np.std(found, ddof=1):.3f}" if len(found) > 1 else ""
        lines.append(f"| {name} | {np.mean(found):.3f} | {spread} | {len(found)} | {remark} |")
    return lines


def main() -> int:
    """Measure, print each table when it is ready, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    quick = options.quick
    train, test = load_images("mnist", "train"), load_images("mnist", "test")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    reported: list[str] = []

    def report(*lines: str) -> None:
        print("\n".join(lines), flush=True)
        reported.extend(lines)

    report(
        f"{train.source}; {test.source}; torch {torch.__version__}, PennyLane {qml.__version__}."
    )

    rows, (spins, signs) = classifiers_3_and_6(train, test, quick)
    n = len(only(test, (3, 6))[0])
    report("", f"## Digits 3 and 6 (lesson 09), {n:,} test images", "", *table(rows), "")
    report(f"Seconds (CPU) an epoch of {len(spins):,} images:", "")
    report("| method | images measured | seconds an epoch |", "|---|---|---|")
    report(*times_17_qubits(spins, signs, quick))

    rows, x = classifiers_of_four_digits(train, test, quick)
    n = len(only(test, (0, 1, 2, 3))[0])
    report("", f"## Digits 0 to 3 (lesson 10), {n:,} test images", "", *table(rows), "")
    report("Seconds (CPU) per 1,000 images, forward and backward:", "")
    report("| method | images in a batch | seconds |", "|---|---|---|", *times_qcnn(x, quick))

    rows = ten_digits(train, test, quick)
    title = f"## Ten digits through five numbers (lesson 11), {len(test.images):,} test images"
    report("", title, "", "All rows have the same classical head.", "", *table(rows))
    if options.output:  # at the end: a run that is stopped leaves the former results alone
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text("\n".join([*reported, ""]), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
