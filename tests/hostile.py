"""Valid small files, and everything that may be wrong with them."""

import copy
import json
from collections.abc import Callable
from pathlib import Path

import torch
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save
from small_models import new_model

from qdvae_helpers.data import ImageSet, load_images
from qdvae_helpers.models import QDVAE
from qdvae_helpers.samplers import SpinSampler, make_sampler
from qdvae_helpers.training import TrainConfig, TrainResult, fit

DEEP = json.loads("[" * 70 + "]" * 70)
ODD_VALUES = [None, True, False, 0, 1, -1, 7, 0.5, 1e308, 2**31, 2**53, 2**63, 10**30, 10**400]
ODD_VALUES += [float("nan"), float("inf"), "", "x", "\x1b[2J", "\u202e", "\ud800", "a" * 20_000]
ODD_VALUES += [[], {}, [0], [1e9] * 3, [[]], {"a": 1}, [8] * 5_000, {"\0": 1}, DEEP, "gibbs"]
ODD_NUMBERS = [
    torch.nan,
    torch.inf,
    -torch.inf,
    0.0,
    -1.0,
    0.5,
    7.0,
    255.0,
    1e5,
    1e38,
    -1e38,
    2.0**62,
]
DTYPES = [torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.uint8]
DTYPES += [torch.bool, torch.complex64]
STEPS, KINDS = 12, ("gibbs", "annealer", "exact")

Content = tuple[dict, dict[str, torch.Tensor]]  # header and tensors


def content_of(path: Path) -> Content:
    """Header and tensors, as another reader sees them."""
    with safe_open(path, "pt") as file:
        names = file.keys()
        return json.loads(file.metadata()["qdvae"]), {n: file.get_tensor(n).clone() for n in names}


def write(path: Path, content: Content) -> Path:
    """A safetensors file with this content, whatever it is."""
    header, tensors = content
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    path.write_bytes(save(tensors, metadata={"qdvae": json.dumps(header)}))
    return path


def small_images() -> ImageSet:
    return load_images("mnist", limit=40)


def resume(
    graph, images: ImageSet, path: Path, kind: str, **options
) -> tuple[QDVAE, SpinSampler, Callable[[], TrainResult]]:
    """A model and a sampler, and the call that trains them from where the file ends."""
    config = TrainConfig(steps=STEPS, batch_size=20, report_every=5, sample_every=3)
    model = new_model(graph)
    more = {"annealer": {"prefactor": 0.15, "num_sweeps": 5}}.get(kind, {})
    sampler = make_sampler(model.grbm, kind, num_samples=4, graph=graph, **more)
    options |= {"sampler": sampler, "checkpoint": path, "progress": False}
    return model, sampler, lambda: fit(model, images, config, **options)


def stopped_run(graph, images: ImageSet, path: Path, kind: str) -> Path:
    """A run that was interrupted after 10 of 12 steps."""
    steps = iter(range(1, 100))
    resume(graph, images, path, kind, should_stop=lambda: next(steps) == 10)[2]()
    return path


def _places(value: object, here: tuple = ()) -> list[tuple]:
    """Where something stands in plain values; of long lists the two ends."""
    found = [here] if here else []
    if isinstance(value, dict):
        for name, one in value.items():
            found += _places(one, (*here, name))
    if isinstance(value, list):
        for i in sorted({0, 1, len(value) - 1} & set(range(len(value)))):
            found += _places(value[i], (*here, i))
    return found


@st.composite
def changed_values(draw, value: dict) -> dict:
    """Plain values with one thing replaced, left out, or added."""
    value = copy.deepcopy(value)
    *path, last = draw(st.sampled_from(_places(value)))
    holder = value
    for part in path:
        holder = holder[part]
    what = draw(st.sampled_from(["replace", "replace", "replace", "leave out", "add", "nest"]))
    odd = draw(st.sampled_from(ODD_VALUES) | st.integers() | st.floats() | st.text(max_size=20))
    if what == "replace":
        holder[last] = odd
    elif what == "leave out":
        del holder[last]
    elif what == "nest":
        holder[last] = [holder[last]]
    elif isinstance(holder, dict):
        holder[draw(st.sampled_from(["more", "step", "studio", "classes"]))] = odd
    else:
        holder.insert(0, odd)
    return value


def _with_one(tensor: torch.Tensor, place: int, number: float) -> torch.Tensor:
    changed = tensor.clone()
    if tensor.numel():
        whole = not tensor.is_floating_point()
        number = 7 if whole and not abs(number) < 2**63 else number
        flat = changed.view(-1)
        flat[place % len(flat)] = int(number) % 256 if tensor.dtype == torch.uint8 else number
    return changed


@st.composite
def changed_tensors(draw, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors of which one has another type, shape or value, or is missing, or new."""
    tensors = dict(tensors)
    name = draw(st.sampled_from(sorted(tensors)))
    tensor = tensors[name]
    what = draw(st.sampled_from(["value", "value", "type", "shape", "leave out", "add", "swap"]))
    if what == "value":
        place, number = draw(st.integers(0, 10**6)), draw(st.sampled_from(ODD_NUMBERS))
        tensors[name] = _with_one(tensor, place, number)
    elif what == "type":
        tensors[name] = tensor.to(draw(st.sampled_from(DTYPES)))
    elif what == "shape":
        flat = tensor.reshape(-1)
        shapes = [flat, flat[:-1], flat.repeat(2), tensor.unsqueeze(0), tensor.transpose(0, -1)]
        shapes += [flat[:0], flat.repeat(1_000)] if len(flat) else [torch.zeros(1)]
        tensors[name] = draw(st.sampled_from(shapes)) if tensor.dim() else flat.repeat(3)
    elif what == "add":
        more = [
            "more",
            "extra.more",
            "model.more",
            "extra.optimizer.99.step",
            "model.grbm.class_biases",
        ]
        tensors[draw(st.sampled_from(more))] = torch.zeros(3)
    elif what == "swap":
        tensors[name] = tensors[draw(st.sampled_from(sorted(tensors)))].clone()
    else:
        del tensors[name]
    return tensors


@st.composite
def changed_bytes(draw, raw: bytes) -> bytes:
    """A file that was cut off, or in which bytes were changed or have come in."""
    head = min(len(raw) - 1, 200)
    places = st.integers(0, len(raw) - 1) | st.integers(0, head) | st.integers(0, 8)
    place = draw(places)
    what = draw(st.sampled_from(["cut", "flip", "insert", "length", "append"]))
    if what == "cut":
        return raw[:place]
    if what == "flip":
        flipped = raw[place] ^ draw(st.integers(1, 255))
        return raw[:place] + bytes([flipped]) + raw[place + 1 :]
    if what == "insert":
        return raw[:place] + draw(st.binary(min_size=1, max_size=20)) + raw[place:]
    if what == "length":
        return draw(st.integers(0, 2**64 - 1)).to_bytes(8, "little") + raw[8:]
    return raw + draw(st.binary(min_size=1, max_size=20))


@st.composite
def spoilt(draw, path: Path, to: Path) -> Path:
    """A safetensors file with one or two things wrong."""
    raw = path.read_bytes()
    if draw(st.integers(0, 4)) == 0:
        to.write_bytes(draw(changed_bytes(raw)))
        return to
    header, tensors = content_of(path)
    for _ in range(draw(st.sampled_from([1, 1, 2]))):
        if draw(st.booleans()):
            header = draw(changed_values(header))
        elif tensors:
            tensors = draw(changed_tensors(tensors))
    return write(to, (header, tensors))
