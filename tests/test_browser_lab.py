"""The lessons' widgets as a person meets them: Debian's Chromium on a local JupyterLab.

What counts is what can be seen, as in ``test_browser.py``.
"""

import re
import shutil
from collections.abc import Callable, Iterator

import pytest

pytest.importorskip("playwright", reason="the browser tests need pytest-playwright (extra dev)")
from browser_pages import (
    ROOT,
    browser_type_launch_args,  # noqa: F401
    expect_new_picture,
    foreign_requests,
    jupyterlab,
    open_and_run,
    paint,
    patience,  # noqa: F401
    picture,
    serious_violations,
    served,
    type_number,
    widget,
    write_stage_notebook,
    write_widget_notebooks,
)
from playwright.sync_api import expect

(STUDIO_LESSON,) = (ROOT / "notebooks").glob("*_studio.ipynb")

pytestmark = pytest.mark.usefixtures("patience")


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[str]:
    """JupyterLab on a folder with the studio's lesson and a short notebook for each widget."""
    folder = tmp_path_factory.mktemp("lab")
    write_widget_notebooks(folder)
    write_stage_notebook(folder)
    shutil.copy(STUDIO_LESSON, folder)
    with served(jupyterlab(folder), folder, "is running at") as address:
        yield address


@pytest.fixture
def lab_of_the_repository(tmp_path) -> Iterator[str]:
    """What ``make lab`` starts, for a user who has not set anything; nothing is saved."""
    unsaved = tmp_path / "settings" / "@jupyterlab" / "docmanager-extension"
    unsaved.mkdir(parents=True)
    (unsaved / "plugin.jupyterlab-settings").write_text('{"autosave": false}')
    command = ["qdvae_helpers", "lab", "--", "--allow-root", "--IdentityProvider.token="]
    command += ["--ip=127.0.0.1", "--expose-app-in-browser"]
    with served(command, tmp_path, "is running at") as address:
        yield address


def test_make_lab_opens_links_and_pictures_names_files_and_asks_nothing(
    page, lab_of_the_repository
):
    asked = foreign_requests(page)
    first = "notebooks/00_start_here.ipynb"
    page.goto(f"{lab_of_the_repository}/lab/tree/{first}")
    badges = page.locator("img[alt^='Open in']")
    expect(badges).to_have_count(3)
    for badge in badges.all():
        expect(badge).not_to_have_js_property("naturalWidth", 0)
    names = page.locator(".jp-DirListing-itemText")
    expect(names.first).to_have_text("00_start_here.ipynb")
    cut = "all => all.filter(n => 0.7 * n.scrollWidth > n.clientWidth).map(n => n.textContent)"
    assert not names.evaluate_all(cut)  # of the longest the ending
    page.get_by_role("link", name="glossary").first.click()
    expect(page.get_by_role("tab", name="glossary.md")).to_be_visible()
    assert not asked
    assert not page.locator(".jp-toastContainer").filter(has_text="news").count()


@pytest.fixture
def run_all(page, lab) -> Iterator[Callable[[str], None]]:
    """Open a notebook, run its cells, and see that none failed; the kernel ends with the test."""
    yield lambda notebook: open_and_run(page, lab, notebook)
    page.evaluate("jupyterapp.shell.currentWidget.sessionContext.shutdown()")


def test_the_latent_map_of_lesson_01(page, run_all):
    run_all("01.ipynb")
    part = widget(page, "latent-map")
    shown = picture(part)
    type_number(part, "first number", 1.5)
    expect(part.locator(".qdvae-message")).to_contain_text("(1.5, 0.0) on the map of the auto")
    shown = expect_new_picture(part, shown)
    part.get_by_label("map").select_option("VAE")
    expect(part.locator(".qdvae-message")).to_contain_text("on the map of the VAE")
    shown = expect_new_picture(part, shown)
    # The slider is reachable by keyboard and moves the number.
    part.locator(".noUi-handle").nth(1).focus()
    page.keyboard.press("ArrowUp")
    expect(part.get_by_label("second number")).to_have_value("0.1")
    expect_new_picture(part, shown)
    assert not serious_violations(page, ".qdvae-latent-map")


def test_the_spins_of_lesson_02(page, run_all):
    """Flip a spin with the pointer, a row in one stroke, and one by keyboard."""
    run_all("02.ipynb")
    part, said = widget(page, "spin-board"), page.locator(".qdvae-spin-board .qdvae-message")
    shown = picture(part)
    spin = part.get_by_role("button", name="spin 17:")
    before = spin.get_attribute("aria-pressed")
    spin.click()
    expect(said).to_contain_text("1 spin flipped")
    expect(spin).to_have_accessible_name(re.compile(r"spin 17: [+−]1, flipped"))
    expect(spin).to_have_attribute("aria-pressed", "false" if before == "true" else "true")
    shown = expect_new_picture(part, shown)
    page.keyboard.press("Space")  # the click has left the focus there
    expect(said).to_contain_text("0 spins flipped")
    shown = expect_new_picture(part, shown)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    expect(part.get_by_role("button", name="spin 24:")).to_be_focused()
    page.keyboard.press("Enter")
    expect(said).to_contain_text("1 spin flipped")
    shown = expect_new_picture(part, shown)
    paint(page, part.locator(".cells"), (0.03, 0.03), (0.97, 0.03))
    row = part.get_by_role("button", name=re.compile(r"spin [0-7]:"))
    first = row.first.get_attribute("aria-pressed")
    assert {row.nth(i).get_attribute("aria-pressed") for i in range(8)} == {first}
    shown = expect_new_picture(part, shown)
    type_number(part, "image", 3)
    expect(part.locator(".qdvae-message")).to_contain_text("0 spins flipped")
    expect_new_picture(part, shown)
    assert not serious_violations(page, ".qdvae-spin-board")


def test_the_kernel_of_lesson_03(page, run_all):
    run_all("03.ipynb")
    part = widget(page, "kernel")
    shown = picture(part)
    type_number(part, "shift of y", 0)
    shown = expect_new_picture(part, shown)
    type_number(part, "log2 of bandwidth", -4)
    expect(part.locator(".qdvae-message")).to_contain_text("bandwidth 0.0625")
    expect_new_picture(part, shown)
    assert not serious_violations(page, ".qdvae-kernel")


def test_the_qpu_subgraph_of_lesson_04(page, run_all):
    run_all("04.ipynb")
    part = widget(page, "qpu")
    shown = picture(part)
    expect(part.get_by_role("img", name="Qubits coloured by the spins")).to_be_visible()
    part.locator("circle.qubit").nth(4).click()
    chosen = part.get_by_label("qubit", exact=True).locator("option").nth(4)
    expect(part.get_by_label("qubit", exact=True)).to_have_value(chosen.get_attribute("value"))
    part.locator("circle.knot").nth(7).click()
    chosen = part.get_by_label("coupler", exact=True).locator("option").nth(7)
    expect(part.get_by_label("coupler", exact=True)).to_have_value(chosen.get_attribute("value"))
    type_number(part, "temperature", 0.5)
    expect(part.locator(".qdvae-message")).to_contain_text("temperature 0.5, 20 sweeps")
    shown = expect_new_picture(part, shown)
    type_number(part, "its coupling J", -3)
    shown = expect_new_picture(part, shown)
    type_number(part, "sweeps", 0)
    expect(part.locator(".qdvae-message")).to_contain_text("0 sweeps from random spins")
    expect_new_picture(part, shown)
    assert not serious_violations(page, ".qdvae-qpu")


def test_the_live_training_of_lesson_05(page, run_all):
    run_all("05.ipynb")
    part = page.locator(".jp-OutputArea .qdvae-live")
    type_number(part, "latent spins", 16)
    type_number(part, "weight of the KL", 20)
    part.get_by_role("button", name="Train", exact=True).click()
    expect(part.locator("img")).to_have_count(2)
    expect(part.locator(".qdvae-progress")).to_contain_text("Finished")
    shown = part.locator("img").last.get_attribute("src")
    type_number(part, "epochs", 20)
    part.get_by_role("button", name="Train", exact=True).click()
    expect(part.locator("img").last).not_to_have_attribute("src", shown)
    part.get_by_role("button", name="Cancel").click()
    expect(part.locator(".qdvae-progress")).to_contain_text("Stopped")
    assert not serious_violations(page, ".qdvae-live")


def test_the_inpainting_of_lesson_07(page, run_all):
    run_all("07.ipynb")
    part = widget(page, "inpainting")
    shown = picture(part)
    part.get_by_role("button", name="Walk").click()
    expect(part.locator(".qdvae-message")).to_contain_text(re.compile("^[1-9][0-9]* sweeps"))
    shown = expect_new_picture(part, shown)
    type_number(part, "inverse temperature", 0.5)
    expect(part.locator(".qdvae-message")).to_contain_text("inverse temperature 0.5")
    part.get_by_role("button", name="Stop").click()
    expect(part.get_by_role("button", name="Walk")).to_be_enabled()
    shown = picture(part)
    expect(part.locator(".qdvae-message")).to_contain_text("392 pixels known")
    part.get_by_role("button", name="column 4, row 14: unknown").click()
    expect(part.locator(".qdvae-message")).to_contain_text("396 pixels known")
    expect(part.get_by_role("button", name="column 4, row 14: known")).to_be_focused()
    paint(page, part.locator(".cells"), (0.02, 0.98), (0.98, 0.98))  # but one cell of it is known
    expect(part.locator(".qdvae-message")).to_contain_text("448 pixels known")
    part.get_by_role("button", name="nothing").click()
    expect(part.locator(".qdvae-message")).to_contain_text("0 pixels known")
    expect(part.locator(".cells [aria-pressed=true]")).to_have_count(0)
    part.get_by_role("button", name="Walk").click()  # on from there, with nothing known
    expect_new_picture(part, shown)
    part.get_by_role("button", name="Stop").click()
    assert not serious_violations(page, ".qdvae-inpainting")


def test_the_studios_lesson_in_jupyterlab(page, run_all):
    """Every cell runs, the dashboard works inside the notebook, in the dark theme, too."""
    run_all(STUDIO_LESSON.name)
    page.evaluate(
        "jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})"
    )
    studio = page.locator(".jp-OutputArea .qdvae-studio")
    generate = studio.locator(".qdvae-generate")
    type_number(generate, "pictures", 4)
    generate.get_by_label("model").select_option("qdvae-256-labels")
    generate.get_by_label("wish").select_option("7")
    generate.get_by_role("button", name="Generate").click()
    expect(generate.get_by_text("4 digits of qdvae-256-labels, wished for: 7")).to_be_visible()
    assert not serious_violations(page, ".qdvae-studio")


def test_the_stage_and_python_hear_of_each_other(page, run_all):
    run_all("stage.ipynb")
    stage, heard = page.locator(".jp-OutputArea .qs"), page.locator(".jp-OutputArea .heard")
    expect(stage.get_by_role("button", name="Encode", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )
    expect(heard).to_contain_text(re.compile("spins 256, ink [1-9]"))
    inked = heard.inner_text()
    box = stage.locator(".qs-in canvas").bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 60, steps=4)
    page.mouse.up()
    expect(heard).not_to_have_text(inked)
    stage.get_by_role("button", name="Steer", exact=True).click()
    expect(heard).to_contain_text("mode steer")
    stage.get_by_label("wish").select_option("3")
    expect(heard).to_contain_text("wish 3")
    expect(stage.get_by_text("temperature 0.50")).to_be_visible()
    assert not serious_violations(page, ".qs")
