"""On a page a still stands for each live panel of the lessons, and no still stands about."""

import json
import re
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "docs"), str(ROOT / "tools")]

from lesson_pages import as_page, lessons  # noqa: E402
from panel_stills import PANELS, SCALE, STILLS, THEMES, panel_of, still_of  # noqa: E402
from stage_pictures import mark  # noqa: E402

MOST_OF_ONE, MOST_OF_ALL = 60_000, 700_000  # bytes


def shown_on_pages() -> dict[str, list[str]]:
    """For each panel of a lesson what the lesson's page has in its place."""
    found = {}
    for lesson in lessons():
        page = json.loads(as_page(lesson.path.read_text("utf-8"), lesson.stem))
        for cell in page["cells"]:
            source = "".join(cell["source"])
            if cell["cell_type"] == "code" and (panel := panel_of(source)):
                data = [output.get("data", {}) for output in cell["outputs"]]
                found[panel] = ["".join(d["text/html"]) for d in data if "text/html" in d]
    return found


def test_each_panel_of_a_lesson_has_its_still_on_the_page_and_each_still_is_used():
    pages = shown_on_pages()
    assert pages.keys() == PANELS.keys()
    used = set()
    for panel, (shown,) in pages.items():
        assert PANELS[panel].does in shown
        images = re.findall(r"<a [^>]*><img [^>]*>", shown)
        assert len(images) == len(THEMES)
        for theme, image in zip(THEMES, images, strict=True):
            said = dict(re.findall(r'(\w+)="([^"]*)"', image))
            assert said["class"] == f"only-{theme}"
            assert said["loading"] == "lazy"
            assert len(said["alt"]) > 60
            still = STILLS / Path(said["src"]).name
            with Image.open(still) as picture:
                told = SCALE * int(said["width"]), SCALE * int(said["height"])
                assert picture.size == pytest.approx(told, abs=1)
            used.add(still)
    assert used == set(STILLS.iterdir())


def test_stills_are_small_files():
    sizes = {path.name: path.stat().st_size for path in STILLS.iterdir()}
    assert not {name: size for name, size in sizes.items() if size > MOST_OF_ONE}
    assert 0 < sum(sizes.values()) < MOST_OF_ALL


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("panel", [name for name in PANELS if PANELS[name].model])
def test_a_still_shows_the_model_that_ships(panel, theme):
    """After `make pretrained` comes `make stills`."""
    with Image.open(still_of(panel, theme)) as still:
        assert still.info["xmp"].decode() == mark(PANELS[panel].model)


@pytest.mark.parametrize("panel", PANELS)
def test_both_themes_are_of_one_size(panel):
    light, dark = (Image.open(still_of(panel, theme)).convert("L") for theme in THEMES)
    assert light.size == dark.size
    assert light.getpixel((2, 2)) > 200 > 60 > dark.getpixel((2, 2))


def test_the_tool_runs_of_a_lesson_what_its_panel_needs():
    pytest.importorskip("playwright", reason="the tool needs a browser (extra dev)")
    import panel_pictures

    assert panel_pictures.DONE.keys() == PANELS.keys()
    alone = set()
    for panel in PANELS:
        cells = panel_pictures.up_to_the_panel(panel).cells
        assert panel_of(cells[-1].source) == panel
        if len(cells) == 2:  # the profile, and the panel
            alone.add(panel)
    assert alone == {"KernelExplorer", "LiveTraining", "Studio"}
