"""The pages: a deck for each lesson, the index of decks, the stage that knows it is in a deck."""

import html
import re
from dataclasses import dataclass

from decks.markup import inline, plain, rendered
from decks.parts import Slide

_DECK = """\
<!doctype html>
<html lang="en-GB">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="favicon.svg">
<link rel="stylesheet" href="reveal/reveal.css">
<link rel="stylesheet" href="deck.css">
</head>
<body>
<div class="reveal"><div class="slides">
{slides}
</div></div>
{formulas}<script src="reveal/reveal.js"></script>
<script src="reveal/notes.js"></script>
<script src="deck.js"></script>
</body>
</html>
"""

_FORMULAS = """\
<script>
window.MathJax = {
  options: { enableMenu: false, ignoreHtmlClass: "notes" },
  chtml: { fontURL: "mathjax/fonts" },
};
</script>
<script src="mathjax/tex-chtml.js"></script>
"""

_INDEX = """\
<!doctype html>
<html lang="en-GB">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Slides: QDVAE tutorials</title>
<link rel="icon" href="favicon.svg">
<link rel="stylesheet" href="index.css">
</head>
<body>
<header>
<h1>Slides</h1>
<p>A deck for each lesson of the QDVAE tutorials, made from its own figures, questions and
exercises. Everything works without a network.</p>
<ul class="keys">
<li><kbd>→</kbd> <kbd>←</kbd> turn slides, as do <kbd>Space</kbd> and a presenter's buttons</li>
<li><kbd>S</kbd> opens the speaker's view: what the lesson says, hints and answers</li>
<li><kbd>F</kbd> fills the screen, <kbd>Esc</kbd> shows all slides, <kbd>B</kbd> makes it black</li>
<li>To get a PDF: <em>print</em> below a deck, then print that page (landscape, no margins,
background graphics on) and choose “Save as PDF”</li>
</ul>
</header>
<main>
{cards}
</main>
</body>
</html>
"""

_CARD = """\
<article><a href="{stem}.html"><img src="figures/{picture}" alt="" loading="lazy">
<h2><span>{number}</span> {title}</h2></a>
<p>{promise}</p>
<footer>{slides} slides
<a href="{stem}.html?print-pdf" aria-label="print {title}">print</a></footer>
</article>
"""

# In the frame, keys belong to the stage; those that turn slides are passed on, and Esc goes back.
_STAGE_KEYS = """\
<script>
addEventListener("keydown", (event) => {
  const uses = event.target.closest?.("input, select, textarea, [role=application]");
  const always = { PageDown: "next", PageUp: "prev", Escape: "leave" };
  const turns = uses ? always : { ...always, ArrowRight: "next", ArrowLeft: "prev" };
  if (turns[event.key]) parent.postMessage({ qdvaeStage: turns[event.key] }, "*");
});
</script>
</body>"""


@dataclass
class Deck:
    """A lesson's slides, with what the index says of them."""

    stem: str
    number: str
    title: str
    promise: str
    picture: str  # name of the figure's file
    slides: list[Slide]


def section(slide: Slide) -> str:
    """One slide as a section of reveal.js."""
    kind = slide.kind.split()[0]
    grounds = {"cover": "#10202f", "predict": "#e6f1f9", "exercise": "#fdf3e0"}
    ground = f' data-background-color="{grounds[kind]}"' if kind in grounds else ""
    alone = "alone" in slide.kind.split()
    heading = f"<h2>{inline(slide.heading)}</h2>" if slide.heading and not alone else ""
    name = f' aria-label="{html.escape(plain(slide.heading))}"' if alone else ""
    # The speaker's window knows no MathJax: there a formula is its TeX.
    notes = re.sub(r"\\[(\[](.*?)\\[)\]]", r"<i>\1</i>", rendered("\n\n".join(slide.notes)))
    aside = f'<aside class="notes">{notes}</aside>' if notes else ""
    return (
        f'<section{ground}{name}><div class="sheet {slide.kind}">{heading}{slide.body}</div>{aside}'
        "</section>"
    )


def deck_page(deck: Deck) -> str:
    """The page of a deck."""
    sections = "\n".join(section(slide) for slide in deck.slides)
    formulas = _FORMULAS if "\\(" in sections or "\\[" in sections else ""
    title = html.escape(f"{deck.number} · {deck.title}")
    return _DECK.format(title=title, slides=sections, formulas=formulas)


def index_page(decks: list[Deck]) -> str:
    """The page that leads to all decks."""
    cards = [
        _CARD.format(
            stem=deck.stem,
            picture=deck.picture,
            number=deck.number,
            title=inline(deck.title),
            promise=inline(_imperative(deck.promise)),
            slides=len(deck.slides),
        )
        for deck in decks
    ]
    return _INDEX.format(cards="\n".join(cards))


def _imperative(promise: str) -> str:
    """What one does in a lesson, without saying each time that it is one."""
    does = promise.removeprefix("In this lesson you ")
    return does[:1].upper() + does[1:]


def stage_in_deck(page: str) -> str:
    """The stage's page, which hands the keys that turn slides to the deck around it."""
    head, _, tail = page.rpartition("</body>")
    return f"{head}{_STAGE_KEYS}{tail}"
