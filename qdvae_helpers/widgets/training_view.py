"""A training run on the screen: in lesson 05's widget and in the studio."""

import contextlib
from collections.abc import Callable

import ipywidgets as widgets
import torch

from qdvae_helpers.errors import QdvaeError, SettingError
from qdvae_helpers.model_store import ModelStore
from qdvae_helpers.plots import history_figure, image_grid
from qdvae_helpers.training import Progress, TrainingRun, TrainRequest
from qdvae_helpers.widgets.panels import Message, Picture, button
from qdvae_helpers.widgets.wishes import data_set_of, told_of


class TrainingView:
    """A training run on the screen: progress, time left, cancel, curves, samples.

    Args:
        store: where the run reads and saves.
        on_change: called, perhaps in the training thread, when the store has changed.
    """

    def __init__(self, store: ModelStore, on_change: Callable[[], None]) -> None:
        self.store, self._on_change = store, on_change
        self.run: TrainingRun | None = None
        self.message = Message()
        self.cancel = button("Cancel", self.message.guarded(self._cancel), disabled=True)
        self.bar = widgets.FloatProgress(min=0, max=1, layout={"width": "440px"})
        self.message.widget.add_class("qdvae-progress")
        self.curves, self.samples = Picture(), Picture()
        self.parts = (self.bar, self.message.widget, self.curves.widget, self.samples.widget)
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
                self._buttons(running=False)
            raise

    def _prepare(self, sentence: str) -> None:
        self.bar.value = 0
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

    def _reported(self, history: list[dict], images: torch.Tensor) -> None:
        last = history[-1]
        alt = (
            f"Training curves up to step {last['step']}: held-out reconstruction "
            f"{last['validation']:.1f} nats, {last['dead_spins']} dead spins, size of couplings "
            f"{last['coupling_rms']:.3f}."
        )
        self.curves.show(history_figure(history), alt=alt)
        grid = image_grid(images, title=f"Samples of the prior at step {last['step']:,}")
        self.samples.show(grid, alt=told_of(images, self._data_set()))

    def _data_set(self) -> str:
        """What the run learns, as its file says; a run that has not saved yet is taken for MNIST's.

        The loop saves before it reports.
        """
        with contextlib.suppress(QdvaeError, OSError):
            return data_set_of(self.store.unfinished_header(self.run.name)["info"])
        return "mnist"

    def _ended(self, how: str, sentence: str) -> None:
        self._on_change()
        self._buttons(running=False)
        if how == "failed":
            self.message.error(sentence)
        else:
            self.message.say(sentence)
