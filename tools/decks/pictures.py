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


def _longest_run(row: np.ndarray) -> tuple[int, int]:
    """Where the longest inked part of a row begins, and how long it is."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(np.int8), [0]])))
    runs = [(int(b - a), int(a)) for a, b in edges.reshape(-1, 2)]
    length, start = max(runs, default=(0, 0))
    return start, length


def _place_of_cut(inked: np.ndarray) -> tuple[int, int]:
    """The row at which a figure is cut, 0 for none, and the first row of its axis, if it has one.

    Several panels are cut at the widest empty band between them. A single panel, with an axis that
    is as wide as half of the figure, is cut where there is least: never in the name of an axis, if
    there is another place.
    """
    size, width = inked.shape
    rows = range(size // 4, 3 * size // 4)
    lines = [row for row in range(rows.stop, size) if _longest_run(inked[row])[1] > width / 2]
    if lines:
        axis = lines[-1]
        while axis - 1 in lines:
            axis -= 1
        beside = inked[:, : _longest_run(inked[axis])[0]].any(axis=1)
        amount = inked.sum(axis=1)
        return min(rows, key=lambda row: (beside[row], amount[row], abs(row - size / 2))), axis
    edges = np.flatnonzero(inked.any(axis=1))
    bands = [(b - a, (a + b) // 2) for a, b in pairwise(edges) if (a + b) // 2 in rows]
    gap, cut = max(bands, key=lambda band: (band[0], -abs(band[1] - size / 2)), default=(0, 0))
    return (int(cut) if gap > 3 else 0), size


def halves(shown: Figure, folder: Path) -> list[Figure]:
    """A figure cut across, not too near an end; none if there is no place for a cut.

    The upper part of a single panel gets the axis from below the lower one.
    """
    pixels = np.asarray(Image.open(folder / shown.file).convert("RGBA"))
    cut, axis = _place_of_cut(pixels[:, :, 3] > 0)
    if not cut:
        return []
    found = []
    parts = {"upper": np.concatenate([pixels[:cut], pixels[axis:]]), "lower": pixels[cut:]}
    for name, part in parts.items():
        half = Image.fromarray(part)
        half = half.crop(half.getchannel("A").getbbox())
        file = shown.file.replace(".png", f"-{name}.png")
        half.save(folder / file)
        width, height = (side // _SCALE for side in half.size)
        alt = f"The {name} part: {shown.alt}"
        found.append(Figure(file, width, height, alt, shown.caption, shown.writing))
    return found
