"""What the stage reads: a model's networks in 8 bits, its prior, and some pictures.

A safetensors file with a JSON text under the key ``qdvae``, format ``qdvae-stage/1``.
"""

import json

import networkx as nx
import numpy as np
import torch
from safetensors.torch import save
from torch import nn

from qdvae_helpers.arguments import require_kind
from qdvae_helpers.data import LABEL_NAMES, ImageSet, held_out_sample
from qdvae_helpers.errors import DataError, SettingError
from qdvae_helpers.files import KEY
from qdvae_helpers.graphs import CHIPS, QPUGraph, chip_places, colouring
from qdvae_helpers.models import QDVAE
from qdvae_helpers.priors import ClassBoltzmannMachine
from qdvae_helpers.widgets.wishes import data_set_of, label_names

FORMAT = "qdvae-stage/1"
_EXAMPLES = 12


def quantised(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights ``(rows, columns)`` as whole numbers from -127 to 127, and a scale per row.

    ``scale * whole`` differs from each weight by half a scale at most.
    """
    scale = weight.abs().amax(1).clamp(min=1e-12) / 127
    return torch.round(weight / scale.unsqueeze(1)).to(torch.int8), scale


def stage_bytes(model: QDVAE, examples: ImageSet | None = None) -> bytes:
    """The content of a stage file.

    Args:
        model: a trained one; only read.
        examples: pictures to choose from, with labels; held-out ones of the model's data set if
            left out, none where these are not at hand.

    Raises:
        SettingError: no model, or one whose numbers cannot be shown.
    """
    require_kind("model", model, QDVAE)
    if examples is not None:
        require_kind("examples", examples, ImageSet)
    if not all(values.isfinite().all() for values in model.state_dict().values()):
        raise SettingError("A weight of this model is no finite number: train or load it again.")
    if max(model.graph.nodes) >= 2**31:
        raise SettingError("The stage shows qubits with numbers below 2^31: number yours anew.")
    examples = _usual_examples(model) if examples is None else examples
    grbm, graph = model.grbm, model.graph
    place = {q: i for i, q in enumerate(graph.nodes)}
    colours = colouring(graph)
    tensors = {
        "linear": grbm.linear,
        "quadratic": grbm.quadratic,
        "edges": torch.tensor([[place[u], place[v]] for u, v in graph.edges]).int().reshape(-1, 2),
        "order": torch.tensor(sorted(range(len(place)), key=lambda i: colours[graph.nodes[i]])),
        "places": places_of(graph),
        "qubits": torch.tensor(graph.nodes),
    }
    if isinstance(grbm, ClassBoltzmannMachine):
        tensors |= {"class_biases": grbm.class_biases, "shares": grbm.shares}
    for name, network in (("encoder", model.dvae.encoder), ("decoder", model.dvae.decoder)):
        layers = [layer for layer in network.net if isinstance(layer, nn.Linear)]
        for k, layer in enumerate(layers):
            weight, scale = quantised(layer.weight.detach())
            parts = {"weight": weight, "scale": scale, "bias": layer.bias}
            tensors |= {f"{name}.{k}.{part}": value for part, value in parts.items()}
    if examples is not None:
        tensors["examples"] = (examples.images * 255).round().to(torch.uint8)
    about = {"format": FORMAT, **_about(model, examples)}
    return save(
        {name: _plain(value) for name, value in tensors.items()}, metadata={KEY: json.dumps(about)}
    )


def _plain(value: torch.Tensor) -> torch.Tensor:
    """A tensor of its own, in a type that the stage knows."""
    value = value.detach().cpu().clone(memory_format=torch.contiguous_format)
    return value.int() if value.dtype == torch.int64 else value


def _about(model: QDVAE, examples: ImageSet | None) -> dict:
    """What the stage says of the model."""
    data_set = data_set_of(model.info)
    names = LABEL_NAMES.get(data_set, ())
    labels = [] if examples is None else examples.labels.tolist()
    made = "digit" if data_set == "mnist" else "picture"
    learned = f"trained on {model.trained_on}" if model.trained_on else "training data unknown"
    return {
        "caption": f"{model.n_spins} spins, {learned}; sampled classically, in this browser",
        "noun": made,
        "graph": model.graph.topology.capitalize(),
        "recipe": model.info.get("train", {}).get("recipe", "elbo"),
        "classes": list(model.class_names),
        "wishes": list(label_names(model.class_names, model.info)),
        "examples": [names[y] if 0 <= y < len(names) else "a picture" for y in labels],
    }


def _usual_examples(model: QDVAE) -> ImageSet | None:
    """A held-out picture of each label and some more, as the model learned them."""
    data_set = data_set_of(model.info)
    data_set = data_set if data_set in LABEL_NAMES else "mnist"
    try:
        found = held_out_sample(500, data_set)
    except DataError:
        return None
    if model.trained_on is None or model.trained_on.black_and_white:
        found = found.rounded()
    labels = found.labels.tolist()
    firsts = [labels.index(y) for y in sorted(set(labels))]
    # In an order in which neighbours differ, so that a new picture is seen to be another one.
    rows = firsts[1::2] + firsts[::2]
    rows += [i for i in range(len(labels)) if i not in rows][: _EXAMPLES - len(rows)]
    return ImageSet(found.images[rows], found.labels[rows], found.source.then("a few of them"))


def places_of(graph: QPUGraph) -> torch.Tensor:
    """Where each qubit lies, ``(n, 2)`` from 0 to 1, the second number downwards."""
    if graph.topology in CHIPS:
        places = chip_places(graph)
    else:
        places = nx.spring_layout(graph.to_networkx(), seed=0)
    found = np.array([places[q] for q in graph.nodes], dtype=np.float32)
    low, high = found.min(0), found.max(0)
    found = (found - low) / np.maximum(high - low, 1e-6)
    found[:, 1] = 1 - found[:, 1]
    return torch.from_numpy(np.ascontiguousarray(found))
