"""What happens inside one model."""

from collections.abc import Callable

import ipywidgets as widgets
import torch

from qdvae_helpers.errors import SettingError
from qdvae_helpers.model_store import ModelStore
from qdvae_helpers.studio.figures import journey_figure
from qdvae_helpers.studio.tab import HELD_OUT, Tab, held_out, reconstructed, short
from qdvae_helpers.widgets.curves import Curves
from qdvae_helpers.widgets.digits import Digits
from qdvae_helpers.widgets.panels import Number, Picture, choice, on_change, read_aloud
from qdvae_helpers.widgets.stage import Stage
from qdvae_helpers.widgets.wishes import in_words, noun_of

_SHOWN = 10  # reconstructions


class InsideTab(Tab):
    """What happens inside one model: the stage, reconstructions, one image's way, training curves.

    Args:
        store: where models are read.
    """

    title = "Look inside"

    def __init__(self, store: ModelStore) -> None:
        super().__init__(store)
        self.model = choice("model", [])
        #: What each view shows of the model of this name, and of this held-out image: a widget.
        self.views: dict[str, Callable[[str, int], widgets.Widget]] = {
            "live stage": self._live,
            "reconstructions": self._reconstructions,
            "model diagram": self._diagram,
            "loss curves": self._curves,
        }
        self.view = choice("view", list(self.views))
        self.image = Number("held-out image", 0, 0, HELD_OUT - _SHOWN)
        self.pictures, self.diagram, self.curves = Digits(), Picture(), Curves()
        self.stage: Stage | None = None
        self._on_stage: tuple[str, int] | None = None
        self.place = widgets.Box()
        self.place.add_class("qdvae-place")
        for control in (self.model, self.view, self.image.field):
            self.when_chosen(control, self.begin_with)
        on_change(self.view, lambda: self.image.disable(self.view.value == "loss curves"))
        self.arrange(
            "qdvae-inside",
            [self.model, self.view, self.image.widget],
            [self.message.widget, self.place],
        )

    def lists(self) -> tuple[widgets.Dropdown, ...]:
        """Models to look into."""
        return (self.model,)

    def offered(self, changed: bool) -> None:
        """Look at the model that is chosen now, if anybody looks."""
        if changed and self._opened:
            self.begin_with()

    def begin_with(self) -> None:
        """Show what the controls say."""
        self.worker.submit(self._show)

    @torch.no_grad()
    def _show(self) -> None:
        name, view = self.model.value, self.view.value
        self.place.children = (self.views[view](name, self.image.value),)
        self.message.say(f"{view} of {name}")

    def _live(self, name: str, number: int) -> widgets.Widget:
        model = self.store.load(name)
        former, self._on_stage = self._on_stage, (name, number)
        if self.stage is None or former is None or former[0] != name:
            if self.stage is not None:
                self.stage.close()
            self.stage = Stage(model)
        elif former != self._on_stage:  # another image was asked for
            self.stage.image = held_out(model).images[number]
        return self.stage

    def _reconstructions(self, name: str, first: int) -> widgets.Widget:
        shown = slice(first, first + _SHOWN)
        model = self.store.load(name)
        images = held_out(model)
        originals, known = images.images[shown], images.source.data_set
        copies = reconstructed(model, originals)
        heading = f"Held-out {noun_of(known)} from {first} on, and reconstructed by {short(name)}"
        alt = f"Ten {noun_of(known)}, {in_words(images.labels[shown], known)}"
        alt += ", and their reconstructions"
        if known == "mnist":  # the judge knows digits only
            alt += f", which a classifier reads as {read_aloud(copies)}"
        self.pictures.show(heading, torch.cat([originals, copies]), alt=f"{alt}.")
        return self.pictures.widget

    def _diagram(self, name: str, number: int) -> widgets.Widget:
        model = self.store.load(name)
        images = held_out(model)
        label = in_words(images.labels[number : number + 1], images.source.data_set)
        alt = (
            f"Held-out image {number} ({label}) on its way through the "
            f"encoder, {model.n_spins} spins at their qubits, and the decoder."
        )
        image = images.images[number : number + 1]
        self.diagram.show(journey_figure(model, image), alt=alt)
        return self.diagram.widget

    def _curves(self, name: str, _: int) -> widgets.Widget:
        history = self.store.header(name)["info"].get("history")
        if not history:
            raise SettingError(f"{name} was saved without its history: choose another model.")
        self.curves.show(history, f"Training curves of {name}")
        return self.curves
