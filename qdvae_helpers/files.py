"""Files that are never half written, and safetensors files with a JSON header.

A safetensors file holds tensors and a little text.  Ours keep a JSON object in that text, with the
format's name in it.  Reading one executes no code.
"""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

_KEY = "qdvae"  # of our JSON text in a safetensors file


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Write a file in one step: an old one is replaced when all is well, and else kept.

    Yields another path, in a folder of its own beside the file, which the block must write to; it
    takes the place of ``path`` at the end of the block.  The folder of ``path`` is created.
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
    """Write a safetensors file with a JSON header; atomic: an old file is kept or replaced.

    Args:
        path: file to write; its folder is created.
        tensors: on the CPU, contiguous, none sharing memory with another.
        header: plain values.
    """
    path = Path(path)
    with replacing(path) as written:
        save_file(tensors, written, metadata={_KEY: json.dumps(header)})
    return path


def read_json_header(path: str | Path) -> dict:
    """The JSON header of a safetensors file, without loading its tensors.

    Raises:
        OSError, SafetensorError, KeyError, ValueError: no such file, damaged, or not one of ours;
            callers turn these into an error that says what the file should have been.
    """
    with safe_open(path, "pt") as file:
        header = json.loads((file.metadata() or {})[_KEY])
    if not isinstance(header, dict):
        raise ValueError("the header is no JSON object")
    return header


def read_tensors(path: str | Path, prefix: str = "") -> dict[str, torch.Tensor]:
    """The tensors whose names begin with ``prefix``, without it."""
    with safe_open(path, "pt") as file:
        names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118
        # Copies: a tensor that still maps the file would forbid replacing it on Windows.
        return {name.removeprefix(prefix): file.get_tensor(name).clone() for name in names}


def claimed_format(path: str | Path) -> str:
    """The format that a safetensors file says it has; empty for any other file.

    Reads no more than the header, and nothing else of what may be a damaged file.
    """
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
