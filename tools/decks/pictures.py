"""Stored figures as files: without empty margins, and in two parts where one is too tall."""

import base64
import html
import io
import re
from itertools import pairwise
from pathlib import Path

import nbformat
import numpy as np
from PIL import Image

from decks.parts import Figure

_POINT = 100 / 72  # CSS pixels
_AXES, _TILES = 11, 12  # points of the smallest writing: at axes, and beside rows of images
_SCALE = 2  # stored pixels per CSS pixel


def figures_of(cell: nbformat.NotebookNode, stem: str, folder: Path) -> list[Figure]:
    """The stored figures of a cell; their files are written into the folder."""
    found = []
    writing = _POINT * (_TILES if re.search(r"\bimage_(rows|grid)\(", cell.source) else _AXES)
    for k, output in enumerate(cell.get("outputs", [])):
        data = output.get("data", {})
        if "image/png" not in data:
            continue
        image = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
        image = image.crop(image.convert("RGBA").getchannel("A").getbbox())
        name = f"{stem}-{k}.png"
        folder.mkdir(parents=True, exist_ok=True)
        image.save(folder / name)
        below = re.search(r"<figcaption.*?</figcaption>", data.get("text/html", ""), re.DOTALL)
        caption = html.unescape(re.sub("<[^>]+>", "", below[0])) if below else ""
        alt = " ".join(data.get("text/plain", "").split())
        width, height = (side // _SCALE for side in image.size)
        found.append(Figure(name, width, height, alt, caption, writing))
    return found


def halves(shown: Figure, folder: Path) -> list[Figure]:
    """A figure cut across, not too near an end; none if there is no place for a cut.

    The place is the widest empty band. A single panel has none: it is cut where there is least to
    be cut, and its upper part gets the axis from below the lower one.
    """
    image = Image.open(folder / shown.file).convert("RGBA")
    pixels = np.asarray(image)
    inked = pixels[:, :, 3] > 0
    size = len(pixels)
    lowest, highest = 3 * size // 10, 7 * size // 10
    edges = [-1, *np.flatnonzero(inked.any(axis=1)), size]
    bands = [(b - a, (a + b) // 2) for a, b in pairwise(edges) if lowest < (a + b) / 2 < highest]
    gap, cut = max(bands, default=(0, 0))
    axis = pixels[:0]
    if gap <= 6:
        long = np.flatnonzero(inked.mean(axis=1) > 0.5)
        if not len(long) or long[-1] < highest:
            return []
        top = long[-1]
        while top - 1 in long:
            top -= 1
        axis = pixels[top:]
        rows = np.arange(lowest, highest)
        cut = min(rows, key=lambda row: (inked[row].sum(), abs(row - size / 2)))
    found = []
    parts = {"upper": np.concatenate([pixels[:cut], axis]), "lower": pixels[cut:]}
    for name, part in parts.items():
        half = Image.fromarray(part)
        half = half.crop(half.getchannel("A").getbbox())
        file = shown.file.replace(".png", f"-{name}.png")
        half.save(folder / file)
        width, height = (side // _SCALE for side in half.size)
        alt = f"The {name} part: {shown.alt}"
        found.append(Figure(file, width, height, alt, shown.caption, shown.writing))
    return found
