"""Two directives of the site that are made from the notebooks: cards, and a gallery of figures.

A new notebook appears in both without any change here.
"""

import base64
import html
import re
from pathlib import Path

import nbformat
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).resolve().parent.parent
FIGURES = Path("docs/generated/figures")  # relative to the repository; ignored by git


def lessons() -> list[Path]:
    """All lessons, in order."""
    return sorted((ROOT / "notebooks").glob("*.ipynb"))


def title_of(notebook: nbformat.NotebookNode) -> str:
    """The heading of the first cell."""
    return re.search(r"^# (.+)$", notebook.cells[0].source, re.MULTILINE)[1]


def promise_of(notebook: nbformat.NotebookNode) -> str:
    """The first cell's sentence in bold: what the lesson does."""
    found = re.search(r"^\*\*(In this lesson.+?)\*\*$", notebook.cells[0].source, re.MULTILINE)
    return found[1].removeprefix("In this lesson ") if found else ""


def minutes_of(notebook: nbformat.NotebookNode) -> int:
    """All minutes that the first cell names: reading, computing, exercises."""
    line = re.search(r"^\*\*Time:\*\*.*$", notebook.cells[0].source, re.MULTILINE)
    return sum(map(int, re.findall(r"(\d+) minutes?", line[0]))) if line else 0


def figures_of(notebook: nbformat.NotebookNode) -> list[tuple[str, str, bytes]]:
    """Alternative text, caption and PNG of every stored figure."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data:
                page = data.get("text/html", "")
                tag = re.search(r'alt="([^"]*)"', page)
                alt = html.unescape(tag[1]) if tag else data.get("text/plain", "")
                below = re.search(r"<figcaption[^>]*>(.*?)</figcaption>", page, re.DOTALL)
                caption = html.unescape(re.sub("<[^>]+>", "", below[1])) if below else ""
                found.append((alt, caption, base64.b64decode(data["image/png"])))
    return found


def _as_written(text: str) -> str:
    """The text for a page in Markdown, which takes none of its signs for its own."""
    return re.sub(r"([\\`*_{}\[\]<>$])", r"\\\1", text)


class _FromNotebooks(SphinxDirective):
    """A directive whose content is MyST text written from the notebooks."""

    def run(self) -> list[nodes.Node]:
        for path in lessons():
            self.env.note_dependency(str(path))
        return self.parse_text_to_nodes("\n".join(self.text()), allow_section_headings=True)

    def text(self) -> list[str]:
        raise NotImplementedError


class LessonCards(_FromNotebooks):
    """A card for each lesson: title, promise, minutes."""

    def text(self) -> list[str]:
        lines = [":::::{grid} 1 2 2 3", ":gutter: 3", ""]
        for path in lessons():
            notebook = nbformat.read(path, as_version=4)
            promise = promise_of(notebook)
            lines += [
                f"::::{{grid-item-card}} {title_of(notebook)}",
                f":link: /notebooks/{path.stem}",
                ":link-type: doc",
                "",
                promise[:1].upper() + promise[1:],
                ":::{card-footer}",
                f"{minutes_of(notebook)} minutes",
                ":::",
                "::::",
            ]
        return [*lines, ":::::"]


class LessonFigures(_FromNotebooks):
    """All figures of all lessons, each linked to its lesson."""

    def text(self) -> list[str]:
        (ROOT / FIGURES).mkdir(parents=True, exist_ok=True)
        lines = []
        for path in lessons():
            notebook = nbformat.read(path, as_version=4)
            if not (figures := figures_of(notebook)):
                continue
            lines += [f"## [{title_of(notebook)}](/notebooks/{path.name})", ""]
            lines += [":::::{grid} 1 1 2 2", ":gutter: 2", ""]
            for k, (alt, caption, png) in enumerate(figures):
                file = FIGURES / f"{path.stem}-{k:02}.png"
                (ROOT / file).write_bytes(png)
                lines += ["::::{grid-item}", f":::{{figure}} /{file.as_posix()}"]
                lines += [f":alt: {alt}", f":target: /{file.as_posix()}", ""]
                lines += [_as_written(caption), ":::", "::::"]
            lines += [":::::", ""]
        return lines
