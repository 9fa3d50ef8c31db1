"""Lesson 07's widget: completing a digit of which a part is known."""

import threading
from collections.abc import Callable

import torch
import torch.nn.functional as F

from qdvae_helpers.data import ImageSet
from qdvae_helpers.models import QDVAE
from qdvae_helpers.plots import grid_image
from qdvae_helpers.priors import energies_of, wanted_classes
from qdvae_helpers.samplers import GibbsSampler
from qdvae_helpers.widgets.board import Board
from qdvae_helpers.widgets.panels import (
    Number,
    Panel,
    Picture,
    beside,
    button,
    choice,
    halves,
    on_change,
)
from qdvae_helpers.widgets.wishes import ANY, label_names
from qdvae_helpers.widgets.worker import LatestOnly


class Inpainting(Panel):
    """Spins that walk, held by the pixels that you know, at a temperature.

    Where the prior knows classes, each walk has its own and keeps it: one that is wished for, or
    classes as frequent as among the training images.

    Args:
        model: a trained one; only read.
        held_out: images to choose from.
        metropolis: ``metropolis(score, spins, sweeps)``, chains towards ``exp(score(spins))``; the
            lesson's own.
    """

    _CHAINS = 8
    _SIDE = 14  # squares of 2 by 2 pixels
    _MOST_SWEEPS = 200  # then a walk ends by itself

    def __init__(self, model: QDVAE, held_out: ImageSet, metropolis: Callable) -> None:
        super().__init__()
        self.model, self.held_out, self.metropolis = model, held_out, metropolis
        self.number = Number("held-out image", 0, 0, len(held_out) - 1)
        #: The class of each chain stays; without classes there is but one.
        labels = label_names(model.class_names, model.info)
        self.wish = choice("wish", [ANY, *labels])
        self.wish.disabled = not labels
        self.beta = Number("inverse temperature", 1.0, 0.1, 3.0, 0.1)
        self.walk = button("Walk", self.guarded(self._walk), button_style="primary")
        self.halt = button("Stop", self._stop, disabled=True)
        names = [
            f"column {c + 1}, row {r + 1}" for r in range(self._SIDE) for c in range(self._SIDE)
        ]
        self.board = Board(self._SIDE, self._SIDE, names, "mask", label="known part of the picture")
        self.brushes = [
            button(label, self.guarded(lambda rule=rule: self._paint(rule)))
            for label, rule in (
                ("upper half", lambda row, column: row < self._SIDE // 2),
                ("left half", lambda row, column: column < self._SIDE // 2),
                ("everything", lambda row, column: True),
                ("nothing", lambda row, column: False),
            )
        ]
        self.board.values = self._where(lambda row, column: row < self._SIDE // 2)
        self.result = Picture()
        self._halt = threading.Event()
        self._restart = True
        self._sweeps = 0
        self.worker = LatestOnly(self.message.error, pause=0.0)
        self.number.on_change(self.guarded(self._start_anew))
        on_change(self.wish, self.guarded(self._start_anew))
        painted = self.guarded(self._draw_if_idle)
        self.board.observe(lambda change: painted(), "values")
        self.widget.add_class("qdvae-inpainting")
        controls = [self.number.widget, *([self.wish] if labels else []), self.beta.widget]
        controls += [beside(self.walk, self.halt), beside(*self.brushes), self.board]
        self.arrange(halves(controls, [self.result.widget]))
        self._start_anew()  # an error here belongs to the cell

    def close(self) -> None:
        """Stop the walk."""
        self._stop()
        self.worker.close()
        super().close()

    def _stop(self) -> None:
        self._halt.set()

    def _known(self) -> torch.Tensor:
        """Which pixels are known, ``(28, 28)``."""
        cells = torch.tensor(self.board.values).view(self._SIDE, self._SIDE)
        return cells.repeat_interleave(2, 0).repeat_interleave(2, 1)

    def _where(self, rule: Callable[[int, int], bool]) -> list[bool]:
        """Which cells a rule for row and column takes as known."""
        return [rule(*divmod(k, self._SIDE)) for k in range(self._SIDE**2)]

    def _paint(self, rule: Callable[[int, int], bool]) -> None:
        self.board.values = self._where(rule)

    def _start_anew(self) -> None:
        """Chains at fresh samples of the prior; a walk in progress goes on from there."""
        self._restart = True
        self.board.show(self.held_out.images[self.number.value])
        self._draw_if_idle()

    def _draw_if_idle(self) -> None:
        if not self.walk.disabled:
            self._draw(self._first_spins() if self._restart else self._spins)

    @torch.no_grad()
    def _first_spins(self) -> torch.Tensor:
        self._restart, self._sweeps = False, 0
        seed = self.number.value
        chains = GibbsSampler(self.model.grbm, self._CHAINS, seed=seed, graph=self.model.graph)
        wish = None if self.wish.value == ANY else self.wish.value
        names, generator = self.model.class_names, torch.Generator().manual_seed(seed)
        self._classes = wanted_classes(self._CHAINS, wish, names, self.model.grbm, generator)
        if self._classes is not None:
            chains.classes = self._classes
        self._spins = chains.restart(300)
        return self._spins

    def _walk(self) -> None:
        self._halt.clear()
        self.walk.disabled, self.halt.disabled = True, False
        self.worker.submit(self._keep_walking)

    @torch.no_grad()
    def _keep_walking(self) -> None:
        """In the background: sweep after sweep, with what the controls say at that moment."""
        try:
            for _ in range(self._MOST_SWEEPS):
                if self._halt.is_set():
                    break
                spins = self._first_spins() if self._restart else self._spins
                known, beta = self._known(), self.beta.value
                image, classes = self.held_out.images[self.number.value], self._classes
                targets = image[0, known].expand(self._CHAINS, -1)

                def score(s, known=known, beta=beta, targets=targets, classes=classes):
                    logits = self.model.dvae.decoder(s)[:, 0, known]
                    loss = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
                    return -beta * energies_of(self.model.grbm, s, classes) - loss.sum(1)

                self._spins = self.metropolis(score, spins, 1)
                self._sweeps += 1
                self._draw(self._spins)
        finally:
            self.walk.disabled, self.halt.disabled = False, True

    @torch.no_grad()
    def _draw(self, spins: torch.Tensor) -> None:
        image, known = self.held_out.images[self.number.value], self._known()
        decoded = self.model.decode(spins)
        wrong = (decoded - image).abs()[:, 0, known].sum(1).mean() if known.any() else 0.0
        shown = torch.cat([image.unsqueeze(0), decoded])
        self.message.say(
            f"{self._sweeps} sweeps at inverse temperature {self.beta.value:g}; {int(known.sum())} "
            f"pixels known, of which the completions miss {float(wrong):.1f} on average; mean "
            f"energy {energies_of(self.model.grbm, spins, self._classes).mean():.1f}"
        )
        alt = f"A digit, and completions of its known part. {self.message.text}."
        self.result.show_image(
            grid_image(shown, 3, size=1.4),
            heading="The true picture, then eight completions",
            alt=alt,
        )
