"""What happens inside one model."""

import torch

from qdvae_helpers.errors import SettingError
from qdvae_helpers.model_store import ModelStore
from qdvae_helpers.plots import history_figure, image_grid
from qdvae_helpers.studio.figures import journey_figure
from qdvae_helpers.studio.tab import HELD_OUT, Tab, held_out, refill, short
from qdvae_helpers.widgets.panels import Number, Picture, choice, on_change, read_aloud
from qdvae_helpers.widgets.wishes import in_words, noun_of

_SHOWN = 10  # reconstructions


class InsideTab(Tab):
    """What happens inside one model: reconstructions, one image's way, training curves.

    Args:
        store: where models are read.
    """

    title = "Look inside"

    def __init__(self, store: ModelStore) -> None:
        super().__init__(store)
        self.model = choice("model", [])
        views = {
            "reconstructions": self._reconstructions,
            "model diagram": self._diagram,
            "loss curves": self._curves,
        }
        self._views = views
        self.view = choice("view", list(views))
        self.image = Number("held-out image", 0, 0, HELD_OUT - _SHOWN)
        self.result = Picture()
        for control in (self.model, self.view, self.image.field):
            on_change(control, lambda: self.worker.submit(self._draw))
        self.arrange(
            "qdvae-inside",
            self.model,
            self.view,
            self.image.widget,
            self.message.widget,
            self.result.widget,
        )

    def offer(self, names: list[str]) -> None:
        """Models to look into."""
        refill(self.model, names)

    @torch.no_grad()
    def _draw(self) -> None:
        name, view = self.model.value, self.view.value
        self._views[view](name, self.image.value)
        self.message.say(f"{view} of {name}")

    def _reconstructions(self, name: str, first: int) -> None:
        shown = slice(first, first + _SHOWN)
        model = self.store.load(name)
        images = held_out(model)
        originals, known = images.images[shown], images.source.data_set
        copies = model.reconstruct(originals)
        title = f"Held-out images from {first} on (top), through {short(name)} (bottom)"
        alt = f"Ten {noun_of(known)}, {in_words(images.labels[shown], known)}"
        alt += ", and their reconstructions"
        if known == "mnist":  # the judge knows digits only
            alt += f", which a classifier reads as {read_aloud(copies)}"
        grid = image_grid(torch.cat([originals, copies]), title=title, size=0.8)
        self.result.show(grid, alt=f"{alt}.")

    def _diagram(self, name: str, number: int) -> None:
        model = self.store.load(name)
        images = held_out(model)
        label = in_words(images.labels[number : number + 1], images.source.data_set)
        alt = (
            f"Held-out image {number} ({label}) on its way through the "
            f"encoder, {model.n_spins} spins at their qubits, and the decoder."
        )
        image = images.images[number : number + 1]
        self.result.show(journey_figure(model, image), alt=alt)

    def _curves(self, name: str, _: int) -> None:
        history = self.store.header(name)["info"].get("history")
        if not history:
            raise SettingError(f"{name} was saved without its history: choose another model.")
        alt = (
            f"Training curves of {name}; the last held-out reconstruction is "
            f"{history[-1].get('validation', float('nan')):.1f} nats."
        )
        self.result.show(history_figure(history), alt=alt)
