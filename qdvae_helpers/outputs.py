"""Files that are written: tried before work is done, locked against others, never half there.

Whatever goes wrong is an :class:`~qdvae_helpers.errors.OutputError` with cause and remedy.  A link
is written through: the file that it leads to is replaced, and the link stays.
"""

import contextlib
import errno
import json
import math
import os
import re
import shutil
import socket
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from qdvae_helpers.errors import OutputError
from qdvae_helpers.processes import machine, runs, started

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
    import msvcrt

_CAUSES = {
    errno.ENOSPC: "the disk is full: make room, or name a file elsewhere",
    errno.EDQUOT: "your quota of that disk is used up: make room, or name a file elsewhere",
    errno.EFBIG: "so large a file is not allowed (ulimit -f): raise that limit",
    errno.EROFS: "the disk is read-only: name a file elsewhere",
    errno.EACCES: "you have no permission to write there: name a file elsewhere",
    errno.EPERM: "you have no permission to write there: name a file elsewhere",
    errno.ENAMETOOLONG: "the name is too long: choose a shorter one",
    errno.ENOTDIR: "a file stands where a folder should be: name another folder",
    errno.EEXIST: "a file stands where a folder should be: name another folder",
    errno.EISDIR: "it is a folder: name a file in it",
    errno.ENOENT: "its folder does not exist and cannot be made: name another folder",
    errno.ELOOP: "its links lead in a circle: name a file elsewhere",
}
_CHUNK = 1 << 20  # bytes
_LOCK, _LARGEST_LOCK = "qdvae-lock/1", 1 << 16  # its format and bytes
_BEAT_S, _DEAD_AFTER_S = 10, 60  # of a lock of another host
_OLD_S = 3600  # no save takes as long
_FAR = 1 << 30  # the byte that Windows locks: what lies below can still be read
_SAVING = re.compile(r"\.saving-([0-9a-f]{8})-([0-9]{1,10})-([0-9]{1,12})-\w+")


# Trying ------------------------------------------------------------------------------------------


def require_output(
    path: str | Path,
    *,
    overwrite: bool = False,
    ours: Callable[[Path], bool] | None = None,
    need_bytes: int = 1 << 16,
    suffix: str = "",
) -> None:
    """Try an output before work is done: a file of this size is written beside it and removed.

    The folder is created.

    Args:
        path: file that is going to be written.
        overwrite: replace whatever file is there; otherwise one is refused,
        ours: unless this says that it is ours to change.
        need_bytes: room that the work needs on the disk.
        suffix: what the name must end in.

    Raises:
        OutputError: no file can be written there, or one that is not ours is there.
    """
    path = Path(path)
    _require_name(path)
    if not path.name.endswith(suffix) or path.name == suffix:
        raise _refused(path, f"a name that ends in {suffix} is needed")
    with writing(path):
        if path.exists():
            if not overwrite and not (ours and ours(path)):
                raise OutputError(
                    f"{path} is there already and is not replaced: name another file, move this "
                    "one away, or give --overwrite."
                )
            if not os.access(path, os.W_OK):
                raise _refused(path, "the file there is write-protected: name another one")
        target = Path(os.path.realpath(path))
        target.parent.mkdir(parents=True, exist_ok=True)
        clean_leftovers(target.parent)
        with _temporary(target.parent) as temporary, (temporary / path.name).open("wb") as file:
            for begin in range(0, need_bytes, _CHUNK):
                file.write(bytes(min(_CHUNK, need_bytes - begin)))
            file.flush()
            os.fsync(file.fileno())  # some disks say only now that they are full


def require_apart(written: Iterable[Path], read: Mapping[str, str | Path | None]) -> None:
    """Refuse an output that would take the place of what the work reads, or of another output.

    ``written`` are files to be written, ``read`` others by the options that name them.
    """
    paths = {name: str(file) for name, file in read.items() if file and "\0" not in str(file)}
    targets = {os.path.realpath(file) for file in written if "\0" not in str(file)}
    for option, file in paths.items():
        if os.path.realpath(file) in targets:
            raise OutputError(f"{option} {file} is what --output writes: name another file.")


def _require_name(path: Path) -> None:
    """Refuse what is there and no plain file, and names that no file can have."""
    if path.name in ("", ".."):
        raise OutputError(f"{str(path)!r} is a folder or empty: give the name of a file to write.")
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if path.is_symlink():
            raise _refused(path, "it is a link that leads nowhere: remove it") from None
        if ".." in path.parts and not path.parent.exists():
            raise _refused(path, _CAUSES[errno.ENOENT]) from None
        return
    except (OSError, ValueError) as error:  # ValueError: a character that no name may hold
        raise _refused(path, error) from error
    if stat.S_ISDIR(mode):
        raise _refused(path, _CAUSES[errno.EISDIR])
    if not stat.S_ISREG(mode):
        raise _refused(path, "it is a device, a pipe or another special file: name another one")


def _refused(path: str | Path, why: Exception | str) -> OutputError:
    if isinstance(why, OSError):
        why = _CAUSES.get(why.errno or 0) or why.strerror or str(why)
    return OutputError(f"{path} cannot be written: {why}.")


@contextlib.contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Say in words what the system says of a file that is written in this block (OutputError)."""
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        raise _refused(path, error) from error


# Writing -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Write a file in one step: an old one is replaced when all is well, and else kept.

    The block writes to the path it is given, which takes the place of ``path`` at its end; after
    a power cut, too, one of the two is there.  The folder of ``path`` is created.

    Raises:
        OutputError: it cannot be written, for example because the disk is full, or because a device
            stands there.
    """
    path = Path(path)
    _require_name(path)
    with writing(path):
        path = Path(os.path.realpath(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        clean_leftovers(path.parent)
        with _temporary(path.parent) as temporary:
            written = temporary / path.name
            yield written
            # safetensors lets only the owner read what it writes; give the usual permissions.
            (usual := temporary / ".usual").touch()
            shutil.copymode(usual, written)
            with written.open("rb+") as file:
                os.fsync(file.fileno())
            os.replace(written, path)
        with contextlib.suppress(OSError):  # Windows opens no folders
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


@contextlib.contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    """A folder in this one whose name says which process it belongs to."""
    prefix = f".saving-{machine()}-{os.getpid()}-{started(os.getpid()):.0f}-"
    with tempfile.TemporaryDirectory(dir=folder, prefix=prefix) as temporary:
        yield Path(temporary)


def clean_leftovers(folder: str | Path) -> None:
    """Remove what killed processes left: half-written files, and their locks.

    Of other machines, whose processes cannot be seen from here, what is older than an hour.
    """
    with contextlib.suppress(OSError):
        for found in Path(folder).glob(".saving-*"):
            if made_by := _SAVING.fullmatch(found.name):
                where, pid, begun = made_by.groups()
                if where == machine():
                    lives = runs(int(pid), int(begun))
                else:
                    lives = time.time() - found.stat().st_mtime < _OLD_S
                if not lives:
                    shutil.rmtree(found, ignore_errors=True)
        for found in Path(folder).glob(".*.lock"):
            record, beat = _read(found)
            if record and not _is_alive(record, beat):
                with contextlib.suppress(OSError):
                    _release(found, _take(found, found))


# Locking -----------------------------------------------------------------------------------------


class Held:
    """A lock that this process holds, see :func:`hold`."""

    def __init__(self, file: Path, descriptor: int, about: dict) -> None:
        self._file, self._descriptor, self._about, self._size = file, descriptor, about, 0
        self._one_at_a_time, self._released = threading.Lock(), threading.Event()

    def update(self, **about: object) -> None:
        """Change what :func:`holder` says of it; a full disk is no error here."""
        with contextlib.suppress(OSError):
            self._write(about)

    def _write(self, about: dict) -> None:
        with self._one_at_a_time:
            if self._released.is_set():  # its descriptor may be another file's by now
                return
            self._about |= about
            record = self._about | {"format": _LOCK, "host": socket.gethostname()}
            record |= {"machine": machine(), "pid": os.getpid(), "started": started(os.getpid())}
            text = json.dumps(record).encode()
            self._size = max(self._size, -(-len(text) // 1024) * 1024)  # who reads sees no old end
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            os.write(self._descriptor, text.ljust(self._size))

    def _beat(self) -> None:
        while not self._released.wait(_BEAT_S):
            with contextlib.suppress(OSError):
                os.utime(self._file)

    def _release(self) -> None:
        with self._one_at_a_time:
            self._released.set()
            _release(self._file, self._descriptor)


@contextlib.contextmanager
def hold(path: str | Path, **about: object) -> Iterator[Held]:
    """Keep an output to this process while the block runs; its folder is created.

    A small file beside it, ``.NAME.lock``, names the process in JSON.  The system's lock on that
    file ends with the process, however it ends.  Not all shared disks carry such locks to other
    machines: there the file's time, which is renewed every ten seconds, says for a minute that the
    other one lives.

    Args:
        path: the finished output, which need not exist; parts of it go under the same lock.
        about: plain values that :func:`holder` shows to others.

    Raises:
        OutputError: another process, or another block of this one, holds it; or no file can be
            written there.
    """
    path = Path(path)
    _require_name(path)
    file = _lock_file(path)
    with writing(path):
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _take(file, path)
    held = Held(file, descriptor, about)
    try:
        with writing(path):
            os.ftruncate(descriptor, 0)
            held._write({})
        threading.Thread(target=held._beat, daemon=True).start()
        yield held
    finally:
        held._release()


def holder(path: str | Path) -> dict | None:
    """What the lock of an output says, if a living process holds it.

    That is ``pid`` and ``host`` of the process, and what it told ``about`` its work.
    """
    record, beat = _read(_lock_file(Path(path)))
    return record if record and _is_alive(record, beat) else None


def _lock_file(path: Path) -> Path:
    path = Path(os.path.realpath(path))
    return path.with_name(f".{path.name}.lock")


def _take(file: Path, path: Path) -> int:
    """A descriptor of the lock file, which is ours now; see :func:`hold`."""
    patience = 20
    while True:
        try:
            descriptor = _open(file, os.O_RDWR | os.O_CREAT)
        except PermissionError:  # of another user, perhaps
            record, beat = _read(file)
            if record and _is_alive(record, beat):
                raise _in_use(path, record) from None
            raise
        try:
            locked = _lock(descriptor)
            record, beat = _read(file)
            alive = bool(record) and _is_alive(record, beat)
            if alive and locked and record["host"] == socket.gethostname():
                alive = False  # on one machine the system's lock is the truth
            if alive or (locked is False and patience == 0):
                raise _in_use(path, record if alive else None)
            # Whoever held it may have removed the file before we had it.
            if locked is not False and os.path.samestat(os.fstat(descriptor), os.stat(file)):
                return descriptor
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if locked is False:  # just taken, just released, or held by one that we cannot see
            patience -= 1
            time.sleep(0.05)


def _in_use(path: Path, record: dict | None) -> OutputError:
    who = f"process {record['pid']} on {record['host']}" if record else "another process"
    return OutputError(
        f"{path} is being written by {who}: wait until it has ended, end it, or name another file."
    )


def _open(file: Path, flags: int) -> int:
    """Open a lock file, and no link, pipe or device in its place."""
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(file, flags | getattr(os, "O_BINARY", 0), 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{file.name} is no plain file: remove it")
    return descriptor


def _lock(descriptor: int) -> bool | None:
    """Whether the system gives us the lock; None where its disk has no locks."""
    try:
        if fcntl:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            os.lseek(descriptor, _FAR, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    except OSError as error:
        return False if error.errno in (errno.EAGAIN, errno.EACCES, errno.EDEADLK) else None
    return True


def _release(file: Path, descriptor: int) -> None:
    windows = fcntl is None  # removes no open file; elsewhere the lock must last until it is gone
    with contextlib.suppress(OSError):
        if not windows and os.path.samestat(os.fstat(descriptor), os.stat(file)):
            file.unlink()
    os.close(descriptor)
    if windows:
        with contextlib.suppress(OSError):
            file.unlink()


def _read(file: Path) -> tuple[dict | None, float]:
    """What a lock file says, None if it is none of ours, and the time of its last beat."""
    try:
        descriptor = _open(file, os.O_RDONLY)
    except OSError:
        return None, 0.0
    try:
        beat = os.fstat(descriptor).st_mtime
        record = json.loads(os.read(descriptor, _LARGEST_LOCK))
        pid, begun = record["pid"], record["started"]
        known = record["format"] == _LOCK and isinstance(record["host"], str)
        known = known and type(pid) is int and 0 < pid < 2**31 and math.isfinite(begun)
        return record if known else None, beat
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None, 0.0
    finally:
        os.close(descriptor)


def _is_alive(record: dict, beat: float) -> bool:
    if record.get("machine") == machine():
        return runs(record["pid"], record["started"])
    return abs(time.time() - beat) < _DEAD_AFTER_S
