"""Two models side by side."""

import ipywidgets as widgets
import torch

from qdvae_helpers.model_store import ModelStore
from qdvae_helpers.plots import image_grid
from qdvae_helpers.studio.tab import Tab, held_out, refill, short
from qdvae_helpers.studio.tables import facts, measures, table
from qdvae_helpers.widgets.panels import Picture, beside, button, choice, read_aloud


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
            columns = {}
            for side, name, place in zip(("left", "right"), chosen, self.pictures, strict=True):
                model = self.store.load(name)
                said, measured = facts(self.store.header(name)), measures(model, held_out())
                columns[f"{side}: {name}"] = measured | said | measured  # measured first, and wins
                ten = held_out().images[:10]
                images = torch.cat([ten, model.reconstruct(ten), model.generate(30, seed=1)])
                alt = (
                    f"Of {name}: ten held-out digits, their reconstructions, and thirty generated "
                    f"digits, which a classifier reads as {read_aloud(images[20:])}."
                )
                place.show(image_grid(images, title=short(name), size=0.5), alt=alt)
            self.result.value = table(
                columns,
                "Measured now on the same held-out images; then what the files say. Pictures: ten "
                "held-out images, the same through the spins, thirty generated ones.",
            )
            self.message.say("compared")

        self.worker.submit(work)
