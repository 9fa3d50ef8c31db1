"""The models that a benchmark looks at, and the images that they know."""

from pathlib import Path

from qdvae_helpers.checkpoints import load_checkpoint, load_pretrained
from qdvae_helpers.data import ImageSet
from qdvae_helpers.models import QDVAE

SHIPPED = ("qdvae-256", "qdvae-256-sharp")


def models_of(checkpoints: list[Path]) -> dict[str, QDVAE]:
    """The models in these files by the files' names, or those that ship where there are none."""
    if checkpoints:
        return {path.stem: load_checkpoint(path) for path in checkpoints}
    return {name: load_pretrained(name) for name in SHIPPED}


def as_learned(model: QDVAE, images: ImageSet) -> ImageSet:
    """The images as the model was trained on them: black and white, or grey as they are."""
    return images.rounded() if model.trained_on.black_and_white else images
