"""Files that are never half written, and safetensors files with a JSON header.

A safetensors file holds tensors and a little text: here a JSON object that names the format.
Reading one executes no code.
"""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

_KEY = "qdvae"  # of our JSON text in a safetensors file


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Write a file in one step: an old one is replaced when all is well, and else kept.

    The block writes to the path it is given, which takes the place of ``path`` at its end.  The
    folder of ``path`` is created.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".saving-") as temporary:
        written = Path(temporary) / path.name
        yield written
        # safetensors lets only the owner read what it writes; give the file the usual permissions.
        (usual := Path(temporary) / "usual").touch()
        shutil.copymode(usual, written)
        os.replace(written, path)


def write_tensors(path: str | Path, tensors: dict[str, torch.Tensor], header: dict) -> Path:
    """Write a safetensors file with a header of plain values, see :func:`replacing`.

    The tensors must be on the CPU, contiguous, and none may share memory with another.
    """
    path = Path(path)
    with replacing(path) as written:
        save_file(tensors, written, metadata={_KEY: json.dumps(header)})
    return path


def read_json_header(path: str | Path) -> dict:
    """The JSON header of a safetensors file, without loading its tensors.

    Raises:
        OSError, SafetensorError, KeyError, ValueError: no such file, damaged, or not one of ours.
    """
    with safe_open(path, "pt") as file:
        header = json.loads((file.metadata() or {})[_KEY])
    if not isinstance(header, dict):
        raise ValueError("the header is no JSON object")
    return header


def read_header_of(
    kind: str, path: str | Path, form: str, needed: tuple, damaged: str, refuse: type[Exception]
) -> dict:
    """The JSON header of one kind of our files, or an error that says what is wrong with it.

    Args:
        kind: what the file should be.
        path: file to read.
        form, needed: the format that this version reads, and the keys that it has.
        damaged: the sentence on other files, with places for the name and what is wrong.
        refuse: kind of the error.
    """
    path = Path(path)
    if not path.is_file():
        raise refuse(f"There is no {kind} {path.name}: check its name and folder.")
    try:
        header = read_json_header(path)
        known = header["format"] == form
        _ = known and [header[key] for key in needed]
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise refuse(damaged.format(path.name, type(error).__name__)) from error
    if not known:
        raise refuse(
            f"{path.name} has format {header['format']!r}, this version reads {form!r}: "
            "use the version of the package that wrote it."
        )
    return header


def read_tensors(path: str | Path, prefix: str = "") -> dict[str, torch.Tensor]:
    """The tensors whose names begin with ``prefix``, without it."""
    with safe_open(path, "pt") as file:
        names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118
        # Copies: a tensor that still maps the file would forbid replacing it on Windows.
        return {name.removeprefix(prefix): file.get_tensor(name).clone() for name in names}


def claimed_format(path: str | Path) -> str:
    """The format that a safetensors file, whole or damaged, says it has; empty for any other."""
    try:
        with Path(path).open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > Path(path).stat().st_size:  # before that much memory is asked for
                return ""
            header = json.loads(file.read(length))
        claimed = json.loads(header["__metadata__"][_KEY])["format"]
        return claimed if isinstance(claimed, str) else ""
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""
