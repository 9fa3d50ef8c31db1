"""Two models side by side."""

import ipywidgets as widgets
import torch

from qdvae_helpers.model_store import ModelStore
from qdvae_helpers.studio.tab import Tab, held_out, reconstructed, short
from qdvae_helpers.studio.tables import facts, measures, table
from qdvae_helpers.widgets.digits import Digits
from qdvae_helpers.widgets.panels import button, choice
from qdvae_helpers.widgets.wishes import data_set_of, noun_of, told_of

_BETTER = "Lower is better for reconstruction and distance, higher for precision and recall."


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
        self.pictures = (Digits(), Digits())
        both = widgets.Box([picture.widget for picture in self.pictures])
        both.add_class("qdvae-side-by-side")
        self.message.say(
            "Choose two models and press Compare: their pictures come first, their numbers after "
            "some seconds."
        )
        self.arrange(
            "qdvae-compare", [*self.models, self.go], [self.message.widget, both, self.result]
        )

    def lists(self) -> tuple[widgets.Dropdown, ...]:
        """Models to compare."""
        return self.models

    def _compare(self) -> None:
        chosen = [dropdown.value for dropdown in self.models]
        self.message.say("drawing pictures of both models")
        self.result.value = ""

        @torch.no_grad()
        def work() -> None:
            columns, learned, measured_on, both = {}, [], [], []
            for name, place in zip(chosen, self.pictures, strict=True):
                model = self.store.load(name)
                images = held_out(model)
                both.append((model, images))
                learned.append(data_set_of(model.info))
                measured_on.append(images.source.data_set)
                ten, noun = images.images[:10], noun_of(images.source.data_set)
                rows = torch.cat([ten, reconstructed(model, ten), model.generate(30, seed=1)])
                alt = f"Of {name}: ten held-out {noun}, their reconstructions, and "
                alt += told_of(rows[20:], learned[-1])
                heading = f"{short(name)}: originals, the same through the spins, 30 new ones"
                place.show(heading, rows, alt=alt)
            self.message.say("measuring both models")
            for side, name, (model, images) in zip(("left", "right"), chosen, both, strict=True):
                said = facts(self.store.header(name), self.store.shares(name))
                measured = measures(model, images)
                columns[f"{side}: {name}"] = measured | said | measured  # measured first, and wins
            caption = f"{_measured_on(learned, measured_on)}; then what the files say. {_BETTER}"
            self.result.value = table(columns, caption)
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
