"""Images with their source (taught in ``01_classical_autoencoders``).

The one way from a data set, an array or a folder of pictures to tensors.  Whole sets at once:
decoding images one by one costs more than the training step that uses them.
"""

import hashlib
import os
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch.nn import functional

from qdvae_helpers import schema
from qdvae_helpers.arguments import (
    require_count,
    require_flag,
    require_images,
    require_kind,
    require_plain,
    require_seed,
)
from qdvae_helpers.clusters import clusters_of
from qdvae_helpers.errors import DataError, SettingError
from qdvae_helpers.idx_files import data_dir, read_split

__all__ = ["ImageSet", "Source", "data_dir", "held_out_sample", "load_images"]

#: What the labels of a data set stand for.
LABEL_NAMES = {
    "mnist": tuple("0123456789"),
    "fashion-mnist": (
        "T-shirt/top", "trouser", "pullover", "dress", "coat",
        "sandal", "shirt", "sneaker", "bag", "ankle boot",
    ),
}  # fmt: skip
MOST_CLUSTERS = 256
#: What the data sets are called.
TITLES = {"mnist": "MNIST", "fashion-mnist": "Fashion-MNIST"}
_SIDE = 28  # pixels
_ROUNDED = "rounded to black and white"
_CLUSTERED = re.compile(r"in \d+ clusters \(seed \d+\)")


@dataclass(frozen=True)
class Source:
    """Where images come from and what was done to them; printed, it is a figure's caption."""

    data_set: str  #: ``mnist``, ``fashion-mnist`` or a name of your own
    split: str  #: ``train``, ``test``, or empty where there are no splits
    count: int  #: images taken, not counting copies
    transforms: tuple[str, ...] = ()  #: what was done since, in words, first things first
    drawn: tuple[int, int] | None = None  #: for a random sample: from how many images, the seed

    def __post_init__(self) -> None:
        texts = (self.data_set, self.split, *self.transforms)
        if not isinstance(self.transforms, tuple) or not all(isinstance(t, str) for t in texts):
            raise DataError(f"A source of images is named in words, not like this: {texts!r:.100}.")
        if any(len(t) > 1_000 or schema.UNFIT.search(t) for t in texts):  # no model could keep it
            raise DataError(f"{texts!a:.99} cannot be shown: give name='...', in words.")
        require_count("count", self.count, error=DataError)
        if self.drawn is not None:
            if not isinstance(self.drawn, tuple) or len(self.drawn) != 2:
                raise DataError(f"drawn={self.drawn!r:.60} must be a number of images and a seed.")
            require_count("drawn from", self.drawn[0], error=DataError)
            require_seed(self.drawn[1], "seed of the sample", DataError)

    def __str__(self) -> str:
        amount = f"{self.count:,} images"
        if self.drawn:
            amount = f"a random {self.count:,} of {self.drawn[0]:,} images (seed {self.drawn[1]})"
        name = f"{TITLES.get(self.data_set, self.data_set)} {self.split}".strip()
        return ", ".join([name, amount, *self.transforms])

    @property
    def black_and_white(self) -> bool:
        """Whether every pixel was rounded to 0 or 1."""
        return _ROUNDED in self.transforms

    @property
    def clustered(self) -> bool:
        """Whether the labels are numbers of clusters, found without anybody's labels."""
        return any(_CLUSTERED.fullmatch(transform) for transform in self.transforms)

    def then(self, transform: str) -> "Source":
        """The same source after one more transform, named in words."""
        return replace(self, transforms=(*self.transforms, transform))

    def to_dict(self) -> dict:
        """Plain values for a JSON header; ``from_dict`` reads them back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> "Source":
        """The source that ``to_dict`` wrote, also after a way through JSON.

        Raises:
            DataError: a field is missing, unknown or of another kind.
        """
        try:
            drawn = values.get("drawn")
            lists = {"transforms": tuple(values["transforms"]), "drawn": drawn and tuple(drawn)}
            return cls(**{**values, **lists})
        except DataError:
            raise
        except (AttributeError, KeyError, TypeError) as error:
            raise DataError(f"This is no source of images: {values!r:.200} ({error}).") from error


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images, their labels, and where they came from."""

    images: torch.Tensor  #: ``(N, 1, 28, 28)`` float32 in [0, 1], 0 is background
    labels: torch.Tensor  #: ``(N,)`` int64; -1 where there are none
    source: Source  #: prints as a caption, for example ``MNIST train, 60,000 images``

    def __post_init__(self) -> None:
        self.require_valid()
        object.__setattr__(self, "images", self.images.detach())  # training wants no gradient of it

    def require_valid(self) -> None:
        """Refuse (SettingError) what is no set of images; asked again before training.

        Whoever holds the tensors may have changed them since the set was made.
        """
        images, labels = require_images("images", self.images), self.labels
        if images.dtype != torch.float32:
            raise SettingError(f"images: {images.dtype}, where float32 is needed: images.float().")
        if require_plain("labels", labels).dtype != torch.int64:
            raise SettingError("labels must be of int64; -1 where there are none.")
        if labels.shape != (len(images),):
            raise SettingError(
                f"labels of shape {tuple(labels.shape)} for {len(images):,} images: give one each."
            )
        require_kind("source", self.source, Source)

    @classmethod
    def from_array(
        cls,
        array: np.ndarray | torch.Tensor,
        labels: np.ndarray | torch.Tensor | None = None,
        name: str = "own images",
    ) -> "ImageSet":
        """Images of your own from an array or a tensor, which is copied.

        Args:
            array: ``(N, 28, 28)`` or ``(N, 1, 28, 28)``, whole numbers 0 to 255 in uint8, or floats
                in [0, 1]; 0 is background.
            labels: ``(N,)`` whole numbers, if there are any.
            name: what captions call them.

        Raises:
            SettingError: no images, another size, type or range, or as many labels as do not fit.
        """
        images = _as_tensor(array)
        n, *size = images.shape or (0,)
        if size not in ([_SIDE, _SIDE], [1, _SIDE, _SIDE]) or not n:
            raise SettingError(
                f"Images of shape {tuple(images.shape)}: give (N, 28, 28) or (N, 1, 28, 28), N at "
                "least 1. ImageSet.from_folder resizes pictures; images[None] makes a set of one."
            )
        if images.dtype == torch.uint8:
            images = images.float().div_(255)
        elif not images.is_floating_point():
            raise SettingError(
                f"Images of {images.dtype}: give uint8 (0 to 255) or floats (0 to 1)."
            )
        chosen = torch.full((n,), -1) if labels is None else _as_tensor(labels)
        if chosen.shape != (n,) or chosen.is_floating_point() or chosen.is_complex():
            raise SettingError(
                f"{chosen.dtype} labels of shape {tuple(chosen.shape)} for {n:,} images: "
                "give one whole number per image."
            )
        return cls(images.float().view(n, 1, _SIDE, _SIDE), chosen.long(), Source(name, "", n))

    @classmethod
    def from_folder(
        cls, path: str | Path, *, invert: bool = False, name: str | None = None
    ) -> "ImageSet":
        """Pictures of your own from a folder, in the order of their names.

        Each is made grey, and resized to 28x28 with smoothing; transparent parts are paper, and so
        is a margin that makes it square.

        Args:
            path: with pictures (PNG, JPEG and what else Pillow reads) and nothing else but folders
                and files whose names begin with a dot.
            invert: for dark strokes on white paper; without it, bright strokes on black.
            name: what captions call them; the folder's name if left out.

        Raises:
            DataError: no such folder, no pictures in it, or a file that is none; it is named.
        """
        if not isinstance(path, str | Path) or not os.path.isdir(path):
            raise DataError(f"There is no folder {str(path)[:200]}.")
        path, invert = Path(path), require_flag("invert", invert)
        if not os.access(path, os.R_OK | os.X_OK):
            raise DataError(f"You may not read the folder {path}: ask for permission.")
        files = sorted(f for f in path.iterdir() if f.name[0] != "." and not f.is_dir())
        if not files:
            raise DataError(f"There are no pictures in {path}: put PNG or JPEG files there.")
        pictures = np.stack([_picture(file, invert) for file in files])
        found = cls.from_array(pictures, name=name or path.resolve().name)
        return replace(found, source=found.source.then("inverted")) if invert else found

    def __len__(self) -> int:
        return len(self.images)

    def rounded(self) -> "ImageSet":
        """The same images in black and white: every pixel rounded to 0 or 1."""
        return replace(self, images=self.images.round(), source=self.source.then(_ROUNDED))

    def jittered(self, copies: int, seed: int = 0) -> "ImageSet":
        """The images, and ``copies`` gently bent ones of each, against learning images by heart.

        A copy is turned (standard deviation 4 degrees), stretched along both axes (3 %) and sheared
        (5 %) at random, about as one hand's writing varies.  Each takes as much memory again.

        Raises:
            SettingError: less than no copy, or more than a thousand, or 6 GB of them.
        """
        copies = require_count("copies", copies, 0, min(1_000, 2_000_000 // len(self)))
        generator = torch.Generator().manual_seed(require_seed(seed))
        bent = [_bend(part, generator) for _ in range(copies) for part in self.images.split(5_000)]
        return ImageSet(
            torch.cat([self.images, *bent]),
            self.labels.repeat(1 + copies),
            self.source.then(f"and {copies} gently bent copies of each"),
        )

    def clustered(
        self, k: int, seed: int = 0, *, within_labels: bool = False
    ) -> tuple["ImageSet", torch.Tensor]:
        """Classes without anybody's labels: ``k`` clusters of similar images (lesson 05).

        k-means among neighbours, see :func:`~qdvae_helpers.clusters.clusters_of`.

        Args:
            k: how many; with ``within_labels`` so many for each label.
            seed: of the first centres.
            within_labels: divide each label's images, instead of all at once.

        Returns:
            The same images with the cluster of each as its label, and the label that each cluster
            belongs to, ``(clusters,)``; -1 for all without ``within_labels``.

        Raises:
            SettingError: more clusters than images, or images without labels to divide.
        """
        k, seed = require_count("k", k, most=MOST_CLUSTERS), require_seed(seed)
        if len(self) < 2:
            raise SettingError("One image makes no clusters: give two or more.")
        if within_labels and bool((self.labels < 0).any()):
            raise SettingError("Some images have no label: leave out within_labels.")
        labels = self.labels if within_labels else torch.full_like(self.labels, -1)
        rare = int(labels.unique(return_counts=True)[1].min())
        if rare < k:
            raise SettingError(f"{rare:,} images cannot make {k} clusters: choose fewer.")
        found, owners = clusters_of(self.images, labels, k, seed)
        what = f"in {len(owners)} clusters"
        what += " within labels" if within_labels else ""
        return (
            ImageSet(self.images, found, self.source.then(f"{what} (seed {seed})")),
            torch.tensor(owners),
        )

    def first(self, n: int) -> "ImageSet":
        """The first ``n`` images, or all where there are fewer; shares memory with this set.

        Raises:
            SettingError: ``n`` is below 1.
        """
        n = min(_images(n), len(self))
        if len(self) == self.source.count:
            source = replace(self.source, count=n)
        else:  # copies are among them
            source = self.source.then(f"the first {n:,} of these")
        return ImageSet(self.images[:n], self.labels[:n], source)

    def sample(self, n: int | None, seed: int = 0) -> "ImageSet":
        """``n`` different images drawn at random; with the same seed, smaller samples begin larger.

        ``None`` draws all of them.

        Raises:
            SettingError: ``n`` is below 1, or more than there are.
        """
        there = len(self)
        seed = require_seed(seed)
        if n is not None and (n := _images(n)) > there:
            raise SettingError(f"{n:,} images of {there:,}: ask for fewer, or for None to get all.")
        rows = torch.randperm(there, generator=torch.Generator().manual_seed(seed))[:n]
        if there == self.source.count and self.source.drawn is None:
            source = replace(self.source, count=len(rows), drawn=(there, seed))
        else:  # copies are among them, or they were drawn before
            source = self.source.then(f"a random {len(rows):,} of these (seed {seed})")
        return ImageSet(self.images[rows], self.labels[rows], source)

    def fingerprint(self) -> str:
        """Sixteen hex digits that change with any pixel or label, their number or their order."""
        digest = hashlib.sha256(repr(tuple(self.images.shape)).encode())
        digest.update(self.images.detach().cpu().contiguous().numpy())
        digest.update(self.labels.cpu().contiguous().numpy())
        return digest.hexdigest()[:16]


def load_images(name: str = "mnist", split: str = "train", *, limit: int | None = None) -> ImageSet:
    """Load a data set as tensors.

    ``mnist`` comes with the repository.  ``fashion-mnist`` is looked for in the folder that
    ``QDVAE_DATA`` names (in torchvision's layout, ``FashionMNIST/raw/*-ubyte``, also with ``.gz``),
    in ``data/``, and where Debian's package ``dataset-fashion-mnist`` puts it; then it is
    downloaded, unless ``QDVAE_DOWNLOAD=0``.  Every file is checked against its SHA-256.

    Args:
        name: ``mnist`` or ``fashion-mnist``.
        split: ``train`` or ``test``.
        limit: the first so many images.

    Raises:
        SettingError: unknown name or split, or a limit below 1.
        DataError: a file is missing, truncated or altered; the message names it and the remedy.
    """
    if limit is not None:
        limit = _images(limit)
    pixels, labels = (values[:limit] for values in read_split(name, split))
    images = torch.from_numpy(pixels.astype(np.float32)).div_(255).unsqueeze(1)
    source = Source(name, split, len(pixels))
    return ImageSet(images, torch.from_numpy(labels.astype(np.int64)), source)


def held_out_sample(n: int | None = 1_000, name: str = "mnist", *, seed: int = 0) -> ImageSet:
    """``n`` random images of the whole test set: ``load_images(name, "test").sample(n, seed)``.

    The first half of MNIST's test set is by tidier writers than the second; a random part is not.
    """
    return load_images(name, "test").sample(n, seed)


def _as_tensor(array: np.ndarray | torch.Tensor) -> torch.Tensor:
    """A copy on the CPU, without gradients."""
    try:
        if isinstance(array, torch.Tensor):
            return require_plain("array", array).detach().cpu().clone()
        return torch.from_numpy(np.array(array))
    except (TypeError, ValueError) as error:
        raise SettingError(f"This is no array of numbers: {error}") from error


def _images(n: int) -> int:
    """So many images are asked for; more than there are is the caller's business."""
    return require_count("number of images", n, most=2**63)


def _bend(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Every image turned, stretched and sheared by random amounts of its own."""
    n = len(images)
    angle, shear, width, height = torch.randn(4, n, generator=generator)
    angle, shear = torch.deg2rad(4 * angle), 0.05 * shear
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(n, 2, 2)
    stretch = torch.stack([1 + 0.03 * width, shear, 0 * shear, 1 + 0.03 * height], 1).view(n, 2, 2)
    maps = functional.pad(turn @ stretch, (0, 1))  # without a shift
    grid = functional.affine_grid(maps, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False).clamp(0, 1)


def _picture(file: Path, invert: bool) -> np.ndarray:
    """A picture as ``(28, 28)`` uint8, bright on black."""
    paper = 255 if invert else 0
    try:
        if not file.is_file():  # of a pipe it would wait for ever
            raise ValueError("it is a pipe, a device, or a link that leads nowhere")
        with Image.open(file) as picture:
            if picture.mode[0] in "IF":  # Pillow would cut their values off at 255
                raise ValueError(f"mode {picture.mode}, only 8 bits per colour can be read")
            upright = ImageOps.exif_transpose(picture).convert("RGBA")
        sheet = Image.new("RGBA", upright.size, (paper, paper, paper))
        grey = Image.alpha_composite(sheet, upright).convert("L")
        small = ImageOps.pad(grey, (_SIDE, _SIDE), Image.Resampling.LANCZOS, color=paper)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(
            f"{file} cannot be read as a picture ({error}). Save it as PNG, or move it elsewhere."
        ) from error
    return np.asarray(ImageOps.invert(small) if invert else small)
