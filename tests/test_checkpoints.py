"""Saved models: complete, harmless, and refused by name where they do not fit."""

import json
import socket
import struct

import pytest
import torch
from safetensors.torch import save_file

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

SHIPPED = ("qdvae-256", "qdvae-256-labels")


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
        graph = QPUGraph(model.graph.nodes, model.graph.edges, source="x" * 2_000)
        model = QDVAE(graph, (16,))
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
    assert (source.data_set, source.split, source.count) == ("mnist", "train", 60_000)
    assert {"train", "sampler", "history"} <= set(model.info)
    images = model.generate(100, seed=0)
    ink = images.mean((1, 2, 3))
    assert 0.05 < ink.mean() < 0.25  # MNIST has 0.13
    assert images.flatten(1).std(0).max() > 0.3  # and the images differ


@pytest.mark.parametrize(("name", "limit"), [("qdvae-256", 0.022), ("qdvae-256-labels", 0.022)])
def test_a_shipped_model_reconstructs_held_out_digits(name, limit):
    test = held_out_sample(2_000).rounded().images
    with torch.no_grad():
        error = (load_pretrained(name).reconstruct(test) - test).square().mean()
    assert error < limit  # all-grey images have 0.095


def test_an_unknown_model_is_answered_with_the_known_ones():
    with pytest.raises(CheckpointError, match=rf"choose one of {', '.join(SHIPPED)}\."):
        load_pretrained("qdvae-512")
