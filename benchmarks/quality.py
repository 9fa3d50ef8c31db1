"""Generated digits of several models, scored in one run.

    python benchmarks/quality.py [CHECKPOINT ...] [--write] [--output FILE]

Without arguments the shipped models are scored.  Where ``$QDVAE_DATA/reference`` holds images of
the models that D-Wave's image-generation demo ships (2,000 images of 32x32 from each, at the best
temperature of those tried), they are scored beside them.  Each model is scored in four views: 28x28
and 32x32 pixels, grey and rounded to black and white.

The real side of every score is the test set in random order without the last ``--images`` of it.
Those last ones are the source of two rows: as they are (``floor: other test images``: only the luck
of the draw is left), and rebuilt.  ``floor: training images`` is the value of a perfect generator
of what the models have seen; the test set has other writers.  ``share`` is the distance above that
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
from common import tables
from common.models import as_learned, models_of

from qdvae_helpers.data import held_out_sample, load_images
from qdvae_helpers.density_ratio import choose
from qdvae_helpers.evaluate import Quality, quality
from qdvae_helpers.judge import DigitJudge, load_judge, resize
from qdvae_helpers.models import QDVAE
from qdvae_helpers.samplers import GibbsSampler

VIEWS = {
    "28 grey": (28, False),
    "28 rounded": (28, True),
    "32 grey": (32, False),
    "32 rounded": (32, True),
}
ROUNDS = 3  # of QDVAE.refine
FLOOR = "floor: training images"
Scores = dict[str, tuple[Quality, float]]  # by set of images: the mean, and the distance's spread


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
    control.fit_ratio(images, steps=steps, progress=False)
    return control


@torch.no_grad()
def generated_images(
    model: QDVAE, n: int, seed: int, candidates: list[int], control: QDVAE | None
) -> dict[str, torch.Tensor]:
    """Samples, chosen ones, and those without what the couplings do; some also after rounds."""
    spins = GibbsSampler(model.grbm, n, seed=seed, graph=model.graph).fresh()
    sets = {"": model.decode(spins)}
    most = max(candidates)
    if model.ratio is not None:
        for k in candidates:
            sets[f", chosen of {k}"] = model.generate(n, seed=seed, candidates=k)
    to_mend = {kind: sets[kind] for kind in ("", f", chosen of {most}") if kind in sets}
    sets[", spins shuffled"] = model.decode(shuffled(spins, seed))
    if control is not None:
        generator = torch.Generator().manual_seed(seed)
        up = torch.sigmoid(-2 * control.grbm.linear).expand(most, n, -1)
        strings = 2 * torch.bernoulli(up, generator=generator) - 1
        kept = choose(strings, control.ratio, generator)
        sets[f", no couplings, chosen of {most}"] = control.decode(kept)
    for kind, images in to_mend.items():
        sets[f"{kind}, {ROUNDS} rounds"] = model.refine(images, ROUNDS, seed=seed)
    return sets


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
            "drawn once": model.decode(model.spins(logits)),
            "most likely": model.decode(torch.where(logits > 0, 1.0, -1.0)),
            "mean of 20 draws": sum(model.decode(model.spins(logits)) for _ in range(20)) / 20,
        }
        for way, rebuilt in found.items():
            ways.setdefault(way, []).append(rebuilt)
    return {way: torch.cat(parts) for way, parts in ways.items()}


def errors_of(rebuilt: torch.Tensor, test: torch.Tensor) -> list[str]:
    """Squared errors a pixel: 28x28 grey and rounded, 32x32 rounded, and with both rounded."""
    round32 = view_of(test, "32 rounded")
    differences = (
        rebuilt - test,
        rebuilt - test.round(),
        resize(rebuilt, 32) - round32,
        view_of(rebuilt, "32 rounded") - round32,
    )
    return [f"{float(d.square().mean()):.4f}" for d in differences]


class Remembering:
    """A judge that looks at the real images once, however many sets are compared with them."""

    def __init__(self, judge: DigitJudge, real: torch.Tensor) -> None:
        self.judge, self.classes = judge, judge.classes
        self.memory = real.untyped_storage().data_ptr()
        self.seen: dict[tuple[int, int], torch.Tensor] = {}

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Features ``(N, 64)`` of ``(N, 1, H, W)``; those of a part of ``real`` are kept."""
        if images.untyped_storage().data_ptr() != self.memory:
            return self.judge(images)
        part = (images.storage_offset(), len(images))
        if part not in self.seen:
            self.seen[part] = self.judge(images)
        return self.seen[part]


def average(scores: list[Quality]) -> tuple[Quality, float]:
    """Mean of every measure, and the standard deviation of the Frechet distance."""
    mean = Quality(*(statistics.mean(column) for column in zip(*scores, strict=True)))
    spread = statistics.stdev([s.frechet for s in scores]) if len(scores) > 1 else float("nan")
    return mean, spread


def best_reference(scores: Scores) -> float:
    """The smallest distance of the reference models; NaN without them."""
    found = [q.frechet for name, (q, _) in scores.items() if name.startswith("reference")]
    return min(found, default=float("nan"))


def share(frechet: float, scores: Scores) -> float:
    """The distance above the floor, relative to that of the best reference."""
    floor = scores[FLOOR][0].frechet
    return (frechet - floor) / (best_reference(scores) - floor)


def whole_table(scores: dict[str, Scores]) -> list[str]:
    """All measures of all sets of images, by view."""
    rows = []
    for view, of_view in scores.items():
        for name, (q, spread) in of_view.items():
            distance = [f"{q.frechet:.2f}", f"{spread:.2f}", f"{share(q.frechet, of_view):.3f}"]
            shares = [f"{value:.2f}" for value in (q.precision, q.recall, q.coverage)]
            rows.append([name, view, *distance, f"{q.kernel:.4f}", *shares])
            rows[-1].append(f"{q.smallest_class:.3f}")
    columns = ["images", "view", "Frechet", "sd", "share", "kernel", "precision", "recall"]
    return tables.markdown([*columns, "coverage", "rarest"], rows)


def short_table(scores: dict[str, Scores], models: list[str], most: int) -> list[str]:
    """Distances of every model by view, with shares for what it generates."""
    kinds = {
        "": "as drawn (share)",
        f", {ROUNDS} rounds": f"{ROUNDS} rounds",
        f", chosen of {most}": f"chosen of {most} (share)",
        f", no couplings, chosen of {most}": "no couplings",
        ", spins shuffled": "shuffled",
        ", encoder's strings": "encoder's strings",
    }
    any_view = next(iter(scores.values()))
    kinds = {k: title for k, title in kinds.items() if any(m + k in any_view for m in models)}

    rows = []
    for view, of_view in scores.items():
        real = [f"{of_view[FLOOR][0].frechet:.1f}", f"{best_reference(of_view):.1f}"]
        for model in models:
            cells = []
            for kind, title in kinds.items():
                found = of_view[model + kind][0].frechet if model + kind in of_view else None
                cells.append("" if found is None else f"{found:.1f}")
                if found is not None and title.endswith("(share)"):
                    cells[-1] += f" ({share(found, of_view):.3f})"
            rows.append([view, *real, f"`{model}`", *cells])
    return tables.markdown(["view", "floor", "reference", "model", *kinds.values()], rows)


def table_of_candidates(
    scores: dict[str, Scores], models: list[str], candidates: list[int]
) -> list[str]:
    """Distances in the rounded views by number of candidates; nothing where none was chosen."""
    views = [view for view, (_, rounded) in VIEWS.items() if rounded]
    with_ratio = [m for m in models if f"{m}, chosen of {candidates[0]}" in scores[views[0]]]
    if not with_ratio or len(candidates) < 2:
        return []
    rows = []
    for k in (1, *candidates):
        kind = f", chosen of {k}" if k > 1 else ""
        found = [scores[view][model + kind] for model in with_ratio for view in views]
        rows.append([f"{k}", *(f"{q.frechet:.1f} ± {spread:.1f}" for q, spread in found)])
    columns = [f"`{model}`, {view}" for model in with_ratio for view in views]
    return ["", *tables.markdown(["candidates", *columns], rows)]


def short_errors(errors: list[list[str]]) -> list[str]:
    """Of the rows of errors those at 28x28 rounded, a row a model."""
    ways = list(dict.fromkeys(row[1] for row in errors))
    models = dict.fromkeys(row[0] for row in errors)
    of_model = [[m, *(row[3] for row in errors if row[0] == m)] for m in models]
    return tables.markdown(["squared error a pixel, 28 rounded", *ways], of_model)


def main() -> int:
    """Print the tables, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoints", nargs="*", type=Path)
    parser.add_argument("--images", type=int, default=2_000, help="generated, at most 3,000")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--candidates", type=int, nargs="+", default=[10, 40])
    tables.add_write_option(parser, "README.md and results")
    parser.add_argument("--output", type=Path, help="the whole table, for other models")
    parser.add_argument("--overwrite", action="store_true", help="replace that file")
    options = parser.parse_args()
    if options.output:
        tables.require(parser, options.output, options.overwrite)
    n, candidates = options.images, sorted(options.candidates)

    train, test = load_images(), held_out_sample(None)
    real, apart = test.images[:-n], test.images[-n:]
    models = models_of(options.checkpoints)

    of_training = train.sample(n * options.seeds)
    sets = {FLOOR: list(of_training.images.split(n)), "floor: other test images": [apart]}
    sets |= {name: [images[:n]] for name, images in reference_images().items()}
    errors: list[list[str]] = []
    for name, model in models.items():
        known, shown = as_learned(model, train), as_learned(model, test)
        control = None if model.ratio is None else without_couplings(model, known.images)
        for seed in range(options.seeds):
            found = generated_images(model, n, seed, candidates, control)
            for kind, images in found.items():
                sets.setdefault(f"{name}{kind}", []).append(images)
        ways = reconstructions(model, shown.images)
        sets[f"{name}, reconstructions"] = [ways["drawn once"][-n:]]
        sets[f"{name}, encoder's strings"] = [
            written_and_read(model, part) for part in as_learned(model, of_training).images.split(n)
        ]
        errors += [[f"`{name}`", way, *errors_of(ways[way], test.images)] for way in ways]
    copied = errors_of(test.images.round(), test.images)
    errors.append(["a perfect black-and-white copy", "", *copied])

    judge = load_judge()
    scores: dict[str, Scores] = {}
    for view in VIEWS:
        seen = view_of(real, view).clone()  # memory of its own, by which it is known
        remembering = Remembering(judge, seen)
        scores[view] = {
            name: average([quality(view_of(images, view), seen, remembering) for images in draws])
            for name, draws in sets.items()
        }
    of_errors = tables.markdown(
        ["squared error a pixel", "spins", "28 grey", "28 rounded", "32 rounded", "32, both"],
        errors,
    )
    about = f"{n:,} images, {options.seeds} seeds; real side: a random {len(real):,} of MNIST test."
    short = short_table(scores, list(models), candidates[-1])
    short += table_of_candidates(scores, list(models), candidates)
    whole = [*whole_table(scores), "", *of_errors, *tables.note(about)]
    short += ["", *short_errors(errors[:-1]), *tables.note(about)]
    print("\n".join([*whole, "", *short]))
    if options.write:
        tables.to_readme("quality", short)
        tables.to_results("quality", whole)
    if options.output:
        tables.write(options.output, "\n".join(whole) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
