"""Time and peak memory of every lesson, and their columns in the README's table of lessons.

    python benchmarks/lessons.py [--write] [--store] [LESSON ...]

Runs each notebook, or those that are named, in the profile that ``QDVAE_PROFILE`` names, one after
the other, from a fresh kernel.  Memory is the largest resident set of the notebook's kernel.
``--write`` puts time and memory into the table between the two ``lessons`` marks in README.md,
whose other columns stay; ``--store`` keeps the outputs in the notebooks, as ``make notebooks``
does.  Run it on an idle machine; half an hour in the profile ``lesson``.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

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


def megabytes_of_cuda() -> float:
    """Megabytes of CUDA's libraries in a process that has imported torch; 0 without them.

    PyPI's torch for Linux brings them along, CPU builds do not.  Read from ``/proc``: 0 elsewhere.
    """
    code = "import torch; print(open('/proc/self/smaps').read())"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    total, name = 0, ""
    for line in done.stdout.splitlines():
        if found := re.match(r"[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \S+ *(.*)", line):
            name = found[1]
        elif line.startswith("Rss:") and re.search(r"/nvidia/|cuda|triton", name):
            total += int(line.split()[1])
    return total / 1024


def with_times(text: str, times: dict[str, str], cuda: float = 0) -> str:
    """The README with these last two columns, by name of the notebook; other rows stay.

    ``cuda``: megabytes of CUDA's libraries, for the note below the table.

    Raises:
        SystemExit: the marks around the table are missing, or a lesson's row in it, or its other
            rows have another profile.
    """
    lines = tables.section(text, "lessons")[0].splitlines()
    row_of = {}
    for k, line in enumerate(lines):
        if found := re.match(r"\| \[.*\(notebooks/(\w+)\.ipynb\) \|[^|]*\|[^|]*\|", line):
            row_of[found[1]] = k, found[0]
    if missing := sorted(set(times) - set(row_of)):
        raise SystemExit(f"README.md has no row for {', '.join(missing)} in its table of lessons.")
    profile = f"Profile `{current_profile().name}`"
    if set(row_of) - set(times) and profile not in lines[-1]:
        raise SystemExit("README.md has times of another profile: measure all lessons.")
    for name, measured in times.items():
        k, row = row_of[name]
        lines[k] = f"{row} {measured} |"
    if times:
        lines[-1] = f"{profile}, two cores, no GPU; kernel's peak memory"
        if cuda:
            lines[-1] += (
                f", {cuda / 1000:.1f} GB of it CUDA libraries, which CPU builds of torch lack"
            )
        lines[-1] += "."
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
    times: dict[str, str] = {}
    for name in options.lessons or paths:
        path = paths[name]
        seconds, megabytes = measure(path, options.store)
        duration = f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min"
        times[name] = f"{duration} | {megabytes / 1000:.1f} GB"
        print(f"| {name} | {times[name]} |", flush=True)
    if options.write:
        text = _README.read_text(encoding="utf-8")
        tables.write(_README, with_times(text, times, megabytes_of_cuda()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
