"""What the site reads in the notebooks, and how a notebook becomes a page.

Figures become files, which load when they come into sight; solutions are folded; and where a cell
shows a live panel in JupyterLab, the page has the stage itself, or a still.
"""

import base64
import functools
import html
import json
import math
import re
import struct
from dataclasses import dataclass
from pathlib import Path

import nbformat
from decks.lesson import promise_of, title_of
from lesson_minutes import computing_minutes, size_of
from panel_stills import figure_of, panel_of, shown_by

ROOT = Path(__file__).resolve().parent.parent
FIGURES = ROOT / "docs" / "generated" / "figures"  # ignored by git
_DATA = re.compile(
    r'(<img alt="([^"]*)" width="(\d+)"[^>]*?)src="data:image/png;base64,([^"]+)"\s*/?>'
)


@dataclass(frozen=True)
class Figure:
    """A stored figure of a lesson."""

    cell: str
    alt: str
    caption: str
    width: int  # in CSS pixels
    height: int
    png: bytes
    name: str

    def tag(self, folder: str) -> str:
        """HTML that loads it when it comes into sight; ``folder`` leads to the pictures."""
        size = f'width="{self.width}" height="{self.height}"'
        return (
            f'<img alt="{html.escape(self.alt)}" {size} loading="lazy" decoding="async" '
            f'src="{folder}/{self.name}"/>'
        )


class Lesson:
    """A notebook, with what the site tells of it."""

    def __init__(self, path: Path, notebook: nbformat.NotebookNode):
        self.path, self.stem, self.notebook = path, path.stem, notebook
        self.number, self.name = title_of(notebook)
        self.title = f"{self.number} · {self.name}"
        promise = promise_of(notebook).removeprefix("In this lesson ")
        self.promise = promise[:1].upper() + promise[1:]

    @functools.cached_property
    def computing(self) -> int:
        """Minutes of computing, as measured."""
        return computing_minutes((ROOT / "README.md").read_text("utf-8")).get(self.stem, 1)

    @functools.cached_property
    def exercises(self) -> int:
        """Minutes of all exercises."""
        return sum(size_of(self.notebook).exercises)

    @functools.cached_property
    def minutes(self) -> int:
        """All minutes, as in lesson 00's map and the README."""
        return size_of(self.notebook).reading + self.computing + self.exercises

    def reading_before(self, heading: str) -> int:
        """Minutes of reading up to a section, rounded up to a whole one."""
        cells = self.notebook.cells
        end = next(k for k, cell in enumerate(cells) if cell.source.startswith(f"## {heading}"))
        return math.ceil(size_of({"cells": cells[:end]}).minutes)

    @functools.cached_property
    def figures(self) -> list[Figure]:
        """All figures, in order."""
        found = []
        for cell in self.notebook.cells:
            for page in _pages(cell):
                below = re.search(r"<figcaption[^>]*>(.*?)</figcaption>", page, re.DOTALL)
                caption = re.sub("<[^>]+>", "", below[1]) if below else ""
                for match in _DATA.finditer(page):
                    png = base64.b64decode(match[4])
                    across, down = struct.unpack(">II", png[16:24])
                    width = int(match[3])
                    number = sum(figure.cell == cell.id for figure in found)
                    name = f"{self.stem}-{cell.id}{f'-{number}' if number else ''}.png"
                    alt, said = html.unescape(match[2]), html.unescape(caption)
                    height = round(down * width / across)
                    found.append(Figure(cell.id, alt, said, width, height, png, name))
        return found


def _pages(cell: nbformat.NotebookNode) -> list[str]:
    """What a cell's outputs show as HTML."""
    return [
        output["data"]["text/html"]
        for output in cell.get("outputs", [])
        if "text/html" in output.get("data", {})
    ]


@functools.cache
def lessons() -> tuple[Lesson, ...]:
    """All lessons in order."""
    paths = sorted((ROOT / "notebooks").glob("*.ipynb"))
    return tuple(Lesson(path, nbformat.read(path, as_version=4)) for path in paths)


def write_figures() -> None:
    """All figures as files, for every page that shows one."""
    FIGURES.mkdir(parents=True, exist_ok=True)
    for lesson in lessons():
        for figure in lesson.figures:
            (FIGURES / figure.name).write_bytes(figure.png)


def _panel(source: str) -> str:
    """HTML for the panel that a cell shows in JupyterLab, or nothing."""
    if "Stage" in shown_by(source):
        mode = re.search(r'mode="(\w+)"', source)
        address = f"../docs/stage.html{f'#{mode[1]}' if mode else ''}"
        return (
            f'<iframe class="stage" loading="lazy" src="{address}" title="The stage: a trained '
            'model at work in your browser"></iframe>'
        )
    panel = panel_of(source)
    return figure_of(panel, "../_images") if panel else ""


def as_page(text: str, stem: str) -> str:
    """The notebook as the site shows it.

    Args:
        text: the file's content.
        stem: its name, for those of its figures.
    """
    notebook = nbformat.reads(text, as_version=4)
    figures = iter(Lesson(Path(f"{stem}.ipynb"), notebook).figures)
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        tags = cell.metadata.get("tags", [])
        if "solution" in tags:
            tags.append("hide-input")
        for output in cell.outputs:
            data = output.get("data", {})
            if "text/html" in data:
                data["text/html"] = _DATA.sub(
                    lambda match: next(figures).tag("../_images"), data["text/html"]
                )
                data.pop("image/png", None)
        if not cell.outputs and (panel := _panel(cell.source)):
            shown = nbformat.v4.new_output("display_data", {"text/html": panel})
            cell.outputs.append(shown)
    return json.dumps(notebook)
