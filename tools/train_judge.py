"""Train a judge that ships (``qdvae_helpers.judge``) again, in some minutes.

    python tools/train_judge.py [--data mnist|fashion-mnist] [--output FILE] [--overwrite]

It learns from the data set's training images and prints its accuracy on all held-out ones.
"""

import argparse
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from qdvae_helpers.data import ImageSet, load_images
from qdvae_helpers.errors import DataError, OutputError
from qdvae_helpers.files import write_tensors
from qdvae_helpers.judge import JUDGES, DigitJudge, resize
from qdvae_helpers.outputs import require_output

_BATCH = 200  # images per step
_EPOCHS = {"mnist": 4, "fashion-mnist": 10}  # passes; garments are harder to tell apart


def varied_digits(images: torch.Tensor, step: int) -> torch.Tensor:
    """Shifted digits, in both sizes, grey and rounded, to judge all four fairly."""
    shift = torch.randint(-2, 3, (2,)).tolist()
    images = torch.roll(images, shift, (2, 3))  # a digit has an empty margin
    if step % 2:
        images = resize(images, 32)
    if step % 4 >= 2:
        images = images.round()
    return images


def varied_garments(images: torch.Tensor, step: int) -> torch.Tensor:
    """Half of the garments in a mirror, all shifted a little; mostly grey and 28x28."""
    mirrored = torch.rand(len(images)) < 0.5
    images = torch.where(mirrored.view(-1, 1, 1, 1), images.flip(3), images)
    down, right = torch.randint(0, 3, (2,)).tolist()
    images = F.pad(images, (1, 1, 1, 1))[..., down : down + 28, right : right + 28]
    if step % 4 == 1:
        images = resize(images, 32)
    if step % 8 >= 6:
        images = images.round()
    return images


def train_judge(train: ImageSet, *, epochs: int | None = None, seed: int = 0) -> DigitJudge:
    """Train on varied images: garments as garments, all others as digits.

    Args:
        train: 200 images or more.
        epochs: passes over them; as many as the shipped judge had if left out.
        seed: of the network's start, of batches and variations.
    """
    data_set = train.source.data_set
    varied = varied_garments if data_set == "fashion-mnist" else varied_digits
    epochs = _EPOCHS.get(data_set, 4) if epochs is None else epochs
    torch.manual_seed(seed)
    judge = DigitJudge()
    steps = epochs * (len(train) // _BATCH)
    optimizer = torch.optim.Adam(judge.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    for step in range(steps):
        chosen = torch.randint(len(train), (_BATCH,))
        images = varied(train.images[chosen], step)
        loss = F.cross_entropy(judge.classes(judge(images)), train.labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return judge.eval().requires_grad_(False)


def accuracies(judge: DigitJudge, test: ImageSet) -> dict[str, float]:
    """The share of images that the judge names rightly, for each size and treatment."""
    views = {"grey": test.images, "rounded": test.images.round()}
    return {
        f"{pixels}x{pixels} {name}": float(
            (judge.classify(resize(view, pixels)) == test.labels).float().mean()
        )
        for pixels in (28, 32)
        for name, view in views.items()
    }


def main() -> int:
    """Train, report the accuracy on held-out images, save; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", choices=tuple(JUDGES), default="mnist", help="what to judge")
    parser.add_argument("--output", type=Path, help="file to write (default: the shipped judge)")
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is there")
    options = parser.parse_args()
    output = options.output or JUDGES[options.data]
    try:
        require_output(output, overwrite=options.overwrite)
        train, test = (load_images(options.data, split) for split in ("train", "test"))
    except (DataError, OutputError) as error:
        parser.error(str(error))
    began = time.perf_counter()
    judge = train_judge(train)
    for name, accuracy in accuracies(judge, test).items():
        print(f"{name}: accuracy {accuracy:.4f}")
    header = {"format": "qdvae-judge/1", "data": train.source.to_dict()}
    write_tensors(output, judge.state_dict(), header)
    print(f"{output.name} after {time.perf_counter() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
