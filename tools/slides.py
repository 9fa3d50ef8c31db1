"""A deck of slides for each lesson, made from its stored outputs: build/slides/index.html.

    python tools/slides.py [LESSON ...]

A deck holds the lesson's promise and aims, each question before its answer (the text or the figure
that the next cells printed), displayed formulas, all other figures, and the takeaways.  What the
lesson says about an answer goes into the speaker notes (key S).  Decks work without a network;
append ``?print-pdf`` to an address and print it to get a PDF.
"""

import argparse
import base64
import re
import shutil
import sys
from dataclasses import dataclass

import nbformat

from qdvae_helpers.paths import ROOT

SOURCE, OUTPUT = ROOT / "build" / "slides-source", ROOT / "build" / "slides"
_MOST_LINES, _MOST_COLUMNS = 14, 100  # what can be read from the last row
_LEAST_SAID = 160
_MOST_SAID = 450  # characters of discussion on a slide; the speaker notes have all

_CONF = """\
project = "QDVAE tutorials"
extensions = ["myst_parser", "sphinx_revealjs", "sphinx-mathjax-offline"]
myst_enable_extensions = ["dollarmath"]
suppress_warnings = ["myst.header"]
root_doc = "index"
exclude_patterns = ["_static"]
revealjs_style_theme = "white"
revealjs_static_path = ["_static"]
revealjs_css_files = ["slides.css"]
revealjs_script_conf = {
    "width": 1280, "height": 720, "center": False, "hash": True, "transition": "none",
    "slideNumber": "c/t", "navigationMode": "linear",
}
revealjs_script_plugins = [{"name": "RevealNotes", "src": "revealjs/plugin/notes/notes.js"}]
"""


@dataclass
class Slide:
    """One slide, in MyST Markdown."""

    heading: str
    body: str
    notes: str = ""

    def text(self) -> str:
        """The slide as a section of the deck."""
        notes = f"\n\n```{{revealjs-notes}}\n{self.notes}\n```" if self.notes else ""
        # Links to other files of the repository lead nowhere from a deck.
        text = re.sub(r"\[([^]]*)\]\(\.\./[^)]*\)", r"\1", f"{self.body}{notes}")
        return f"## {self.heading}\n\n{text}\n"


def first_cell_slides(source: str) -> list[Slide]:
    """Promise, aims and minutes from the first cell."""
    promise = re.search(r"^\*\*(In this lesson.+?)\*\*$", source, re.MULTILINE)
    aims = re.search(r"After it you can\n\n((?:\d+\. .*\n?)+)", source)
    time = re.search(r"^\*\*Time:\*\* (.*)$", source, re.MULTILINE)
    opening = promise[1] if promise else ""
    slides = [Slide("What this is about", f"{opening}\n\n*Time: {time[1]}*" if time else opening)]
    if aims:
        slides.append(Slide("After it you can", aims[1]))
    return slides


def takeaways_slide(source: str) -> list[Slide]:
    """The numbered list of the last cell."""
    found = re.search(r"## What to take away\n\n((?:\d+\. .*\n?)+)", source)
    return [Slide("What to take away", found[1])] if found else []


def figures_of(cell: nbformat.NotebookNode, name: str) -> list[str]:
    """The figures of a cell, in MyST; the files are written beside the deck."""
    parts = []
    for k, output in enumerate(cell.get("outputs", [])):
        data = output.get("data", {})
        if "image/png" in data:
            file = SOURCE / "figures" / f"{name}-{k}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(base64.b64decode(data["image/png"]))
            alt = " ".join(data.get("text/plain", "").split())
            figure = f"```{{image}} figures/{file.name}\n:alt: {alt}\n```"
            if below := re.search(r"<figcaption.*?</figcaption>", data.get("text/html", "")):
                figure += f"\n\n{below[0]}"
            parts.append(figure)
    return parts


def printed_by(cell: nbformat.NotebookNode) -> list[str]:
    """What a cell printed, where it is small enough for a slide."""
    texts = []
    for output in cell.get("outputs", []):
        text = output.get("text", "").rstrip()
        lines = text.splitlines()
        if lines and len(lines) <= _MOST_LINES and max(map(len, lines)) <= _MOST_COLUMNS:
            texts.append(text)
    return texts


def deck(notebook: nbformat.NotebookNode, stem: str) -> str:
    """The whole deck of one lesson."""
    title = re.search(r"^# (.+)$", notebook.cells[0].source, re.MULTILINE)[1]
    slides = first_cell_slides(notebook.cells[0].source)
    heading, question, printed, exercise = title, "", [], False

    def answer_in_words(said: str = "") -> None:
        """Printed numbers need their question, and a word, beside them."""
        nonlocal question, printed
        if question and printed:
            text = "\n".join(printed)
            text = text if text.count("\n") < _MOST_LINES else printed[-1]
            short = said if len(said) <= _MOST_SAID and not said.endswith(":") else ""
            slides.append(Slide(heading, f"> {question}"))
            answer = f"> {question}\n\n~~~text\n{text}\n~~~\n\n{short}"
            slides.append(Slide(heading, answer, said))
            question = ""
        printed = []

    for i, cell in enumerate(notebook.cells[1:-1], 1):
        tags = cell.metadata.get("tags", [])
        if cell.cell_type == "markdown":
            if len(cell.source) >= _LEAST_SAID:  # shorter ones only lead to the next cell
                answer_in_words(first_paragraph(cell))
            for block in re.split(r"\n(?=#)|\n\n", cell.source):
                if found := re.match(r"#{2,3} (.+)", block):
                    heading, question = found[1], ""
                    exercise = heading.startswith("Exercise")
                elif block.startswith("**Exercise"):
                    exercise = True
                elif block.startswith("**Predict"):
                    question = block
                elif block.startswith("$$"):
                    slides.append(Slide(heading, " ".join(block.split("\n"))))
        elif "solution" in tags:
            exercise = False
        elif not exercise and "launch" not in tags:
            printed += printed_by(cell)
            for figure in figures_of(cell, f"{stem}-{i:03}"):
                if question:
                    slides.append(Slide(heading, f"> {question}"))
                question, printed = "", []
                slides.append(Slide(heading, figure, first_paragraph(notebook.cells[i + 1])))
    slides += takeaways_slide(notebook.cells[-1].source)
    return f"# {title}\n\n" + "\n".join(slide.text() for slide in slides)


def first_paragraph(cell: nbformat.NotebookNode) -> str:
    """How a cell of prose begins; empty for code, headings, questions and tables."""
    paragraph = cell.source.split("\n\n")[0] if cell.cell_type == "markdown" else ""
    other = ("#", "**Predict", "**Exercise", "<", "|", "`")
    return "" if paragraph.startswith(other) else paragraph


def main() -> int:
    """Write the decks and build them; returns the exit status of Sphinx."""
    from sphinx.cmd.build import build_main

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lessons", nargs="*", help="such as 05_training_the_qdvae; default all")
    options = parser.parse_args()
    paths = {path.stem: path for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
    if unknown := set(options.lessons) - set(paths):
        parser.error(f"no such lesson: {', '.join(sorted(unknown))}; there are {', '.join(paths)}")
    shutil.rmtree(SOURCE, ignore_errors=True)
    (SOURCE / "_static").mkdir(parents=True)
    shutil.copy(ROOT / "tools" / "slides.css", SOURCE / "_static")
    (SOURCE / "conf.py").write_text(_CONF, encoding="utf-8")

    chosen = [path for stem, path in paths.items() if stem in (options.lessons or paths)]
    index = ["# QDVAE tutorials", "", "Slides made from the notebooks. Speaker notes: key S.", ""]
    for path in chosen:
        notebook = nbformat.read(path, as_version=4)
        (SOURCE / f"{path.stem}.md").write_text(deck(notebook, path.stem), encoding="utf-8")
        title = re.search(r"^# (.+)$", notebook.cells[0].source, re.MULTILINE)[1]
        index.append(f"- [{title}]({path.stem}.md)")
    toctree = ["", "```{toctree}", ":hidden:", "", *(path.stem for path in chosen), "```", ""]
    (SOURCE / "index.md").write_text("\n".join(index + toctree), encoding="utf-8")
    shutil.rmtree(OUTPUT, ignore_errors=True)
    return build_main(["-E", "-q", "-W", "-b", "revealjs", str(SOURCE), str(OUTPUT)])


if __name__ == "__main__":
    sys.exit(main())
