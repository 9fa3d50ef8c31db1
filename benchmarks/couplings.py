"""What the couplings of a QPU graph are worth: likelihood in nats, and Frechet distance.

    python benchmarks/couplings.py [--output benchmarks/results/couplings.md]

Trains, for each seed, the same network three times on dynamically binarised MNIST: with couplings;
with the couplings held at zero, so that the prior's spins are independent; and again without
couplings but with a hidden layer widened until the network has at least as many parameters as the
couplings gave.  Test likelihood: importance-weighted bound with ``log Z`` from annealed importance
sampling (exact without couplings).  Takes an hour on two cores; ``--steps`` and ``--seeds`` shorten
it.
"""

import argparse
import statistics
import sys
from pathlib import Path

import torch
import torch.nn.functional as F

from qdvae_helpers.data import load_images
from qdvae_helpers.evaluate import quality
from qdvae_helpers.graphs import densest_subgraph, working_graph
from qdvae_helpers.judge import load_judge
from qdvae_helpers.likelihood import (
    Estimate,
    binarise,
    log_likelihood,
    log_partition_function,
)
from qdvae_helpers.models import QDVAE
from qdvae_helpers.profiles import PROFILES
from qdvae_helpers.samplers import GibbsSampler, make_sampler
from qdvae_helpers.training import TrainConfig, fit


def parameters(model: QDVAE) -> int:
    """Numbers that training may change."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def build(kind: str, graph, hidden: tuple[int, ...], seed: int) -> QDVAE:
    """One of the three variants."""
    torch.manual_seed(seed)
    if kind == "with couplings":
        return QDVAE(graph, hidden)
    wanted = parameters(QDVAE(graph, hidden))
    model = _without_couplings(graph, hidden)
    while kind.endswith("wider network") and parameters(model) < wanted:
        hidden = (*hidden[:-1], hidden[-1] + 1)
        model = _without_couplings(graph, hidden)
    return model


def _without_couplings(graph, hidden: tuple[int, ...]) -> QDVAE:
    model = QDVAE(graph, hidden)
    model.grbm.quadratic.data.zero_()
    model.grbm.quadratic.requires_grad_(False)
    return model


def log_z_of(model: QDVAE, seed: int) -> Estimate:
    """By annealed importance sampling, or exactly where the spins are independent."""
    if model.grbm.quadratic.requires_grad:
        return log_partition_function(model.grbm, graph=model.graph, seed=seed)
    h = model.grbm.linear.detach().double()
    return Estimate(float((F.softplus(2 * h) - h).sum()), 0.0)  # sum of log 2 cosh h


def main() -> int:
    """Train, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=PROFILES["lesson"].steps)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--images", type=int, default=1_000, help="test images for the likelihood")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    if options.output:  # not after an hour
        options.output.parent.mkdir(parents=True, exist_ok=True)
    profile = PROFILES["lesson"]
    train, test = load_images("mnist", "train"), load_images("mnist", "test")
    held_out = binarise(test.images[: options.images])
    graph = densest_subgraph(working_graph("ideal"), profile.n_spins)
    judge = load_judge()

    rows: dict[str, list[tuple[float, ...]]] = {}
    for seed in range(options.seeds):
        for kind in ("with couplings", "no couplings", "no couplings, wider network"):
            model = build(kind, graph, profile.hidden, seed)
            model.start_from_mean(train.images)
            config = TrainConfig.for_profile(
                profile, steps=options.steps, seed=seed, binarise=True, report_every=options.steps
            )
            sampler = make_sampler(
                model.grbm,
                "gibbs",
                num_samples=profile.num_chains,
                sweeps=profile.sweeps,
                seed=seed,
                graph=graph,
            )
            fit(model, train, config, sampler=sampler, progress=False)
            log_z = log_z_of(model, seed)
            elbo = log_likelihood(model, held_out, log_z.value, draws=1).value
            bound, error = log_likelihood(model, held_out, log_z.value)
            fresh = GibbsSampler(model.grbm, 2_000, seed=seed, graph=graph).fresh()
            with torch.no_grad():
                frechet = quality(model.decode(fresh), test.images, judge).frechet
            rows.setdefault(kind, []).append(
                (parameters(model), log_z.error, elbo, bound, error, frechet)
            )
            print(f"seed {seed}, {kind}: {rows[kind][-1]}", flush=True)

    def cell(column: int, kind: str, digits: int = 2) -> str:
        values = [row[column] for row in rows[kind]]
        spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
        return f"{statistics.mean(values):.{digits}f}{spread}"

    lines = [
        f"{train.source}, dynamically binarised; {options.images:,} test images; {graph}; "
        f"{options.steps:,} steps; mean ± standard deviation of {options.seeds} seeds; nats.",
        "",
        "| prior | parameters | ELBO | log-likelihood | error of log Z | Frechet, 28 grey |",
        "|---|---|---|---|---|---|",
    ]
    for kind, found in rows.items():
        worst = max(row[1] for row in found)
        lines.append(
            f"| {kind} | {found[0][0]:,} | {cell(2, kind)} | {cell(3, kind)} | {worst:.2f} "
            f"| {cell(5, kind, 1)} |"
        )
    choice = statistics.mean(row[4] for row in rows["with couplings"])
    lines += ["", f"Choosing other test images would move a likelihood by about {choice:.2f}."]
    print("\n".join(lines))
    if options.output:
        options.output.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
