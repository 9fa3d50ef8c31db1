"""Circuits as learners build them, for the exercises of lessons 13 to 15, and the studio's."""

import math
import statistics

import pennylane as qml
import pytest
import torch


def agree(gates, wires=3):
    @qml.qnode(qml.device("default.qubit", wires=wires))
    def circuit(bits):
        for wire in (0, 1):
            if bits[wire]:
                qml.X(wire)
        gates()
        return qml.expval(qml.Z(2))

    return circuit


def by_phases():
    qml.X(2)
    qml.Hadamard(2)
    for wire in (0, 1):
        qml.IsingZZ(math.pi / 2, wires=[wire, 2])
    qml.Hadamard(2)


def chain():
    qml.CNOT([0, 1])
    qml.CNOT([1, 2])


def inverted():
    chain()
    qml.X(2)


def back(gates):
    @qml.qnode(qml.device("default.qubit", wires=2), interface="torch")
    def circuit(p):
        qml.RY(1.1, wires=0)
        qml.RY(0.7, wires=1)
        qml.CRZ(p[0], wires=[0, 1])
        qml.X(0)
        qml.CRX(p[1], wires=[0, 1])
        gates(p)
        qml.RY(-1.1, wires=0)
        qml.RY(-0.7, wires=1)
        return qml.probs(wires=[0, 1])

    return circuit


def undo(p, order=("x", "not", "z")):
    for what in order:
        if what == "x":
            qml.CRX(-p[1], wires=[0, 1])
        elif what == "z":
            qml.CRZ(-p[0], wires=[0, 1])
        elif what == "not":
            qml.X(0)


def beyond(gates, cnot=True):
    @qml.qnode(qml.device("default.qubit", wires=2))
    def circuit(angles):
        for wire in (0, 1):
            qml.RY(angles[wire], wires=wire)
            qml.Hadamard(wire)
        if cnot:
            qml.CNOT([0, 1])
        gates()
        return qml.probs(wires=[0, 1])

    return circuit


def hadamards():
    qml.Hadamard(0)
    qml.Hadamard(1)


def turned():
    qml.RY(0.5, wires=0)


def kept(model, images):
    logits = model.encode(images)
    spins = model.spins(logits)
    return torch.tanh(logits / 2), spins, model.decode(spins)


def drawn_twice(model, images):
    means, _, ink = kept(model, images)
    return means, model.spins(model.encode(images)), ink


def of_means(model, images):
    means, spins, _ = kept(model, images)
    return means, spins, model.decode(means)


def own_draw(model, images):
    means, _, _ = kept(model, images)
    spins = torch.where(torch.rand(means.shape) < (1 + means) / 2, 1.0, -1.0)
    return means, spins, model.decode(spins)


@qml.qnode(qml.device("default.qubit", wires=3))
def compares(bits):
    for wire in (0, 1):
        if bits[wire]:
            qml.X(wire)
    if bits[0] != bits[1]:
        qml.X(2)
    return qml.expval(qml.Z(2))


@qml.qnode(qml.device("default.qubit", wires=3))
def embedded(bits):
    qml.BasisEmbedding(bits, wires=[0, 1])  # asks for the type of what it is given
    chain()
    return qml.expval(qml.Z(2))


@qml.qnode(qml.device("default.qubit", wires=2), interface="torch")
def amplitudes_left(p):
    return qml.state()


ANSWERS = [
    ("pixels_agree", compares, "your gates look at `bits`"),
    ("comes_back", amplitudes_left, "four probabilities are asked for"),
    ("comes_back", lambda p: torch.ones(2) / 2, "Not yet: four probabilities are asked for"),
    ("comes_back", back(lambda p: undo(p, ("z", "not", "x"))), "in reverse order"),
    ("journey", own_draw, "or one of your own"),
    ("pixels_agree", agree(chain), "Correct."),
    ("pixels_agree", embedded, "Correct."),
    ("pixels_agree", agree(by_phases), "Correct."),
    ("pixels_agree", agree(inverted), "the other way round"),
    ("pixels_agree", agree(lambda: None), "whatever the pixels are"),
    ("pixels_agree", agree(lambda: qml.CNOT([0, 2])), "depends on pixel 0 alone"),
    ("pixels_agree", agree(lambda: qml.CNOT([1, 2])), "depends on pixel 1 alone"),
    ("pixels_agree", agree(lambda: qml.Toffoli([0, 1, 2])), "your circuit says"),
    ("pixels_agree", lambda bits: 1 if bits[0] == bits[1] else -1, "no measurement"),
    ("pixels_agree", lambda bits: [1.0], "one number"),
    ("comes_back", back(undo), "Correct."),
    ("comes_back", back(lambda p: None), "an X on the first qubit"),
    ("comes_back", back(lambda p: undo(p, ("not",))), "neither rotation"),
    ("comes_back", back(lambda p: undo(p, ("x", "not"))), "the CRZ is not undone"),
    ("comes_back", back(lambda p: undo(p, ("not", "z"))), "the CRX is not undone"),
    ("comes_back", back(lambda p: undo(-p)), "neither rotation is undone"),
    ("beyond_products", beyond(turned), "Correct."),
    ("beyond_products", beyond(lambda: qml.Hadamard(0)), "Correct."),
    ("beyond_products", beyond(hadamards), "as Hadamards on both qubits do"),
    ("beyond_products", beyond(lambda: None), "in another order"),
    ("beyond_products", beyond(lambda: qml.CNOT([1, 0])), "in another order"),
    ("beyond_products", beyond(turned, cnot=False), "plain products"),
    ("beyond_products", lambda angles: torch.full((4,), 0.25), "do not depend"),
    ("beyond_products", lambda angles: torch.ones(4), "four probabilities"),
    ("may_exchange", lambda a, b: (a["graph"], a["classes"]) == (b["graph"], b["classes"]), "Corr"),
    ("may_exchange", lambda a, b: a == b, "other seeds do not matter"),
    ("may_exchange", lambda a, b: a["graph"] == b["graph"], "the classes are others"),
    ("may_exchange", lambda a, b: a["classes"] == b["classes"], "the hash differs"),
    ("may_exchange", lambda a, b: a["graph"][:20] == b["graph"][:20], "the hash differs"),
    ("may_exchange", lambda a, b: 1, "True or False"),
    ("journey", kept, "Correct."),
    ("journey", drawn_twice, "draw once"),
    ("journey", of_means, "you decoded the mean spins"),
    ("journey", lambda m, x: list(kept(m, x)), "as a tuple"),
    ("journey", lambda m, x: (m.encode(x), *kept(m, x)[1:]), "the first are the logits"),
    ("journey", lambda m, x: (m.encode(x).sigmoid(), *kept(m, x)[1:]), "probabilities of +1"),
]


@pytest.mark.parametrize(("check", "answer", "said"), ANSWERS)
def test_an_answer_gets_its_verdict(verdict, check, answer, said):
    torch.manual_seed(0)
    assert said in verdict(check, answer)


def measures_that_differ(one, other, seeds, times=2, sign=abs, unknown=False, order=False):
    found = []
    for name in sorted(one) if order else one:
        spread = statistics.stdev(seeds[name]) if name in seeds else 0.0
        if (name in seeds or unknown) and sign(one[name] - other[name]) > times * spread:
            found.append(name)
    return found


@pytest.mark.parametrize(
    ("said", "changes"),
    [
        ("Correct.", {}),
        ("without seeds does not count", {"unknown": True}),
        ("take its absolute value", {"sign": lambda x: x}),
        ("*twice* the standard deviation", {"times": 1}),
        ("in the order of `one`", {"order": True}),
    ],
)
def test_what_counts(verdict, said, changes):
    assert said in verdict("what_counts", lambda *args: measures_that_differ(*args, **changes))
