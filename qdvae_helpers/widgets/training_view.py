"""A training run on the screen: in lesson 05's widget and in the studio."""

import contextlib
from collections.abc import Callable

import ipywidgets as widgets
import torch

from qdvae_helpers.errors import QdvaeError, SettingError
from qdvae_helpers.model_store import ModelStore
from qdvae_helpers.training import Progress, TrainingRun, TrainRequest
from qdvae_helpers.widgets.curves import Curves
from qdvae_helpers.widgets.digits import Digits
from qdvae_helpers.widgets.panels import Message, button
from qdvae_helpers.widgets.wishes import data_set_of, noun_of, told_of


class TrainingView:
    """A training run on the screen: progress, time left, cancel, reconstructions, samples, curves.

    Args:
        store: where the run reads and saves.
        on_change: called, perhaps in the training thread, when the store has changed.
    """

    def __init__(self, store: ModelStore, on_change: Callable[[], None]) -> None:
        self.store, self._on_change = store, on_change
        self.run: TrainingRun | None = None
        self.message = Message()
        self.cancel = button("Cancel", self.message.guarded(self._cancel), disabled=True)
        layout = {"width": "440px", "max_width": "100%", "display": "none"}
        self.bar = widgets.FloatProgress(min=0, max=1, layout=layout)
        self.message.widget.add_class("qdvae-progress")
        self.pairs, self.samples, self.curves = Digits(), Digits(), Curves()
        self.pairs.widget.add_class("qdvae-pairs")
        self.samples.widget.add_class("qdvae-samples")
        pictures = widgets.Box([self.pairs.widget, self.samples.widget])
        pictures.add_class("qdvae-side-by-side")
        self.parts = (self.bar, self.message.widget, pictures, self.curves)
        self._idle_only: tuple[widgets.Button, ...] = ()

    def when_idle(self, *buttons: widgets.Button) -> None:
        """These buttons work only while no run is in progress."""
        self._idle_only = buttons

    def start(self, request: TrainRequest | str) -> None:
        """Begin a run, see :class:`~qdvae_helpers.training.TrainingRun`.

        Raises:
            SettingError: one is in progress, or the request has a fault.
        """
        if self.run is not None and self.run.running:
            raise SettingError("A run is in progress: wait for its end, or cancel it.")
        self.run = TrainingRun(
            self.store,
            request,
            on_progress=self._progressed,
            on_report=self._reported,
            on_end=self._ended,
        )
        self._begin(self.run.start)

    def stop(self) -> None:
        """Cancel the run, keep its last step, and wait for its end."""
        if self.run is not None and self.run.running:
            self.run.cancel()
            self.run.join(timeout=30)

    def _cancel(self) -> None:
        if self.run is not None:
            self.run.cancel()
            self.message.say("stopping after this step")

    def _begin(self, start: Callable[[], None]) -> None:
        self._prepare("preparing")
        try:
            start()
        except Exception:
            if not self.run.running:
                self.message.clear()
                self.bar.layout.display = "none"
                self._buttons(running=False)
            raise

    def _prepare(self, sentence: str) -> None:
        self.bar.value, self.bar.layout.display = 0, "flex"
        self.message.say(sentence)
        self._buttons(running=True)

    def _buttons(self, running: bool) -> None:
        self.cancel.disabled = not running
        for idle_only in self._idle_only:
            idle_only.disabled = running

    # What follows is called in the training thread.

    def _progressed(self, progress: Progress) -> None:
        self.bar.value = progress.step / progress.steps
        self.message.say(str(progress))

    def _reported(self, history: list[dict], images: torch.Tensor, pairs: torch.Tensor) -> None:
        step, data_set = history[-1]["step"], self._data_set()
        noun = noun_of(data_set)
        self.pairs.show(
            f"Held-out {noun}, and reconstructed, at step {step:,}",
            pairs.flatten(0, 1),
            alt=f"{pairs.shape[1]} held-out {noun} above their reconstructions at step {step:,}.",
        )
        self.samples.show(
            f"New {noun} from the prior at step {step:,}", images, alt=told_of(images, data_set)
        )
        self.curves.show(history)

    def _data_set(self) -> str:
        """What the run learns, as its file says; a run that has not saved yet is taken for MNIST's.

        The loop saves before it reports.  The last report may be drawn when the run has finished.
        """
        for header in (self.store.unfinished_header, self.store.header):
            with contextlib.suppress(QdvaeError, OSError):
                return data_set_of(header(self.run.name)["info"])
        return "mnist"

    def _ended(self, how: str, sentence: str) -> None:
        self._on_change()
        self._buttons(running=False)
        if how == "finished":
            self.bar.value = 1  # the last progress may have come before the last step
        if how == "failed":
            self.message.error(sentence)
        else:
            self.message.say(sentence)
