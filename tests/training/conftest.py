"""A small graph, and runs short enough for tests."""

import pytest
from small_models import new_model

from qdvae_helpers.graphs import QPUGraph, densest_subgraph
from qdvae_helpers.training import TrainConfig, TrainResult, fit


@pytest.fixture(scope="session")
def graph16(qpu) -> QPUGraph:
    return densest_subgraph(qpu, 16)


@pytest.fixture
def model(graph16):
    return new_model(graph16)


@pytest.fixture
def short():
    """Settings of a short run, with single values changed by name."""
    values = {"steps": 30, "batch_size": 50, "report_every": 10, "kl_warm_up": 5}
    return lambda **changes: TrainConfig(**(values | changes))


@pytest.fixture
def run(digits, short):
    """Trains on a few digits, quietly."""

    def run(model, config=None, **options) -> TrainResult:
        return fit(model, digits, config or short(), **{"progress": False} | options)

    return run
