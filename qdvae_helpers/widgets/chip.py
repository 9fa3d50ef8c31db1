"""A small part of a chip to point at: qubits and couplers are chosen by a click."""

from pathlib import Path

import anywidget
import torch
import traitlets

from qdvae_helpers.graphs import QPUGraph
from qdvae_helpers.widgets.stage.data import places_of


class Chip(anywidget.AnyWidget):
    """Qubits coloured by their spins, couplers by their couplings; a click chooses one of them.

    To choose changes nothing else.  Lists that choose the same by keyboard belong beside it.

    Args:
        graph: a small one; its couplers are chosen by their middles.

    Attributes:
        qubit, coupler: the chosen ones, by their places in ``graph.nodes`` and ``graph.edges``.
    """

    _esm = Path(__file__).with_name("chip.js")
    _css = Path(__file__).with_name("chip.css")
    names = traitlets.List().tag(sync=True)
    places = traitlets.List().tag(sync=True)
    edges = traitlets.List().tag(sync=True)
    spins = traitlets.List().tag(sync=True)
    biases = traitlets.List().tag(sync=True)
    couplings = traitlets.List().tag(sync=True)
    qubit = traitlets.Int(0).tag(sync=True)
    coupler = traitlets.Int(0).tag(sync=True)
    alt = traitlets.Unicode().tag(sync=True)

    def __init__(self, graph: QPUGraph) -> None:
        position = {qubit: i for i, qubit in enumerate(graph.nodes)}
        super().__init__(
            names=[str(qubit) for qubit in graph.nodes],
            places=places_of(graph).tolist(),
            edges=[[position[u], position[v]] for u, v in graph.edges],
            spins=[0.0] * len(graph.nodes),
            biases=[0.0] * len(graph.nodes),
            couplings=[0.0] * len(graph.edges),
        )
        self.add_class("qdvae-chip")

    def show(
        self, spins: torch.Tensor, biases: torch.Tensor, couplings: torch.Tensor, *, alt: str
    ) -> None:
        """Colour the chip.

        Args:
            spins: ``(n,)`` spins or mean spins in [-1, 1].
            biases: ``(n,)`` to read.
            couplings: ``(number of edges,)``: green where two spins are made to agree, purple
                where to differ.
            alt: what the picture shows, in words.
        """
        with self.hold_sync():
            self.spins, self.biases, self.couplings = (
                [round(value, 4) for value in values.tolist()]
                for values in (spins, biases, couplings)
            )
            self.alt = alt
