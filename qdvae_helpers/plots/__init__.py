"""Figures of the lessons: one look, shown with a caption on their provenance and alternative text.

Importing this sets matplotlib's style (:mod:`qdvae_helpers.plots.style`), so that a figure which a
lesson makes by hand looks like all others.
"""

from qdvae_helpers.plots.chip import draw_qpu, palette_legend, qpu_figure
from qdvae_helpers.plots.curves import circuit_figure, dot_rows, history_figure
from qdvae_helpers.plots.output import image_tag, picture, png_bytes, show, to_image
from qdvae_helpers.plots.pictures import draw_picture, grid_image, image_grid, image_rows
from qdvae_helpers.plots.style import (
    AGREE,
    BLUE,
    COUPLINGS,
    DIFFER,
    DIGITS,
    FRAME,
    GREEN,
    GREY,
    INK,
    INK_CHANGE,
    ORANGE,
    PAPER,
    PRINT,
    PURPLE,
    SPIN_DOWN,
    SPIN_UP,
    SPINS,
    VERMILLION,
    new_figure,
)

__all__ = [
    "AGREE",
    "BLUE",
    "COUPLINGS",
    "DIFFER",
    "DIGITS",
    "FRAME",
    "GREEN",
    "GREY",
    "INK",
    "INK_CHANGE",
    "ORANGE",
    "PAPER",
    "PRINT",
    "PURPLE",
    "SPINS",
    "SPIN_DOWN",
    "SPIN_UP",
    "VERMILLION",
    "circuit_figure",
    "dot_rows",
    "draw_picture",
    "draw_qpu",
    "grid_image",
    "history_figure",
    "image_grid",
    "image_rows",
    "image_tag",
    "new_figure",
    "palette_legend",
    "picture",
    "png_bytes",
    "qpu_figure",
    "show",
    "to_image",
]
