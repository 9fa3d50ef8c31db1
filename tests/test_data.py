"""Images and where they come from, also when something is wrong with them."""

import socket
from pathlib import Path

import pytest
import torch

from qdvae_helpers import data
from qdvae_helpers.data import MNIST_SHA256, load_images
from qdvae_helpers.errors import DataError, SettingError


@pytest.fixture(autouse=True)
def new_session():
    data._announce.cache_clear()
    data._download_mnist.cache_clear()


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise socket.gaierror("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("QDVAE_DOWNLOAD", "1")


def test_real_mnist_has_the_published_counts(real_mnist):
    train, test = load_images("mnist", "train"), load_images("mnist", "test")
    assert train.images.shape == (60_000, 1, 28, 28)
    assert test.images.shape == (10_000, 1, 28, 28)
    assert train.images.dtype == torch.float32
    assert (train.images.min(), train.images.max()) == (0, 1)
    assert torch.bincount(test.labels).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip
    assert train.source == "MNIST train, 60,000 images"


def test_digits_are_split_without_overlap():
    train, test = load_images("digits", "train"), load_images("digits", "test")
    assert len(train.images) + len(test.images) == 1797
    assert train.images.shape[1:] == (1, 28, 28)
    assert 0 <= train.images.min() <= train.images.max() <= 1
    assert train.images[:, :, :4].abs().max() == 0  # the margin that MNIST has, too


def test_without_mnist_and_network_the_small_digits_are_announced(
    no_network, monkeypatch, tmp_path, capsys
):
    monkeypatch.setenv("QDVAE_DATA", str(tmp_path))
    images = load_images("mnist", "train", limit=10)
    assert "scikit-learn" in images.source
    printed = capsys.readouterr().out
    assert "MNIST is not here (download failed" in printed
    assert printed.count("\n") == 1
    assert not list(tmp_path.rglob("*ubyte*"))  # no half downloads
    load_images("mnist", "test", limit=10)
    assert capsys.readouterr().out == ""  # said once is enough


def test_a_relative_folder_is_found_from_the_repository_too(monkeypatch, tmp_path):
    from qdvae_helpers.data import data_dir

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QDVAE_DATA", "notebooks")
    assert (data_dir() / "06_generating_digits.ipynb").is_file()


def test_downloads_can_be_switched_off(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("QDVAE_DATA", str(tmp_path))
    monkeypatch.setenv("QDVAE_DOWNLOAD", "0")
    load_images("mnist", limit=1)
    assert "downloads are switched off" in capsys.readouterr().out


def test_a_read_only_data_folder_is_named_and_survived(monkeypatch, tmp_path, capsys):
    def refuse(self, *args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setenv("QDVAE_DATA", str(tmp_path))
    monkeypatch.setenv("QDVAE_DOWNLOAD", "1")
    monkeypatch.setattr(Path, "mkdir", refuse)  # chmod would not stop a test that runs as root
    assert "scikit-learn" in load_images("mnist", limit=1).source
    assert "read-only; point QDVAE_DATA" in capsys.readouterr().out


@pytest.mark.parametrize("damage", ["truncated", "altered"])
def test_a_damaged_file_is_named_with_its_remedy(damage, monkeypatch, tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in MNIST_SHA256:
        (raw / name).write_bytes(b"" if damage == "truncated" else b"\0" * 2000)
    monkeypatch.setenv("QDVAE_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte is truncated or altered.*Delete"):
        load_images("mnist", "train")


def test_a_part_of_the_files_counts_as_none(monkeypatch, tmp_path, capsys):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in MNIST_SHA256:
        if name.startswith("train"):
            (raw / name).write_bytes(b"")
    monkeypatch.setenv("QDVAE_DATA", str(tmp_path))
    monkeypatch.setenv("QDVAE_DOWNLOAD", "0")
    for split in ("train", "test"):
        assert "scikit-learn" in load_images("mnist", split, limit=1).source
    assert "MNIST is not here" in capsys.readouterr().out


def test_unknown_names_are_refused_with_the_known_ones():
    with pytest.raises(SettingError, match="'mnist' or 'digits'"):
        load_images("minst")
    with pytest.raises(SettingError, match="'train' or 'test'"):
        load_images("digits", "valid")
    with pytest.raises(SettingError, match="at least one image"):
        load_images("digits", limit=0)


def test_bent_copies_follow_the_originals_and_stay_digits():
    images = load_images("mnist", "train", limit=50)
    more = images.jittered(2, seed=3)
    assert more.images.shape == (150, 1, 28, 28)
    assert torch.equal(more.images[:50], images.images)
    assert torch.equal(more.labels, images.labels.repeat(3))
    assert torch.equal(more.images, images.jittered(2, seed=3).images)
    assert "2 gently bent copies" in more.source
    change = (more.images[50:100] - images.images).square().mean((1, 2, 3))
    between = (images.images.roll(1, 0) - images.images).square().mean((1, 2, 3))
    assert change.min() > 0
    assert change.mean() < 0.35 * between.mean()
    assert float(more.images.min()) >= 0
    assert float(more.images.max()) <= 1


def test_the_reader_agrees_with_torchvision(real_mnist):
    from torchvision.datasets import MNIST

    theirs = MNIST(data.data_dir(), train=False, download=False)
    ours = load_images("mnist", "test", limit=300)
    assert torch.equal(ours.images, theirs.data[:300].unsqueeze(1) / 255)
    assert torch.equal(ours.labels, theirs.targets[:300])
    assert ours.images.untyped_storage().nbytes() == 300 * 28 * 28 * 4  # keeps no more than asked
