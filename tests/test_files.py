"""Files that are never half written, and headers that are read with care."""

import json
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from qdvae_helpers.files import (
    claimed_format,
    read_json_header,
    read_tensors,
    replacing,
    write_tensors,
)

HEADER = {"format": "qdvae-something/1", "numbers": [1, 2.5], "text": "ä", "nothing": None}


@pytest.fixture
def path(tmp_path) -> Path:
    tensors = {"a.x": torch.arange(3), "a.y": torch.ones(2, 2), "b.x": torch.zeros(1)}
    return write_tensors(tmp_path / "deep" / "file.safetensors", tensors, HEADER)


def test_tensors_and_header_come_back(path):
    assert read_json_header(path) == HEADER
    assert set(read_tensors(path)) == {"a.x", "a.y", "b.x"}
    under = read_tensors(path, "a.")
    assert torch.equal(under["x"], torch.arange(3))
    assert torch.equal(under["y"], torch.ones(2, 2))
    assert claimed_format(path) == "qdvae-something/1"


def test_a_failed_write_leaves_the_old_file_and_nothing_else(path):
    before = path.read_bytes()

    def half():
        with replacing(path) as written:
            written.write_bytes(b"half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        half()
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    with replacing(path) as written:
        written.write_bytes(b"whole")
    assert path.read_bytes() == b"whole"
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_file_is_as_readable_as_any_new_file(path, tmp_path):
    (tmp_path / "plain").touch()
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_reading_leaves_no_map_of_the_file_behind(path):
    # On Windows a mapped file could not be replaced by the next save.
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("needs /proc")
    tensors = read_tensors(path)
    assert tensors
    assert path.name not in maps.read_text()


def test_a_header_that_is_no_object_is_refused(tmp_path):
    path = tmp_path / "list.safetensors"
    save_file({"a": torch.zeros(1)}, path, metadata={"qdvae": "[1]"})
    with pytest.raises(ValueError, match="no JSON object"):
        read_json_header(path)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(KeyError):
        read_json_header(path)


def header_of(text: bytes, length: int | None = None) -> bytes:
    """The beginning of a safetensors file."""
    return struct.pack("<Q", len(text) if length is None else length) + text


def claiming(claimed) -> bytes:
    """A header whose text claims this."""
    return json.dumps({"__metadata__": {"qdvae": json.dumps(claimed)}}).encode()


ODD = {
    "empty": b"",
    "seven bytes": b"\x01" * 7,
    "no header": header_of(b""),
    "huge length": header_of(claiming(HEADER), 2**63),
    "length beyond the end": header_of(claiming(HEADER), 10_000),
    "cut off": header_of(claiming(HEADER))[:40],
    "no json": header_of(b"\xff\xfe{"),
    "a number": header_of(b"7"),
    "a list": header_of(b"[]"),
    "no metadata": header_of(b'{"a": 1}'),
    "metadata is a list": header_of(b'{"__metadata__": []}'),
    "text is a number": header_of(b'{"__metadata__": {"qdvae": 7}}'),
    "text is no json": header_of(b'{"__metadata__": {"qdvae": "{"}}'),
    "claims nothing": header_of(claiming({})),
    "claims a number": header_of(claiming({"format": 7})),
    "claim is a list": header_of(claiming([])),
    "deep json": header_of(b"[" * 200_000),
    "deep json inside": header_of(json.dumps({"__metadata__": {"qdvae": "[" * 200_000}}).encode()),
    "a picture": b"\x89PNG\r\n\x1a\n" + b"\0" * 100,
    "an archive": b"PK\x03\x04" + b"\0" * 100,
}


@pytest.mark.parametrize("name", ODD)
def test_odd_files_claim_nothing(name, tmp_path):
    path = tmp_path / "odd.safetensors"
    path.write_bytes(ODD[name])
    assert claimed_format(path) == ""


def test_what_is_no_file_claims_nothing(tmp_path):
    assert claimed_format(tmp_path) == ""
    assert claimed_format(tmp_path / "absent") == ""


def test_a_damaged_file_still_claims_what_it_was(path):
    path.write_bytes(path.read_bytes()[:-10])
    assert claimed_format(path) == "qdvae-something/1"
