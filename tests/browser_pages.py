"""What the browser tests need around a page: servers, notebooks, and eyes for what can be seen."""

import contextlib
import functools
import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import psutil
import pytest
from playwright.sync_api import Locator, Page, expect

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM = os.environ.get("QDVAE_CHROMIUM") or shutil.which("chromium")
PATIENCE_MS = 120_000  # for a step on a busy machine; nothing is timed


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict:
    """Debian's binary; nothing that talks to the network."""
    if not CHROMIUM:
        pytest.skip("the browser tests need Chromium: apt install chromium")
    quiet = ["gpu", "quic", "background-networking", "component-update", "sync"]
    arguments = ["--no-sandbox", "--no-first-run", *(f"--disable-{name}" for name in quiet)]
    return {"executable_path": CHROMIUM, "args": arguments}


@pytest.fixture
def patience(request) -> Iterator[None]:
    """Busy machines are slow; a failure leaves its picture in ``build/browser``.

    And no page asks another host for anything.
    """
    page = request.getfixturevalue("page")
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    asked = foreign_requests(page)
    yield
    assert not asked


def is_foreign(url: str) -> bool:
    """Whether this address is one of another machine."""
    parts = urlsplit(url)
    return parts.scheme not in ("data", "blob", "about", "file") and parts.hostname != "127.0.0.1"


def foreign_requests(page: Page) -> list[str]:
    """Grows with every request to another host, of this page and of those that it opens."""
    asked = []
    page.context.on("request", lambda one: asked.append(one.url) if is_foreign(one.url) else None)
    return asked


@contextlib.contextmanager
def serving(folder: Path, at: str = "/") -> Iterator[str]:
    """The address of files behind a server of this machine; like a public host of pages, it shows
    ``404.html`` wherever there is none.

    Args:
        folder: what it serves.
        at: the path below which it does.
    """

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *said) -> None:
            pass

        def translate_path(self, path: str) -> str:
            below = path.startswith(at)
            return super().translate_path("/" + path[len(at) :] if below else "/nothing")

        def send_error(self, code, *said) -> None:
            page = folder / "404.html"
            if code != 404 or not page.is_file():
                return super().send_error(code, *said)
            self.send_response(404)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page.read_bytes())

    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}{at}".removesuffix("/")
        server.shutdown()


@contextlib.contextmanager
def served(command: list[str], folder: Path, ready: str) -> Iterator[str]:
    """The address of a server that runs while the block does; ``server.log`` has its words."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # The caller's token, budget and choices stay out: this runs before ``clean_environment`` does.
    foreign = ("DWAVE_", "QDVAE_SAMPLER", "QDVAE_QPU_", "QDVAE_RECORDINGS")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(foreign)} | {
        "QDVAE_PROFILE": "fast",
        "QDVAE_DOWNLOAD": "0",
        "QDVAE_MODELS": str(folder / "models"),
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "IPYTHONDIR": str(folder / "ipython"),
    }
    log = folder / "server.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command, f"--port={port}", "--no-browser"],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        while ready not in log.read_text():
            if process.poll() is not None:
                pytest.fail(f"the server did not start:\n{log.read_text()}")
            time.sleep(0.1)
        # Where the port was taken in the meantime, the server has gone to another one.
        while not (address := re.search(r"://[^/:\s]+:(\d+)/", log.read_text())):
            time.sleep(0.1)
        yield f"http://127.0.0.1:{address[1]}"
    finally:
        # What a busy server leaves behind, such as a kernel, would be counted by a later test.
        family = []
        with contextlib.suppress(psutil.Error):  # it may have ended by itself
            family = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=30)
        for left in (process, *family):
            with contextlib.suppress(psutil.Error, OSError):
                left.kill()
        process.wait(timeout=30)


def jupyterlab(folder: Path) -> list[str]:
    """The command for JupyterLab on a folder: it asks nothing, and all cells are in the page."""
    quiet = {
        "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
        "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
        "@jupyterlab/apputils-extension:notification": {
            "fetchNews": "false",
            "checkForUpdates": False,
        },
    }
    settings = folder / "overrides"
    settings.mkdir()
    (settings / "overrides.json").write_text(json.dumps(quiet))
    command = ["jupyterlab", "--allow-root", "--IdentityProvider.token=", "--ip=127.0.0.1"]
    return [*command, "--expose-app-in-browser", f"--LabApp.app_settings_dir={settings}"]


def lesson_cells(stem: str, *openings: str) -> list[str]:
    """Code cells of a lesson, by how they begin; the last one is its widget's."""
    path = next((ROOT / "notebooks").glob(f"{stem}_*.ipynb"))
    sources = [c.source for c in nbformat.read(path, 4).cells if c.cell_type == "code"]
    openings = (*openings, "from qdvae_helpers.widgets import")
    return [next(s for s in sources if s.startswith(opening)) for opening in openings]


# What the widget's cell of a lesson needs, without the lesson's hours of training: the shipped
# model in the place of the lesson's own, and the lesson's own functions.
PREPARE = """import torch
from qdvae_helpers.data import held_out_sample
from qdvae_helpers.graphs import densest_subgraph, ideal_graph
from qdvae_helpers.checkpoints import load_pretrained
held_out = held_out_sample(500).rounded()
model = load_pretrained("qdvae-256")
torch.manual_seed(0)"""
ALMOST_THE_LESSON = {
    "01": """from types import SimpleNamespace
codes2 = 3 * torch.randn(len(held_out.labels), 2)
mean2 = torch.randn(len(held_out.labels), 2)
spread = torch.randn(2, 256)
import matplotlib.pyplot as plt
from qdvae_helpers.plots import show
ae2 = vae2 = SimpleNamespace(
    encode=lambda images: codes2, decode=lambda codes: model.decode(torch.tanh(codes @ spread))
)""",
    "02": """from torch import nn
from qdvae_helpers.models import Decoder, Encoder, SpinDiscretiser
spin_autoencoder = nn.Sequential(Encoder(64, (32,)), SpinDiscretiser(0.5, True), Decoder(64, (32,)))
models = {"hard, tau 0.5": [spin_autoencoder]}""",
    "03": "",
    "04": """from dwave.plugins.torch.models import GraphRestrictedBoltzmannMachine
graph12 = densest_subgraph(ideal_graph(), 12)""",
    "05": "",
    "07": "from qdvae_helpers import checks",
}
BORROWED = {
    "01": ["from qdvae_helpers.plots import DIGITS"],
    "04": ["def random_machine"],
    "07": ["def my_accept_solution", "def metropolis"],
}


def write_widget_notebooks(folder: Path) -> None:
    """A short notebook for each lesson's widget."""
    for stem, preparation in ALMOST_THE_LESSON.items():
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
        sources = [PREPARE, preparation, *lesson_cells(stem, *BORROWED.get(stem, []))]
        notebook.cells = [nbformat.v4.new_code_cell(source) for source in sources]
        nbformat.write(notebook, folder / f"{stem}.ipynb")


#: The stage with its state told back: what Python hears of the page, and what it sets itself.
STAGE = """
import ipywidgets as widgets
from IPython.display import display
from qdvae_helpers.checkpoints import load_pretrained
from qdvae_helpers.data import held_out_sample
from qdvae_helpers.widgets.stage import Stage

stage = Stage(load_pretrained("qdvae-256-labels"), mode="encode")
stage.image = held_out_sample(1).rounded().images[0]
heard = widgets.HTML()
heard.add_class("heard")

def tell(change):
    spins = None if stage.spins is None else int(stage.spins.abs().sum())
    heard.value = f"mode {stage.mode}, wish {stage.wish or 'any'}, spins {spins}, "
    heard.value += f"ink {float(stage.image.sum()):.0f}"
    if stage.wish == "3":
        stage.temperature = 0.5  # from Python to the page

stage.observe(tell, ["mode", "wish", "_spins", "_drawn"])
tell(None)
display(stage, heard)
"""


def write_stage_notebook(folder: Path) -> None:
    """A notebook with the stage in it."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
    notebook.cells = [nbformat.v4.new_code_cell(STAGE)]
    nbformat.write(notebook, folder / "stage.ipynb")


def open_and_run(page: Page, lab: str, notebook: str) -> None:
    stem = notebook.split(".")[0]  # a workspace of its own, or Lab opens the last test's notebook
    page.goto(f"{lab}/lab/workspaces/{stem}/tree/{notebook}")
    page.wait_for_function(
        """() => window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status
        === 'idle'"""
    )
    failed = page.evaluate(
        """async () => {
        await jupyterapp.commands.execute('notebook:run-all-cells');
        const cells = jupyterapp.shell.currentWidget.content.model.sharedModel.cells;
        return cells.flatMap(cell => (cell.outputs ?? []).filter(o => o.output_type === 'error'));
        }"""
    )
    assert not failed, failed


def picture(part: Locator) -> str:
    """The bytes of the picture in this part of the page, in base 64."""
    return part.locator("img").get_attribute("src")


def expect_new_picture(part: Locator, former: str) -> str:
    """Wait for another picture, with alternative text worth the name."""
    shown = part.locator("img")
    expect(shown).not_to_have_attribute("src", former)
    expect(shown).to_have_attribute("alt", re.compile(".{30,}"))
    return shown.get_attribute("src")


def type_number(part: Locator, label: str, value: float) -> None:
    """Type into the numeric twin of a slider, as one does without a mouse."""
    field = part.get_by_label(label, exact=True)
    field.fill(str(value))
    field.press("Tab")


def paint(page: Page, area: Locator, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw a stroke over an area with the pointer pressed; places are shares of its size."""
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end)]
    page.mouse.move(*places[0])
    page.mouse.down()
    page.mouse.move(*places[1], steps=3)  # fewer than there are cells: a fast hand
    page.mouse.up()


def serious_violations(page: Page, part: str) -> list[str]:
    """What axe-core calls critical or serious in this part of the page."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    results = axe.Axe().run(page, context={"include": [[part]]}).response
    found = []
    for violation in results["violations"]:
        for node in violation["nodes"]:
            # A handle of an ipywidgets slider cannot be named; beside each stands a named field.
            if violation["id"] == "aria-input-field-name" and "noUi-handle" in node["html"]:
                continue
            if violation["impact"] in ("critical", "serious"):
                found.append(f"{violation['id']}: {node['html'][:200]}")
    return found


def widget(page: Page, name: str) -> Locator:
    """A lesson's widget in the page, once it is drawn."""
    part = page.locator(f".jp-OutputArea .qdvae-{name}")
    expect(part.locator(".qdvae-picture img").first).to_be_visible()
    expect_one_glance(part)
    return part


def expect_one_glance(part: Locator) -> None:
    """The result stands beside the controls, not below them, and all is lower than a laptop."""
    controls, result = (
        part.locator(f".qdvae-{half}").bounding_box() for half in ("controls", "result")
    )
    assert result["x"] >= controls["x"] + controls["width"]
    assert part.bounding_box()["height"] < 760  # of 900, below the browser's and Lab's own bars
