"""The lessons' live panels, as a page without a kernel shows them: a still, and what one misses."""

import ast
import html
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

STILLS = Path(__file__).resolve().parent / "images" / "panels"
THEMES = ("light", "dark")
SCALE = 1.5  # pixels of a still in each CSS pixel
#: Rooms of the package that have panels.
ROOMS = ("qdvae_helpers.widgets", "qdvae_helpers.studio")


@dataclass(frozen=True)
class Panel:
    """A panel that needs a running kernel.

    Args:
        does: what one does with the live one.
        alt: what its still shows.
        model: the shipped model in it, if it has one.
    """

    does: str
    alt: str
    model: str = ""


PANELS = {
    "Inpainting": Panel(
        "choose what is known of a picture, and watch a chain complete the rest",
        "Fields for the image and the temperature, a digit whose lower half lies under a veil, "
        "and beside it the true picture with eight completions.",
        "qdvae-256",
    ),
    "KernelExplorer": Panel(
        "move two samples, and see which bandwidth notices",
        "Sliders for shift, spread, bandwidth and size; beside them two samples under the bell of "
        "a kernel, and their Gram matrix.",
    ),
    "LatentMap": Panel(
        "walk over the maps, and see what the decoder makes of each place",
        "Sliders for two numbers; beside them the map of the VAE's codes with a mark, and the "
        "picture that its decoder makes of the marked place.",
    ),
    "LiveTraining": Panel(
        "spoil a training run, and watch its curves while it goes wrong",
        "Fields for a training run and a button that starts it; beside them curves of losses and "
        "of the prior, reconstructions and samples.",
    ),
    "QPUExplorer": Panel(
        "turn biases, couplings and the temperature of twelve qubits",
        "Sliders for biases, couplings, temperature and sweeps; beside them twelve coloured "
        "qubits on the chip, and the energies of the chains with the exact ones.",
    ),
    "SpinBoard": Panel(
        "flip spins on a board, and see the digit change",
        "A board of 64 spins, blue for up and orange for down, some flipped; beside it the "
        "decoded digit before and after, and the change.",
    ),
    "Studio": Panel(
        "train, generate, look inside and compare",
        "Four tabs; the first is open, with fields for model, wish and number, and the digits "
        "that the model drew.",
        "qdvae-256-labels",
    ),
}


def shown_by(source: str) -> set[str]:
    """Names that a cell takes from rooms with panels."""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a line of IPython
        return set()
    return {
        name.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(ROOMS)
        for name in node.names
    }


def panel_of(source: str) -> str:
    """The panel that a cell shows, or nothing."""
    return next(iter(sorted(shown_by(source) & PANELS.keys())), "")


def still_of(panel: str, theme: str) -> Path:
    """Where the still of a panel lies."""
    return STILLS / f"{panel.lower()}-{theme}.webp"


def figure_of(panel: str, folder: str) -> str:
    """HTML of a panel's still in both themes; ``folder`` leads to the pictures.

    A picture leads to itself, since a phone shows it too small to read.
    """
    alt = html.escape(f"The panel {panel} in JupyterLab. {PANELS[panel].alt}")
    links = ""
    for theme in THEMES:
        still = still_of(panel, theme)
        with Image.open(still) as image:
            width, height = (round(side / SCALE) for side in image.size)
        links += (
            f'<a class="only-{theme}" href="{folder}/{still.name}"><img alt="{alt}" '
            f'width="{width}" height="{height}" loading="lazy" decoding="async" '
            f'src="{folder}/{still.name}"/></a>'
        )
    # In a box: the theme hides a caption that stands beside what it hides.
    return (
        f'<figure class="live-panel"><div>{links}</div><figcaption><strong>A still.</strong> In '
        f"JupyterLab the panel is live: {PANELS[panel].does}. It needs a running kernel."
        "</figcaption></figure>"
    )
