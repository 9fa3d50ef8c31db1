"""One image on its way through a model, and the digits that the app's page begins with."""

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image

from qdvae_helpers.checkpoints import load_pretrained
from qdvae_helpers.models import QDVAE
from qdvae_helpers.plots import BLUE, draw_picture, draw_qpu, new_figure
from qdvae_helpers.samplers import make_sampler
from qdvae_helpers.widgets.digits import digits_image


@torch.no_grad()
def journey_figure(model: QDVAE, image: torch.Tensor) -> Figure:
    """The model as a diagram with one image on its way: encoder, spins on the QPU graph, decoder.

    Args:
        model: in evaluation mode; its spins come from torch's global random numbers.
        image: ``(1, 1, 28, 28)`` in [0, 1].
    """
    logits = model.encode(image)
    mean_spins = torch.tanh(logits / 2)[0]
    spins = model.spins(logits)
    decoded = model.decode(spins)
    widths = {"width_ratios": (1, 1, 1.5, 1)}
    fig, axes = new_figure(1, 4, figsize=(10, 3.2), gridspec_kw=widths)
    draw_picture(axes[0], image[0], "image")
    draw_picture(axes[3], decoded[0], "decoded again")
    axes[1].hist(mean_spins.cpu().numpy(), bins=np.linspace(-1, 1, 21).tolist(), color=BLUE)
    axes[1].set(title="encoder's mean spins", xlabel="mean of a spin", ylabel="spins (count)")
    axes[1].set_box_aspect(1)
    plus = int((spins > 0).sum())
    draw_qpu(axes[2], model.graph, title=f"spins: {plus} of {model.n_spins} are +1", spins=spins[0])
    return fig


def opening_still() -> Image.Image:
    """What the studio generates first, for the page to show while the kernel starts.

    It is stored: ``opening_still().save(STILL, optimize=True)`` with the path in
    ``qdvae_helpers.commands.studio_opening``.
    """
    model = load_pretrained("qdvae-256")
    sampler = make_sampler(model.grbm, "gibbs", num_samples=40, seed=1, graph=model.graph)
    return digits_image(model.generate(40, sampler=sampler, seed=1), enlarged=1)
