"""The one reader of files: sizes, depth and kinds are checked before anything is built."""

import json
import os
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from qdvae_helpers import schema
from qdvae_helpers.errors import CheckpointError
from qdvae_helpers.files import write_tensors
from qdvae_helpers.formats import Kind, claimed_format, open_tensors
from qdvae_helpers.schema import Odd, parse_json

HEADER = {"format": "qdvae-something/1", "numbers": [1, 2.5], "text": "ä", "nothing": None}
KIND = Kind("thing", "qdvae-something/1", "make it anew", CheckpointError)


@pytest.fixture
def path(tmp_path) -> Path:
    tensors = {
        "x": torch.arange(3),
        "y": torch.ones(2, 2),
        "z": torch.tensor(2.5),
        "e": torch.ones(0),
    }
    return write_tensors(tmp_path / "file.safetensors", tensors, HEADER)


def read_all(path, meanwhile=lambda: None) -> dict[str, torch.Tensor]:
    with open_tensors(path, KIND) as file:
        meanwhile()
        return {name: file.read(name) for name in file.entries}


def test_tensors_and_header_come_back(path):
    with open_tensors(path, KIND) as file:
        assert file.header == HEADER
        assert file.read("x").tolist() == [0, 1, 2]
        assert file.read("y").tolist() == [[1, 1], [1, 1]]
        assert file.read("z").item() == 2.5
        assert file.read("e").shape == (0,)
    assert claimed_format(path) == "qdvae-something/1"


def test_reading_leaves_no_map_of_the_file_behind(path):
    # On Windows a mapped file could not be replaced by the next save.
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("needs /proc")
    with open_tensors(path, KIND) as file:
        tensor = file.read("y")
    assert tensor.sum() == 4
    assert path.name not in maps.read_text()


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ({"x": (torch.int64, (3,))}, "tensor 'e' does not belong there|'y' does|'z' does"),
        ({"w": (torch.int64, (3,))}, "tensor w is missing"),
        ({"x": (torch.float32, (3,))}, r"tensor x is no float32 of shape \(3,\)"),
        ({"x": (torch.int64, (4,))}, r"tensor x is no int64 of shape \(4,\)"),
    ],
)
def test_tensors_are_compared_with_those_that_should_be_there(path, wanted, sentence):
    with pytest.raises(CheckpointError, match=sentence), open_tensors(path, KIND) as file:
        file.require(wanted)


def head(text: bytes | dict, length: int | None = None, body: bytes = b"") -> bytes:
    """A safetensors file."""
    text = json.dumps(text).encode() if isinstance(text, dict) else text
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def claiming(claimed) -> dict:
    """A header whose text claims this."""
    return {"__metadata__": {"qdvae": json.dumps(claimed)}}


def entry(shape=(1,), offsets=(0, 4), **changes) -> dict:
    return {"a": {"dtype": "F32", "shape": list(shape), "data_offsets": list(offsets)} | changes}


SOUND = claiming(HEADER)
UNREADABLE = {
    "empty": b"",
    "seven bytes": b"\x01" * 7,
    "no header": head(b""),
    "huge length": head(SOUND, 2**63),
    "length beyond the end": head(SOUND, 10_000),
    "header of 9 MB": head(b" " * 9_000_000),
    "cut off": head(SOUND)[:40],
    "no json": head(b"\xff\xfe{"),
    "a number": head(b"7"),
    "a list": head(b"[]"),
    "metadata is a list": head(b'{"__metadata__": []}'),
    "text is a number": head(b'{"__metadata__": {"qdvae": 7}}'),
    "text is no json": head(b'{"__metadata__": {"qdvae": "{"}}'),
    "claims a number": head(claiming({"format": 7})),
    "claim is a list": head(claiming([])),
    "deep json": head(b"[" * 200_000),
    "deep json inside": head({"__metadata__": {"qdvae": "[" * 200_000}}),
    "twice": head(b'{"__metadata__": {}, "__metadata__": {}}'),
    "a picture": b"\x89PNG\r\n\x1a\n" + b"\0" * 100,
    "an archive": b"PK\x03\x04" + b"\0" * 100,
}
UNSOUND = {
    "no such format": head(claiming({"format": "qdvae-else/1"})),
    "claims nothing": head(claiming({})),
    "no metadata": head(b"{}"),
    "tensor beyond the end": head(SOUND | entry()),
    "bytes after the end": head(SOUND | entry(), body=bytes(5)),
    "a gap": head(SOUND | entry((1,), (4, 8)), body=bytes(8)),
    "shape of another size": head(SOUND | entry((2,)), body=bytes(4)),
    "a shape of petabytes": head(SOUND | entry((2**40, 2**40)), body=bytes(4)),
    "a negative shape": head(SOUND | entry((-1, -1)), body=bytes(4)),
    "a broken shape": head(SOUND | entry((1.0,)), body=bytes(4)),
    "offsets turned round": head(SOUND | entry((1,), (4, 0)), body=bytes(4)),
    "three offsets": head(SOUND | entry((1,), (0, 4, 4)), body=bytes(4)),
    "offsets are texts": head(SOUND | entry((1,), ("0", "4")), body=bytes(4)),
    "more of it": head(SOUND | entry(more=1), body=bytes(4)),
    "no entry": head(SOUND | {"a": None}),
    "on top of each other": head(SOUND | entry() | {"b": entry()["a"]}, body=bytes(4)),
}


@pytest.mark.parametrize("name", [*UNREADABLE, *UNSOUND])
def test_odd_files_are_refused_by_name(name, tmp_path):
    path = tmp_path / "odd\n.safetensors"
    path.write_bytes((UNREADABLE | UNSOUND)[name])
    if name in UNREADABLE:
        assert claimed_format(path) is None
    with pytest.raises(CheckpointError, match=r"odd\?\.safetensors .*make it anew"):
        read_all(path)


def test_what_is_no_file_is_refused_at_once(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "locked").touch()
    places = [
        tmp_path,
        tmp_path / "pipe",
        Path("/dev/zero"),
        tmp_path / "link",
        tmp_path / "absent",
    ]
    places += [
        tmp_path / "loop",
        tmp_path / "a\0b",
        tmp_path / ("n" * 300),
        tmp_path / "locked" / "x",
    ]
    for path in places:
        assert claimed_format(path) is None
        with pytest.raises(CheckpointError):
            read_all(path)

    def refuse(*args, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(CheckpointError, match=r"locked cannot be read \(Permission denied\)"):
        read_all(tmp_path / "locked")


def test_a_file_that_is_cut_off_while_it_is_read_is_refused(tmp_path):
    path = write_tensors(tmp_path / "large.safetensors", {"a": torch.zeros(100_000)}, HEADER)
    with pytest.raises(CheckpointError, match="cut off"):
        read_all(path, lambda: os.truncate(path, path.stat().st_size - 20))


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_numbers_that_are_not_finite_are_refused(bad, tmp_path):
    path = tmp_path / "file.safetensors"
    values = torch.zeros(50)
    values[17] = bad
    write_tensors(path, {"a": values}, HEADER)
    with pytest.raises(CheckpointError, match="tensor a holds numbers that are not finite"):
        read_all(path)


def test_files_of_others_claim_nothing_and_a_damaged_one_what_it_was(path, tmp_path):
    foreign = tmp_path / "foreign.safetensors"
    save_file({"a": torch.zeros(1, dtype=torch.bfloat16)}, foreign)
    assert claimed_format(foreign) == ""
    path.write_bytes(path.read_bytes()[:-10])
    assert claimed_format(path) == "qdvae-something/1"


DEEP = "[" * 65 + "]" * 65
JSON = {
    "deep": DEEP,
    "deep behind a string": '["]]]]", ' + DEEP + "]",
    "deep behind an escape": r'["\"]]]]", ' + DEEP + "]",
    "never closed": "[" * 2_000_000,
    "many lists": "[" + "[]," * 250_001 + "0]",
    "many fields": "[" + '{"a":0},' * 150_001 + "0]",
    "quotes that end nowhere": '"' + r"\"" * 1_000_000,
    "quotes that end in an escape": '"' + r"\"" * 1_000_000 + "\\",
    "large": " " * 8_000_001,
    "a key twice": '{"a": 1, "a": 1}',
    "NaN": "[NaN]",
    "infinite": "[-Infinity]",
    "beyond all floats": "[1e999]",
    "a number of 5,000 digits": "1" * 5_000,
    "half a character": "\ud800",
    "no text": b"\xff",
    "nothing": "",
}


@pytest.mark.parametrize("name", JSON)
def test_odd_json_is_refused(name):
    with pytest.raises(Odd):
        parse_json(JSON[name])


def test_brackets_in_strings_are_no_depth():
    text = json.dumps(["[" * 1_000, '"{', "\\", "]" * 5, {"a": "[" * 100}])
    assert parse_json(text) == json.loads(text)


PASSES = [
    (schema.whole(0, 5), 5),
    (schema.number(), 2.5),
    (schema.number(0), 10**300),
    (schema.text(), "zwei\tZeilen\nÄ 数"),
    (schema.flag, True),
    (schema.listing(schema.whole(), 1, 2), [1]),
    (schema.fields({"a": schema.flag}, {"b": schema.whole()}), {"a": False, "b": 1}),
    (schema.date, "2026-01-02T03:04:05+00:00"),
    (schema.plain, {"a": [1, 2.5, "x", None, True, {}]}),
]
REFUSED = [(schema.whole(0, 5), bad) for bad in (True, 1.0, "1", None, -1, 6, 10**4_000, [])]
REFUSED += [
    (schema.number(), bad) for bad in (True, "1", None, 10**400, float("nan"), float("inf"))
]
REFUSED += [
    (schema.text(5), bad) for bad in ("123456", "\x1b[2J", "\0", "\u202e", "\ud800", 5, None)
]
REFUSED += [(schema.flag, bad) for bad in (1, 0, "true", None)]
REFUSED += [
    (schema.listing(schema.whole(), 1, 2), bad) for bad in ([], [1, 2, 3], [True], {}, "1", None)
]
REFUSED += [
    (schema.fields({"a": schema.flag}), bad)
    for bad in ({}, {"a": 1}, {"a": True, "b": 1}, [], None)
]
REFUSED += [(schema.digest, bad) for bad in ("", "ABC", "0" * 65, "x", 7, "\ud7fc")]
REFUSED += [(schema.date, bad) for bad in ("now", "2026-13-01", "", 7)]
REFUSED += [(schema.plain, bad) for bad in ({"\x07": 1}, ["\x1b"], "a" * 10_001, {"a": [10**400]})]


@pytest.mark.parametrize(("check", "value"), PASSES)
def test_what_a_schema_lets_pass(check, value):
    assert check(value, "here") is None


@pytest.mark.parametrize(("check", "value"), REFUSED, ids=lambda _: "")
def test_what_a_schema_refuses(check, value):
    with pytest.raises(Odd) as caught:
        check(value, "here")
    assert "here" in str(caught.value)
    assert len(str(caught.value)) < 200
    assert str(caught.value).isprintable()
