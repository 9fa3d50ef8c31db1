"""Draw samples of a trained model and save them, so that they can be replayed.

The simulated QPU draws them, or with --sampler qpu a real one, within the budget that
QDVAE_QPU_BUDGET_S allows.  QDVAE_SAMPLER=recorded replays files in data/recordings and in the
folder that QDVAE_RECORDINGS names.  Only a file of simulated samples is ever replaced.
"""

import argparse
from pathlib import Path

from qdvae_helpers.checkpoints import load_checkpoint, load_pretrained
from qdvae_helpers.errors import SettingError
from qdvae_helpers.qpu import qpu_tally
from qdvae_helpers.qpu.recordings import require_replaceable, require_room, save_recording
from qdvae_helpers.samplers import make_sampler, record


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    what = parser.add_argument_group("what to draw")
    model = "one that ships, or a file; default: qdvae-256"
    what.add_argument("--model", default="qdvae-256", help=model)
    samples = "spin strings to record; default: 1000"
    what.add_argument("--samples", type=int, default=1_000, help=samples)
    what.add_argument("--sampler", default="annealer", help="default: annealer, the simulated QPU")
    what.add_argument("--seed", type=int, default=0, help="of a simulated sampler; default: 0")
    output = parser.add_argument_group("output")
    output.add_argument("--output", type=Path, required=True, help="file to write (.safetensors)")


def run(options: argparse.Namespace) -> int:
    """Draw, save, and say what it cost.

    Raises:
        SettingError: there is nothing to record.
        CheckpointError: no such model.
        SamplerError: it cannot be sampled, or the file may not be written.
    """
    if options.samples < 1:
        raise SettingError(f"--samples {options.samples}: record 1 or more.")
    is_file = Path(options.model).suffix == ".safetensors"
    model = (load_checkpoint if is_file else load_pretrained)(options.model)
    # What would keep the samples from being saved comes before they are paid for.
    require_room(model.graph, options.samples, options.output.name)
    require_replaceable(options.output)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    n, seed, graph = options.samples, options.seed, model.graph
    sampler = make_sampler(model.grbm, options.sampler, num_samples=n, seed=seed, graph=graph)
    try:
        recording = record(sampler, n)
    finally:
        sampler.close()
    path = save_recording(recording, options.output)
    print(f"{recording.provenance}; {path.stat().st_size / 1e3:.0f} kB in {path.name}")
    if not recording.simulated:
        print(qpu_tally())
    return 0
