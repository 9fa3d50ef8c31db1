"""Graphs of QPUs, their parts, colourings and files."""

import json
import os
from pathlib import Path

import dimod
import networkx as nx
import pytest

from qdvae_helpers.errors import GraphError, SettingError
from qdvae_helpers.graphs import (
    QPUGraph,
    chip_places,
    colouring,
    densest_subgraph,
    ideal_graph,
    load_graph,
    save_graph,
    solver_graph,
)


def test_the_ideal_graph_has_the_size_of_a_real_device_and_its_seed(qpu):
    assert len(qpu.nodes) == 4594
    assert abs(len(qpu.edges) - 41_813) < 100
    assert ideal_graph() == qpu
    assert ideal_graph(1).hash != qpu.hash
    assert "seed 1" in ideal_graph(1).source


def test_a_device_gives_its_graph_with_its_origin():
    class Device(dimod.StructureComposite):
        properties = {"topology": {"type": "pegasus", "shape": [16]}}  # noqa: RUF012

    device = Device(dimod.NullSampler(), [5, 3, 4], [(5, 3), (3, 4)])
    graph = solver_graph(device, name="Some_QPU", graph_id="01abc")
    assert graph == QPUGraph((3, 4, 5), ((3, 4), (3, 5)), "pegasus", (16,))
    assert graph.source.startswith("live graph of Some_QPU (graph id 01abc), captured 20")


def test_the_hash_depends_on_content_and_not_on_order():
    a = QPUGraph((1, 2, 3), ((1, 2), (2, 3)))
    b = QPUGraph((3, 1, 2), ((3, 2), (2, 1)), source="elsewhere")
    assert a.hash == b.hash
    assert a == b
    others = [
        QPUGraph((1, 2, 3), ((1, 2), (1, 3))),
        QPUGraph((1, 2, 3, 4), ((1, 2), (2, 3))),
        QPUGraph((1, 2, 3), ((1, 2), (2, 3)), "pegasus"),
        QPUGraph((1, 2, 3), ((1, 2), (2, 3)), shape=(13, 4)),
    ]
    assert len({graph.hash for graph in (a, *others)}) == 5


@pytest.mark.parametrize("n", [1, 12, 64])
def test_a_subgraph_is_connected_repeatable_and_of_the_right_size(qpu, n):
    part = densest_subgraph(qpu, n)
    assert len(part.nodes) == n
    assert nx.is_connected(part.to_networkx())
    assert densest_subgraph(qpu, n) == part
    inside = set(part.nodes)
    assert set(part.edges) == {e for e in qpu.edges if e[0] in inside and e[1] in inside}


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
    for bad in (1.5, True, "3", float("nan")):
        with pytest.raises(GraphError, match=r"n=.* must be a whole number"):
            densest_subgraph(qpu, bad)


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
    assert set(greedy) == set(odd_cycle)
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
    with pytest.raises(GraphError, match=r"graph\.json is damaged or no graph of this package"):
        load_graph(path)
    with pytest.raises(GraphError, match=r"There is no graph missing\.json"):
        load_graph(tmp_path / "missing.json")
    with pytest.raises(GraphError, match="no graph file of ours"):
        QPUGraph.from_json("{")


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


def test_a_graph_that_is_none_is_refused(graph12):
    for edge in ((1, 9), (1, 1)):
        with pytest.raises(GraphError, match=rf"Coupler \({edge[0]}, {edge[1]}\)"):
            QPUGraph((1, 2), (edge,))
    with pytest.raises(GraphError, match="listed twice"):
        QPUGraph((1, 1), ())
    with pytest.raises(GraphError, match=r"Not in the graph: qubits -1\."):
        graph12.subgraph([*graph12.nodes[:2], -1])


@pytest.mark.parametrize("qubit", [-1, 1.0, True, "1", None, 2**53, 10**5000], ids=lambda _: "")
def test_qubits_are_whole_numbers(qubit):
    for build in (lambda: QPUGraph((1, qubit), ()), lambda: QPUGraph((1, 2), ((1, qubit),))):
        with pytest.raises(GraphError, match="is no whole number from 0 on"):
            build()
    for qubits, couplers in (((1, 2), ((1, 2, 3),)), ((1, 2), None), (None, ())):
        with pytest.raises(GraphError, match="no pair of qubits"):
            QPUGraph(qubits, couplers)


def test_qubits_may_come_one_by_one_and_chance_is_no_seed():
    assert QPUGraph(iter((2, 1)), iter(((2, 1),))) == QPUGraph((1, 2), ((1, 2),))
    with pytest.raises(SettingError, match="seed=None"):
        ideal_graph(None)


@pytest.mark.parametrize(
    ("nodes", "edges", "shape"),
    [
        ((0, 10**9), ((0, 10**9),), (12, 4)),  # no place in such a chip
        ((0, 1, 2), ((0, 1), (1, 2), (0, 2)), (12, 4)),  # no couplers of it
        ((0, 1), ((0, 1),), ()),
        ((0, 1), ((0, 1),), (0, 0)),
    ],
)
def test_what_only_calls_itself_zephyr_is_coloured_all_the_same(nodes, edges, shape):
    colours = colouring(QPUGraph(nodes, edges, "zephyr", shape))
    assert set(colours) == set(nodes)
    assert all(colours[u] != colours[v] for u, v in edges)


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


CHIPS = [
    ("zephyr", (1_000_000, 4)), ("zephyr", (10**6, 10**6)), ("zephyr", (1, 1)), ("zephyr", (0, 0)),
    ("zephyr", ()), ("zephyr", (2, 2, 2)), ("pegasus", (1_000_000,)), ("pegasus", (1,)),
    ("chimera", (2, 2, 2, 2)), ("chimera", (1_000_000, 1_000_000, 4)), ("chimera", (3,)),
    ("heavy hex", (3,)),
]  # fmt: skip


@pytest.mark.parametrize(("topology", "shape"), CHIPS)
def test_a_graph_that_claims_another_chip_is_not_drawn_there(topology, shape):
    """Any file can say that its two qubits are of a chip with a million rows."""
    graph = QPUGraph((0, 30), ((0, 30),), topology, shape)
    with pytest.raises(GraphError, match=r"topology and the shape of your chip|have places here"):
        chip_places(graph)
    assert len(set(colouring(graph).values())) == 2


@pytest.mark.parametrize(
    "field",
    [
        {"shape": 5}, {"shape": None}, {"shape": "ab"}, {"shape": (1.5,)}, {"shape": (-1, 4)},
        {"shape": (True,)}, {"shape": (1,) * 5}, {"topology": 7}, {"topology": None},
        {"topology": "\x1b[2J"}, {"source": None}, {"source": "\ud800"}, {"source": "a" * 2_000},
    ],
)  # fmt: skip
def test_what_could_not_be_saved_is_no_graph(field):
    with pytest.raises(GraphError):
        QPUGraph((0, 1), ((0, 1),), **field)


@pytest.mark.parametrize("qubits", [3, None, [[0]], ["x", None], [0, 10**9]])
def test_parts_of_other_things_than_qubits_are_refused(qubits, qpu):
    with pytest.raises(GraphError):
        qpu.subgraph(qubits)
