"""Generated images of several models, scored in one run.

    python benchmarks/quality.py [--models FILE ...] [--data fashion-mnist] [--output FILE]

The shipped models are scored, and those in further files, for example other training seeds.  Where
``$QDVAE_DATA/reference`` holds images of the models that D-Wave's image-generation demo ships
(2,000 images of 32x32 from each, at the best temperature of those tried), they are scored beside
them.  Each model is scored in four views: 28x28 and 32x32 pixels, grey and rounded to black and
white.

Files that are named ``NAME, training seed K.safetensors`` count as trainings of one model, with the
shipped one of that name as a further one; means over them come first in the whole table.

The real side of every score is the test set in random order without the last ``--images`` of it;
these are scored, too (``floor: other test images``: only the luck of the draw is left).  ``floor:
copies of training images`` is the value of a perfect generator of what the models have seen; the
test set has other writers.  ``floor: training images in exact shares`` has as many of each label as
all training images; random ones leave that to luck, which ``generate`` does not.

Samples of the prior are scored as they are drawn.  Controls: strings that the encoder wrote for
training images (what a perfect prior would give), and the prior's samples with every spin shuffled
among those of its class (what is left of them without couplings).  ``recognised`` is the share of
images that the judge puts into one class with a probability above 0.9.

Where a model's classes are labels, images of each label are wished for, and two networks that know
nothing of each other say whether the wishes came true: the judge, and the three nearest training
images by their pixels.
"""

import argparse
import os
import statistics
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from common import tables
from common.models import as_learned, shipped, written_and_read
from sklearn.neighbors import KNeighborsClassifier

from qdvae_helpers.checkpoints import load_checkpoint
from qdvae_helpers.data import LABEL_NAMES, ImageSet, held_out_sample, load_images
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
FLOORS = (
    "floor: copies of training images",
    "floor: other test images",
    "floor: training images in exact shares",
)
KINDS = {
    "": "as drawn",
    ", encoder's strings": "encoder's strings",
    ", spins shuffled": "shuffled in classes",
}
SURE = 0.9  # the judge's probability from which an image counts as recognised


class Scored(NamedTuple):
    """Measures of several sets of images of one kind, averaged."""

    quality: Quality
    spread: float  #: standard deviation of the Frechet distance
    recognised: float  #: share that the judge is sure of

    @property
    def distance(self) -> str:
        """The Frechet distance with its spread."""
        spread = f" ± {self.spread:.1f}" if self.spread == self.spread else ""
        return f"{self.quality.frechet:.1f}{spread}"


Scores = dict[str, Scored]  # by set of images


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


def in_exact_shares(images: ImageSet, n: int, seeds: int) -> list[torch.Tensor]:
    """For each seed about ``n`` random images, each label as often as its share of all images."""
    wanted = images.labels.bincount().mul(n / len(images)).round().long().tolist()
    found = []
    for seed in range(seeds):
        mixed = images.sample(None, seed)
        of_label = [mixed.images[mixed.labels == y][:k] for y, k in enumerate(wanted)]
        found.append(torch.cat(of_label))
    return found


def shuffled(spins: torch.Tensor, classes: torch.Tensor | None, seed: int) -> torch.Tensor:
    """Every spin keeps its mean in each class and forgets the others; without classes, its mean."""
    generator = torch.Generator().manual_seed(seed)
    classes = torch.zeros(len(spins), dtype=torch.int64) if classes is None else classes
    found = spins.clone()
    for y in classes.unique():
        rows = (classes == y).nonzero().squeeze(1)
        for column in range(spins.shape[1]):
            order = torch.randperm(len(rows), generator=generator)
            found[rows, column] = spins[rows[order], column]
    return found


@torch.no_grad()
def generated_images(model: QDVAE, n: int, seed: int) -> dict[str, torch.Tensor]:
    """Samples as drawn, and with what the couplings do undone."""
    sampler = GibbsSampler(model.grbm, n, seed=seed, graph=model.graph)
    spins = model.prior_strings(n, sampler, seed)
    apart = shuffled(spins, sampler.classes, seed)
    return {"": model.decode(spins), ", spins shuffled": model.decode(apart)}


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
    """Squared errors per pixel: 28x28 grey and rounded, 32x32 rounded, and with both rounded."""
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


@torch.no_grad()
def recognised(images: torch.Tensor, judge: DigitJudge) -> float:
    """The share of images ``(N, 1, H, W)`` that the judge is sure of."""
    sure = [torch.softmax(judge.classes(judge(part)), 1).amax(1) for part in images.split(500)]
    return float((torch.cat(sure) > SURE).float().mean())


def average(scores: list[Quality], sure: list[float]) -> Scored:
    """Mean of every measure, and the standard deviation of the Frechet distance."""
    mean = Quality(*(statistics.mean(column) for column in zip(*scores, strict=True)))
    spread = statistics.stdev([s.frechet for s in scores]) if len(scores) > 1 else float("nan")
    return Scored(mean, spread, statistics.mean(sure))


def knows_labels(model: QDVAE, data_set: str) -> bool:
    """Whether one may wish for a label: numbers of clusters have names like digits."""
    made_of = model.trained_on.transforms if model.trained_on else ()
    return model.wishes == LABEL_NAMES[data_set] and any("within labels" in t for t in made_of)


def table_of_wishes(
    models: dict[str, QDVAE], n: int, seeds: int, judge: DigitJudge, train: ImageSet, test: ImageSet
) -> list[str]:
    """How often two networks see what was wished for; nothing where no model knows labels."""
    models = {name: m for name, m in models.items() if knows_labels(m, train.source.data_set)}
    if not models:
        return []
    neighbours = KNeighborsClassifier(3, algorithm="brute")
    neighbours.fit(train.images.flatten(1).numpy(), train.labels.numpy())

    def row(name: str, draws: list[torch.Tensor], labels: torch.Tensor) -> list[str]:
        by_judge, by_others = [], []
        for images in draws:
            by_judge.append(float((judge.classify(images) == labels).float().mean()))
            found = neighbours.predict(images.flatten(1).numpy())
            by_others.append(float((torch.from_numpy(found) == labels).float().mean()))
        return [name, *(f"{statistics.mean(shares):.3f}" for shares in (by_judge, by_others))]

    rows = [row("held-out images, by their labels", [test.images[:n]], test.labels[:n])]
    wishes = torch.arange(n) % 10
    for name, model in models.items():
        draws = [model.generate(n, seed=seed, classes=wishes) for seed in range(seeds)]
        rows.append(row(f"`{name}`", draws, wishes))
    return ["", *tables.markdown(["wishes obeyed", "by the judge", "by 3 neighbours"], rows)]


def whole_table(scores: dict[str, Scores]) -> list[str]:
    """All measures of all sets of images, by view."""
    rows = []
    several = any(s.spread == s.spread for of_view in scores.values() for s in of_view.values())
    for view, of_view in scores.items():
        for name, (q, spread, sure) in of_view.items():
            shares = [f"{value:.2f}" for value in (q.precision, q.recall, q.coverage)]
            rows.append([name, view, f"{q.frechet:.2f}", *[f"{spread:.2f}"] * several])
            rows[-1] += [f"{q.kernel:.4f}", *shares, f"{q.smallest_class:.3f}", f"{sure:.3f}"]
    columns = ["images", "view", "Frechet", *["sd"] * several, "kernel", "precision", "recall"]
    return tables.markdown([*columns, "coverage", "rarest", "recognised"], rows)


def short_table(scores: dict[str, Scores], models: list[str]) -> list[str]:
    """Distances of every model by view, and how many of its images are recognised."""
    rows = []
    for view, of_view in scores.items():
        best = [s.quality.frechet for name, s in of_view.items() if name.startswith("reference")]
        real = [of_view[FLOORS[0]].distance, f"{min(best):.1f}" if best else ""]
        for model in models:
            found = [of_view[model + kind] for kind in KINDS]
            sure = ", ".join(f"{one.recognised:.3f}" for one in found[:2])
            rows.append([view, *real, f"`{model}`", *(one.distance for one in found), sure])
    columns = ["view", "floor", "reference", "model", *KINDS.values()]
    return tables.markdown([*columns, "recognised: drawn, encoder's"], rows)


def training_of(name: str) -> str:
    """What trainings with several seeds have in common: the name up to ``, training seed``."""
    return name.partition(", training seed")[0]


def table_of_trainings(scores: dict[str, Scores], models: list[str]) -> list[str]:
    """Mean and standard deviation over training seeds; nothing where no model has several.

    ``share`` is the distance above the floor, in parts of the best reference model's.
    """
    groups: dict[str, list[str]] = {}
    for model in models:
        groups.setdefault(training_of(model), []).append(model)
    rows = []
    for view, of_view in scores.items():
        floor = of_view[FLOORS[0]].quality.frechet
        best = [s.quality.frechet for name, s in of_view.items() if name.startswith("reference")]
        for name, ones in groups.items():
            if len(ones) < 2:
                continue
            found = {kind: [of_view[one + kind] for one in ones] for kind in KINDS}
            drawn = [[s.quality.frechet for s in of_kind] for of_kind in found.values()]
            means = [f"{statistics.mean(d):.1f} ± {statistics.stdev(d):.1f}" for d in drawn]
            share = (statistics.mean(drawn[0]) - floor) / (min(best) - floor) if best else None
            sure = [statistics.mean(s.recognised for s in found[kind]) for kind in list(KINDS)[:2]]
            rows.append([view, f"`{name}`", str(len(ones)), *means])
            rows[-1] += [f"{share:.3f}" if best else "", f"{sure[0]:.3f}, {sure[1]:.3f}"]
    columns = ["view", "model", "training seeds", *KINDS.values(), "share"]
    return tables.markdown([*columns, "recognised: drawn, encoder's"], rows) if rows else []


def short_errors(errors: list[list[str]]) -> list[str]:
    """Of the rows of errors those at 28x28 rounded, one row per model."""
    ways = list(dict.fromkeys(row[1] for row in errors))
    models = dict.fromkeys(row[0] for row in errors)
    of_model = [[m, *(row[3] for row in errors if row[0] == m)] for m in models]
    return tables.markdown(["squared error per pixel, 28 rounded", *ways], of_model)


def main() -> int:
    """Print the tables, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", type=Path, default=[], help="further checkpoints")
    parser.add_argument("--data", choices=tuple(LABEL_NAMES), default="mnist")
    parser.add_argument("--images", type=int, default=2_000, help="generated, at most 3,000")
    parser.add_argument("--seeds", type=int, default=3, help="of sampling")
    tables.add_write_option(parser, "README.md and results")
    parser.add_argument("--output", type=Path, help="the whole table, for other models")
    parser.add_argument("--overwrite", action="store_true", help="replace that file")
    options = parser.parse_args()
    if options.output:
        tables.require(parser, options.output, options.overwrite)
    if options.write and options.data != "mnist":
        parser.error("--write is for mnist: name a file with --output")
    n, data_set = options.images, options.data

    train, test = load_images(data_set), held_out_sample(None, data_set)
    real, apart = test.images[:-n], test.images[-n:]
    models = shipped(data_set) | {path.stem: load_checkpoint(path) for path in options.models}
    if not models:
        parser.error(f"no model of {data_set} ships: name files with --models")

    of_training = train.sample(n * options.seeds)
    floors = (list(of_training.images.split(n)), [apart], in_exact_shares(train, n, options.seeds))
    sets = dict(zip(FLOORS, floors, strict=True))
    if data_set == "mnist":
        sets |= {name: [images[:n]] for name, images in reference_images().items()}
    errors: list[list[str]] = []
    for name, model in models.items():
        for seed in range(options.seeds):
            for kind, images in generated_images(model, n, seed).items():
                sets.setdefault(f"{name}{kind}", []).append(images)
        sets[f"{name}, encoder's strings"] = [
            written_and_read(model, part) for part in as_learned(model, of_training).images.split(n)
        ]
        ways = reconstructions(model, as_learned(model, test).images)
        errors += [[f"`{name}`", way, *errors_of(ways[way], test.images)] for way in ways]
    copied = errors_of(test.images.round(), test.images)
    errors.append(["a perfect black-and-white copy", "", *copied])

    judge = load_judge(data_set)
    scores: dict[str, Scores] = {}
    for view in VIEWS:
        seen = view_of(real, view).clone()  # memory of its own, by which it is known
        remembering = Remembering(judge, seen)
        scores[view] = {}
        for name, draws in sets.items():
            draws = [view_of(images, view) for images in draws]
            found = [quality(images, seen, remembering) for images in draws]
            scores[view][name] = average(found, [recognised(images, judge) for images in draws])
    of_errors = tables.markdown(
        ["squared error per pixel", "spins", "28 grey", "28 rounded", "32 rounded", "32, both"],
        errors,
    )
    many = f"{options.seeds} sampling seeds, mean ± standard deviation"
    about = (
        f"{n:,} images, {many if options.seeds > 1 else 'one sampling seed'}; real side: a "
        f"random {len(real):,} of {data_set} test."
    )
    wishes = table_of_wishes(models, n, options.seeds, judge, train, test)
    trainings = table_of_trainings(scores, list(models))
    whole = [
        *trainings,
        *([""] if trainings else []),
        *whole_table(scores),
        "",
        *of_errors,
        *wishes,
        *tables.note(about),
    ]
    short = [*short_table(scores, list(models)), *wishes, "", *short_errors(errors[:-1])]
    short += tables.note(about)
    print("\n".join([*whole, "", *short]))
    if options.write:
        tables.to_readme("quality", short)
        tables.to_results("quality", whole)
    if options.output:
        tables.write(options.output, "\n".join(whole) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
