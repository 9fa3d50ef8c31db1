"""A model on a working graph that has drifted."""

import json
import os
from pathlib import Path

import pytest
from fake_leap import without

from qdvae_helpers.checkpoints import load_pretrained
from qdvae_helpers.graphs import QPUGraph, densest_subgraph
from qdvae_helpers.qpu.placement import compare, place


def test_what_is_gone_is_named(home, live):
    assert not compare(home, live)
    qubit, coupler = home.nodes[0], next(e for e in home.edges if home.nodes[0] not in e)
    drift = compare(home, without(live, [qubit], [coupler]))
    assert drift
    assert drift.qubits == (qubit,)
    assert drift.couplers == (coupler,)
    assert f"lacks 1 qubit ({qubit}) and 1 coupler ({coupler})" in str(drift)


def test_a_healthy_model_stays_where_it_is(home, live):
    assert place(home, live) == {qubit: qubit for qubit in home.nodes}


def assert_placed(placed, model: QPUGraph, whole: QPUGraph) -> None:
    """On qubits that are all different, with every coupler there."""
    assert placed is not None
    target = whole.to_networkx()
    assert set(placed) == set(model.nodes)
    assert len(set(placed.values())) == len(model.nodes)
    assert all(target.has_edge(placed[u], placed[v]) for u, v in model.edges)


def test_a_model_moves_where_its_pattern_is_whole(live):
    home = densest_subgraph(live, 8)
    drifted = without(live, home.nodes[:1])
    placed = place(home, drifted)
    assert_placed(placed, home, drifted)
    assert home.nodes[0] not in placed.values()


def test_where_there_is_no_place_none_is_made_up(live):
    large = densest_subgraph(live, 38)
    assert place(large, without(live, large.nodes[:3])) is None  # fewer qubits than it has
    assert place(large, without(live, large.nodes[:1])) is None
    fewer = without(live, (), live.edges[:: len(live.edges) // 40])
    assert place(live, fewer) is None  # all qubits, too few couplers


@pytest.fixture(scope="module")
def real_graph() -> QPUGraph:
    """The working graph of a real Advantage2."""
    path = Path(os.environ.get("QDVAE_DATA", "none")) / "qpu" / "advantage2_system1.5.json"
    if not path.is_file():
        pytest.skip("QDVAE_DATA has no properties of a real QPU")
    content = json.loads(path.read_text())["properties"]
    edges = tuple((u, v) for u, v in content["couplers"])
    return QPUGraph(tuple(content["qubits"]), edges, source="real")


def test_what_fits_on_a_real_graph_that_it_was_not_made_for(real_graph, qpu):
    small = densest_subgraph(qpu, 48)
    assert compare(small, real_graph)  # defects differ
    assert_placed(place(small, real_graph), small, real_graph)
    assert place(load_pretrained().graph, real_graph) is None  # docs/qpu.md says so
