"""Samples that were saved (docs/qpu.md has the commands).

A recording is one safetensors file: the spins as packed bits, the biases they were drawn for, and
in the header a JSON text with the graph and where the samples came from.  Reading it executes no
code and contacts no solver.  It serves exactly the model it was made of: spins of another model
would be wrong samples, so they are refused, and a prior that is being trained cannot be served.
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
from qdvae_helpers.files import claimed_format, read_json_header, read_tensors, write_tensors
from qdvae_helpers.graphs import QPUGraph
from qdvae_helpers.paths import DATA, folder
from qdvae_helpers.provenance import Provenance

_KIND = "qdvae-recording"
_FORMAT = f"{_KIND}/1"
MAX_BYTES = 5_000_000  # of a file; 100,000 strings of 256 spins take 3.2 MB
_RECORDED_VERSIONS = ("dwave-system", "dwave-cloud-client")


@dataclass(frozen=True)
class Recording:
    """Spins with all that is known about them.

    Attributes:
        spins: ``(reads, n)``, -1 and +1, in the order of ``graph.nodes``.
        linear: biases ``(n,)`` of the model they were drawn for.
        quadratic: couplings ``(edges,)`` of it.
        graph: its graph.
        provenance: of the sampler that drew them: kind, device, parameters, time.
        simulated: false only for samples of a real QPU.
    """

    spins: torch.Tensor
    linear: torch.Tensor
    quadratic: torch.Tensor
    graph: QPUGraph
    provenance: Provenance
    simulated: bool

    @property
    def model_hash(self) -> str:
        """Identifies graph and biases together; see :func:`model_hash`."""
        return _hash(self.graph, self.linear, self.quadratic)


def model_hash(grbm: GraphRestrictedBoltzmannMachine, graph: QPUGraph) -> str:
    """16 hexadecimal digits that change with any qubit, coupler, bias or coupling."""
    return _hash(graph, grbm.linear, grbm.quadratic)


def _hash(graph: QPUGraph, linear: torch.Tensor, quadratic: torch.Tensor) -> str:
    digest = hashlib.sha256(graph.hash.encode())
    for values in (linear, quadratic):
        digest.update(values.detach().cpu().numpy().astype("<f4").tobytes())
    return digest.hexdigest()[:16]


def require_room(graph: QPUGraph, reads: int, name: str, max_bytes: int = MAX_BYTES) -> None:
    """Refuse a recording that would be too large: before its samples are drawn, and paid for.

    Args:
        graph: of the model.
        reads: strings to record.
        name: of the file, for the message.
        max_bytes: how large it may be.

    Raises:
        RecordingError: the file would be larger than ``max_bytes``.
    """
    biases = len(graph.nodes) + len(graph.edges)
    size = reads * -(-len(graph.nodes) // 8) + 4 * biases
    if size > max_bytes:
        raise RecordingError(
            f"{name} would hold {size / 1e6:.1f} MB, the limit is {max_bytes / 1e6:.1f} MB: "
            "record fewer reads."
        )


def require_replaceable(path: str | Path) -> None:
    """Refuse to replace anything but simulated samples: before others are drawn, and paid for.

    Args:
        path: where a recording is to be written.

    Raises:
        RecordingError: there is a file that cannot be made again for nothing.
    """
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
    """Write a recording; atomic.

    Raises:
        RecordingError: the file would be larger than ``max_bytes``.
    """
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
    """What a recording says of itself, without its spins.

    Raises:
        RecordingError: no such file, damaged, or something else.
    """
    path = Path(path)
    if not path.is_file():
        raise RecordingError(f"There is no recording {path.name}: check its name and folder.")
    try:
        header = read_json_header(path)
        if header["format"] != _FORMAT:
            raise RecordingError(
                f"{path.name} has format {header['format']!r}, this version reads {_FORMAT!r}: use "
                "the version of the package that wrote it."
            )
        _ = header["simulated"], header["model_hash"], header["provenance"]["time"]
    except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
        if isinstance(error, RecordingError):
            raise
        raise RecordingError(
            f"{path.name} is damaged or no recording ({type(error).__name__}): make it again with "
            "'qdvae record'."
        ) from error
    return header


def load_recording(path: str | Path) -> Recording:
    """Read what :func:`save_recording` wrote.

    Raises:
        RecordingError: missing, damaged or altered file.
    """
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

    Other safetensors files in the folders, saved models for instance, are passed over; a recording
    that cannot be read is, too, and a printed line names it.
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
