"""The models that a benchmark looks at, and the images that they know."""

from pathlib import Path

from qdvae_helpers.checkpoints import load_checkpoint, load_pretrained
from qdvae_helpers.data import ImageSet, Source
from qdvae_helpers.models import QDVAE

SHIPPED = ("qdvae-256", "qdvae-256-sharp")


def models_of(checkpoints: list[Path]) -> dict[str, QDVAE]:
    """The models in these files by the files' names, or those that ship where there are none."""
    if checkpoints:
        return {path.stem: load_checkpoint(path) for path in checkpoints}
    return {name: load_pretrained(name) for name in SHIPPED}


def as_learned(model: QDVAE, images: ImageSet) -> ImageSet:
    """The images as the model was trained on them: black and white, or grey as they are."""
    rounded = images.rounded()
    transforms = Source.from_dict(model.info["data"]).transforms
    return rounded if rounded.source.transforms[-1] in transforms else images
