"""The models that the studio may read and write, whatever names people type."""

import os

import pytest
import torch
from safetensors.torch import save_file

from qdvae_helpers.checkpoints import save_checkpoint
from qdvae_helpers.errors import CheckpointError, OutputError, SettingError
from qdvae_helpers.model_store import ModelStore, valid_name
from qdvae_helpers.models import QDVAE

SHIPPED = ["qdvae-256", "qdvae-256-labels", "qdvae-fashion-256"]


@pytest.fixture
def store(tmp_path) -> ModelStore:
    return ModelStore(tmp_path / "models")


@pytest.fixture
def model12(graph12) -> QDVAE:
    return QDVAE(graph12, (16,)).eval()


@pytest.mark.parametrize("name", ["a", "first-try", " padded ", "x_1", "9lives", "a" * 64])
def test_good_names_pass(name):
    assert valid_name(name) == name.strip()


BAD_NAMES = ["", "../up", "a/b", "a\\b", "/etc/passwd", ".hidden", "a.part", "-rf", "a b"]
BAD_NAMES += ["a" * 65, "nul", "COM1", "naïve", "a\nb", "~root", "$HOME", "a\0b"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_other_names_are_refused_everywhere(name, store, model12):
    for use in (
        valid_name,
        store.require_free,
        store.unfinished_path,
        store.unfinished_header,
        lambda n: store.finish(model12, n),
        lambda n: store.save_picture(b"", n),
    ):
        with pytest.raises(SettingError, match="is no name for a file here"):
            use(name)
    for read in (store.load, store.header):
        with pytest.raises(CheckpointError, match="There is no model"):
            read(name)
    assert not store.folder.exists()


def test_the_store_lists_shipped_saved_and_unfinished_models(store, model12):
    assert store.names() == SHIPPED
    store.finish(model12, "mine")
    save_checkpoint(model12, store.unfinished_path("later"))
    assert store.names() == [*SHIPPED, "later (unfinished)", "mine"]
    assert store.unfinished() == ["later"]
    assert store.load("mine").n_spins == 12
    for taken in ("mine", "MINE", "later", "qdvae-256"):
        with pytest.raises(SettingError, match="already"):
            store.require_free(taken)
    store.finish(model12, "later")
    assert store.names() == [*SHIPPED, "later", "mine"]


def test_files_of_other_programs_are_not_offered_and_not_overwritten(store, model12):
    store.finish(model12, "mine")
    others = {"qcnn": {"a": torch.zeros(1)}, "notes": None}
    for name, tensors in others.items():
        path = store.folder / f"{name}.safetensors"
        path.write_bytes(b"\xff" * 9) if tensors is None else save_file(tensors, path)
    recording = {"qdvae": '{"format": "qdvae-recording/1"}'}
    save_file({"a": torch.zeros(1)}, store.folder / "drawn.safetensors", metadata=recording)
    assert store.names() == [*SHIPPED, "mine"]
    assert list(store.unreadable()) == ["notes"]  # the others are sound files of their own
    for name in ("qcnn", "QCNN", "notes", "drawn"):
        with pytest.raises(SettingError, match="already"):
            store.require_free(name)


NAMES_OF_BAD = ("torn", "deep", "fifo", "folder")


def test_a_bad_file_is_listed_apart_and_spoils_nothing(store, model12):
    whole = store.finish(model12, "mine").read_bytes()
    files = {name: store.folder / f"{name}.safetensors" for name in NAMES_OF_BAD}
    files["torn"].write_bytes(whole[:-100])
    files["deep"].write_bytes(b"\xd0\x07" + bytes(6) + b"[" * 2_000)
    os.mkfifo(files["fifo"])
    files["folder"].mkdir()
    files["away"] = store.folder / "away.part.safetensors"
    files["away"].symlink_to("nowhere")
    assert store.names() == [*SHIPPED, "mine"]
    assert store.unfinished() == []
    assert store.load("mine").n_spins == 12
    bad = store.unreadable()
    assert list(bad) == ["away (unfinished)", "deep", "fifo", "folder", "torn"]
    for name, sentence in bad.items():
        assert files[name.split()[0]].name in sentence
        for read in (store.load, store.header):
            with pytest.raises(CheckpointError) as caught:
                read(name)
            assert str(caught.value) == sentence
    for name in files:
        with pytest.raises(SettingError, match="already"):
            store.require_free(name)


def test_links_do_not_lead_out_of_the_folder(store, model12, tmp_path):
    outside = save_checkpoint(model12, tmp_path / "elsewhere" / "secret.safetensors")
    store.folder.mkdir()
    (store.folder / "secret.safetensors").symlink_to(outside)
    assert store.names() == SHIPPED
    with pytest.raises(SettingError, match="link out of the folder"):
        store.finish(model12, "secret")
    (store.folder / "pictures").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SettingError, match="link out of the folder"):
        store.save_picture(b"", "new")
    assert [file.name for file in (tmp_path / "elsewhere").iterdir()] == ["secret.safetensors"]


def test_pictures_are_written_once(store):
    path = store.save_picture(b"one", "p")
    assert path == store.folder / "pictures" / "p.png"
    with pytest.raises(SettingError, match="a picture 'p\\.png' already"):
        store.save_picture(b"two", "p")
    assert path.read_bytes() == b"one"


def test_a_picture_is_there_as_a_whole_or_not_at_all(store, small_disk):
    with pytest.raises(OutputError, match="the disk is full"):
        ModelStore(small_disk).save_picture(bytes(40_000_000), "p")
    assert list((small_disk / "pictures").iterdir()) == []
    store.folder.mkdir()
    (store.folder / "pictures").touch()
    with pytest.raises(OutputError, match="a file stands where a folder should be"):
        store.save_picture(b"one", "p")
