"""The studio's app as a person meets it: Debian's Chromium on Voila.

What counts is what can be seen: texts, and the bytes of pictures.  An error in a widget's function
reaches no cell, so that no cell failed proves little; every step waits for its visible effect.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="the browser tests need pytest-playwright (extra dev)")
from browser_pages import (
    browser_type_launch_args,  # noqa: F401
    expect_new_picture,
    patience,  # noqa: F401
    picture,
    serious_violations,
    served,
    type_number,
)
from playwright.sync_api import expect

from qdvae_helpers.idx_files import FASHION_MNIST_SHA256, find_fashion

BUSY = 5  # a machine that runs other tests is so much slower
# What is wider than its place, or leaves the window at the right.
CUT = """() => [...document.querySelectorAll(
    ".widget-label, .lm-TabBar-tabLabel, .qdvae-studio button, .qdvae-studio img, "
    + ".qdvae-studio table, .qdvae-studio select, .qdvae-studio input, .qdvae-studio [role=tab]")]
  .filter(e => e.offsetParent && (e.getBoundingClientRect().right > innerWidth + 1
    || (e.matches(".widget-label, .lm-TabBar-tabLabel, button")
      && e.scrollWidth > e.clientWidth + 1)))
  .map(e => e.outerHTML.slice(0, 120))
  .concat(document.documentElement.scrollWidth > innerWidth ? ["the page"] : [])"""

pytestmark = pytest.mark.usefixtures("patience")


@pytest.fixture(scope="module")
def app(tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """The studio as an app, and the folder in which it may write."""
    folder = tmp_path_factory.mktemp("app")
    pytest.importorskip("voila", reason="the app's test needs Voila (extra studio)")
    with served(["qdvae_helpers", "studio"], folder, "is running at") as address:
        yield address, folder


def read_curves(page, curves, *named: str) -> None:
    """Read values by keyboard, then hide a line by its entry in the legend."""
    grid = curves.get_by_role("group")
    expect(grid).to_have_attribute("aria-label", re.compile("Training curves.*steps"))
    grid.focus()
    page.keyboard.press("End")
    for name in named:
        expect(curves.locator(".read")).to_contain_text(re.compile(rf"Step .*{re.escape(name)} "))
    curves.get_by_role("button", name=named[0]).click()
    expect(curves.get_by_role("button", name=named[0])).to_have_attribute("aria-pressed", "false")
    expect(curves.locator(".read")).not_to_contain_text(f"{named[0]} ")
    curves.get_by_label("logarithmic").check()
    expect(curves.locator("svg path").first).to_be_visible()


def test_a_full_round_in_the_studio(page, app):
    """Train, cancel, resume, generate, save, look inside, compare: all as a visitor of the app."""
    address, folder = app
    page.goto(address)
    generate, train = page.locator(".qdvae-generate"), page.locator(".qdvae-train")
    expect(generate.locator("img")).to_have_count(3)  # nobody has asked yet
    expect(generate.get_by_text("40 digits of qdvae-256, seed 1")).to_be_visible()
    page.get_by_role("tab", name="Train").click()
    train.get_by_label("name to save under").fill("one-epoch")
    type_number(train, "latent spins", 16)
    type_number(train, "epochs", 1)
    train.get_by_role("button", name="Train", exact=True).click()
    expect(train.get_by_text("Finished: saved as one-epoch.")).to_be_visible()
    assert (folder / "models" / "one-epoch.safetensors").is_file()
    expect(train.locator(".qdvae-pairs img")).to_have_attribute("alt", re.compile("held-out"))
    read_curves(page, train.locator(".qdvae-curves"), "total", "KL, up to a constant")
    assert not serious_violations(page, ".qdvae-studio")

    train.get_by_role("button", name="Train", exact=True).click()
    expect(train.get_by_role("alert")).to_contain_text("There is a model 'one-epoch' already")

    train.get_by_label("name to save under").fill("long-run")
    type_number(train, "epochs", 40)
    train.get_by_role("button", name="Train", exact=True).click()
    expect(train.locator(".qdvae-progress")).to_contain_text(re.compile("epoch [2-9] of 40"))
    # The page stays alive: look into another model while this one trains.
    page.get_by_role("tab", name="Look inside").click()
    inside = page.locator(".qdvae-inside")
    expect(inside.locator(".qs-chip canvas")).to_be_visible()
    type_number(inside, "held-out image", 17)  # which the stage then encodes
    encode = inside.get_by_role("button", name="Encode", exact=True)
    expect(encode).to_have_attribute("aria-pressed", "true")
    inside.get_by_label("view").select_option("reconstructions")
    shown = picture(inside)
    type_number(inside, "held-out image", 18)
    expect_new_picture(inside, shown)
    page.get_by_role("tab", name="Train").click()
    expect(train.get_by_role("button", name="Cancel")).to_be_enabled()
    train.get_by_role("button", name="Cancel").click()
    expect(train.get_by_text("Stopped: long-run keeps its last step")).to_be_visible()
    assert (folder / "models" / "long-run.part.safetensors").is_file()

    train.get_by_label("stopped runs").select_option("long-run")
    train.get_by_role("button", name="Resume").click()
    expect(train.locator(".qdvae-progress")).to_contain_text("long-run: epoch")
    train.get_by_role("button", name="Cancel").click()
    expect(train.get_by_text("Stopped: long-run keeps its last step")).to_be_visible()

    train.get_by_label("name to save under").fill("tuned")
    train.get_by_label("a model further").check()
    train.get_by_label("start from").select_option("one-epoch")
    expect(train.get_by_label("latent spins", exact=True)).to_be_hidden()
    train.get_by_label("loss", exact=True).select_option("MMD and likelihood")
    expect(train.get_by_label("weight of the KL", exact=True)).to_be_disabled()
    type_number(train, "epochs", 1)
    train.get_by_role("button", name="Train", exact=True).click()
    expect(train.get_by_text("Finished: saved as tuned.")).to_be_visible()
    read_curves(page, train.locator(".qdvae-curves"), "MMD", "NLL of the prior, up to a constant")

    page.get_by_role("tab", name="Generate").click()
    samples = generate.locator(".qdvae-samples")
    generate.get_by_label("model").select_option("tuned")
    expect(generate.locator(".qdvae-facts")).to_contain_text("fine-tuned from")
    expect(generate.locator(".qdvae-facts")).to_contain_text("mmd")
    generate.get_by_label("model").select_option("one-epoch")
    expect(generate.locator(".qdvae-facts")).to_contain_text(re.compile(r"([\d,]+) of \1\b"))
    type_number(generate, "pictures", 10)
    generate.get_by_role("button", name="Generate").click()
    expect(generate.get_by_text("10 digits of one-epoch, seed 1")).to_be_visible()
    expect(generate.get_by_text("Their reconstructions by one-epoch")).to_be_visible()
    shown = picture(samples)
    generate.get_by_label("model").select_option("qdvae-256-labels")
    generate.get_by_label("wish").select_option("7")
    generate.get_by_role("button", name="Generate").click()
    expect(generate.get_by_text("10 digits of qdvae-256-labels, wished for: 7")).to_be_visible()
    shown = expect_new_picture(samples, shown)
    generate.get_by_label("sharpen to black and white").check()
    expect_new_picture(samples, shown)
    generate.get_by_label("picture's name").fill("../outside")
    generate.get_by_role("button", name="Save PNG").click()
    expect(generate.get_by_role("alert")).to_contain_text("is no name for a file here")
    assert not list(folder.rglob("outside*"))
    generate.get_by_label("picture's name").fill("inside")
    generate.get_by_role("button", name="Save PNG").click()
    expect(generate.get_by_text("Saved as pictures/inside.png")).to_be_visible()
    assert (folder / "models" / "pictures" / "inside.png").read_bytes().startswith(b"\x89PNG")
    assert not serious_violations(page, ".qdvae-studio")

    page.get_by_role("tab", name="Look inside").click()
    inside.get_by_label("model", exact=True).select_option("tuned")
    expect(inside.get_by_text("reconstructions of tuned")).to_be_visible()
    shown = picture(inside)
    inside.get_by_label("view").select_option("model diagram")
    expect_new_picture(inside, shown)
    inside.get_by_label("view").select_option("loss curves")
    read_curves(page, inside.locator(".qdvae-curves"), "MMD", "dead spins")
    assert not serious_violations(page, ".qdvae-studio")

    page.get_by_role("tab", name="Compare").click()
    compare = page.locator(".qdvae-compare")
    compare.get_by_label("left model").select_option("one-epoch")
    compare.get_by_label("right model").select_option("tuned")
    compare.get_by_role("button", name="Compare").click()
    expect(compare.get_by_role("columnheader", name="right: tuned")).to_be_visible()
    expect(compare.locator("img")).to_have_count(2)
    assert not serious_violations(page, ".qdvae-studio")


def test_a_round_on_clothes(page, app):
    """Train on Fashion-MNIST, and generate with the model."""
    if not all(map(find_fashion, FASHION_MNIST_SHA256)):
        pytest.skip("Fashion-MNIST is not at hand: set QDVAE_DATA, or download it")
    page.goto(app[0])
    page.get_by_role("tab", name="Train").click()
    train, generate = page.locator(".qdvae-train"), page.locator(".qdvae-generate")
    train.get_by_label("data", exact=True).select_option("Fashion-MNIST: clothes")
    train.get_by_label("name to save under").fill("clothes")
    type_number(train, "latent spins", 16)
    type_number(train, "epochs", 1)
    train.get_by_role("button", name="Train", exact=True).click()
    expect(train.get_by_text("Finished: saved as clothes.")).to_be_visible()
    expect(train.get_by_text("Held-out pictures, and reconstructed, at step")).to_be_visible()
    page.get_by_role("tab", name="Generate").click()
    generate.get_by_label("model").select_option("clothes")
    expect(generate.locator("summary")).to_contain_text("16 spins, Fashion-MNIST")
    generate.get_by_role("button", name="Generate").click()
    expect(generate.get_by_text("40 pictures of clothes, seed 1")).to_be_visible()
    expect(generate.get_by_text("Their reconstructions by clothes")).to_be_visible()
    assert not serious_violations(page, ".qdvae-studio")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_useful_at_once_follows_the_preference_and_cuts_nothing(page, app, scheme):
    """Light and dark, on a phone and on a laptop: a still at first, then all of the studio."""
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(app[0], wait_until="commit")
    expect(page.locator("#qdvae-opening img")).to_be_visible(timeout=3_000 * BUSY)
    samples = page.locator(".qdvae-generate .qdvae-samples img")
    expect(samples).to_be_visible()
    red, green, blue = page.evaluate(
        "getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).map(Number)"
    )
    assert (red + green + blue > 400) == (scheme == "light")
    for size in ({"width": 390, "height": 844}, {"width": 1440, "height": 900}):
        page.set_viewport_size(size)
        for tab in ("Look inside", "Train", "Compare", "Generate"):
            page.get_by_role("tab", name=tab).click()
            assert not page.evaluate(CUT), (tab, size)
            assert not serious_violations(page, ".qdvae-studio")
    result = page.locator(".qdvae-generate .qdvae-result").bounding_box()
    controls = page.locator(".qdvae-generate .qdvae-controls").bounding_box()
    assert result["x"] >= controls["x"] + controls["width"]
    place = samples.bounding_box()
    assert place["y"] + place["height"] < 900


def test_the_studio_works_from_the_keyboard(page, app):
    """Reach the tabs and a button without a mouse, and change what is shown."""
    page.goto(app[0])
    page.get_by_role("tab", name="Look inside").click()
    page.get_by_role("tab", name="Look inside").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    generate = page.locator(".qdvae-generate")
    count = generate.get_by_label("pictures")
    count.focus()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("5")
    page.keyboard.press("Enter")
    button = generate.get_by_role("button", name="Generate")
    for _ in range(12):
        page.keyboard.press("Tab")
        if button.evaluate("b => b === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(generate.get_by_text("5 digits of qdvae-256")).to_be_visible()
