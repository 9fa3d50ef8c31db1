"""Qubits, couplers, spins and couplings at their places on the chip."""

import functools

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from qdvae_helpers.arguments import require_kind, require_number, require_plain
from qdvae_helpers.errors import GraphError, SettingError
from qdvae_helpers.graphs import QPUGraph, chip_places
from qdvae_helpers.plots.style import (
    AGREE,
    COUPLINGS,
    DIFFER,
    GREY,
    INK,
    SPIN_DOWN,
    SPIN_UP,
    SPINS,
    new_figure,
)

_MANY = 60  # qubits, from which on dots are small
_WHOLE = 4.5  # inches of a figure of its own; in a narrower panel all is finer


def qpu_figure(graph: QPUGraph, couplings: torch.Tensor | None = None, **options) -> Figure:
    """A figure of its own with what :func:`draw_qpu` draws."""
    fig, ax = new_figure(figsize=(6.4, 5.4))
    draw_qpu(ax, graph, couplings, **options)
    return fig


def draw_qpu(
    ax: Axes,
    graph: QPUGraph,
    couplings: torch.Tensor | None = None,
    *,
    title: str,
    spins: torch.Tensor | None = None,
    limit: float | None = None,
    scale: bool = True,
) -> None:
    """The qubits and couplers of a Zephyr graph at their places on the chip.

    Args:
        ax: where to draw.
        graph: a Zephyr graph, whole or part.
        couplings: ``(number of edges,)`` values in the order of ``graph.edges``: green where two
            spins are made to agree, purple where to differ, and faint where the coupling is weak.
        title: of the axes.
        spins: ``(n,)`` spins or mean spins in [-1, 1], the filling of the qubits: orange for -1,
            grey for 0, blue for +1.  Without them the qubits are small grey dots.
        limit: couplings of this size have the full colour; default: the largest.
        scale: put a scale of the couplings beside the axes.

    Raises:
        GraphError: the graph is of another family, or no part of such a chip.
        SettingError: not one finite number for each coupler, or qubit.
    """
    fine = min(1.0, ax.get_position().width * ax.figure.get_figwidth() / _WHOLE)
    require_kind("graph", graph, QPUGraph)
    wanted = (("couplings", couplings, len(graph.edges)), ("spins", spins, len(graph.nodes)))
    for name, values, n in wanted:
        if values is not None and require_plain(name, values).shape != (n,):
            raise SettingError(f"{name} of shape {tuple(values.shape)}: give ({n},), one each.")
        if values is not None and not values.isfinite().all():
            raise SettingError(f"{name}: a value is no finite number, which has no colour.")
    if limit is not None:
        limit = require_number("limit", limit, above=0)
    places = _places(graph)
    points = np.array([places[q] for q in graph.nodes])
    lines = np.array([(places[u], places[v]) for u, v in graph.edges])
    if couplings is None:
        faint = 0.35 if len(points) > _MANY else 0.7
        drawn = LineCollection(lines, colors=GREY, linewidths=0.5 * fine, alpha=faint)
    else:
        values = couplings.detach().cpu().numpy()
        order = np.abs(values).argsort()  # strong ones above weak ones
        limit = limit or float(np.abs(values).max(initial=0)) or 1.0
        widths = fine * (0.5 + 1.2 * np.minimum(np.abs(values[order]) / limit, 1))
        drawn = LineCollection(lines[order], array=values[order], cmap=COUPLINGS, linewidths=widths)
        drawn.set_clim(-limit, limit)
        if scale:
            ax.figure.colorbar(drawn, ax=ax, label="coupling J (dimensionless)", shrink=0.7)
    ax.add_collection(drawn)
    few = len(points) <= _MANY
    if spins is None:
        ax.scatter(*points.T, s=fine**2 * (22 if few else 9), color=INK, zorder=2)
    else:
        style = {"cmap": SPINS, "vmin": -1, "vmax": 1, "edgecolors": INK, "linewidths": 0.5 * fine}
        style |= {"s": fine**2 * (130 if few else 55), "zorder": 2}
        ax.scatter(*points.T, c=spins.detach().cpu().numpy(), **style)
    ax.set(title=title, aspect="equal", xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    ax.autoscale_view()


def palette_legend(fig: Figure) -> None:
    """What the colours of spins and couplings mean, in a line below the figure."""
    dots = {"linestyle": "none", "marker": "o", "markersize": 8, "markeredgecolor": INK}
    spins = [Line2D([], [], color=c, **dots) for c in (SPIN_UP, SPIN_DOWN)]
    couplings = [Line2D([], [], color=colour, linewidth=2.5) for colour in (AGREE, DIFFER)]
    names = ["spin +1", "spin −1", "likes to be equal", "likes to differ"]
    fig.legend([*spins, *couplings], names, loc="outside lower center", ncols=4)


@functools.lru_cache(maxsize=4)
def _places(graph: QPUGraph) -> dict[int, np.ndarray]:
    """Where each qubit lies on the chip."""
    if graph.topology != "zephyr":
        raise GraphError(f"Only Zephyr graphs can be drawn here, this one is {graph.topology!r}.")
    if not graph.nodes:
        raise GraphError("This graph has no qubits to draw: give one with some.")
    return chip_places(graph)
