"""Fixtures shared by the tests.  Nothing here needs a network, an account or MNIST."""

import os

import pytest
import torch
from dwave.plugins.torch.models import GraphRestrictedBoltzmannMachine

from qdvae_helpers.budget import Tally
from qdvae_helpers.data import ImageSet
from qdvae_helpers.graphs import QPUGraph, densest_subgraph, working_graph


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
    monkeypatch.setattr("qdvae_helpers.budget._TALLY", Tally())
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def qpu() -> QPUGraph:
    return working_graph("ideal")


@pytest.fixture(scope="session")
def graph12(qpu) -> QPUGraph:
    return densest_subgraph(qpu, 12)


@pytest.fixture
def grbm12(graph12) -> GraphRestrictedBoltzmannMachine:
    return random_grbm(graph12, seed=3)


@pytest.fixture(scope="session")
def digits() -> ImageSet:
    """The first 300 digits that scikit-learn carries."""
    from qdvae_helpers.data import load_images

    return load_images("digits", limit=300)


@pytest.fixture
def real_mnist() -> str:
    """Skips, visibly, where the complete MNIST is not at hand."""
    from qdvae_helpers.data import MNIST_SHA256, data_dir

    folder = data_dir() / "MNIST" / "raw"
    if not all((folder / name).is_file() for name in MNIST_SHA256):
        pytest.skip("MNIST is not here: set QDVAE_DATA")
    return str(folder)


def random_grbm(graph: QPUGraph, seed: int, scale: float = 0.4) -> GraphRestrictedBoltzmannMachine:
    """A Boltzmann machine with Gaussian biases of both signs, strong enough to matter."""
    generator = torch.Generator().manual_seed(seed)
    grbm = GraphRestrictedBoltzmannMachine(graph.nodes, graph.edges)
    grbm.linear.data = scale * torch.randn(grbm.n_nodes, generator=generator)
    grbm.quadratic.data = scale * torch.randn(grbm.n_edges, generator=generator)
    return grbm
