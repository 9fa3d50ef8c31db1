"""Files that are never half written."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


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
