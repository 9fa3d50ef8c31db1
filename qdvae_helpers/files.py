"""Writing safetensors files with a JSON header.

A safetensors file holds tensors and a little text: here a JSON object that names the format.
Reading: :mod:`~qdvae_helpers.formats`.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import save

from qdvae_helpers.outputs import replacing

KEY = "qdvae"  #: of our JSON text in a safetensors file


def write_tensors(path: str | Path, tensors: dict[str, torch.Tensor], header: dict) -> Path:
    """Write a safetensors file with a header of plain values, in one step.

    See :func:`~qdvae_helpers.outputs.replacing`, also for errors.  The tensors must be on the
    CPU, contiguous, and none may share memory with another.
    """
    path = Path(path)
    with replacing(path) as written:
        # Not save_file, which hides what the system says of a full disk.
        written.write_bytes(save(tensors, metadata={KEY: json.dumps(header)}))
    return path
