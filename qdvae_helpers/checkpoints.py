"""Saving and loading (taught in ``05_training_the_qdvae`` and ``06_generating_digits``).

A checkpoint is one safetensors file: tensors, and in its header a JSON text with the graph
(nodes, edges, hash), the settings, and how it was made.  Reading it contacts no solver.
"""

import contextlib
import itertools
import json
import math
import os
import platform
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import torch

from qdvae_helpers import schema
from qdvae_helpers.errors import CheckpointError, GraphError, SettingError
from qdvae_helpers.files import write_tensors
from qdvae_helpers.formats import Kind, TensorFile, claimed_format, open_tensors, require_finite
from qdvae_helpers.graphs import QPUGraph
from qdvae_helpers.models import IMAGE_SHAPE, QDVAE
from qdvae_helpers.paths import DATA, folder
from qdvae_helpers.priors import MOST_CLASSES, require_names, require_shares
from qdvae_helpers.schema import Odd, parse_json

_FAMILY = "qdvae-checkpoint/"
_KIND = Kind("checkpoint", _FAMILY + "2", "fetch or train it again", CheckpointError)
PRETRAINED_DIR = DATA / "pretrained"
_MOST = 1e6  # of a weight; sums of larger ones may leave the range of numbers
_RECORDED_VERSIONS = ("torch", "dwave-pytorch-plugin")

_is_source = schema.fields(
    {
        "data_set": schema.text(),
        "split": schema.text(100),
        "count": schema.whole(1, 10**9),
        "transforms": schema.listing(schema.text(), most=100),
        "drawn": schema.optional(schema.listing(schema.whole(0, 2**63 - 1), 2, 2)),
    }
)
_is_training = schema.fields(
    {},
    {
        "recipe": schema.text(100),
        "steps": schema.whole(0, 10**9),
        "batch_size": schema.whole(0, 10**9),
        "seed": schema.whole(0, 2**63 - 1),
    },
    schema.plain,
)


def _is_start(value: object, where: str) -> None:
    """What a model that went on from another one knows of that, and of those before."""
    known = {"data": _is_source, "train": _is_training, "start": _is_start}
    optional = {name: schema.optional(check) for name, check in known.items()}
    schema.fields({}, optional, schema.plain)(value, where)


#: What a model may know of its making; each part is optional, and others may stand beside them.
INFO = {
    "train": _is_training,
    "step": schema.whole(),
    "history": schema.listing(
        schema.fields({"step": schema.whole(1), "seconds": schema.number(0)}, {}, schema.number())
    ),
    "data": _is_source,
    "images": schema.digest,
    "sampler": schema.provenance,
    "device": schema.text(100),
    "processes": schema.whole(1, 10_000),
    "profile": schema.text(100),
    "start": schema.optional(_is_start),
    "studio": schema.fields(
        {},
        {
            "limits": schema.listing(schema.optional(schema.whole(1)), 2, 2),
            "start_from": schema.optional(schema.text(200)),
        },
        schema.plain,
    ),
}
_is_header = schema.fields(
    {
        "format": schema.one_of(_KIND.form),
        "settings": schema.fields(
            {
                "hidden": schema.listing(schema.whole(1, 10**6), most=1_000),
                "tau": schema.number(1e-6, 1e6),
                "hard": schema.flag,
            },
            {"classes": schema.listing(schema.text(100), 2, MOST_CLASSES)},
        ),
        "graph": schema.anything,  # see QPUGraph.from_dict
        "info": schema.fields({}, INFO, schema.plain),
        "versions": schema.fields({}, others=schema.text(200)),
    }
)


def save_checkpoint(
    model: QDVAE,
    path: str | Path,
    info: dict | None = None,
    extra: dict[str, torch.Tensor] | None = None,
) -> Path:
    """Write the model so that :func:`load_checkpoint` needs nothing else; atomic.

    ``info`` adds plain values on how it was made to ``model.info``, ``extra`` further tensors.

    Raises:
        CheckpointError: what would be written could not be read again: weights that are not finite
            or not float32, or values that are not plain.
    """
    header = {
        "format": _KIND.form,
        "settings": model.settings,
        "graph": model.graph.to_dict(),
        "info": model.info | (info or {}),
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in _RECORDED_VERSIONS},
    }
    tensors = {f"model.{name}": t.detach().cpu() for name, t in model.state_dict().items()}
    tensors |= {f"extra.{name}": t.detach().cpu() for name, t in (extra or {}).items()}
    # Tensors that share memory are refused by safetensors; clones never do.
    tensors = {name: tensor.clone().contiguous() for name, tensor in tensors.items()}
    try:
        _is_header(parse_json(json.dumps(header)), "header")
        QPUGraph.from_dict(header["graph"])
        for name, tensor in tensors.items():
            floats = name.startswith("model.") and tensor.is_floating_point()
            if floats and tensor.dtype != torch.float32:
                raise Odd(f"{name} has another precision: save model.float()")
            require_finite(name, tensor, _MOST if name.startswith("model.") else math.inf)
    except (ValueError, TypeError, RecursionError, GraphError) as error:
        raise CheckpointError(
            f"{Path(path).name} is not written, since it could not be read again: {error}."
        ) from error
    return write_tensors(path, tensors, header)


@contextlib.contextmanager
def open_checkpoint(path: str | Path) -> Iterator["Checkpoint"]:
    """Open a checkpoint whose header is in order; inside, what is odd is a CheckpointError."""
    with open_tensors(path, _KIND) as file:
        yield Checkpoint(file)


class Checkpoint:
    """An open checkpoint whose header agrees with itself and with the size of its tensors."""

    def __init__(self, file: TensorFile) -> None:
        self.file, self.header = file, file.header
        _is_header(self.header, "header")
        self.graph = QPUGraph.from_dict(self.header["graph"])
        # What would be built must be there, before it is: no less, no more.
        hidden, n = self.header["settings"]["hidden"], len(self.graph.nodes)
        widths = [math.prod(IMAGE_SHAPE), *hidden, n]
        try:
            k = len(require_names(self.header["settings"].get("classes", ())))
        except SettingError as error:
            raise Odd(f"header.settings: {error}") from error
        wanted = n + len(self.graph.edges) + k * (n + 1)
        wanted += sum(2 * a * b + a + b for a, b in itertools.pairwise(widths))
        there = sum(
            math.prod(entry.shape)
            for name, entry in file.entries.items()
            if entry.dtype == torch.float32 and name.startswith(("model.dvae.", "model.grbm."))
        )
        if wanted != there or 4 * (len(hidden) + 1) > len(file.entries):
            raise Odd(f"its settings ask for {wanted:,} weights, it has {there:,}")

    def model(self) -> QDVAE:
        """The model, in evaluation mode; every tensor is compared before the first is read."""
        settings = dict(self.header["settings"])
        model = QDVAE(self.graph, tuple(settings.pop("hidden")), **settings)
        state = model.state_dict()
        wanted = {f"model.{name}": (own.dtype, own.shape) for name, own in state.items()}
        self.file.require(wanted, others="extra.")
        for name, own in state.items():
            saved = self.file.read(f"model.{name}", _MOST)
            if not own.is_floating_point() and not saved.equal(own):
                raise Odd(f"tensor model.{name} is none of this graph")
            own.copy_(saved)
        if model.class_names:
            try:
                require_shares(model.grbm.shares)
            except SettingError as error:
                raise Odd(f"tensor model.grbm.shares: {error}") from error
        model.info = self.header["info"]
        return model.eval()


def read_header(path: str | Path) -> dict:
    """What a checkpoint says of itself; CheckpointError if it is missing, damaged, or none."""
    with open_checkpoint(path) as checkpoint:
        return checkpoint.header


def is_checkpoint(path: str | Path) -> bool:
    """Whether the file calls itself a checkpoint of this package, of any version, whole or not."""
    return (claimed_format(path) or "").startswith(_FAMILY)


def load_checkpoint(path: str | Path, *, graph: QPUGraph | None = None) -> QDVAE:
    """Rebuild a saved model on the CPU, without a solver.

    Raises:
        CheckpointError: missing or damaged file, or one of another graph than ``graph``, if given.
    """
    with open_checkpoint(path) as checkpoint:
        if graph is not None:
            require_same_graph(checkpoint.graph, graph, schema.printable(Path(path).name))
        return checkpoint.model()


def require_same_graph(saved: QPUGraph, wanted: QPUGraph, name: str) -> None:
    """Refuse a checkpoint of another graph, saying how the two differ."""
    if saved.hash == wanted.hash:
        return
    lost = sorted(set(saved.nodes) - set(wanted.nodes))
    detail = f"its qubits {lost[:5]} are not in yours" if lost else "their couplers differ"
    raise CheckpointError(
        f"{name} was made for another graph (hash {saved.hash}, yours {wanted.hash}; {detail}). "
        "Load it without graph=..., build your model on the checkpoint's own graph, or train again."
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
    if not os.path.isfile(path):
        names = sorted(file.stem for file in PRETRAINED_DIR.glob("qdvae-*.safetensors"))
        raise CheckpointError(
            f"No model {str(name)[:80]!r} ships here: choose one of {', '.join(names)}."
            if names
            else "The models that ship are missing: git checkout -- data/pretrained."
        )
    return load_checkpoint(path)
