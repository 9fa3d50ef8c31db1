"""Lesson 01's widget: a walk on a map of codes."""

import math
from collections.abc import Callable

import torch
from matplotlib.axes import Axes
from PIL import Image, ImageDraw, ImageOps

from qdvae_helpers.plots import FRAME, INK, VERMILLION, new_figure, to_image
from qdvae_helpers.widgets.panels import Number, Panel, Picture, choice, halves, on_change


class LatentMap(Panel):
    """A point on a map of codes, and the picture that the decoder makes of it.

    Args:
        maps: for each name a decoder of codes ``(B, 2)``, and the codes ``(N, 2)`` on the map.
        labels: ``(N,)`` the digits of these codes.
        draw_map: ``draw_map(ax, codes, labels, title)``, which draws the static figure, too.
    """

    _DRAWN = 500  # codes on the map

    def __init__(
        self,
        maps: dict[str, tuple[Callable, torch.Tensor]],
        labels: torch.Tensor,
        draw_map: Callable[[Axes, torch.Tensor, torch.Tensor, str], None],
    ) -> None:
        super().__init__()
        self.maps, self.labels, self.draw_map = maps, labels, draw_map
        reach = math.ceil(max(float(codes.abs().max()) for _, codes in maps.values()))
        self.which = choice("map", list(maps))
        self.x = Number("first number", 0.0, -reach, reach, 0.1)
        self.y = Number("second number", 0.0, -reach, reach, 0.1)
        self.result = Picture()
        self._grounds: dict[str, tuple] = {}
        for control in (self.which, self.x.field, self.y.field):
            on_change(control, self.guarded(self._draw))
        self.widget.add_class("qdvae-latent-map")
        controls = [self.which, self.x.widget, self.y.widget]
        self.arrange(halves(controls, [self.result.widget]))
        self._draw()  # an error here belongs to the cell

    @torch.no_grad()
    def _draw(self) -> None:
        name = self.which.value
        decode, codes = self.maps[name]
        if name not in self._grounds:  # the map itself stays: draw it once
            self._grounds[name] = self._ground(name, codes)
        ground, place, (left, top, right, bottom) = self._grounds[name]
        point = torch.tensor([[self.x.value, self.y.value]])
        distance, nearest = torch.cdist(point, codes)[0].min(0)
        decoded = (255 * (1 - decode(point)[0, 0])).byte().numpy()
        canvas = ground.copy()
        x, y = place(point[0].tolist())
        pen = ImageDraw.Draw(canvas)
        if left <= x <= right and top <= y <= bottom:
            pen.line([(x, top), (x, bottom)], fill=INK, width=2)
            pen.line([(left, y), (right, y)], fill=INK, width=2)
            pen.ellipse([x - 14, y - 14, x + 14, y + 14], outline=VERMILLION, width=6)
        size = canvas.height * 2 // 5
        wide = Image.new("RGBA", (canvas.width + size + 50, canvas.height))  # transparent
        wide.paste(canvas, (0, 0))
        digit = Image.fromarray(decoded).resize((size, size), Image.Resampling.NEAREST)
        framed = ImageOps.expand(digit.convert("RGB"), 2, FRAME)
        wide.paste(framed, (canvas.width + 20, canvas.height // 4))
        label = int(self.labels[nearest])
        self.message.say(
            f"({point[0, 0]:.1f}, {point[0, 1]:.1f}) on the map of the {name}: the nearest code "
            f"belongs to a {label}, {float(distance):.2f} away"
        )
        alt = f"The map of the {name} with a mark, and the decoded picture. {self.message.text}."
        self.result.show_image(wide, alt=alt)

    def _ground(self, name: str, codes: torch.Tensor) -> tuple[Image.Image, Callable, tuple]:
        """The map as an image, where on it a code lies, and the frame of its axes in pixels."""
        fig, ax = new_figure(figsize=(4.6, 4.2))
        self.draw_map(ax, codes[: self._DRAWN], self.labels[: self._DRAWN], name)
        image = to_image(fig)
        to_pixels = ax.transData.frozen()
        left, bottom, right, top = ax.bbox.extents
        frame = left, image.height - top, right, image.height - bottom

        def place(code: list[float]) -> tuple[float, float]:
            x, y = to_pixels.transform(code)
            return x, image.height - y

        return image, place, frame
