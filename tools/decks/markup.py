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


def rendered(text: str) -> str:
    """Blocks of Markdown as HTML."""
    return _MARKDOWN.render(without_links(text)).strip()


def inline(text: str) -> str:
    """One line of Markdown as HTML, without a paragraph around it."""
    return _MARKDOWN.renderInline(without_links(text)).strip()


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
#: What is said to a reader who sits before a notebook, and means nothing on a slide.
_OF_THE_NOTEBOOK = re.compile(
    r"\b(cells?|kernel|unfolds|scroll|run everything|Shift\+Enter)\b|_solution\b"
    r"|\btakes? [\w ]*(seconds|minute)"
    r"|^\(?(About|Some) [\w ]+ (seconds|minutes?)\b",
    re.IGNORECASE,
)


def without_cells(text: str) -> str:
    """A paragraph without its sentences on cells, clicks and seconds."""
    if text.startswith(("|", "```", "- ")):
        return text
    parts = _SENTENCE.split(text)
    return " ".join(
        part for part in parts if part.endswith("?") or not _OF_THE_NOTEBOOK.search(part)
    )


def sentences(text: str, most: int) -> str:
    """The first sentences of a paragraph, as many as stay below a number of characters."""
    kept = ""
    for part in _SENTENCE.split(text):
        if len(plain(f"{kept} {part}")) > most:
            break
        kept = f"{kept} {part}".strip()
    return kept
