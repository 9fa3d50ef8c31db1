"""The files of MNIST and Fashion-MNIST: where they are, whether they are whole, what they hold.

A file is read once a process and kept as bytes, a quarter of what its floats would take.
"""

import bz2
import functools
import gzip
import hashlib
import lzma
import os
import tempfile
import threading
import time
import zlib
from pathlib import Path
from urllib.request import urlopen

import numpy as np

from qdvae_helpers.errors import DataError, SettingError
from qdvae_helpers.paths import DATA, folder

#: SHA-256 of the four files of MNIST, uncompressed: what has it is as expected.
MNIST_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
#: The same for Fashion-MNIST, whose files have the same names.
FASHION_MNIST_SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
#: Where Debian's package ``dataset-fashion-mnist`` puts its files.
DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")

_PREFIXES = {"train": "train", "test": "t10k"}
_BYTES = {  # of an uncompressed file: what to read at most, whatever a file claims to unpack to
    "train-images-idx3-ubyte": 60_000 * 784 + 16,
    "train-labels-idx1-ubyte": 60_000 + 8,
    "t10k-images-idx3-ubyte": 10_000 * 784 + 16,
    "t10k-labels-idx1-ubyte": 10_000 + 8,
}
# A file is unpacked by its first bytes, whatever its name says.
_OPEN = {b"\x1f\x8b": gzip.open, b"\xfd7zXZ": lzma.open, b"BZh": bz2.open}
_ENDS = ("", ".gz", ".xz", ".bz2")
_OTHERS = {  # what else may begin like this
    b"PK": "a zip archive: unpack it",
    b"<": "a web page, perhaps of a proxy or a login",
    b"\x93NUMPY": "an array of numpy, in another format",
    b"\x89PNG": "a picture; ImageSet.from_folder reads folders of pictures",
    b"version https://git-lfs": "a pointer to a file that git-lfs has to fetch",
    b"\0\0\x08": "another file of this format",
}
_UNREADABLE = (OSError, EOFError, MemoryError, lzma.LZMAError, zlib.error)  # for bad bytes
#: The place that Fashion-MNIST's authors name, as torchvision does.
FASHION_URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
_SILENCE_S, _DOWNLOAD_S = 10.0, 300.0  # of a server, and of all of a download


def data_dir() -> Path:
    """Where Fashion-MNIST is or shall be: ``QDVAE_DATA`` if set, else ``data/`` here."""
    return folder("QDVAE_DATA", DATA)


def read_split(name: str, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Pixels ``(N, 28, 28)`` from 0 to 255 and labels ``(N,)`` of a whole split, read-only bytes.

    Asked for again, the last split costs nothing.

    Raises:
        SettingError: unknown name or split.
        DataError: a file is missing, truncated or altered; the message names it and the remedy.
    """
    finders = {"mnist": _mnist_file, "fashion-mnist": _fashion_file}
    if name not in list(finders):  # a list compares what a dictionary could not hash
        raise SettingError(f"There is no data set {name!r}: choose 'mnist' or 'fashion-mnist'.")
    if split not in list(_PREFIXES):
        raise SettingError(f"There is no split {split!r}: choose 'train' or 'test'.")
    names = [f"{_PREFIXES[split]}-{kind}-ubyte" for kind in ("images-idx3", "labels-idx1")]
    pixels, labels = (_kept(file, *finders[name](file)) for file in names)
    # The format IDX: 4 bytes, then the length of each axis in 4 bytes, then the values.
    pixels = np.frombuffer(pixels, np.uint8, offset=4 + 3 * 4).reshape(-1, 28, 28)
    return pixels, np.frombuffer(labels, np.uint8, offset=4 + 1 * 4)


def _mnist_file(file: str) -> tuple[Path, str, str]:
    """Path, checksum and remedy of a file of MNIST, which comes with the repository."""
    at = DATA / "MNIST"
    remedy = "Get it again: git checkout -- data/MNIST, or download the repository again."
    path = next((p for end in (".xz", *_ENDS) if (p := at / f"{file}{end}").is_file()), None)
    if path is None:
        astray = _astray([at, at / "raw", DATA], file, at)
        raise DataError(f"{at / file}.xz is missing. {remedy}{astray}")
    return path, MNIST_SHA256[file], remedy


def _fashion_file(file: str) -> tuple[Path, str, str]:
    """The same for Fashion-MNIST, which may have to be downloaded."""
    root = data_dir()
    path, reason = find_fashion(file), ""
    if path is None and os.environ.get("QDVAE_DOWNLOAD") == "0":
        reason = "downloads are switched off by QDVAE_DOWNLOAD=0"
    elif path is None:
        reason = _download_fashion(root)
        path = find_fashion(file)
    if path is None:
        raw = root / "FashionMNIST" / "raw"
        raise DataError(
            f"Fashion-MNIST is not here ({reason}). Copy its four files to {raw} (data/README.md), "
            "or install Debian's package dataset-fashion-mnist, or connect to the network and "
            f"restart.{_astray([raw, raw.parent, root], file, raw)}"
        )
    remedy = "Delete it and run again: it is looked for elsewhere, and then downloaded."
    return path, FASHION_MNIST_SHA256[file], remedy


def find_fashion(file: str) -> Path | None:
    """Where a file of Fashion-MNIST is; ``None`` if it would have to be downloaded."""
    folders = [at / "FashionMNIST" / "raw" for at in (data_dir(), DATA)] + [DEBIAN_FASHION_MNIST]
    paths = [at / (file + end) for at in folders for end in _ENDS]
    return next((path for path in paths if path.is_file()), None)


def _astray(folders: list[Path], file: str, target: Path) -> str:
    """A sentence on a file that looks like the one wanted, but has another place or name."""
    like = "*".join(["", *file.removesuffix("-ubyte").split("-")[:2], ""])  # *train*images*
    for at in folders:
        for path in sorted(at.glob(like)):
            if path.is_dir():  # unpacked into a folder of its own, as some programs do
                return f" If a file in the folder {path} is part of it: move it to {target}."
            return f" If {path} is part of it: move it there, named {file} or {file}.gz."
        for path in sorted(at.glob("*.zip")):
            return f" If {path} is or holds it: unpack it, and move its files to {target}."
    return ""


@functools.cache
def _download_fashion(root: Path) -> str:
    """Fetch and check Fashion-MNIST; return why it failed, or an empty string.

    Tried once a process, since a bad network makes every try slow.  Everything arrives in a
    temporary folder first, so an interrupted download leaves no half files.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        temporary = tempfile.TemporaryDirectory(
            dir=root, prefix=".saving-", ignore_cleanup_errors=True
        )
    except OSError as error:
        return f"{root} cannot be written to ({error.strerror}), let QDVAE_DATA name one that can"
    print("Downloading Fashion-MNIST (30 MB) ...", flush=True)
    with temporary as arrived:
        failed = []
        fetching = threading.Thread(target=_fetch, args=(Path(arrived), failed), daemon=True)
        fetching.start()
        fetching.join(_DOWNLOAD_S)  # a name server or a slow proxy has no deadline of its own
        if fetching.is_alive():
            return f"the download failed: it was not complete after {_DOWNLOAD_S:.0f} s"
        try:
            if failed:
                raise failed[0]
            target = root / "FashionMNIST" / "raw"
            target.mkdir(parents=True, exist_ok=True)
            for file in FASHION_MNIST_SHA256:
                os.replace(Path(arrived, f"{file}.gz"), target / f"{file}.gz")
        except Exception as error:
            said = " ".join(str(error).replace(arrived + os.sep, "").split())
            what = said if isinstance(error, DataError) else f"{type(error).__name__}, {said[:200]}"
            return f"the download failed: {what}"
    return ""


def _fetch(arrived: Path, failed: list[Exception]) -> None:
    """Fetch and check all files; what stops it is noted."""
    ends = time.monotonic() + _DOWNLOAD_S
    try:
        for file, sha256 in FASHION_MNIST_SHA256.items():
            path, left = arrived / f"{file}.gz", _BYTES[file]
            address = f"{FASHION_URL}{file}.gz"
            with urlopen(address, timeout=_SILENCE_S) as answer, path.open("wb") as written:
                while (chunk := answer.read1(2**16)) and time.monotonic() < ends:
                    if (left := left - len(chunk)) < 0:
                        raise DataError(f"{address} sends more than such a file has.")
                    written.write(chunk)
            _content(file, path, sha256, "Try again later.")
    except Exception as error:  # whatever networks do: bad addresses, half answers, no HTTP
        failed.append(error)


def _content(wanted: str, path: Path, sha256: str, remedy: str) -> bytes:
    """The uncompressed bytes of a file, never more than the one that is wanted has."""
    most = _BYTES[wanted]
    try:
        with path.open("rb") as file:
            begins = file.read(8)
        unpack = next((f for magic, f in _OPEN.items() if begins.startswith(magic)), open)
        with unpack(path, "rb") as file:
            content = file.read(most + 1)
    except _UNREADABLE as error:
        raise DataError(f"{path} is truncated or damaged ({error}). {remedy}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        size = f"more than {most:,}" if len(content) > most else f"{len(content):,}"
        raise DataError(
            f"{path} is truncated or altered (wrong checksum, {size} bytes uncompressed)."
            f"{_what_it_is(content)} {remedy}"
        )
    return content


def _what_it_is(content: bytes) -> str:
    """A sentence on what was found in place of a file, where that can be told."""
    digest = hashlib.sha256(content).hexdigest()
    for title, sums in (("MNIST", MNIST_SHA256), ("Fashion-MNIST", FASHION_MNIST_SHA256)):
        for file, sha256 in sums.items():
            if digest == sha256:
                return f" It is {file} of {title}: give it that name and place."
    begins = content.lstrip()[:1] if content.lstrip().startswith(b"<") else content[:30]
    found = next((what for magic, what in _OTHERS.items() if begins.startswith(magic)), None)
    return f" It is {found}." if found else ""


_kept = functools.lru_cache(maxsize=2)(_content)  # the last split: all four take 55 MB
