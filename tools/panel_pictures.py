"""Take the stills of the lessons' live panels that the site shows.

    python tools/panel_pictures.py [PANEL ...]

Runs each lesson in JupyterLab up to its panel, does there what a reader would do, and photographs
the panel in both themes, to docs/images/panels.  Needs Chromium, and playwright (extra dev); ten
minutes for all.
"""

import argparse
import ast
import builtins
import re
import sys
import tempfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import nbformat
from PIL import Image
from stage_pictures import mark

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "docs"), str(ROOT / "tests")]

from browser_pages import CHROMIUM, jupyterlab, open_and_run, served, type_number  # noqa: E402
from panel_stills import PANELS, SCALE, STILLS, THEMES, panel_of, still_of  # noqa: E402

PATIENCE_MS = 900_000  # a lesson runs
QUALITY = 80
# As wide as a column of the site: there the picture has its own size.
_FRAME = ".qdvae-panel { box-sizing: border-box; width: 860px !important; padding: 12px; }"
_PROFILE = 'import os\n\nos.environ["QDVAE_PROFILE"] = "lesson"'


def walk_the_map(part) -> None:
    """A place between two digits on the VAE's map."""
    part.get_by_label("map").select_option("VAE")
    type_number(part, "first number", 1.0)
    type_number(part, "second number", 0.5)


def flip_spins(part) -> None:
    """Six spins, one by one."""
    for spin in (9, 18, 27, 28, 36, 45):
        part.get_by_role("button", name=f"spin {spin}:").click()


def narrow_the_kernel(part) -> None:
    """A narrower kernel than the panel begins with."""
    type_number(part, "log2 of bandwidth", 0)


def choose_a_coupler(part) -> None:
    """A coupler by a click on it, and a lower temperature."""
    part.locator("circle.knot").nth(7).click()
    type_number(part, "temperature", 0.5)


def train(part) -> None:
    """One run as it is offered, to its end."""
    part.get_by_role("button", name="Train", exact=True).click()
    part.locator(".qdvae-progress", has_text="Finished").wait_for()


def walk(part) -> None:
    """At least thirty sweeps with the upper half known."""
    part.get_by_role("button", name="Walk").click()
    said = re.compile(r"^\s*([3-9]\d|\d{3,}) sweeps")
    part.locator(".qdvae-message", has_text=said).wait_for()
    part.get_by_role("button", name="Stop").click()


def wish(part) -> None:
    """Sevens of the model that has labels."""
    tab = part.locator(".qdvae-generate")
    tab.get_by_label("model").select_option("qdvae-256-labels")
    tab.get_by_label("wish").select_option("7")
    tab.get_by_role("button", name="Generate").click()
    tab.get_by_text("digits of qdvae-256-labels, wished for: 7").wait_for()


DONE: dict[str, Callable] = {
    "Inpainting": walk,
    "KernelExplorer": narrow_the_kernel,
    "LatentMap": walk_the_map,
    "LiveTraining": train,
    "QPUExplorer": choose_a_coupler,
    "SpinBoard": flip_spins,
    "Studio": wish,
}


def up_to_the_panel(panel: str) -> nbformat.NotebookNode:
    """The lesson up to this panel; of a panel that needs nothing of its lesson, its cell alone."""
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        for k, cell in enumerate(code):
            if panel_of(cell.source) == panel:
                names = [n for n in ast.walk(ast.parse(cell.source)) if isinstance(n, ast.Name)]
                own = {panel, *dir(builtins)} | {
                    n.id for n in names if isinstance(n.ctx, ast.Store)
                }
                before = code[:k] if {n.id for n in names} - own else []
                first = nbformat.v4.new_code_cell(_PROFILE)
                notebook.cells = [first, *before, cell]
                for shown in notebook.cells:
                    shown.outputs = []
                return notebook
    raise LookupError(f"no lesson shows {panel}")


def photograph(page, part, panel: str) -> None:
    """Both stills of a panel, as small files."""
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur()")
    for theme in THEMES:
        name = f"JupyterLab {theme.title()}"
        page.evaluate(
            "theme => jupyterapp.commands.execute('apputils:change-theme', {theme})", name
        )
        page.wait_for_function(
            f"document.body.dataset.jpThemeName === '{name}' && "
            "[...document.images].every(image => image.complete)"
        )
        page.wait_for_timeout(2_000)  # what glides has arrived
        with Image.open(BytesIO(part.screenshot())) as image:
            model = PANELS[panel].model
            whole = image.crop((0, 0, image.width, image.height - 3))  # below: Lab's own lines
            whole.convert("RGB").save(
                still_of(panel, theme),
                quality=QUALITY,
                method=6,
                xmp=mark(model).encode() if model else b"",
            )


def main() -> int:
    """Take them all, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("panels", nargs="*", choices=[*PANELS, []], metavar="PANEL")
    panels = parser.parse_args().panels or list(PANELS)
    from playwright.sync_api import sync_playwright

    STILLS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        for panel in panels:
            nbformat.write(up_to_the_panel(panel), Path(folder) / f"{panel}.ipynb")
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        size = {"width": 1440, "height": 1200}
        page = browser.new_page(viewport=size, device_scale_factor=SCALE)
        page.set_default_timeout(PATIENCE_MS)
        with served(jupyterlab(Path(folder)), Path(folder), "is running at") as address:
            for panel in panels:
                open_and_run(page, address, f"{panel}.ipynb")
                page.add_style_tag(content=_FRAME)
                part = page.locator(".jp-OutputArea .qdvae-panel")
                DONE[panel](part)
                photograph(page, part, panel)
                page.evaluate("jupyterapp.shell.currentWidget.sessionContext.shutdown()")
                print(panel, flush=True)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
