"""Saving and loading (taught in ``05_training_the_qdvae`` and ``06_generating_digits``).

A checkpoint is one safetensors file: tensors, and in its header a JSON text with the graph
(nodes, edges, hash), the settings, and how it was made.  One file is replaced in one step, so there
is never half a checkpoint, and reading it executes no code and contacts no solver.
"""

import json
import os
import platform
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from qdvae_helpers.density_ratio import DensityRatio
from qdvae_helpers.errors import CheckpointError, GraphError
from qdvae_helpers.files import replacing
from qdvae_helpers.graphs import QPUGraph
from qdvae_helpers.models import QDVAE

_FAMILY = "qdvae-checkpoint/"
_FORMAT = _FAMILY + "1"
_ROOT = Path(__file__).resolve().parent.parent
PRETRAINED_DIR = _ROOT / "data" / "pretrained"
_RECORDED_VERSIONS = ("torch", "dwave-pytorch-plugin")


def save_checkpoint(
    model: QDVAE,
    path: str | Path,
    info: dict | None = None,
    extra: dict[str, torch.Tensor] | None = None,
) -> Path:
    """Write the model so that :func:`load_checkpoint` needs nothing else; atomic.

    Args:
        model: what to save.
        path: file to write; its folder is created.
        info: plain values on how it was made (data source, sampler, seed, metrics ...).
        extra: further tensors, for example an optimiser's state.
    """
    header = {
        "format": _FORMAT,
        "settings": model.settings,
        "graph": json.loads(model.graph.to_json()),
        "info": model.info | (info or {}),
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in _RECORDED_VERSIONS},
    }
    tensors = {f"model.{name}": t.detach().cpu() for name, t in model.state_dict().items()}
    tensors |= {f"extra.{name}": t.detach().cpu() for name, t in (extra or {}).items()}
    # Tensors that share memory are refused by safetensors; clones never do.
    tensors = {name: tensor.clone().contiguous() for name, tensor in tensors.items()}
    return write_tensors(path, tensors, header)


def write_tensors(path: str | Path, tensors: dict[str, torch.Tensor], header: dict) -> Path:
    """Write a safetensors file with a JSON header; atomic: an old file is kept or replaced.

    Args:
        path: file to write; its folder is created.
        tensors: on the CPU, contiguous, none sharing memory with another.
        header: plain values.
    """
    path = Path(path)
    with replacing(path) as written:
        save_file(tensors, written, metadata={"qdvae": json.dumps(header)})
    return path


def read_header(path: str | Path) -> dict:
    """What a checkpoint says of itself, without loading its tensors.

    Raises:
        CheckpointError: no such file, damaged, or not one of ours.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"There is no checkpoint {path.name}: check its name and folder.")
    try:
        with safe_open(path, "pt") as file:
            header = json.loads((file.metadata() or {})["qdvae"])
    except (SafetensorError, KeyError, ValueError) as error:
        raise CheckpointError(
            f"{path.name} is damaged or no checkpoint of this package ({type(error).__name__}): "
            "fetch or train it again."
        ) from error
    if header.get("format") != _FORMAT:
        raise CheckpointError(
            f"{path.name} has format {header.get('format')!r}, this version reads {_FORMAT!r}: "
            "use the version of the package that wrote it."
        )
    return header


def is_checkpoint(path: str | Path) -> bool:
    """Whether the file calls itself a checkpoint of this package, of any version, whole or not.

    Reads no more than the header; other programs write safetensors files, too.
    """
    try:
        with Path(path).open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > Path(path).stat().st_size:  # before that much memory is asked for
                return False
            header = json.loads(file.read(length))
        return json.loads(header["__metadata__"]["qdvae"])["format"].startswith(_FAMILY)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def load_checkpoint(path: str | Path, *, graph: QPUGraph | None = None) -> QDVAE:
    """Rebuild a saved model on the CPU; never contacts a solver.

    Args:
        path: a file that :func:`save_checkpoint` wrote.
        graph: if given, the model must live on exactly this graph.

    Raises:
        CheckpointError: missing or damaged file, or another graph; the message says which.
    """
    header = read_header(path)
    try:
        saved_graph = QPUGraph.from_json(json.dumps(header["graph"]))
    except GraphError as error:
        raise CheckpointError(f"{Path(path).name} is damaged: {error}") from error
    if graph is not None:
        require_same_graph(saved_graph, graph, Path(path).name)
    try:
        settings = dict(header["settings"])
        model = QDVAE(saved_graph, tuple(settings.pop("hidden")), **settings)
        tensors = read_tensors(path, "model.")
        if any(name.startswith("ratio.") for name in tensors):
            model.ratio = DensityRatio(model.n_spins).requires_grad_(False)
        model.load_state_dict(tensors)
        model.info = header["info"]
    except (KeyError, TypeError, RuntimeError) as error:
        raise CheckpointError(
            f"{Path(path).name} does not hold what its header says ({type(error).__name__}): "
            "fetch or train it again."
        ) from error
    return model.eval()


def require_same_graph(saved: QPUGraph, wanted: QPUGraph, name: str) -> None:
    """Refuse a checkpoint of another graph, saying how the two differ."""
    if saved.hash == wanted.hash:
        return
    lost = sorted(set(saved.nodes) - set(wanted.nodes))
    detail = f"its qubits {lost[:5]} are not in yours" if lost else "their couplers differ"
    raise CheckpointError(
        f"{name} was made for another graph (hash {saved.hash}, yours {wanted.hash}; {detail}). "
        "Load it without graph=..., build your model on the checkpoint's own graph, or train anew."
    )


def read_tensors(path: str | Path, prefix: str) -> dict[str, torch.Tensor]:
    """The tensors whose names begin with ``prefix``, without it."""
    with safe_open(path, "pt") as file:
        names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118
        # Copies: a tensor that still maps the file would forbid replacing it on Windows.
        return {name.removeprefix(prefix): file.get_tensor(name).clone() for name in names}


def models_dir() -> Path:
    """Where lessons save their own models: ``QDVAE_MODELS``, else ``data/models``."""
    if configured := os.environ.get("QDVAE_MODELS"):
        return _ROOT / Path(configured).expanduser()  # an absolute folder stays as it is
    return _ROOT / "data" / "models"


def load_pretrained(name: str = "qdvae-256") -> QDVAE:
    """A model that ships with the repository, without network, token or pickle.

    Raises:
        CheckpointError: there is none of that name; the message lists those there are.
    """
    path = PRETRAINED_DIR / f"{name}.safetensors"
    if not path.is_file():
        names = sorted(file.stem for file in PRETRAINED_DIR.glob("qdvae-*.safetensors"))
        raise CheckpointError(
            f"No model {name!r} ships here: choose one of {', '.join(names) or 'none'}."
        )
    return load_checkpoint(path)
