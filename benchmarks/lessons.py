"""Time and peak memory of every lesson, and the table of lessons in the README.

    python benchmarks/lessons.py [--write] [--store] [LESSON ...]

Runs each notebook, or those that are named, in the profile that ``QDVAE_PROFILE`` names, one after
the other, from a fresh kernel.  Memory is the largest resident set of the notebook's kernel.
``--write`` puts the rows into the table between the two ``lessons`` marks in README.md; ``--store``
keeps the outputs in the notebooks, as ``make notebooks`` does.  Run it on an idle machine.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import nbformat

from qdvae_helpers.profiles import current_profile

_ROOT = Path(__file__).resolve().parent.parent
_README = _ROOT / "README.md"


def measure(path: Path, store: bool = False) -> tuple[float, float]:
    """Seconds and peak megabytes of one notebook; its outputs are kept in it where asked.

    Raises:
        CalledProcessError: a cell failed.
    """
    began = time.perf_counter()
    command = [sys.executable, "-m", "qdvae_helpers.run", *["--store"] * store, path.stem]
    process = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.DEVNULL)
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
    marks = re.search(r"(?<=<!-- lessons -->\n).*?(?=<!-- /lessons -->)", text, re.DOTALL)
    if not marks:
        raise SystemExit("README.md has no <!-- lessons --> ... <!-- /lessons --> marks.")
    old = {m[1]: m[0] for m in re.finditer(r"^\| .*\(notebooks/(\w+)\.ipynb\).*$", marks[0], re.M)}
    kept = {name: row for name, row in old.items() if name not in rows}
    if kept and f"Profile `{current_profile().name}`" not in marks[0]:
        raise SystemExit("README.md has times of another profile: measure all lessons.")
    lines = ["| lesson | computing | memory |", "|---|---|---|"]
    lines += [row for _, row in sorted((kept | rows).items())]
    lines += ["", f"Profile `{current_profile().name}`, two cores, no GPU; kernel's peak memory."]
    return text[: marks.start()] + "\n".join(lines) + "\n" + text[marks.end() :]


def main() -> int:
    """Print the table, and put it into the README where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lessons", nargs="*", metavar="LESSON", help="default: all")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--store", action="store_true")
    options = parser.parse_args()
    paths = {path.stem: path for path in sorted((_ROOT / "notebooks").glob("*.ipynb"))}
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
        _README.write_text(with_rows(text, rows), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
