"""A small digit classifier whose features say how alike two sets of digits are (taught in ``07``).

Frechet and kernel distances are usually taken in the features of a network trained on photographs.
For digits a network that knows digits is the better judge.  It ships with the repository
(``data/pretrained/judge.safetensors``); ``python -m qdvae_helpers.judge`` trains it again.  It is
never used in training a generative model.
"""

import argparse
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from qdvae_helpers.data import ImageSet, load_images
from qdvae_helpers.errors import CheckpointError, DataError, QdvaeError

_PATH = Path(__file__).resolve().parent.parent / "data" / "pretrained" / "judge.safetensors"


class DigitJudge(nn.Module):
    """Images ``(B, 1, H, W)`` in [0, 1], 28 or 32 pixels wide, to features ``(B, 64)``."""

    num_features = 64  # torchmetrics asks for it

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveMaxPool2d(4),
            nn.Flatten(),
            nn.Linear(64 * 16, self.num_features),
            nn.ReLU(),
        )
        self.classes = nn.Linear(self.num_features, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Features of images, ``(B, 1, H, W)`` to ``(B, 64)``."""
        return self.features(images)

    def classify(self, images: torch.Tensor) -> torch.Tensor:
        """The most likely digit of each image, ``(B,)``."""
        parts = images.split(500)  # the network's layers need 100 KB an image
        return torch.cat([self.classes(self.features(part)).argmax(1) for part in parts])


def resize(images: torch.Tensor, pixels: int) -> torch.Tensor:
    """Images at another size, as torchvision's ``Resize`` does it (bilinear, antialiased)."""
    if images.shape[-1] == pixels:
        return images
    return F.interpolate(images, size=(pixels, pixels), mode="bilinear", antialias=True)


def load_judge() -> DigitJudge:
    """The judge that ships with the repository.

    Raises:
        CheckpointError: the file is missing or damaged; the message says how to get it.
    """
    if not _PATH.is_file():
        raise CheckpointError(f"{_PATH.name} is missing: run python -m qdvae_helpers.judge")
    judge = DigitJudge()
    try:
        judge.load_state_dict(load_file(_PATH))
    except (SafetensorError, RuntimeError) as error:
        raise CheckpointError(
            f"{_PATH.name} is damaged ({type(error).__name__}): fetch the original file again."
        ) from error
    return judge.eval().requires_grad_(False)


def train_judge(train: ImageSet, *, epochs: int = 4, seed: int = 0) -> DigitJudge:
    """Train on shifted digits, in both sizes, grey and rounded, to judge all four fairly."""
    torch.manual_seed(seed)
    judge = DigitJudge()
    batch = 200
    steps = epochs * (len(train.images) // batch)
    optimizer = torch.optim.Adam(judge.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    for step in range(steps):
        chosen = torch.randint(len(train.images), (batch,))
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


def main(arguments: list[str] | None = None) -> int:
    """Train, report the accuracy on held-out digits, save; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m qdvae_helpers.judge", description=__doc__)
    parser.add_argument("--output", type=Path, default=_PATH)
    options = parser.parse_args(arguments)
    try:
        train, test = load_images("mnist", "train"), load_images("mnist", "test")
        if not train.source.startswith("MNIST"):
            raise DataError("The judge needs MNIST: put it in place (data/README.md), run again.")
    except QdvaeError as error:
        print(error, file=sys.stderr)
        return 1
    began = time.perf_counter()
    judge = train_judge(train)
    for pixels in (28, 32):
        for name, view in (("grey", test.images), ("rounded", test.images.round())):
            right = judge.classify(resize(view, pixels)) == test.labels
            print(f"{pixels}x{pixels} {name}: accuracy {right.float().mean():.4f}")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    save_file(judge.state_dict(), options.output)
    print(f"{options.output.name} after {time.perf_counter() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
