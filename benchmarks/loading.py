"""What it costs to begin: seconds and memory of imports, of a model, and of the images.

    python benchmarks/loading.py [--write]

Each line runs several times in an interpreter of its own, from files that the system still has in
memory; the median counts.  Imports that a line needs are not part of its seconds where the line
says so, but are always part of its memory.  Linux and macOS; two minutes.
"""

import argparse
import statistics
import subprocess
import sys

from common import tables

#: Name of the line, what is done before the clock starts, what is timed.
LINES = [
    ("`import qdvae_helpers`", "", "import qdvae_helpers"),
    ("`import torch`", "", "import torch"),
    (
        "`import torch` and the plugin",
        "",
        "import torch, dwave.plugins.torch.models, dwave.plugins.torch.samplers",
    ),
    (
        "`from qdvae_helpers import load_pretrained`",
        "",
        "from qdvae_helpers import load_pretrained",
    ),
    (
        "all that a lesson imports",
        "",
        "import qdvae_helpers.evaluate, qdvae_helpers.plots, qdvae_helpers.training, "
        "qdvae_helpers.widgets",
    ),
    (
        "`load_pretrained()`, imports apart",
        "from qdvae_helpers import load_pretrained",
        "load_pretrained()",
    ),
    (
        "`load_images()`, 60,000 images, imports apart",
        "from qdvae_helpers import load_images",
        "load_images()",
    ),
]
_CODE = """
import re, resource, sys, time
{before}
began = time.perf_counter()
{timed}
seconds = time.perf_counter() - began
try:  # of this program alone; what getrusage says begins with the parent's
    kilobytes = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
except OSError:  # macOS
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(seconds, kilobytes / 1e3)
"""


def measure(before: str, timed: str, repetitions: int) -> tuple[float, float]:
    """Median seconds of a statement, and the peak of its process's memory in megabytes.

    Raises:
        CalledProcessError: the statement failed.
    """
    code = _CODE.format(before=before, timed=timed)
    found = []
    for _ in range(repetitions + 1):  # the first one brings files into memory
        told = subprocess.run(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True
        )
        found.append([float(value) for value in told.stdout.split()])
    seconds, megabytes = zip(*found[1:], strict=True)
    return statistics.median(seconds), statistics.median(megabytes)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=3)
    tables.add_write_option(parser, "results")
    options = parser.parse_args()
    rows = []
    for name, before, timed in LINES:
        seconds, megabytes = measure(before, timed, options.repetitions)
        rows.append([name, f"{seconds:.2f} s", f"{megabytes:,.0f} MB"])
        print(*rows[-1], sep=" | ", flush=True)
    lines = tables.markdown(["", "seconds", "peak memory"], rows)
    lines += tables.note(f"Median of {options.repetitions}; {tables.made_with()}.")
    print("\n".join(lines))
    if options.write:
        tables.to_results("loading", lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
