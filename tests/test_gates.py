"""The closed form and the plain state vector against PennyLane, and the tutorial's counts."""

import hashlib
import math
import struct
from pathlib import Path

import nbformat
import numpy as np
import pennylane as qml
import pytest
import torch

from qdvae_helpers import gates, idx_files
from qdvae_helpers.data import load_images
from qdvae_helpers.errors import SettingError

ROOT = Path(__file__).resolve().parent.parent


def uniform(*shape: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, dtype=torch.float64, generator=generator)


@qml.qnode(qml.device("default.qubit", wires=17), interface="torch")
def tutorial_circuit(bits, xx, zz):
    for wire in range(16):
        if bits[wire]:
            qml.X(wire)
    qml.X(16)
    qml.Hadamard(16)
    for wire in range(16):
        qml.IsingXX(math.pi * xx[wire], wires=[wire, 16])
    for wire in range(16):
        qml.IsingZZ(math.pi * zz[wire], wires=[wire, 16])
    qml.Hadamard(16)
    return qml.expval(qml.Z(16))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_closed_form_is_the_17_qubit_circuit_with_its_gradients(seed):
    xx, zz = (2 * uniform(2, 16, seed=seed)).requires_grad_().unbind()
    bits = uniform(16, seed=10 + seed) > 0.6
    circuit = tutorial_circuit(bits.tolist(), xx, zz)
    closed = gates.readout_expectation(1 - 2 * bits.double().unsqueeze(0), xx, zz)[0]
    assert (circuit - closed).abs() < 1e-12
    for a, b in zip(
        torch.autograd.grad(circuit, (xx, zz)), torch.autograd.grad(closed, (xx, zz)), strict=True
    ):
        assert (a - b).abs().max() < 1e-12
        assert a.abs().max() > 1e-6


def test_the_closed_form_takes_several_models_and_ignores_the_sign_of_an_image():
    xx, zz = 2 * uniform(3, 16, seed=0), 2 * uniform(3, 16, seed=1)
    spins = torch.where(uniform(5, 16, seed=2) < 0.5, -1.0, 1.0).double()
    together = gates.readout_expectation(spins, xx, zz)
    assert together.shape == (3, 5)
    for k in range(3):
        torch.testing.assert_close(together[k], gates.readout_expectation(spins, xx[k], zz[k]))
    torch.testing.assert_close(together, gates.readout_expectation(-spins, xx, zz))


def test_sixteen_pixels_are_bilinear_resizing(digits):
    resized = torch.nn.functional.interpolate(digits.images, size=(4, 4), mode="bilinear")
    torch.testing.assert_close(gates.sixteen_pixels(digits.images), resized.flatten(1))
    with pytest.raises(SettingError, match="28"):
        gates.sixteen_pixels(torch.zeros(2, 1, 8, 8))


def test_contradictions_are_counted_and_removed():
    patterns = torch.tensor([[0.0, 1], [1, 1], [0, 1], [1, 0], [1, 1]])
    labels = torch.tensor([True, False, False, True, False])
    left, kept, counts = gates.remove_contradictions(patterns, labels)
    assert counts == {"unique": 3, "true": 1, "false": 1, "both": 1}
    assert dict(zip(map(tuple, left.tolist()), kept.tolist(), strict=True)) == {
        (1.0, 0.0): True,
        (1.0, 1.0): False,
    }


def test_the_tutorials_counts():
    train, test = load_images("mnist", "train"), load_images("mnist", "test")
    chosen = [(s.labels == 3) | (s.labels == 6) for s in (train, test)]
    assert [int(c.sum()) for c in chosen] == [12_049, 1_968]
    is_three = train.labels[chosen[0]] == 3
    grey, kept, counts = gates.remove_contradictions(
        gates.sixteen_pixels(train.images[chosen[0]]), is_three
    )
    assert counts == {"unique": 10_387, "true": 4_912, "false": 5_426, "both": 49}
    assert len(grey) == 10_338
    black, _, counts = gates.remove_contradictions((grey > 0.5).float(), kept)
    assert counts == {"unique": 193, "true": 80, "false": 69, "both": 44}
    assert len(black) == 149


def blocks(images, weights):
    """The network as PennyLane gates."""
    qml.AmplitudeEmbedding(images, wires=range(8), normalize=True)
    for kind, (a, b), first in gates.QCNN_BLOCKS:
        p = weights[first : first + gates.QCNN_ANGLES[kind]]
        if kind == "convolution":
            qml.U3(*p[0:3], wires=a)
            qml.U3(*p[3:6], wires=b)
            qml.CNOT([a, b])
            qml.RY(p[6], wires=a)
            qml.RZ(p[7], wires=b)
            qml.CNOT([b, a])
            qml.RY(p[8], wires=a)
            qml.CNOT([a, b])
            qml.U3(*p[9:12], wires=a)
            qml.U3(*p[12:15], wires=b)
        else:
            qml.CRZ(p[0], wires=[a, b])
            qml.X(a)
            qml.CRX(p[1], wires=[a, b])


@qml.qnode(qml.device("default.qubit", wires=8), interface="torch")
def eight_wires(images, weights):
    blocks(images, weights)
    return qml.probs(wires=gates.QCNN_KEPT)


@qml.qnode(qml.device("default.qubit", wires=12), interface="torch")
def twelve_wires(images, weights):
    """As in the post: each outcome of the two wires flips an ancilla of its own."""
    blocks(images, weights)
    for k in range(4):
        outcome = [k // 2, k % 2]
        qml.ctrl(qml.X(8 + k), control=gates.QCNN_KEPT, control_values=outcome)
    return [qml.expval(qml.Z(8 + k)) for k in range(4)]


@pytest.fixture
def sixteen_by_sixteen():
    return uniform(3, 256, seed=4)


@pytest.fixture
def weights():
    generator = torch.Generator().manual_seed(5)
    drawn = torch.randn(gates.QCNN_PARAMETERS, dtype=torch.float64, generator=generator)
    return drawn.requires_grad_()


def test_the_state_vector_is_pennylanes_with_gradients(sixteen_by_sixteen, weights):
    theirs = eight_wires(sixteen_by_sixteen, weights)
    ours = gates.qcnn_probabilities(sixteen_by_sixteen, weights)
    assert (theirs - ours).abs().max() < 1e-12
    mix = uniform(3, 4, seed=6)
    (a,) = torch.autograd.grad((theirs * mix).sum(), weights)
    (b,) = torch.autograd.grad((ours * mix).sum(), weights)
    assert (a - b).abs().max() < 1e-12
    unread = [i for i in range(gates.QCNN_PARAMETERS) if i not in gates.QCNN_READ]
    assert len(gates.QCNN_READ) == 192
    assert b[unread].abs().max() == 0
    assert b.abs().max() > 1e-3


def test_twelve_wires_say_what_eight_say(sixteen_by_sixteen, weights):
    ancillas = torch.stack(twelve_wires(sixteen_by_sixteen, weights), -1)
    probabilities = eight_wires(sixteen_by_sixteen, weights)
    assert (ancillas - (1 - 2 * probabilities)).abs().max() < 1e-12


def test_several_networks_at_once(sixteen_by_sixteen):
    stack = uniform(2, gates.QCNN_PARAMETERS, seed=7)
    together = gates.qcnn_probabilities(sixteen_by_sixteen, stack)
    assert together.shape == (2, 3, 4)
    torch.testing.assert_close(together.sum(-1), torch.ones(2, 3, dtype=torch.float64))
    for k in range(2):
        alone = gates.qcnn_probabilities(sixteen_by_sixteen, stack[k])
        torch.testing.assert_close(together[k], alone)


def test_seeds_train_side_by_side_as_each_would_alone():
    target = torch.tensor([1.0, -2.0, 0.5, 3.0])

    def loss(weights, rows):
        return (weights[:, :1] - target[rows]).square().mean(1)

    start = torch.tensor([[0.0], [5.0]])
    settings = {"epochs": 40, "batch_size": 3, "learning_rate": 0.1, "seed": 1}
    both = gates.fit_seeds(loss, start, 4, **settings)
    first = gates.fit_seeds(loss, start[:1], 4, **settings)
    assert (both - target.mean()).abs().max() < 0.4
    torch.testing.assert_close(both[:1], first)
    assert start.tolist() == [[0.0], [5.0]]


def test_lesson_10_reads_fashion_mnist_where_its_files_are(monkeypatch, tmp_path, capsys):
    """Its cells, on small files in the data set's own format; the real one is rarely at hand."""
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for prefix, count in (("train", 60), ("t10k", 30)):
        pixels, labels = np.full((count, 28, 28), 51, np.uint8), np.arange(count) % 10
        for name, values in (("images-idx3", pixels), ("labels-idx1", labels.astype(np.uint8))):
            header = struct.pack(f">i{values.ndim}i", 0x800 + values.ndim, *values.shape)
            content = header + values.tobytes()
            file = f"{prefix}-{name}-ubyte"
            (raw / file).write_bytes(content)
            checksum = hashlib.sha256(content).hexdigest()
            monkeypatch.setitem(idx_files.FASHION_MNIST_SHA256, file, checksum)
    monkeypatch.setenv("QDVAE_DATA", str(tmp_path))
    path = ROOT / "notebooks" / "14_quantum_convolution.ipynb"
    sources = [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    names = {"torch": torch, "sets": {}, "n_train": 20}
    wanted = ("def four_classes", "def fashion_sets", '["fashion"] = fashion_sets()')
    for part in ("import load_images", "import DataError", *wanted):
        exec(next(source for source in sources if part in source), names)
    assert "classes 0 to 3: 20 images for training" in capsys.readouterr().out
    x, y, x_test, y_test = names["sets"]["fashion"]
    assert (x.shape, x_test.shape) == ((20, 256), (12, 256))
    assert torch.allclose(x, torch.tensor(0.2))
    assert set(y.tolist()) == set(y_test.tolist()) == {0, 1, 2, 3}

    (raw / "t10k-labels-idx1-ubyte").unlink()
    names["sets"].clear()
    exec(next(source for source in sources if wanted[-1] in source), names)
    assert "this lesson runs on the digits alone" in capsys.readouterr().out
