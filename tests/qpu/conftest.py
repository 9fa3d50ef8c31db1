"""A problem on the qubits of the only QPU, and the ways to send it."""

import dimod
import pytest
import torch
from fake_leap import PATIENCE

from qdvae_helpers.qpu.device import QPU
from qdvae_helpers.qpu.leap import close, connect
from qdvae_helpers.qpu.submission import Submitter

RAW = {"answer_mode": "raw", "auto_scale": False}


@pytest.fixture
def bqm(home_grbm) -> dimod.BinaryQuadraticModel:
    return dimod.BinaryQuadraticModel.from_ising(*home_grbm.to_ising(0.15))


@pytest.fixture
def connection(leap, monkeypatch):
    """Makes the one connection of a test, when it is first asked for."""
    monkeypatch.setattr("qdvae_helpers.qpu.leap._CLOSING_S", 0.1)
    made = []

    def connected():
        if not made:
            made.append(connect("zephyr"))
        return made[0]

    yield connected
    for one in made:
        close(one)


@pytest.fixture
def submitter(connection):
    """Builds submitters on the connection."""
    return lambda **patience: Submitter(connection(), **PATIENCE | patience)


@pytest.fixture
def device(connection, home):
    """Builds devices with every node on its own qubit."""

    def build(**options):
        return QPU(connection(), {node: node for node in home.nodes}, **PATIENCE | options)

    return build


@pytest.fixture
def spins(home):
    """The samples of a set, ``(reads, n)``, in the order of the model's nodes."""

    def read(answer: dimod.SampleSet) -> torch.Tensor:
        columns = [answer.variables.index(node) for node in home.nodes]
        return torch.tensor(answer.record.sample[:, columns]).float()

    return read


@pytest.fixture
def send(bqm):
    """Sends the problem, 20 reads unless said otherwise."""
    return lambda to, num_reads=20, problem=bqm: to.sample(problem, num_reads=num_reads, **RAW)
