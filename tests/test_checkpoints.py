"""Saved models: complete, harmless, and refused by name where they do not fit."""

import json
import socket
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from qdvae_helpers.checkpoints import (
    load_checkpoint,
    load_pretrained,
    read_header,
    read_tensors,
    save_checkpoint,
)
from qdvae_helpers.errors import CheckpointError
from qdvae_helpers.graphs import densest_subgraph
from qdvae_helpers.models import QDVAE


@pytest.fixture
def model(qpu):
    return QDVAE(densest_subgraph(qpu, 12), (16,), tau=0.3, hard=True).eval()


@pytest.fixture
def saved(model, tmp_path):
    return save_checkpoint(model, tmp_path / "deep" / "model.safetensors", {"note": "test"})


def test_a_model_comes_back_as_it_was(model, saved):
    loaded = load_checkpoint(saved)
    assert loaded.graph == model.graph
    assert loaded.settings == model.settings
    assert loaded.info["note"] == "test"
    assert not loaded.training
    images = torch.rand(3, 1, 28, 28)
    assert torch.equal(loaded.encode(images), model.encode(images))
    assert torch.equal(loaded.generate(2, seed=1), model.generate(2, seed=1))


def test_the_header_says_what_made_the_file(saved):
    header = read_header(saved)
    assert set(header) == {"format", "settings", "graph", "info", "versions"}
    assert {"nodes", "edges", "hash", "source"} <= set(header["graph"])
    assert "torch" in header["versions"]


def test_a_failed_save_leaves_the_old_file_and_nothing_else(model, saved, monkeypatch):
    before = saved.read_bytes()

    def fail(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr("qdvae_helpers.checkpoints.save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint(model, saved)
    assert saved.read_bytes() == before
    assert len(list(saved.parent.iterdir())) == 1


def test_another_graph_is_refused_by_name(qpu, saved):
    with pytest.raises(CheckpointError, match=r"model.safetensors was made for another graph"):
        load_checkpoint(saved, graph=densest_subgraph(qpu, 13))
    load_checkpoint(saved, graph=densest_subgraph(qpu, 12))


def test_an_altered_graph_is_refused(model, saved, tmp_path):
    header = read_header(saved)
    header["graph"]["edges"].pop()
    other = tmp_path / "altered.safetensors"
    save_file({"x": torch.zeros(1)}, other, metadata={"qdvae": json.dumps(header)})
    with pytest.raises(CheckpointError, match="not what was saved"):
        load_checkpoint(other)


def test_reading_leaves_no_map_of_the_file_behind(saved):
    # On Windows a mapped file could not be replaced by the next save.
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("needs /proc")
    model = load_checkpoint(saved)
    tensors = read_tensors(saved, "model.")
    assert tensors
    assert model.n_spins == 12
    assert saved.name not in maps.read_text()


def test_a_model_is_as_readable_as_any_new_file(saved, tmp_path):
    (tmp_path / "plain").touch()
    assert saved.stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("damage", ["truncated", "pickle", "foreign", "newer", "missing"])
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
    with pytest.raises(CheckpointError, match=r"bad.safetensors"):
        load_checkpoint(path)


def test_loading_needs_no_network(saved, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a network connection was tried")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    load_checkpoint(saved)
    load_pretrained("qdvae-256")


@pytest.mark.parametrize("name", ["qdvae-256", "qdvae-256-sharp"])
def test_a_shipped_model_is_small_complete_and_works(name):
    from qdvae_helpers import checkpoints

    path = checkpoints.PRETRAINED_DIR / f"{name}.safetensors"
    assert path.stat().st_size < 8_500_000
    with path.open("rb") as file:  # the header is plain JSON with an explicit length: no pickle
        (length,) = struct.unpack("<Q", file.read(8))
        json.loads(file.read(length))
    model = load_pretrained(name)
    assert model.n_spins == 256
    assert model.ratio is not None
    assert model.graph.topology == "zephyr"
    assert model.info["data"].startswith("MNIST train, 60,000 images")
    assert {"train", "sampler", "history", "ratio"} <= set(model.info)
    images = model.generate(200, seed=0)
    ink = images.mean((1, 2, 3))
    assert 0.05 < ink.mean() < 0.25  # MNIST has 0.13
    assert images.flatten(1).std(0).max() > 0.3  # and the images differ


@pytest.mark.parametrize(("name", "limit"), [("qdvae-256", 0.022), ("qdvae-256-sharp", 0.0175)])
def test_a_shipped_model_reconstructs_held_out_digits(name, limit, real_mnist):
    from qdvae_helpers.data import load_images

    test = load_images("mnist", "test").rounded()
    with torch.no_grad():
        error = (load_pretrained(name).reconstruct(test.images) - test.images).square().mean()
    assert error < limit  # all-grey images have 0.095


def test_an_unknown_model_is_answered_with_the_known_ones():
    with pytest.raises(CheckpointError, match=r"choose one of qdvae-256, qdvae-256-sharp\."):
        load_pretrained("qdvae-512")
