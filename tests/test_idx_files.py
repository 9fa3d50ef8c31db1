"""The files of MNIST and Fashion-MNIST: found, checked and read, or refused with a remedy."""

import bz2
import contextlib
import gzip
import hashlib
import io
import lzma
import os
import shutil
import socket
import socketserver
import threading
import time
import tracemalloc
import zipfile
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
    }
    file.write_bytes(changed[how])


@pytest.mark.parametrize("how", ["truncated", "empty", "altered", "another file", "too long"])
def test_a_damaged_file_of_mnist_is_named_with_its_remedy(how, own_mnist):
    damage(own_mnist, how)
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte\.xz is .*git checkout"):
        load_images("mnist", "test")


def zipped(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("inside", content)
    return buffer.getvalue()


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("end", ["", ".gz", ".xz", ".bz2"])
def test_a_file_may_be_packed_in_other_ways_than_its_name_says(pack, end, own_mnist):
    content = lzma.decompress(own_mnist.read_bytes())
    own_mnist.unlink()
    own_mnist.with_suffix(end).write_bytes(pack(content))
    assert len(load_images("mnist", "test", limit=5)) == 5


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (zipped, "It is a zip archive: unpack it"),
        (lambda labels: b"\n <!DOCTYPE html>", "It is a web page"),
        (lambda labels: labels[:2000], "It is another file of this format"),
        (lambda labels: b"version https://git-lfs.github.com/spec/v1", "git-lfs"),
        (
            lambda labels: lzma.decompress(
                (DATA / "MNIST" / "train-labels-idx1-ubyte.xz").read_bytes()
            ),
            "more than 10,008",
        ),
    ],
)
def test_what_was_found_in_place_of_a_file_is_said(found, said, own_mnist):
    own_mnist.write_bytes(found(lzma.decompress(own_mnist.read_bytes())))
    with pytest.raises(DataError, match=f"{said}.*Get it again"):
        load_images("mnist", "test")


def test_a_file_under_anothers_name_is_told_by_its_sum(fashion, tmp_path):
    raw = tmp_path / "given" / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for name in fashion:  # test labels in place of training labels
        other = name.replace("train-labels", "t10k-labels")
        (raw / name).write_bytes(fashion[other])
    with pytest.raises(DataError, match="It is t10k-labels-idx1-ubyte of Fashion-MNIST"):
        load_images("fashion-mnist")


@pytest.mark.parametrize("place", ["MNIST/raw/t10k-labels.idx1-ubyte", "t10k-labels-idx1-ubyte.gz"])
def test_a_file_of_mnist_in_another_place_is_named(place, own_mnist):
    path = own_mnist.parent.parent / place
    path.parent.mkdir(exist_ok=True)
    own_mnist.rename(path)
    with pytest.raises(DataError, match=r"labels-idx1-ubyte\.xz is missing") as error:
        load_images("mnist", "test")
    assert f"If {path} is part of it: move it there" in str(error.value)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("given/archive.zip", "is or holds it: unpack it"),
        ("given/FashionMNIST/raw/train-images-idx3-ubyte/train-images-idx3-ubyte", "in the folder"),
        ("given/train-images-idx3-ubyte", "move it there, named"),
    ],
)
def test_archives_and_folders_are_named(place, said, fashion, tmp_path):
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    path.write_bytes(fashion["train-images-idx3-ubyte"])
    with pytest.raises(DataError, match=said):
        load_images("fashion-mnist")


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


class Server(socketserver.ThreadingTCPServer):
    """Answers every connection with the bytes that ``answer`` makes of the address asked for."""

    daemon_threads = allow_reuse_address = True

    def __init__(self, answer) -> None:
        super().__init__(("127.0.0.1", 0), None)
        self.answer, self.asked = answer, []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def finish_request(self, request, client_address) -> None:
        self.asked.append(request.recv(10_000).split()[1].decode())
        with contextlib.suppress(OSError):
            for part in self.answer(self.asked[-1]):
                request.sendall(part)


@pytest.fixture
def serve(fashion, monkeypatch):
    """Starts a server in place of Fashion-MNIST's."""
    servers = []
    monkeypatch.setenv("QDVAE_DOWNLOAD", "1")
    monkeypatch.setenv("no_proxy", "*")

    def start(answer) -> Server:
        servers.append(Server(answer))
        monkeypatch.setattr(idx_files, "FASHION_URL", servers[-1].url)
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def http(content: bytes, status: str = "200 OK") -> list[bytes]:
    """An answer in HTTP."""
    return [f"HTTP/1.0 {status}\r\nContent-Length: {len(content)}\r\n\r\n".encode(), content]


def slowly(parts: list[bytes]):
    """The same, for ever, byte by byte."""
    for byte in parts[0] + b"." * 10_000:
        yield bytes([byte])
        time.sleep(0.05)


def test_fashion_is_downloaded_where_it_is_missing(fashion, serve, tmp_path):
    server = serve(lambda path: http(gzip.compress(fashion[path[1:-3]])))
    assert len(load_images("fashion-mnist")) == 6
    assert len(load_images("fashion-mnist", "test")) == 3
    assert len(server.asked) == 4
    found = sorted(path.name for path in (tmp_path / "given").rglob("*") if path.is_file())
    assert found == sorted(f"{name}.gz" for name in fashion)


ENDLESS = gzip.compress(os.urandom(100_000), 0) * 500


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda path: [b"I am no server of HTTP.\r\n"], "BadStatusLine"),
        (lambda path: [], "RemoteDisconnected"),
        (lambda path: http(b"<html>Please log in</html>"), "web page"),
        (lambda path: http(b"", "503 Busy"), "503"),
        (lambda path: http(b"", "302 Found"), "302"),
        (lambda path: http(gzip.compress(b"half")), "wrong checksum"),
        (lambda path: http(ENDLESS), "sends more than such a file has"),
        (lambda path: slowly(http(b"slow")), "not complete after 0 s"),
        (lambda path: slowly([b"HTTP/1.0 200 OK\r\n"]), "not complete after 0 s"),
    ],
)
def test_a_failed_download_is_tried_once_and_leaves_nothing(
    answer, said, serve, monkeypatch, tmp_path
):
    if "0 s" in said:
        monkeypatch.setattr(idx_files, "_DOWNLOAD_S", 0.3)
    server = serve(answer)
    for split in ("train", "test"):
        with pytest.raises(DataError, match=f"the download failed: .*{said}"):
            load_images("fashion-mnist", split)
    assert len(server.asked) == 1
    assert not list((tmp_path / "given").iterdir())


@pytest.mark.parametrize("proxy", ["no address", "http://[", "http://127.0.0.1:99999", "x" * 300])
def test_a_proxy_that_is_none_fails_in_a_sentence(proxy, fashion, monkeypatch):
    monkeypatch.setenv("QDVAE_DOWNLOAD", "1")
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, proxy)
    for name in ("no_proxy", "NO_PROXY", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *a, **k: (_ for _ in ()).throw(OSError(proxy))
    )
    with pytest.raises(DataError, match=r"the download failed: .*Copy its four files"):
        load_images("fashion-mnist")


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
