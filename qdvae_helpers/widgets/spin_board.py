"""Lesson 02's widget: flip a spin, see what it did."""

from collections.abc import Callable

import torch

from qdvae_helpers.plots import INK_CHANGE, draw_picture, new_figure
from qdvae_helpers.widgets.board import Board
from qdvae_helpers.widgets.panels import Number, Panel, Picture, button, halves


class SpinBoard(Panel):
    """Spins on a board to flip by hand, and the picture that the decoder makes of them.

    Args:
        spins_of: images ``(B, 1, 28, 28)`` to spins ``(B, n)``.
        decode: spins ``(B, n)`` to images ``(B, 1, 28, 28)`` in [0, 1].
        images: ``(N, 1, 28, 28)`` to choose from.
    """

    _MOST_COLUMNS = 8

    def __init__(self, spins_of: Callable, decode: Callable, images: torch.Tensor) -> None:
        super().__init__()
        self.spins_of, self.decode, self.images = spins_of, decode, images
        self.number = Number("image", 0, 0, len(images) - 1)
        self.number.on_change(self.guarded(self._encode))
        with torch.no_grad():
            n = spins_of(images[:1]).shape[1]
        # The most columns that leave no row unfinished.
        columns = max(c for c in range(1, self._MOST_COLUMNS + 1) if n % c == 0)
        names = [f"spin {i}" for i in range(n)]
        self.board = Board(n // columns, columns, names, "spins", label="spins of the image")
        self.board.observe(lambda change: self._answer(), "values")
        self._answer = self.guarded(self._draw)
        self.result = Picture()
        self.widget.add_class("qdvae-spin-board")
        again = button("Encode again", self.guarded(self._encode))
        self.arrange(halves([self.number.widget, again, self.board], [self.result.widget]))
        self._filling = False
        self._encode()  # an error here belongs to the cell

    @torch.no_grad()
    def _encode(self) -> None:
        image = self.images[self.number.value : self.number.value + 1]
        self._start = self.spins_of(image)[0]
        self._filling = True  # one picture is enough
        with self.board.hold_sync():
            self.board.values = self.board.before = (self._start > 0).tolist()
        self._filling = False
        self._draw()

    @torch.no_grad()
    def _draw(self) -> None:
        if self._filling:
            return
        spins = torch.tensor([1.0 if up else -1.0 for up in self.board.values])
        before, now = self.decode(torch.stack([self._start, spins]))[:, 0]
        flipped = int((spins != self._start).sum())
        moved = float((now - before).abs().sum())
        fig, axes = new_figure(1, 3, figsize=(6.4, 2.4), layout=None)
        fig.subplots_adjust(left=0.01, right=0.99, bottom=0.02, top=0.87, wspace=0.04)
        for ax, shown, title in ((axes[0], before, "encoder's spins"), (axes[1], now, "yours")):
            draw_picture(ax, shown, title)
        shades = {"cmap": INK_CHANGE, "vmin": -0.6, "vmax": 0.6}
        draw_picture(axes[2], now - before, "change (red: more ink)", **shades)
        spins = "spin" if flipped == 1 else "spins"
        self.message.say(f"{flipped} {spins} flipped; {moved:.1f} pixels of ink moved")
        alt = f"A decoded digit, the same with your spins, and the difference. {self.message.text}."
        self.result.show(fig, alt=alt)
