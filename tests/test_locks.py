"""Locks on outputs: one writer at a time, and none that outlives its process."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from qdvae_helpers import outputs
from qdvae_helpers.errors import OutputError
from qdvae_helpers.outputs import hold, holder
from qdvae_helpers.processes import machine, started

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="has no such files")
not_as_root = pytest.mark.skipif(
    hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere"
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def lock_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")


def record(**changes) -> str:
    me = os.getpid()
    said = {"format": "qdvae-lock/1", "pid": me, "started": started(me), "machine": machine()}
    return json.dumps(said | {"host": socket.gethostname()} | changes)


def test_a_lock_tells_who_holds_it_and_goes_with_its_block(tmp_path):
    path = tmp_path / "new" / "x.safetensors"
    assert holder(path) is None
    with hold(path, step=0) as held:
        told = holder(path)
        assert told["step"] == 0
        assert (told["pid"], told["host"]) == (os.getpid(), socket.gethostname())
        held.update(step=2, note="é" * 3_000)
        assert holder(path)["note"] == "é" * 3_000
        held.update(step=3, note="")
        assert holder(path)["step"] == 3
        with pytest.raises(OutputError, match=f"written by process {os.getpid()} on "), hold(path):
            pass
        assert holder(path)["step"] == 3
        with hold(path.with_name("y")):
            pass
    assert names(path.parent) == []
    with pytest.raises(ZeroDivisionError), hold(path):
        raise ZeroDivisionError
    assert names(path.parent) == []


def dead_pid() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


STALE = {
    "empty": "",
    "garbage": "\0\xff{",
    "deep": "[" * 70_000,
    "enormous": "x" * 5_000_000,
    "a list": "[]",
    "a number": "7",
    "other keys": "{}",
    "a reused number": record(started=started(os.getpid()) - 1_000),
    "a dead process": record(pid=dead_pid()),
    "own, not removed": record(),
    "of a container that is gone, in the same place": record(pid=1, machine="1", started=7),
    "huge number": record(pid=2**70),
    "negative number": record(pid=-1),
    "number as text": record(pid="1"),
    "no start": record(started=None),
    "not finite": record(started=float("nan")),
    "host is a list": record(host=[]),
    "another format": record(format="other/1", pid=1, started=started(1)),
}


def test_the_lock_of_another_container_with_our_number_is_its_own(tmp_path):
    path = tmp_path / "x"
    lock_of(path).write_text(record(host="another", machine="1"))
    with pytest.raises(OutputError, match="on another"), hold(path):
        pass


def test_a_lock_that_is_gone_is_written_no_more(tmp_path):
    with hold(tmp_path / "x") as held:
        pass
    with (tmp_path / "other").open("wb") as other:  # has the number of the lock's file
        held.update(step=1)
        assert os.fstat(other.fileno()).st_size == 0


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system keeps the date")
def test_a_clock_that_is_set_changes_no_start(monkeypatch):
    before = started(os.getpid())
    monkeypatch.setattr("psutil.Process.create_time", lambda process: 7.0)  # a date
    assert started(os.getpid()) == before


@pytest.mark.parametrize("kind", STALE)
def test_a_stale_or_senseless_lock_is_taken_over(kind, tmp_path):
    path = tmp_path / "x"
    lock_of(path).write_text(STALE[kind], encoding="latin-1")
    assert (holder(path) is None) == (not kind.startswith(("own", "of a container")))
    with hold(path, mine=True):
        assert holder(path)["mine"]
        assert lock_of(path).stat().st_size < 10_000
    assert names(tmp_path) == []


def test_a_lock_of_another_machine_lives_as_long_as_its_heart_beats(tmp_path):
    path = tmp_path / "x"
    lock_of(path).write_text(record(host="another", machine="1", pid=7))
    assert holder(path)["host"] == "another"
    with pytest.raises(OutputError, match="process 7 on another"), hold(path):
        pass
    os.utime(lock_of(path), (time.time() - 61,) * 2)
    assert holder(path) is None
    with hold(path):
        assert holder(path)["host"] == socket.gethostname()


def test_the_heart_beats(tmp_path, monkeypatch):
    monkeypatch.setattr(outputs, "_BEAT_S", 0.01)
    path = tmp_path / "x"
    with hold(path):
        os.utime(lock_of(path), (0, 0))
        deadline = time.monotonic() + 60
        while lock_of(path).stat().st_mtime == 0:
            assert time.monotonic() < deadline
            time.sleep(0.01)


@posix_only
def test_no_link_is_followed_and_no_pipe_waited_for_in_place_of_a_lock(tmp_path):
    path = tmp_path / "x"
    lock_of(path).symlink_to(tmp_path / "victim")
    with pytest.raises(OutputError), hold(path):
        pass
    assert not (tmp_path / "victim").exists()
    lock_of(path).unlink()
    os.mkfifo(lock_of(path))
    assert holder(path) is None
    with pytest.raises(OutputError, match="remove it"), hold(path):
        pass


@posix_only
@not_as_root
def test_in_a_read_only_folder_there_is_no_lock(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="permission"), hold(tmp_path / "x"):
        pass
    tmp_path.chmod(0o700)


def test_of_many_threads_that_want_a_stale_lock_one_gets_it(tmp_path):
    """In threads, since the system's locks tell them apart as they do processes."""
    path = tmp_path / "x"
    start = threading.Barrier(4)
    rounds, inside, most, refused = 25, [], [], []

    def compete() -> None:
        for _ in range(rounds):
            if start.wait() == 0:
                lock_of(path).write_text(STALE["a dead process"])
            start.wait()
            try:
                with hold(path):
                    inside.append(1)
                    most.append(len(inside))
                    start.wait()  # those who lost have come back
                    inside.pop()
            except OutputError:
                refused.append(1)
                start.wait()
            start.wait()

    threads = [threading.Thread(target=compete) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive()
    assert most == [1] * rounds
    assert len(refused) == 3 * rounds


def test_a_lock_that_was_removed_just_before_we_had_it_is_none(tmp_path, monkeypatch):
    path, lock, waited = tmp_path / "x", outputs._lock, []

    def after_its_holder(descriptor: int) -> bool | None:
        if not waited:  # it removes its lock between our opening and our locking it
            waited.append(1)
            lock_of(path).unlink()
        return lock(descriptor)

    monkeypatch.setattr(outputs, "_lock", after_its_holder)
    with hold(path):
        assert holder(path)
    assert names(tmp_path) == []


RACE = """
import sys
from qdvae_helpers.errors import OutputError
from qdvae_helpers.outputs import hold
for line in sys.stdin:
    try:
        with hold(line.strip()):
            print("won", flush=True)
            sys.stdin.readline()
    except OutputError:
        print("lost", flush=True)
        sys.stdin.readline()
    print("out", flush=True)
"""


def test_of_two_processes_that_want_a_stale_lock_exactly_one_gets_it(tmp_path):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    two = [subprocess.Popen([sys.executable, "-c", RACE], **pipes) for _ in range(2)]

    def say(line: str) -> list[str]:
        for process in two:
            process.stdin.write(line + "\n")
        return sorted(process.stdout.readline().strip() for process in two)

    try:
        for number in range(40):
            path = tmp_path / str(number)
            lock_of(path).write_text(STALE["a dead process"])
            assert say(str(path)) == ["lost", "won"]
            assert say("go on") == ["out", "out"]
    finally:
        for process in two:
            process.communicate()
    assert names(tmp_path) == []
