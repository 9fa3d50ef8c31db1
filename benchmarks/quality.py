"""Generated digits of several models, scored in one run.

    python benchmarks/quality.py [CHECKPOINT ...] [--output benchmarks/results/quality.md]

Without arguments the shipped models are scored.  Where ``$QDVAE_DATA/reference`` holds images of
the models that D-Wave's image-generation demo ships (2,000 images of 32x32 from each, at the best
temperature of those tried), they are scored beside it.  Each model is scored in four views: 28x28
and 32x32 pixels, grey and rounded to black and white.  The floor is real training images against
real test images, the value a perfect generator would get.  ``share`` is the distance above the
floor relative to that of the best reference model in the same view.

Samples of the prior are scored as they are; where the model has a density ratio, also those chosen
by it among ``--candidates``; and both after three rounds through encoder and decoder
(``QDVAE.refine``).  Controls for every checkpoint: its own reconstructions of test images; strings
that the encoder wrote for training images (what a perfect prior would give); the prior's samples
with every spin shuffled among them (what is left without couplings); and strings of a prior without
couplings, chosen by a density ratio of its own (what the choice does without the couplings).
"""

import argparse
import copy
import os
import statistics
import sys
from pathlib import Path

import numpy as np
import torch

from qdvae_helpers.checkpoints import load_checkpoint, load_pretrained
from qdvae_helpers.data import load_images
from qdvae_helpers.density_ratio import choose, fit_density_ratio
from qdvae_helpers.evaluate import Quality, quality
from qdvae_helpers.judge import load_judge, resize
from qdvae_helpers.models import QDVAE
from qdvae_helpers.samplers import GibbsSampler

VIEWS = {
    "28 grey": (28, False),
    "28 rounded": (28, True),
    "32 grey": (32, False),
    "32 rounded": (32, True),
}
ROUNDS = 3  # of QDVAE.refine


def view_of(images: torch.Tensor, view: str) -> torch.Tensor:
    """Images in one of the four views."""
    pixels, rounded = VIEWS[view]
    images = resize(images, pixels)
    return images.round() if rounded else images


def reference_images() -> dict[str, torch.Tensor]:
    """What the reference models made, by name; empty where it is not at hand."""
    folder = Path(os.environ.get("QDVAE_DATA", "none")).expanduser() / "reference"
    found = {}
    for path in sorted(folder.glob("*.npz")):
        images = torch.from_numpy(np.load(path)["images"]).float() / 255
        found[f"reference {path.stem}"] = images
    return found


def shuffled(spins: torch.Tensor, seed: int) -> torch.Tensor:
    """Every spin keeps its mean and forgets the others."""
    generator = torch.Generator().manual_seed(seed)
    orders = [torch.randperm(len(spins), generator=generator) for _ in range(spins.shape[1])]
    return torch.stack([column[o] for column, o in zip(spins.T, orders, strict=True)], 1)


@torch.no_grad()
def without_couplings(model: QDVAE, images: torch.Tensor, steps: int = 1_000) -> QDVAE:
    """The model with a prior of independent spins that have the encoder's means, and its ratio."""
    control = copy.deepcopy(model)
    means = torch.stack([torch.tanh(model.encode(p) / 2).mean(0) for p in images.split(1_000)])
    control.grbm.quadratic.zero_()
    control.grbm.linear.copy_(-torch.atanh(means.mean(0).clamp(-0.999, 0.999)))
    control.ratio = fit_density_ratio(control, images, steps=steps, progress=False)
    return control


@torch.no_grad()
def generated_images(
    model: QDVAE, n: int, seed: int, candidates: int, control: QDVAE | None
) -> dict[str, torch.Tensor]:
    """Samples, chosen ones, and those without what the couplings do; some also after rounds."""
    spins = GibbsSampler(model.grbm, n, seed=seed, graph=model.graph).fresh()
    sets = {"": model.decode(spins)}
    if model.ratio is not None:
        sets[", chosen"] = model.generate(n, seed=seed, candidates=candidates)
    later = {
        f"{kind}, {ROUNDS} rounds": model.refine(images, ROUNDS, seed=seed)
        for kind, images in sets.items()
    }
    sets[", spins shuffled"] = model.decode(shuffled(spins, seed))
    if control is not None:
        generator = torch.Generator().manual_seed(seed)
        up = torch.sigmoid(-2 * control.grbm.linear).expand(candidates, n, -1)
        strings = 2 * torch.bernoulli(up, generator=generator) - 1
        kept = choose(strings, control.ratio, generator)
        sets[", no couplings, chosen"] = control.decode(kept)
    return sets | later


@torch.no_grad()
def written_and_read(model: QDVAE, images: torch.Tensor) -> torch.Tensor:
    """Images after encoder, spins drawn once, and decoder."""
    torch.manual_seed(0)
    return torch.cat([model.reconstruct(part) for part in images.split(1_000)])


@torch.no_grad()
def reconstructions(model: QDVAE, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """By spins drawn once, by the most likely spins, and the mean over 20 draws."""
    torch.manual_seed(0)
    ways: dict[str, list[torch.Tensor]] = {}
    for part in images.split(1_000):
        logits = model.encode(part)
        found = {
            "drawn spins": model.decode(model.spins(logits)),
            "most likely spins": model.decode(torch.where(logits > 0, 1.0, -1.0)),
            "mean of 20 draws": sum(model.decode(model.spins(logits)) for _ in range(20)) / 20,
        }
        for way, rebuilt in found.items():
            ways.setdefault(way, []).append(rebuilt)
    return {way: torch.cat(parts) for way, parts in ways.items()}


def average(scores: list[Quality]) -> tuple[Quality, float]:
    """Mean of every measure, and the standard deviation of the Frechet distance."""
    mean = Quality(*(statistics.mean(column) for column in zip(*scores, strict=True)))
    spread = statistics.stdev([s.frechet for s in scores]) if len(scores) > 1 else float("nan")
    return mean, spread


def main() -> int:
    """Print the table, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoints", nargs="*", type=Path)
    parser.add_argument("--images", type=int, default=2_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--candidates", type=int, default=40, help="for each chosen sample")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    n = options.images

    train, test = load_images("mnist", "train"), load_images("mnist", "test")
    models = {path.stem: load_checkpoint(path) for path in options.checkpoints}
    if not models:
        models = {name: load_pretrained(name) for name in ("qdvae-256", "qdvae-256-sharp")}

    sets: dict[str, list[torch.Tensor]] = {
        "floor: training images": [train.images[k * n : (k + 1) * n] for k in range(options.seeds)]
    }
    sets |= {name: [images[:n]] for name, images in reference_images().items()}
    lines = []
    for name, model in models.items():
        # A model that learned black-and-white images is shown such images.
        black_white = "rounded" in model.info.get("data", "")
        known, shown = (s.rounded() if black_white else s for s in (train, test))
        control = None if model.ratio is None else without_couplings(model, known.images)
        for seed in range(options.seeds):
            found = generated_images(model, n, seed, options.candidates, control)
            for kind, images in found.items():
                sets.setdefault(f"{name}{kind}", []).append(images)
        ways = reconstructions(model, shown.images)
        sets[f"{name}, reconstructions"] = [ways["drawn spins"][:n]]
        written = [known.images[k * n : (k + 1) * n] for k in range(options.seeds)]
        sets[f"{name}, encoder's strings"] = [written_and_read(model, images) for images in written]
        round32 = view_of(test.images, "32 rounded")
        for way, rebuilt in ways.items():
            errors = {
                "28x28 grey": rebuilt - test.images,
                "28x28 rounded": rebuilt - test.images.round(),
                "32x32 rounded": resize(rebuilt, 32) - round32,
                "32x32, both rounded": view_of(rebuilt, "32 rounded") - round32,
            }
            found = ", ".join(f"{float(e.square().mean()):.4f} ({k})" for k, e in errors.items())
            lines.append(
                f"{name}, {way}: squared reconstruction error on test images, per pixel: {found}."
            )
    perfect = (resize(test.images.round(), 32) - round32).square().mean()
    lines.append(f"A perfect copy at 28x28 rounded has {float(perfect):.4f} on 32x32 rounded.")

    judge = load_judge()
    table = [
        "| images | view | Frechet | sd | share | kernel | precision | recall | coverage | rarest |"
    ]
    table.append("|---|---|---|---|---|---|---|---|---|---|")
    for view in VIEWS:
        real = view_of(test.images, view)
        rows = {
            name: average([quality(view_of(images, view), real, judge) for images in draws])
            for name, draws in sets.items()
        }
        floor = rows["floor: training images"][0].frechet
        references = [q.frechet for name, (q, _) in rows.items() if name.startswith("reference")]
        for name, (q, spread) in rows.items():
            share = (q.frechet - floor) / (min(references) - floor) if references else float("nan")
            table.append(
                f"| {name} | {view} | {q.frechet:.2f} | {spread:.2f} | {share:.3f} "
                f"| {q.kernel:.4f} | {q.precision:.2f} | {q.recall:.2f} | {q.coverage:.2f} "
                f"| {q.smallest_class:.3f} |"
            )
    text = "\n".join(
        [
            f"{n:,} images, {options.seeds} seeds, {options.candidates} candidates, {test.source}.",
            "",
            *table,
            "",
            *lines,
        ]
    )
    print(text)
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
