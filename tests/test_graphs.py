"""Working graphs, subgraphs, colourings and their files."""

import json
import os
from pathlib import Path

import networkx as nx
import pytest

from qdvae_helpers.errors import GraphError, SettingError
from qdvae_helpers.graphs import (
    QPUGraph,
    colouring,
    densest_subgraph,
    load_graph,
    save_graph,
    working_graph,
)


def test_the_offline_graph_has_the_size_of_a_real_device_and_its_seed(qpu):
    assert len(qpu.nodes) == 4594
    assert abs(len(qpu.edges) - 41_813) < 100
    assert working_graph("ideal") == qpu
    assert working_graph("ideal", seed=1).hash != qpu.hash


def test_the_hash_depends_on_content_and_not_on_order():
    a = QPUGraph((1, 2, 3), ((1, 2), (2, 3)))
    b = QPUGraph((3, 1, 2), ((3, 2), (2, 1)), source="elsewhere")
    assert a.hash == b.hash
    assert a.hash != QPUGraph((1, 2, 3), ((1, 2), (1, 3))).hash


@pytest.mark.parametrize("n", [1, 12, 64, 256])
def test_a_subgraph_is_connected_repeatable_and_of_the_right_size(qpu, n):
    part = densest_subgraph(qpu, n)
    assert len(part.nodes) == n
    assert nx.is_connected(part.to_networkx())
    assert densest_subgraph(qpu, n) == part
    whole = set(qpu.edges)
    inside = set(part.nodes)
    assert set(part.edges) == {e for e in whole if e[0] in inside and e[1] in inside}


def test_growth_is_denser_than_a_breadth_first_ball(qpu):
    part = densest_subgraph(qpu, 256)
    whole = qpu.to_networkx()
    ball = list(nx.bfs_tree(whole, part.nodes[128]))[:256]
    assert len(part.edges) > whole.subgraph(ball).number_of_edges()


def test_too_many_qubits_are_refused(qpu):
    with pytest.raises(GraphError, match="between 1 and 4594"):
        densest_subgraph(qpu, 5000)
    with pytest.raises(GraphError, match="n=0"):
        densest_subgraph(qpu, 0)


def test_the_largest_part_is_found_when_growth_starts_in_small_ones():
    path = [(i, i + 1) for i in range(100, 110)]
    islands = QPUGraph((*range(100), *range(100, 111)), tuple(path), "unnamed", ())
    assert set(densest_subgraph(islands, 11, starts=1).nodes) == set(range(100, 111))


def test_colours_never_meet_along_a_coupler(qpu):
    colours = colouring(qpu)
    assert set(colours.values()) == {0, 1, 2, 3}
    assert all(colours[u] != colours[v] for u, v in qpu.edges)
    odd_cycle = nx.cycle_graph(5)
    greedy = colouring(odd_cycle)
    assert all(greedy[u] != greedy[v] for u, v in odd_cycle.edges)


def test_a_graph_survives_its_file_and_an_altered_file_is_refused(graph12, tmp_path):
    path = tmp_path / "graph.json"
    save_graph(graph12, path)
    assert load_graph(path) == graph12
    assert load_graph(path).source == graph12.source

    content = json.loads(path.read_text())
    content["edges"] = content["edges"][1:]
    path.write_text(json.dumps(content))
    with pytest.raises(GraphError, match="not what was saved"):
        load_graph(path)
    path.write_text("{")
    with pytest.raises(GraphError, match="no graph file"):
        load_graph(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(GraphError, match=r"Cannot read the graph graph\.json \(it is no text\)"):
        load_graph(path)
    with pytest.raises(GraphError, match=r"Cannot read the graph missing\.json"):
        load_graph(tmp_path / "missing.json")


def test_a_failed_save_leaves_the_old_graph_and_nothing_else(graph12, tmp_path, monkeypatch):
    path = tmp_path / "deep" / "graph.json"
    save_graph(graph12, path)
    whole = Path.write_text

    def half(self, text, **options):
        whole(self, text[:100], **options)
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(OSError, match="disk full"):
        save_graph(graph12.subgraph(graph12.nodes[:3]), path)
    assert load_graph(path) == graph12
    assert [file.name for file in path.parent.iterdir()] == ["graph.json"]


def test_a_coupler_without_its_qubit_is_refused():
    with pytest.raises(GraphError, match=r"Coupler \(1, 9\)"):
        QPUGraph((1, 2), ((1, 9),))


def test_unknown_sources_and_a_missing_account_are_explained(monkeypatch):
    with pytest.raises(SettingError, match="'ideal' or 'live'"):
        working_graph("simulated")
    with pytest.raises(GraphError, match="DWAVE_API_TOKEN"):
        working_graph("live")


def test_a_token_asks_for_the_live_graph_and_survives_its_absence(monkeypatch, qpu, capsys):
    assert working_graph() == qpu  # no token: offline
    monkeypatch.setenv("DWAVE_API_TOKEN", "a-secret")
    live = QPUGraph((1, 2), ((1, 2),), source="live graph")
    monkeypatch.setattr("qdvae_helpers.graphs._live_graph", lambda: live)
    assert working_graph() == live

    def fail():
        raise GraphError("No live QPU could be reached.")

    monkeypatch.setattr("qdvae_helpers.graphs._live_graph", fail)
    assert working_graph() == qpu
    printed = capsys.readouterr().out
    assert "Continuing with the ideal graph" in printed
    assert "a-secret" not in printed


def test_a_real_working_graph_serves_as_well():
    path = Path(os.environ.get("QDVAE_DATA", "none")) / "qpu" / "advantage2_system1.5.json"
    if not path.is_file():
        pytest.skip("QDVAE_DATA has no properties of a real QPU")
    properties = json.loads(path.read_text())["properties"]
    shape = properties["topology"]["shape"]
    couplers = [tuple(edge) for edge in properties["couplers"]]
    real = QPUGraph(tuple(properties["qubits"]), tuple(couplers), "zephyr", tuple(shape))
    assert (len(real.nodes), len(real.edges)) == (4594, 41_813)
    part = densest_subgraph(real, 256)
    assert len(part.edges) > 1900
    colours = colouring(real)
    assert all(colours[u] != colours[v] for u, v in real.edges)
