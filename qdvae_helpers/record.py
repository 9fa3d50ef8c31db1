"""Record samples of a saved model: ``python -m qdvae_helpers.record --sampler qpu --output FILE``.

Without ``--sampler`` the simulated QPU draws; with ``qpu`` a real one does, within the budget of
``QDVAE_QPU_BUDGET_S``.  Put the file into ``data/recordings`` or the folder that
``QDVAE_RECORDINGS`` names, and ``QDVAE_SAMPLER=recorded`` replays it.  Only a file of simulated
samples is replaced.  ``make recordings`` makes the file that ships.
"""

import argparse
import sys
from pathlib import Path

from qdvae_helpers.budget import qpu_tally
from qdvae_helpers.checkpoints import load_checkpoint, load_pretrained
from qdvae_helpers.errors import QdvaeError
from qdvae_helpers.recordings import record, require_replaceable, require_room, save_recording
from qdvae_helpers.samplers import make_sampler


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m qdvae_helpers.record", description=__doc__)
    parser.add_argument("--model", default="qdvae-256", help="a model that ships, or a file")
    parser.add_argument("--sampler", default="annealer", help="annealer (the default), qpu, ...")
    parser.add_argument("--reads", type=int, default=1_000, help="strings to record")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, required=True, help="file to write")
    options = parser.parse_args(arguments)
    if options.reads < 1:
        parser.error("--reads must be 1 or more")
    try:
        is_file = Path(options.model).suffix == ".safetensors"
        model = (load_checkpoint if is_file else load_pretrained)(options.model)
        # What would keep the samples from being saved comes before they are paid for.
        require_room(model.graph, options.reads, options.output.name)
        require_replaceable(options.output)
        options.output.parent.mkdir(parents=True, exist_ok=True)
        made = {"num_samples": options.reads, "seed": options.seed, "graph": model.graph}
        recording = record(make_sampler(model.grbm, options.sampler, **made), options.reads)
        path = save_recording(recording, options.output)
    except QdvaeError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{recording.provenance}; {path.stat().st_size / 1e3:.0f} kB in {path.name}")
    if not recording.simulated:
        print(qpu_tally())
    return 0


if __name__ == "__main__":
    sys.exit(main())
