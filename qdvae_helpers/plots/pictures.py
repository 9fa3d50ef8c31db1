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

from qdvae_helpers.arguments import (
    require_count,
    require_images,
    require_number,
    require_plain,
)
from qdvae_helpers.errors import SettingError
from qdvae_helpers.plots.style import DPI, FRAME, PAPER, new_figure

_GAP, _LINE = 8, 2  # pixels between two pictures, and of a frame, both at full resolution
_LABEL, _TITLE = 12, 13  # points
_POINTS = 72  # in an inch
_SLACK = 0.01  # beyond [0, 1], as resizing may leave pixels


def draw_picture(ax: Axes, image: torch.Tensor, title: str = "", **options) -> AxesImage:
    """One image ``(1, H, W)`` or ``(H, W)`` in [0, 1], 1 is ink, in a frame.

    ``options`` go to ``imshow``: with ``cmap=INK_CHANGE`` and limits, changes of ink are drawn.
    """
    require_plain("image", image)
    if image.dim() not in (2, 3) or image.numel() != math.prod(image.shape[-2:]):
        raise SettingError(f"image of shape {tuple(image.shape)}: give one, (1, H, W) or (H, W).")
    shown = image.detach().cpu().reshape(image.shape[-2:])
    if not options:
        require_images("image", shown[None, None].float(), any_size=True, slack=_SLACK)
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
    pictures = [_pictures(str(name), row) for name, row in images.items()]
    if len({row.shape for row in pictures}) != 1:
        raise SettingError("Rows of different lengths or sizes: give as many images in each.")
    together = torch.cat([row.detach().cpu() for row in pictures])
    names = [str(name) for name in images]
    return _tiles(together, len(pictures[0]), title, names, columns, **more)


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
    columns = require_count("columns", columns, most=1_000)
    images = _pictures("images", images).detach().cpu()
    return _tiles(images, columns, title, (), labels, size=size)


def _pictures(name: str, images: torch.Tensor) -> torch.Tensor:
    """Images ``(N, 1, H, W)``, one or more, or a SettingError."""
    require_images(name, images, any_size=True, slack=_SLACK)
    if images.shape[1] != 1:
        raise SettingError(f"{name}: {images.shape[1]} colours, where grey images are drawn.")
    return images


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
    size = require_number("size", size, above=0, most=20)
    title, column_names = str(title), list(column_names)
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
        beside = {"ha": "right", "va": "center", "size": _LABEL}
        ax.text(-0.1 * DPI, (k + 0.5) * step[1], _literal(name), **beside)
    for k, name in enumerate(names):
        above = {"ha": "center", "va": "bottom", "size": _LABEL}
        ax.text((k + 0.5) * step[0], -0.06 * DPI, _literal(name), **above)
    middle = at[0] + width / 2 if _inches(title, _TITLE) < width else wide / 2
    above = {"ha": "center", "va": "top", "size": _TITLE}
    fig.text(middle / wide, 1 - 0.06 / high, _literal(title), **above)
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
    return TextPath((0, 0), _literal(text), size=points).get_extents().x1 / _POINTS


def _literal(text: str) -> str:
    """A name as it is, where matplotlib sees a formula between dollars and cannot read it."""
    if "$" not in text:
        return text
    try:
        TextPath((0, 0), text, size=_LABEL)
    except ValueError:
        return text.replace("$", r"\$")
    return text
