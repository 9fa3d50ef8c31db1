"""Time and peak memory of every lesson, and the table of lessons in the README.

    python benchmarks/lessons.py [--write] [--store] [LESSON ...]

Runs each notebook, or those that are named, in the profile that ``QDVAE_PROFILE`` names, one after
the other, from a fresh kernel.  Memory is the largest resident set of the notebook's kernel.
``--write`` puts the rows into the table between the two ``lessons`` marks in README.md; ``--store``
keeps the outputs in the notebooks, as ``make notebooks`` does.  Run it on an idle machine; half an
hour in the profile ``lesson``.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import nbformat
from common import tables

from qdvae_helpers.paths import ROOT
from qdvae_helpers.profiles import current_profile

_README = ROOT / "README.md"


def measure(path: Path, store: bool = False) -> tuple[float, float]:
    """Seconds and peak megabytes of one notebook; its outputs are kept in it where asked.

    Raises:
        CalledProcessError: a cell failed.
    """
    began = time.perf_counter()
    command = [sys.executable, "-m", "qdvae_helpers", "run", *["--store"] * store, path.stem]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)  # counts the kernel, which the process waits for
    if status:
        raise subprocess.CalledProcessError(status, command)
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def title_of(path: Path) -> str:
    """The heading of the first cell, without its number."""
    heading = nbformat.read(path, as_version=4).cells[0].source.splitlines()[0]
    return heading.removeprefix("# ").split("·")[-1].strip()


def with_rows(text: str, rows: dict[str, str]) -> str:
    """The README with these rows, by name of the notebook; rows of other lessons stay.

    Raises:
        SystemExit: the marks around the table are missing, or its other rows have another profile.
    """
    old_table = tables.section(text, "lessons")[0]
    rows_of = re.finditer(r"^\| .*\(notebooks/(\w+)\.ipynb\).*$", old_table, re.M)
    kept = {found[1]: found[0] for found in rows_of if found[1] not in rows}
    if kept and f"Profile `{current_profile().name}`" not in old_table:
        raise SystemExit("README.md has times of another profile: measure all lessons.")
    lines = tables.markdown(["lesson", "computing", "memory"], [])
    lines += [row for _, row in sorted((kept | rows).items())]
    lines += ["", f"Profile `{current_profile().name}`, two cores, no GPU; kernel's peak memory."]
    return tables.with_section(text, "lessons", lines)


def main() -> int:
    """Print the table, and put it into the README where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lessons", nargs="*", metavar="LESSON", help="default: all")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--store", action="store_true")
    options = parser.parse_args()
    paths = {path.stem: path for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
    if options.write:
        tables.require(parser, _README, overwrite=True)
    if unknown := set(options.lessons) - set(paths):
        parser.error(f"no lesson {', '.join(sorted(unknown))}: choose of {', '.join(paths)}")
    rows: dict[str, str] = {}
    for name in options.lessons or paths:
        path = paths[name]
        seconds, megabytes = measure(path, options.store)
        duration = f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min"
        link = f"[{path.stem[:2]} · {title_of(path)}](notebooks/{path.name})"
        rows[name] = f"| {link} | {duration} | {megabytes / 1000:.1f} GB |"
        print(rows[name], flush=True)
    if options.write:
        text = _README.read_text(encoding="utf-8")
        tables.write(_README, with_rows(text, rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
