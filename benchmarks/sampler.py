"""Our Gibbs sampler beside two peers: time and error, in one run.

    python benchmarks/sampler.py

Time: 2,000 chains and 50 sweeps on 256 spins of a Zephyr graph for (a) this project's Gibbs
sampler, (b) the plugin's BlockSampler, (c) dwave-samplers' compiled annealer at constant
temperature, and (d) the bare matrix products that (a) needs.  Each figure is the median of several
repetitions, taken in turns so that a disturbance hits all alike.  Run it on an idle machine.

Error: root mean square error of all first and pair moments on 16 spins against exact enumeration,
after the same number of sweeps from random starts, beside the standard error of perfect samples.
"""

import argparse
import statistics
import sys
import time

import torch
from dwave.plugins.torch.models import GraphRestrictedBoltzmannMachine
from dwave.plugins.torch.samplers import BlockSampler, DimodSampler
from dwave.samplers import SimulatedAnnealingSampler

from qdvae_helpers.evaluate import enumerate_states
from qdvae_helpers.graphs import colouring, densest_subgraph, working_graph
from qdvae_helpers.samplers import GibbsSampler


def random_grbm(graph, scale: float, seed: int = 0) -> GraphRestrictedBoltzmannMachine:
    """Gaussian biases of both signs; 0.15 is about the size that training reaches."""
    generator = torch.Generator().manual_seed(seed)
    grbm = GraphRestrictedBoltzmannMachine(graph.nodes, graph.edges)
    grbm.linear.data = scale * torch.randn(grbm.n_nodes, generator=generator)
    grbm.quadratic.data = scale * torch.randn(grbm.n_edges, generator=generator)
    return grbm


def peers(grbm, graph, chains: int, sweeps: int, seed: int) -> dict:
    """Functions that draw ``chains`` samples after ``sweeps`` sweeps, by name."""
    gibbs = GibbsSampler(grbm, chains, sweeps, seed=seed, graph=graph)
    block = BlockSampler(grbm, colouring(graph).get, chains, [1.0] * sweeps, seed=seed)
    annealer = DimodSampler(
        grbm,
        SimulatedAnnealingSampler(),
        prefactor=1.0,
        sample_kwargs={
            "num_reads": chains,
            "num_sweeps": sweeps,
            "beta_range": [1.0, 1.0],
            "beta_schedule_type": "linear",
            "proposal_acceptance_criteria": "Gibbs",
            "randomize_order": True,
            "seed": seed + 1,
        },
    )
    return {
        "this project's Gibbs": gibbs.sample,
        "plugin's BlockSampler": block.sample,
        "dwave-samplers' annealer": annealer.sample,
    }


def bare_products(grbm, graph, chains: int, sweeps: int):
    """Only the matrix products of one colour after the other, nothing random."""
    colours = colouring(graph)
    sizes = [list(colours.values()).count(c) for c in sorted(set(colours.values()))]
    bits = torch.rand(grbm.n_nodes, chains)
    weights = [torch.randn(size, grbm.n_nodes) for size in sizes]
    fields = [torch.empty(size, chains) for size in sizes]

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
    floor = ((1 - truth**2) / len(spins)).mean().sqrt()
    return float(error), float(floor)


def main() -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spins", type=int, default=256)
    parser.add_argument("--chains", type=int, default=2_000)
    parser.add_argument("--sweeps", type=int, default=50)
    parser.add_argument("--repetitions", type=int, default=5)
    options = parser.parse_args()
    qpu = working_graph("ideal")
    chains, sweeps = options.chains, options.sweeps

    graph = densest_subgraph(qpu, options.spins)
    grbm = random_grbm(graph, 0.15)
    with torch.no_grad():
        runs = peers(grbm, graph, chains, sweeps, seed=0)
        runs["bare matrix products"] = bare_products(grbm, graph, chains, sweeps)
        times: dict[str, list[float]] = {name: [] for name in runs}
        for repetition in range(options.repetitions + 1):  # the first one only warms up
            for name, run in runs.items():
                began = time.perf_counter()
                run()
                if repetition:
                    times[name].append(time.perf_counter() - began)

        small = densest_subgraph(qpu, 16)
        errors = {}
        for name in peers(random_grbm(small, 0.3), small, chains, sweeps, 0):
            found = []
            for seed in range(5):
                model = random_grbm(small, 0.3, seed)
                found.append(rmse(model, peers(model, small, chains, sweeps, seed)[name]()))
            errors[name] = [statistics.mean(column) for column in zip(*found, strict=True)]

    ours = statistics.median(times["this project's Gibbs"])
    threads = torch.get_num_threads()
    print(
        f"{graph}; {chains:,} chains, {sweeps} sweeps; torch {torch.__version__}, {threads} threads"
    )
    print(
        f"{'':26}{'median':>9}{'min':>9}{'max':>9}{'/ ours':>9}{'moment error':>15}{'perfect':>9}"
    )
    for name, values in times.items():
        middle = statistics.median(values)
        line = f"{name:26}{middle:8.3f}s{min(values):8.3f}s{max(values):8.3f}s{middle / ours:9.2f}"
        if name in errors:
            line += f"{errors[name][0]:15.4f}{errors[name][1]:9.4f}"
        print(line)
    print("Moment error: root mean square over 16-spin models of 5 seeds, against enumeration.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
