"""What the studio's tabs share."""

import functools
from collections.abc import Callable

import ipywidgets as widgets

from qdvae_helpers.data import LABEL_NAMES, ImageSet, held_out_sample
from qdvae_helpers.model_store import ModelStore
from qdvae_helpers.models import QDVAE
from qdvae_helpers.widgets.panels import Message
from qdvae_helpers.widgets.wishes import data_set_of
from qdvae_helpers.widgets.worker import LatestOnly

#: Samplers to choose from, for people and for :func:`~qdvae_helpers.samplers.make_sampler`.
SAMPLERS = [
    ("Gibbs sampling (classical)", "gibbs"),
    ("simulated QPU (classical annealing)", "annealer"),
    ("exact (classical, up to about 56 latents)", "exact"),
    ("QPU, live (Leap token and budget)", "qpu"),
]
HELD_OUT = 1_000  #: images to look at and to measure on


class Tab:
    """One tab: a message of its own, and slow work in a thread of its own.

    Args:
        store: where models are read and saved.
    """

    title = ""

    def __init__(self, store: ModelStore) -> None:
        self.store = store
        self.message = Message()
        self.worker = LatestOnly(self.message.error)
        self.widget = widgets.VBox()

    def guarded(self, answer: Callable[[], None]) -> Callable[[], None]:
        """The same function, but its errors are shown in this tab."""
        return self.message.guarded(answer)

    def arrange(self, css_class: str, *parts: widgets.Widget) -> None:
        """Put the parts under each other."""
        self.widget.children = parts
        self.widget.add_class(css_class)

    def offer(self, names: list[str]) -> None:
        """Put these models into the tab's lists."""
        raise NotImplementedError

    def stop(self) -> None:
        """End the work in progress."""
        self.worker.close()


def refill(dropdown: widgets.Dropdown, options: list[str]) -> None:
    """New options for a list that keeps its choice if it can."""
    chosen = dropdown.value
    if list(dropdown.options) != options:
        dropdown.options = options
        dropdown.value = chosen if chosen in options else (options[0] if options else None)


def held_out(model: QDVAE) -> ImageSet:
    """Images of the kind that the model learned and never saw, drawn from all of the test set.

    Of images of your own there is none: then of MNIST.  DataError if the files are not at hand.
    """
    data_set, source = data_set_of(model.info), model.trained_on
    data_set = data_set if data_set in LABEL_NAMES else "mnist"
    return _held_out(data_set, source is None or source.black_and_white)


@functools.cache
def _held_out(data_set: str, rounded: bool) -> ImageSet:
    images = held_out_sample(HELD_OUT, data_set)
    return images.rounded() if rounded else images


def short(name: str) -> str:
    """A name that fits over a picture."""
    return name if len(name) <= 30 else f"{name[:29]}…"
