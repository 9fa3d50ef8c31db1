"""Outputs: tried before work is done, locked against a second writer, never half there."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from qdvae_helpers.errors import OutputError, QdvaeError
from qdvae_helpers.outputs import clean_leftovers, hold, replacing, require_output
from qdvae_helpers.processes import machine, started

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="has no such files")
not_as_root = pytest.mark.skipif(
    hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere"
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# Trying ------------------------------------------------------------------------------------------


def test_a_good_output_is_tried_without_a_trace(tmp_path):
    require_output(tmp_path / "new" / "deep" / "x.bin", need_bytes=3_000_000)
    assert names(tmp_path / "new" / "deep") == []


@pytest.mark.parametrize(
    ("output", "noun"),
    [
        ("", "is a folder or empty"),
        (".", "is a folder or empty"),
        ("/", "is a folder or empty"),
        ("..", "is a folder or empty"),
        ("folder", "it is a folder"),
        ("folder/..", "is a folder or empty"),
        ("nowhere/../x", "folder does not exist"),
        ("file/x", "a file stands where a folder should be"),
        ("file/x/y", "a file stands where a folder should be"),
        ("n" * 300, "name is too long"),
        ("folder/" + "n" * 250, "name is too long"),  # with the ending of its lock
        ("a\0b", "null"),
        pytest.param("/dev/null", "special file", marks=posix_only),
        pytest.param("pipe", "special file", marks=posix_only),
        pytest.param("nowhere-link", "link that leads nowhere", marks=posix_only),
        pytest.param("circle", "circle", marks=posix_only),
        pytest.param("/proc/x", "folder", marks=posix_only),
        pytest.param("read-only/x", "permission", marks=[posix_only, not_as_root]),
    ],
)
def test_what_cannot_be_written_is_refused_with_its_cause(output, noun, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("file").write_text("mine")
    if sys.platform != "win32":
        os.mkfifo("pipe")
        Path("nowhere-link").symlink_to("absent")
        Path("circle").symlink_to("circle")
        Path("read-only").mkdir(mode=0o500)
    before = names(tmp_path)

    def both() -> None:
        require_output(output, overwrite=True)
        with hold(output):
            pass

    with pytest.raises(OutputError, match=noun) as refused:
        both()
    assert isinstance(refused.value, QdvaeError)
    assert str(refused.value).count("\n") == 0
    assert names(tmp_path) == before
    assert names(tmp_path / "folder") == []


def test_a_foreign_file_is_replaced_only_where_that_is_asked_for(tmp_path):
    path = tmp_path / "x.json"
    path.write_text("{}")
    with pytest.raises(OutputError, match="give --overwrite"):
        require_output(path)
    with pytest.raises(OutputError, match="there already"):
        require_output(path, ours=lambda file: file.read_text() == "ours")
    require_output(path, overwrite=True)
    require_output(path, ours=lambda file: file.read_text() == "{}")
    assert path.read_text() == "{}"


@not_as_root
def test_a_write_protected_file_is_refused(tmp_path):
    path = tmp_path / "x"
    path.touch(mode=0o400)
    with pytest.raises(OutputError, match="write-protected"):
        require_output(path, overwrite=True)


def test_an_ending_is_asked_for(tmp_path):
    require_output(tmp_path / "run.1.safetensors", suffix=".safetensors")
    for name in ("run.1", "x.SAFETENSORS", ".safetensors"):
        with pytest.raises(OutputError, match=r"ends in \.safetensors"):
            require_output(tmp_path / name, suffix=".safetensors")


# Writing -----------------------------------------------------------------------------------------


def test_a_full_disk_is_said_before_and_loses_nothing_while_writing(small_disk):
    path = small_disk / "x.bin"
    with replacing(path) as written:
        written.write_bytes(b"old")
    with pytest.raises(OutputError, match="the disk is full"):
        require_output(path, overwrite=True, need_bytes=40_000_000)

    def too_large() -> None:
        with replacing(path) as written:
            written.write_bytes(bytes(40_000_000))

    with pytest.raises(OutputError, match=r"x\.bin cannot be written: the disk is full"):
        too_large()
    assert path.read_bytes() == b"old"
    (small_disk / "rest").write_bytes(bytes(psutil.disk_usage(str(small_disk)).free))
    with pytest.raises(OutputError, match="the disk is full"), hold(path):
        pass
    assert names(small_disk) == ["rest", "x.bin"]


@posix_only
def test_a_limit_on_the_size_of_files_is_named(tmp_path):
    code = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
    code += "from qdvae_helpers.outputs import require_output\n"
    code += f"require_output({str(tmp_path / 'x')!r}, need_bytes=20_000)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "so large a file is not allowed" in done.stderr
    assert names(tmp_path) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_whatever_the_system_says_the_old_file_stays(number, tmp_path):
    path = tmp_path / "x"
    path.write_text("old")

    def half() -> None:
        with replacing(path) as written:
            written.write_text("half")
            raise OSError(number, os.strerror(number))

    with pytest.raises(OutputError, match=f"{path.name} cannot be written"):
        half()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["x"]


def test_what_was_written_is_on_the_disk_before_it_takes_the_place(tmp_path, monkeypatch):
    done = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (done.append("sync"), fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda *pair: (done.append("replace"), replace(*pair)))
    with replacing(tmp_path / "x") as written:
        written.write_text("new")
    assert done[:2] == ["sync", "replace"]


@posix_only
def test_a_link_is_written_through(tmp_path):
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    require_output(link, overwrite=True)
    with hold(link), pytest.raises(OutputError, match="being written"), hold(target):
        pass
    with replacing(link) as written:
        written.write_text("new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_a_file_is_as_readable_as_any_new_file(tmp_path):
    (tmp_path / "plain").touch()
    with replacing(tmp_path / "x") as written:
        written.touch(mode=0o600)
    assert (tmp_path / "x").stat().st_mode == (tmp_path / "plain").stat().st_mode


@posix_only
@pytest.mark.parametrize(
    "name", ["pipe", "device-link", "nowhere-link", "circle", "folder", "a\0b", "n" * 300, ""]
)
def test_what_is_no_file_is_never_replaced(name, tmp_path, monkeypatch):
    """As root a device, too, could be replaced by a file, for the whole machine."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    Path("folder").mkdir()
    for link, target in {"device-link": "pipe", "nowhere-link": "no", "circle": "circle"}.items():
        Path(link).symlink_to(target)
    before = names(tmp_path)
    with pytest.raises(OutputError), replacing(name) as written:
        written.write_text("new")
    assert names(tmp_path) == before
    assert Path("pipe").is_fifo()


def test_leftovers_of_the_dead_are_removed_and_nothing_else(tmp_path):
    code = "import os, sys, pathlib, threading\nfrom qdvae_helpers.outputs import *\n"
    code += "from qdvae_helpers.outputs import replacing, hold\n"
    code += "with hold(sys.argv[1] + '/lost'), replacing(sys.argv[1] + '/x') as written:\n"
    code += "    written.write_text('half')\n    print('ready', flush=True)\n    input()\n"
    command = [sys.executable, "-c", code, str(tmp_path)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "ready\n"
    (tmp_path / ".saving-abc").mkdir()  # whose it is cannot be known
    (tmp_path / ".foreign.lock").write_text("7")
    living = names(tmp_path)
    assert len(living) == 4
    clean_leftovers(tmp_path)
    assert names(tmp_path) == living
    child.kill()
    if sys.platform == "linux":  # dead, and not yet waited for
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    else:
        child.wait()
    child.stdin.close()
    with replacing(tmp_path / "y") as written:
        written.write_text("whole")
    assert names(tmp_path) == [".foreign.lock", ".saving-abc", "y"]
    child.wait()
    child.stdout.close()


def test_folders_of_other_machines_and_of_reused_numbers_are_told_apart(tmp_path):
    me = os.getpid()
    reused = f".saving-{machine()}-{me}-{abs(started(me) - 1_000):.0f}-abc"
    elsewhere, old = (f".saving-{'0' * 8}-{me}-{begun}-abc" for begun in (1, 2))
    for name in (reused, elsewhere, old):
        (tmp_path / name).mkdir()
    os.utime(tmp_path / old, (time.time() - 3_700,) * 2)
    clean_leftovers(tmp_path)
    assert names(tmp_path) == [elsewhere]
