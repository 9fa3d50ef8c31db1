"""The stage as a page of its own: one file, for any browser, without a server."""

import base64
import html
import re
from pathlib import Path

SOURCE = Path(__file__).with_name("stage.js")
_PAGE = Path(__file__).with_name("page.html")


def stage_page(content: bytes, title: str = "A QDVAE, alive") -> str:
    """HTML that holds the stage's module and a model; it asks no server for anything.

    Args:
        content: of a stage file, see :func:`~qdvae_helpers.widgets.stage.data.stage_bytes`.
        title: of the page.
    """
    parts = {
        "@TITLE@": html.escape(title),
        "@MODEL@": base64.b64encode(content).decode(),
        "@MODULE@": SOURCE.read_text(encoding="utf-8"),
    }
    page = _PAGE.read_text(encoding="utf-8")
    # In one go: a title may look like the place of another part.
    return re.sub("@[A-Z]+@", lambda place: parts[place[0]], page)
