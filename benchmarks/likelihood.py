"""How probable models find held-out digits, with log Z bounded from both sides.

    python benchmarks/likelihood.py [CHECKPOINT ...] [--write]

Trains nothing; without arguments the shipped models are measured.  ``log Z`` of every class comes
from annealed importance sampling upwards, which tends to be too small, and downwards from samples
of the prior, which tends to be too large (Grosse, Ghahramani and Adams 2015).  The likelihood of
test images, black and white by chance of their grey values, is the importance-weighted bound: with
the first ``log Z`` it tends to be too good, with the second too bad.  Both directions with the same
draws of the encoder, so their difference is that of ``log Z`` alone.  Some minutes per model.
"""

import argparse
import sys
from pathlib import Path

import torch
from common import tables
from common.models import models_of

from qdvae_helpers.data import held_out_sample
from qdvae_helpers.likelihood import binarise, class_partition_functions, log_likelihood
from qdvae_helpers.models import QDVAE
from qdvae_helpers.priors import class_shares

COLUMNS = [
    "model",
    "classes",
    "log-likelihood, log Z from above",
    "log Z from below",
    "ELBO",
    "gap of log Z",
    "its largest error",
]


def log_z_both_ways(
    model: QDVAE, chains: int, levels: int
) -> tuple[list[float], list[float], float]:
    """``log Z`` of each class, from below and from above, and the largest error of one."""
    found = [
        class_partition_functions(
            model.grbm,
            graph=model.graph,
            num_samples=chains,
            levels=levels,
            seed=down,
            downwards=bool(down),
        )
        for down in (0, 1)
    ]
    low, high = ([one.value for one in estimates] for estimates in found)
    return low, high, max(one.error for estimates in found for one in estimates)


def row_of(model: QDVAE, images: torch.Tensor, draws: int, chains: int, levels: int) -> list[str]:
    """A model's cells after its name.

    The gap is the mean over classes, as frequent as they are; the error is the largest standard
    deviation of a class's estimate, from the spread of its chains' weights.
    """
    low, high, error = log_z_both_ways(model, chains, levels)
    nats = [log_likelihood(model, images, log_z, draws=draws) for log_z in (high, low)]
    elbo = log_likelihood(model, images, high, draws=1)
    gaps = torch.tensor(high) - torch.tensor(low)
    gap = float((class_shares(model.grbm).cpu() * gaps).sum())
    shown = [f"{one.value:.2f} ± {one.error:.2f}" for one in (*nats, elbo)]
    return [f"{len(low)}", *shown, f"{gap:.2f}", f"{error:.2f}"]


def main() -> int:
    """Print the table, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoints", nargs="*", type=Path)
    parser.add_argument("--images", type=int, default=1_000, help="test images, at random")
    parser.add_argument("--draws", type=int, default=500, help="strings of the encoder an image")
    parser.add_argument("--chains", type=int, default=100, help="annealing runs per class")
    parser.add_argument("--levels", type=int, default=1_000, help="temperatures of each")
    parser.add_argument("--rounded", action="store_true", help="round the images instead")
    tables.add_write_option(parser)
    options = parser.parse_args()
    held_out = held_out_sample(options.images)
    images = held_out.images.round() if options.rounded else binarise(held_out.images)
    rows = []
    for name, model in models_of(options.checkpoints).items():
        found = row_of(model, images, options.draws, options.chains, options.levels)
        rows.append([f"`{name}`", *found])
        print(*rows[-1], sep=" | ", flush=True)
    lines = tables.markdown(COLUMNS, rows)
    treated = "rounded" if options.rounded else "dynamically binarised"
    lines += tables.note(
        f"Nats, ± standard error of choosing these images; {held_out.source}, {treated}; "
        f"{options.draws:,} draws; {options.chains:,} chains per class, {options.levels:,} levels."
    )
    print("\n".join(lines))
    if options.write:
        tables.to_readme("likelihood", lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
