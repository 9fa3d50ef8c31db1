"""Whatever is wrong with a file: an error that names it, or what the file truly holds."""

import json
import os
import re
from pathlib import Path

import pytest
import torch
from hostile import (
    KINDS,
    STEPS,
    changed_bytes,
    changed_values,
    content_of,
    resume,
    small_images,
    spoilt,
    stopped_run,
    write,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save
from small_models import class_grbm, new_model, random_grbm, same_parameters

from qdvae_helpers.checkpoints import load_checkpoint, read_header, save_checkpoint
from qdvae_helpers.errors import (
    CheckpointError,
    GraphError,
    QdvaeError,
    RecordingError,
    TrainingError,
)
from qdvae_helpers.graphs import load_graph, save_graph
from qdvae_helpers.models import QDVAE
from qdvae_helpers.priors import class_fields
from qdvae_helpers.qpu.recordings import load_recording, read_recording_header, save_recording
from qdvae_helpers.samplers import make_sampler, record
from qdvae_helpers.training.state import read_run

pytestmark = pytest.mark.filterwarnings("ignore:Casting complex values")

# The same examples every time; a number asks for as many others (CONTRIBUTING.md).
MANY = int(os.environ.get("QDVAE_EXAMPLES", "0"))


def tried(share: float):
    """So many examples, as a share of 100."""
    return settings(
        max_examples=round(share * (MANY or 100)),
        derandomize=not MANY,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory, graph12):
    """One valid file of each kind, and the place where spoilt ones go."""
    folder = tmp_path_factory.mktemp("hostile")
    made = {"bad": folder / "bad.safetensors", "graph": folder / "graph.json"}
    made["model"] = save_checkpoint(new_model(graph12), folder / "model.safetensors", {"step": 3})
    model = QDVAE(graph12, (32,), classes=("cat", "dog", "cat"))
    model.grbm.load_state_dict(class_grbm(graph12).state_dict())
    made["model with classes"] = save_checkpoint(model, folder / "classes.safetensors")
    sampler = make_sampler(model.grbm, "exact", num_samples=20, graph=graph12)
    made["recording of classes"] = save_recording(record(sampler, 20), folder / "three.safetensors")
    sampler = make_sampler(random_grbm(graph12, 3), num_samples=20, graph=graph12)
    made["recording"] = save_recording(record(sampler, 20), folder / "recording.safetensors")
    save_graph(graph12, made["graph"])
    made["images"] = small_images()
    for kind in KINDS:
        path = folder / f"{kind}.safetensors"
        made[kind] = stopped_run(graph12, made["images"], path, kind)
    return made


def refused(error: QdvaeError) -> None:
    """The message is short, can be shown, names the file and says what to do."""
    text = str(error)
    assert "bad." in text
    assert ": " in text
    assert len(text) < 600
    assert text.isprintable()


@pytest.mark.parametrize("which", ["model", "model with classes"])
@tried(2)
@given(data=st.data())
def test_a_model_is_what_its_file_holds_or_refused(files, which, data):
    path = data.draw(spoilt(files[which], files["bad"]))
    try:
        model = load_checkpoint(path)
    except CheckpointError as error:
        refused(error)
        return
    header, tensors = content_of(path)
    assert (model.settings, model.info) == (header["settings"], header["info"])
    assert model.graph.to_dict() == header["graph"] | {"source": model.graph.source}
    for name, value in model.state_dict().items():
        assert torch.equal(value, tensors[f"model.{name}"])
    assert model.encode(torch.rand(2, 1, 28, 28)).isfinite().all()
    assert model.decode(torch.ones(2, 12)).isfinite().all()
    assert model.grbm(torch.ones(2, 12)).isfinite().all()
    assert class_fields(model.grbm).isfinite().all()
    assert model.generate(2, seed=0).isfinite().all()
    assert read_header(path) == header


@pytest.mark.parametrize("which", ["recording", "recording of classes"])
@tried(2)
@given(data=st.data())
def test_a_recording_is_as_it_was_or_refused(files, which, data):
    path = data.draw(spoilt(files[which], files["bad"]))
    try:
        found = load_recording(path)
    except RecordingError as error:
        refused(error)
        return
    whole = load_recording(files[which])
    assert (found.classes is None) == (whole.classes is None) == (which == "recording")
    if whole.classes is not None:
        assert torch.equal(found.classes, whole.classes)
        assert torch.equal(found.class_biases, whole.class_biases)
    assert torch.equal(found.spins, whole.spins)
    assert torch.equal(found.linear, whole.linear)
    assert torch.equal(found.quadratic, whole.quadratic)
    assert (found.graph, found.provenance) == (whole.graph, whole.provenance)
    assert found.simulated is whole.simulated is True
    assert read_recording_header(path) == read_recording_header(files[which])


@tried(2)
@given(data=st.data())
def test_a_graph_is_as_it_was_or_refused(files, data):
    path, text = files["bad"].with_suffix(".json"), files["graph"].read_bytes()
    if data.draw(st.booleans()):
        path.write_bytes(data.draw(changed_bytes(text)))
    else:
        path.write_text(json.dumps(data.draw(changed_values(json.loads(text)))))
    try:
        found = load_graph(path)
    except GraphError as error:
        refused(error)
        return
    assert found == load_graph(files["graph"])


@pytest.mark.parametrize("kind", KINDS)
@tried(0.6)
@given(data=st.data())
def test_a_run_goes_on_with_finite_numbers_or_is_refused(files, graph12, kind, data):
    path = data.draw(spoilt(files[kind], files["bad"]))
    model, sampler, go_on = resume(graph12, files["images"], path, kind)
    chains = {name: value.clone() for name, value in sampler.state_dict().items()}
    try:
        read_run(path)  # as the studio does
        assert go_on().finished
    except CheckpointError as error:
        refused(error)
        if "is not written" in str(error):  # huge moments, which have made huge weights
            return
        assert same_parameters(model, new_model(graph12))
        assert all(torch.equal(chains[k], value) for k, value in sampler.state_dict().items())
        return
    except TrainingError:  # the steps since were at fault, and nothing was saved
        return
    assert all(weights.isfinite().all() for weights in model.parameters())
    assert load_checkpoint(path).info["step"] == STEPS


PROCESS, FIRST = "extra.process0.", "extra.optimizer.0."
TENSORS = {
    "moments of another shape": {FIRST + "exp_avg": torch.zeros(3)},
    "moments of whole numbers": {FIRST + "exp_avg": torch.zeros(32, 784, dtype=torch.int64)},
    "moments missing": {FIRST + "exp_avg": None},
    "moments too many": {"extra.optimizer.99.exp_avg": torch.zeros(3)},
    "squares below zero": {FIRST + "exp_avg_sq": torch.full((32, 784), -1.0)},
    "no step": {FIRST + "step": torch.tensor(0.0)},
    "half a step": {FIRST + "step": torch.tensor(1.5)},
    "a step to come": {FIRST + "step": torch.tensor(11.0)},
    "spins of another shape": {PROCESS + "prior_spins": torch.ones(4, 13)},
    "more spins": {PROCESS + "prior_spins": torch.ones(5, 12)},
    "spins that are none": {PROCESS + "prior_spins": torch.full((4, 12), torch.nan)},
    "half spins": {PROCESS + "previous_spins": torch.full((4, 12), 0.5)},
    "no spins": {PROCESS + "prior_spins": None},
    "no spins before": {PROCESS + "previous_spins": None},
    "bits of 7": {PROCESS + "sampler.bits": torch.full((12, 4), 7, dtype=torch.uint8)},
    "no bits": {PROCESS + "sampler.bits": None},
    "calls below zero": {PROCESS + "sampler.calls": torch.tensor(-1)},
    "calls beyond counting": {PROCESS + "sampler.calls": torch.tensor(2**63 - 1)},
    "a short generator": {PROCESS + "generator": torch.zeros(7, dtype=torch.uint8)},
    "a generator of floats": {PROCESS + "generator": torch.zeros(5056)},
    "a generator of ones": {PROCESS + "generator": torch.ones(5056, dtype=torch.uint8)},
    "chains' generator": {PROCESS + "sampler.generator": torch.ones(5056, dtype=torch.uint8)},
    "no generator": {PROCESS + "generator": None},
    "no seconds": {"extra.seconds": None},
    "seconds below zero": {"extra.seconds": torch.tensor(-1.0, dtype=torch.float64)},
    "seconds that are none": {"extra.seconds": torch.tensor(torch.nan, dtype=torch.float64)},
    "another process": {"extra.process1.prior_spins": torch.ones(4, 12)},
    "biases of classes": {"model.grbm.class_biases": torch.zeros(3, 12)},
    "weights that are none": {"model.grbm._linear": torch.full((12,), torch.nan)},
    "infinite weights": {"model.grbm._linear": torch.full((12,), torch.inf)},
    "complex weights": {"model.grbm._linear": torch.zeros(12, dtype=torch.complex64)},
    "weights beyond reason": {"model.grbm._linear": torch.full((12,), 1e30)},
    "couplers of another graph": {"model.grbm._edge_idx_i": 0},
}
HISTORY = [{"step": 5, "seconds": 1.0}, {"step": 10, "seconds": 2.0}]
INFO = {
    "step": [-1, 0, 9, 13, 10.0, True, None, "10", 10**30],
    "history": [
        None, {}, [], HISTORY[:1], HISTORY[::-1], [*HISTORY, HISTORY[1]], [5, 10], [None, None],
        [HISTORY[0], {"step": 10}], [HISTORY[0], HISTORY[1] | {"entropy": "high"}],
        [HISTORY[0], HISTORY[1] | {"entropy": float("nan")}],
        [HISTORY[0], HISTORY[1] | {"seconds": -1}], [HISTORY[0], HISTORY[1] | {"step": True}],
    ],
    "data": [None, [], {}, "mnist", {"data_set": "mnist"}],
    "sampler": [None, [], {}, "gibbs", {"kind": "gibbs", "parameters": None}],
    "processes": [0, -1, None, True, 10**9],
    "images": [None, 7, "x" * 10_000],
    "train": [None, [], {}, {"recipe": "elbo"}, {"batch_size": "x" * 1_000}, {"steps": "many"}],
    "start": ["x", [], {"data": "x"}, {"start": {"data": []}}, {"start": {"start": 1}}],
    "device": [None, 7, "\x1b[2J"],
    "studio": [
        None, [], {"limits": [1]}, {"limits": [0, 1]}, {"limits": "ab"}, {"start_from": [1]},
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", TENSORS)
def test_a_run_with_such_a_tensor_is_refused(name, files, graph12):
    header, tensors = content_of(files["gibbs"])
    for key, value in TENSORS[name].items():
        tensors[key] = tensors.get(key) * 0 if isinstance(value, int) else value
        if value is None:
            del tensors[key]
    path = write(files["bad"], (header, tensors))
    model, _, go_on = resume(graph12, files["images"], path, "gibbs")
    with pytest.raises(CheckpointError) as caught:
        go_on()
    refused(caught.value)
    assert same_parameters(model, new_model(graph12))


@pytest.mark.parametrize("bad", [-1.0, 0.0, 1e300])
def test_a_run_with_an_impossible_prefactor_is_refused(bad, files, graph12):
    header, tensors = content_of(files["annealer"])
    tensors["extra.process0.sampler.prefactor"] = torch.tensor(bad, dtype=torch.float64)
    path = write(files["bad"], (header, tensors))
    with pytest.raises(QdvaeError):
        resume(graph12, files["images"], path, "annealer")[2]()


@pytest.mark.parametrize(("key", "i"), [(key, i) for key in INFO for i in range(len(INFO[key]))])
def test_a_run_of_such_a_making_is_refused(key, i, files, graph12):
    header, tensors = content_of(files["gibbs"])
    path = write(files["bad"], (header | {"info": header["info"] | {key: INFO[key][i]}}, tensors))
    for read in (lambda: read_run(path), resume(graph12, files["images"], path, "gibbs")[2]):
        with pytest.raises(CheckpointError) as caught:
            read()
        refused(caught.value)


def test_a_run_with_another_step_than_its_optimizer_is_refused(files, graph12):
    header, tensors = content_of(files["gibbs"])
    header["info"]["step"] = 11  # goes with the reports
    path = write(files["bad"], (header, tensors))
    with pytest.raises(CheckpointError, match="step 11 is not that of the optimizer"):
        resume(graph12, files["images"], path, "gibbs")[2]()


LARGE = {
    "a layer of a million and more": {"hidden": [1_500_000]},
    "many wide layers": {"hidden": [2_000] * 300},
    "many narrow layers": {"hidden": [8] * 100_000},
    "layers of nothing": {"hidden": [1] * 900},
    "no layers": {"hidden": []},
    "other layers": {"hidden": [31]},
    "a layer of none": {"hidden": [0]},
    "layers of text": {"hidden": "512"},
    "layers of truth": {"hidden": [True]},
    "no temperature": {"tau": 0},
    "no such setting": {"depth": 3},
}


@pytest.mark.parametrize("name", [*LARGE, "a million qubits", "many qubits", "null", "a list"])
def test_nothing_is_built_of_a_header_that_asks_too_much(name, files, graph12, monkeypatch):
    header, tensors = content_of(files["model"])
    if name in LARGE:
        header["settings"] |= LARGE[name]
    elif "qubits" in name:
        header["graph"]["nodes"] = list(range(1_000_000 if name[0] == "a" else 19_000))
    else:
        header = None if name == "null" else [header]
    path = write(files["bad"], (header, tensors))

    def build(*args, **options):
        raise AssertionError("a model was built")

    monkeypatch.setattr("qdvae_helpers.checkpoints.QDVAE", build)
    for read in (load_checkpoint, read_header):
        with pytest.raises(CheckpointError) as caught:
            read(path)
        refused(caught.value)


def _many_things() -> str:
    """JSON at all limits at once."""
    fields = ",".join(f'{{"{i:x}":0}}' for i in range(99_000))
    return f"[[{fields}],[{'[],' * 140_000}0],[{'1.5,' * 900_000}0]]"


COSTLY = {
    "many things": _many_things,
    "a deep text": lambda: "[" * 5_000_000,
    "many numbers": lambda: json.dumps({"graph": {"nodes": list(range(700_000))}}),
    "layers": lambda: json.dumps(
        {"format": "qdvae-checkpoint/2", "settings": {"hidden": [8] * 100_000}}
    ),
}


@pytest.mark.parametrize("name", COSTLY)
def test_a_refused_file_costs_little_memory(name, files):
    raw = save({"a": torch.zeros(1)}, metadata={"qdvae": COSTLY[name]()})
    files["bad"].write_bytes(raw)
    if not (clear := Path("/proc/self/clear_refs")).exists():
        pytest.skip("needs Linux")
    clear.write_text("5")  # the highest use of memory is counted from here
    before = _kilobytes("VmRSS")
    with pytest.raises(CheckpointError):
        load_checkpoint(files["bad"])
    assert (_kilobytes("VmHWM") - before) * 1024 < 2 * len(raw) + 100e6


def _kilobytes(name: str) -> int:
    return int(re.search(rf"{name}:\s+(\d+)", Path("/proc/self/status").read_text())[1])
