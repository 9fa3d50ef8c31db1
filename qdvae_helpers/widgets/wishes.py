"""What a person may wish for, and how pictures are told of in words."""

import torch

from qdvae_helpers.data import LABEL_NAMES
from qdvae_helpers.widgets.panels import read_aloud

ANY = "any"  #: no wish


def label_names(classes: list[str] | tuple[str, ...], info: dict) -> tuple[str, ...]:
    """The different names of classes where these are labels; none where they number clusters.

    Args:
        classes: the name of each class, as ``model.class_names``, or a file's settings, hold them.
        info: what the model knows of its making, ``model.info``.
    """
    different = tuple(dict.fromkeys(classes))
    numbers = different == tuple(map(str, range(len(classes))))
    if numbers and not _within_labels(info):
        return ()
    return different


def _within_labels(info: dict) -> bool:
    """Whether clusters were sought within labels; a model that was trained further asks its own."""
    while info:
        data = info.get("data") or {}  # nothing where a model does not know its images
        if any("within labels" in text for text in data.get("transforms", ())):
            return True
        info = info.get("start") or {}
    return False


def data_set_of(info: dict) -> str:
    """The data set that a model learned; MNIST where it does not say."""
    return info.get("data", {}).get("data_set", "mnist")


def noun_of(data_set: str) -> str:
    """What pictures of a data set are called."""
    return "digits" if data_set == "mnist" else "pictures"


def in_words(labels: torch.Tensor, data_set: str) -> str:
    """Labels one after the other, by their names."""
    names = LABEL_NAMES.get(data_set, ())
    return (" " if data_set == "mnist" else ", ").join(
        names[label] if 0 <= label < len(names) else str(label) for label in labels.tolist()
    )


def told_of(images: torch.Tensor, data_set: str, wish: str | None = None) -> str:
    """Generated images ``(N, 1, 28, 28)`` as alternative text; digits as a classifier reads them.

    The judge knows digits only, so of other pictures it is not asked.
    """
    text = f"{len(images)} generated {noun_of(data_set)}"
    text += f", wished for: {wish}" if wish else ""
    if data_set != "mnist":
        return f"{text}."
    return f"{text}; a classifier reads them as {read_aloud(images)}."
