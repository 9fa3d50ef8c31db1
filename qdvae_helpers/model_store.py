"""The models that the studio may read and write (used in ``12_studio``).

A name that people type must never become a path to somewhere else: every file lies directly in one
folder, and reading goes through the list of what is there.
"""

import re
from pathlib import Path

import torch

from qdvae_helpers.checkpoints import (
    PRETRAINED_DIR,
    is_checkpoint,
    load_checkpoint,
    models_dir,
    open_checkpoint,
    read_header,
    save_checkpoint,
)
from qdvae_helpers.errors import CheckpointError, SettingError
from qdvae_helpers.formats import claimed_format
from qdvae_helpers.models import QDVAE
from qdvae_helpers.outputs import hold, replacing

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
# Windows opens a device instead of a file under these names.
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)", re.IGNORECASE)
_UNFINISHED = " (unfinished)"


def valid_name(name: str) -> str:
    """The name without spaces around it; SettingError if it may not be used for a file."""
    name = name.strip()
    if not _NAME.fullmatch(name) or _DEVICES.fullmatch(name):
        raise SettingError(
            f"{name[:80]!r} is no name for a file here: use 1 to 64 letters, digits, hyphens and "
            "underscores, beginning with a letter or digit, for example 'first-try'."
        )
    return name


class ModelStore:
    """Models that ship (read only), and models and unfinished runs in :func:`models_dir`."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or models_dir()).resolve()

    def names(self) -> list[str]:
        """All that can be loaded, the shipped models first."""
        return list(self._sorted()[0])

    def unreadable(self) -> dict[str, str]:
        """Why files under names of models cannot be read; those of other programs are none."""
        return self._sorted()[1]

    def unfinished(self) -> list[str]:
        """Names of runs that can be resumed, without the remark."""
        return [n.removesuffix(_UNFINISHED) for n in self.names() if n.endswith(_UNFINISHED)]

    def header(self, name: str) -> dict:
        """What a model's file says of itself, see :func:`checkpoints.read_header`."""
        return read_header(self._path(name))

    def shares(self, name: str) -> torch.Tensor | None:
        """How frequent each class of a model's prior is, ``(K,)``; ``None`` for a plain prior."""
        with open_checkpoint(self._path(name)) as checkpoint:
            if not checkpoint.header["settings"].get("classes"):
                return None
            return checkpoint.file.read("model.grbm.shares")

    def load(self, name: str) -> QDVAE:
        """The model of this name; refuses one that is not there, or damaged."""
        return load_checkpoint(self._path(name))

    def unfinished_path(self, name: str) -> Path:
        """The file that holds a run of this name while it lasts."""
        return self._inside(f"{valid_name(name)}.part.safetensors")

    def unfinished_header(self, name: str) -> dict:
        """The header of a run that can be resumed."""
        return self.header(valid_name(name) + _UNFINISHED)

    def require_free(self, name: str) -> str:
        """The name, checked; SettingError if anything is called so, whatever it holds."""
        name = valid_name(name)
        taken = {listed.removesuffix(_UNFINISHED).casefold() for listed in self._files()}
        if name.casefold() in taken:
            raise SettingError(f"There is a model {name!r} already: choose another name.")
        return name

    def finish(self, model: QDVAE, name: str) -> Path:
        """Save a finished model, and remove the file of its run."""
        path = save_checkpoint(model, self._inside(f"{valid_name(name)}.safetensors"))
        self.unfinished_path(name).unlink(missing_ok=True)
        return path

    def save_picture(self, png: bytes, name: str) -> Path:
        """Write a picture into the folder ``pictures``; SettingError if the name is taken."""
        path = self._inside(f"pictures/{valid_name(name)}.png")
        with hold(path):  # of two windows one is first
            if path.exists():
                raise SettingError(
                    f"There is a picture {path.name!r} already: choose another name."
                )
            with replacing(path) as written:
                written.write_bytes(png)
        return path

    def _sorted(self) -> tuple[dict[str, Path], dict[str, str]]:
        """Files that hold models, and what is wrong with others.

        Lesson 14 saves a circuit's weights in this folder, too: they belong to neither.
        """
        readable, others = {}, {}
        for name, file in self._files().items():
            try:
                if file.is_symlink() and file.parent == self.folder:
                    raise CheckpointError(
                        f"{file.name} is a link, which could lead anywhere: copy the file here."
                    )
                if claimed_format(file) is None or is_checkpoint(file):
                    read_header(file)
                    readable[name] = file
            except CheckpointError as error:
                others[name] = str(error)
        return readable, others

    def _files(self) -> dict[str, Path]:
        """All files under names of models, whatever they hold."""
        # By name: as paths, "qdvae-256-labels.s..." would come before "qdvae-256.s...".
        shipped = PRETRAINED_DIR.glob("qdvae-*.safetensors")
        paths = {file.stem: file for file in sorted(shipped, key=lambda file: file.stem)}
        for file in sorted(self.folder.glob("*.safetensors")):
            name = file.name.removesuffix(".safetensors")
            stem = name.removesuffix(".part")
            if _NAME.fullmatch(stem):
                paths.setdefault(stem + _UNFINISHED * (stem != name), file)
        return paths

    def _path(self, name: str) -> Path:
        readable, others = self._sorted()
        if name in others:
            raise CheckpointError(others[name])
        if name not in readable:
            raise CheckpointError(
                f"There is no model {name[:80]!r} here: choose one of {', '.join(readable)}."
            )
        return readable[name]

    def _inside(self, relative: str) -> Path:
        """A path to write to; refuses to leave the folder, or to follow a link out of it."""
        path = self.folder / relative
        if path.is_symlink() or not path.parent.resolve().is_relative_to(self.folder):
            raise SettingError(
                f"{relative!r} is a link out of the folder of models: remove the link."
            )
        return path
