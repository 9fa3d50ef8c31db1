"""QPU graphs (taught in ``04_grbm_on_a_qpu_subgraph``).

A QPU offers qubits (nodes) and couplers (edges).  The prior of our model lives on a connected part
of that graph, with one spin per qubit and one coupling per coupler, so nothing has to be embedded.
A graph is stored with a hash of its content: a solver's *name* does not identify its graph, which
changes whenever the device is recalibrated.
"""

import hashlib
import json
import random
import time
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path

import dimod
import dwave.graphs as dg
import networkx as nx

from qdvae_helpers import schema
from qdvae_helpers.arguments import require_count, require_kind, require_seed
from qdvae_helpers.errors import GraphError
from qdvae_helpers.formats import Kind, read_text, reading
from qdvae_helpers.outputs import replacing
from qdvae_helpers.schema import Odd, parse_json

_FORMAT = "qdvae-graph/1"
_KIND = Kind("graph", _FORMAT, "save it again with save_graph", GraphError)
# Of a file: far more than any QPU has, and few enough to be built in a second or two.
_MOST_QUBITS, _MOST_COUPLERS = 20_000, 200_000
_LARGEST = 2**53  # number of a qubit
_LARGEST_CHIP = 100_000  # qubits, for a drawing
#: Families whose qubits have places: of each a graph, these places, and how many qubits it numbers.
CHIPS = {
    "chimera": (dg.chimera_graph, dg.chimera_layout, lambda m, n, t=4: 2 * m * n * t),
    "pegasus": (dg.pegasus_graph, dg.pegasus_layout, lambda m: 24 * m * (m - 1)),
    "zephyr": (dg.zephyr_graph, dg.zephyr_layout, lambda m, t=4: 4 * t * m * (2 * m + 1)),
}


_is_content = schema.fields(  # what its lists hold is the constructor's to judge
    {
        "format": schema.one_of(_FORMAT),
        "hash": schema.digest,
        "source": schema.text(),
        "topology": schema.text(100),
        "shape": schema.listing(schema.whole(0, 10**6), most=4),
        "nodes": schema.listing(schema.anything, most=_MOST_QUBITS),
        "edges": schema.listing(schema.anything, most=_MOST_COUPLERS),
    }
)

# A real Advantage2 (4,800 qubits and 45,864 couplers if none were missing) had 4,594 working qubits
# and 41,813 couplers.  Removing 206 random qubits leaves about 41,985, so 170 couplers more go.
_MISSING_QUBITS = 206
_MISSING_COUPLERS = 170


@dataclass(frozen=True)
class QPUGraph:
    """A graph of qubits and couplers with what is known about its origin."""

    nodes: tuple[int, ...]  #: qubit numbers, sorted
    edges: tuple[tuple[int, int], ...]  #: couplers ``(u, v)`` with ``u < v``, sorted
    topology: str = "zephyr"  #: family of the graph
    shape: tuple[int, ...] = (12, 4)  #: sizes of the family, ``(m, t)`` for Zephyr
    source: str = field(default="", compare=False)  #: one line on where the graph comes from

    def __post_init__(self) -> None:
        # A canonical order, so that equal graphs have equal hashes however they were listed.
        try:
            nodes, pairs = tuple(self.nodes), [(u, v) for u, v in self.edges]
        except (TypeError, ValueError):
            raise GraphError(
                "These are no qubits, or a coupler is no pair of qubits: give numbers, and pairs "
                "(u, v) of them."
            ) from None
        for q in chain(nodes, *pairs):
            if type(q) is not int or not 0 <= q < _LARGEST:
                raise GraphError(
                    f"Qubit {schema.shown(q)} is no whole number from 0 on: give numbers."
                )
        edges = sorted({(min(u, v), max(u, v)) for u, v in pairs})
        object.__setattr__(self, "nodes", tuple(sorted(nodes)))
        object.__setattr__(self, "edges", tuple(edges))
        sizes = tuple(self.shape) if isinstance(self.shape, tuple | list) else (None,)
        fits = all(type(size) is int and 0 <= size <= 10**6 for size in sizes)
        if not fits or len(sizes) > 4:
            raise GraphError(f"shape={self.shape!r:.60} must be sizes, such as (12, 4).")
        try:
            schema.text(100)(self.topology, "topology")
            schema.text()(self.source, "source")
        except Odd as error:
            raise GraphError(f"{error}: tell of the graph in a line of words.") from None
        object.__setattr__(self, "shape", sizes)
        known = set(self.nodes)
        if len(known) != len(self.nodes):
            raise GraphError("A qubit is listed twice: list each one once.")
        for u, v in self.edges:
            if u == v or u not in known or v not in known:
                raise GraphError(
                    f"Coupler {(u, v)} does not join two different qubits of the graph: leave it "
                    "out or add the missing qubit."
                )

    @cached_property
    def hash(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of topology, qubits and couplers."""
        content = json.dumps([self.topology, self.shape, self.nodes, self.edges])
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def __str__(self) -> str:
        size = f"{len(self.nodes)} qubits, {len(self.edges):,} couplers"
        return f"{self.topology.capitalize()} graph with {size} (hash {self.hash})"

    def to_networkx(self) -> nx.Graph:
        """The same graph for networkx, its nodes in the order of :attr:`nodes`."""
        graph = nx.Graph()
        graph.add_nodes_from(self.nodes)
        graph.add_edges_from(self.edges)
        return graph

    def subgraph(self, nodes: Iterable[int]) -> "QPUGraph":
        """The part of the graph that the given qubits induce.

        Raises:
            GraphError: one of them is not in the graph.
        """
        try:
            keep = set(nodes)
        except TypeError:
            raise GraphError("These are no qubits: give numbers of some.") from None
        if missing := keep - set(self.nodes):
            named = ", ".join(sorted(map(schema.shown, missing))[:5])
            raise GraphError(f"Not in the graph: qubits {named}. Choose others.")
        edges = [(u, v) for u, v in self.edges if u in keep and v in keep]
        return QPUGraph(tuple(keep), tuple(edges), self.topology, self.shape, self.source)

    def to_json(self) -> str:
        """All of the graph as text; :meth:`from_json` reads it back."""
        return json.dumps(self.to_dict())

    def to_dict(self) -> dict:
        """The same as plain values, for JSON; :meth:`from_dict` reads them back."""
        content = {"format": _FORMAT, "hash": self.hash, "source": self.source}
        content |= {"topology": self.topology, "shape": list(self.shape)}
        return content | {"nodes": list(self.nodes), "edges": [list(edge) for edge in self.edges]}

    @classmethod
    def from_json(cls, text: str) -> "QPUGraph":
        """Read what :meth:`to_json` wrote.

        Raises:
            GraphError: the text is something else, or was altered since (its hash disagrees).
        """
        try:
            return cls.from_dict(parse_json(text))
        except Odd as error:
            raise GraphError(f"This is no graph file of ours ({error}): save it again.") from error

    @classmethod
    def from_dict(cls, content: dict) -> "QPUGraph":
        """Read what :meth:`to_dict` gave, from anywhere.

        Raises:
            Odd: a field is missing, superfluous, or of another kind.
            GraphError: it is no graph, or was altered.
        """
        _is_content(content, "graph")
        others = [content[key] for key in ("topology", "shape", "source")]
        graph = cls(tuple(content["nodes"]), tuple(content["edges"]), *others)
        stored = content["hash"]
        if stored != graph.hash:
            raise GraphError(
                f"The graph's content (hash {graph.hash}) is not what was saved (hash {stored}): "
                "fetch the original file again."
            )
        return graph


def ideal_graph(seed: int = 0) -> QPUGraph:
    """A Zephyr Z12 graph with as many, seeded, defects as a real Advantage2 had; offline."""
    graph = dg.zephyr_graph(12, 4)
    defects = random.Random(require_seed(seed))  # which would take None for chance
    graph.remove_nodes_from(defects.sample(sorted(graph), _MISSING_QUBITS))
    edges = sorted(tuple(sorted(edge)) for edge in graph.edges)
    gone = set(defects.sample(range(len(edges)), _MISSING_COUPLERS))
    edges = [edge for i, edge in enumerate(edges) if i not in gone]
    source = f"ideal Zephyr Z12 with seeded defects (seed {seed})"
    return QPUGraph(tuple(graph), tuple(edges), source=source)


def solver_graph(device: dimod.Structured, *, name: str, graph_id: str | None) -> QPUGraph:
    """The graph of a connected device with the property ``topology``; ``name`` is the solver's.

    ``graph_id`` is the service's own name for the present working graph, where it gives one.
    """
    kind, shape = (device.properties["topology"][key] for key in ("type", "shape"))
    date = time.strftime("%Y-%m-%d", time.gmtime())
    source = f"live graph of {name} (graph id {graph_id}), captured {date}"
    return QPUGraph(tuple(device.nodelist), tuple(device.edgelist), kind, tuple(shape), source)


def densest_subgraph(graph: QPUGraph, n: int, *, starts: int = 32) -> QPUGraph:
    """A connected part of ``n`` qubits with many couplers, the same one every time.

    Greedy growth: from a first qubit, add again and again the neighbour with the most couplers into
    what is there already (ties: more couplers in the whole graph, then the lower number).  The best
    result from ``starts`` first qubits, spread evenly over the graph, is taken.  Finding the truly
    densest part is NP-hard.

    Raises:
        GraphError: ``n`` is below 1, or no connected part is that large.
    """
    require_kind("graph", graph, QPUGraph, GraphError)
    n = require_count("n", n, 0, error=GraphError)
    starts = require_count("starts", starts, error=GraphError)
    whole = graph.to_networkx()
    largest = max(nx.connected_components(whole), key=len, default=())
    if not 1 <= n <= len(largest):
        raise GraphError(
            f"n={n} qubits were asked for, but the largest connected part of this graph has "
            f"{len(largest)}: choose n between 1 and {len(largest)}."
        )
    best, best_edges = set(), -1
    for first in graph.nodes[:: max(1, len(graph.nodes) // starts)]:
        chosen = _grow(whole, n, first)
        edges = whole.subgraph(chosen).number_of_edges()
        if len(chosen) == n and edges > best_edges:
            best, best_edges = chosen, edges
    if not best:  # every start fell into a part that is too small
        best = _grow(whole, n, min(largest))
    return graph.subgraph(best)


def _grow(whole: nx.Graph, n: int, first: int) -> set[int]:
    inside = {first}
    couplers_into = dict.fromkeys(whole[first], 1)
    while len(inside) < n and couplers_into:
        best = max(couplers_into, key=lambda q: (couplers_into[q], whole.degree(q), -q))
        del couplers_into[best]
        inside.add(best)
        for neighbour in whole[best]:
            if neighbour not in inside:
                couplers_into[neighbour] = couplers_into.get(neighbour, 0) + 1
    return inside


def colouring(graph: QPUGraph | nx.Graph) -> dict[Hashable, int]:
    """A colour for every node such that no edge joins two nodes of one colour.

    Spins of one colour do not interact, so a Gibbs sampler may update them all at once.  Zephyr
    graphs need four colours, and their coordinates give them; other graphs are coloured greedily.
    """
    if isinstance(graph, nx.Graph):
        return nx.greedy_color(graph, strategy="DSATUR")
    if _in_zephyr(graph):
        place = dg.zephyr_coordinates(*graph.shape).linear_to_zephyr
        colours = {qubit: dg.zephyr_four_color(place(qubit)) for qubit in graph.nodes}
        if all(colours[u] != colours[v] for u, v in graph.edges):  # any graph can call itself so
            return colours
    return colouring(graph.to_networkx())


def _in_zephyr(graph: QPUGraph) -> bool:
    """Whether it calls itself a Zephyr graph and all its qubits have a place in one."""
    if graph.topology != "zephyr" or len(graph.shape) != 2:
        return False
    *_, size = CHIPS["zephyr"]
    return max(graph.nodes, default=0) < size(*graph.shape)


def chip_places(graph: QPUGraph) -> dict[int, tuple[float, float]]:
    """Where each qubit lies in the drawings of its family: Chimera, Pegasus or Zephyr.

    Raises:
        GraphError: another family, or qubits that a chip of this shape has not.
    """
    if graph.topology not in CHIPS:
        raise GraphError(
            f"Only {', '.join(CHIPS)} graphs have places here, this one is {graph.topology!r:.40}."
        )
    chip, layout, size = CHIPS[graph.topology]
    try:
        # Asked first: any graph can say that its chip has a million rows.
        if not max(graph.nodes, default=0) < size(*graph.shape) <= _LARGEST_CHIP:
            raise ValueError("a qubit beyond the chip, or a chip too large to draw")
        return layout(chip(*graph.shape, node_list=graph.nodes))
    except (TypeError, ValueError, KeyError, ArithmeticError) as error:
        raise GraphError(
            f"A {graph.topology} chip of shape {graph.shape} has not all these qubits, or is too "
            "large to draw: give the topology and the shape of your chip."
        ) from error


def save_graph(graph: QPUGraph, path: str | Path) -> None:
    """Write the graph as JSON; atomic: an old file is kept or replaced."""
    require_kind("graph", graph, QPUGraph, GraphError)
    with replacing(path) as written:
        written.write_text(graph.to_json() + "\n", encoding="utf-8")


def load_graph(path: str | Path) -> QPUGraph:
    """Read a graph that :func:`save_graph` wrote.

    Raises:
        GraphError: no such file, or its content is not what was saved.
    """
    with reading(path, _KIND):
        return QPUGraph.from_dict(parse_json(read_text(path)))
