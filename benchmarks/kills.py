"""What is lost when training is killed at random moments: nothing but the last steps.

    python benchmarks/kills.py [--kills 50] [--seed 0]

Trains 16 spins with ``qdvae train``, which here saves at every second step; kills it (SIGKILL) at
random moments, half of them in a save or just after it; begins it again with the same command, and
lets it finish at last.  Then the weights must be those of a run that was never killed, and beside
the model no file may be left.  A minute or two; not on Windows.
"""

import argparse
import functools
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import torch
from safetensors.torch import load_file

from qdvae_helpers.commands import main as qdvae
from qdvae_helpers.commands import train

_OPTIONS = "--profile fast --spins 16 --steps 150 --batch 16 --device cpu --output"


def start(output: Path) -> int:
    """The command in a process of its own, at the moment at which it has read its images."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:  # imports take ten times as long as the training
        os.dup2(writing, sys.stdout.fileno())
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
        train.prepare_run = functools.partial(train.prepare_run, report_every=2)
        os._exit(qdvae(["train", *_OPTIONS.split(), str(output)]))
    os.close(writing)
    os.read(reading, 1)
    _OPEN[child] = reading  # it ends when nobody reads
    return child


_OPEN: dict[int, int] = {}


def end(child: int) -> int:
    """Wait for a process; its exit status."""
    while os.read(_OPEN[child], 1 << 16):
        pass
    os.close(_OPEN.pop(child))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def finish(output: Path) -> None:
    """Run the command to its end.

    Raises:
        SystemExit: it failed.
    """
    if status := end(start(output)):
        raise SystemExit(f"Training ended with the exit status {status}.")


def survive(folder: Path, kills: int, seed: int) -> dict:
    """Count what is left after so many kills, and whether the weights are equal."""
    chance, killed, finished, seen = random.Random(seed), folder / "killed", 0, 0
    killed.mkdir()
    output = killed / "model.safetensors"
    for _ in range(kills):
        child = start(output)
        time.sleep(chance.uniform(0, 1))
        if chance.random() < 0.5:  # the moment that matters most is short: wait for a save
            while not (output.exists() or any(killed.glob(".saving-*"))):
                pass
            time.sleep(chance.uniform(0, 0.003))
        os.kill(child, signal.SIGKILL)
        end(child)
        seen += any(path.name.startswith(".saving-") for path in killed.iterdir())
        if output.exists():  # done before it was killed, or killed after it was done
            finished += 1
            if output.with_name("model.part.safetensors").exists():
                finish(output)
            output.unlink()
    finish(output)
    finish(folder / "whole.safetensors")
    one, other = (load_file(path) for path in (output, folder / "whole.safetensors"))
    return {
        "kills": kills,
        "runs finished meanwhile": finished,
        "kills in the middle of a save": seen,
        "files left": len(list(killed.iterdir())) - 1,
        "weights equal": one.keys() == other.keys() and all(one[k].equal(other[k]) for k in one),
    }


def main() -> int:
    """Print what was found; the exit status is 1 where anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="default: 50")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    torch.set_num_threads(1)  # more would not live on in another process
    with tempfile.TemporaryDirectory() as folder:
        found = survive(Path(folder), options.kills, options.seed)
    print("\n".join(f"{name}: {value}" for name, value in found.items()))
    return 0 if found["files left"] == 0 and found["weights equal"] else 1


if __name__ == "__main__":
    sys.exit(main())
