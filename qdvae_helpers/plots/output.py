"""From a figure to what a page shows: an image, its caption, its alternative text."""

import base64
import html
import io

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter
from PIL import Image

from qdvae_helpers.plots.style import DPI, INK, SHOWN_DPI


def show(fig: Figure, *, alt: str, caption: object) -> None:
    """Display a figure with its caption below and alternative text behind it, then close it.

    JupyterLab and the web pages take the HTML, which carries both; viewers that know no HTML take
    the PNG.

    Args:
        fig: a matplotlib figure.
        alt: what a person who cannot see the figure has to know.
        caption: data and sampler that made it, as text or as what prints so (a ``Source``).
    """
    image = to_image(fig)
    plt.close(fig)
    if not _has_shades(fig):  # a palette is a third of the size, and looks the same
        image = image.quantize(256, Image.Quantize.FASTOCTREE)
    png = _png(image, optimize=True)
    said = html.escape(" ".join(str(caption).split()))
    below = f'<figcaption style="color: {INK}; margin-top: 6px"><small>{said}</small></figcaption>'
    content = {
        "text/html": f'<figure style="margin: 0">{_tag(png, alt, image.width)}{below}</figure>',
        "image/png": base64.b64encode(png).decode(),
        "text/plain": alt,
    }
    size = {"width": _shown(image.width), "height": _shown(image.height)}
    display(content, raw=True, metadata={"image/png": size})


def picture(fig: Figure, *, alt: str) -> str:
    """A figure as an HTML tag with alternative text, made fast: what widgets show.

    Numbers at the axes are plain text, which looks the same; as mathematics each would be parsed.
    """
    for ax in fig.axes:
        for axis in (ax.xaxis, ax.yaxis):
            if isinstance(formatter := axis.get_major_formatter(), ScalarFormatter):
                formatter.set_useMathText(False)
    return image_tag(to_image(fig), alt=alt)


def image_tag(image: Image.Image, *, alt: str) -> str:
    """An image of full resolution as an HTML tag with alternative text, made fast."""
    return _tag(_png(image, compress_level=1), alt, image.width)


def png_bytes(fig: Figure) -> bytes:
    """A figure as the content of a PNG file."""
    return _png(to_image(fig), compress_level=1)


def to_image(fig: Figure) -> Image.Image:
    """A figure as an image with a transparent ground; ``savefig`` would draw it twice."""
    fig.dpi = DPI
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba()).copy())


def _has_shades(fig: Figure) -> bool:
    """Whether areas are coloured by a scale; in lines nobody sees that a scale has few steps."""
    scale = any(ax.get_label() == "<colorbar>" for ax in fig.axes)
    return scale and any(ax.images for ax in fig.axes)


def _shown(pixels: int) -> int:
    """How many CSS pixels so many pixels of an image take."""
    return round(pixels * SHOWN_DPI / DPI)


def _png(image: Image.Image, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="png", **options)
    return buffer.getvalue()


def _tag(png: bytes, alt: str, width: int) -> str:
    data = base64.b64encode(png).decode()
    size = f'width="{_shown(width)}" style="max-width: 100%; height: auto"'
    return f'<img alt="{html.escape(alt)}" {size} src="data:image/png;base64,{data}"/>'
