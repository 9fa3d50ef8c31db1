"""Small pictures, alone and in rows: dark ink on white paper with a thin frame, on any page."""

import functools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.textpath import TextPath
from PIL import Image

from qdvae_helpers.plots.style import DPI, FRAME, PAPER, new_figure

_GAP, _LINE = 8, 2  # pixels between two pictures, and of a frame, both at full resolution
_LABEL, _TITLE = 12, 13  # points
_POINTS = 72  # in an inch


def draw_picture(ax: Axes, image: torch.Tensor, title: str = "", **options) -> AxesImage:
    """One image ``(1, H, W)`` or ``(H, W)`` in [0, 1], 1 is ink, in a frame.

    ``options`` go to ``imshow``: with ``cmap=INK_CHANGE`` and limits, changes of ink are drawn.
    """
    shown = image.detach().cpu().reshape(image.shape[-2:])
    if "cmap" not in options:
        shown = 1 - shown
    drawn = ax.imshow(shown, **{"cmap": "gray", "vmin": 0, "vmax": 1} | options)
    ax.set(title=title, xticks=[], yticks=[], facecolor=PAPER)
    ax.spines[:].set(visible=True, color=FRAME)
    return drawn


def image_rows(
    images: Mapping[str, torch.Tensor], *, title: str = "", columns: Sequence[object] = (), **more
) -> Figure:
    """Rows of images with their names at the left.

    Args:
        images: for each name ``(N, 1, H, W)`` in [0, 1], 1 is ink; the same number in each row.
        title: of the figure.
        columns: what stands above the columns, if anything.
        more: ``size`` of an image in inches.
    """
    pictures = list(images.values())
    together = torch.cat([row.detach().cpu() for row in pictures])
    return _tiles(together, len(pictures[0]), title, list(images), columns, **more)


def image_grid(
    images: torch.Tensor,
    columns: int = 10,
    *,
    title: str,
    size: float = 0.6,
    labels: Sequence[object] = (),
) -> Figure:
    """Images ``(N, 1, H, W)`` in [0, 1], 1 is ink, in rows of so many ``columns``.

    Ink is drawn dark on white paper, ``size`` inches an image; ``labels`` stand above the columns.
    """
    return _tiles(images.detach().cpu(), columns, title, (), labels, size=size)


def grid_image(images: torch.Tensor, columns: int, *, size: float) -> Image.Image:
    """The same pictures without a title, and without matplotlib: a tenth of the time."""
    canvas = _canvas(images.detach().cpu().numpy(), columns, size)
    return Image.fromarray(canvas[..., 2:], "LA")  # all of them are grey


def _tiles(
    images: torch.Tensor,
    columns: int,
    title: str,
    row_names: Sequence[str],
    column_names: Sequence[object],
    size: float = 0.6,
) -> Figure:
    """All pixels of an image become squares of the same size, so nothing is blurred."""
    canvas = _canvas(images.numpy(), columns, size)
    height, width = (side / DPI for side in canvas.shape[:2])
    names = [str(name) for name in column_names]
    left = max((_inches(name, _LABEL) for name in row_names), default=0) + 0.15 * bool(row_names)
    top = 0.38 * bool(title) + 0.1 * bool(names)
    top += 0.2 * max((name.count("\n") + 1 for name in names), default=0)
    wide = max(left + width, _inches(title, _TITLE)) + 0.08
    high = height + top + 0.04
    fig, ax = new_figure(figsize=(wide, high), layout=None)
    # Whole pixels, or matplotlib would have to stretch some.
    at = [round(DPI * place) / DPI for place in (left + 0.02, 0.02)]
    ax.set_position([at[0] / wide, at[1] / high, width / wide, height / high])
    ax.imshow(canvas)
    ax.set_axis_off()
    step = canvas.shape[1] / columns, canvas.shape[0] / math.ceil(len(images) / columns)
    for k, name in enumerate(row_names):
        ax.text(-0.1 * DPI, (k + 0.5) * step[1], name, ha="right", va="center", size=_LABEL)
    for k, name in enumerate(names):
        ax.text((k + 0.5) * step[0], -0.06 * DPI, name, ha="center", va="bottom", size=_LABEL)
    middle = at[0] + width / 2 if _inches(title, _TITLE) < width else wide / 2
    fig.text(middle / wide, 1 - 0.06 / high, title, ha="center", va="top", size=_TITLE)
    return fig


def _canvas(images: np.ndarray, columns: int, size: float) -> np.ndarray:
    """The pictures with their frames as an image ``(height, width, 4)`` on a transparent ground.

    In bytes: as floats, of which matplotlib makes copies, a hundred pictures would take 160 MB.
    """
    height, width = images.shape[-2:]
    scale = max(1, round((DPI * size - _GAP) / max(height, width)))
    high, wide = height * scale + _GAP, width * scale + _GAP
    canvas = np.zeros((math.ceil(len(images) / columns) * high, columns * wide, 4), np.uint8)
    frame = [round(255 * part) for part in (*to_rgb(FRAME), 1)]
    edge = _GAP // 2
    for k, image in enumerate(images[:, 0]):
        y, x = (k // columns) * high, (k % columns) * wide
        outer = np.s_[y + edge - _LINE : y + high - edge + _LINE]
        canvas[outer, x + edge - _LINE : x + wide - edge + _LINE] = frame
        inner = np.s_[y + edge : y + high - edge, x + edge : x + wide - edge, :3]
        paper = np.rint(255 * (1 - image.clip(0, 1))).astype(np.uint8)
        canvas[inner] = paper.repeat(scale, 0).repeat(scale, 1)[..., None]
    return canvas


@functools.lru_cache(1024)  # the same labels come again and again
def _inches(text: str, points: float) -> float:
    """How wide a text is."""
    if not text.strip():
        return 0.0
    return TextPath((0, 0), text, size=points).get_extents().x1 / _POINTS
