"""A training run in a process of its own, which every window of the studio watches and may cancel.

A page that is reloaded, or whose kernel ends, takes nothing with it.  The studios of one folder
train one model at a time.  Its process holds a lock, whose record tells the progress; a file beside
it holds the reports, some images of the prior and in the end the outcome; another one, once it is
there, asks the run to stop.  Both are removed soon after the end.  The process also stops, and
saves, when the server is gone that it was begun from, so that nothing trains unseen for ever.
"""

import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import psutil
import torch

from qdvae_helpers.errors import QdvaeError, SettingError
from qdvae_helpers.formats import read_text
from qdvae_helpers.model_store import ModelStore
from qdvae_helpers.outputs import hold, holder, replacing, writing
from qdvae_helpers.paths import ROOT
from qdvae_helpers.processes import runs, started
from qdvae_helpers.training.background import Progress, TrainingRun, TrainRequest

_LOCKED, _TOLD, _STOP = "studio-run", ".studio-run.json", ".studio-run.stop"
_BEGUN = "begun"  # what the process says when it holds the lock; anything else is an error
_LOOK_S = 0.4
_LINGER_S = 2  # all windows look within this time, unless the machine is busy
_LAST_WORD_S = 6  # so long the outcome can be read, also while windows still draw the last report
_IMAGE = (1, 28, 28)


class SharedRun:
    """The run that all studios of a folder share.

    The callbacks are called in a thread of this object, or in the thread that calls ``start``.

    Args:
        store: where models are read and saved.
        on_begin: called with the name of a run that has begun, here or in another window.
        on_progress, on_report, on_end: as of :class:`TrainingRun`.
        on_change: called when files in the store have come, gone or changed.
    """

    def __init__(
        self,
        store: ModelStore,
        *,
        on_begin: Callable[[str], None],
        on_progress: Callable[[Progress], None],
        on_report: Callable[[list[dict], torch.Tensor, torch.Tensor], None],
        on_end: Callable[[str, str], None],
        on_change: Callable[[], None],
    ) -> None:
        self.store, self.name = store, ""
        self._on_begin, self._on_progress = on_begin, on_progress
        self._on_report, self._on_end, self._on_change = on_report, on_end, on_change
        self._pid: int | None = None  # of the run that is watched
        self._told: dict = {}  # what the watched run has told, read at this time:
        self._told_at = 0
        self._files: list[tuple] = []
        self._closed = threading.Event()
        self._starting = threading.Event()

    @property
    def running(self) -> bool:
        """Whether a run is being prepared here, or is at work in whichever window."""
        return self._starting.is_set() or self.live is not None

    @property
    def live(self) -> str | None:
        """The name of the run that is at work."""
        record = holder(self._path(_LOCKED))
        return str(record.get("name", "a model")) if record else None

    def watch(self) -> None:
        """Begin to call back; returns at once."""
        threading.Thread(target=self._watch, daemon=True).start()

    def start(self, request: TrainRequest | str) -> None:
        """Begin a run, see :class:`TrainingRun`; returns at once.

        Raises:
            SettingError: one is in progress, the name is taken, or no process can be started.
        """
        if self.running:
            name = self.live or "A run"
            raise SettingError(f"{name} is in training: wait for its end, or cancel it.")
        if not isinstance(request, str):
            self.store.require_free(request.name)
        owner = _owner()
        order = {
            "folder": str(self.store.folder),
            "request": request if isinstance(request, str) else asdict(request),
            "owner": [owner.pid, started(owner.pid)],
        }
        _tidy(self.store.folder)
        self._starting.set()
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", __name__, json.dumps(order)],
                env=os.environ | {"PYTHONPATH": path},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,  # what ends a kernel goes to its whole group
            )
        except OSError as error:
            self._starting.clear()
            raise SettingError(
                f"A process for the run cannot be started here ({error}): give the command "
                "'qdvae train' in a terminal."
            ) from error
        threading.Thread(target=self._attend, args=(process,), daemon=True).start()

    def cancel(self) -> None:
        """Ask the run to save and stop after the step in progress; returns at once.

        Raises:
            OutputError: nothing can be written into the folder any more.
        """
        if self.running:
            with writing(self._path(_STOP)):
                self._path(_STOP).touch()

    def close(self) -> None:
        """Watch no longer; the run goes on."""
        self._closed.set()

    def _attend(self, process: subprocess.Popen) -> None:
        said = ""
        for line in process.stdout:
            if line.strip() == _BEGUN:
                break
            said = line.strip() or said
        else:
            self._on_end("failed", said or "The process of the run ended before it had begun.")
        self._starting.clear()
        process.wait()

    def _watch(self) -> None:
        while not self._closed.is_set():
            with contextlib.suppress(OSError):  # a file that is just being replaced: look again
                self._look()
                if (files := self._listing()) != self._files:
                    self._files = files
                    self._on_change()
            self._closed.wait(_LOOK_S)

    def _look(self) -> None:
        record = holder(self._path(_LOCKED))
        if record and record["pid"] != self._pid:
            self._pid, self._told, self.name = record["pid"], {}, str(record.get("name"))
            self._on_begin(self.name)
        if self._pid is None:
            return
        # Others may have written these files: what they say is shown if it can be.
        with contextlib.suppress(Exception):
            self._read()
        if record:
            with contextlib.suppress(Exception):
                self._on_progress(Progress(**record["progress"]))
            return
        self._pid = None
        match self._told.get("end"):
            case [str(how), str(sentence)]:
                self._on_end(how, sentence)
            case _:
                self._on_end(*self._no_last_word())
                _tidy(self.store.folder)

    def _read(self) -> None:
        """Hear what the watched run has told since the last look."""
        path = self._path(_TOLD)
        if not path.exists() or self._told_at == (at := path.stat().st_mtime_ns):
            return
        self._told_at = at
        told = json.loads(read_text(path))
        if told["pid"] == self._pid:
            self._told = told
            if history := told.get("history"):
                pairs = _unpacked(told["pairs"]).view(2, -1, *_IMAGE)
                self._on_report(history, _unpacked(told["images"]), pairs)

    def _no_last_word(self) -> tuple[str, str]:
        """How a run has ended that nobody has heard of, or heard too late on a busy machine."""
        if self.name in self.store.names():  # written last of all
            return "finished", f"Finished: saved as {self.name}."
        kept = "nothing had been saved yet"
        if self.name in self.store.unfinished():
            kept = "its last saved step can be resumed"
        return "stopped", f"The process that trained {self.name} ended without a message: {kept}."

    def _listing(self) -> list[tuple]:
        files = self.store.folder.glob("*.safetensors")
        return sorted((f.name, s.st_size, s.st_mtime_ns) for f in files for s in [f.lstat()])

    def _path(self, name: str) -> Path:
        return self.store.folder / name


def _owner() -> psutil.Process:
    """The process that this run belongs to: of a kernel the server, else this one."""
    me = psutil.Process()
    return (me.parent() or me) if "JPY_PARENT_PID" in os.environ else me


def _tidy(folder: Path) -> None:
    """Remove what a run that has ended told, and was told."""
    if not holder(folder / _LOCKED):
        for name in (_TOLD, _STOP):
            with contextlib.suppress(OSError):
                (folder / name).unlink()


def _packed(images: torch.Tensor) -> str:
    """Images in [0, 1] as text, a byte a pixel."""
    pixels = (255 * images).round().to(torch.uint8).cpu().numpy().tobytes()
    return base64.b64encode(pixels).decode()


def _unpacked(text: str) -> torch.Tensor:
    """The same images, ``(N, 1, 28, 28)``."""
    pixels = bytearray(base64.b64decode(text))
    return torch.frombuffer(pixels, dtype=torch.uint8).view(-1, *_IMAGE) / 255


def _choose_solver(store: ModelStore, request: TrainRequest | str) -> None:
    """Ask the QPU that was chosen when the run was new; this process asks no other."""
    if isinstance(request, str):
        solver = store.unfinished_header(request)["info"].get("studio", {}).get("solver")
    else:
        solver = request.solver
    if isinstance(solver, str) and solver.isprintable():  # files may say anything
        os.environ["DWAVE_API_SOLVER"] = solver


def _train(order: dict) -> None:
    """Do what :meth:`SharedRun.start` has ordered, to its end."""
    store = ModelStore(Path(order["folder"]))
    request = order["request"]
    request = request if isinstance(request, str) else TrainRequest(**request)
    told: dict = {"pid": os.getpid()}

    def tell(**more: object) -> None:
        told.update(more)
        with contextlib.suppress(OSError), replacing(store.folder / _TOLD) as file:
            file.write_text(json.dumps(told), "utf-8")

    def on_report(history: list[dict], images: torch.Tensor, pairs: torch.Tensor) -> None:
        tell(history=history, images=_packed(images), pairs=_packed(pairs))

    with contextlib.suppress(QdvaeError):  # a run without a file says so below
        _choose_solver(store, request)
    name = request if isinstance(request, str) else request.name.strip()
    with hold(store.folder / _LOCKED, name=name) as lock:
        began = time.monotonic()
        run = TrainingRun(
            store,
            request,
            on_progress=lambda progress: lock.update(progress=asdict(progress)),
            on_report=on_report,
            on_end=lambda how, sentence: tell(end=[how, sentence]),
        )
        run.start()
        with contextlib.suppress(OSError):  # the page may be gone, and its kernel
            print(_BEGUN, flush=True)
        nowhere = os.open(os.devnull, os.O_WRONLY)  # nobody reads the pipe any more
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: run.cancel())
        while run.running:
            run.join(_LOOK_S)
            if (store.folder / _STOP).exists() or not runs(*order["owner"]):
                run.cancel()
        # A run that fails at once, for want of its images for example, would be seen by nobody.
        time.sleep(max(0.0, _LINGER_S - (time.monotonic() - began)))
        # While the lock is held: afterwards it may be meant for the next run.
        with contextlib.suppress(OSError):
            (store.folder / _STOP).unlink()
    time.sleep(_LAST_WORD_S)
    with contextlib.suppress(OSError, ValueError, TypeError, LookupError):
        if json.loads(read_text(store.folder / _TOLD))["pid"] == os.getpid():
            (store.folder / _TOLD).unlink()


def main(order: str) -> int:
    """Called by ``python -m`` with an order in JSON; returns the exit status."""
    try:
        _train(json.loads(order))
    except QdvaeError as error:
        print(error, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
