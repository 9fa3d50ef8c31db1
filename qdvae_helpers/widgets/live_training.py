"""Lesson 05's widget: a training run to spoil."""

import tempfile
from pathlib import Path

from qdvae_helpers.model_store import ModelStore
from qdvae_helpers.training import TrainRequest
from qdvae_helpers.widgets.panels import Number, Panel, beside, button, choice, halves
from qdvae_helpers.widgets.training_view import TrainingView


class LiveTraining(Panel):
    """A short training run that you can spoil, with live curves and samples.

    Models go into a temporary folder, which is removed when the widget closes.
    """

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.view = TrainingView(ModelStore(Path(self._folder.name)), lambda: None)
        self.n_spins = Number("latent spins", 48, 16, 256)
        self.epochs = Number("epochs", 2, 1, 20)
        self.loss = choice("loss", ["elbo", "mmd"])
        self.kl_weight = Number("weight of the KL", 1.0, 0.0, 50.0, 0.5)
        self.seed = Number("seed", 0, 0, 9_999)
        self._runs = 0
        self.begin = button("Train", self.guarded(self._begin), button_style="primary")
        self.view.when_idle(self.begin)
        self.widget.add_class("qdvae-live")
        numbers = (self.n_spins, self.epochs, self.kl_weight, self.seed)
        controls = [self.loss, *(number.widget for number in numbers)]
        controls.append(beside(self.begin, self.view.cancel))
        self.arrange(halves(controls, self.view.parts))

    def _begin(self) -> None:
        self._runs += 1
        self.message.clear()
        self.view.start(
            TrainRequest(
                name=f"run-{self._runs}",
                epochs=self.epochs.value,
                n_spins=self.n_spins.value,
                recipe=self.loss.value,
                kl_weight=self.kl_weight.value,
                seed=self.seed.value,
            )
        )

    def close(self) -> None:
        """Stop training, and remove the models."""
        self.view.stop()
        self._folder.cleanup()
        super().close()
