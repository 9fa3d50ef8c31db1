"""Where a benchmark's table goes: between two marks in the README, or into a file of its own.

No import here loads a large library: memory that this process takes would count as a child's.
"""

import argparse
import os
import platform
import re
import textwrap
from importlib.metadata import version
from pathlib import Path

from qdvae_helpers.errors import OutputError
from qdvae_helpers.outputs import replacing, require_output

BENCHMARKS = Path(__file__).resolve().parent.parent
README = BENCHMARKS / "README.md"
RESULTS = BENCHMARKS / "results"


def markdown(columns: list[str], rows: list[list[str]]) -> list[str]:
    """The lines of a table."""
    head, *body = ["| " + " | ".join(cells) + " |" for cells in (columns, *rows)]
    return [head, "|" + "---|" * len(columns), *body]


def note(text: str) -> list[str]:
    """The lines below a table, which say what it is of."""
    return ["", *textwrap.wrap(text, 140)]


def made_with(threads: int | None = None) -> str:
    """What numbers of time depend on, for the line below a table.

    Args:
        threads: of torch; left out where nothing is computed with it.
    """
    parts = [f"torch {version('torch')}", f"Python {platform.python_version()}"]
    count, name = (os.cpu_count(), "core") if threads is None else (threads, "thread")
    return ", ".join([*parts, f"{count} {name}{'s' * (count != 1)}"])


def section(text: str, name: str) -> re.Match:
    """What stands between ``<!-- name -->`` and ``<!-- /name -->``.

    Raises:
        SystemExit: the marks are missing.
    """
    found = re.search(rf"(?<=<!-- {name} -->\n).*?(?=<!-- /{name} -->)", text, re.DOTALL)
    if not found:
        raise SystemExit(f"There are no marks <!-- {name} --> ... <!-- /{name} --> to write to.")
    return found


def with_section(text: str, name: str, lines: list[str]) -> str:
    """The text with other lines between the two marks.

    Raises:
        SystemExit: as in :func:`section`.
    """
    old = section(text, name)
    return text[: old.start()] + "\n".join(lines) + "\n" + text[old.end() :]


def add_write_option(parser: argparse.ArgumentParser, where: str = "README.md") -> None:
    """``--write``: put the table there, in ``benchmarks/``; the places are tried at once."""
    told = f"put the table into benchmarks/{where}"
    parser.add_argument("--write", action=_Write, where=where, help=told)


class _Write(argparse.Action):
    def __init__(self, *names, where: str, **options) -> None:
        super().__init__(*names, nargs=0, default=False, **options)
        self.where = where

    def __call__(self, parser, namespace, values, option=None) -> None:
        name = Path(parser.prog).stem
        if "README" in self.where:
            require(parser, README, overwrite=True)
            section(README.read_text(encoding="utf-8"), name)
        if "results" in self.where:
            require(parser, RESULTS / f"{name}.md", overwrite=True)
        setattr(namespace, self.dest, True)


def require(parser: argparse.ArgumentParser, path: Path, overwrite: bool = False) -> None:
    """Try an output before the measurement; ends with the exit status 2 if it cannot be written."""
    try:
        require_output(path, overwrite=overwrite)
    except OutputError as error:
        parser.error(str(error))


def write(path: Path, text: str) -> None:
    """Write a text in one step."""
    with replacing(path) as written:
        written.write_text(text, encoding="utf-8")


def to_readme(name: str, lines: list[str]) -> None:
    """Put a table into benchmarks/README.md, between the marks of this name.

    Raises:
        SystemExit: as in :func:`section`.
    """
    text = with_section(README.read_text(encoding="utf-8"), name, lines)
    write(README, text)


def to_results(name: str, lines: list[str]) -> None:
    """Put a table into ``benchmarks/results/NAME.md``."""
    write(RESULTS / f"{name}.md", "\n".join(lines) + "\n")
