"""Samples that were saved (docs/qpu.md has the commands).

A recording is one safetensors file: the spins as packed bits, the biases they were drawn for, and
in the header a JSON text with the graph and where the samples came from.  It serves exactly the
model it was made of: spins of another model would be wrong samples, so they are refused.

A hash covers all of it, which catches accidents.  Whoever alters a file on purpose can compute the
hash anew; only a signature would stop that.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from dwave.plugins.torch.models import GraphRestrictedBoltzmannMachine

from qdvae_helpers import schema
from qdvae_helpers.arguments import require_kind
from qdvae_helpers.errors import RecordingError
from qdvae_helpers.files import write_tensors
from qdvae_helpers.formats import Kind, TensorFile, claimed_format, open_tensors
from qdvae_helpers.graphs import QPUGraph
from qdvae_helpers.outputs import replacing
from qdvae_helpers.paths import DATA, folder
from qdvae_helpers.priors import MOST_CLASSES
from qdvae_helpers.provenance import Provenance
from qdvae_helpers.schema import Odd

_FAMILY = "qdvae-recording"
_KIND = Kind("recording", f"{_FAMILY}/2", "make it again with 'qdvae record'", RecordingError)
MAX_BYTES = 5_000_000  # of a file's tensors; 100,000 strings of 256 spins take 3.2 MB
_OF_CLASSES = ("class_biases", "shares", "classes")  # where the prior knows several
_RECORDED_VERSIONS = ("dwave-system", "dwave-cloud-client")
_is_header = schema.fields(
    {
        "format": schema.one_of(_KIND.form),
        "simulated": schema.flag,
        "provenance": schema.provenance,
        "graph": schema.anything,  # see QPUGraph.from_dict
        "model_hash": schema.digest,
        "reads": schema.whole(1, 8 * MAX_BYTES),
        "versions": schema.fields({}, others=schema.text(200)),
        "hash": schema.digest,
    }
)


@dataclass(frozen=True)
class Recording:
    """Spins with all that is known about them."""

    spins: torch.Tensor  #: ``(reads, n)`` int8, -1 and +1, in the order of ``graph.nodes``
    linear: torch.Tensor  #: biases ``(n,)`` of the model they were drawn for
    quadratic: torch.Tensor  #: couplings ``(edges,)`` of it
    graph: QPUGraph  #: its graph
    provenance: Provenance  #: of the sampler that drew them
    simulated: bool  #: false only for samples of a real QPU
    class_biases: torch.Tensor | None = None  #: ``(K, n)``, where the prior knows several classes
    shares: torch.Tensor | None = None  #: ``(K,)`` of these
    classes: torch.Tensor | None = None  #: ``(reads,)`` int64, the class of each string

    @property
    def model_hash(self) -> str:
        """Identifies graph and biases together; see :func:`model_hash`."""
        return model_hash(self, self.graph)


def model_hash(model: GraphRestrictedBoltzmannMachine | Recording, graph: QPUGraph) -> str:
    """16 hexadecimal digits that change with any qubit, coupler, bias or coupling."""
    digest = hashlib.sha256(graph.hash.encode())
    further = (getattr(model, name, None) for name in ("class_biases", "shares"))
    for values in (model.linear, model.quadratic, *further):
        if values is not None:
            digest.update(values.detach().cpu().numpy().astype("<f4").tobytes())
    return digest.hexdigest()[:16]


def require_room(
    graph: QPUGraph, reads: int, name: str, max_bytes: int = MAX_BYTES, n_classes: int = 1
) -> None:
    """Refuse (RecordingError) too large a file before its samples are drawn, and paid for."""
    biases = len(graph.nodes) + len(graph.edges)
    size = reads * -(-len(graph.nodes) // 8)
    if n_classes > 1:
        biases += n_classes * (len(graph.nodes) + 1)
        size += reads
    size += 4 * biases
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
            "replaced: name another file with --output, move this one away, or give --overwrite."
        )


def save_recording(recording: Recording, path: str | Path, *, max_bytes: int = MAX_BYTES) -> Path:
    """Write a recording, see :func:`require_room`; atomic."""
    path = Path(path)
    require_kind("recording", recording, Recording, RecordingError)
    k = 1 if recording.shares is None else len(recording.shares)
    require_room(recording.graph, len(recording.spins), path.name, max_bytes, k)
    bits = np.packbits(recording.spins.numpy() > 0, axis=1)
    header = {
        "format": _KIND.form,
        "simulated": recording.simulated,
        "provenance": recording.provenance.to_dict(),
        "graph": recording.graph.to_dict(),
        "model_hash": recording.model_hash,
        "reads": len(recording.spins),
        "versions": {name: version(name) for name in _RECORDED_VERSIONS},
    }
    tensors = {
        "bits": torch.from_numpy(bits),
        "linear": recording.linear.float().contiguous(),
        "quadratic": recording.quadratic.float().contiguous(),
    }
    if recording.classes is not None:
        tensors |= {
            "class_biases": recording.class_biases.float().contiguous(),
            "shares": recording.shares.float().contiguous(),
            "classes": recording.classes.to(torch.uint8).contiguous(),
        }
    header["hash"] = _hash(header, tensors)
    with replacing(path) as written:
        write_tensors(written, tensors, header)
        try:
            again = load_recording(written)
        except RecordingError as error:
            raise RecordingError(
                f"{path.name} is not written, since it could not be read again: {error}"
            ) from error
        if not torch.equal(again.spins, recording.spins):
            raise RecordingError(f"{path.name} is not written: its spins are not -1 and +1.")
    return path


def _hash(header: dict, tensors: Mapping[str, torch.Tensor]) -> str:
    """32 hexadecimal digits that change with anything that a recording holds."""
    rest = {name: value for name, value in header.items() if name != "hash"}
    digest = hashlib.sha256(json.dumps(rest, sort_keys=True).encode())
    for name in ("bits", "linear", "quadratic", *_OF_CLASSES):
        if name in tensors:
            digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()[:32]


def _graph_of(file: TensorFile) -> QPUGraph:
    """The graph of an open recording, whose header and tensors agree with it and each other."""
    _is_header(file.header, "header")
    graph = QPUGraph.from_dict(file.header["graph"])
    n = len(graph.nodes)
    wanted = {"bits": (torch.uint8, (file.header["reads"], -(-n // 8)))}
    wanted |= {"linear": (torch.float32, (n,)), "quadratic": (torch.float32, (len(graph.edges),))}
    if "shares" in file.entries:
        k = file.entries["shares"].shape[:1]
        if len(k) != 1 or not 1 < k[0] <= MOST_CLASSES:
            raise Odd(f"tensor shares has the shape {file.entries['shares'].shape}")
        wanted |= {"class_biases": (torch.float32, (*k, n)), "shares": (torch.float32, k)}
        wanted["classes"] = (torch.uint8, (file.header["reads"],))
    file.require(wanted)
    if (size := sum(entry.size for entry in file.entries.values())) > MAX_BYTES:
        raise Odd(f"it holds {size / 1e6:.1f} MB, more than {MAX_BYTES / 1e6:.1f} MB")
    return graph


def read_recording_header(path: str | Path) -> dict:
    """What a recording says of itself; RecordingError if it is missing, damaged, or none."""
    with open_tensors(path, _KIND) as file:
        _graph_of(file)
        return file.header


def load_recording(path: str | Path) -> Recording:
    """Read a recording; RecordingError if the file is missing, damaged or altered."""
    with open_tensors(path, _KIND) as file:
        header, graph = file.header, _graph_of(file)
        tensors = {name: file.read(name) for name in file.entries}
        made = Provenance(**header["provenance"])
        bits = np.unpackbits(tensors["bits"].numpy(), axis=1, count=len(graph.nodes))
        spins = torch.from_numpy(bits.view(np.int8)).mul_(2).sub_(1)
        biases = tensors["linear"], tensors["quadratic"]
        of_classes = {name: tensors[name] for name in _OF_CLASSES if name in tensors}
        if of_classes:
            of_classes["classes"] = classes = of_classes["classes"].long()
            if int(classes.max()) >= len(of_classes["shares"]):
                raise Odd(f"a string is of class {int(classes.max())}, which it lacks")
        recording = Recording(spins, *biases, graph, made, header["simulated"], **of_classes)
        if (recording.model_hash, _hash(header, tensors)) != (header["model_hash"], header["hash"]):
            raise RecordingError(
                f"{schema.printable(Path(path).name)} was altered since it was recorded: "
                "fetch it again."
            )
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
            claimed = claimed_format(path)
            if claimed is not None and claimed.partition("/")[0] != _FAMILY:
                continue
            try:
                header = read_recording_header(path)
                if header["model_hash"] == wanted:
                    load_recording(path)  # not when it is needed, and another one would do
                    found.append((not header["simulated"], header["provenance"]["time"], path))
            except RecordingError as error:
                print(f"Passed over: {error}", flush=True)
    return [path for *_, path in sorted(found, key=lambda one: one[:2], reverse=True)]
