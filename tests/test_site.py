"""The built site and slides in a real browser: no page asks another host, every formula is shown.

``make docs`` and ``make slides`` call this, and set ``QDVAE_SITE`` to the folder that they built.
"""

import os
from collections.abc import Iterator

import pytest

SITE = os.environ.get("QDVAE_SITE")
if not SITE:
    pytest.skip("`make docs` and `make slides` look at their pages", allow_module_level=True)
pytest.importorskip("playwright", reason="the browser tests need pytest-playwright (extra dev)")

from browser_pages import (  # noqa: E402
    ROOT,
    browser_type_launch_args,  # noqa: F401
    foreign_requests,
    is_foreign,
    patience,  # noqa: F401
    serving,
)

pytestmark = pytest.mark.usefixtures("patience")


@pytest.fixture
def address() -> Iterator[str]:
    """The pages behind a server of this machine."""
    with serving(ROOT / SITE) as url:
        yield url


# Also what a browser would ask for later, when a picture comes into sight.
EMBEDDED = """() => [...document.querySelectorAll(
    'img[src], script[src], iframe[src], source[src], link[href]:not([rel~=canonical])')]
    .map(part => part.src || part.href)"""

# What MathJax says of a formula that it cannot read, and macros that it does not know, in red.
WRONG = """() => [...document.querySelectorAll('mjx-merror, mjx-mtext[style*="color: red"]')]
    .map(part => part.dataset.mjxError || part.closest('mjx-container').outerHTML.slice(0, 400))"""


def test_every_built_page_keeps_to_this_host_and_shows_its_formulas(page, address):
    asked, failed = foreign_requests(page), []

    def note(request) -> None:
        if request.failure != "net::ERR_ABORTED":  # the icon of a page that one has left already
            failed.append(request.url)

    page.on("requestfailed", note)
    pages = sorted((ROOT / SITE).rglob("*.html"))
    pages = [path for path in pages if not {"_static", "_modules"} & set(path.parts)]
    # The first page only leads to another one, and would take the ground from under a question.
    pages = [path for path in pages if 'http-equiv="refresh"' not in path.read_text("utf-8")]
    assert len(pages) > 5
    faults, formulas = [], 0
    for path in pages:
        name = path.relative_to(ROOT / SITE).as_posix()
        page.goto(f"{address}/{name}")
        # Slides show their formulas at once; pages of the site, when one comes near the window.
        page.evaluate("window.showFormulas?.() ?? window.MathJax?.startup?.promise")
        found = [*asked, *filter(is_foreign, page.evaluate(EMBEDDED))]
        found += [f"{url} did not come" for url in failed]
        found += page.evaluate(WRONG)
        faults += [f"{name}: {fault}" for fault in found]
        formulas += page.locator("mjx-container").count()
        asked.clear()
        failed.clear()
    assert formulas > 50
    assert not faults
