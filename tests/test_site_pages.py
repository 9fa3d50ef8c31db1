"""The built site: weights, links, search, copy buttons, the front page, pages that are not there.

``make docs`` calls this, and sets ``QDVAE_SITE`` to the folder that it built.
"""

import html
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import nbformat
import pytest
from PIL import Image

SITE = os.environ.get("QDVAE_SITE")
if not SITE:
    pytest.skip("`make docs` looks at its pages", allow_module_level=True)
pytest.importorskip("playwright", reason="the browser tests need pytest-playwright (extra dev)")

from browser_pages import (  # noqa: E402
    ROOT,
    browser_type_launch_args,  # noqa: F401
    patience,  # noqa: F401
    serious_violations,
    serving,
)
from playwright.sync_api import expect  # noqa: E402

pytestmark = pytest.mark.usefixtures("patience")

FOLDER = ROOT / SITE
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LESSON_PAGES = [f"notebooks/{path.stem}.html" for path in LESSONS]
#: One page of each other kind.
KINDS = [
    "docs/index.html",
    "docs/lessons.html",
    "docs/gallery.html",
    "docs/reference.html",
    "docs/glossary.html",
    "docs/handout.html",
    "docs/lab-notes.html",
    "docs/api.html",
    "docs/generated/qdvae_helpers.samplers.gibbs.html",
    "README.html",
    "search.html",
    "404.html",
]
MOST_OF_A_PAGE, MOST_OF_THE_INDEX = 1_500_000, 2_000_000  # bytes


@pytest.fixture
def address() -> Iterator[str]:
    """The site as a public host shows it: below the path of its repository."""
    with serving(FOLDER, at="/some/where/") as url:
        yield url


def site_url() -> str:
    """Where the site will stand."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return project["urls"]["Documentation"]


# What a page needs before anybody scrolls, without what a frame in it shows.
WEIGHT = """() => performance.getEntriesByType("navigation").concat(
    performance.getEntriesByType("resource").filter(entry => entry.initiatorType !== "iframe"))
    .reduce((sum, entry) => sum + entry.decodedBodySize, 0)"""


@pytest.mark.parametrize("name", [*KINDS, *LESSON_PAGES])
def test_a_page_is_light_and_fits_a_phone(page, address, name):
    page.goto(f"{address}/{name}", wait_until="networkidle")
    weight = page.evaluate(WEIGHT)
    print(f"{name}: {weight / 1e6:.2f} MB")
    assert 1_000 < weight < MOST_OF_A_PAGE
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_every_link_within_the_site_leads_somewhere():
    anchors, links = {}, {}
    for path in FOLDER.rglob("*.html"):
        name = path.relative_to(FOLDER).as_posix()
        if name.startswith("_static/"):  # templates of the theme
            continue
        text = re.sub(r"<script\b.*?</script>", "", path.read_text("utf-8"), flags=re.DOTALL)
        found = {
            kind: set(map(html.unescape, re.findall(rf'<\w[^<>]*?\s{kind}="([^"]*)"', text)))
            for kind in ("id", "href", "src", "srcset")
        }
        anchors[name] = found.pop("id")
        links[name] = set.union(*found.values())
    assert len(anchors) > 50
    dead = []
    for name, targets in links.items():
        if name == "404.html":  # its links begin at the site's root; a browser tries them below
            continue
        for target in targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            place = unquote(urljoin(f"/{name}", parts.path))[1:] if parts.path else name
            if not (FOLDER / place).is_file():
                dead.append(f"{name}: {target}")
            known = anchors.get(place, ()) if "docs/stage" not in place else ()
            if known and parts.fragment and unquote(parts.fragment) not in known:
                dead.append(f"{name}: {target} (no such place on the page)")
    assert not dead


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_has_copy_buttons_on_code_only_and_says_what_its_panels_are(page, address, path):
    page.goto(f"{address}/notebooks/{path.stem}.html")
    cells = nbformat.read(path, as_version=4).cells
    hidden = {"remove-cell", "remove-input"}
    code = [
        cell
        for cell in cells
        if cell.cell_type == "code" and not hidden & set(cell.metadata.get("tags", []))
    ]
    buttons = page.locator(".cell_input button.copybtn")
    expect(buttons).to_have_count(len(code))
    expect(page.locator(".cell_output button.copybtn")).to_have_count(0)
    assert not [text for text in page.locator("figure").all_inner_texts() if ">" in text]
    rooms = r"from qdvae_helpers\.(widgets|studio)[\w.]* import [A-Z]"
    panels = sum(bool(re.search(rooms, cell.source)) and not cell.outputs for cell in code)
    expect(page.locator(".live-panel, iframe.stage")).to_have_count(panels)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for panel in page.locator(".live-panel").all():
            panel.scroll_into_view_if_needed()
            still = panel.locator("img:visible")
            expect(still).to_have_attribute("src", re.compile(f"-{scheme}.webp$"))
            page.wait_for_function("image => image.naturalWidth > 0", arg=still.element_handle())
            expect(panel.locator("figcaption")).to_be_visible()


def test_a_copied_cell_is_the_cell(page, address):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{address}/notebooks/00_start_here.html")
    shown = page.locator(".cell_input pre").first
    shown.hover()
    page.locator(".cell_input button.copybtn").first.click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.strip() == shown.inner_text().strip()


def test_the_front_page_names_every_lesson_with_its_minutes_and_shows_its_picture(page, address):
    page.goto(f"{address}/docs/index.html")
    readme = (ROOT / "README.md").read_text("utf-8")
    minutes = dict(re.findall(r"\(notebooks/(\w+)\.ipynb\) \|[^|]*\| (\d+) \|", readme))
    cards = page.locator("a.lesson-card")
    expect(cards).to_have_count(len(LESSONS))
    for path, card in zip(LESSONS, cards.all(), strict=True):
        assert card.get_attribute("href") == f"../notebooks/{path.stem}.html"
        text = " ".join(card.inner_text().split())
        title = nbformat.read(path, as_version=4).cells[0].source.splitlines()[0]
        assert title.removeprefix("# ").replace(" ·", "") in text
        assert f"{minutes[path.stem]} minutes" in text
        picture = card.locator("img")
        picture.scroll_into_view_if_needed()
        page.wait_for_function("image => image.complete", arg=picture.element_handle())
        assert picture.evaluate("image => image.naturalWidth") > 100
        assert len(picture.get_attribute("alt")) > 20
    for service in ("Binder", "Colab", "Codespaces"):
        link = page.locator(".launch a", has_text=service).get_attribute("href")
        assert f"]({link})" in readme  # the badge leads to the same place
    stage = page.frame_locator("iframe.stage")
    expect(stage.locator("canvas").first).to_be_visible()


def try_search(page, query: str, wanted: str, address: str) -> None:
    """Type into the dialogue, and follow the first answer to its place."""
    page.wait_for_load_state()
    page.keyboard.press("Control+k")
    page.keyboard.type(query)
    first = page.locator("#pst-search-dialog .site-search-results a").first
    expect(first).to_contain_text(wanted)
    first.click()
    page.wait_for_url(address)


@pytest.mark.parametrize("from_disk", [False, True], ids=["host", "disk"])
def test_the_search_answers_while_one_types(page, address, from_disk):
    assert (FOLDER / "_static" / "search-index.js").stat().st_size < MOST_OF_THE_INDEX
    start = FOLDER.as_uri() if from_disk else address
    page.goto(f"{start}/docs/index.html")
    lesson = "**/notebooks/05_training_the_qdvae.html#sick-on-purpose"
    try_search(page, "sick on purp", "Sick on purpose", lesson)
    name = "densest_subgraph"  # now from a page in another folder
    try_search(page, name, name, f"**/docs/generated/*.graphs.html#qdvae_helpers.graphs.{name}")
    page.goto(f"{start}/search.html?q=effective+temperature")
    expect(page.locator(".site-search-results a").first).to_be_visible()
    assert page.locator(".site-search-results a").count() > 3
    page.locator("input[name=q]").last.fill("xylophone")
    expect(page.locator(".site-search-status").last).to_have_text("No places")


def test_the_site_works_from_a_disk(page):
    page.goto(f"{FOLDER.as_uri()}/index.html")
    page.wait_for_url("**/docs/index.html")
    stage = page.frame_locator("iframe.stage")
    expect(stage.locator("canvas").first).to_be_visible()
    page.goto(f"{FOLDER.as_uri()}/notebooks/05_training_the_qdvae.html")
    figure = page.locator(".cell_output figure img").first
    figure.scroll_into_view_if_needed()
    page.wait_for_function("image => image.naturalWidth > 0", arg=figure.element_handle())
    page.locator(".math").first.scroll_into_view_if_needed()
    expect(page.locator("mjx-container").first).to_be_visible()
    page.goto(f"{FOLDER.as_uri()}/404.html")
    page.get_by_role("link", name="Glossary").click()
    page.wait_for_url("**/docs/glossary.html")


def test_a_page_that_is_not_there_leads_back_from_any_depth(page):
    with serving(FOLDER, at=urlsplit(site_url()).path) as here, serving(FOLDER) as root:
        for url in (here, root):
            for depth in ("/nothing", "/notebooks/no/such/page.html"):
                assert page.goto(url + depth).status == 404
                expect(page.locator("h1")).to_have_text("There is nothing at this address")
                for link in page.locator("nav a").all():
                    target = link.evaluate("link => link.href")
                    assert target.startswith(url + "/"), target
                    assert page.request.get(target).ok, target


def test_a_link_to_a_page_shows_title_sentence_and_picture_elsewhere():
    for name in ("docs/index", LESSON_PAGES[5].removesuffix(".html"), "index"):
        text = (FOLDER / f"{name}.html").read_text("utf-8")
        said = dict(re.findall(r'<meta property="og:(\w+)" content="([^"]*)"', text))
        assert said["url"] == site_url() + (f"{name}.html" if name != "index" else "")
        assert said["title"]
        assert len(said["description"]) > 60
        assert said["image"].startswith(site_url())
        picture = FOLDER / said["image"].removeprefix(site_url())
        with Image.open(picture) as image:
            assert image.size == (1200, 630)
        assert '<link rel="icon"' in text


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", [*KINDS, LESSON_PAGES[5]])
def test_a_page_has_no_barrier(page, address, name, scheme):
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{address}/{name}")
    assert not serious_violations(page, "main")


def test_the_site_holds_only_what_it_shows():
    names = {Path(path.relative_to(FOLDER)).parts[0] for path in FOLDER.iterdir()}
    assert not {".doctrees", "searchindex.js"} & names
    assert not list((FOLDER / "_sources").rglob("*.*"))
    size = sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file())
    print(f"the whole site: {size / 1e6:.0f} MB")
    assert size < 40_000_000


def test_a_link_opens_the_stage_where_a_lesson_needs_it(page, address):
    page.goto(f"{address}/docs/stage.html#steer")
    expect(page.locator("[data-mode=steer]")).to_have_attribute("aria-pressed", "true")
    page.goto(f"{address}/docs/stage-fashion.html")
    expect(page.locator("[data-mode=watch]")).to_have_attribute("aria-pressed", "true")
