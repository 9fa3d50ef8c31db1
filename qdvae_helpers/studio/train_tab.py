"""New runs, fine-tuning, cancelling and resuming, seen alike in every window."""

from collections.abc import Callable

import ipywidgets as widgets

from qdvae_helpers.errors import SettingError
from qdvae_helpers.model_store import ModelStore
from qdvae_helpers.priors import MOST_CLASSES
from qdvae_helpers.profiles import current_profile
from qdvae_helpers.studio.sampler_choice import SamplerChoice
from qdvae_helpers.studio.tab import Tab, refill
from qdvae_helpers.training import LARGEST, SMALLEST, Progress, TrainRequest, default_spins
from qdvae_helpers.training.process import SharedRun
from qdvae_helpers.widgets.panels import Number, beside, button, choice, on_change, text_field
from qdvae_helpers.widgets.training_view import TrainingView

_LOSSES = [
    ("ELBO: one objective for all parts", "elbo"),
    ("Importance-weighted bound, 8 draws (slower)", "iwae"),
    ("MMD and likelihood", "mmd"),
]
_DATA = [("MNIST: digits", "mnist"), ("Fashion-MNIST: clothes", "fashion-mnist")]
_CLASSES = [
    ("none: one prior for all images", "none"),
    ("clusters, found without labels", "clusters"),
    ("labels, to wish for", "labels"),
]
_NEW, _FURTHER = "a new model", "a model further (fine-tuning)"


class SharedView(TrainingView):
    """The run that all studios of a folder share, on the screen.

    Args:
        store: where the run reads and saves.
        on_change: called in a thread when the store has changed, or a run has begun or ended.
    """

    def __init__(self, store: ModelStore, on_change: Callable[[], None]) -> None:
        super().__init__(store, on_change)
        self.message.say("While a model learns, its pictures and curves appear here.")
        self.run = SharedRun(
            store,
            on_begin=self._begun,
            on_progress=self._progressed,
            on_report=self._reported,
            on_end=self._ended,
            on_change=on_change,
        )

    def start(self, request: TrainRequest | str) -> None:
        """Begin a run, see :class:`~qdvae_helpers.training.process.SharedRun`."""
        self._begin(lambda: self.run.start(request))

    def stop(self) -> None:
        """Watch no longer; the run goes on."""
        self.run.close()

    def _begun(self, name: str) -> None:
        self._prepare(f"preparing {name}")
        self._on_change()

    def _progressed(self, progress: Progress) -> None:
        super()._progressed(progress)
        self.message.say(f"{self.run.name}: {progress}")


class TrainTab(Tab):
    """New runs, fine-tuning, cancelling and resuming.

    Args:
        store: where models are read and saved.
        models_changed: called, perhaps in a thread, when the store has changed.
    """

    title = "Train"

    def __init__(self, store: ModelStore, models_changed: Callable[[], None]) -> None:
        super().__init__(store)
        self._profile = current_profile()
        self.view = SharedView(store, models_changed)
        self.what = widgets.RadioButtons(
            options=[_NEW, _FURTHER], description="train", layout={"width": "max-content"}
        )
        self.start_from = choice("start from", [])
        self.name = text_field("name to save under", "my-first-model")
        self.epochs = Number("epochs", 1 if self._profile.name == "fast" else 5, 1, 100)
        self.loss = choice("loss", _LOSSES)
        self.data = choice("data", _DATA)
        self.classes = choice("classes", _CLASSES)
        most = min(MOST_CLASSES, self._profile.num_samples)  # each needs a chain
        self.n_classes = Number("number of classes", self._profile.n_classes, 2, most)
        self._usual = self._usual_spins()
        self.n_spins = Number("latent spins", self._usual, SMALLEST, LARGEST)
        self.kl_weight = Number("weight of the KL", 1.0, 0.0, 50.0, 0.5)
        self.sampler = SamplerChoice()
        self.seed = Number("seed", 0, 0, 9_999)
        self.begin = button("Train", self.guarded(self._begin), button_style="primary")
        self.resumable = choice("stopped runs", [])
        self.resume = button("Resume", self.guarded(self._resume))
        self.view.when_idle(self.begin, self.resume)
        on_change(self.what, self._source_changed)
        on_change(self.loss, self._loss_changed)
        on_change(self.classes, self._loss_changed)
        self._source_changed()
        self._stopped = widgets.VBox([self.resumable, self.resume])
        self._stopped.add_class("qdvae-row")
        self.arrange(
            "qdvae-train",
            [
                self.what,
                self.start_from,
                self.data,
                self.name,
                self.epochs.widget,
                self.n_spins.widget,
                self.classes,
                self.n_classes.widget,
                self.loss,
                self.kl_weight.widget,
                self.sampler.widget,
                self.seed.widget,
                beside(self.begin, self.view.cancel),
                self._stopped,
            ],
            [self.message.widget, *self.view.parts],
        )

    def lists(self) -> tuple[widgets.Dropdown, ...]:
        """Models to train further."""
        return (self.start_from,)

    def offered(self, changed: bool) -> None:
        """Runs to resume, if there are any."""
        live = self.view.run.live
        refill(self.resumable, [name for name in self.store.unfinished() if name != live])
        self._stopped.layout.display = None if self.resumable.options else "none"

    def stop(self) -> None:
        """Watch no longer; a run goes on."""
        self.view.stop()
        self.sampler.stop()
        super().stop()

    def _source_changed(self) -> None:
        old = self.what.value == _FURTHER
        self.start_from.layout.display = None if old else "none"
        self.start_from.disabled = not old
        self.n_spins.disable(old)  # a saved model keeps its graph
        self.classes.disabled = old  # and its classes
        self.n_classes.disable(old or self.classes.value == "none")
        for control in (self.n_spins.widget, self.classes, self.n_classes.widget):
            control.layout.display = "none" if old else None

    def _loss_changed(self) -> None:
        self.kl_weight.disable(self.loss.value == "mmd")
        former, self._usual = self._usual, self._usual_spins()
        if self.n_spins.value == former:  # nobody has typed another number
            self.n_spins.value = self._usual

        self._source_changed()

    def _usual_spins(self) -> int:
        return default_spins(self.loss.value, self._profile, self.classes.value)

    def _begin(self) -> None:
        new = self.what.value == _NEW
        classes = self.classes.value if new else "none"
        self.message.clear()
        self.view.start(
            TrainRequest(
                name=self.name.value,
                epochs=self.epochs.value,
                n_spins=self.n_spins.value if new else None,
                recipe=self.loss.value,
                kl_weight=self.kl_weight.value,
                sampler=self.sampler.kind,
                solver=self.sampler.name_of_solver,
                seed=self.seed.value,
                start_from=None if new else self.start_from.value,
                data=self.data.value,
                classes=classes,
                n_classes=None if classes == "none" else self.n_classes.value,
            )
        )

    def _resume(self) -> None:
        if not self.resumable.value:
            raise SettingError("No run was stopped half-way: train one and cancel it first.")
        self.message.clear()
        self.view.start(self.resumable.value)
