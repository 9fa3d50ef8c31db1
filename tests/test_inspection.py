"""The inspection cell: the real inspector as far as it goes without its app, and the drawing."""

import importlib.util

import pytest
import requests_mock
from fake_leap import ENDPOINT, TOKEN, FakeLeap
from small_models import random_grbm

from qdvae_helpers.graphs import densest_subgraph
from qdvae_helpers.inspection import inspect_problem
from qdvae_helpers.samplers import make_sampler


@pytest.fixture
def sampler(monkeypatch, qpu):
    """On a device that lacks one of the model's qubits, so that it is placed on others."""
    live = densest_subgraph(qpu, 60)
    home = densest_subgraph(live, 8)
    monkeypatch.setenv("DWAVE_API_TOKEN", TOKEN)
    monkeypatch.setenv("DWAVE_API_ENDPOINT", ENDPOINT)
    monkeypatch.setenv("QDVAE_QPU_BUDGET_S", "1")
    with requests_mock.Mocker() as mock:
        FakeLeap(mock, live.subgraph(set(live.nodes) - {home.nodes[0]}))
        made = make_sampler(random_grbm(home, 1), "qpu", graph=home, num_samples=5, prefactor=0.15)
        yield made
        made.close()


def test_without_a_submission_the_problem_is_drawn_and_the_reason_said(grbm12, graph12):
    offline = make_sampler(grbm12, "gibbs", num_samples=2, graph=graph12)
    said, figure = inspect_problem(offline)
    assert said.startswith("Nothing was submitted to a QPU (the spins come from: Gibbs")
    assert figure.axes[0].get_title() == "Couplings of 12 spins on the chip"


def test_without_the_app_nothing_waits_for_ever(sampler, monkeypatch):
    real = importlib.util.find_spec

    def without_the_app(name, package=None):
        return None if name == "dwave._inspectorapp" else real(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", without_the_app)
    said, figure = inspect_problem(sampler)
    assert "'dwave install inspector'" in said
    lines = figure.axes[0].collections[0]
    edges = sampler.graph.edges
    assert len(lines.get_segments()) == len(edges)
    drawn = sorted(lines.get_array().tolist())
    assert drawn == pytest.approx(sorted((0.15 * sampler.grbm.quadratic).tolist()))


def test_with_the_app_the_inspector_gets_the_problem_that_was_submitted(sampler, monkeypatch):
    """Up to its web server, which needs the app, all of this is D-Wave's own code."""
    import dwave.inspector
    from dwave.inspector.adapters import from_objects

    shown = []

    def open_problem(problem, block):
        shown.append((from_objects(problem), block))
        return "http://127.0.0.1/"

    monkeypatch.setattr(dwave.inspector, "show", open_problem)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    said, figure = inspect_problem(sampler)
    assert "D-Wave's inspector shows problem problem-1" in said
    assert figure is None
    ((data, block),) = shown
    assert block == "never"
    assert len(data["answer"]["active_variables"]) == 8
    assert data["details"]["solver"].startswith("Advantage2_test")
