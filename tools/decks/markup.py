"""Markdown of the notebooks as HTML; formulas are left to MathJax."""

import html
import re

from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin


def _formula(content: str, options: dict) -> str:
    """What MathJax looks for."""
    opening, closing = ("\\[", "\\]") if options["display_mode"] else ("\\(", "\\)")
    return f"{opening}{html.escape(content.strip())}{closing}"


_MARKDOWN = MarkdownIt("commonmark").enable("table")
_MARKDOWN.use(dollarmath_plugin, renderer=_formula, allow_labels=False)


def without_links(text: str) -> str:
    """Links to other files lead nowhere from a deck; their words stay."""
    return re.sub(r"\[([^]]*)\]\((?!https?:)[^)]*\)", r"\1", text)


_TOUCHED = re.compile(r'((?:\(|&quot;)*)(<span class="math inline">.*?</span>)([^\s<]*)', re.DOTALL)


def _whole(text: str) -> str:
    """HTML in which a formula keeps the signs that touch it: no line begins with a full stop."""

    def kept(found: re.Match[str]) -> str:
        return f'<span class="whole">{found[0]}</span>' if found[1] or found[3] else found[0]

    return _TOUCHED.sub(kept, text)


def rendered(text: str) -> str:
    """Blocks of Markdown as HTML."""
    return _whole(_MARKDOWN.render(without_links(text)).strip())


def inline(text: str) -> str:
    """One line of Markdown as HTML, without a paragraph around it."""
    return _whole(_MARKDOWN.renderInline(without_links(text)).strip())


def plain(text: str) -> str:
    """About as many characters as a reader sees: no markup, a formula without its commands."""
    text = re.sub(r"</?\w[^>]*>", "", without_links(text))
    text = re.sub(r"\\(?:big|Big|left|right|mathrm|mathbb|text|frac|underbrace)\b", "", text)
    return re.sub(r"\\[a-zA-Z]+", "x", re.sub(r"[*`$_^{}]", "", text)).strip()


def blocks(source: str) -> list[str]:
    """Headings, paragraphs, lists, tables and formulas of a cell."""
    found, lines, fenced = [], [], False
    for line in [*source.split("\n"), ""]:
        if line.startswith(("```", "~~~")):
            fenced = not fenced
        if not fenced and (not line.strip() or line.startswith("#")):
            if lines:
                found.append("\n".join(lines))
            lines = [line] if line.strip() else []
            if lines and line.startswith("#"):
                found.append(line)
                lines = []
        else:
            lines.append(line)
    return found


def items(block: str) -> list[str]:
    """The items of a list, without their marks."""
    parts = re.split(r"^(?:- |\d+\. )", block, flags=re.MULTILINE)
    return [" ".join(part.split()) for part in parts if part.strip()]


_SENTENCE = re.compile(r"(?<=[.?!:])\s+(?=[A-Z*$`(\"])")
#: What is said to a reader who sits before a notebook, and means nothing on a slide.  What a lesson
#: teaches of cells stays: a guess "before a cell runs", "a training loop in a cell".
_OF_THE_NOTEBOOK = re.compile(
    r"(?<!\bin a )(?<!\bbefore a )(?<!\bbefore\* a )\bcells?\b(?! with)"
    r"|\b(running|restart the) kernel\b|_solution\b"
    r"|\b(unfolds|scroll|run (everything|the lesson)|prints nothing|Shift\+Enter)\b|■"
    r"|\btakes? [\w ]*(seconds|minute)"
    r"|^\(?(About|Some) [\w ]+ (seconds|minutes?)\b",
    re.IGNORECASE,
)


#: How a sentence begins that cannot stand without the one before it.
_GOES_ON = re.compile(r"\W*(It|They|This|These|That|Then|Otherwise|The (same|first|second|last))\b")


def without_cells(text: str) -> str:
    """A paragraph without its sentences on cells, clicks and seconds, and what hangs on them."""
    if text.startswith(("|", "```", "- ")):
        return text
    kept: list[str] = []
    left_out = False
    for part in _SENTENCE.split(text):
        hangs = _OF_THE_NOTEBOOK.search(part) or (left_out and _GOES_ON.match(part))
        left_out = bool(hangs) and not part.endswith("?")
        if not left_out:
            kept.append(part)
    return " ".join(kept)


def sentences(text: str, most: int) -> str:
    """The first sentences of a paragraph, as many as stay below a number of characters."""
    kept = ""
    for part in _SENTENCE.split(text):
        if len(plain(f"{kept} {part}")) > most:
            break
        kept = f"{kept} {part}".strip()
    return kept


def last_sentences(text: str, most: int) -> str:
    """The last sentences of a paragraph, as many as stay below a number of characters."""
    parts = _SENTENCE.split(text)
    while parts and (len(plain(" ".join(parts))) > most or _GOES_ON.match(parts[0])):
        parts.pop(0)
    return " ".join(parts)
