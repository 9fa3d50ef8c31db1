"""The stage as a person meets it: a page from a disk, in Debian's Chromium."""

import json
import re

import pytest
from safetensors.torch import load, save

pytest.importorskip("playwright", reason="the browser tests need pytest-playwright (extra dev)")
from browser_pages import browser_type_launch_args, patience, serious_violations  # noqa: F401
from playwright.sync_api import expect
from stage_pages import address, opened, shipped, small  # noqa: F401

from qdvae_helpers.widgets.stage import stage_bytes, stage_page

pytestmark = pytest.mark.usefixtures("patience")


def test_each_mode_shows_something_and_axe_is_content(opened):
    page = opened("shipped")
    for mode, words in {
        "Watch": "",
        "Encode": "Draw on the left",
        "Steer": "Click qubits to hold them",
        "Compare": "couplings taken away",
    }.items():
        page.get_by_role("button", name=mode, exact=True).click()
        expect(page.get_by_role("button", name=mode, exact=True)).to_have_attribute(
            "aria-pressed", "true"
        )
        expect(page.locator(".qs-say")).to_contain_text(words)
        assert not serious_violations(page, ".qs"), mode


def test_new_pictures_stream_by_themselves(page, address):
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address("shipped"))
    page.wait_for_function("document.querySelector('#stage')?.stage?.past.length >= 3")
    page.wait_for_function("document.querySelector('#stage').stage.phase === 'rest'")
    expect(page.locator(".qs-say")).to_contain_text("a new digit")
    assert not errors


def test_a_drawn_line_becomes_spins_and_a_picture(opened):
    page = opened("shipped")
    page.get_by_role("button", name="Encode", exact=True).click()
    page.get_by_role("button", name="Empty picture").click()
    box = page.locator(".qs-in canvas").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"]
    page.mouse.move(x, y + box["height"] * 0.2)
    page.mouse.down()
    page.mouse.move(x, y + box["height"] * 0.8, steps=8)
    page.mouse.up()
    ink = page.evaluate(
        """() => {
        const { stage } = document.querySelector('#stage');
        return [stage.image, stage.output].map((v) => v.reduce((sum, one) => sum + one, 0));
        }"""
    )
    assert 20 < ink[0] < 120
    assert 10 < ink[1] < 200  # a stroke, neither nothing nor a blot
    expect(page.locator(".qs-loss").first).to_contain_text(re.compile(r"\d+ nats"))


def test_a_stage_at_rest_tells_of_the_spins_of_each_picture(opened):
    page = opened("shipped")
    told = page.evaluate(
        """() => {
        const { stage } = document.querySelector('#stage');
        stage.enter("encode");
        stage.set("playing", false);
        const told = [];
        stage.on("spins", (spins) => told.push(spins.join()));
        stage.model.examples.slice(0, 2).forEach((example) => stage.setImage(example, false));
        return [told, stage.chain.spins.join()];
        }"""
    )
    assert len(told[0]) == 2
    assert told[0][0] != told[0][1] == told[1]


def test_a_qubit_is_held_and_freed_by_the_keyboard(opened):
    page = opened("shipped")
    page.get_by_role("button", name="Steer", exact=True).click()
    page.locator(".qs-chip canvas").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".qs-say")).to_contain_text(re.compile(r"Qubit \d+: spin [+−]1; bias"))
    page.keyboard.press("Enter")
    expect(page.locator(".qs-say")).to_contain_text("held")
    held = "Array.from(document.querySelector('#stage').stage.chain.held).reduce((a, b) => a + b)"
    assert page.evaluate(held) == 1
    before = page.evaluate(
        """() => {
        const { stage } = document.querySelector('#stage');
        const i = stage.chain.held.indexOf(1);
        const before = stage.chain.spins[i];
        for (let k = 0; k < 50; k++) stage.chain.sweep(0.1);
        return before === stage.chain.spins[i];
        }"""
    )
    assert before
    page.keyboard.press("Enter")
    assert page.evaluate(held) == 0


def test_a_wish_and_the_couplings_can_be_set(opened):
    page = opened("shipped")
    page.get_by_label("wish").select_option("3")
    page.get_by_role("button", name="couplings").click()
    found = page.evaluate(
        """() => {
        const { stage } = document.querySelector('#stage');
        return [stage.model.prior.names[stage.chain.y], stage.chain.coupled];
        }"""
    )
    assert found == ["3", False]


def test_who_wants_no_motion_gets_none(browser, address):
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    page.goto(address("shipped"))
    page.wait_for_function("document.querySelector('#stage')?.stage")
    assert page.evaluate("document.querySelector('#stage').stage.state.playing") is False
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_it_whole_in_either_theme(scheme, browser, address):
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, color_scheme=scheme, is_mobile=True, has_touch=True
    )
    page = context.new_page()
    page.goto(address("shipped"))
    page.wait_for_function("document.querySelector('#stage')?.stage")
    for mode in ("Watch", "Encode", "Steer", "Compare"):
        page.get_by_role("button", name=mode, exact=True).tap()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, mode
    assert page.evaluate("document.querySelector('.qs').classList.contains('dark')") is (
        scheme == "dark"
    )
    context.close()


def changed(content: bytes, **tensors) -> bytes:
    """A stage file with other tensors; None takes one out."""
    length = int.from_bytes(content[:8], "little")
    text = json.loads(content[8 : 8 + length])["__metadata__"]
    parts = load(content) | tensors
    return save({k: v for k, v in parts.items() if v is not None}, metadata=text)


def test_a_broken_file_is_said_to_be_broken(page, tmp_path, small):
    whole = stage_bytes(small)
    parts = load(whole)
    broken = {
        "is too short": b"abc",
        "header is longer than the file": b"\xff" * 64,
        "header cannot be read": b"\x02" + bytes(7) + b"{}",
        "is cut off": whole[:-100],
        "unknown type": changed(whole, linear=parts["linear"].double()),
        "it has no qubits": changed(whole, linear=None),
        "places does not fit 16 qubits": changed(whole, places=parts["places"][:5].clone()),
        "its couplers do not fit": changed(whole, edges=parts["edges"] + 3),
        "its order of qubits is none": changed(whole, order=parts["order"] // 2),
        "biases and shares of classes": changed(whole, shares=parts["shares"][:2].clone()),
        "layer 1 of the decoder does not fit": changed(whole, **{"decoder.1.bias": None}),
        "the encoder ends in 24 numbers": changed(whole, **{"encoder.2.weight": None}),
        "its pictures do not fit": changed(whole, examples=parts["examples"][:3].clone()),
    }
    for says, content in broken.items():
        path = tmp_path / "broken.html"
        path.write_text(stage_page(content), encoding="utf-8")
        page.goto(path.as_uri())
        expect(page.locator("#stage")).to_contain_text("The model cannot be shown")
        expect(page.locator("#stage")).to_contain_text(says)


def test_a_click_in_the_stream_holds_what_is_seen(opened):
    """The string that is shown stays, but for the spin that was turned round."""
    page = opened("shipped")
    found = page.evaluate(
        """() => {
        const { stage } = document.querySelector('#stage');
        const [before, y] = [stage.chain.spins.slice(), stage.chain.y];
        stage.press(17);
        const changed = [...before.keys()].filter((i) => before[i] !== stage.chain.spins[i]);
        return [stage.state.mode, changed, stage.chain.held.indexOf(1), stage.chain.y === y];
        }"""
    )
    assert found == ["steer", [17], 17, True]


def test_a_frame_has_the_theme_of_its_site(browser, address):
    """Light within a dark system, and the other way round."""
    for scheme, theme in (("dark", "light"), ("light", "dark")):
        context = browser.new_context(color_scheme=scheme)
        page = context.new_page()
        page.goto(f"{address('shipped')}#{theme}")
        page.wait_for_function("document.querySelector('#stage')?.stage")
        dark = "document.querySelector('.qs').classList.contains('dark')"
        page.wait_for_function(f"{dark} === {str(theme == 'dark').lower()}")
        context.close()
