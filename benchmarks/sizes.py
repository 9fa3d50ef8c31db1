"""Time of a Gibbs sweep from 64 to 4,096 qubits, sparse and dense, beside two peers.

    python benchmarks/sizes.py [--output benchmarks/results]

512 chains on the densest subgraphs of a Zephyr graph.  Writes ``sizes.md`` and ``sizes.png`` where
asked.  Run it on an idle machine.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import matplotlib
import torch
from sampler import peers, random_grbm

from qdvae_helpers import samplers
from qdvae_helpers.graphs import densest_subgraph, working_graph
from qdvae_helpers.plots import BLUE, GREEN, ORANGE, VERMILLION

matplotlib.use("agg")

_CHAINS, _SWEEPS, _REPETITIONS = 512, 10, 5
_DENSE_UP_TO, _PEERS_UP_TO = 4_096, 1_024
_NAMES = {
    "this project's Gibbs": ("ours, sparse", BLUE, "o-"),
    "dense": ("ours, dense", ORANGE, "s--"),
    "plugin's BlockSampler": ("plugin's BlockSampler", VERMILLION, "^:"),
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
    """Couplers of the graph, and milliseconds a sweep by name."""
    graph = densest_subgraph(working_graph("ideal"), n)
    grbm = random_grbm(graph, 0.15)
    runs = peers(grbm, graph, _CHAINS, _SWEEPS, seed=0)
    if n > _PEERS_UP_TO:
        runs = {"this project's Gibbs": runs["this project's Gibbs"]}
    found = {name: 1e3 * seconds_a_sweep(run) for name, run in runs.items()}
    if n <= _DENSE_UP_TO:
        sparse = samplers._sparse_products
        samplers._sparse_products = lambda: False
        found["dense"] = 1e3 * seconds_a_sweep(runs["this project's Gibbs"])
        samplers._sparse_products = sparse
    return len(graph.edges), found


def main() -> int:
    """Print the table; write it and a plot where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
    lines = [
        f"Milliseconds a sweep of {_CHAINS} chains; torch {torch.__version__}, "
        f"{torch.get_num_threads()} threads.",
        "",
        "| qubits | couplers | " + " | ".join(label for label, *_ in _NAMES.values()) + " |",
        "|---|---|" + "---|" * len(_NAMES),
    ]
    curves: dict[str, list[tuple[int, float]]] = {name: [] for name in _NAMES}
    with torch.no_grad():
        for n in (64, 128, 256, 512, 1_024, 2_048, 4_096):
            couplers, found = measure(n)
            for name, value in found.items():
                curves[name].append((n, value))
            cells = [f"{found[name]:.2f}" if name in found else "" for name in _NAMES]
            lines.append(f"| {n:,} | {couplers:,} | " + " | ".join(cells) + " |")
            print(lines[-1], flush=True)
    print("\n".join(lines))
    if options.output:
        (options.output / "sizes.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
        draw(curves, options.output / "sizes.png")
    return 0


def draw(curves: dict[str, list[tuple[int, float]]], path: Path) -> None:
    """The table as a plot with logarithmic axes."""
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots(figsize=(6, 3.8), layout="constrained")
    for name, (label, colour, style) in _NAMES.items():
        if curves[name]:
            ax.loglog(*zip(*curves[name], strict=True), style, color=colour, label=label)
    ax.set(
        title=f"Cost of a Gibbs sweep, {_CHAINS} chains",
        xlabel="qubits (count)",
        ylabel="milliseconds",
    )
    ax.legend(frameon=False)
    fig.savefig(path, dpi=120)


if __name__ == "__main__":
    sys.exit(main())
