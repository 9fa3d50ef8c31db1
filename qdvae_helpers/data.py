"""Images with their source (taught in ``01_classical_autoencoders``).

The one way from a data set to tensors.  The whole set is loaded once: decoding images one by one
costs more than the training step that uses them.
"""

import functools
import hashlib
import os
import shutil
import socket
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

from qdvae_helpers.errors import DataError, SettingError

#: SHA-256 of the four uncompressed MNIST files (their MD5 sums are the ones commonly published).
MNIST_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
_SPLIT_PREFIX = {"train": "train", "test": "t10k"}
_DIGITS_TRAIN = 1_500  # of 1,797: the last 297 come from writers who are not in the first part
_DOWNLOAD_TIMEOUT_S = 10.0


class ImageSet(NamedTuple):
    """Images, their labels, and where they came from."""

    images: torch.Tensor  #: ``(N, 1, 28, 28)`` float32 in [0, 1], 0 is background
    labels: torch.Tensor  #: ``(N,)`` int64
    source: str  #: what a figure's caption says, for example ``MNIST train, 60,000 images``

    def rounded(self) -> "ImageSet":
        """The same images in black and white: every pixel rounded to 0 or 1."""
        return self._replace(
            images=self.images.round(), source=f"{self.source}, rounded to black and white"
        )

    def jittered(self, copies: int, seed: int = 0) -> "ImageSet":
        """The images, and ``copies`` gently bent ones of each, against learning images by heart.

        A copy is turned (standard deviation 4 degrees), stretched along both axes (3 %) and sheared
        (5 %) at random, about as one hand's writing varies.  Each takes as much memory again.
        """
        generator = torch.Generator().manual_seed(seed)
        bent = [_bend(part, generator) for _ in range(copies) for part in self.images.split(5_000)]
        return self._replace(
            images=torch.cat([self.images, *bent]),
            labels=self.labels.repeat(1 + copies),
            source=f"{self.source}, and {copies} gently bent copies of each",
        )


def _bend(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Every image turned, stretched and sheared by random amounts of its own."""
    n = len(images)
    angle, shear, width, height = torch.randn(4, n, generator=generator)
    angle, shear = torch.deg2rad(4 * angle), 0.05 * shear
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(n, 2, 2)
    stretch = torch.stack([1 + 0.03 * width, shear, 0 * shear, 1 + 0.03 * height], 1).view(n, 2, 2)
    no_shift = torch.zeros(n, 2, 1)
    grid = functional.affine_grid(
        torch.cat([turn @ stretch, no_shift], 2), list(images.shape), align_corners=False
    )
    return functional.grid_sample(images, grid, align_corners=False).clamp(0, 1)


def data_dir() -> Path:
    """Where data sets are looked for: ``QDVAE_DATA`` if set, else the repository's ``data/``."""
    root = Path(__file__).resolve().parent.parent
    if configured := os.environ.get("QDVAE_DATA"):
        folder = Path(configured).expanduser()
        # A kernel runs in notebooks/, make in the repository: a relative folder must serve both.
        return folder if folder.is_dir() else root / folder
    return root / "data" if (root / "data").is_dir() else Path("data")


def load_images(
    name: str = "mnist", split: str = "train", *, limit: int | None = None, download: bool = True
) -> ImageSet:
    """Load a data set as tensors, offline if need be.

    ``mnist`` is looked for in ``QDVAE_DATA`` or ``data/`` (torchvision's layout
    ``MNIST/raw/*-ubyte``), then downloaded by torchvision, and where neither works replaced by
    ``digits``, the 1,797 handwritten digits of 8x8 pixels that scikit-learn carries; a line on
    the screen says so.  Set ``QDVAE_DOWNLOAD=0`` to never try the network.

    Args:
        name: ``mnist`` or ``digits``.
        split: ``train`` or ``test``.
        limit: keep only the first so many images.
        download: whether a missing MNIST may be fetched.

    Raises:
        SettingError: unknown name or split, or a limit below 1.
        DataError: a file is there but truncated or altered; the message names it.
    """
    if name not in ("mnist", "digits"):
        raise SettingError(f"There is no data set {name!r} here: choose 'mnist' or 'digits'.")
    if split not in _SPLIT_PREFIX:
        raise SettingError(f"There is no split {split!r}: choose 'train' or 'test'.")
    if limit is not None and limit < 1:
        raise SettingError(f"limit={limit}: ask for at least one image, or leave it out.")

    if name == "mnist" and _find_or_download(download):
        images, labels = _read_mnist(split, limit)
        title = "MNIST"
    else:
        images, labels = _read_digits(split, limit)
        title = "scikit-learn digits (8x8, enlarged)"
    return ImageSet(images, labels, f"{title} {split}, {len(images):,} images")


def _raw_files(split: str) -> list[Path]:
    raw = data_dir() / "MNIST" / "raw"
    return [raw / file for file in MNIST_SHA256 if file.startswith(_SPLIT_PREFIX[split])]


def _find_or_download(download: bool) -> bool:
    """True when MNIST is in place; says why where it is not."""
    # All four files for either split: no model shall train on MNIST and be judged on other digits.
    if not all(file.exists() for split in _SPLIT_PREFIX for file in _raw_files(split)):
        reason = "downloads are switched off"
        if download and os.environ.get("QDVAE_DOWNLOAD", "1") != "0":
            reason = _download_mnist(data_dir())
        if reason:
            _announce(
                f"MNIST is not here ({reason}): using the small 8x8 digits of scikit-learn "
                "instead. Results will look coarser. See data/README.md."
            )
            return False
    return True


@functools.cache
def _announce(line: str) -> None:
    """Print a line once in a session."""
    print(line, flush=True)


def _verified(file: Path) -> np.ndarray:
    """The bytes of one of the four files."""
    content = np.fromfile(file, dtype=np.uint8)
    if hashlib.sha256(content).hexdigest() != MNIST_SHA256[file.name]:
        raise DataError(
            f"{file} is truncated or altered ({len(content):,} bytes, wrong checksum). "
            "Delete it and run again: it will be downloaded anew; or copy the original file there."
        )
    return content


@functools.cache
def _download_mnist(root: Path) -> str:
    """Fetch and verify MNIST with torchvision; return why it failed, or an empty string.

    Tried once in a session, since a bad network makes every try slow.  Everything arrives in a
    temporary folder first, so an interrupted download leaves no half files.
    """
    from torchvision.datasets import MNIST

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_DOWNLOAD_TIMEOUT_S)
    try:
        target = root / "MNIST" / "raw"
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root) as temporary:
            MNIST(temporary, download=True)
            for file in MNIST_SHA256:
                arrived = Path(temporary) / "MNIST" / "raw" / file
                _verified(arrived)
                shutil.move(arrived, target / file)
    except PermissionError:
        return f"the data folder {root.name!r} is read-only; point QDVAE_DATA at one you can write"
    except (OSError, RuntimeError) as error:  # no network, mirror down, half a file
        return f"download failed: {type(error).__name__}"
    finally:
        socket.setdefaulttimeout(before)
    return ""


def _read_mnist(split: str, limit: int | None) -> tuple[torch.Tensor, torch.Tensor]:
    """The first images and labels of a split.

    Not with torchvision, whose import takes 150 MB.  The format: three bytes, the number of axes,
    the length of each in four bytes, the values (LeCun, Cortes and Burges, "IDX").
    """
    images, labels = map(_verified, _raw_files(split))
    n, height, width = images[4:16].view(">i4").tolist()
    pixels = torch.from_numpy(images[16:]).view(n, 1, height, width)
    # Cut first: a slice of the floats would keep all of them in memory, four times the bytes.
    return pixels[:limit].float().div_(255), torch.from_numpy(labels[8:])[:limit].long()


def _read_digits(split: str, limit: int | None) -> tuple[torch.Tensor, torch.Tensor]:
    """The digits of scikit-learn, enlarged to 20x20 in a 28x28 frame, as MNIST's digits are."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    part = slice(None, _DIGITS_TRAIN) if split == "train" else slice(_DIGITS_TRAIN, None)
    pixels, targets = digits.images[part][:limit], digits.target[part][:limit]
    small = torch.tensor(pixels, dtype=torch.float32).div(16).unsqueeze(1)
    large = torch.nn.functional.interpolate(
        small, size=(20, 20), mode="bilinear", align_corners=False
    )
    return torch.nn.functional.pad(large, (4, 4, 4, 4)), torch.tensor(targets)
