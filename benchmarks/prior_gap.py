"""What a prior misses of the code: mean energies and pair correlations, with and without couplers.

    python benchmarks/prior_gap.py [CHECKPOINT ...]

The encoder's correlations are exact means over all training images, the prior's come from two
independent halves, so the product of both differences estimates their square without bias.
"""

import argparse
import sys
from pathlib import Path

import torch

from qdvae_helpers.checkpoints import load_checkpoint, load_pretrained
from qdvae_helpers.data import load_images
from qdvae_helpers.models import QDVAE
from qdvae_helpers.samplers import GibbsSampler


@torch.no_grad()
def report(model: QDVAE, images: torch.Tensor, strings: int) -> None:
    """Print energies and differences of correlations; each of two seeds draws half the strings."""
    logits = torch.cat([model.encode(part) for part in images.split(1_000)])
    halves = [
        GibbsSampler(model.grbm, strings // 2, seed=seed, graph=model.graph).fresh()
        for seed in (0, 1)
    ]
    torch.manual_seed(0)
    for name, spins in (("encoder", model.spins(logits[:strings])), ("prior", torch.cat(halves))):
        energy = model.grbm(spins)
        print(f"energy of the {name}'s strings: {energy.mean():.1f}, sd {energy.std():.1f}")
    means = torch.tanh(logits / 2)
    encoded = means.T @ means / len(means)
    first, second = (encoded - half.T @ half / len(half) for half in halves)
    coupled = torch.zeros_like(encoded, dtype=torch.bool)
    coupled[model.grbm.edge_idx_i, model.grbm.edge_idx_j] = True
    coupled = coupled | coupled.T
    apart = torch.ones_like(coupled).triu(1)
    for name, pairs in (("with", coupled & apart), ("without", ~coupled & apart)):
        difference, size = (first * second)[pairs].sum(), encoded[pairs].square().sum()
        print(
            f"{int(pairs.sum()):,} pairs {name} a coupler: squared differences of correlations add "
            f"up to {difference:.2f}, squared correlations to {size:,.0f}"
        )


def main() -> int:
    """Print the report of each model, of those that ship without an argument."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoints", nargs="*", type=Path)
    parser.add_argument("--strings", type=int, default=8_000)
    options = parser.parse_args()
    models = {path.stem: load_checkpoint(path) for path in options.checkpoints}
    if not models:
        models = {name: load_pretrained(name) for name in ("qdvae-256", "qdvae-256-sharp")}
    train = load_images("mnist", "train")
    for name, model in models.items():
        known = train.rounded() if "rounded" in model.info.get("data", "") else train
        print(f"{name}; {known.source}")
        report(model, known.images, options.strings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
