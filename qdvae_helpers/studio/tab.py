"""What the studio's tabs share."""

import functools
from collections.abc import Callable, Sequence

import ipywidgets as widgets
import torch

from qdvae_helpers.data import LABEL_NAMES, ImageSet, held_out_sample
from qdvae_helpers.model_store import ModelStore
from qdvae_helpers.models import QDVAE
from qdvae_helpers.widgets.panels import Message, on_change
from qdvae_helpers.widgets.wishes import data_set_of
from qdvae_helpers.widgets.worker import LatestOnly

HELD_OUT = 1_000  #: images to look at and to measure on


class Tab:
    """One tab: controls left, the result right, and slow work in a thread of its own.

    Args:
        store: where models are read and saved.
    """

    title = ""

    def __init__(self, store: ModelStore) -> None:
        self.store = store
        self.message = Message()
        self.worker = LatestOnly(self.message.error)
        self.widget = widgets.Box()
        self._listing = self._opened = False

    def guarded(self, answer: Callable[[], None]) -> Callable[[], None]:
        """The same function, but its errors are shown in this tab."""
        return self.message.guarded(answer)

    def arrange(
        self, css_class: str, controls: Sequence[widgets.Widget], result: Sequence[widgets.Widget]
    ) -> None:
        """Put controls and result beside each other; ``studio.css`` says how."""
        halves = widgets.VBox(list(controls)), widgets.VBox(list(result))
        for half, name in zip(halves, ("controls", "result"), strict=True):
            half.add_class(f"qdvae-{name}")
        self.widget.children = halves
        self.widget.add_class("qdvae-halves")
        self.widget.add_class(css_class)

    def open(self) -> None:
        """Show something: called when the tab is seen, and only the first time it does anything."""
        if not self._opened:
            self._opened = True
            self.guarded(self.begin_with)()

    def begin_with(self) -> None:
        """What a tab shows before anybody has asked."""

    def offer(self, names: list[str]) -> None:
        """Put these models into the tab's lists, and answer once if a choice had to change."""
        former = [dropdown.value for dropdown in self.lists()]
        self._listing = True
        try:
            for place, dropdown in enumerate(self.lists()):
                refill(dropdown, names, place)
        finally:
            self._listing = False
        self.offered([d.value for d in self.lists()] != former)

    def lists(self) -> tuple[widgets.Dropdown, ...]:
        """Where one chooses a model."""
        return ()

    def offered(self, changed: bool) -> None:
        """The lists have been filled anew; ``changed``: another model is chosen than before."""

    def when_chosen(self, control: widgets.Widget, answer: Callable[[], None]) -> None:
        """Call ``answer`` when a person chooses, not while a list is only filled anew.

        New options make a list jump to its first one and back.
        """
        on_change(control, lambda: None if self._listing else answer())

    def stop(self) -> None:
        """End the work in progress."""
        self.worker.close()


def refill(dropdown: widgets.Dropdown, options: list[str], place: int = 0) -> None:
    """New options for a list that keeps its choice if it can, or takes the one at this place."""
    chosen = dropdown.value
    if list(dropdown.options) != options:
        usual = options[min(place, len(options) - 1)] if options else None
        with dropdown.hold_sync():  # in one message, lest a choice made in between be undone
            dropdown.options = options
            dropdown.value = chosen if chosen in options else usual


@torch.no_grad()
def reconstructed(model: QDVAE, images: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """Images ``(B, 1, 28, 28)`` through the spins, which are drawn by this seed.

    Torch's global random numbers are left alone: cells beside the studio may count on them.
    """
    generator = torch.Generator(model.device).manual_seed(seed)
    _, _, pixel_logits = model(images.to(model.device), generator=generator)
    return torch.sigmoid(pixel_logits[:, 0])


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
