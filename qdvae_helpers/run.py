"""Execute lessons without a browser: ``python -m qdvae_helpers.run [NOTEBOOK ...]``.

Everything a notebook prints appears while it runs; the executed notebooks and their last figure
land in ``build/``.  With ``--store`` the outputs are also stored in ``notebooks/``, which is how
the committed outputs are made, and figures of cells tagged ``gallery`` in ``docs/images/``.
"""

import argparse
import base64
import hashlib
import json
import os
import shutil
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from qdvae_helpers.data import load_images
from qdvae_helpers.errors import QdvaeError
from qdvae_helpers.files import replacing
from qdvae_helpers.profiles import PROFILES, current_profile

_ROOT = Path(__file__).resolve().parent.parent
_WIDGET = "application/vnd.jupyter.widget-view+json"
_CELL_TIMEOUT_S = 3 * 3600


class _EchoingClient(NotebookClient):
    """A client that shows a cell's text while it is printed."""

    def process_message(self, msg, cell, cell_index):
        if msg["msg_type"] == "stream":
            print(msg["content"]["text"], end="", flush=True)
        return super().process_message(msg, cell, cell_index)


def source_hash(notebook: nbformat.NotebookNode) -> str:
    """A hash of what outputs depend on, stored with them, so that a test notices stale ones.

    It covers the notebook's code, the lesson profile, and the models that ship.  The helpers are
    left out: most changes there change no output; so is Colab's set-up cell, which does nothing
    here and changes with every release.
    """
    content = [
        cell.source
        for cell in notebook.cells
        if cell.cell_type == "code" and "launch" not in cell.metadata.get("tags", [])
    ]
    content.append(repr(PROFILES["lesson"]))
    for model in sorted((_ROOT / "data" / "pretrained").glob("*.safetensors")):
        content.append(hashlib.sha256(model.read_bytes()).hexdigest())
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def execute(path: Path, build: Path, *, store: bool) -> None:
    """Run one notebook from a fresh kernel; write what came out even where a cell failed.

    Raises:
        CellExecutionError: a cell raised; its traceback is in the message.
    """
    notebook = nbformat.read(path, as_version=4)
    client = _EchoingClient(
        notebook,
        timeout=_CELL_TIMEOUT_S,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
    )
    try:
        client.execute()
    finally:
        _tidy(notebook)
        _write(notebook, build / path.name)
    _write_figure(notebook.cells, build / f"{path.stem}.png")
    if store:
        gallery = [c for c in notebook.cells if "gallery" in c.metadata.get("tags", [])]
        _write_figure(gallery, _ROOT / "docs" / "images" / f"{path.stem}.png")
        notebook.metadata["qdvae"] = {
            "profile": current_profile().name,
            "source_hash": source_hash(notebook),
        }
        _write(notebook, path)


def _write(notebook: nbformat.NotebookNode, path: Path) -> None:
    with replacing(path) as written:
        nbformat.write(notebook, written)


def _tidy(notebook: nbformat.NotebookNode) -> None:
    """Drop live widgets (a progress bar cannot be stored) and join what was printed in pieces."""
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        kept = []
        for output in cell.outputs:
            if _WIDGET in output.get("data", {}):
                continue
            last = kept[-1] if kept else {}
            if output.output_type == "stream" and last.get("name") == output.name:
                last.text += output.text
            else:
                kept.append(output)
        cell.outputs = kept


def _write_figure(cells: list[nbformat.NotebookNode], path: Path) -> None:
    """The last figure in these cells, as a file; nothing where there is none."""
    for cell in reversed(cells):
        for output in reversed(cell.get("outputs", [])):
            if png := output.get("data", {}).get("image/png"):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(base64.b64decode(png))
                return


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m qdvae_helpers.run", description=__doc__)
    parser.add_argument("notebooks", nargs="*", help="names or paths; all lessons if left out")
    parser.add_argument("--store", action="store_true", help="also store outputs in notebooks/")
    parser.add_argument("--build", type=Path, default=Path("build"), help="folder for results")
    options = parser.parse_args(arguments)

    lessons = {path.stem: path for path in sorted((_ROOT / "notebooks").glob("*.ipynb"))}
    chosen = [Path(name).stem for name in options.notebooks] or list(lessons)
    if unknown := [name for name in chosen if name not in lessons]:
        parser.error(f"no such lesson: {', '.join(unknown)}; there are {', '.join(lessons)}")
    try:
        profile = current_profile()
        source = load_images("mnist", "test", limit=1).source
    except QdvaeError as error:
        print(error, file=sys.stderr)
        return 1
    if options.store and (profile.name != "lesson" or not source.startswith("MNIST")):
        parser.error("stored outputs must come from the lesson profile on real MNIST")

    models = None
    if not os.environ.get("QDVAE_MODELS"):
        # Lessons save their models beside the results, and start without those of an earlier run.
        models = options.build.resolve() / "run-models"
        shutil.rmtree(models, ignore_errors=True)
        os.environ["QDVAE_MODELS"] = str(models)
    for name in chosen:
        if options.store and models is not None:
            # What is stored must not depend on the lessons that ran before.
            shutil.rmtree(models, ignore_errors=True)
        print(f"--- {name} (profile {profile.name})", flush=True)
        began = time.perf_counter()
        try:
            execute(lessons[name], options.build, store=options.store)
        except CellExecutionError as error:
            print(f"{error}\nFailed: see {options.build / f'{name}.ipynb'}", file=sys.stderr)
            return 1
        except (CellTimeoutError, DeadKernelError):
            remedy = "close other programs, or set QDVAE_PROFILE=fast"
            print(f"The kernel died or hung, often for want of memory: {remedy}.", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print(f"\nStopped in {name}; what it reached is in {options.build}.", file=sys.stderr)
            return 130
        print(f"--- {name} took {time.perf_counter() - began:.0f} s", flush=True)
    print(
        "\nExecuted notebooks:", *(options.build / f"{name}.ipynb" for name in chosen), sep="\n  "
    )
    pictures = [p for name in chosen if (p := options.build / f"{name}.png").exists()]
    print("Pictures:", *pictures, sep="\n  ")
    return 0


if __name__ == "__main__":
    sys.exit(main())
