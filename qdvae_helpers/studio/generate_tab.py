"""Originals, their reconstructions, and new digits of one model."""

import contextlib

import ipywidgets as widgets
import torch

from qdvae_helpers.errors import DataError, SettingError
from qdvae_helpers.model_store import ModelStore
from qdvae_helpers.models import QDVAE
from qdvae_helpers.plots import image_grid, png_bytes
from qdvae_helpers.samplers import make_sampler
from qdvae_helpers.studio.sampler_choice import SamplerChoice
from qdvae_helpers.studio.tab import Tab, held_out, reconstructed, refill, short
from qdvae_helpers.studio.tables import folded
from qdvae_helpers.widgets.digits import Digits
from qdvae_helpers.widgets.panels import Number, button, choice, on_change, text_field
from qdvae_helpers.widgets.wishes import ANY, data_set_of, in_words, label_names, noun_of, told_of

_RECORDED = (("recorded earlier", "recorded"),)
_PAIRS = 10  # originals


class GenerateTab(Tab):
    """Originals, reconstructions and new digits of one model, and a picture to keep.

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
        self.sampler = SamplerChoice(_RECORDED)
        self.go = button("Generate", self.guarded(self.begin_with), button_style="primary")
        self.sharpen = widgets.Checkbox(description="sharpen to black and white", indent=False)
        self.file_name = text_field("picture's name", "digits-1")
        self.save = button("Save PNG", self.guarded(self._save), disabled=True)
        self.about = widgets.HTML()
        self.about.add_class("qdvae-facts")
        self.originals, self.copies, self.result = Digits(), Digits(), Digits()
        self.result.widget.add_class("qdvae-samples")
        self.when_chosen(self.model, self.guarded(self._tell))
        on_change(self.sharpen, self.guarded(self._draw))
        #: Model, its data set, images, the wish, how made.
        self._made: tuple[str, str, torch.Tensor, str | None, str] | None = None
        blocks = widgets.Box([one.widget for one in (self.originals, self.copies, self.result)])
        blocks.add_class("qdvae-stacked")
        self.arrange(
            "qdvae-generate",
            [
                self.model,
                self.about,
                self.wish,
                self.count.widget,
                self.seed.widget,
                self.sampler.widget,
                self.go,
                self.sharpen,
                self.file_name,
                self.save,
            ],
            [self.message.widget, blocks],
        )

    def lists(self) -> tuple[widgets.Dropdown, ...]:
        """Models to draw from."""
        return (self.model,)

    def offered(self, changed: bool) -> None:
        """Tell of the model anew: an unfinished one may have learned more."""
        self.guarded(self._tell)()

    def stop(self) -> None:
        """End the work in progress."""
        self.sampler.stop()
        super().stop()

    def _tell(self) -> None:
        about, name = "", self.model.value
        labels: tuple[str, ...] = ()
        try:
            if name:
                header = self.store.header(name)
                labels = label_names(header["settings"].get("classes", ()), header["info"])
                about = folded(name, header, self.store.shares(name))
        finally:
            self.about.value = about
            refill(self.wish, [ANY, *labels])
            self.wish.disabled = not labels
            known = labels or not name
            self.wish.description = "wish" if known else "wish (none: it learned no labels)"

    def begin_with(self) -> None:
        """Generate what the controls say."""
        name, n, seed = self.model.value, self.count.value, self.seed.value
        kind, options = self.sampler.kind, self.sampler.options
        wish = None if self.wish.value == ANY else self.wish.value
        self.message.say(f"sampling {n} spin strings of {name}")

        @torch.no_grad()
        def work() -> None:
            model = self.store.load(name)
            common = {"num_samples": n, "seed": seed, "graph": model.graph}
            sampler = make_sampler(model.grbm, kind, **common, **options)
            with contextlib.closing(sampler):
                images = model.generate(n, sampler=sampler, seed=seed, classes=wish)
                made_by = sampler.provenance
            data_set = data_set_of(model.info)
            self._made = (name, data_set, images, wish, made_by.kind)
            self._draw()
            self._show_pairs(model, name, seed)
            self.save.disabled = False
            wished = f", wished for: {wish}" if wish else ""
            what = f"{n} {noun_of(data_set)} of {name}{wished}"
            self.message.say(f"{what}, seed {seed}; {made_by}")

        self.worker.submit(work)

    def _show_pairs(self, model: QDVAE, name: str, seed: int) -> None:
        heading = "Held-out originals"
        try:
            images = held_out(model)
        except DataError as error:  # the new pictures need no images
            self.originals.say(heading, str(error))
            self.copies.widget.value = ""
            return
        ten, known = images.images[:_PAIRS], images.source.data_set
        told = f"{len(ten)} held-out {noun_of(known)}"
        self.originals.show(heading, ten, alt=f"{told}: {in_words(images.labels[:_PAIRS], known)}.")
        self.copies.show(
            f"Their reconstructions by {short(name)}",
            reconstructed(model, ten, seed),
            alt=f"The same {told} through encoder, spins and decoder of {name}.",
        )

    def _draw(self) -> None:
        if self._made is not None:
            name, data_set, images, wish, kind = self._made
            wished = f", wished for: {wish}" if wish else ""
            heading = f"New {noun_of(data_set)} by {short(name)}{wished} ({kind})"
            alt = told_of(images, data_set, wish)
            self.result.show(heading, self._sharpened(images), alt=alt)

    def _sharpened(self, images: torch.Tensor) -> torch.Tensor:
        return images.round() if self.sharpen.value else images

    def _save(self) -> None:
        if self._made is None:
            raise SettingError("There is nothing to save yet: generate digits first.")
        name, _, images, wish, kind = self._made
        title = f"{short(name)}{f': {wish}' if wish else ''}"
        title += ", sharpened" if self.sharpen.value else ""
        fig = image_grid(self._sharpened(images), title=f"{title}; {kind}")
        path = self.store.save_picture(png_bytes(fig), self.file_name.value)
        self.message.say(f"Saved as {path.parent.name}/{path.name} in the folder of models.")
