"""Samples that were saved (docs/qpu.md has the commands).

A recording is one safetensors file: the spins as packed bits, the biases they were drawn for, and
in the header a JSON text with the graph and where the samples came from.  It serves exactly the
model it was made of: spins of another model would be wrong samples, so they are refused.
"""

import hashlib
import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from dwave.plugins.torch.models import GraphRestrictedBoltzmannMachine
from safetensors import SafetensorError, safe_open

from qdvae_helpers.errors import GraphError, RecordingError
from qdvae_helpers.files import claimed_format, read_header_of, read_tensors, write_tensors
from qdvae_helpers.graphs import QPUGraph
from qdvae_helpers.paths import DATA, folder
from qdvae_helpers.provenance import Provenance

_KIND = "qdvae-recording"
_FORMAT = f"{_KIND}/1"
_DAMAGED = "{} is damaged or no recording ({}): make it again with 'qdvae record'."
MAX_BYTES = 5_000_000  # of a file; 100,000 strings of 256 spins take 3.2 MB
_RECORDED_VERSIONS = ("dwave-system", "dwave-cloud-client")


@dataclass(frozen=True)
class Recording:
    """Spins with all that is known about them."""

    spins: torch.Tensor  #: ``(reads, n)``, -1 and +1, in the order of ``graph.nodes``
    linear: torch.Tensor  #: biases ``(n,)`` of the model they were drawn for
    quadratic: torch.Tensor  #: couplings ``(edges,)`` of it
    graph: QPUGraph  #: its graph
    provenance: Provenance  #: of the sampler that drew them
    simulated: bool  #: false only for samples of a real QPU

    @property
    def model_hash(self) -> str:
        """Identifies graph and biases together; see :func:`model_hash`."""
        return model_hash(self, self.graph)


def model_hash(model: GraphRestrictedBoltzmannMachine | Recording, graph: QPUGraph) -> str:
    """16 hexadecimal digits that change with any qubit, coupler, bias or coupling."""
    digest = hashlib.sha256(graph.hash.encode())
    for values in (model.linear, model.quadratic):
        digest.update(values.detach().cpu().numpy().astype("<f4").tobytes())
    return digest.hexdigest()[:16]


def require_room(graph: QPUGraph, reads: int, name: str, max_bytes: int = MAX_BYTES) -> None:
    """Refuse (RecordingError) too large a file before its samples are drawn, and paid for."""
    biases = len(graph.nodes) + len(graph.edges)
    size = reads * -(-len(graph.nodes) // 8) + 4 * biases
    if size > max_bytes:
        raise RecordingError(
            f"{name} would hold {size / 1e6:.1f} MB, the limit is {max_bytes / 1e6:.1f} MB: "
            "record fewer samples."
        )


def require_replaceable(path: str | Path) -> None:
    """Refuse (RecordingError) to replace what is no recording of simulated samples."""
    path = Path(path)
    if not path.exists():
        return
    try:
        is_simulated = read_recording_header(path)["simulated"]
    except RecordingError:
        is_simulated = False
    if not is_simulated:
        raise RecordingError(
            f"{path.name} is there already and is no recording of simulated samples, so it is not "
            "replaced: name another file with --output, or move this one away."
        )


def save_recording(recording: Recording, path: str | Path, *, max_bytes: int = MAX_BYTES) -> Path:
    """Write a recording, see :func:`require_room`; atomic."""
    path = Path(path)
    require_room(recording.graph, len(recording.spins), path.name, max_bytes)
    bits = np.packbits(recording.spins.numpy() > 0, axis=1)
    header = {
        "format": _FORMAT,
        "simulated": recording.simulated,
        "provenance": recording.provenance.to_dict(),
        "graph": json.loads(recording.graph.to_json()),
        "model_hash": recording.model_hash,
        "reads": len(recording.spins),
        "versions": {name: version(name) for name in _RECORDED_VERSIONS},
    }
    tensors = {
        "bits": torch.from_numpy(bits),
        "linear": recording.linear.contiguous(),
        "quadratic": recording.quadratic.contiguous(),
    }
    return write_tensors(path, tensors, header)


def read_recording_header(path: str | Path) -> dict:
    """What a recording says of itself; RecordingError if it is missing, damaged, or none."""
    needed = ("simulated", "model_hash", "provenance", "graph", "reads")
    header = read_header_of("recording", path, _FORMAT, needed, _DAMAGED, RecordingError)
    made = header["provenance"]
    if not (isinstance(made, dict) and isinstance(made.get("time"), str)):  # it is sorted by time
        raise RecordingError(_DAMAGED.format(Path(path).name, "provenance without its time"))
    return header


def load_recording(path: str | Path) -> Recording:
    """Read a recording; RecordingError if the file is missing, damaged or altered."""
    path = Path(path)
    header = read_recording_header(path)
    try:
        graph = QPUGraph.from_json(json.dumps(header["graph"]))
        tensors = read_tensors(path)
        shape = (header["reads"], len(graph.nodes))
        if tensors["bits"].shape != (shape[0], -(-shape[1] // 8)):
            raise ValueError("shape of the spins")
        bits = np.unpackbits(tensors["bits"].numpy(), axis=1, count=shape[1])
        recording = Recording(
            torch.from_numpy(bits.astype(np.float32) * 2 - 1),
            tensors["linear"],
            tensors["quadratic"],
            graph,
            Provenance(**header["provenance"]),
            bool(header["simulated"]),
        )
    except (SafetensorError, GraphError, KeyError, TypeError, ValueError) as error:
        raise RecordingError(
            f"{path.name} does not hold what its header says ({type(error).__name__}): make it "
            "again with 'qdvae record'."
        ) from error
    if recording.model_hash != header["model_hash"]:
        raise RecordingError(f"{path.name} was altered since it was recorded: fetch it again.")
    return recording


def recording_folders() -> list[Path]:
    """Where recordings are looked for: ``QDVAE_RECORDINGS`` if set, then ``data/recordings``."""
    shipped = DATA / "recordings"
    return list(dict.fromkeys([folder("QDVAE_RECORDINGS", shipped), shipped]))


def find_recordings(wanted: str) -> list[Path]:
    """Recordings of the model with this hash; those of a real QPU and the newest first.

    Other safetensors files are passed over; an unreadable recording is, too, with a printed line.
    """
    found = []
    for place in recording_folders():
        for path in sorted(place.glob("*.safetensors")):
            if _is_something_else(path):
                continue
            try:
                header = read_recording_header(path)
            except RecordingError as error:
                print(f"Passed over: {error}", flush=True)
                continue
            if header["model_hash"] == wanted:
                found.append((not header["simulated"], header["provenance"]["time"], path))
    return [path for *_, path in sorted(found, key=lambda one: one[:2], reverse=True)]


def _is_something_else(path: Path) -> bool:
    """Whether it is a sound safetensors file that does not claim to be a recording."""
    try:
        with safe_open(path, "pt"):
            return claimed_format(path).partition("/")[0] != _KIND
    except (SafetensorError, OSError):
        return False
