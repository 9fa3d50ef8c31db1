"""What a prior misses of the code: log-probabilities and pair correlations, coupled or not.

    python benchmarks/prior_gap.py [CHECKPOINT ...] [--write]

Correlations of the encoder are exact means over all training images, those of the prior come from
two independent halves, so the product of both differences estimates their square without bias.
Where the prior knows classes, all of them count together, as frequent as they are.  The mean
log-probability of strings is that of the whole prior; those of the encoder would have that of the
prior's own if both were the same distribution.  A few minutes.
"""

import argparse
import sys
from pathlib import Path

import torch
from common import tables
from common.models import as_learned, models_of

from qdvae_helpers.data import load_images
from qdvae_helpers.likelihood import class_partition_functions
from qdvae_helpers.models import QDVAE
from qdvae_helpers.priors import log_prior
from qdvae_helpers.samplers import GibbsSampler


@torch.no_grad()
def gap(model: QDVAE, images: torch.Tensor, strings: int, levels: int = 500) -> dict[str, str]:
    """Log-probabilities and differences of correlations; each of two seeds draws half."""
    logits = torch.cat([model.encode(part) for part in images.split(1_000)])
    halves = [
        GibbsSampler(model.grbm, strings // 2, seed=seed, graph=model.graph).fresh()
        for seed in (0, 1)
    ]
    estimates = class_partition_functions(model.grbm, graph=model.graph, levels=levels)
    log_z = torch.tensor([one.value for one in estimates])
    torch.manual_seed(0)
    found = {}
    for name, spins in (("encoder", model.spins(logits[:strings])), ("prior", torch.cat(halves))):
        nats = log_prior(model.grbm, spins, log_z)
        found[f"log p of the {name}'s strings"] = f"{nats.mean():.1f}, sd {nats.std():.1f}"
    means = torch.tanh(logits / 2)
    encoded = means.T @ means / len(means)
    first, second = (encoded - half.T @ half / len(half) for half in halves)
    coupled = torch.zeros_like(encoded, dtype=torch.bool)
    coupled[model.grbm.edge_idx_i, model.grbm.edge_idx_j] = True
    coupled = coupled | coupled.T
    apart = torch.ones_like(coupled).triu(1)
    for name, pairs in (("with", coupled & apart), ("without", ~coupled & apart)):
        difference, size = (first * second)[pairs].sum(), encoded[pairs].square().sum()
        told = f"{difference:.2f} ({size:,.0f})"
        found[f"{int(pairs.sum()):,} pairs {name} a coupler"] = told
    return found


def main() -> int:
    """Print the table of the models, of those that ship without an argument."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoints", nargs="*", type=Path)
    parser.add_argument("--strings", type=int, default=8_000)
    tables.add_write_option(parser, "results")
    options = parser.parse_args()
    train = load_images()
    rows: dict[str, list[str]] = {}
    models = models_of(options.checkpoints)
    for model in models.values():
        for quantity, value in gap(model, as_learned(model, train).images, options.strings).items():
            rows.setdefault(quantity, []).append(value)
    lines = tables.markdown(
        ["", *(f"`{name}`" for name in models)], [[name, *row] for name, row in rows.items()]
    )
    lines += tables.note(
        "Pairs: squared differences of correlations, summed (squared correlations); "
        f"{train.source}; {options.strings:,} strings."
    )
    print("\n".join(lines))
    if options.write:
        tables.to_results("prior_gap", lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
