"""No source of a page names anything of another host that a browser would fetch by itself.

The pages themselves are looked at by ``test_site.py`` and the browser tests.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# What a browser fetches by itself; a link that somebody has to click is none of these.
FETCHED = re.compile(
    r"""
    !\[[^]]*\]\(\s*<?(https?:)?//
    | <(img|script|iframe|source|video|audio|embed|object|track)\b[^>]*?
      \b(src|srcset|data|poster)\s*=\s*["']?(https?:)?//
    | <link\b[^>]*?\bhref\s*=\s*["']?(https?:)?//
    | url\(\s*["']?(https?:)?//
    | @import\s+["'](https?:)?//
    | \bfetch\(\s*["'](https?:)?//
    | ^:::+\{(image|figure)\}\s+https?://
    | ^```\{(image|figure)\}\s+https?://
    """,
    re.VERBOSE | re.IGNORECASE | re.MULTILINE,
)


def sources() -> list[Path]:
    """All files that end in a page."""
    found = [*ROOT.glob("*.md"), *(ROOT / "notebooks").glob("*.ipynb")]
    for folder in ("docs", "data", "benchmarks", "tools", "qdvae_helpers"):
        for suffix in ("md", "html", "css", "js", "svg", "py", "rst"):
            found += (ROOT / folder).rglob(f"*.{suffix}")
    return sorted(path for path in found if "generated" not in path.parts)


def texts(path: Path) -> Iterator[str]:
    """What a file holds; of a notebook, its prose and what its cells have shown."""
    text = path.read_text("utf-8")
    if path.suffix != ".ipynb":
        yield text
        return
    for cell in json.loads(text)["cells"]:
        yield "".join(cell["source"])
        for output in cell.get("outputs", []):
            for kind in ("text/html", "text/markdown", "image/svg+xml", "application/javascript"):
                yield "".join(output.get("data", {}).get(kind, ""))


def test_no_source_of_a_page_embeds_something_of_another_host():
    found = []
    for path in sources():
        for text in texts(path):
            for match in FETCHED.finditer(text):
                found.append(f"{path.relative_to(ROOT)}: {match[0][:80]}")
    assert not found


@pytest.mark.parametrize(
    "text",
    [
        "![badge](https://img.shields.io/badge/a-b-c)",
        '<img alt="a" src="https://example.org/a.png">',
        "<script src='//cdn.example.org/require.js'></script>",
        '<link rel="stylesheet" href="https://fonts.example.org/css">',
        "@import 'https://example.org/a.css';",
        "body { background: url(https://example.org/a.png) }",
        ":::{image} https://example.org/a.png\n:::",
        '<iframe width="3"\n  src="https://example.org/video">',
    ],
)
def test_what_a_browser_would_fetch_is_found(text):
    assert FETCHED.search(text)


def test_a_link_is_no_request():
    assert not FETCHED.search("[there](https://example.org) <a href='https://example.org'>a</a>")
