"""A board of cells that are switched by hand: spins, or the known part of a picture."""

from collections.abc import Sequence
from pathlib import Path

import anywidget
import torch
import traitlets

from qdvae_helpers.arguments import require_images
from qdvae_helpers.errors import SettingError

KINDS = ("spins", "mask")


class Board(anywidget.AnyWidget):
    """Cells to click, or to paint over with the pointer pressed; arrow keys and Space work, too.

    A stroke sends one message, however many cells it has changed.  Every cell says what it is and
    how it stands ("spin 17: +1").

    Args:
        rows, columns: how many cells.
        names: of the cells, row by row.
        kind: ``spins`` (discs, blue for +1 and orange for -1) or ``mask`` (a veil over what is
            unknown, and perhaps a picture below it).
        label: of the whole board, for those who cannot see it.

    Attributes:
        values: for each cell whether it is on (+1, or known); both sides may set it.
        before: values to compare with, or none; cells that differ have a ring.

    Raises:
        SettingError: a kind that is not known, or lists of another length than the board's.
    """

    _esm = Path(__file__).with_name("board.js")
    _css = Path(__file__).with_name("board.css")
    rows = traitlets.Int(1).tag(sync=True)
    columns = traitlets.Int(1).tag(sync=True)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    kind = traitlets.Enum(KINDS, default_value="spins").tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)
    values = traitlets.List(traitlets.Bool()).tag(sync=True)
    before = traitlets.List(traitlets.Bool()).tag(sync=True)
    picture = traitlets.Bytes().tag(sync=True)

    def __init__(
        self, rows: int, columns: int, names: Sequence[str], kind: str, *, label: str
    ) -> None:
        if kind not in KINDS:
            raise SettingError(f"kind={kind!r}: choose one of {', '.join(KINDS)}.")
        self._cells = rows * columns
        if len(names) != self._cells:
            raise SettingError(
                f"{len(names)} names for {self._cells} cells: give one for each cell."
            )
        shape = {"rows": rows, "columns": columns, "names": list(names), "kind": kind}
        super().__init__(**shape, label=label, values=[False] * self._cells)
        self.add_class("qdvae-board")

    @traitlets.validate("values", "before")
    def _one_for_each_cell(self, proposal: dict) -> list[bool]:
        values = proposal["value"]
        if len(values) != self._cells and (values or proposal["trait"].name == "values"):
            raise SettingError(
                f"{len(values)} values for {self._cells} cells: give one for each cell."
            )
        return values

    def show(self, image: torch.Tensor) -> None:
        """Put a picture ``(1, 28, 28)`` in [0, 1], 1 is ink, below the cells of a mask."""
        alone = (
            image.unsqueeze(0) if isinstance(image, torch.Tensor) and image.dim() == 3 else image
        )
        if len(image := require_images("image", alone)) != 1:
            raise SettingError(f"image: {len(image)} images, where one is shown: give one of them.")
        self.picture = bytes((image * 255).round().to(torch.uint8).flatten().tolist())
