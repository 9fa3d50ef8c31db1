"""New digits of one model."""

import contextlib

import ipywidgets as widgets
import torch
from matplotlib.figure import Figure

from qdvae_helpers.errors import SettingError
from qdvae_helpers.model_store import ModelStore
from qdvae_helpers.plots import image_grid, png_bytes
from qdvae_helpers.samplers import make_sampler
from qdvae_helpers.studio.tab import SAMPLERS, Tab, refill, short
from qdvae_helpers.studio.tables import facts, table
from qdvae_helpers.widgets.panels import (
    Number,
    Picture,
    beside,
    button,
    choice,
    on_change,
    read_aloud,
    text_field,
)

_RECORDED = [("recorded earlier", "recorded")]


class GenerateTab(Tab):
    """New digits of one model, and a picture of them to keep.

    Args:
        store: where models are read and pictures saved.
    """

    title = "Generate"

    def __init__(self, store: ModelStore) -> None:
        super().__init__(store)
        self.model = choice("model", [])
        self.count = Number("pictures", 40, 1, 200)
        self.seed = Number("seed", 1, 0, 9_999)
        self.candidates = Number("candidates for each picture", 1, 1, 50)
        self.rounds = Number("rounds through the autoencoder", 0, 0, 10)
        self.sampler = choice("sampler", SAMPLERS + _RECORDED)
        self.go = button("Generate", self.guarded(self._generate), button_style="primary")
        self.sharpen = widgets.Checkbox(description="sharpen to black and white", indent=False)
        self.file_name = text_field("picture's name", "digits-1")
        self.save = button("Save PNG", self.guarded(self._save), disabled=True)
        self.about = widgets.HTML()
        self.about.add_class("qdvae-facts")
        self.result = Picture()
        on_change(self.model, self.guarded(self._tell))
        on_change(self.sharpen, self.guarded(self._draw))
        self._made: tuple[str, torch.Tensor, str] | None = None  # model, images, how made
        self.arrange(
            "qdvae-generate",
            self.model,
            self.about,
            self.count.widget,
            self.seed.widget,
            self.candidates.widget,
            self.rounds.widget,
            self.sampler,
            beside(self.go, self.sharpen),
            self.message.widget,
            self.result.widget,
            beside(self.file_name, self.save),
        )

    def offer(self, names: list[str]) -> None:
        """Models to draw from."""
        refill(self.model, names)

    def _tell(self) -> None:
        self.about.value = ""
        if self.model.value:
            rows = facts(self.store.header(self.model.value))
            self.about.value = table({self.model.value: rows}, "What the file says of itself")

    def _generate(self) -> None:
        name, n, seed = self.model.value, self.count.value, self.seed.value
        kind, candidates, rounds = self.sampler.value, self.candidates.value, self.rounds.value
        self.message.say(f"sampling {n * candidates} spin strings of {name}")

        @torch.no_grad()
        def work() -> None:
            model = self.store.load(name)
            sampler = make_sampler(model.grbm, kind, num_samples=n, seed=seed, graph=model.graph)
            with contextlib.closing(sampler):
                images = model.generate(
                    n, sampler=sampler, seed=seed, candidates=candidates, rounds=rounds
                )
                made_by = sampler.provenance
            later = f", each the choice of {candidates}" if candidates > 1 else ""
            later += f", then {rounds}× through encoder and decoder" if rounds else ""
            self._made = (name, images, f"{made_by.kind}{later}")
            self._draw()
            self.save.disabled = False
            self.message.say(f"{n} digits of {name}, seed {seed}; {made_by}{later}")

        self.worker.submit(work)

    def _figure(self) -> tuple[torch.Tensor, Figure]:
        name, images, made_by = self._made
        images = images.round() if self.sharpen.value else images
        sharp = ", sharpened" if self.sharpen.value else ""
        return images, image_grid(images, title=f"{short(name)}{sharp}; {made_by}")

    def _draw(self) -> None:
        if self._made is None:
            return
        images, fig = self._figure()
        alt = f"{len(images)} generated digits; a classifier reads them as {read_aloud(images)}."
        self.result.show(fig, alt=alt)

    def _save(self) -> None:
        if self._made is None:
            raise SettingError("There is nothing to save yet: generate digits first.")
        path = self.store.save_picture(png_bytes(self._figure()[1]), self.file_name.value)
        self.message.say(f"Saved as {path.parent.name}/{path.name} in the folder of models.")
