"""The index of the site's search: one entry a section, in a script that also loads from a disk.

Sphinx's own index knows pages only, is loaded by every page, and needs a server for its excerpts.
This one is fetched when somebody searches; ``site.js`` reads it.  What cells print, answers, and
the sources of the helpers are not in it.
"""

import json
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

INDEX = "search-index.js"
#: What pages count for, by the beginning of their names; the first that fits.
WEIGHTS = {
    "notebooks/": 3,
    "docs/glossary": 3,
    "docs/generated/": 1,
    "CHANGELOG": 1,
    "benchmarks/results/": 1,
}
#: A page of figures, which stand in the lessons, too.
LEFT_OUT = "docs/gallery"
_UNSAID = (nodes.raw, nodes.comment, nodes.math_block, nodes.image, nodes.system_message)
_UNSAID = (*_UNSAID, nodes.substitution_definition, addnodes.toctree, addnodes.index)


def spelt(formula: str) -> str:
    """A short formula as plain text, such as β or E(s); a longer one as three dots."""

    def sign(match: re.Match) -> str:
        try:
            return unicodedata.lookup(f"GREEK SMALL LETTER {match[1].upper()}")
        except KeyError:
            return {"pm": "±", "ell": "ℓ", "log": "log ", "tanh": "tanh "}.get(match[1], "…")

    text = re.sub(r"[{}$_^ ]", "", re.sub(r"\\([A-Za-z]+)", sign, formula))
    return text if len(text) <= 12 and "…" not in text else "…"


def said(node: nodes.Node) -> str:
    """The words of a part of a page, without its sections and outputs."""
    if isinstance(node, nodes.Text):
        return str(node)
    if isinstance(node, nodes.math):
        return spelt(node.astext())
    if isinstance(node, (nodes.section, addnodes.desc, *_UNSAID)):
        return ""
    if {"cell_output", "tag_solution", "tag_plumbing"} & set(node.get("classes", [])):
        return ""
    inline = isinstance(node, nodes.TextElement)
    return ("" if inline else " ").join(said(child) for child in node.children)


def tidy(text: str) -> str:
    """Words with one space between them."""
    return re.sub(r"\s+", " ", text).strip()


def entries(doctree: nodes.document) -> Iterator[tuple[str, str, str]]:
    """Anchor, heading and text of every section and every documented name of a page."""
    for section in doctree.findall(nodes.section):
        heading = tidy(said(section.next_node(nodes.title)))
        body = [child for child in section.children if not isinstance(child, nodes.title)]
        top = isinstance(section.parent, nodes.document)
        anchor = "" if top else section["ids"][0]
        yield anchor, heading, tidy(" ".join(said(child) for child in body))
    for desc in doctree.findall(addnodes.desc):
        signature = desc.next_node(addnodes.desc_signature)
        if signature is not None and signature.get("ids"):
            content = desc.next_node(addnodes.desc_content)
            text = " ".join(said(child) for child in content.children) if content else ""
            yield signature["ids"][0], signature["ids"][0].rpartition(".")[2], tidy(text)


def write_index(app: Sphinx, exception: Exception | None) -> None:
    """Write the index of all pages beside the other scripts."""
    if exception is not None or app.builder.name != "html":
        return
    pages, sections = [], []
    for name in sorted(app.env.found_docs - {LEFT_OUT}):
        weight = next((w for start, w in WEIGHTS.items() if name.startswith(start)), 2)
        title = tidy(app.env.titles[name].astext())
        pages.append([app.builder.get_target_uri(name), title, weight])
        for anchor, heading, text in entries(app.env.get_doctree(name)):
            sections.append([len(pages) - 1, anchor, heading, text])
    index = json.dumps([pages, sections], ensure_ascii=False, separators=(",", ":"))
    path = Path(app.outdir) / "_static" / INDEX
    path.write_text(f"siteIndex({index})\n", encoding="utf-8")
