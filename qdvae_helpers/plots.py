"""Figures of the lessons, shown with a caption on their provenance and with alternative text.

Colours are the colour-blind-safe palette of Okabe and Ito.
"""

import base64
import functools
import html
import io
import math
import textwrap
from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from PIL import Image

from qdvae_helpers.errors import GraphError
from qdvae_helpers.graphs import QPUGraph

BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
VERMILLION, PURPLE, GREY = "#D55E00", "#CC79A7", "#999999"
_SPINS = LinearSegmentedColormap.from_list("spins", [ORANGE, "white", BLUE])
_DPI = 100
_CAPTION_CHARACTERS_PER_INCH = 15


def show(fig: Figure, *, alt: str, caption: object) -> None:
    """Display a figure with a caption line inside it and alternative text around it, then close it.

    JupyterLab and the web pages take the HTML, which carries the alternative text; viewers that
    know no HTML take the PNG.

    Args:
        fig: a matplotlib figure with constrained layout.
        alt: what a person who cannot see the figure has to know.
        caption: data and sampler that made it, as text or as what prints so (a ``Source``).
    """
    lines = textwrap.fill(str(caption), int(fig.get_figwidth() * _CAPTION_CHARACTERS_PER_INCH))
    fig.supxlabel(lines, fontsize=8, color="#555555", x=0.01, ha="left")
    image = to_image(fig)
    plt.close(fig)
    if not any(ax.get_label() == "<colorbar>" for ax in fig.axes):
        # A palette is a third of the size and looks the same, unless a scale has to be read off.
        image = image.quantize(256)
    png = _png(image, optimize=True)
    content = {"text/html": _tag(png, alt), "image/png": base64.b64encode(png).decode()}
    display(content | {"text/plain": alt}, raw=True)


def picture(fig: Figure, *, alt: str) -> str:
    """A figure as an HTML tag with alternative text, made fast: what widgets show."""
    return image_tag(to_image(fig), alt=alt)


def image_tag(image: Image.Image, *, alt: str) -> str:
    """An image as an HTML tag with alternative text."""
    return _tag(_png(image, compress_level=1), alt)


def png_bytes(fig: Figure) -> bytes:
    """A figure as the content of a PNG file."""
    return _png(to_image(fig), compress_level=1)


def to_image(fig: Figure) -> Image.Image:
    """A figure as an image; ``savefig`` would draw it twice."""
    fig.dpi = _DPI
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def _png(image: Image.Image, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="png", **options)
    return buffer.getvalue()


def _tag(png: bytes, alt: str) -> str:
    data = base64.b64encode(png).decode()
    return f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{data}"/>'


def new_figure(
    rows: int = 1, columns: int = 1, *, gridspec_kw: dict | None = None, **options
) -> tuple[Figure, Axes | np.ndarray]:
    """A figure and its axes, as ``plt.subplots`` makes them, but safe to use in any thread.

    Pyplot keeps a list of open figures for the whole program; this figure is in no list.
    ``options`` are those of the figure, for example ``figsize``.
    """
    fig = Figure(**{"layout": "constrained"} | options)
    return fig, fig.subplots(rows, columns, gridspec_kw=gridspec_kw)


def circuit_figure(circuit: Callable, *arguments, title: str, width: float = 8.0) -> Figure:
    """A PennyLane circuit (a QNode or a function that queues gates) as gates on wires.

    It is scaled with its text to ``width`` inches, or less where it is short.
    """
    import pennylane as qml  # only the gate-model lessons need it

    fig, ax = qml.draw_mpl(circuit)(*arguments)
    wide, high = fig.get_size_inches()
    scale = min(0.65, width / wide)
    height = high * scale + 0.5
    fig.set_size_inches(max(wide * scale, 3.8), height)
    ax.set_position([0, 0.2 / height, 1, high * scale / height])
    fig.suptitle(title)
    for text in ax.texts:  # PennyLane fitted them to its own size
        text.set_fontsize(text.get_fontsize() * scale)
    for drawn in (*ax.lines, *ax.patches):
        drawn.set_linewidth(1)
    return fig


def image_grid(images: torch.Tensor, columns: int = 10, *, title: str, size: float = 0.6) -> Figure:
    """Images ``(N, 1, H, W)`` in [0, 1], 1 is ink, in rows of so many ``columns``.

    Ink is drawn dark on a light ground, ``size`` inches an image.
    """
    rows = math.ceil(len(images) / columns)
    height, width = images.shape[-2:]
    canvas = np.ones((rows * (height + 2), columns * (width + 2)))
    for k, image in enumerate(images.detach().cpu().numpy()[:, 0]):
        y, x = (k // columns) * (height + 2) + 1, (k % columns) * (width + 2) + 1
        canvas[y : y + height, x : x + width] = 1 - image
    fig, ax = new_figure(figsize=(columns * size, rows * size + 0.7))
    ax.imshow(canvas, cmap="gray", vmin=0, vmax=1)
    ax.set_title(title)
    ax.set_axis_off()
    return fig


def history_figure(history: list[dict]) -> Figure:
    """Training curves: reconstruction, entropy and dead spins, couplings and moment gap."""
    steps = [report["step"] for report in history]
    fig, axes = new_figure(1, 3, figsize=(10, 3.1))

    panels = (
        ("Reconstruction", {"reconstruction": "training images", "validation": "held-out images"}),
        ("Spins", {"entropy": "encoder entropy (nats)", "dead_spins": "dead spins (count)"}),
        ("Prior", {"coupling_rms": "size of couplings (rms)", "moment_gap": "moment gap"}),
    )
    styles = (("-", BLUE), ("--", VERMILLION))
    for ax, (title, labels) in zip(axes, panels, strict=True):
        for (key, label), (style, colour) in zip(labels.items(), styles, strict=True):
            if key in history[0]:
                values = [report[key] for report in history]
                ax.plot(steps, values, style, color=colour, label=label)
        ax.set(title=title, xlabel="gradient step")
        ax.legend(frameon=False, fontsize=8)
    axes[0].set_ylabel("nats per image")
    axes[1].set_ylim(0, None)
    axes[2].set_ylim(0, None)
    return fig


def qpu_figure(graph: QPUGraph, couplings: torch.Tensor | None = None, **options) -> Figure:
    """A figure of its own with what :func:`draw_qpu` draws."""
    fig, ax = new_figure(figsize=(6, 5.4))
    draw_qpu(ax, graph, couplings, **options)
    return fig


def draw_qpu(
    ax: Axes,
    graph: QPUGraph,
    couplings: torch.Tensor | None = None,
    *,
    title: str,
    spins: torch.Tensor | None = None,
) -> None:
    """The qubits and couplers of a Zephyr graph at their places on the chip.

    Args:
        ax: where to draw.
        graph: a Zephyr graph, whole or part.
        couplings: ``(number of edges,)`` values in the order of ``graph.edges``; lines are coloured
            by sign and shaded by size.
        title: of the axes.
        spins: ``(n,)`` spins or mean spins in [-1, 1], the filling of the qubits: orange for -1,
            white for 0, blue for +1.

    Raises:
        GraphError: the graph is of another family.
    """
    places = _places(graph)
    points = np.array([places[q] for q in graph.nodes])
    lines = [(places[u], places[v]) for u, v in graph.edges]
    if couplings is None:
        drawn = LineCollection(lines, colors=GREY, linewidths=0.4)
    else:
        values = couplings.detach().cpu().numpy()
        limit = float(np.abs(values).max()) or 1.0
        drawn = LineCollection(lines, array=values, cmap="PuOr", linewidths=0.9)
        drawn.set_clim(-limit, limit)
        ax.figure.colorbar(drawn, ax=ax, label="coupling J (dimensionless)", shrink=0.8)
    ax.add_collection(drawn)
    if spins is None:
        ax.scatter(*points.T, s=12, color="black", zorder=2)
    else:
        style = {"cmap": _SPINS, "vmin": -1, "vmax": 1, "edgecolors": "black", "linewidths": 0.6}
        size = 26 if len(points) > 60 else 130
        ax.scatter(*points.T, s=size, c=spins.detach().cpu().numpy(), zorder=2, **style)
    ax.set(title=title, aspect="equal", xticks=[], yticks=[])
    ax.autoscale_view()


@functools.lru_cache(maxsize=4)
def _places(graph: QPUGraph) -> dict[int, np.ndarray]:
    """Where each qubit lies on the chip."""
    import dwave.graphs as dg

    if graph.topology != "zephyr":
        raise GraphError(f"Only Zephyr graphs can be drawn here, this one is {graph.topology!r}.")
    return dg.zephyr_layout(dg.zephyr_graph(*graph.shape, node_list=graph.nodes))
