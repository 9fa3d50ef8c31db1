"""Time of a Gibbs sweep from 64 to 4,096 qubits, sparse and dense, beside two peers.

    python benchmarks/sizes.py [--write]

512 chains on the densest subgraphs of a Zephyr graph.  ``--write`` also draws
``benchmarks/results/sizes.png``.  Run it on an idle machine; some minutes.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path
from unittest import mock

import matplotlib
import torch
from common import tables
from sampler import peers, random_grbm

from qdvae_helpers.graphs import densest_subgraph, ideal_graph
from qdvae_helpers.outputs import replacing
from qdvae_helpers.plots import BLUE, GREEN, ORANGE, VERMILLION
from qdvae_helpers.samplers import gibbs

matplotlib.use("agg")

_SAMPLES, _SWEEPS, _REPETITIONS = 512, 10, 5
_PEERS_UP_TO = 1_024
_OURS = "this project's Gibbs sampler"
_NAMES = {
    _OURS: ("ours, sparse", BLUE, "o-"),
    "dense": ("ours, dense", ORANGE, "s--"),
    "plugin's `BlockSampler`": ("plugin's BlockSampler", VERMILLION, "^:"),
    "dwave-samplers' annealer": ("dwave-samplers' annealer", GREEN, "D-."),
}


def seconds_a_sweep(run) -> float:
    """Median over repetitions, after one to warm up."""
    times = []
    for _ in range(_REPETITIONS + 1):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:]) / _SWEEPS


def measure(n: int) -> tuple[int, dict[str, float]]:
    """Couplers of the graph, and milliseconds per sweep by name."""
    graph = densest_subgraph(ideal_graph(), n)
    runs = peers(random_grbm(graph, 0.15), graph, _SAMPLES, _SWEEPS, seed=0)
    if n > _PEERS_UP_TO:
        runs = {_OURS: runs[_OURS]}
    found = {name: 1e3 * seconds_a_sweep(run) for name, run in runs.items()}
    with mock.patch.object(gibbs, "_sparse_products", return_value=False):
        found["dense"] = 1e3 * seconds_a_sweep(runs[_OURS])
    return len(graph.edges), found


def main() -> int:
    """Print the table, and write it with a plot where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    tables.add_write_option(parser, "results")
    options = parser.parse_args()
    rows = []
    curves: dict[str, list[tuple[int, float]]] = {name: [] for name in _NAMES}
    with torch.no_grad():
        for n in (64, 128, 256, 512, 1_024, 2_048, 4_096):
            couplers, found = measure(n)
            for name, value in found.items():
                curves[name].append((n, value))
            cells = [f"{found[name]:.2f}" if name in found else "" for name in _NAMES]
            rows.append([f"{n:,}", f"{couplers:,}", *cells])
            print(*rows[-1], sep=" | ", flush=True)
    lines = tables.markdown(["qubits", "couplers", *(label for label, *_ in _NAMES.values())], rows)
    made_with = tables.made_with(torch.get_num_threads())
    lines += tables.note(f"Milliseconds per sweep of {_SAMPLES} chains; {made_with}.")
    print("\n".join(lines))
    if options.write:
        tables.to_results("sizes", lines)
        draw(curves, tables.RESULTS / "sizes.png")
    return 0


def draw(curves: dict[str, list[tuple[int, float]]], path: Path) -> None:
    """The table as a plot with logarithmic axes."""
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots(figsize=(6, 3.8), layout="constrained")
    for name, (label, colour, style) in _NAMES.items():
        if curves[name]:
            ax.loglog(*zip(*curves[name], strict=True), style, color=colour, label=label)
    ax.set(
        title=f"Cost of a Gibbs sweep, {_SAMPLES} chains",
        xlabel="qubits (count)",
        ylabel="milliseconds",
    )
    ax.legend(frameon=False)
    with replacing(path) as written:
        fig.savefig(written, dpi=120)


if __name__ == "__main__":
    sys.exit(main())
