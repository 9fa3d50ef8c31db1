"""The command ``qdvae``, one module for each of its commands.

A command's module has ``add_arguments(parser)`` and ``run(options)``, which returns the exit
status.  It is imported when it is chosen, so that ``qdvae --help`` and ``qdvae doctor`` work where
torch does not.
"""

import argparse
import importlib
import shutil
import sys
import textwrap
from collections.abc import Sequence

from qdvae_helpers import __version__
from qdvae_helpers.commands.doctor import check_machine, format_findings
from qdvae_helpers.errors import QdvaeError

__all__ = ["COMMANDS", "check_machine", "format_findings", "main"]

#: The commands, each with its line in ``qdvae --help``.
COMMANDS = {
    "run": "execute lessons without a browser",
    "train": "train a model without a notebook",
    "studio": "open the studio as an app in the browser",
    "record": "draw samples of a model and save them",
    "doctor": "is this machine ready for the lessons?",
}
_INTERRUPTED = 130  # what a shell gives a program that Ctrl-C ended


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of ``qdvae`` and ``python -m qdvae_helpers``; returns the exit status.

    Raises:
        SystemExit: after ``--help``, or 2 for arguments that do not exist.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    overview = _overview()
    if not arguments:
        overview.print_help()
        return 2
    if arguments[0] not in COMMANDS:
        overview.parse_args(arguments)  # answers --help and --version, refuses other words
        overview.error("name a command first")
    command = importlib.import_module(f"{__name__}.{arguments[0]}")
    parser = argparse.ArgumentParser(
        prog=f"qdvae {arguments[0]}",
        description=_wrapped(command.__doc__),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_arguments(parser)
    options = parser.parse_args(arguments[1:])
    try:
        return command.run(options)
    except QdvaeError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return _INTERRUPTED


def _wrapped(text: str) -> str:
    """Paragraphs that fit the terminal."""
    width = min(80, shutil.get_terminal_size().columns - 2)
    paragraphs = (" ".join(part.split()) for part in text.split("\n\n"))
    return "\n\n".join(textwrap.fill(part, width) for part in paragraphs)


def _overview() -> argparse.ArgumentParser:
    about = "Lessons, models and samples of the QDVAE tutorials."
    more = "'qdvae COMMAND --help' has the options of a command."
    parser = argparse.ArgumentParser(prog="qdvae", description=about, epilog=more)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, line in COMMANDS.items():
        commands.add_parser(name, help=line)
    return parser
