"""What biases for each class are worth, and what couplings are worth beside them.

    python benchmarks/classes.py [--data fashion-mnist] [--only NAME ...] [--write | --output FILE]

Trains the network of the profile ``lesson`` once per row, on rounded MNIST or on Fashion-MNIST as
it is, in grey, always with one seed and as many steps, and measures all models alike: the Frechet
distance of samples as drawn, over three sampling seeds, and that of strings which the encoder wrote
for training images (what a perfect prior would give); reconstruction and squared error of held-out
images.  Rows differ from the first one in what they name:

- without couplings; the same with as many numbers in wider layers; couplings on as many random
  pairs in place of the graph's;
- couplings without classes, with the rate of such a prior;
- other numbers of clusters; labels, one class each or ten clusters each; the same labels given to
  the wrong images;
- a Gaussian VAE whose prior is a mixture, with one learned normal distribution a class.

One training seed, so a difference of 1 or 2 is luck; ``--seed`` takes another one.  Some minutes a
row on an idle machine.
"""

import argparse
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import networkx as nx
import torch
from common import gaussian_vae, tables
from common.models import written_and_read

from qdvae_helpers.arguments import require_grbm
from qdvae_helpers.data import LABEL_NAMES, ImageSet, held_out_sample, load_images
from qdvae_helpers.evaluate import quality
from qdvae_helpers.judge import DigitJudge, load_judge
from qdvae_helpers.losses import reconstruction_loss
from qdvae_helpers.models import QDVAE
from qdvae_helpers.priors import ClassBoltzmannMachine
from qdvae_helpers.profiles import PROFILES
from qdvae_helpers.samplers import GibbsSampler
from qdvae_helpers.training import PreparedRun, TrainConfig, prepare_run
from qdvae_helpers.training.prepare import in_classes

PROFILE = PROFILES["lesson"]
_BATCH = 1_000  # images at a time where something is measured


@dataclass(frozen=True)
class Row:
    """One training: options of ``prepare_run``, and what is changed after it."""

    options: dict = field(default_factory=lambda: {"classes": "clusters", "n_classes": 100})
    change: Callable[[PreparedRun, int], None] | None = None
    wider: bool = False  #: as many numbers in the layers as the couplings would have been
    wrong_labels: bool = False  #: labels of other images


def no_couplings(run: PreparedRun, seed: int) -> None:
    """Hold the couplings at zero: given its class, each spin is independent."""
    run.model.grbm.quadratic.data.zero_()
    run.model.grbm.quadratic.requires_grad_(False)


def random_pairs(run: PreparedRun, seed: int) -> None:
    """As many couplings, between pairs of spins drawn at random."""
    old, sampler = run.model.grbm, run.sampler
    drawn = nx.gnm_random_graph(old.n_nodes, old.n_edges, seed=seed)
    nodes = list(old.nodes)
    edges = [(nodes[i], nodes[j]) for i, j in drawn.edges]
    new = require_grbm(ClassBoltzmannMachine(nodes, edges, len(old.class_biases)))
    new.shares.copy_(old.shares)
    new.linear.data = old.linear.detach().clone()
    new.quadratic.data = old.quadratic.detach().clone()
    run.model.grbm = new
    run.sampler = GibbsSampler(new, sampler.num_samples, sampler.sweeps, seed=seed)


def clusters(k: int) -> Row:
    """The first row with another number of clusters."""
    return Row({"classes": "clusters", "n_classes": k})


LABELS = {"classes": "labels", "n_classes": 10}
#: Rows of Gaussian VAEs, and how many classes their priors know.
GAUSSIANS = {"Gaussian VAE, 10 labels": 10, "Gaussian VAE, 10 labels of 10 clusters": 100}
ROWS = {
    "couplings, 100 clusters": Row(),
    "no couplings, 100 clusters": Row(change=no_couplings),
    "no couplings, wider layers, 100 clusters": Row(change=no_couplings, wider=True),
    "random pairs, 100 clusters": Row(change=random_pairs),
    "couplings, no classes": Row({"classes": "none"}),
    "couplings, 10 clusters": clusters(10),
    "couplings, 50 clusters": clusters(50),
    "couplings, 250 clusters": clusters(250),
    "couplings, 10 labels": Row(LABELS),
    "couplings, 10 labels of other images": Row(LABELS, wrong_labels=True),
    "couplings, 10 labels of 10 clusters": Row({"classes": "labels", "n_classes": 100}),
}
COLUMNS = [
    "prior",
    "parameters",
    "Frechet, as drawn",
    "encoder's strings",
    "reconstruction (nats)",
    "squared error",
]


def parameters(model: QDVAE) -> int:
    """Numbers that training may change."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def prepared(row: Row, train: ImageSet, steps: int, seed: int) -> PreparedRun:
    """The run of a row, ready to be trained."""
    if row.wrong_labels:
        others = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))
        train = ImageSet(train.images, train.labels[others], train.source)
    hidden, wanted = PROFILE.hidden, 0
    while True:
        run = prepare_run(
            train,
            profile=replace(PROFILE, hidden=hidden),
            sampler="gibbs",
            seed=seed,
            steps=steps,
            report_every=steps,
            **row.options,
        )
        wanted = wanted or parameters(run.model)
        if row.change:
            row.change(run, seed)
        if not row.wider or parameters(run.model) >= wanted:
            return run
        # Clusters are found anew each time; a few units make up for the couplings.
        missing = wanted - parameters(run.model)
        a_unit = 2 * hidden[0] + 2 * run.model.n_spins  # of the layer beside the spins, roughly
        hidden = (*hidden[:-1], hidden[-1] + -(-missing // a_unit))


def distances(
    drawn: list[torch.Tensor], written: list[torch.Tensor], real: torch.Tensor, judge: DigitJudge
) -> list[str]:
    """Frechet distances: of samples with their spread, and of the encoder's strings.

    Where the real images are black and white, the others are rounded.
    """
    grey = bool((real != real.round()).any())
    own, best = (
        [quality(images if grey else images.round(), real, judge).frechet for images in sets]
        for sets in (drawn, written)
    )
    spread = f" ± {statistics.stdev(own):.1f}" if len(own) > 1 else ""
    return [f"{statistics.mean(own):.1f}{spread}", f"{statistics.mean(best):.1f}"]


@torch.no_grad()
def rebuilt(logits_of: Callable[[torch.Tensor], torch.Tensor], real: torch.Tensor) -> list[str]:
    """Reconstruction of held-out images from codes drawn once: nats, squared error per pixel."""
    torch.manual_seed(0)
    nats, squares = 0.0, 0.0
    for part in real.split(_BATCH):
        pixel_logits = logits_of(part)
        nats += float(reconstruction_loss(pixel_logits.unsqueeze(1), part)) * len(part)
        squares += float((torch.sigmoid(pixel_logits) - part).square().mean()) * len(part)
    return [f"{nats / len(real):.1f}", f"{squares / len(real):.4f}"]


@dataclass(frozen=True)
class Measures:
    """What all rows are compared with."""

    real: torch.Tensor
    seen: list[torch.Tensor]  #: training images, a set for each sampling seed
    judge: DigitJudge

    @torch.no_grad()
    def of_spins(self, run: PreparedRun) -> list[str]:
        """The cells of a trained model."""
        model, grbm = run.model, run.model.grbm
        n = len(self.seen[0])
        # Without model.graph, which is not that of random pairs.
        strings = (GibbsSampler(grbm, n, seed=seed).fresh() for seed in range(len(self.seen)))
        drawn = [model.decode(spins) for spins in strings]
        written = [written_and_read(model, part) for part in self.seen]

        def logits_of(images: torch.Tensor) -> torch.Tensor:
            return model.dvae.decoder(model.spins(model.encode(images)))

        return [*distances(drawn, written, self.real, self.judge), *rebuilt(logits_of, self.real)]

    @torch.no_grad()
    def of_gaussians(
        self, model: gaussian_vae.GaussianVAE, prior: gaussian_vae.GaussianPrior, labels: list[int]
    ) -> list[str]:
        """The same for a Gaussian VAE; ``labels`` of its samples."""
        classes = torch.tensor(labels)
        seeds = range(len(self.seen))
        drawn = [model.decode(prior.draw(classes, seed)) for seed in seeds]
        written = [model.reconstruct(part) for part in self.seen]

        def logits_of(images: torch.Tensor) -> torch.Tensor:
            return model.decoder(model.codes(*model.encode(images)))

        return [*distances(drawn, written, self.real, self.judge), *rebuilt(logits_of, self.real)]


def gaussian_row(k: int, train: ImageSet, steps: int, seed: int, measures: Measures) -> list[str]:
    """Train a Gaussian VAE with ``k`` classes, measure it."""
    train, _ = in_classes(train, "labels", k)
    config = TrainConfig.for_profile(PROFILE, steps=steps, seed=seed)
    model, prior = gaussian_vae.trained(train.images, config, PROFILE.hidden, train.labels)
    n = len(measures.seen[0])
    labels = train.labels[torch.linspace(0, len(train) - 1, n).long()].tolist()
    numbers = sum(p.numel() for p in [*model.parameters(), *prior])
    return [f"{numbers:,}", *measures.of_gaussians(model, prior, labels)]


def spin_row(row: Row, train: ImageSet, steps: int, seed: int, measures: Measures) -> list[str]:
    """Train a model with a Boltzmann machine, measure it."""
    run = prepared(row, train, steps, seed)
    run.fit(progress=False)
    return [f"{parameters(run.model):,}", *measures.of_spins(run)]


def main() -> int:
    """Train, measure, print the table, and write it where asked."""
    names = [*ROWS, *GAUSSIANS]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=PROFILE.steps)
    parser.add_argument("--seed", type=int, default=0, help="of training")
    parser.add_argument("--images", type=int, default=2_000, help="drawn of each model")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--data", choices=tuple(LABEL_NAMES), default="mnist")
    tables.add_write_option(parser)
    parser.add_argument("--output", type=Path, help="the table, for another data set")
    options = parser.parse_args()
    if options.output:
        tables.require(parser, options.output)
    if options.write and options.data != "mnist":
        parser.error("--write is for mnist: name a file with --output")
    train, held_out = load_images(options.data), held_out_sample(None, options.data)
    rounded = options.data == "mnist"  # grey garments lose too much
    if rounded:
        train, held_out = train.rounded(), held_out.rounded()
    seen = list(train.sample(3 * options.images).images.split(options.images))
    measures = Measures(held_out.images[:8_000], seen, load_judge(options.data))
    rows = []
    for name in options.only:
        if name in GAUSSIANS:
            cells = gaussian_row(GAUSSIANS[name], train, options.steps, options.seed, measures)
        else:
            cells = spin_row(ROWS[name], train, options.steps, options.seed, measures)
        rows.append([name, *cells])
        print(*rows[-1], sep=" | ", flush=True)
    floor = distances(seen, seen, measures.real, measures.judge)[0]
    lines = tables.markdown(COLUMNS, rows)
    lines += tables.note(
        f"28x28 {'rounded' if rounded else 'grey'}; {options.steps:,} steps, training seed "
        f"{options.seed}; "
        f"{options.images:,} samples, mean ± standard deviation of 3 sampling seeds; real side: a "
        f"random {len(measures.real):,} of {options.data} test; floor (training images) {floor}."
    )
    print("\n".join(lines))
    if options.write:
        tables.to_readme("classes", lines)
    if options.output:
        tables.write(options.output, "\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
