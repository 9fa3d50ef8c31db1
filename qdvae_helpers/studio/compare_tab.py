"""Two models side by side."""

import ipywidgets as widgets
import torch

from qdvae_helpers.model_store import ModelStore
from qdvae_helpers.plots import image_grid
from qdvae_helpers.studio.tab import Tab, held_out, refill, short
from qdvae_helpers.studio.tables import facts, measures, table
from qdvae_helpers.widgets.panels import Picture, beside, button, choice
from qdvae_helpers.widgets.wishes import data_set_of, noun_of, told_of


class CompareTab(Tab):
    """Two models side by side, measured anew.

    Args:
        store: where models are read.
    """

    title = "Compare"

    def __init__(self, store: ModelStore) -> None:
        super().__init__(store)
        self.models = (choice("left model", []), choice("right model", []))
        self.go = button("Compare", self.guarded(self._compare), button_style="primary")
        self.result = widgets.HTML()
        self.result.add_class("qdvae-comparison")
        self.pictures = (Picture(), Picture())
        self.arrange(
            "qdvae-compare",
            *self.models,
            self.go,
            self.message.widget,
            self.result,
            beside(*(picture.widget for picture in self.pictures)),
        )

    def offer(self, names: list[str]) -> None:
        """Models to compare."""
        for dropdown in self.models:
            refill(dropdown, names)

    def _compare(self) -> None:
        chosen = [dropdown.value for dropdown in self.models]
        self.message.say("sampling and measuring both models")

        @torch.no_grad()
        def work() -> None:
            columns, learned, measured_on = {}, [], []
            for side, name, place in zip(("left", "right"), chosen, self.pictures, strict=True):
                model = self.store.load(name)
                images = held_out(model)
                learned.append(data_set_of(model.info))
                measured_on.append(images.source.data_set)
                said = facts(self.store.header(name), self.store.shares(name))
                measured = measures(model, images)
                columns[f"{side}: {name}"] = measured | said | measured  # measured first, and wins
                ten, noun = images.images[:10], noun_of(images.source.data_set)
                shown = torch.cat([ten, model.reconstruct(ten), model.generate(30, seed=1)])
                alt = f"Of {name}: ten held-out {noun}, their reconstructions, and "
                alt += told_of(shown[20:], learned[-1])
                place.show(image_grid(shown, title=short(name), size=0.5), alt=alt)
            self.result.value = table(
                columns,
                f"{_measured_on(learned, measured_on)}; then what the files say. Pictures: ten "
                "held-out images, the same through the spins, thirty generated ones.",
            )
            self.message.say("compared")

        self.worker.submit(work)


def _measured_on(learned: list[str], measured_on: list[str]) -> str:
    """Which held-out images stand behind the numbers, and what that means for a comparison."""
    text = "Measured now on the same held-out images"
    if len(set(measured_on)) > 1:
        text = "Measured now, each on held-out images of its own data set"
    if len(set(learned)) > 1:
        text += (
            f". These models learned different images ({' and '.join(learned)}): their numbers "
            "cannot be compared"
        )
    if set(learned) != {"mnist"}:
        text += ". The judge of the Fréchet distance knows digits only"
    return text
