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
    text_field,
)
from qdvae_helpers.widgets.wishes import ANY, data_set_of, label_names, noun_of, told_of

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
        self.wish = choice("wish", [ANY])
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
        #: Model, its data set, images, the wish, how made.
        self._made: tuple[str, str, torch.Tensor, str | None, str] | None = None
        self.arrange(
            "qdvae-generate",
            self.model,
            self.about,
            self.count.widget,
            self.seed.widget,
            self.wish,
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
        self.about.value, name = "", self.model.value
        labels: tuple[str, ...] = ()
        try:
            if name:
                header = self.store.header(name)
                labels = label_names(header["settings"].get("classes", ()), header["info"])
                self.about.value = table(
                    {name: facts(header, self.store.shares(name))}, "What the file says of itself"
                )
        finally:
            refill(self.wish, [ANY, *labels])
            self.wish.disabled = not labels

    def _generate(self) -> None:
        name, n, seed = self.model.value, self.count.value, self.seed.value
        kind = self.sampler.value
        wish = None if self.wish.value == ANY else self.wish.value
        self.message.say(f"sampling {n} spin strings of {name}")

        @torch.no_grad()
        def work() -> None:
            model = self.store.load(name)
            sampler = make_sampler(model.grbm, kind, num_samples=n, seed=seed, graph=model.graph)
            with contextlib.closing(sampler):
                images = model.generate(n, sampler=sampler, seed=seed, classes=wish)
                made_by = sampler.provenance
            data_set = data_set_of(model.info)
            self._made = (name, data_set, images, wish, made_by.kind)
            self._draw()
            self.save.disabled = False
            wished = f", wished for: {wish}" if wish else ""
            what = f"{n} {noun_of(data_set)} of {name}{wished}"
            self.message.say(f"{what}, seed {seed}; {made_by}")

        self.worker.submit(work)

    def _figure(self) -> tuple[Figure, str]:
        """The picture, and what it shows in words."""
        name, data_set, images, wish, kind = self._made
        images = images.round() if self.sharpen.value else images
        title = f"{short(name)}{f': {wish}' if wish else ''}"
        title += ", sharpened" if self.sharpen.value else ""
        return image_grid(images, title=f"{title}; {kind}"), told_of(images, data_set, wish)

    def _draw(self) -> None:
        if self._made is not None:
            fig, alt = self._figure()
            self.result.show(fig, alt=alt)

    def _save(self) -> None:
        if self._made is None:
            raise SettingError("There is nothing to save yet: generate digits first.")
        path = self.store.save_picture(png_bytes(self._figure()[0]), self.file_name.value)
        self.message.say(f"Saved as {path.parent.name}/{path.name} in the folder of models.")
