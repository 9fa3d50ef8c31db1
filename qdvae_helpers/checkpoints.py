"""Saving and loading (taught in ``05_training_the_qdvae`` and ``06_generating_digits``).

A checkpoint is one safetensors file: tensors, and in its header a JSON text with the graph
(nodes, edges, hash), the settings, and how it was made.  Reading it contacts no solver.
"""

import json
import platform
from importlib.metadata import version
from pathlib import Path

import torch

from qdvae_helpers.density_ratio import DensityRatio
from qdvae_helpers.errors import CheckpointError, GraphError
from qdvae_helpers.files import claimed_format, read_header_of, read_tensors, write_tensors
from qdvae_helpers.graphs import QPUGraph
from qdvae_helpers.models import QDVAE
from qdvae_helpers.paths import DATA, folder

_FAMILY = "qdvae-checkpoint/"
_FORMAT = _FAMILY + "2"
_DAMAGED = "{} is damaged or no checkpoint of this package ({}): fetch or train it again."
PRETRAINED_DIR = DATA / "pretrained"
_RECORDED_VERSIONS = ("torch", "dwave-pytorch-plugin")


def save_checkpoint(
    model: QDVAE,
    path: str | Path,
    info: dict | None = None,
    extra: dict[str, torch.Tensor] | None = None,
) -> Path:
    """Write the model so that :func:`load_checkpoint` needs nothing else; atomic.

    ``info`` adds plain values on how it was made to ``model.info``, ``extra`` further tensors.
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


def read_header(path: str | Path) -> dict:
    """What a checkpoint says of itself; CheckpointError if it is missing, damaged, or none."""
    needed = ("graph", "settings", "info")
    return read_header_of("checkpoint", path, _FORMAT, needed, _DAMAGED, CheckpointError)


def is_checkpoint(path: str | Path) -> bool:
    """Whether the file calls itself a checkpoint of this package, of any version, whole or not."""
    return claimed_format(path).startswith(_FAMILY)


def load_checkpoint(path: str | Path, *, graph: QPUGraph | None = None) -> QDVAE:
    """Rebuild a saved model on the CPU, without a solver.

    Raises:
        CheckpointError: missing or damaged file, or one of another graph than ``graph``, if given.
    """
    header, name = read_header(path), Path(path).name
    try:
        saved_graph = QPUGraph.from_json(json.dumps(header["graph"]))
    except GraphError as error:
        raise CheckpointError(f"{name} is damaged: {error}") from error
    if graph is not None:
        require_same_graph(saved_graph, graph, name)
    try:
        settings = dict(header["settings"])
        model = QDVAE(saved_graph, tuple(settings.pop("hidden")), **settings)
        tensors = read_tensors(path, "model.")
        if any(key.startswith("ratio.") for key in tensors):
            model.ratio = DensityRatio(model.n_spins).requires_grad_(False)
        model.load_state_dict(tensors)
        model.info = header["info"]
    except (KeyError, TypeError, RuntimeError) as error:
        raise CheckpointError(
            f"{name} does not hold what its header says ({type(error).__name__}): "
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


def models_dir() -> Path:
    """Where lessons save their own models: ``QDVAE_MODELS``, else ``data/models``."""
    return folder("QDVAE_MODELS", DATA / "models")


def load_pretrained(name: str = "qdvae-256") -> QDVAE:
    """A model that ships with the repository, without network, token or pickle.

    Raises:
        CheckpointError: there is none of that name; the message lists those there are.
    """
    path = PRETRAINED_DIR / f"{name}.safetensors"
    if not path.is_file():
        names = sorted(file.stem for file in PRETRAINED_DIR.glob("qdvae-*.safetensors"))
        raise CheckpointError(
            f"No model {name!r} ships here: choose one of {', '.join(names)}."
            if names
            else "The models that ship are missing: git checkout -- data/pretrained."
        )
    return load_checkpoint(path)
