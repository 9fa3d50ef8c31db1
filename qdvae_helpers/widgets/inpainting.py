"""Lesson 06's widget: completing a digit of which a part is known."""

import threading
from collections.abc import Callable

import ipywidgets as widgets
import torch
import torch.nn.functional as F

from qdvae_helpers.data import ImageSet
from qdvae_helpers.models import QDVAE
from qdvae_helpers.plots import image_grid
from qdvae_helpers.priors import energies_of, wanted_classes
from qdvae_helpers.samplers import GibbsSampler
from qdvae_helpers.widgets.panels import Number, Panel, Picture, beside, button, choice, on_change
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
    _SIDE = 7  # squares of 4 by 4 pixels
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
        layout = {"width": "52px"}
        self.squares = [
            widgets.Checkbox(
                value=row < self._SIDE // 2 + 1,
                description=f"{'abcdefg'[column]}{row + 1}",
                indent=False,
                layout=layout,
            )
            for row in range(self._SIDE)
            for column in range(self._SIDE)
        ]
        self.brushes = [
            button(label, self.guarded(lambda rule=rule: self._paint(rule)))
            for label, rule in (
                ("upper half", lambda row, column: row < 4),
                ("left half", lambda row, column: column < 4),
                ("everything", lambda row, column: True),
                ("nothing", lambda row, column: False),
            )
        ]
        self.result = Picture()
        self._filling = False
        self._halt = threading.Event()
        self._restart = True
        self._sweeps = 0
        self.worker = LatestOnly(self.message.error, pause=0.0)
        self.number.on_change(self.guarded(self._start_anew))
        on_change(self.wish, self.guarded(self._start_anew))
        for square in self.squares:
            on_change(square, self.guarded(self._draw_if_idle))
        grid = {"grid_template_columns": f"repeat({self._SIDE}, 56px)"}
        self.widget.add_class("qdvae-inpainting")
        self.arrange(
            self.number.widget,
            *([self.wish] if labels else []),
            self.beta.widget,
            beside(self.walk, self.halt),
            self.result.widget,
            widgets.HTML("Ticked squares are known (columns a to g, rows 1 to 7):"),
            beside(*self.brushes),
            widgets.GridBox(self.squares, layout=grid),
        )
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
        ticked = torch.tensor([square.value for square in self.squares])
        squares = ticked.view(self._SIDE, self._SIDE)
        return squares.repeat_interleave(4, 0).repeat_interleave(4, 1)

    def _paint(self, rule: Callable[[int, int], bool]) -> None:
        self._filling = True  # not one picture for each square
        for k, square in enumerate(self.squares):
            square.value = rule(*divmod(k, self._SIDE))
        self._filling = False
        self._draw_if_idle()

    def _start_anew(self) -> None:
        """Chains at fresh samples of the prior; a walk in progress goes on from there."""
        self._restart = True
        self._draw_if_idle()

    def _draw_if_idle(self) -> None:
        if not self._filling and not self.walk.disabled:
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
        shown = torch.cat([image.unsqueeze(0), torch.where(known, image, 0.25)[None], decoded])
        title = "True, known, and eight completions"
        self.message.say(
            f"{self._sweeps} sweeps at inverse temperature {self.beta.value:g}; {int(known.sum())} "
            f"pixels known, of which the completions miss {float(wrong):.1f} on average; mean "
            f"energy {energies_of(self.model.grbm, spins, self._classes).mean():.1f}"
        )
        alt = f"A digit, its known part, and completions of it. {self.message.text}."
        self.result.show(image_grid(shown, title=title, size=0.8), alt=alt)
