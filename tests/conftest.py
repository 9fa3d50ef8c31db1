"""Fixtures shared by the tests.  Nothing here needs a network or an account."""

import os
import shutil
import signal
import subprocess

import pytest
import requests_mock
import torch
from dwave.plugins.torch.models import GraphRestrictedBoltzmannMachine
from fake_leap import ENDPOINT, PATIENCE, TOKEN, FakeLeap
from small_models import random_grbm

from qdvae_helpers.data import ImageSet, load_images
from qdvae_helpers.graphs import QPUGraph, densest_subgraph, ideal_graph
from qdvae_helpers.qpu.budget import Tally
from qdvae_helpers.samplers import make_sampler

# A job in the background, or under nohup, ignores signals, and programs that it starts do, too.
for number in {signal.SIGINT, getattr(signal, "SIGHUP", signal.SIGINT)}:
    if signal.getsignal(number) == signal.SIG_IGN:
        usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, usual)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path):
    """No test sees the caller's choices, tokens or saved models."""
    for name in list(os.environ):
        if name.startswith("DWAVE_"):
            monkeypatch.delenv(name)
    for name in ("PROFILE", "SAMPLER", "QPU_BUDGET_S", "RECORDINGS"):
        monkeypatch.delenv(f"QDVAE_{name}", raising=False)
    monkeypatch.setenv("QDVAE_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("QDVAE_DOWNLOAD", "0")
    monkeypatch.setenv("DWAVE_CONFIG_FILE", "")  # "": look for no file
    monkeypatch.setenv("DWAVE_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("qdvae_helpers.qpu.budget._TALLY", Tally())
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def qpu() -> QPUGraph:
    return ideal_graph()


@pytest.fixture(scope="session")
def graph12(qpu) -> QPUGraph:
    return densest_subgraph(qpu, 12)


@pytest.fixture
def grbm12(graph12) -> GraphRestrictedBoltzmannMachine:
    return random_grbm(graph12, seed=3)


@pytest.fixture(scope="session")
def digits() -> ImageSet:
    """The first 300 training digits of MNIST, grey."""
    return load_images("mnist", limit=300)


# A QPU, with everything below HTTP replaced ----------------------------------------------------


@pytest.fixture(scope="session")
def live(qpu) -> QPUGraph:
    """The working graph of the only QPU that there is."""
    return densest_subgraph(qpu, 40)


@pytest.fixture(scope="session")
def home(live) -> QPUGraph:
    """A model's graph, all of it healthy."""
    return densest_subgraph(live, 12)


@pytest.fixture
def home_grbm(home) -> GraphRestrictedBoltzmannMachine:
    return random_grbm(home, seed=3)


@pytest.fixture
def account(monkeypatch) -> None:
    """A token and a budget in the environment."""
    monkeypatch.setenv("DWAVE_API_TOKEN", TOKEN)
    monkeypatch.setenv("DWAVE_API_ENDPOINT", ENDPOINT)
    monkeypatch.setenv("QDVAE_QPU_BUDGET_S", "100")


@pytest.fixture
def leap(account, live):
    """The service; it remembers what it truly drew and what it would charge."""
    with requests_mock.Mocker() as mock:
        yield FakeLeap(mock, live)


@pytest.fixture
def make_live(leap, home_grbm, home):
    """Builds QPU samplers of the model, and closes their connections."""
    made = []

    def build(model=home_grbm, graph=home, **options):
        options = {"prefactor": 0.15, "num_samples": 20} | PATIENCE | options
        made.append(make_sampler(model, "qpu", graph=graph, **options))
        return made[-1]

    yield build
    for sampler in made:
        sampler.close()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 24 megabytes of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
