"""Execute lessons without a browser; what they print appears while they run.

The executed notebooks and the last figure of each land in build/.  The environment variable
QDVAE_PROFILE says how much work they do.  With --store the outputs go into notebooks/, too, and
figures of cells tagged "gallery" into docs/images/.
"""

import argparse
import asyncio
import base64
import contextlib
import hashlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from qdvae_helpers.errors import OutputError
from qdvae_helpers.outputs import hold, replacing, require_output
from qdvae_helpers.paths import DATA, ROOT
from qdvae_helpers.profiles import PROFILES, current_profile

_WIDGET = "application/vnd.jupyter.widget-view+json"
_CELL_TIMEOUT_S = 3 * 3600
_WRONG_USE, _INTERRUPTED = 2, 130  # exit statuses


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    which = "names, their beginnings, or paths; default: all"
    parser.add_argument("lessons", nargs="*", type=_lesson, metavar="LESSON", help=which)
    output = parser.add_argument_group("output")
    build = "folder for results; default: build"
    output.add_argument("--build", type=Path, default=Path("build"), help=build)
    output.add_argument("--store", action="store_true", help="also store outputs in notebooks/")
    foreign = "replace files that are there, whatever they are"
    output.add_argument("--overwrite", action="store_true", help=foreign)


def lessons() -> dict[str, Path]:
    """The notebooks by name, in order."""
    return {path.stem: path for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}


def _lesson(text: str) -> str:
    name = Path(text).stem
    meant = [lesson for lesson in lessons() if name and lesson.startswith(name)]
    if name in meant or len(meant) == 1:
        return name if name in meant else meant[0]
    if meant:
        raise argparse.ArgumentTypeError(f"{name!r} may be {' or '.join(meant)}")
    raise argparse.ArgumentTypeError(f"no lesson {name!r}; there are {', '.join(lessons())}")


class _Client(NotebookClient):
    """A client that runs this very Python and shows a cell's text while it is printed."""

    def create_kernel_manager(self):
        # A user may have a kernel "python3" of another Python in a folder that is searched.
        manager = super().create_kernel_manager()
        manager.kernel_spec_manager.kernel_dirs = []
        manager.kernel_spec_manager.ensure_native_kernel = True
        return manager

    stopped = False  #: by a signal, in order

    @contextlib.asynccontextmanager
    async def async_setup_kernel(self, **options) -> AsyncIterator[None]:
        # nbclient's own handlers end the kernel, then find it dead, and stay for good.
        task, loop = asyncio.current_task(), asyncio.get_running_loop()

        def stop() -> None:
            self.stopped = True
            task.cancel()

        names = ("SIGINT", "SIGTERM", "SIGHUP")
        numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
        before = {number: signal.getsignal(number) for number in numbers}
        try:
            async with super().async_setup_kernel(**options):
                for number in numbers:
                    # Windows has no such handlers, nor has a thread.
                    with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                        loop.add_signal_handler(number, stop)
                yield
        finally:
            for number, handler in before.items():
                with contextlib.suppress(NotImplementedError, ValueError, TypeError):
                    if loop.remove_signal_handler(number):
                        signal.signal(number, handler)

    def process_message(self, msg, cell, cell_index):
        if msg["msg_type"] == "stream":
            print(msg["content"]["text"], end="", flush=True)
        return super().process_message(msg, cell, cell_index)


def source_hash(notebook: nbformat.NotebookNode) -> str:
    """A hash of the code, profile and shipped models behind outputs: a test finds stale ones.

    Helpers are left out, since most changes there change no output, and so is Colab's set-up cell,
    which does nothing here and changes with every release.
    """
    content = [
        cell.source
        for cell in notebook.cells
        if cell.cell_type == "code" and "launch" not in cell.metadata.get("tags", [])
    ]
    models = sorted((DATA / "pretrained").glob("*.safetensors"))
    content += [repr(PROFILES["lesson"])]
    content += [hashlib.sha256(model.read_bytes()).hexdigest() for model in models]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def execute(path: Path, build: Path, *, store: bool, models: Path | None = None) -> None:
    """Run one notebook from a fresh kernel; write what came out even where a cell failed.

    The executed notebook and its last figure go to ``build``, with ``store`` the outputs into the
    notebook itself, too; its models to the folder ``models`` or, if left out, ``QDVAE_MODELS``.

    Raises:
        CellExecutionError: a cell raised; its traceback is in the message.
        OutputError: something cannot be written, or the notebook was changed while it ran.
    """
    before = path.read_bytes()
    notebook = nbformat.reads(before.decode(), as_version=4)
    client = _Client(
        notebook,
        timeout=_CELL_TIMEOUT_S,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
    )
    environment = os.environ | ({"QDVAE_MODELS": str(models)} if models else {})
    try:
        client.execute(env=environment)
    except (DeadKernelError, asyncio.CancelledError):
        if client.stopped:
            raise KeyboardInterrupt from None
        raise
    finally:
        _tidy(notebook)
        _write(notebook, build / path.name)
    _write_figure(notebook.cells, build / f"{path.stem}.png")
    if store:
        if path.read_bytes() != before:
            raise OutputError(
                f"{path.name} was changed while it ran, so it is left as it is: run it again. Its "
                f"outputs are in {build / path.name}."
            )
        gallery = [c for c in notebook.cells if "gallery" in c.metadata.get("tags", [])]
        _write_figure(gallery, ROOT / "docs" / "images" / f"{path.stem}.png")
        made_by = {"profile": current_profile().name, "source_hash": source_hash(notebook)}
        notebook.metadata["qdvae"] = made_by
        _write(notebook, path)


def _write(notebook: nbformat.NotebookNode, path: Path) -> None:
    with replacing(path) as written:
        nbformat.write(notebook, written)


def _tidy(notebook: nbformat.NotebookNode) -> None:
    """Drop live widgets (a progress bar cannot be stored) and join what was printed in pieces."""
    notebook.metadata.pop("widgets", None)
    for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
        kept = []
        for output in cell.outputs:
            last = kept[-1] if kept else {}
            if output.output_type == "stream" and last.get("name") == output.name:
                last.text += output.text
            elif _WIDGET not in output.get("data", {}):
                kept.append(output)
        cell.outputs = kept


def _write_figure(cells: list[nbformat.NotebookNode], path: Path) -> None:
    """The last figure in these cells, as a file; nothing where there is none."""
    for cell in reversed(cells):
        for output in reversed(cell.get("outputs", [])):
            if png := output.get("data", {}).get("image/png"):
                with replacing(path) as written:
                    written.write_bytes(base64.b64decode(png))
                return


def run(options: argparse.Namespace) -> int:
    """Run the chosen lessons, one after the other, up to the first that fails.

    Raises:
        SettingError: the environment names a profile that does not exist.
        OutputError: a result cannot be written, or another ``run`` uses this folder.
    """
    profile = current_profile()
    if options.store and profile.name != "lesson":
        wanted = "stored outputs must come from the profile lesson"
        print(f"QDVAE_PROFILE={profile.name}: {wanted}, unset it.", file=sys.stderr)
        return _WRONG_USE
    paths = lessons()
    chosen = options.lessons or list(paths)
    # Where lessons save their models: beside the results, unless a folder is set.
    models = None if os.environ.get("QDVAE_MODELS") else options.build.resolve() / "run-models"
    with hold(options.build / "lessons"):
        for name in chosen:
            _require_outputs(paths[name], options)
        if models and not options.overwrite:
            _require_only_models(models)
        if status := _execute_all({name: paths[name] for name in chosen}, options, models):
            return status
    executed = [options.build / f"{name}.ipynb" for name in chosen]
    print("\nExecuted notebooks:", *executed, sep="\n  ")
    print("Pictures:", *filter(Path.exists, (p.with_suffix(".png") for p in executed)), sep="\n  ")
    return 0


def _require_outputs(path: Path, options: argparse.Namespace) -> None:
    build, overwrite = options.build, options.overwrite
    result = build / path.name
    if result.exists() and result.samefile(path):
        raise OutputError(f"--build {build} is where lessons lie: name another folder.")
    require_output(result, overwrite=overwrite, ours=_is_notebook)
    require_output(result.with_suffix(".png"), overwrite=overwrite, ours=_is_picture)
    if options.store:
        require_output(path, overwrite=True)


def _require_only_models(folder: Path) -> None:
    """The folder is emptied before lessons run: what does not come from them must not be in it."""
    for file in folder.rglob("*"):
        if file.is_file() and file.suffix not in (".safetensors", ".png"):
            raise OutputError(
                f"{file} would be removed, since lessons start without old models: move it away, "
                "or give --overwrite."
            )


def _is_picture(path: Path) -> bool:
    return path.read_bytes().startswith(b"\x89PNG")


def _is_notebook(path: Path) -> bool:
    try:
        return "cells" in json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, TypeError, RecursionError):
        return False


def _execute_all(paths: dict[str, Path], options: argparse.Namespace, models: Path | None) -> int:
    """Run these lessons up to the first that fails; returns the exit status."""
    profile = current_profile()
    for number, name in enumerate(paths):
        if models and (options.store or number == 0):
            # No model of an earlier run; and what is stored does not depend on earlier lessons.
            shutil.rmtree(models, ignore_errors=True)
        print(f"--- {name} (profile {profile.name})", flush=True)
        began = time.perf_counter()
        try:
            execute(paths[name], options.build, store=options.store, models=models)
        except CellExecutionError as error:
            print(f"{error}\nFailed: see {options.build / f'{name}.ipynb'}", file=sys.stderr)
            return 1
        except (CellTimeoutError, DeadKernelError):
            remedy = "close other programs, or set QDVAE_PROFILE=fast"
            print(f"The kernel died or hung, often for want of memory: {remedy}.", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print(f"\nStopped in {name}; what it reached is in {options.build}.", file=sys.stderr)
            return _INTERRUPTED
        print(f"--- {name} took {time.perf_counter() - began:.0f} s", flush=True)
    return 0
