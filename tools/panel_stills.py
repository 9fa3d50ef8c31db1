"""Photograph the live panels of the lessons, for the site, where none can run.

    python tools/panel_stills.py [NAME ...]

Opens the lessons in JupyterLab and Chromium, as far as each panel, and writes
``docs/images/panel-NAME-light.png`` and ``-dark.png``; after a change of a panel.  Lessons 01 and
02 train first, in the profile ``lesson``, so all of it takes some minutes.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import nbformat
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from qdvae_helpers.paths import ROOT

sys.path.insert(0, str(ROOT / "tests"))

from browser_pages import CHROMIUM, PATIENCE_MS, open_and_run, served

IMAGES = ROOT / "docs" / "images"
#: The lesson of each panel, the class of its outermost element, and what its cell needs where that
#: is less than all cells above.
PANELS = {
    "LatentMap": ("01", "latent-map", None),
    "SpinBoard": ("02", "spin-board", None),
    "KernelExplorer": ("03", "kernel", ""),
    "QPUExplorer": ("04", "qpu", None),
    "LiveTraining": ("05", "live", ""),
    "Inpainting": ("07", "inpainting", None),
    "Studio": ("12", "studio", ""),
}
QUIET = {
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
    },
}


def notebook_of(name: str) -> nbformat.NotebookNode:
    """The lesson as far as the panel, or only what the panel needs."""
    lesson, _, needs = PANELS[name]
    (path,) = (ROOT / "notebooks").glob(f"{lesson}_*.ipynb")
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    at = next(k for k, cell in enumerate(code) if f"import {name}" in cell.source)
    cells = code[: at + 1] if needs is None else code[at : at + 1]
    notebook.cells = [nbformat.v4.new_code_cell(cell.source) for cell in cells]
    return notebook


def small(path: Path) -> None:
    """The picture with a palette: a third of the size, and it looks the same."""
    with Image.open(path) as image:
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def main() -> int:
    """Photograph the panels that were asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("panels", nargs="*", choices=[[], *PANELS], metavar="NAME")
    names = parser.parse_args().panels or list(PANELS)
    with tempfile.TemporaryDirectory() as place, sync_playwright() as play:
        folder = Path(place)
        (folder / "settings-of-lab").mkdir()
        (folder / "settings-of-lab" / "overrides.json").write_text(json.dumps(QUIET))
        for name in names:
            nbformat.write(notebook_of(name), folder / f"{name}.ipynb")
        command = ["jupyterlab", "--allow-root", "--IdentityProvider.token=", "--ip=127.0.0.1"]
        command += ["--expose-app-in-browser"]
        command += [f"--LabApp.app_settings_dir={folder / 'settings-of-lab'}"]
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        with served(command, folder, "is running at", profile="lesson") as lab:
            for name in names:
                page = browser.new_page(
                    viewport={"width": 1440, "height": 1000}, device_scale_factor=2
                )
                page.set_default_timeout(5 * PATIENCE_MS)
                open_and_run(page, lab, f"{name}.ipynb")
                page.evaluate("jupyterapp.commands.execute('application:toggle-left-area')")
                panel = page.locator(f".jp-OutputArea .qdvae-{PANELS[name][1]}").first
                panel.wait_for()
                if name == "LiveTraining":  # it has nothing to show before its run
                    train = panel.get_by_role("button", name="Train", exact=True)
                    train.click()
                    expect(train).to_be_disabled()
                    expect(train).to_be_enabled(timeout=5 * PATIENCE_MS)
                page.wait_for_timeout(4_000)  # pictures that are made in a thread
                for theme in ("light", "dark"):
                    wanted = json.dumps({"theme": f"JupyterLab {theme.title()}"})
                    page.evaluate(f"jupyterapp.commands.execute('apputils:change-theme', {wanted})")
                    page.wait_for_timeout(1_500)
                    path = IMAGES / f"panel-{name}-{theme}.png"
                    panel.screenshot(path=path)
                    small(path)
                    print(path.relative_to(ROOT), f"{path.stat().st_size / 1e3:.0f} kB", flush=True)
                page.evaluate("jupyterapp.shell.currentWidget.sessionContext.shutdown()")
                page.close()
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
