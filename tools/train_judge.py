"""Train the judge of digits that ships (``qdvae_helpers.judge``) again, in some minutes.

    python tools/train_judge.py [--output FILE] [--overwrite]

It learns from MNIST's training images and prints its accuracy on all held-out ones.
"""

import argparse
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from qdvae_helpers.data import ImageSet, load_images
from qdvae_helpers.errors import OutputError
from qdvae_helpers.files import write_tensors
from qdvae_helpers.judge import JUDGE, DigitJudge, resize
from qdvae_helpers.outputs import require_output

_BATCH = 200  # images a step


def train_judge(train: ImageSet, *, epochs: int = 4, seed: int = 0) -> DigitJudge:
    """Train on shifted digits, in both sizes, grey and rounded, to judge all four fairly.

    Args:
        train: 200 images or more.
        epochs: passes over them.
        seed: of the network's start, of batches and shifts.
    """
    torch.manual_seed(seed)
    judge = DigitJudge()
    steps = epochs * (len(train) // _BATCH)
    optimizer = torch.optim.Adam(judge.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    for step in range(steps):
        chosen = torch.randint(len(train), (_BATCH,))
        images = train.images[chosen]
        shift = torch.randint(-2, 3, (2,)).tolist()
        images = torch.roll(images, shift, (2, 3))
        if step % 2:
            images = resize(images, 32)
        if step % 4 >= 2:
            images = images.round()
        loss = F.cross_entropy(judge.classes(judge(images)), train.labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return judge.eval().requires_grad_(False)


def accuracies(judge: DigitJudge, test: ImageSet) -> dict[str, float]:
    """The share of digits that the judge names rightly, for each size and treatment."""
    views = {"grey": test.images, "rounded": test.images.round()}
    return {
        f"{pixels}x{pixels} {name}": float(
            (judge.classify(resize(view, pixels)) == test.labels).float().mean()
        )
        for pixels in (28, 32)
        for name, view in views.items()
    }


def main() -> int:
    """Train, report the accuracy on held-out digits, save; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=JUDGE, help="file to write")
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is there")
    options = parser.parse_args()
    try:
        require_output(options.output, overwrite=options.overwrite)
    except OutputError as error:
        parser.error(str(error))
    train, test = load_images("mnist", "train"), load_images("mnist", "test")
    began = time.perf_counter()
    judge = train_judge(train)
    for name, accuracy in accuracies(judge, test).items():
        print(f"{name}: accuracy {accuracy:.4f}")
    header = {"format": "qdvae-judge/1", "data": train.source.to_dict()}
    write_tensors(options.output, judge.state_dict(), header)
    print(f"{options.output.name} after {time.perf_counter() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
