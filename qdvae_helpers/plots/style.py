"""The one look of all figures: colours, palettes and matplotlib's settings.

A figure lies on whatever ground its page has, light or dark, so its own ground is transparent, and
every colour here has a contrast of at least 3 to 1 on white and on near-black; text has 4.5 to 1 on
white and 4 to 1 on near-black.  The hues are those of the colour-blind-safe palette of Okabe and
Ito, some a little lighter or darker.

Two palettes mean something, and are never used for anything else: :data:`SPINS` and
:data:`COUPLINGS`.
"""

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, ListedColormap, to_rgb
from matplotlib.figure import Figure

BLUE, ORANGE, GREEN = "#1A7FC1", "#C98500", "#009E73"
VERMILLION, PURPLE, GREY = "#D55E00", "#C96FA0", "#8C8C8C"
#: Text, axes, arrows: what would be black on a white page.
INK = "#757575"
#: The ground of a picture, and of boxes with writing; and what is written on it.
PAPER, PRINT = "#FFFFFF", "#222222"
#: The thin line around a picture, so that its paper ends somewhere on a white page.
FRAME = "#BDBDBD"

#: The two values of a spin.
SPIN_UP, SPIN_DOWN = "#1A7FC1", "#E69F00"
#: Spins and mean spins, from -1 to 1: orange, grey where undecided, blue.
SPINS = LinearSegmentedColormap.from_list("spins", [SPIN_DOWN, "#B8B8B8", SPIN_UP])
#: Couplings that make two spins agree, and differ.
AGREE, DIFFER = "#12915A", "#9A55C4"
#: How ink changes, on the paper of a picture: it vanishes (teal), it appears (rust).
INK_CHANGE = LinearSegmentedColormap.from_list("ink change", ["#00767B", PAPER, "#A0410D"])


def _couplings() -> ListedColormap:
    """Green to purple through nothing: weak couplings fade into the page, light or dark."""
    sizes = np.linspace(-1, 1, 256)
    colours = np.array([(*to_rgb(AGREE if size < 0 else DIFFER), abs(size)) for size in sizes])
    return ListedColormap(colours, name="couplings")


#: Couplings by sign and size, from the strongest negative to the strongest positive.
COUPLINGS = _couplings()

#: The ten digits, or any ten classes.
DIGITS = (
    INK, VERMILLION, BLUE, GREEN, ORANGE, PURPLE, "#7B5FD0", "#8F7A2E", "#2E9C9C", "#B0413E"
)  # fmt: skip

#: Pixels of a figure for each inch, and CSS pixels for each inch: sharp on good screens.
DPI, SHOWN_DPI = 200, 100

STYLE = {
    "figure.facecolor": "none",
    "figure.edgecolor": "none",
    "figure.dpi": SHOWN_DPI,
    "figure.constrained_layout.w_pad": 0.06,
    "figure.constrained_layout.h_pad": 0.06,
    "figure.titlesize": 13,
    "savefig.facecolor": "none",
    "savefig.dpi": DPI,
    "axes.facecolor": "none",
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 13,
    "axes.titlepad": 8,
    "axes.labelsize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": mpl.cycler(color=[BLUE, VERMILLION, GREEN, ORANGE, PURPLE, GREY]),
    "axes.formatter.use_mathtext": True,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "font.size": 12,
    "legend.fontsize": 11,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "lines.linewidth": 1.8,
    "errorbar.capsize": 3,
    "image.interpolation": "nearest",
}
mpl.rcParams.update(STYLE)  # lessons make figures with pyplot, and import from here first


def new_figure(
    rows: int = 1, columns: int = 1, *, gridspec_kw: dict | None = None, **options
) -> tuple[Figure, Axes | np.ndarray]:
    """A figure and its axes, as ``plt.subplots`` makes them, but safe to use in any thread.

    Pyplot keeps a list of open figures for the whole program; this figure is in no list.
    ``options`` are those of the figure, for example ``figsize``.
    """
    fig = Figure(**{"layout": "constrained"} | options)
    return fig, fig.subplots(rows, columns, gridspec_kw=gridspec_kw)
