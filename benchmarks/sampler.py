"""Our Gibbs sampler beside two peers: time and error, in one run.

    python benchmarks/sampler.py [--write]

Time: 2,000 chains and 50 sweeps on 256 spins of a Zephyr graph for (a) this project's Gibbs
sampler, (b) the plugin's BlockSampler, (c) dwave-samplers' compiled annealer at constant
temperature, and (d) the bare (dense) matrix products that (a) needs.  Each figure is the median of
several repetitions, taken in turns so that a disturbance hits all alike.  Run it on an idle
machine; about a minute.

Error: root mean square error of all first and pair moments on 16 spins against exact enumeration,
after the same number of sweeps from random starts, beside the standard error of perfect samples.
"""

import argparse
import statistics
import sys
import time

import torch
from common import tables
from dwave.plugins.torch.models import GraphRestrictedBoltzmannMachine
from dwave.plugins.torch.samplers import BlockSampler, DimodSampler
from dwave.samplers import SimulatedAnnealingSampler

from qdvae_helpers.evaluate import enumerate_states
from qdvae_helpers.graphs import colouring, densest_subgraph, ideal_graph
from qdvae_helpers.samplers import GibbsSampler


def random_grbm(graph, scale: float, seed: int = 0) -> GraphRestrictedBoltzmannMachine:
    """Gaussian biases of both signs; 0.15 is about the size that training reaches."""
    generator = torch.Generator().manual_seed(seed)
    grbm = GraphRestrictedBoltzmannMachine(graph.nodes, graph.edges)
    grbm.linear.data = scale * torch.randn(grbm.n_nodes, generator=generator)
    grbm.quadratic.data = scale * torch.randn(grbm.n_edges, generator=generator)
    return grbm


def peers(grbm, graph, num_samples: int, sweeps: int, seed: int) -> dict:
    """Functions that draw ``num_samples`` strings after so many sweeps, by name."""
    gibbs = GibbsSampler(grbm, num_samples, sweeps, seed=seed, graph=graph)
    block = BlockSampler(grbm, colouring(graph).get, num_samples, [1.0] * sweeps, seed=seed)
    annealer = DimodSampler(
        grbm,
        SimulatedAnnealingSampler(),
        prefactor=1.0,
        sample_kwargs={
            "num_reads": num_samples,
            "num_sweeps": sweeps,
            "beta_range": [1.0, 1.0],
            "beta_schedule_type": "linear",
            "proposal_acceptance_criteria": "Gibbs",
            "randomize_order": True,
            "seed": seed + 1,
        },
    )
    return {
        "this project's Gibbs sampler": gibbs.sample,
        "plugin's `BlockSampler`": block.sample,
        "dwave-samplers' annealer": annealer.sample,
    }


def bare_products(grbm, graph, num_samples: int, sweeps: int):
    """Only the matrix products of one colour after the other, nothing random."""
    colours = colouring(graph)
    sizes = [list(colours.values()).count(c) for c in sorted(set(colours.values()))]
    bits = torch.rand(grbm.n_nodes, num_samples)
    weights = [torch.randn(size, grbm.n_nodes) for size in sizes]
    fields = [torch.empty(size, num_samples) for size in sizes]

    def run() -> None:
        for _ in range(sweeps):
            for weight, field in zip(weights, fields, strict=True):
                torch.mm(weight, bits, out=field)

    return run


def rmse(grbm, spins) -> tuple[float, float]:
    """Error of the moments against enumeration, and what perfect samples would have."""
    exact = enumerate_states(grbm)
    truth = exact.probabilities @ grbm.sufficient_statistics(exact.states).double()
    estimate = grbm.sufficient_statistics(spins.float()).double().mean(0)
    error = (estimate - truth).square().mean().sqrt()
    perfect = ((1 - truth**2) / len(spins)).mean().sqrt()
    return float(error), float(perfect)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spins", type=int, default=256)
    parser.add_argument("--num-samples", type=int, default=2_000)
    parser.add_argument("--sweeps", type=int, default=50)
    parser.add_argument("--repetitions", type=int, default=5)
    tables.add_write_option(parser)
    options = parser.parse_args()
    qpu = ideal_graph()
    n, sweeps = options.num_samples, options.sweeps

    graph = densest_subgraph(qpu, options.spins)
    grbm = random_grbm(graph, 0.15)
    with torch.no_grad():
        runs = peers(grbm, graph, n, sweeps, seed=0)
        ours = next(iter(runs))
        runs["bare (dense) matrix products"] = bare_products(grbm, graph, n, sweeps)
        times: dict[str, list[float]] = {name: [] for name in runs}
        for repetition in range(options.repetitions + 1):  # the first one only warms up
            for name, run in runs.items():
                began = time.perf_counter()
                run()
                if repetition:
                    times[name].append(time.perf_counter() - began)

        small = densest_subgraph(qpu, 16)
        errors = {}
        for name in peers(random_grbm(small, 0.3), small, n, sweeps, 0):
            found = []
            for seed in range(5):
                model = random_grbm(small, 0.3, seed)
                found.append(rmse(model, peers(model, small, n, sweeps, seed)[name]()))
            errors[name] = [statistics.mean(column) for column in zip(*found, strict=True)]

    rows = []
    for name, values in times.items():
        middle = statistics.median(values)
        spread = f"{min(values):.3f} to {max(values):.3f} s"
        moments = [f"{error:.4f}" for error in errors.get(name, ())] or ["", ""]
        relative = middle / statistics.median(times[ours])
        rows.append([name, f"{middle:.3f} s", spread, f"{relative:.2f}", *moments])
    columns = [
        "",
        "median",
        "range",
        "relative to ours",
        "moment error, 16 spins",
        "of perfect ones",
    ]
    lines = tables.markdown(columns, rows)
    made_with = tables.made_with(torch.get_num_threads())
    lines += tables.note(
        f"{n:,} chains, {sweeps} sweeps, {graph}; {made_with}. Moments: of 16 spins."
    )
    print("\n".join(lines))
    if options.write:
        tables.to_readme("sampler", lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
