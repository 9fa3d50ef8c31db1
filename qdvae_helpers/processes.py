"""Processes told apart: by number, by when they began, and by the machine that numbers them."""

import contextlib
import functools
import hashlib
import os
import socket
from pathlib import Path

import psutil


def runs(pid: int, begun: float) -> bool:
    """Whether the process that :func:`started` so still runs; another may have its number."""
    try:
        same = abs(started(pid) - begun) < 1
        return same and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except (psutil.AccessDenied, PermissionError):
        return True
    except (psutil.Error, OSError, OverflowError, ValueError):
        return False


def started(pid: int) -> float:
    """When a process began; on Linux in ticks of its own, which no setting of the clock moves."""
    if psutil.LINUX:
        told = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return float(told.rpartition(")")[2].split()[19])
    return psutil.Process(pid).create_time()


@functools.cache
def machine() -> str:
    """Where process numbers mean the same: a host or, by its numbers, a container on it."""
    numbers = ""
    with contextlib.suppress(OSError):
        numbers = os.readlink("/proc/self/ns/pid")
    return hashlib.sha256((socket.gethostname() + numbers).encode()).hexdigest()[:8]
