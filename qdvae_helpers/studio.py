"""The studio: train, generate, look inside, compare, with widgets (used in ``08_studio``)."""

import html
import re
from collections.abc import Callable

import ipywidgets as widgets
import torch
from matplotlib.figure import Figure

from qdvae_helpers.background import LARGEST, SMALLEST, LatestOnly, TrainRequest, let_go
from qdvae_helpers.data import ImageSet, load_images
from qdvae_helpers.errors import SettingError
from qdvae_helpers.evaluate import dead_spins, quality
from qdvae_helpers.judge import load_judge
from qdvae_helpers.losses import encoder_entropy, reconstruction_loss
from qdvae_helpers.model_store import ModelStore
from qdvae_helpers.models import QDVAE
from qdvae_helpers.panels import (
    Message,
    Number,
    Panel,
    Picture,
    TrainingView,
    beside,
    button,
    choice,
    read_aloud,
    text_field,
)
from qdvae_helpers.plots import history_figure, image_grid, journey_figure, png_bytes
from qdvae_helpers.profiles import current_profile
from qdvae_helpers.samplers import make_sampler

_SAMPLERS = [
    ("Gibbs sampling (classical)", "gibbs"),
    ("simulated QPU (classical annealing)", "annealer"),
    ("exact (classical, up to about 56 latents)", "exact"),
    ("QPU, live (Leap token and budget)", "qpu"),
]
_RECORDED = [("recorded earlier", "recorded")]
_LOSSES = [
    ("ELBO: one objective for all parts", "elbo"),
    ("Importance-weighted bound, 8 draws (slower)", "iwae"),
    ("MMD and likelihood", "mmd"),
]
_NEW = "a new model"
_HELD_OUT = 1_000  # images to look at and to measure on
_MEASURED = {"fast": 64, "lesson": 500, "full": 1_000}  # generated images a comparison scores


def facts(header: dict) -> dict[str, str]:
    """What a model's file says of itself, in the words of the lessons.

    Args:
        header: see :func:`~qdvae_helpers.checkpoints.read_header`.
    """
    graph, info = header["graph"], header["info"]
    train, studio = info.get("train", {}), info.get("studio", {})
    rows = {
        "graph": f"{len(graph['nodes'])} qubits, {len(graph['edges']):,} couplers, "
        f"hash {graph['hash']}",
        "where from": graph["source"],
        "trained on": info.get("data", "unknown"),
        "loss": train.get("recipe", "unknown"),
        "steps": f"{info.get('step', 0):,} of {train.get('steps', 0):,}, "
        f"{train.get('batch_size', 0)} images each",
        "sampler": info.get("sampler", {}).get("description", "unknown"),
        "seed": str(train.get("seed", "unknown")),
    }
    if counted := re.search(r"([\d,]+) images", info.get("data", "")):
        seen = info.get("step", 0) * train.get("batch_size", 0)
        rows["epochs"] = f"{seen / int(counted[1].replace(',', '')):.1f}"
    if studio.get("start_from"):
        rows["fine-tuned from"] = studio["start_from"]
    if ratio := info.get("ratio"):
        nats = f"at least about {ratio['divergence']:.1f} nats from the encoder's strings"
        rows["prior"] = f"{nats}; candidates can be chosen among"
    if history := info.get("history"):
        last = history[-1]
        rows["reconstruction, held out"] = f"{last.get('validation', float('nan')):.1f} nats"
        rows["dead spins"] = str(last["dead_spins"])
        rows["size of couplings"] = f"{last['coupling_rms']:.3f} (rms)"
    return rows


@torch.no_grad()
def measures(model: QDVAE, held_out: ImageSet, seed: int = 0) -> dict[str, str]:
    """What a comparison shows: measured anew, on the same images for every model.

    Args:
        model: any.
        held_out: black-and-white images, at least as many as are generated.
        seed: of the generated images.
    """
    n = min(_MEASURED[current_profile().name], len(held_out.images))
    logits = model.encode(held_out.images)
    discretiser = model.dvae.latent_to_discrete
    discretiser.generator = torch.Generator().manual_seed(seed)  # the same numbers every time
    pixel_logits = model.dvae.decoder(discretiser(logits, 1))
    discretiser.generator = None
    reconstruction = float(reconstruction_loss(pixel_logits, held_out.images))
    generated = model.generate(n, seed=seed).round()
    score = quality(generated, held_out.images, load_judge())
    return {
        "reconstruction, held out": f"{reconstruction:.1f} nats",
        "entropy": f"{float(encoder_entropy(logits)):.1f} nats",
        "dead spins": f"{dead_spins(logits)} of {model.n_spins}",
        f"Fréchet distance of {n}": f"{score.frechet:.0f}",
        "precision": f"{score.precision:.2f}",
        "recall": f"{score.recall:.2f}",
    }


def table(columns: dict[str, dict[str, str]], caption: str) -> str:
    """Columns of named values as an HTML table with headings."""
    rows = list(dict.fromkeys(key for column in columns.values() for key in column))
    cell = 'style="text-align: left; padding: 1px 12px 1px 0"'
    head = "".join(f'<th scope="col" {cell}>{html.escape(name)}</th>' for name in columns)
    body = "".join(
        f'<tr><th scope="row" {cell}>{html.escape(row)}</th>'
        + "".join(f"<td {cell}>{html.escape(c.get(row, '–'))}</td>" for c in columns.values())
        + "</tr>"
        for row in rows
    )
    return (
        f'<table><caption style="text-align: left">{html.escape(caption)}</caption>'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _short(name: str) -> str:
    """A name that fits over a picture."""
    return name if len(name) <= 30 else f"{name[:29]}…"


class Studio(Panel):
    """One dashboard: train, tune, generate, look inside and compare models.

    Args:
        store: where models are read and saved; the usual folder if left out.
    """

    def __init__(self, store: ModelStore | None = None) -> None:
        super().__init__()
        self.store = store or ModelStore()
        self.train = _TrainTab(self)
        self.generate = _GenerateTab(self)
        self.views = _ViewsTab(self)
        self.compare = _CompareTab(self)
        tabs = (self.train, self.generate, self.views, self.compare)
        self.tabs = widgets.Tab([tab.widget for tab in tabs])
        for i, title in enumerate(("Train", "Generate", "Look inside", "Compare")):
            self.tabs.set_title(i, title)
        self.arrange(self.tabs)
        self.widget.add_class("qdvae-studio")
        self._held_out: ImageSet | None = None
        self.models_changed()

    def held_out(self) -> ImageSet:
        """Images that no model has seen in training."""
        if self._held_out is None:
            self._held_out = load_images("mnist", "test", limit=_HELD_OUT).rounded()
        return self._held_out

    def models_changed(self) -> None:
        """Offer what the store holds now, in all lists; keep what is chosen where it is left."""
        names = self.store.names()
        for tab in (self.train, self.generate, self.views, self.compare):
            tab.offer(names)

    def close(self) -> None:
        """Cancel a training run (its last step is kept) and stop all other work."""
        for tab in (self.train, self.generate, self.views, self.compare):
            tab.stop()
        super().close()


def _offer(dropdown: widgets.Dropdown, options: list[str]) -> None:
    """New options for a list that keeps its choice if it can."""
    chosen = dropdown.value
    if list(dropdown.options) != options:
        dropdown.options = options
        dropdown.value = chosen if chosen in options else (options[0] if options else None)


class _Tab:
    """What the tabs share: a message of their own, and slow work in a thread of their own."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.store = studio.store
        self.message = Message()
        self.worker = LatestOnly(self.message.error)

    def guarded(self, answer: Callable[[], None]) -> Callable[[], None]:
        """Errors of this tab are shown in this tab."""

        def answer_or_explain() -> None:
            try:
                answer()
            except Exception as error:
                self.message.error(error)

        return answer_or_explain

    def offer(self, names: list[str]) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        self.worker.close()


class _TrainTab(_Tab):
    """New runs, fine-tuning, cancelling and resuming."""

    def __init__(self, studio: Studio) -> None:
        super().__init__(studio)
        profile = current_profile()
        self.view = TrainingView(studio.store, studio.models_changed)
        self.name = text_field("name to save under", "my-first-model")
        self.start_from = choice("start from", [_NEW])
        self.n_spins = Number("latent spins", profile.n_spins, SMALLEST, LARGEST)
        self.epochs = Number("epochs", 1 if profile.name == "fast" else 5, 1, 100)
        self.loss = choice("loss", _LOSSES)
        self.kl_weight = Number("weight of the KL", 1.0, 0.0, 50.0, 0.5)
        self.sampler = choice("sampler", _SAMPLERS)
        self.seed = Number("seed", 0, 0, 9_999)
        self.begin = button("Train", self.guarded(self._begin), button_style="primary")
        self.resumable = choice("stopped runs", [])
        self.resume = button("Resume", self.guarded(self._resume))
        self.view.when_idle(self.begin, self.resume)
        self.start_from.observe(lambda change: self._source_changed(), "value")
        self.loss.observe(lambda change: self.kl_weight.disable(self.loss.value == "mmd"), "value")
        self.widget = widgets.VBox(
            [
                self.name,
                self.start_from,
                self.n_spins.widget,
                self.epochs.widget,
                self.loss,
                self.kl_weight.widget,
                self.sampler,
                self.seed.widget,
                beside(self.begin, self.view.cancel),
                beside(self.resumable, self.resume),
                self.message.widget,
                *self.view.parts,
            ]
        )
        self.widget.add_class("qdvae-train")

    def offer(self, names: list[str]) -> None:
        _offer(self.start_from, [_NEW, *names])
        _offer(self.resumable, self.store.unfinished())

    def stop(self) -> None:
        self.view.stop()
        super().stop()

    def _source_changed(self) -> None:
        self.n_spins.disable(self.start_from.value != _NEW)  # a saved model keeps its graph

    def _begin(self) -> None:
        start_from = None if self.start_from.value == _NEW else self.start_from.value
        self.message.clear()
        self.view.start(
            TrainRequest(
                name=self.name.value,
                epochs=self.epochs.value,
                n_spins=self.n_spins.value,
                recipe=self.loss.value,
                kl_weight=self.kl_weight.value,
                sampler=self.sampler.value,
                seed=self.seed.value,
                start_from=start_from,
            )
        )

    def _resume(self) -> None:
        if not self.resumable.value:
            raise SettingError("No run was stopped half-way: train one and cancel it first.")
        self.message.clear()
        self.view.start(self.resumable.value)


class _GenerateTab(_Tab):
    """New digits of one model."""

    def __init__(self, studio: Studio) -> None:
        super().__init__(studio)
        self.model = choice("model", [])
        self.count = Number("pictures", 40, 1, 200)
        self.seed = Number("seed", 1, 0, 9_999)
        self.candidates = Number("candidates for each picture", 1, 1, 50)
        self.rounds = Number("rounds through the autoencoder", 0, 0, 10)
        self.sampler = choice("sampler", _SAMPLERS + _RECORDED)
        self.go = button("Generate", self.guarded(self._generate), button_style="primary")
        self.sharpen = widgets.Checkbox(description="sharpen to black and white", indent=False)
        self.file_name = text_field("picture's name", "digits-1")
        self.save = button("Save PNG", self.guarded(self._save), disabled=True)
        self.about = widgets.HTML()
        self.about.add_class("qdvae-facts")
        self.result = Picture()
        self.model.observe(lambda change: self.guarded(self._tell)(), "value")
        self.sharpen.observe(lambda change: self.guarded(self._draw)(), "value")
        self._made: tuple[str, torch.Tensor, str] | None = None  # model, images, how made
        self.widget = widgets.VBox(
            [
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
            ]
        )
        self.widget.add_class("qdvae-generate")

    def offer(self, names: list[str]) -> None:
        _offer(self.model, names)

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
            try:
                images = model.generate(
                    n, sampler=sampler, seed=seed, candidates=candidates, rounds=rounds
                )
            finally:
                let_go(sampler)
            later = f", each the choice of {candidates}" if candidates > 1 else ""
            later += f", then {rounds}× through encoder and decoder" if rounds else ""
            self._made = (name, images, f"{sampler.provenance.kind}{later}")
            self._draw()
            self.save.disabled = False
            self.message.say(f"{n} digits of {name}, seed {seed}; {sampler.provenance}{later}")

        self.worker.submit(work)

    def _figure(self) -> tuple[torch.Tensor, Figure]:
        name, images, made_by = self._made
        images = images.round() if self.sharpen.value else images
        sharp = ", sharpened" if self.sharpen.value else ""
        return images, image_grid(images, title=f"{_short(name)}{sharp}; {made_by}")

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


class _ViewsTab(_Tab):
    """What happens inside one model."""

    def __init__(self, studio: Studio) -> None:
        super().__init__(studio)
        self.model = choice("model", [])
        self.view = choice("view", ["reconstructions", "model diagram", "loss curves"])
        self.image = Number("held-out image", 0, 0, _HELD_OUT - 10)
        self.result = Picture()
        for widget in (self.model, self.view, self.image.field):
            widget.observe(lambda change: self.worker.submit(self._draw), "value")
        self.widget = widgets.VBox(
            [self.model, self.view, self.image.widget, self.message.widget, self.result.widget]
        )
        self.widget.add_class("qdvae-views")

    def offer(self, names: list[str]) -> None:
        _offer(self.model, names)

    @torch.no_grad()
    def _draw(self) -> None:
        name, view, first = self.model.value, self.view.value, self.image.value
        held_out = self.studio.held_out()
        first = min(first, len(held_out.images) - 10)
        if view == "loss curves":
            history = self.store.header(name)["info"].get("history")
            if not history:
                raise SettingError(f"{name} was saved without its history: choose another model.")
            alt = (
                f"Training curves of {name}; the last held-out reconstruction is "
                f"{history[-1].get('validation', float('nan')):.1f} nats."
            )
            self.result.show(history_figure(history), alt=alt)
        elif view == "model diagram":
            model = self.store.load(name)
            alt = (
                f"Held-out image {first}, a {int(held_out.labels[first])}, on its way through the "
                f"encoder, {model.n_spins} spins at their qubits, and the decoder."
            )
            self.result.show(journey_figure(model, held_out.images[first : first + 1]), alt=alt)
        else:
            model = self.store.load(name)
            originals = held_out.images[first : first + 10]
            copies = model.reconstruct(originals)
            title = f"Held-out images from {first} on (top), through {_short(name)} (bottom)"
            alt = (
                f"Ten digits, {' '.join(str(int(d)) for d in held_out.labels[first : first + 10])}"
                f", and their reconstructions, which a classifier reads as {read_aloud(copies)}."
            )
            grid = image_grid(torch.cat([originals, copies]), title=title, size=0.8)
            self.result.show(grid, alt=alt)
        self.message.say(f"{view} of {name}")


class _CompareTab(_Tab):
    """Two models side by side."""

    def __init__(self, studio: Studio) -> None:
        super().__init__(studio)
        self.models = (choice("left model", []), choice("right model", []))
        self.go = button("Compare", self.guarded(self._compare), button_style="primary")
        self.result = widgets.HTML()
        self.result.add_class("qdvae-comparison")
        self.pictures = (Picture(), Picture())
        self.widget = widgets.VBox(
            [
                *self.models,
                self.go,
                self.message.widget,
                self.result,
                beside(*(picture.widget for picture in self.pictures)),
            ]
        )
        self.widget.add_class("qdvae-compare")

    def offer(self, names: list[str]) -> None:
        for dropdown in self.models:
            _offer(dropdown, names)

    def _compare(self) -> None:
        chosen = [dropdown.value for dropdown in self.models]
        self.message.say("sampling and measuring both models")

        @torch.no_grad()
        def work() -> None:
            held_out = self.studio.held_out()
            columns = {}
            for side, name, place in zip(("left", "right"), chosen, self.pictures, strict=True):
                model = self.store.load(name)
                said = facts(self.store.header(name))
                measured = measures(model, held_out)
                columns[f"{side}: {name}"] = measured | {
                    key: value for key, value in said.items() if key not in measured
                }
                images = torch.cat([held_out.images[:10], model.reconstruct(held_out.images[:10])])
                images = torch.cat([images, model.generate(30, seed=1)])
                alt = (
                    f"Of {name}: ten held-out digits, their reconstructions, and thirty generated "
                    f"digits, which a classifier reads as {read_aloud(images[20:])}."
                )
                place.show(image_grid(images, title=_short(name), size=0.5), alt=alt)
            self.result.value = table(
                columns,
                "Measured now on the same held-out images; then what the files say. Pictures: ten "
                "held-out images, the same through the spins, thirty generated ones.",
            )
            self.message.say("compared")

        self.worker.submit(work)
