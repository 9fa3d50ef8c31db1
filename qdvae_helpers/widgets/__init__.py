"""The widgets of the lessons: each moves what the static figure beside it shows.

They answer at once, or, where an answer takes longer, in a thread that always works on the latest
wish.  They change nothing of the lesson: models are copied or only read.  ``panels`` has their
building blocks, ``worker`` the thread, ``training_view`` a training run on the screen.  ``board``
and ``chip`` are for the hand: they answer in the browser before Python does.
"""

from qdvae_helpers.widgets.inpainting import Inpainting
from qdvae_helpers.widgets.kernel_explorer import KernelExplorer
from qdvae_helpers.widgets.latent_map import LatentMap
from qdvae_helpers.widgets.live_training import LiveTraining
from qdvae_helpers.widgets.qpu_explorer import QPUExplorer
from qdvae_helpers.widgets.spin_board import SpinBoard

__all__ = [
    "Inpainting",
    "KernelExplorer",
    "LatentMap",
    "LiveTraining",
    "QPUExplorer",
    "SpinBoard",
]
