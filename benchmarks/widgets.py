"""How fast the widgets of the lessons answer: from a changed control to the new picture.

    python benchmarks/widgets.py [--write]

In the kernel, pauses of the background threads included; the browser's part is not.  Sizes are
those of the lessons; networks whose weights do not matter for the time are not trained.  Run it on
an idle machine; a minute.
"""

import argparse
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator

import torch
from common import tables
from dwave.plugins.torch.models import GraphRestrictedBoltzmannMachine
from matplotlib.axes import Axes

from qdvae_helpers.checkpoints import load_pretrained
from qdvae_helpers.data import held_out_sample
from qdvae_helpers.graphs import densest_subgraph, ideal_graph
from qdvae_helpers.models import Decoder
from qdvae_helpers.widgets import Inpainting, KernelExplorer, LatentMap, QPUExplorer, SpinBoard
from qdvae_helpers.widgets.panels import Panel, Picture

_PATIENCE_S = 20.0
Change = Callable[[int], None]  # turns a control to its k-th position


def draw_map(ax: Axes, codes: torch.Tensor, labels: torch.Tensor, title: str) -> None:
    """Lesson 01's map."""
    ax.scatter(*codes.T, c=labels, cmap="tab10", s=6)
    ax.set(title=title)


def latent_map() -> Iterator[tuple[str, Panel, Change]]:
    """Lesson 01."""
    decoder = Decoder(2, (256, 128))
    maps = {"map": (lambda codes: torch.sigmoid(decoder(codes)), torch.randn(2_000, 2))}
    panel = LatentMap(maps, torch.randint(10, (2_000,)), draw_map)
    yield "01 point on the map", panel, lambda k: setattr(panel.x, "value", 0.1 * (k + 1))


def spin_board() -> Iterator[tuple[str, Panel, Change]]:
    """Lesson 02."""
    model = load_pretrained()
    images = held_out_sample(100).rounded().images
    readout = torch.nn.Linear(32, model.n_spins)
    panel = SpinBoard(
        lambda x: torch.sign(model.encode(x)[:, :32]), lambda s: model.decode(readout(s)), images
    )

    def flip(k: int) -> None:
        values = list(panel.board.values)
        values[k] = not values[k]
        panel.board.values = values

    yield "02 a spin", panel, flip
    yield "02 another image", panel, lambda k: setattr(panel.number, "value", k + 1)


def kernel() -> Iterator[tuple[str, Panel, Change]]:
    """Lesson 03."""
    panel = KernelExplorer()
    yield "03 bandwidth", panel, lambda k: setattr(panel.bandwidth, "value", -5 + 0.5 * k)
    yield "03 shift of a sample", panel, lambda k: setattr(panel.shift, "value", -1 + 0.1 * k)


def qpu_subgraph() -> Iterator[tuple[str, Panel, Change]]:
    """Lesson 04."""
    graph = densest_subgraph(ideal_graph(), 12)
    grbm = GraphRestrictedBoltzmannMachine(graph.nodes, graph.edges)
    panel = QPUExplorer(grbm, graph)
    yield "04 a coupling", panel, lambda k: setattr(panel.J, "value", -2 + 0.1 * k)
    yield "04 temperature", panel, lambda k: setattr(panel.temperature, "value", 1.1 + 0.1 * k)
    panel.sweeps.value = 300
    yield (
        "04 temperature, 300 sweeps",
        panel,
        lambda k: setattr(panel.temperature, "value", 1 + k / 5),
    )


def inpainting() -> Iterator[tuple[str, Panel, Change]]:
    """Lesson 07; the walk itself is a loop that shows every sweep."""
    held_out = held_out_sample().rounded()
    panel = Inpainting(load_pretrained(), held_out, lambda score, spins, sweeps: spins)

    def stroke(k: int) -> None:
        values = list(panel.board.values)
        values[k] = not values[k]
        panel.board.values = values

    yield "07 a stroke of the brush", panel, stroke
    yield "07 another image", panel, lambda k: setattr(panel.number, "value", k + 1)


def reaction(picture: Picture, change: Callable[[], None]) -> float:
    """Milliseconds from the change of a control to the new picture."""
    ready = threading.Event()

    def note(_) -> None:
        ready.set()

    picture.widget.observe(note, "value")
    began = time.perf_counter()
    change()
    if not ready.wait(_PATIENCE_S):
        raise SystemExit("The picture did not change.")
    spent = time.perf_counter() - began
    picture.widget.unobserve(note, "value")
    return 1_000 * spent


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--changes", type=int, default=20)
    tables.add_write_option(parser, "results")
    options = parser.parse_args()
    torch.manual_seed(0)
    rows = []
    for lesson in (latent_map, spin_board, kernel, qpu_subgraph, inpainting):
        for name, panel, change in lesson():
            reaction(panel.result, lambda change=change: change(0))  # the first is slower
            spent = [
                reaction(panel.result, lambda change=change, k=k: change(k))
                for k in range(1, options.changes + 1)
            ]
            rows.append([name, f"{statistics.median(spent):.0f} ms", f"{max(spent):.0f} ms"])
        panel.close()
    lines = tables.markdown(["control", "median", "slowest"], rows)
    made_with = tables.made_with(torch.get_num_threads())
    lines += tables.note(f"{options.changes} changes of each, by lesson; {made_with}.")
    print("\n".join(lines))
    if options.write:
        tables.to_results("widgets", lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
