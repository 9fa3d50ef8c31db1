"""Decks of slides: what they hold, and how every slide of every deck looks in a browser."""

import os
import re
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import slides  # noqa: E402
from decks import pages, parts  # noqa: E402
from decks.guide import Guide  # noqa: E402
from decks.parts import Figure, Slide  # noqa: E402

pytest.importorskip("playwright", reason="the browser tests need pytest-playwright (extra dev)")
from browser_pages import browser_type_launch_args, patience  # noqa: E402, F401
from slide_eyes import SIZE, look_at_deck  # noqa: E402

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
BUILT = ROOT / os.environ.get("QDVAE_SITE", "nothing")
built = pytest.mark.skipif(
    not (BUILT / "00_start_here.html").exists(), reason="`make slides` looks at its decks"
)
GUIDE = Guide()


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def lesson(request, tmp_path) -> tuple[nbformat.NotebookNode, pages.Deck]:
    notebook = nbformat.read(request.param, as_version=4)
    return notebook, slides.make_deck(notebook, request.param.stem, tmp_path, GUIDE)


def test_a_deck_shows_every_figure_and_says_what_it_is_about(lesson, tmp_path):
    notebook, deck = lesson
    kinds = [slide.kind for slide in deck.slides]
    assert kinds[0] == "cover"
    assert deck.number in deck.slides[0].body
    assert len(re.findall("<li>", deck.slides[0].body)) >= 2  # minutes
    headings = [slide.heading for slide in deck.slides]
    for heading in ("After it you can", "What to take away", "Ask yourself"):
        assert heading in headings
    whole = [slide for slide in deck.slides if re.fullmatch(r"figure \w+( overview)?", slide.kind)]
    shown = [slide.body for slide in whole]
    stored = [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    assert len(shown) == len(stored)
    text = pages.deck_page(deck)
    for file in re.findall(r'src="(figures/[^"]+)"', text):
        assert (tmp_path / file).is_file()
    assert all(re.search(r'alt="[^"]{15,}"', body) for body in shown)
    assert '="../' not in text
    assert "google.colab" not in text


def test_a_figure_that_cannot_be_read_comes_again_in_two_parts(lesson):
    _, deck = lesson
    kinds = ["detail" if "detail" in s.kind else s.kind.split()[-1] for s in deck.slides]
    assert 2 * kinds.count("overview") == kinds.count("detail")
    for k, kind in enumerate(kinds):
        if kind == "overview":
            assert kinds[k + 1 : k + 3] == ["detail", "detail"]


def test_a_formula_is_led_to_or_explained(lesson):
    _, deck = lesson
    for slide in deck.slides:
        if slide.kind == "formula":
            words = re.findall(r'<div class="words (\w+)".*?<p>(.*?)</p>', slide.body, re.DOTALL)
            assert words, slide.heading
            for place, said in words:
                said = re.sub("<[^>]+>", "", said)
                assert place == "lead" or said.endswith((".", "?", "!", ")")), said


def test_an_exercise_shows_the_code_that_its_task_speaks_of(lesson):
    _, deck = lesson
    for slide in deck.slides:
        if slide.kind == "exercise" and "<code>...</code>" in slide.body:
            assert "<pre" in slide.body, slide.heading


def test_a_question_comes_on_a_slide_before_its_answer(lesson):
    notebook, deck = lesson
    before_tasks = [cell.source.partition("### Exercise")[0] for cell in notebook.cells]
    asked = sum(text.count("**Predict:**") for text in before_tasks)
    kinds = [slide.kind.split()[0] for slide in deck.slides]
    assert kinds.count("predict") >= asked
    for slide in deck.slides:
        if slide.kind == "predict":
            assert not re.search("<img|<pre", slide.body)
    # The words of an answer may repeat the question; its slide is a later one.
    for k, slide in enumerate(deck.slides):
        if lead := re.search(r'class="words lead"[^>]*><p>(.*?)</p>', slide.body):
            before = "".join(s.body for s in deck.slides[:k] if s.kind == "predict")
            if slide.kind == "printed" and lead[1].endswith("?"):
                assert lead[1] in before


def test_an_exercise_and_a_result_never_have_one_title(lesson):
    notebook, deck = lesson
    stubs = [c for c in notebook.cells if "exercise" in c.metadata.get("tags", [])]
    tasks = [slide for slide in deck.slides if slide.kind == "exercise"]
    assert len(tasks) == len(stubs)
    titles = {slide.heading for slide in tasks}
    for slide in deck.slides:
        if slide.kind != "exercise":
            assert slide.heading not in titles
            assert not slide.heading.startswith("Exercise")
    for slide in tasks:
        notes = " ".join(slide.notes)
        assert "**Hint.**" in notes
        assert "**Solution.**" in notes
    solutions = [c.source for c in notebook.cells if "solution" in c.metadata.get("tags", [])]
    shown = "".join(slide.body for slide in deck.slides)
    assert not any(solution in shown for solution in solutions)


def test_what_the_guide_says_of_a_section_is_in_its_notes():
    guide = Guide(
        "## Plan A: 90 minutes\n\n"
        "| minute | lesson, section | what happens |\n|---|---|---|\n"
        "| 5–12 | 00, *Your first digits* | Everybody generates thirty digits. |\n\n"
        '**"A spin is a stroke."** Meaning is spread out (02, 06).\n'
    )
    assert guide.of_section == {
        ("00", "Your first digits"): [
            "Plan A (90 minutes), minute 5–12: Everybody generates thirty digits."
        ]
    }
    assert set(guide.of_lesson) == {"02", "06"}


def test_every_section_that_the_guide_names_has_notes():
    """A section that was renamed would lose them without a word."""
    said = []
    for path in NOTEBOOKS:
        for cell in nbformat.read(path, as_version=4).cells:
            for heading in re.findall(r"^#{2,3} (.+)$", cell.source, re.MULTILINE):
                said += GUIDE.on_section(path.stem[:2], heading)
    assert len(GUIDE.of_section) > 30
    assert not [note for notes in GUIDE.of_section.values() for note in notes if note not in said]


@pytest.fixture
def deck_of(tmp_path, page, patience) -> Iterator:  # noqa: F811
    """Builds a deck of made-up slides and looks at it."""
    if not all(map(find_spec, ("sphinx_revealjs", "sphinx-mathjax-offline"))):
        pytest.skip("slides are made with the extra docs; `make slides` looks at them")
    slides.copy_libraries(tmp_path)

    def look(*made_up: Slide):
        deck = pages.Deck("made-up", "99", "Made up", "", "", list(made_up))
        (tmp_path / "made-up.html").write_text(pages.deck_page(deck), encoding="utf-8")
        return look_at_deck(page, (tmp_path / "made-up.html").as_uri())

    return look


def test_a_good_slide_has_no_fault(deck_of):
    seen = deck_of(
        parts.words("A heading", "A sentence with $x^2$ in it.", []),
        parts.formula("A formula", "$$\\log p(x) = \\sum_s p(x, s)$$", "A word on it.", "More."),
        *parts.printed("Numbers", ["a  1\nb  2"], "Which is larger?", "The second."),
        parts.question("A heading", "Some context.", "what comes out?"),
    )
    assert not seen.faults
    assert seen.slides == 4
    assert 20 <= seen.smallest < 30


FAULTY = {
    "cut off": "<p>" + "far too many lines<br>" * 30 + "</p>",
    "cut off: wide": '<pre style="width: 3000px">' + "wide " * 300 + "</pre>",
    "hidden or to be scrolled": '<div style="height: 90px; overflow: auto">'
    + "<p>a line</p>" * 9
    + "</div>",
    "lies on something": "<p>one line of text</p><p style='margin-top: -60px'>another line</p>",
    "text in 14.0 px": '<p style="font-size: 14px">small print</p>',
    "contrast": '<p style="color: #bbb">pale words</p>',
    "empty": "",
    "a wall of": "<p>" + "word " * 200 + "</p>",
    "a picture is missing": '<img src="figures/none.png" alt="nothing" width="1200" height="500">',
    "a figure without room": '<img src="favicon.svg" alt="small" width="90" height="90">',
    "writing in a figure": '<img src="favicon.svg" alt="a figure" width="1200" height="500" '
    'data-writing="17.0">',
    "a line begins with a sign": '<p style="width: 60px">'
    '<span class="math inline" style="display: inline-block; width: 60px">a</span>.</p>',
    "lies on something: number": '<p style="position: absolute; right: 10px; top: 20px">corner</p>',
}


@pytest.mark.parametrize("fault", FAULTY)
def test_a_faulty_slide_is_found(fault, deck_of):
    seen = deck_of(Slide("text", "Faulty", FAULTY[fault]), Slide("text", "Sound", "<p>fine</p>"))
    assert any(fault.partition(": ")[0] in said for said in seen.faults)
    assert all(said.startswith('slide 1, "Faulty"') for said in seen.faults)


def test_an_overfull_figure_slide_is_found(deck_of):
    shown = Figure("../favicon.svg", 640, 320, "a figure of some words", "a caption", 15.0)
    assert not deck_of(parts.figure("A figure", shown)).faults
    slide = parts.figure("A figure", shown)
    slide.body = slide.body.replace("height=", 'style="height: 900px" title=')
    assert any("cut off" in said for said in deck_of(slide).faults)


@built
@pytest.mark.parametrize("stem", [path.stem for path in NOTEBOOKS])
def test_every_slide_of_every_deck(stem, page, patience):  # noqa: F811
    seen = look_at_deck(page, (BUILT / f"{stem}.html").as_uri())
    print(f"{stem}: {seen.slides} slides, smallest text {seen.smallest:.1f} px")
    assert seen.slides > 15
    assert not seen.faults, "\n".join(seen.faults)


def index_of_slide(page) -> int:
    return page.evaluate("Reveal.getIndices().h")


@built
def test_the_stage_in_a_deck_gives_the_keys_back(page, patience):  # noqa: F811
    page.set_viewport_size(SIZE)
    page.goto((BUILT / "00_start_here.html").as_uri())
    page.wait_for_selector("html[data-ready]", state="attached")
    sections = page.evaluate(
        "Reveal.getHorizontalSlides().map(s => !!s.querySelector('iframe.stage'))"
    )
    here = sections.index(True)
    assert 2 < here < len(sections) - 2
    page.evaluate(f"Reveal.slide({here})")
    frame = page.frame_locator("section.present iframe")
    for tab in ("Watch", "Encode", "Compare"):
        frame.get_by_role("button", name=tab).click()
        seen = frame.locator("html").evaluate("all => [all.scrollHeight, innerHeight]")
        assert seen[0] <= seen[1], tab  # nothing has to be scrolled to
    button = frame.get_by_role("button", name="Steer")
    button.click()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"Reveal.getIndices().h === {here + 1}")
    page.keyboard.press("ArrowLeft")  # the deck has the keyboard again
    page.wait_for_function(f"Reveal.getIndices().h === {here}")

    chip = frame.get_by_role("application").first
    chip.focus()
    page.keyboard.press("ArrowRight")  # moves over the chip
    chip.evaluate("new Promise(done => setTimeout(done, 200))")
    assert index_of_slide(page) == here
    page.keyboard.press("Escape")
    page.wait_for_function("document.activeElement === document.body")
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"Reveal.getIndices().h === {here + 1}")
    page.evaluate(f"Reveal.slide({here})")
    chip.focus()
    page.keyboard.press("PageDown")
    page.wait_for_function(f"Reveal.getIndices().h === {here + 1}")


@built
def test_the_index_leads_to_every_deck_and_says_how_to_print(page, patience):  # noqa: F811
    page.goto((BUILT / "index.html").as_uri())
    for path in NOTEBOOKS:
        card = page.locator(f'article:has(a[href="{path.stem}.html"])')
        assert card.locator("img").evaluate("async i => (await i.decode(), i.naturalWidth)") > 300
        assert re.search(r"\d+ slides", card.inner_text())
    assert "PDF" in page.locator("header").inner_text()
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator('a[href="09_likelihood.html?print-pdf"]').click()
    page.wait_for_selector("html[data-ready]", state="attached")
    sheets = page.locator(".pdf-page").count()
    assert sheets == page.locator(".sheet").count() > 15
    pdf = page.pdf(prefer_css_page_size=True, print_background=True)
    assert len(re.findall(rb"/Type /Page\b", pdf)) == sheets
