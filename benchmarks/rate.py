"""What each recipe's code says about an image, and what that costs: rate against distortion.

    python benchmarks/rate.py [--only NAME ...] [--write | --output FILE]

Trains the network of the profile ``lesson``, with 256 spins, once per row, on rounded MNIST: with
the recipe ``elbo`` or ``mmd``, each at several weights and as ``qdvae train`` trains it.  All rows
but the last know the same 50 clusters, found without labels.  On held-out images:

- the rate, the mean of ``log q(s|x) - log p(s)``: the price of the spins.  All classes count in
  ``p(s) = sum_y share_y p(s|y)``, since nobody says which one a held-out image has.  ``log Z`` of
  every class comes from annealed importance sampling upwards, which tends to be too small, and
  downwards, which tends to be too large; the rate is the middle of both, ± half of what lies
  between them;
- the distortion, the mean of ``-log p(x|s)``: what the spins leave to chance;
- their sum, which bounds ``-log p(x)`` (the negative ELBO).

Beside them the Frechet distance of samples as drawn, over two sampling seeds, and that of strings
which the encoder wrote for training images (what a perfect prior would give).  ``--write`` also
draws ``benchmarks/results/rate.png``.  Some minutes a row.
"""

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

import matplotlib
import torch
import torch.nn.functional as F
from classes import distances
from common import tables
from common.models import written_and_read
from likelihood import log_z_both_ways

from qdvae_helpers.data import ImageSet, held_out_sample, load_images
from qdvae_helpers.judge import DigitJudge, load_judge
from qdvae_helpers.models import QDVAE
from qdvae_helpers.outputs import replacing
from qdvae_helpers.plots import BLUE, VERMILLION
from qdvae_helpers.priors import log_prior, n_classes
from qdvae_helpers.profiles import PROFILES
from qdvae_helpers.samplers import GibbsSampler
from qdvae_helpers.training import prepare_run

matplotlib.use("agg")

PROFILE = PROFILES["lesson"]
_LOOKS = {"elbo": (BLUE, "o"), "mmd": (VERMILLION, "s")}
_WEIGHTS = {"elbo": "kl_weight", "mmd": "mmd_weight"}


class Row(NamedTuple):
    """One training."""

    recipe: str
    weight: float  #: of the KL, or of the MMD
    clusters: int = 50  #: 0: a prior without classes


ROWS = {
    "elbo 0.5": Row("elbo", 0.5),
    "elbo 1": Row("elbo", 1),
    "elbo 2": Row("elbo", 2),
    "mmd 10": Row("mmd", 10),
    "mmd 30": Row("mmd", 30),
    "mmd 100": Row("mmd", 100),
    "elbo 1, no classes": Row("elbo", 1, 0),
}
COLUMNS = [
    "recipe and weight",
    "rate (nats)",
    "distortion (nats)",
    "sum",
    "squared error",
    "Frechet, as drawn",
    "encoder's strings",
]


class Code(NamedTuple):
    """What the codes of N images cost and say, each ``(N,)``, means of some draws."""

    least_rate: torch.Tensor  #: in nats, with ``log Z`` from below
    most_rate: torch.Tensor  #: with ``log Z`` from above
    distortion: torch.Tensor  #: in nats
    squared_error: torch.Tensor  #: per pixel

    @property
    def rate(self) -> float:
        """The middle of both, over all images."""
        return float((self.least_rate + self.most_rate).mean()) / 2

    @property
    def doubt(self) -> float:
        """How far both lie from it."""
        return abs(float((self.most_rate - self.least_rate).mean())) / 2


@torch.no_grad()
def code_of(model: QDVAE, images: torch.Tensor, log_z: list[list[float]], draws: int = 5) -> Code:
    """Rate and distortion of black-and-white images; ``log_z`` from below and above, per class."""
    torch.manual_seed(0)
    both, parts = images.new_tensor(log_z), []
    for part in images.split(1_000):
        logits, found = model.encode(part), []
        for _ in range(draws):
            spins = model.spins(logits)
            log_q = F.logsigmoid(spins * logits).sum(1)
            pixel_logits = model.dvae.decoder(spins)
            nats = F.binary_cross_entropy_with_logits(pixel_logits, part, reduction="none")
            squares = (torch.sigmoid(pixel_logits) - part).square()
            rates = [log_q - log_prior(model.grbm, spins, one) for one in both]
            found.append(torch.stack([*rates, nats.flatten(1).sum(1), squares.flatten(1).mean(1)]))
        parts.append(torch.stack(found).mean(0))
    return Code(*torch.cat(parts, 1))


def trained(row: Row, train: ImageSet, steps: int, seed: int) -> QDVAE:
    """The model of a row, trained as ``qdvae train`` trains it."""
    classes = {"classes": "clusters", "n_classes": row.clusters} if row.clusters else {}
    run = prepare_run(
        train,
        profile=PROFILE,
        recipe=row.recipe,
        sampler="gibbs",
        n_spins=PROFILE.n_spins,
        seed=seed,
        steps=steps,
        report_every=steps,
        **{_WEIGHTS[row.recipe]: row.weight},
        **classes,
    )
    run.fit(progress=False)
    return run.model


@torch.no_grad()
def frechet_of(
    model: QDVAE, real: torch.Tensor, seen: list[torch.Tensor], judge: DigitJudge
) -> list[str]:
    """Distances of samples as drawn, a sampling seed for each set of training images, and of the
    encoder's strings of these.
    """
    drawn = [
        model.decode(GibbsSampler(model.grbm, len(part), seed=seed, graph=model.graph).fresh())
        for seed, part in enumerate(seen)
    ]
    return distances(drawn, [written_and_read(model, part) for part in seen], real, judge)


def draw(codes: dict[str, Code], path: Path) -> None:
    """A mark per row, and a line on which the sum is that of the best."""
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots(figsize=(6, 4.2), layout="constrained")
    points = {name: (code.rate, float(code.distortion.mean())) for name, code in codes.items()}
    for name, point in points.items():
        colour, marker = _LOOKS[ROWS[name].recipe]
        inside = colour if ROWS[name].clusters else "none"
        ax.plot(*point, marker, color=colour, mfc=inside)
        below = list(ROWS).index(name) % 3 == 1  # the middle one of three weights
        where, side = ((-6, -6), ("right", "top")) if below else ((6, 4), ("left", "bottom"))
        at = {"xytext": where, "ha": side[0], "va": side[1], "textcoords": "offset points"}
        ax.annotate(name, point, color=colour, **at)
    ax.axline(min(points.values(), key=sum), slope=-1, color="grey", lw=0.8, ls=":")
    ax.set(xlabel="rate (nats)", ylabel="distortion (nats)", xmargin=0.2, ymargin=0.1)
    ax.set_title("Held-out digits; dotted: the best sum")
    with replacing(path) as written:
        fig.savefig(written, dpi=120)
    plt.close(fig)


def main() -> int:
    """Train, measure, print the table, and write it with a plot where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=PROFILE.steps)
    parser.add_argument("--seed", type=int, default=0, help="of training")
    parser.add_argument("--images", type=int, default=2_000, help="held-out, and drawn of a model")
    parser.add_argument("--chains", type=int, default=2_500, help="annealing runs, of all classes")
    parser.add_argument("--levels", type=int, default=500, help="temperatures of each")
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS), metavar="NAME")
    tables.add_write_option(parser, "results")
    parser.add_argument("--output", type=Path, help="the table alone, elsewhere")
    options = parser.parse_args()
    if options.output:
        tables.require(parser, options.output)
    train, held_out = load_images().rounded(), held_out_sample(None).rounded()
    real, measured = held_out.images[:8_000], held_out.images[: options.images]
    seen, judge = list(train.sample(2 * options.images).images.split(options.images)), load_judge()
    rows, codes, errors = [], {}, []
    for name in options.only:
        model = trained(ROWS[name], train, options.steps, options.seed)
        chains = max(2, options.chains // n_classes(model.grbm))
        *log_z, error = log_z_both_ways(model, chains, options.levels)
        code = codes[name] = code_of(model, measured, log_z)
        errors.append(error)
        distortion = float(code.distortion.mean())
        cells = [f"{code.rate:.1f} ± {code.doubt:.1f}", f"{distortion:.1f}"]
        cells += [f"{code.rate + distortion:.1f}", f"{float(code.squared_error.mean()):.4f}"]
        rows.append([name, *cells, *frechet_of(model, real, seen, judge)])
        print(*rows[-1], f"largest error of log Z {error:.2f}", sep=" | ", flush=True)
    bounds = [(code.least_rate + code.most_rate) / 2 + code.distortion for code in codes.values()]
    choice = max(float(bound.std()) for bound in bounds) / len(measured) ** 0.5
    lines = tables.markdown(COLUMNS, rows)
    lines += tables.note(
        f"{PROFILE.n_spins} spins, {options.steps:,} steps, training seed {options.seed}, 28x28 "
        f"rounded; {ROWS['elbo 1'].clusters} clusters, no labels; batches of 256, with mmd of 512. "
        f"Rate, distortion and squared error (per pixel): a random {len(measured):,} of MNIST test,"
        f" 5 codes each; ± of the rate is half of what lies between log Z from above and "
        f"from below ({options.chains:,} chains of all classes, {options.levels:,} levels; largest "
        f"error of a class {max(errors):.2f}). Choosing other images would move the sum by about "
        f"{choice:.1f}, in all rows alike. Frechet: {options.images:,} samples, mean ± "
        f"standard deviation of 2 sampling seeds; real side: a random {len(real):,} of MNIST test; "
        f"floor (training images) {distances(seen, seen, real, judge)[0]}."
    )
    print("\n".join(lines))
    if options.write:
        tables.to_results("rate", lines)
        draw(codes, tables.RESULTS / "rate.png")
    if options.output:
        tables.write(options.output, "\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
