"""Files that are believed only after they were checked.

A model, a run, a recording or a graph may come from anywhere, so nothing in its file is taken on
trust: neither sizes (a small file must not ask for much memory or time), nor names and values.
Here is the one reader of safetensors files with our JSON header; each kind of file has a schema of
its own, see :mod:`~qdvae_helpers.schema`.  Reading executes no code.
"""

import contextlib
import math
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

import torch

from qdvae_helpers import schema
from qdvae_helpers.errors import GraphError, QdvaeError
from qdvae_helpers.files import KEY
from qdvae_helpers.schema import MOST_BYTES, Odd, parse_json

_AT_ONCE = getattr(os, "O_NONBLOCK", 0)  # Windows has none
_DTYPES = {
    "F32": torch.float32,
    "F64": torch.float64,
    "I64": torch.int64,
    "U8": torch.uint8,
}


@dataclass(frozen=True)
class Kind:
    """A kind of file, and how it is refused."""

    noun: str  #: what people call it
    form: str  #: the format that this version reads; empty where there is no header of ours
    remedy: str  #: what to do about a damaged one
    refuse: type[QdvaeError]  #: the error


@contextlib.contextmanager
def reading(path: str | Path, kind: Kind) -> Iterator[None]:
    """Inside, whatever is wrong with a file becomes the error of its kind, which names the file."""
    if not isinstance(path, str | Path):
        raise kind.refuse(f"A {kind.noun} is read from a file, not from {type(path).__name__}.")
    name = schema.printable(Path(path).name)[:100]
    try:
        yield
    except FileNotFoundError as error:
        raise kind.refuse(f"There is no {kind.noun} {name}: check its name and folder.") from error
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise kind.refuse(
            f"{name} cannot be read ({why}): check its name, its folder and their permissions."
        ) from error
    except GraphError as error:
        raise kind.refuse(f"{name} is damaged: {error}") from error
    except Odd as error:
        raise kind.refuse(
            f"{name} is damaged or no {kind.noun} of this package ({error}): {kind.remedy}."
        ) from error


def open_file(path: str | Path) -> BinaryIO:
    """Open a regular file; Odd for anything else, of which a pipe would wait for ever."""
    try:
        mode = os.stat(path).st_mode
    except ValueError as error:
        raise Odd("no file can have its name") from error
    if not stat.S_ISREG(mode):
        raise Odd("it is a folder, a pipe or a device")
    # At once: it may have become a pipe since.
    return open(path, "rb", opener=lambda name, flags: os.open(name, flags | _AT_ONCE))


def read_text(path: str | Path) -> bytes:
    """All of a small file."""
    with open_file(path) as file:
        text = file.read(MOST_BYTES + 1)
    if len(text) > MOST_BYTES:
        raise Odd(f"more than {MOST_BYTES / 1e6:.0f} MB of text")
    return text


class Entry(NamedTuple):
    """What a safetensors file says of one of its tensors."""

    dtype: torch.dtype | None  #: ``None`` for those that no file of ours has
    shape: tuple[int, ...]
    start: int  #: in the file, in bytes
    size: int


class TensorFile:
    """A safetensors file whose header is sound: every tensor lies where it should, in full.

    Args:
        file: open for reading, at its beginning.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        head = _read_head(file)
        self.header: dict = {}  #: our own, where there is one
        self._text = _own_text(head)
        head.pop("__metadata__", None)
        schema.fields({}, others=_is_entry)(head, "its header")
        self.entries: dict[str, Entry] = {}
        end = start = file.tell()
        for name, about in sorted(head.items(), key=lambda one: one[1]["data_offsets"]):
            first, last = (start + offset for offset in about["data_offsets"])
            dtype, shape = _DTYPES.get(about["dtype"]), tuple(about["shape"])
            whole = dtype is None or math.prod(shape) * dtype.itemsize == last - first
            if first != end or last < first or not whole:
                raise Odd(f"tensor {schema.shown(name)} has no place of its size")
            end = last
            self.entries[name] = Entry(dtype, shape, first, last - first)
        if end != os.fstat(file.fileno()).st_size:
            raise Odd("its size is not that of its tensors")

    def read_header(self, kind: Kind, name: str) -> None:
        """Fill :attr:`header`, or say that another version of the package wrote it."""
        self.header = parse_json(self._text)
        claimed = self.header.get("format") if isinstance(self.header, dict) else None
        family = kind.form.partition("/")[0] + "/"
        if isinstance(claimed, str) and claimed != kind.form and claimed.startswith(family):
            raise kind.refuse(
                f"{name} has format {schema.shown(claimed)}, this version reads {kind.form!r}: "
                "use the version of the package that wrote it."
            )
        if claimed != kind.form:
            raise Odd("it does not say that it is one")

    def require(
        self, wanted: Mapping[str, tuple[torch.dtype, tuple[int, ...]]], others: str | None = None
    ) -> None:
        """Compare the tensors with those that the file should have, before any is read.

        Args:
            wanted: type and shape by name.
            others: how the names begin of those that it may have besides; none if left out.
        """
        for name, (dtype, shape) in wanted.items():
            if (there := self.entries.get(name)) is None:
                raise Odd(f"tensor {name} is missing")
            if (there.dtype, there.shape) != (dtype, tuple(shape)):
                raise Odd(f"tensor {name} is no {str(dtype)[6:]} of shape {tuple(shape)}")
        for name in self.entries.keys() - wanted.keys():
            if others is None or not name.startswith(others):
                raise Odd(f"tensor {schema.shown(name)} does not belong there")

    def read(self, name: str, most: float = math.inf) -> torch.Tensor:
        """A tensor of numbers below ``most`` in size; its entry must have been compared before."""
        _, shape, start, size = self.entries[name]
        tensor = torch.empty(shape, dtype=self.entries[name].dtype)
        if not size:
            return tensor
        self._file.seek(start)
        if self._file.readinto(memoryview(tensor.view(-1).numpy()).cast("B")) != size:
            raise Odd("it was cut off")
        require_finite(name, tensor, most)
        return tensor


def require_finite(name: str, tensor: torch.Tensor, most: float = math.inf) -> None:
    """Odd for a tensor with NaN, infinity or a number of size ``most`` or more in it."""
    if not tensor.is_floating_point() or not tensor.numel():
        return
    low, high = map(float, tensor.aminmax())  # which takes no memory, and keeps NaN
    if not (-most < low and high < most):
        bound = f" below {most:g}" if most < math.inf else ""
        raise Odd(f"tensor {name} holds numbers that are not finite{bound}")


_is_entry = schema.fields(
    {
        "dtype": schema.text(20),
        "shape": schema.listing(schema.whole(0, 2**40), most=8),
        "data_offsets": schema.listing(schema.whole(0, 2**60), 2, 2),
    }
)


def _read_head(file: BinaryIO) -> dict:
    """The header of a safetensors file, which is read no further."""
    length = int.from_bytes(file.read(8), "little")
    if not 0 < length <= os.fstat(file.fileno()).st_size - 8:
        raise Odd("it was cut off, or is no safetensors file")
    if length > MOST_BYTES:
        raise Odd(f"its header has more than {MOST_BYTES / 1e6:.0f} MB")
    head = parse_json(file.read(length))
    if not isinstance(head, dict):
        raise Odd("its header is no object")
    return head


def _own_text(head: dict) -> str:
    """Our JSON text in a header; empty where there is none."""
    metadata = head.get("__metadata__", {})
    text = metadata.get(KEY, "") if isinstance(metadata, dict) else None
    if not isinstance(text, str):
        raise Odd("its metadata are no texts")
    return text


@contextlib.contextmanager
def open_tensors(path: str | Path, kind: Kind) -> Iterator[TensorFile]:
    """Open one of our safetensors files for reading; inside, see :func:`reading`."""
    with reading(path, kind), open_file(path) as raw:
        file = TensorFile(raw)
        if kind.form:
            file.read_header(kind, schema.printable(Path(path).name))
        yield file


def claimed_format(path: str | Path) -> str | None:
    """The format that a safetensors file, whole or cut off, says it has.

    Empty for files of others, ``None`` where that much cannot be read.
    """
    try:
        with open_file(path) as file:
            text = _own_text(_read_head(file))
        header = parse_json(text) if text else {}
    except (OSError, Odd):
        return None
    claimed = header.get("format", "") if isinstance(header, dict) else None
    return claimed if isinstance(claimed, str) else None
