"""A training run in a process of its own: seen, cancelled and resumed from two windows."""

import errno
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace

import psutil
import pytest
from small_models import same_parameters

from qdvae_helpers.errors import OutputError, SettingError
from qdvae_helpers.model_store import ModelStore
from qdvae_helpers.outputs import hold, holder
from qdvae_helpers.training import Progress, TrainingRun, TrainRequest, process
from qdvae_helpers.training.process import SharedRun

PATIENCE_S = 90  # on a busy machine; nothing is timed


class Window:
    """What one window of the studio gets to know."""

    def __init__(self, store, watch=True):
        self._news = threading.Condition()
        self.names, self.progress, self.reports, self.ends = [], [], [], []
        self.run = SharedRun(
            store,
            on_begin=self._hears(self.names),
            on_progress=self._hears(self.progress),
            on_report=self._hears(self.reports),
            on_end=self._hears(self.ends),
            on_change=lambda: None,
        )
        if watch:
            self.run.watch()

    def _hears(self, told):
        def hear(*news):
            _ = [str(one) for one in news]  # as on a page: a senseless progress fails
            with self._news:
                told.append(news)
                self._news.notify_all()

        return hear

    def wait_for(self, condition):
        with self._news:
            assert self._news.wait_for(condition, PATIENCE_S), vars(self)


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setenv("QDVAE_PROFILE", "fast")


@pytest.fixture
def store(tmp_path) -> ModelStore:
    (tmp_path / "models").mkdir()
    return ModelStore(tmp_path / "models")


@pytest.fixture
def windows(store):
    opened = [Window(store), Window(store)]
    yield opened
    opened[0].run.cancel()
    for window in opened:
        window.run.close()


def in_this_process(store, request):
    """The same run as a thread, to its end."""
    ends = []
    run = TrainingRun(
        store,
        request,
        on_progress=lambda progress: None,
        on_report=lambda *told: None,
        on_end=lambda *end: ends.append(end),
    )
    run.start()
    run.join(PATIENCE_S)
    return ends


def test_a_run_outlives_its_window_and_is_cancelled_orphaned_killed_and_resumed(
    store, windows, monkeypatch
):
    first, second = windows
    request = TrainRequest("parts", epochs=16, n_spins=16)
    first.run.start(request)
    second.wait_for(lambda: second.reports and second.progress)
    assert second.names == [("parts",)]
    assert isinstance(second.progress[-1][0], Progress)
    history, images, _ = second.reports[-1]
    assert history[-1]["step"] > 0
    assert images.shape == (20, 1, 28, 28)
    assert 0 <= images.min() < images.max() <= 1
    with pytest.raises(SettingError, match="parts is in training"):
        second.run.start(replace(request, name="another"))
    first.run.close()  # the page is gone
    second.run.cancel()
    second.wait_for(lambda: second.ends)
    stopped = "Stopped: parts keeps its last step and can be resumed."
    assert second.ends.pop() == ("cancelled", stopped)
    assert store.unfinished() == ["parts"]

    server = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with monkeypatch.context() as patch:
        patch.setattr(process, "_owner", lambda: psutil.Process(server.pid))
        second.run.start("parts")
        second.wait_for(lambda: len(second.names) == 2)
        server.communicate(b"\n")
    second.wait_for(lambda: second.ends)
    assert second.ends.pop() == ("cancelled", stopped)

    second.run.start("parts")
    second.wait_for(lambda: len(second.names) == 3)
    psutil.Process(holder(store.folder / "studio-run")["pid"]).kill()
    second.wait_for(lambda: second.ends)
    how, sentence = second.ends.pop()
    assert how == "stopped"
    assert "ended without a message: its last saved step can be resumed" in sentence
    assert second.run.live is None

    assert in_this_process(store, "parts") == [("finished", "Finished: saved as parts.")]
    assert in_this_process(store, replace(request, name="whole"))[0][0] == "finished"
    assert same_parameters(store.load("parts"), store.load("whole"))
    left = {file.name for file in store.folder.iterdir()}
    assert left == {"parts.safetensors", "whole.safetensors"}


def test_a_run_cancelled_at_its_very_start_keeps_a_step_and_leaves_no_rubbish(store, windows):
    first, second = windows
    first.run.start(TrainRequest("mine", epochs=16, n_spins=16))
    first.run.cancel()
    first.run.close()  # before the run has begun
    second.wait_for(lambda: second.ends)
    assert second.ends[0][0] == "cancelled"
    assert store.unfinished() == ["mine"]
    second.run.cancel()  # too late, and nothing
    until = time.monotonic() + PATIENCE_S
    while sorted(os.listdir(store.folder)) != ["mine.part.safetensors"]:
        assert time.monotonic() < until, os.listdir(store.folder)
        time.sleep(0.1)


def test_a_run_that_cannot_be_asked_to_stop_is_told_in_a_sentence(store, windows):
    with hold(store.folder / "studio-run", name="mine"):
        store.folder.joinpath(".studio-run.stop").symlink_to("nowhere/at/all")
        with pytest.raises(OutputError, match=r"studio-run\.stop cannot be written"):
            windows[0].run.cancel()


def test_a_name_that_is_trained_elsewhere_is_not_trained_twice(store, windows):
    with hold(store.folder / "mine.safetensors"):
        windows[0].run.start(TrainRequest("mine", n_spins=16))
        windows[0].wait_for(lambda: windows[0].ends)
    how, sentence = windows[0].ends.pop()
    assert how == "failed"
    assert "mine.safetensors is being written by process" in sentence
    assert not windows[0].run.running


def test_a_machine_without_processes_is_told_in_a_sentence(store, windows, monkeypatch):
    def refuse(*arguments, **options):
        raise OSError(errno.EAGAIN, "no more processes")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.raises(SettingError, match=r"cannot be started here .* 'qdvae train'"):
        windows[0].run.start(TrainRequest("mine", n_spins=16))
    assert not windows[0].run.running


ODD_PROGRESS = [
    {},
    {"steps": "many"},
    vars(Progress(1, 0, 0, None)),
    vars(Progress("1", 2, 3, 4.0)),
]


@pytest.mark.parametrize(
    "told",
    [
        "",
        "[" * 100_000,
        '{"pid": 0}',
        '{"pid": %d, "history": 3, "end": 4}',
        '{"pid": %d, "history": [1], "images": "AAA", "end": []}',
        '{"pid": %d, "end": [1, {}]}',
        "x" * 7_000_000,
        os.mkfifo,
        os.mkdir,
    ],
    ids=lambda told: str(told)[:60],
)
def test_what_others_write_beside_the_lock_ends_no_window(store, told):
    window = Window(store, watch=False)
    with hold(store.folder / "studio-run", name="../odd") as lock:
        pid, file = os.getpid(), store.folder / ".studio-run.json"
        told(file) if callable(told) else file.write_text(told.replace("%d", str(pid)))
        for odd in ODD_PROGRESS:
            lock.update(progress=odd)
            window.run._look()
        assert not window.progress
        lock.update(progress=vars(Progress(1, 40, 20, None)))
        window.run._look()
        assert window.progress
    window.run._look()
    assert window.ends == [
        (
            "stopped",
            "The process that trained ../odd ended without a message: nothing had been saved yet.",
        )
    ]


def test_a_run_in_a_kernel_belongs_to_the_kernels_server(monkeypatch):
    monkeypatch.delenv("JPY_PARENT_PID", raising=False)
    assert process._owner() == psutil.Process()
    monkeypatch.setenv("JPY_PARENT_PID", "1")
    assert process._owner() == psutil.Process().parent()


def test_a_run_asks_the_solver_that_was_chosen_for_it_also_when_it_is_resumed(store, monkeypatch):
    monkeypatch.setenv("DWAVE_API_SOLVER", "that of the settings")
    process._choose_solver(store, TrainRequest("usual"))
    assert os.environ["DWAVE_API_SOLVER"] == "that of the settings"
    process._choose_solver(store, TrainRequest("chosen", solver="Advantage2_test"))
    assert os.environ["DWAVE_API_SOLVER"] == "Advantage2_test"
    header = {"info": {"studio": {"solver": "Advantage2_other"}}}
    monkeypatch.setattr(ModelStore, "unfinished_header", lambda store, name: header)
    process._choose_solver(store, "chosen")
    assert os.environ["DWAVE_API_SOLVER"] == "Advantage2_other"
    header["info"]["studio"]["solver"] = 7
    process._choose_solver(store, "chosen")
    assert os.environ["DWAVE_API_SOLVER"] == "Advantage2_other"
