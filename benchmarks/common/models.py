"""The models that a benchmark looks at, and the images that they know."""

from pathlib import Path

import torch

from qdvae_helpers.checkpoints import load_checkpoint, load_pretrained
from qdvae_helpers.data import ImageSet
from qdvae_helpers.models import QDVAE
from qdvae_helpers.paths import DATA

#: The models that ship, by what they were trained on.
SHIPPED = {
    "mnist": ("qdvae-256", "qdvae-256-labels"),
    "fashion-mnist": ("qdvae-fashion-256",),
}


def models_of(checkpoints: list[Path]) -> dict[str, QDVAE]:
    """The models in these files by the files' names, or those of digits that ship."""
    if checkpoints:
        return {path.stem: load_checkpoint(path) for path in checkpoints}
    return shipped("mnist")


def shipped(data_set: str) -> dict[str, QDVAE]:
    """The models of these images that ship; those whose files are here."""
    there = (DATA / "pretrained" / f"{name}.safetensors" for name in SHIPPED[data_set])
    return {path.stem: load_pretrained(path.stem) for path in there if path.is_file()}


def as_learned(model: QDVAE, images: ImageSet) -> ImageSet:
    """The images as the model was trained on them: black and white, or grey as they are."""
    return images.rounded() if model.trained_on.black_and_white else images


@torch.no_grad()
def written_and_read(model: QDVAE, images: torch.Tensor) -> torch.Tensor:
    """Images after encoder, spins drawn once, and decoder."""
    torch.manual_seed(0)
    return torch.cat([model.reconstruct(part) for part in images.split(1_000)])
