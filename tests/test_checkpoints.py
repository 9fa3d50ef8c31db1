"""Saved models: complete, harmless, and refused by name where they do not fit."""

import json
import socket
import struct

import pytest
import torch
from hostile import content_of, write
from safetensors.torch import save_file
from small_models import SHARES, class_grbm

from qdvae_helpers.checkpoints import (
    PRETRAINED_DIR,
    is_checkpoint,
    load_checkpoint,
    load_pretrained,
    models_dir,
    read_header,
    save_checkpoint,
)
from qdvae_helpers.data import Source, held_out_sample
from qdvae_helpers.errors import CheckpointError
from qdvae_helpers.graphs import QPUGraph, densest_subgraph
from qdvae_helpers.models import QDVAE
from qdvae_helpers.paths import DATA, ROOT

#: With the mean brightness of the images that they learned.
SHIPPED = {"qdvae-256": 0.13, "qdvae-256-labels": 0.13, "qdvae-fashion-256": 0.29}


@pytest.fixture
def model(qpu):
    return QDVAE(densest_subgraph(qpu, 12), (16,), tau=0.3, hard=True).eval()


@pytest.fixture
def saved(model, tmp_path):
    return save_checkpoint(model, tmp_path / "deep" / "model.safetensors", {"note": "test"})


def test_a_model_comes_back_as_it_was(model, saved):
    loaded = load_checkpoint(saved)
    assert loaded.graph == model.graph
    assert loaded.settings == model.settings == {"hidden": [16], "tau": 0.3, "hard": True}
    assert loaded.info == {"note": "test"}
    assert not loaded.training
    images = torch.rand(3, 1, 28, 28)
    assert torch.equal(loaded.encode(images), model.encode(images))
    assert torch.equal(loaded.generate(2, seed=1), model.generate(2, seed=1))


def test_the_header_says_what_made_the_file(model, saved):
    header = read_header(saved)
    assert set(header) == {"format", "settings", "graph", "info", "versions"}
    assert {"nodes", "edges", "hash", "source"} <= set(header["graph"])
    assert {"python", "torch", "dwave-pytorch-plugin"} == set(header["versions"])
    model.info = {"note": "older", "step": 3}
    assert read_header(save_checkpoint(model, saved, {"note": "new"}))["info"] == {
        "note": "new",
        "step": 3,
    }


@pytest.mark.parametrize("what", ["numpy", "deep", "circular", "half", "source"])
def test_what_could_not_be_read_again_is_not_written(what, model, tmp_path):
    info: dict = {}
    if what == "numpy":
        info["a"] = torch.ones(1).numpy()[0]
    elif what == "circular":
        info["a"] = info
    elif what == "deep":
        for _ in range(100):
            info = {"a": info}
    elif what == "half":
        model.half()
    else:
        object.__setattr__(model.graph, "source", "x" * 2_000)
    path = tmp_path / "new.safetensors"
    with pytest.raises(CheckpointError, match=r"new\.safetensors is not written"):
        save_checkpoint(model, path, info)
    assert not path.exists()


def test_another_graph_is_refused_by_name(qpu, model, saved):
    with pytest.raises(CheckpointError, match=r"model.safetensors was made for another graph"):
        load_checkpoint(saved, graph=densest_subgraph(qpu, 13))
    other = QPUGraph(model.graph.nodes, model.graph.edges[1:])
    with pytest.raises(CheckpointError, match="their couplers differ"):
        load_checkpoint(saved, graph=other)
    assert load_checkpoint(saved, graph=densest_subgraph(qpu, 12)).graph == model.graph


def test_an_altered_graph_is_refused(saved, tmp_path):
    header = read_header(saved)
    header["graph"]["edges"].pop()
    other = tmp_path / "altered.safetensors"
    save_file({"x": torch.zeros(1)}, other, metadata={"qdvae": json.dumps(header)})
    with pytest.raises(CheckpointError, match="not what was saved"):
        load_checkpoint(other)


@pytest.mark.parametrize("damage", ["truncated", "pickle", "foreign", "newer", "hollow", "missing"])
def test_damaged_files_are_refused(damage, saved, tmp_path):
    path = tmp_path / "bad.safetensors"
    if damage == "truncated":
        path.write_bytes(saved.read_bytes()[:-100])
    elif damage == "pickle":  # must be refused, never executed
        torch.save({"a": torch.zeros(1)}, path)
    elif damage == "foreign":
        save_file({"a": torch.zeros(1)}, path)
    elif damage == "newer":
        header = json.dumps({"format": "qdvae-checkpoint/99"})
        save_file({"a": torch.zeros(1)}, path, metadata={"qdvae": header})
    elif damage == "hollow":
        header = json.dumps(read_header(saved))
        save_file({"a": torch.zeros(1)}, path, metadata={"qdvae": header})
    with pytest.raises(CheckpointError, match=r"bad.safetensors"):
        load_checkpoint(path)


def test_a_checkpoint_of_any_version_whole_or_not_is_known_as_one(saved, tmp_path):
    assert is_checkpoint(saved)
    path = tmp_path / "other.safetensors"
    for claimed, known in {"qdvae-checkpoint/99": True, "qdvae-recording/1": False}.items():
        metadata = {"qdvae": json.dumps({"format": claimed})}
        save_file({"a": torch.zeros(1)}, path, metadata=metadata)
        assert is_checkpoint(path) == known
    path.write_bytes(saved.read_bytes()[:-100])
    assert is_checkpoint(path)
    path.write_bytes(b"\xff" * 9)
    assert not is_checkpoint(path)


# With classes ------------------------------------------------------------------------------------


@pytest.fixture
def model3(graph12):
    model = QDVAE(graph12, (16,), classes=["cat", "dog", "cat"]).eval()
    model.grbm.load_state_dict(class_grbm(graph12).state_dict())
    return model


@pytest.fixture
def saved3(model3, tmp_path):
    return save_checkpoint(model3, tmp_path / "three.safetensors")


def test_a_model_with_classes_comes_back_as_it_was(model3, saved3):
    loaded = load_checkpoint(saved3)
    assert loaded.class_names == ("cat", "dog", "cat")
    assert loaded.wishes == ("cat", "dog")
    assert loaded.settings == model3.settings
    assert torch.equal(loaded.grbm.class_biases, model3.grbm.class_biases)
    assert loaded.grbm.shares.tolist() == pytest.approx(SHARES)
    for wish in (None, "dog", ["cat", "dog", 0]):
        ours, theirs = (m.generate(3, seed=1, classes=wish) for m in (loaded, model3))
        assert torch.equal(ours, theirs)


SPOILT = {
    "shares of more than one": lambda s, t: t["model.grbm.shares"].mul_(2),
    "shares below zero": lambda s, t: t["model.grbm.shares"].copy_(torch.tensor([1.5, -0.5, 0])),
    "shares that are none": lambda s, t: t["model.grbm.shares"].fill_(torch.nan),
    "no shares": lambda s, t: t.pop("model.grbm.shares"),
    "no biases": lambda s, t: t.pop("model.grbm.class_biases"),
    "infinite biases": lambda s, t: t["model.grbm.class_biases"].fill_(torch.inf),
    "more classes than biases": lambda s, t: s["classes"].append("cow"),
    "fewer classes than biases": lambda s, t: s["classes"].pop(),
    "no names": lambda s, t: s.pop("classes"),
    "one name": lambda s, t: s.update(classes=["cat"]),
    "an empty list": lambda s, t: s.update(classes=[]),
    "an empty name": lambda s, t: s.update(classes=["cat", "", "cat"]),
    "a name that moves the cursor": lambda s, t: s.update(classes=["cat", "\x1b[2J", "cat"]),
    "a name without end": lambda s, t: s.update(classes=["cat", "dog" * 10_000, "cat"]),
    "numbers": lambda s, t: s.update(classes=[1, 2, 3]),
    "a text": lambda s, t: s.update(classes="cat"),
    "names without end": lambda s, t: s.update(classes=["cat"] * 90_000),
    "nothing": lambda s, t: s.update(classes=None),
}


@pytest.mark.parametrize("name", SPOILT)
def test_spoilt_classes_are_refused_by_the_files_name(name, saved3):
    header, tensors = content_of(saved3)
    SPOILT[name](header["settings"], tensors)
    with pytest.raises(CheckpointError, match=r"three\.safetensors") as caught:
        load_checkpoint(write(saved3, (header, tensors)))
    assert len(str(caught.value)) < 600
    assert str(caught.value).isprintable()


def test_a_checkpoint_of_the_first_edition_is_refused_by_name(saved, tmp_path):
    header, tensors = content_of(saved)
    path = write(tmp_path / "old.safetensors", (header | {"format": "qdvae-checkpoint/1"}, tensors))
    assert is_checkpoint(path)
    for read in (load_checkpoint, read_header):
        with pytest.raises(
            CheckpointError, match=r"old\.safetensors has format 'qdvae-checkpoint/1', this"
        ):
            read(path)


def test_loading_needs_no_network(saved, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a network connection was tried")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert load_checkpoint(saved).n_spins == 12
    assert load_pretrained().n_spins == 256


def test_models_are_saved_where_the_environment_says(monkeypatch):
    monkeypatch.setenv("QDVAE_MODELS", "build/some")
    assert models_dir() == ROOT / "build" / "some"
    monkeypatch.delenv("QDVAE_MODELS")
    assert models_dir() == DATA / "models"


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_model_is_small_complete_and_works(name):
    path = PRETRAINED_DIR / f"{name}.safetensors"
    assert path.stat().st_size < 8_500_000
    with path.open("rb") as file:  # the header is plain JSON with an explicit length: no pickle
        (length,) = struct.unpack("<Q", file.read(8))
        assert "__metadata__" in json.loads(file.read(length))
    model = load_pretrained(name)
    assert model.n_spins == 256
    assert model.graph.topology == "zephyr"
    source = Source.from_dict(model.info["data"])
    data_set = "fashion-mnist" if "fashion" in name else "mnist"
    assert (source.data_set, source.split, source.count) == (data_set, "train", 60_000)
    assert {"train", "sampler", "history"} <= set(model.info)
    images = model.generate(100, seed=0)
    ink = images.mean((1, 2, 3))
    assert abs(float(ink.mean()) - SHIPPED[name]) < 0.04
    assert images.flatten(1).std(0).max() > 0.25  # and the images differ


@pytest.mark.parametrize(("name", "limit"), [("qdvae-256", 0.022), ("qdvae-256-labels", 0.022)])
def test_a_shipped_model_reconstructs_held_out_digits(name, limit):
    test = held_out_sample(2_000).rounded().images
    with torch.no_grad():
        error = (load_pretrained(name).reconstruct(test) - test).square().mean()
    assert error < limit  # all-grey images have 0.095


def test_an_unknown_model_is_answered_with_the_known_ones():
    with pytest.raises(CheckpointError, match=rf"choose one of {', '.join(SHIPPED)}\."):
        load_pretrained("qdvae-512")
