"""What to do when the live graph lacks some of a model's qubits or couplers (see docs/qpu.md)."""

from dataclasses import dataclass

import minorminer.subgraph
import networkx as nx

from qdvae_helpers.graphs import QPUGraph


@dataclass(frozen=True)
class Drift:
    """Qubits and couplers of a saved graph that a live one lacks; false where there are none."""

    qubits: tuple[int, ...]
    couplers: tuple[tuple[int, int], ...]
    saved: str
    live: str

    def __bool__(self) -> bool:
        return bool(self.qubits or self.couplers)

    def __str__(self) -> str:
        return (
            f"Of the model's graph {self.saved} the QPU's present graph {self.live} lacks "
            f"{_listed('qubit', self.qubits)} and {_listed('coupler', self.couplers)}"
        )


def _listed(name: str, things: tuple) -> str:
    if not things:
        return f"no {name}"
    shown = ", ".join(map(str, things[:5])) + (", ..." if len(things) > 5 else "")
    return f"{len(things)} {name}{'s' if len(things) > 1 else ''} ({shown})"


def compare(saved: QPUGraph, live: QPUGraph) -> Drift:
    """Which parts of ``saved`` are gone; couplers only where both their qubits are still there."""
    qubits = set(saved.nodes) - set(live.nodes)
    couplers = {
        edge for edge in set(saved.edges) - set(live.edges) if not qubits.intersection(edge)
    }
    return Drift(tuple(sorted(qubits)), tuple(sorted(couplers)), saved.hash, live.hash)


def place(saved: QPUGraph, live: QPUGraph, search_s: int = 10) -> dict[int, int] | None:
    """A qubit of the live graph for each of the saved one, such that every coupler is there.

    The model's own qubits where they are all healthy, else an isomorphic part of the live graph
    that the Glasgow subgraph solver (in minorminer) finds within ``search_s`` seconds, else
    ``None``.  Further couplers between the chosen qubits are programmed to zero.
    """
    if not compare(saved, live):
        return {qubit: qubit for qubit in saved.nodes}
    pattern, target = saved.to_networkx(), live.to_networkx()
    found = minorminer.subgraph.find_subgraph(pattern, target, timeout=search_s)
    if len(found) < len(pattern):
        return None
    # The solver is trusted, and checked: a wrong placement would give samples of another model.
    ends = nx.relabel_nodes(pattern, found)
    if ends.number_of_nodes() < len(pattern) or any(not target.has_edge(*e) for e in ends.edges):
        return None
    return dict(found)
