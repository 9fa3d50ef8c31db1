"""The files of MNIST and Fashion-MNIST: found, checked and read, or refused with a remedy."""

import gzip
import hashlib
import lzma
import os
import shutil
import socket
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from qdvae_helpers import idx_files
from qdvae_helpers.data import load_images
from qdvae_helpers.errors import DataError
from qdvae_helpers.idx_files import FASHION_MNIST_SHA256, MNIST_SHA256, data_dir
from qdvae_helpers.paths import DATA

REAL_FASHION = data_dir() / "FashionMNIST" / "raw"  # read before a test changes QDVAE_DATA


def idx(values: np.ndarray) -> bytes:
    """The bytes of an IDX file."""
    lengths = b"".join(n.to_bytes(4, "big") for n in values.shape)
    return bytes([0, 0, 8, values.ndim]) + lengths + values.tobytes()


# --- MNIST, which comes with the repository ---


def test_the_reader_agrees_with_torchvision(tmp_path):
    from torchvision.datasets import MNIST

    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in MNIST_SHA256:
        (raw / name).write_bytes(lzma.decompress((DATA / "MNIST" / f"{name}.xz").read_bytes()))
    theirs = MNIST(tmp_path, train=False, download=False)
    ours = load_images("mnist", "test", limit=300)
    assert torch.equal(ours.images, theirs.data[:300].unsqueeze(1) / 255)
    assert torch.equal(ours.labels, theirs.targets[:300])
    assert ours.images.untyped_storage().nbytes() == 300 * 28 * 28 * 4  # keeps no more than asked


@pytest.fixture
def own_mnist(monkeypatch, tmp_path) -> Path:
    """The test labels of MNIST, with their images in a repository of their own, for damaging."""
    folder = tmp_path / "MNIST"
    folder.mkdir()
    for name in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        shutil.copy(DATA / "MNIST" / f"{name}.xz", folder)
    monkeypatch.setattr(idx_files, "DATA", tmp_path)
    return folder / "t10k-labels-idx1-ubyte.xz"


def damage(file: Path, how: str) -> None:
    content = file.read_bytes()
    changed = {
        "truncated": content[: len(content) // 2],
        "empty": b"",
        "altered": content[:2000] + b"\xff" + content[2001:],
        "another file": lzma.compress(b"something else"),
        "too long": lzma.compress(lzma.decompress(content) + b"\0" * 10**6),
        "not compressed": lzma.decompress(content),
    }
    file.write_bytes(changed[how])


@pytest.mark.parametrize(
    "how", ["truncated", "empty", "altered", "another file", "too long", "not compressed"]
)
def test_a_damaged_file_of_mnist_is_named_with_its_remedy(how, own_mnist):
    damage(own_mnist, how)
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte\.xz is .*git checkout"):
        load_images("mnist", "test")


def test_a_missing_file_of_mnist_is_named_and_may_come_back(own_mnist):
    kept = own_mnist.read_bytes()
    own_mnist.unlink()
    with pytest.raises(DataError, match=r"labels-idx1-ubyte\.xz is missing.*git checkout"):
        load_images("mnist", "test")
    own_mnist.write_bytes(kept)
    assert len(load_images("mnist", "test")) == 10_000


def test_a_file_that_unpacks_to_far_too_much_is_refused_in_little_memory(own_mnist):
    own_mnist.write_bytes(lzma.compress(b"\0" * 300_000_000, preset=0))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="more than 10,008 bytes"):
            load_images("mnist", "test")
        assert tracemalloc.get_traced_memory()[1] < 100e6  # most of it for the images
    finally:
        tracemalloc.stop()


def test_a_second_load_reads_no_file(own_mnist):
    load_images("mnist", "test", limit=1)
    damage(own_mnist, "truncated")
    assert len(load_images("mnist", "test")) == 10_000


# --- Fashion-MNIST ---


@pytest.fixture
def fashion(monkeypatch, tmp_path) -> dict[str, bytes]:
    """Small files in the data set's format that count as the real ones, and an empty QDVAE_DATA."""
    files = {}
    for prefix, count in (("train", 6), ("t10k", 3)):
        pixels = np.arange(count * 784, dtype=np.uint32).astype(np.uint8).reshape(count, 28, 28)
        files[f"{prefix}-images-idx3-ubyte"] = idx(pixels)
        files[f"{prefix}-labels-idx1-ubyte"] = idx(np.arange(count, dtype=np.uint8))
    for name, content in files.items():
        monkeypatch.setitem(FASHION_MNIST_SHA256, name, hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(idx_files, "DATA", tmp_path / "repository")
    monkeypatch.setattr(idx_files, "DEBIAN_FASHION_MNIST", tmp_path / "debian")
    monkeypatch.setenv("QDVAE_DATA", str(tmp_path / "given"))
    return files


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize(
    "place", ["given/FashionMNIST/raw", "repository/FashionMNIST/raw", "debian"]
)
def test_fashion_is_found_in_three_places_packed_or_not(place, end, fashion, tmp_path):
    folder = tmp_path / place
    folder.mkdir(parents=True)
    for name, content in fashion.items():
        (folder / (name + end)).write_bytes(gzip.compress(content) if end else content)
    train, test = load_images("fashion-mnist"), load_images("fashion-mnist", "test", limit=2)
    assert str(train.source) == "Fashion-MNIST train, 6 images"
    assert torch.equal(train.labels, torch.arange(6))
    assert train.images[0, 0, 0, 5] == 5 / 255
    assert str(test.source) == "Fashion-MNIST test, 2 images"


def test_without_fashion_the_error_says_what_to_do(fashion):
    with pytest.raises(DataError, match=r"not here \(downloads are switched off") as error:
        load_images("fashion-mnist")
    for remedy in ("FashionMNIST/raw", "dataset-fashion-mnist", "network"):
        assert remedy in str(error.value).replace(os.sep, "/")


@pytest.mark.parametrize(
    "file",
    [
        "train-images-idx3-ubyte.gz",
        "FashionMNIST/train-images-idx3-ubyte",
        "FashionMNIST/raw/train-images.idx3-ubyte",
    ],
)
def test_a_file_in_another_place_or_of_another_name_is_named(file, fashion, tmp_path):
    path = tmp_path / "given" / file
    path.parent.mkdir(parents=True)
    path.write_bytes(fashion["train-images-idx3-ubyte"])
    with pytest.raises(DataError) as error:
        load_images("fashion-mnist")
    assert f"If {path} is part of it: move it there" in str(error.value)


@pytest.mark.parametrize("how", ["truncated gz", "altered"])
def test_a_damaged_file_of_fashion_is_named_with_its_remedy(how, fashion, tmp_path):
    raw = tmp_path / "given" / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for name, content in fashion.items():
        (raw / name).write_bytes(content)
    name = "train-images-idx3-ubyte"
    if how == "truncated gz":
        (raw / name).unlink()
        (raw / f"{name}.gz").write_bytes(gzip.compress(fashion[name])[:-20])
    else:
        (raw / name).write_bytes(fashion[name][:-1] + b"\7")
    with pytest.raises(DataError, match=rf"{name}.*Delete it and run again"):
        load_images("fashion-mnist")


class Torchvision:
    """Stands for torchvision's class: writes the files it is told, or fails."""

    def __init__(self, files: dict[str, bytes], error: Exception | None = None):
        self.files, self.error, self.calls = files, error, 0

    def __call__(self, root, download):
        self.calls += 1
        self.time_out = socket.getdefaulttimeout()
        raw = Path(root, "FashionMNIST", "raw")
        raw.mkdir(parents=True)
        for name, content in self.files.items():
            (raw / name).write_bytes(content)
        if self.error:
            raise self.error


def test_fashion_is_downloaded_where_it_is_missing(fashion, monkeypatch, tmp_path):
    server = Torchvision(fashion)
    monkeypatch.setattr("torchvision.datasets.FashionMNIST", server)
    monkeypatch.setenv("QDVAE_DOWNLOAD", "1")
    assert len(load_images("fashion-mnist")) == 6
    assert len(load_images("fashion-mnist", "test")) == 3
    assert server.calls == 1
    assert server.time_out is not None
    assert socket.getdefaulttimeout() is None
    found = sorted(path.name for path in (tmp_path / "given").rglob("*") if path.is_file())
    assert found == sorted(fashion)


@pytest.mark.parametrize(
    ("error", "said"),
    [(socket.gaierror(-2, "Name or service not known"), "not known"), (None, "train-images")],
)
def test_a_failed_download_is_tried_once_and_leaves_nothing(
    error, said, fashion, monkeypatch, tmp_path
):
    server = Torchvision(dict.fromkeys(fashion, b"half"), error)
    monkeypatch.setattr("torchvision.datasets.FashionMNIST", server)
    monkeypatch.setenv("QDVAE_DOWNLOAD", "1")
    for split in ("train", "test"):
        with pytest.raises(DataError, match=f"the download failed: .*{said}"):
            load_images("fashion-mnist", split)
    assert server.calls == 1
    assert not list((tmp_path / "given").iterdir())


def test_a_folder_that_cannot_be_written_is_named(fashion, monkeypatch, tmp_path):
    (tmp_path / "given").write_text("a file where a folder should be")
    monkeypatch.setenv("QDVAE_DOWNLOAD", "1")
    with pytest.raises(DataError, match=r"given cannot be written to .*let QDVAE_DATA name"):
        load_images("fashion-mnist")


def test_the_real_fashion_mnist(monkeypatch):
    if not REAL_FASHION.is_dir():
        pytest.skip("Fashion-MNIST is not here: set QDVAE_DATA")
    monkeypatch.setenv("QDVAE_DATA", str(REAL_FASHION.parent.parent))
    for split, count in (("train", 60_000), ("test", 10_000)):
        images = load_images("fashion-mnist", split)
        assert str(images.source) == f"Fashion-MNIST {split}, {count:,} images"
        assert torch.bincount(images.labels).tolist() == 10 * [count // 10]


def test_a_relative_folder_is_meant_from_the_repository(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QDVAE_DATA", "notebooks")
    assert (data_dir() / "00_start_here.ipynb").is_file()
