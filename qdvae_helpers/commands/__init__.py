"""The command ``qdvae``, one module for each of its commands.

A command's module has ``add_arguments(parser)`` and ``run(options)``, which returns the exit
status.  It is imported when it is chosen, so that ``qdvae --help`` and ``qdvae doctor`` work where
torch does not.
"""

import argparse
import contextlib
import errno
import importlib
import io
import os
import shutil
import signal
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator, Sequence

from qdvae_helpers import __version__
from qdvae_helpers.errors import QdvaeError, SettingError
from qdvae_helpers.paths import ROOT

__all__ = ["COMMANDS", "check_machine", "format_findings", "main"]

#: The commands, each with its line in ``qdvae --help``.
COMMANDS = {
    "run": "execute lessons without a browser",
    "train": "train a model without a notebook",
    "studio": "open the studio as an app in the browser",
    "record": "draw samples of a model and save them",
    "export-stage": "write a model as a page that shows it at work",
    "doctor": "is this machine ready for the lessons?",
}
_INTERRUPTED = 130  # what a shell gives a program that Ctrl-C ended
_NOBODY_READS = 141  # and one that wrote to a closed pipe


def __getattr__(name: str) -> object:
    if name not in ("check_machine", "format_findings"):  # lesson 00 imports them from here
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.doctor"), name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of ``qdvae`` and ``python -m qdvae_helpers``; returns the exit status.

    A request to end (SIGTERM, or SIGHUP when a terminal closes) is taken as Ctrl-C is.

    Raises:
        SystemExit: after ``--help``, or 2 for arguments that do not exist.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    for stream in (sys.stdout, sys.stderr):  # a name may hold what the terminal cannot show
        with contextlib.suppress(AttributeError):  # a closed one, or no stream of Python's
            stream.reconfigure(errors="backslashreplace")
    sys.stderr = sys.stderr or io.StringIO()  # closed: progress bars ask for one
    try:
        with _signals(_leave):  # libraries that are just imported turn an exception into others
            run, options = _parsed(arguments)
            if options:
                _require_repository()
        with _signals(signal.default_int_handler):
            return run(options)
    except QdvaeError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return _INTERRUPTED
    except OSError as error:  # of what is printed: files are told of in words
        if error.filename or error.errno not in (errno.EPIPE, errno.ENOSPC, errno.EIO):
            raise
        # Python would complain at its end, when it flushes what nobody can read.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno == errno.EPIPE:
            return _NOBODY_READS
        with contextlib.suppress(OSError):
            print(f"What is printed cannot be written: {error.strerror}.", file=sys.stderr)
        return 1


def _parsed(arguments: list[str]) -> tuple[Callable[..., int], argparse.Namespace | None]:
    """What is to be called, and with which options."""
    overview = _overview()
    if not arguments:
        overview.print_help()
        return (lambda options: 2), None
    if arguments[0] not in COMMANDS:
        overview.parse_args(arguments)  # answers --help and --version, refuses other words
        overview.error("name a command first")
    command = importlib.import_module(f"{__name__}.{arguments[0].replace('-', '_')}")
    parser = argparse.ArgumentParser(
        prog=f"qdvae {arguments[0]}",
        description=_wrapped(command.__doc__),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_arguments(parser)
    return command.run, parser.parse_args(arguments[1:])


def _require_repository() -> None:
    """Refuse where the helpers were copied away from lessons, MNIST and models."""
    if not (ROOT / "pyproject.toml").is_file():
        raise SettingError(
            "The helpers are installed without their repository, which has the lessons, MNIST and "
            "the models. Clone it, and in its folder: python -m pip install -c constraints.txt -e ."
        )


@contextlib.contextmanager
def _signals(handler: Callable) -> Iterator[None]:
    """Let this handle what asks a program to end; what is ignored (``nohup``) stays so."""
    previous = {}
    if threading.current_thread() is threading.main_thread():
        names = ("SIGINT", "SIGTERM", "SIGHUP")
        numbers = (getattr(signal, name) for name in names if hasattr(signal, name))
        previous = {n: old for n in numbers if (old := signal.getsignal(n)) is not None}
    try:
        for number, old in previous.items():
            if old != signal.SIG_IGN:
                signal.signal(number, handler)
        yield
    finally:
        for number, old in previous.items():
            signal.signal(number, old)


def _leave(signum: int, frame: object) -> None:
    print("\nStopped.", file=sys.stderr, flush=True)
    os._exit(_INTERRUPTED)


def _wrapped(text: str) -> str:
    """Paragraphs that fit the terminal."""
    width = min(80, shutil.get_terminal_size().columns - 2)
    paragraphs = (" ".join(part.split()) for part in text.split("\n\n"))
    return "\n\n".join(textwrap.fill(part, width) for part in paragraphs)


def _wide(prog: str) -> argparse.HelpFormatter:
    """Argparse forgets by how much names of commands are indented, and breaks the longest."""
    formatter = argparse.HelpFormatter(prog)
    formatter._action_max_length = max(map(len, COMMANDS)) + 6
    return formatter


def _overview() -> argparse.ArgumentParser:
    about = "Lessons, models and samples of the QDVAE tutorials."
    more = "'qdvae COMMAND --help' has the options of a command."
    parser = argparse.ArgumentParser(
        prog="qdvae", description=about, epilog=more, formatter_class=_wide
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, line in COMMANDS.items():
        commands.add_parser(name, help=line)
    return parser
