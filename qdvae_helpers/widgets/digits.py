"""Small images in rows, under a heading: sharp on every screen, and dark on a dark page."""

import html

import ipywidgets as widgets
import numpy as np
import torch
from PIL import Image

from qdvae_helpers.plots import image_tag

_ENLARGED = 3  # pixels per pixel, so that browsers need not blur them
_GAP = 2  # between two images, in their pixels


class Digits:
    """A place for images with a heading; the page's style turns ink white on dark pages."""

    def __init__(self) -> None:
        self.widget = widgets.HTML()
        self.widget.add_class("qdvae-digits")
        self.widget.add_class("qdvae-picture")

    def show(self, heading: str, images: torch.Tensor, *, alt: str, columns: int = 10) -> None:
        """Put these images ``(N, 1, H, W)``, and this heading, in place of the last ones."""
        image = digits_image(images, columns)
        self.widget.value = f"<h4>{html.escape(heading)}</h4>{image_tag(image, alt=alt)}"

    def say(self, heading: str, text: str) -> None:
        """Say in words why there are no images."""
        self.widget.value = f"<h4>{html.escape(heading)}</h4><div>{html.escape(text)}</div>"


def digits_image(images: torch.Tensor, columns: int = 10, enlarged: int = _ENLARGED) -> Image.Image:
    """Images ``(N, 1, H, W)`` in [0, 1], 1 is ink, in rows of so many columns, dark on white.

    Each of their pixels becomes ``enlarged`` pixels wide and high.
    """
    pixels = images.detach().cpu()[:, 0].clamp(0, 1).numpy()
    n, height, width = pixels.shape
    rows = -(-n // columns)
    canvas = np.zeros((rows, height + _GAP, columns, width + _GAP), dtype=np.float32)
    for k, image in enumerate(pixels):
        canvas[k // columns, :height, k % columns, :width] = image
    flat = canvas.reshape(rows * (height + _GAP), columns * (width + _GAP))
    grey = (255 * (1 - flat[:-_GAP, :-_GAP])).round().astype(np.uint8)
    return Image.fromarray(grey.repeat(enlarged, axis=0).repeat(enlarged, axis=1))
