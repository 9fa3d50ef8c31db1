"""What the couplings of a QPU graph are worth: likelihood in nats, and Frechet distance.

    python benchmarks/couplings.py [--write]

Trains, for each seed, the same network three times on dynamically binarised MNIST: with couplings;
with the couplings held at zero, so that the prior's spins are independent; and again without
couplings but with a hidden layer widened until the network has at least as many parameters as the
couplings gave.  Test likelihood: importance-weighted bound with ``log Z`` from annealed importance
sampling (exact without couplings), on test images drawn at random.  A seed gives all three the same
order of images, the first two the same network at the start, so differences are taken seed by seed.
Takes an hour on two cores; ``--steps`` and ``--seeds`` shorten it.
"""

import argparse
import statistics
import sys
from dataclasses import replace

import torch
import torch.nn.functional as F
from common import tables

from qdvae_helpers.data import held_out_sample, load_images
from qdvae_helpers.evaluate import quality
from qdvae_helpers.graphs import densest_subgraph, ideal_graph
from qdvae_helpers.judge import load_judge
from qdvae_helpers.likelihood import (
    Estimate,
    binarise,
    log_likelihood,
    log_partition_function,
)
from qdvae_helpers.models import QDVAE
from qdvae_helpers.profiles import PROFILES
from qdvae_helpers.samplers import GibbsSampler
from qdvae_helpers.training import TrainConfig, fit

KINDS = ("with couplings", "no couplings", "no couplings, wider network")


def parameters(model: QDVAE) -> int:
    """Numbers that training may change."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def build(kind: str, graph, hidden: tuple[int, ...], seed: int) -> QDVAE:
    """One of the three variants."""
    torch.manual_seed(seed)
    model = QDVAE(graph, hidden)
    if kind == KINDS[0]:
        return model
    wanted = parameters(model)
    model = _without_couplings(graph, hidden, seed)
    while kind == KINDS[2] and parameters(model) < wanted:
        hidden = (*hidden[:-1], hidden[-1] + 1)
        model = _without_couplings(graph, hidden, seed)
    return model


def _without_couplings(graph, hidden: tuple[int, ...], seed: int) -> QDVAE:
    torch.manual_seed(seed)
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


def measured(values: list[float], digits: int) -> str:
    """Mean and standard deviation."""
    spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.{digits}f}{spread}"


def main() -> int:
    """Train, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=4_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--images", type=int, default=1_000, help="test images for the likelihood")
    tables.add_write_option(parser)
    options = parser.parse_args()
    profile = PROFILES["lesson"]
    train, real = load_images(), held_out_sample(None).images
    held_out = held_out_sample(options.images)
    binarised = binarise(held_out.images)
    graph = densest_subgraph(ideal_graph(), profile.n_spins)
    judge = load_judge()
    config = TrainConfig.for_profile(
        profile, steps=options.steps, binarise=True, report_every=options.steps
    )

    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    for seed in range(options.seeds):
        for kind in KINDS:
            model = build(kind, graph, profile.hidden, seed)
            model.start_from_mean(train.images)
            sampler = GibbsSampler(
                model.grbm, profile.num_samples, profile.sweeps, seed=seed, graph=graph
            )
            fit(model, train, replace(config, seed=seed), sampler=sampler, progress=False)
            log_z = log_z_of(model, seed)
            bound = log_likelihood(model, binarised, log_z.value)
            fresh = GibbsSampler(model.grbm, 2_000, seed=seed, graph=graph).fresh()
            with torch.no_grad():
                frechet = quality(model.decode(fresh), real, judge).frechet
            found[kind].append(
                {
                    "parameters": parameters(model),
                    "error of log Z": log_z.error,
                    "ELBO": log_likelihood(model, binarised, log_z.value, draws=1).value,
                    "log-likelihood": bound.value,
                    "choice": bound.error,
                    "Frechet": frechet,
                }
            )
            print(f"seed {seed}, {kind}: {found[kind][-1]}", flush=True)

    rows = []
    for kind, runs in found.items():
        column = {name: [run[name] for run in runs] for name in runs[0]}
        nats = zip(column["log-likelihood"], found[KINDS[0]], strict=True)
        behind = [own - first["log-likelihood"] for own, first in nats]
        rows.append(
            [
                kind,
                f"{column['parameters'][0]:,}",
                measured(column["ELBO"], 2),
                measured(column["log-likelihood"], 2),
                "" if kind == KINDS[0] else measured(behind, 2),
                f"{max(column['error of log Z']):.2f}",
                measured(column["Frechet"], 1),
            ]
        )
    columns = ["prior", "parameters", "ELBO", "log-likelihood", "difference, seed by seed"]
    lines = tables.markdown([*columns, "error of log Z", "Frechet, 28 grey"], rows)
    choice = statistics.mean(run["choice"] for run in found[KINDS[0]])
    lines += tables.note(
        f"{options.steps:,} steps, {options.seeds} seeds, mean ± standard deviation, nats; "
        f"{held_out.source}, dynamically binarised: choosing others would move all likelihoods "
        f"by about {choice:.2f}."
    )
    print("\n".join(lines))
    if options.write:
        tables.to_readme("couplings", lines)
        tables.to_results("couplings", [f"{train.source}; {graph}.", "", *lines])
    return 0


if __name__ == "__main__":
    sys.exit(main())
