"""A deck of slides for each lesson, made from its stored outputs: build/slides/index.html.

    python tools/slides.py [LESSON ...]

A deck holds the lesson's promise and aims, each question before its answer, exercises, displayed
formulas, tables, all figures, and the takeaways.  What the lesson and the instructor guide say
about them goes into the speaker's notes (key S).  Decks work without a network; the index says how
to print one to a PDF.  The cell tag ``slide-cover`` marks the figure of the title slide; without
it, that is the first one.
"""

import argparse
import importlib.util
import os
import shutil
import sys
from pathlib import Path

import nbformat
from decks import pages
from decks.guide import Guide
from decks.lesson import Walk, promise_of, title_of
from decks.pages import Deck

from qdvae_helpers.paths import ROOT

OUTPUT = ROOT / "build" / "slides"


def make_deck(notebook: nbformat.NotebookNode, stem: str, folder: Path, guide: Guide) -> Deck:
    """The deck of one lesson; its figures are written into the folder ``figures`` of this one."""
    walk = Walk(notebook, stem, folder / "figures", guide)
    slides = walk.walk()
    number, title = title_of(notebook)
    return Deck(stem, number, title, promise_of(notebook), walk.picture.file, slides)


def copy_libraries(folder: Path) -> None:
    """reveal.js and MathJax come with the packages that bring them to Sphinx."""

    def place(package: str) -> Path:
        return Path(importlib.util.find_spec(package).origin).parent

    reveal = place("sphinx_revealjs") / "_static" / "revealjs"
    mathjax = place("sphinx-mathjax-offline") / "static" / "mathjax"
    own = Path(__file__).with_name("decks")
    files = {
        reveal / "dist" / "reveal.js": "reveal/reveal.js",
        reveal / "dist" / "reveal.css": "reveal/reveal.css",
        reveal / "plugin" / "notes" / "notes.js": "reveal/notes.js",
        reveal / "LICENSE": "reveal/LICENSE",
        mathjax / "tex-chtml.js": "mathjax/tex-chtml.js",
        own / "deck.css": "deck.css",
        own / "deck.js": "deck.js",
        own / "index.css": "index.css",
        ROOT / "docs" / "_static" / "favicon.svg": "favicon.svg",
    }
    for source, target in files.items():
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, folder / target)
    fonts = mathjax / "output" / "chtml" / "fonts" / "woff-v2"
    shutil.copytree(fonts, folder / "mathjax" / "fonts")


def write_stage(folder: Path) -> None:
    """The page that a slide shows in a frame."""
    os.environ.setdefault("QDVAE_DOWNLOAD", "0")  # making slides fetches nothing
    from qdvae_helpers.checkpoints import load_pretrained
    from qdvae_helpers.widgets.stage import stage_bytes, stage_page

    page = stage_page(stage_bytes(load_pretrained("qdvae-256-labels")))
    (folder / "stage.html").write_text(pages.stage_in_deck(page), encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Write the decks, their index and what they need."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lessons", nargs="*", help="such as 05_training_the_qdvae; default all")
    options = parser.parse_args(arguments)
    paths = {path.stem: path for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
    if unknown := set(options.lessons) - set(paths):
        parser.error(f"no such lesson: {', '.join(sorted(unknown))}; there are {', '.join(paths)}")
    shutil.rmtree(OUTPUT, ignore_errors=True)
    copy_libraries(OUTPUT)
    guide = Guide()
    decks = [
        make_deck(nbformat.read(path, as_version=4), stem, OUTPUT, guide)
        for stem, path in paths.items()
        if stem in (options.lessons or paths)
    ]
    for deck in decks:
        (OUTPUT / f"{deck.stem}.html").write_text(pages.deck_page(deck), encoding="utf-8")
    if any(slide.kind == "stage" for deck in decks for slide in deck.slides):
        write_stage(OUTPUT)
    (OUTPUT / "index.html").write_text(pages.index_page(decks), encoding="utf-8")
    print(f"{len(decks)} decks, {sum(len(deck.slides) for deck in decks)} slides")
    return 0


if __name__ == "__main__":
    sys.exit(main())
