"""Curves of a training run, one dot per training, and circuits of gates."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from qdvae_helpers.errors import SettingError
from qdvae_helpers.plots.style import BLUE, GREY, INK, PAPER, PRINT, VERMILLION, new_figure

_IDLE = 0.4  # of a wire's distance, which PennyLane leaves free above and below


def history_figure(history: list[dict]) -> Figure:
    """Training curves: reconstruction, entropy and dead spins, couplings and moment gap."""
    if not history:
        raise SettingError("There are no reports to draw yet: train first.")
    steps = [report["step"] for report in history]
    fig, axes = new_figure(1, 3, figsize=(9, 3.3), layout=None)  # a run draws many: no search
    fig.subplots_adjust(left=0.08, right=0.97, bottom=0.36, top=0.9, wspace=0.28)
    panels = (
        ("Reconstruction", {"reconstruction": "training images", "validation": "held-out images"}),
        ("Spins", {"entropy": "encoder entropy (nats)", "dead_spins": "dead spins (count)"}),
        ("Prior", {"coupling_rms": "size of couplings (rms)", "moment_gap": "moment gap"}),
    )
    styles = (("-", BLUE), ("--", VERMILLION))
    for ax, (title, labels) in zip(axes, panels, strict=True):
        for (key, label), (style, colour) in zip(labels.items(), styles, strict=True):
            if all(key in report for report in history):
                values = [report[key] for report in history]
                ax.plot(steps, values, style, color=colour, label=label)
        ax.set(title=title, xlabel="gradient step")
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.33), borderaxespad=0)
    axes[0].set_ylabel("nats per image")
    axes[1].set_ylim(0, None)
    axes[2].set_ylim(0, None)
    return fig


def dot_rows(
    values: Mapping[str, Iterable[float]],
    *,
    title: str,
    xlabel: str,
    colours: Mapping[str, str] | None = None,
    colour: str = BLUE,
) -> tuple[Figure, Axes]:
    """One row a name, from top to bottom, and in it one dot a value: every seed is seen.

    Args:
        values: for each name its numbers.
        title, xlabel: of the axes.
        colours: of names that do not have the usual ``colour``.

    Returns:
        Figure and axes, to which lines and a legend can be added; row ``k`` lies at height
        ``len(values) - 1 - k``.
    """
    fig, ax = new_figure(figsize=(7.6, 1.5 + 0.33 * len(values)))
    for k, (name, found) in enumerate(values.items()):
        numbers = np.asarray([float(number) for number in found])
        height = len(values) - 1 - k
        ax.axhline(height, color=GREY, linewidth=0.5, alpha=0.35, zorder=0)
        own = (colours or {}).get(name, colour)
        ax.plot(numbers, np.full(len(numbers), height), "o", color=own, alpha=0.75)
    ax.set(title=title, xlabel=xlabel, ylim=(-0.6, len(values) - 0.4))
    ax.set_yticks(range(len(values)), labels=list(values)[::-1])
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    return fig, ax


def circuit_figure(circuit: Callable, *arguments, title: str, width: float = 8.0) -> Figure:
    """A PennyLane circuit (a QNode or a function that queues gates) as gates on wires.

    It is scaled with its text to ``width`` inches, or less where it is short.
    """
    import pennylane as qml  # only the gate-model lessons need it

    fig, ax = qml.draw_mpl(circuit)(*arguments)
    wide, high = fig.get_size_inches()
    low, top = ax.get_ylim()  # wires count downwards
    ax.set_ylim(low - _IDLE, top + _IDLE)
    high *= 1 - 2 * _IDLE / (low - top)
    scale = min(0.65, width / wide)
    height = high * scale + 0.45
    fig.set_layout_engine("none")
    fig.set_size_inches(max(wide * scale, 3.8), height)
    ax.set_position([0, 0.02 / height, 1, high * scale / height])
    fig.suptitle(title, y=1 - 0.08 / height, va="top")
    fig.patch.set_alpha(0)
    for text in ax.texts:  # PennyLane fitted them to its own size
        text.set_fontsize(1.15 * text.get_fontsize() * scale)
    for drawn in (*ax.lines, *ax.patches):
        drawn.set_linewidth(1)
    return _on_any_page(fig, ax)


def _on_any_page(fig: Figure, ax: Axes) -> Figure:
    """PennyLane draws black on white: wires become grey, and boxes keep their paper."""
    labels = {text.get_text() for text in ax.texts if text.get_position()[0] < -1}
    for text in ax.texts:
        text.set_color(INK if text.get_text() in labels else PRINT)
    for line in ax.lines:
        line.set_color(INK)
    black = to_rgba("black")
    for patch in ax.patches:
        patch.set_edgecolor(INK)
        patch.set_facecolor(INK if patch.get_facecolor() == black else PAPER)
    return fig
