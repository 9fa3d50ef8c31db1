"""Lesson 02's widget: flip a spin, see what it did."""

from collections.abc import Callable

import ipywidgets as widgets
import torch

from qdvae_helpers.plots import INK_CHANGE, draw_picture, new_figure
from qdvae_helpers.widgets.panels import Number, Panel, Picture, button, on_change


class SpinBoard(Panel):
    """Spins as boxes to tick, and the picture that the decoder makes of them.

    Args:
        spins_of: images ``(B, 1, 28, 28)`` to spins ``(B, n)``.
        decode: spins ``(B, n)`` to images ``(B, 1, 28, 28)`` in [0, 1].
        images: ``(N, 1, 28, 28)`` to choose from.
    """

    def __init__(self, spins_of: Callable, decode: Callable, images: torch.Tensor) -> None:
        super().__init__()
        self.spins_of, self.decode, self.images = spins_of, decode, images
        self.number = Number("image", 0, 0, len(images) - 1)
        self.number.on_change(self.guarded(self._encode))
        with torch.no_grad():
            n = spins_of(images[:1]).shape[1]
        layout = {"width": "84px"}
        self.boxes = [
            widgets.Checkbox(description=f"spin {i}", indent=False, layout=layout) for i in range(n)
        ]
        for box in self.boxes:
            on_change(box, self.guarded(self._draw))
        columns = {"grid_template_columns": "repeat(8, 88px)"}
        self.result = Picture()
        self.widget.add_class("qdvae-spin-board")
        self.arrange(
            self.number.widget,
            button("Encode again", self.guarded(self._encode)),
            self.result.widget,
            widgets.GridBox(self.boxes, layout=columns),
        )
        self._filling = False
        self._encode()  # an error here belongs to the cell

    @torch.no_grad()
    def _encode(self) -> None:
        image = self.images[self.number.value : self.number.value + 1]
        self._start = self.spins_of(image)[0]
        self._filling = True  # not one picture for each box
        for box, spin in zip(self.boxes, self._start.tolist(), strict=True):
            box.value = spin > 0
        self._filling = False
        self._draw()

    @torch.no_grad()
    def _draw(self) -> None:
        if self._filling:
            return
        spins = torch.tensor([1.0 if box.value else -1.0 for box in self.boxes])
        before, now = self.decode(torch.stack([self._start, spins]))[:, 0]
        flipped = int((spins != self._start).sum())
        moved = float((now - before).abs().sum())
        fig, axes = new_figure(1, 3, figsize=(7.6, 2.7), layout=None)
        fig.subplots_adjust(left=0.01, right=0.99, bottom=0.02, top=0.9, wspace=0.04)
        for ax, shown, title in ((axes[0], before, "encoder's spins"), (axes[1], now, "yours")):
            draw_picture(ax, shown, title)
        shades = {"cmap": INK_CHANGE, "vmin": -0.6, "vmax": 0.6}
        draw_picture(axes[2], now - before, "change (red: more ink)", **shades)
        self.message.say(f"{flipped} spins flipped; {moved:.1f} pixels of ink moved")
        alt = f"A decoded digit, the same with your spins, and the difference. {self.message.text}."
        self.result.show(fig, alt=alt)
