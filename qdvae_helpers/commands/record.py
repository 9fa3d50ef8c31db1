"""Draw samples of a trained model and save them, so that they can be replayed.

The simulated QPU draws them, or with --sampler qpu a real one, within the budget that
QDVAE_QPU_BUDGET_S allows.  QDVAE_SAMPLER=recorded replays files in data/recordings and in the
folder that QDVAE_RECORDINGS names.  Unless --overwrite is given, only a file of simulated samples
is replaced.
"""

import argparse
import math
import sys
import tempfile
from pathlib import Path

from qdvae_helpers.checkpoints import load_checkpoint, load_pretrained
from qdvae_helpers.errors import OutputError, SettingError
from qdvae_helpers.models import QDVAE
from qdvae_helpers.outputs import hold, require_apart, require_output
from qdvae_helpers.priors import class_shares
from qdvae_helpers.qpu import qpu_tally
from qdvae_helpers.qpu.recordings import (
    MAX_BYTES,
    Recording,
    require_replaceable,
    require_room,
    save_recording,
)
from qdvae_helpers.samplers import make_sampler, record


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    what = parser.add_argument_group("what to draw")
    model = "one that ships, or a file; default: qdvae-256"
    what.add_argument("--model", default="qdvae-256", help=model)
    samples = "spin strings to record; default: 1000, more if some class would get none"
    what.add_argument("--samples", type=int, help=samples)
    kinds = "annealer (the simulated QPU), gibbs, exact or qpu; default: annealer"
    what.add_argument("--sampler", default="annealer", metavar="KIND", help=kinds)
    what.add_argument("--seed", type=int, default=0, help="of a simulated sampler; default: 0")
    output = parser.add_argument_group("output")
    output.add_argument("--output", type=Path, required=True, help="file to write (.safetensors)")
    output.add_argument("--overwrite", action="store_true", help="replace a file that is there")


def run(options: argparse.Namespace) -> int:
    """Draw, save, and say what it cost.

    Raises:
        SettingError: there is nothing to record.
        CheckpointError: no such model.
        SamplerError: it cannot be sampled.
        OutputError, RecordingError: the file may not be written.
    """
    if options.samples is not None and options.samples < 1:
        raise SettingError(f"--samples {options.samples}: record 1 or more.")
    with hold(options.output):
        # What would keep the samples from being saved comes before they are paid for.
        if not options.overwrite:
            require_replaceable(options.output)
        require_apart([options.output], {"--model": options.model})
        size, suffix = 2 * MAX_BYTES, ".safetensors"
        require_output(options.output, overwrite=True, need_bytes=size, suffix=suffix)
        recording = _drawn(options)
        try:
            path = save_recording(recording, options.output)
        except (
            OutputError
        ) as error:  # the disk was filled meanwhile; samples may have been paid for
            folder = tempfile.mkdtemp(prefix="qdvae-recording-")
            path = save_recording(recording, Path(folder) / options.output.name)
            print(f"{error}\nThe samples are saved in {path}: move them.", file=sys.stderr)
    print(f"{recording.provenance}; {path.stat().st_size / 1e3:.0f} kB in {path.name}")
    if not recording.simulated:
        print(qpu_tally())
    return 0 if path == options.output else 1


def usual_samples(model: QDVAE) -> int:
    """1,000 strings, or as many as it takes for the rarest class to get one."""
    shares = class_shares(model.grbm)
    # A share of single precision may lie a trifle below what was meant.
    return max(1_000, math.ceil(1 / float(shares[shares > 0].min()) - 1e-3))


def _drawn(options: argparse.Namespace) -> Recording:
    is_file = Path(options.model).suffix == ".safetensors"
    model = (load_checkpoint if is_file else load_pretrained)(options.model)
    k = max(1, len(model.class_names))
    n, seed, graph = options.samples or usual_samples(model), options.seed, model.graph
    require_room(graph, n, options.output.name, n_classes=k)
    sampler = make_sampler(model.grbm, options.sampler, num_samples=n, seed=seed, graph=graph)
    try:
        return record(sampler, n)
    finally:
        sampler.close()
