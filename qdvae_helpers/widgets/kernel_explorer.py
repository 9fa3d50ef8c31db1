"""Lesson 03's widget: what a kernel's bandwidth sees of two samples."""

import torch
from dwave.plugins.torch.nn.modules.kernels import GaussianKernel

from qdvae_helpers.losses import mmd_loss
from qdvae_helpers.plots import BLUE, GREY, ORANGE, new_figure
from qdvae_helpers.widgets.panels import Number, Panel, Picture, halves


class KernelExplorer(Panel):
    """Two samples that can be moved, a bandwidth, and what the MMD says.

    The random numbers behind the samples stay the same, so that only what you move changes.
    """

    _SPLITS = 199  # random splits behind a p-value

    def __init__(self) -> None:
        super().__init__()
        self.shift = Number("shift of y", 1.5, -4.0, 4.0, 0.1)
        self.spread = Number("spread of y", 1.0, 0.1, 3.0, 0.1)
        self.bandwidth = Number("log2 of bandwidth", 1.0, -10.0, 10.0, 0.5)
        self.size = Number("points per sample", 30, 5, 100)
        self.result = Picture()
        parts = (self.shift, self.spread, self.bandwidth, self.size)
        for part in parts:
            part.on_change(self.guarded(self._draw))
        self.widget.add_class("qdvae-kernel")
        self.arrange(halves([part.widget for part in parts], [self.result.widget]))
        self._draw()  # an error here belongs to the cell

    def _draw(self) -> None:
        n, bandwidth = self.size.value, 2.0**self.bandwidth.value
        generator = torch.Generator().manual_seed(1)
        x, noise = torch.randn(2, 100, 1, generator=generator)[:, :n].sort(1).values
        y = self.shift.value + self.spread.value * noise
        kernel = GaussianKernel(1, bandwidth=bandwidth)
        pooled = torch.cat([x, y])
        gram = kernel(pooled, pooled)
        unbiased = float(mmd_loss(x, y, kernel))
        ranks = torch.rand(self._SPLITS, 2 * n, generator=generator).argsort(1)
        splits = torch.cat([torch.arange(2 * n).unsqueeze(0), ranks])
        weights = torch.where(splits < n, 1 / n, -1 / n)
        values = ((weights @ gram) * weights).sum(1)
        p = (1 + int((values[1:] >= values[0]).sum())) / (1 + self._SPLITS)
        shares = {"height_ratios": (1, 1.3)}
        fig, (above, below) = new_figure(2, figsize=(6.2, 5.6), layout=None, gridspec_kw=shares)
        fig.subplots_adjust(left=0.11, right=0.97, bottom=0.09, top=0.94, hspace=0.45)
        t = torch.linspace(-7, 7, 400)
        above.plot(t, torch.exp(-t.square() / bandwidth), color=GREY, label="kernel around 0")
        for label, points, colour, mark, height in (
            ("x", x, BLUE, "o", -0.08),
            ("y", y, ORANGE, "^", -0.2),
        ):
            above.plot(points, [height] * n, mark, color=colour, ms=5, alpha=0.7, label=label)
        above.set(title="Two samples", xlabel="value", ylabel="kernel value", xlim=(-7, 7))
        above.legend(loc="upper left", fontsize=9)
        drawn = below.imshow(gram.numpy(), cmap="viridis", vmin=0, vmax=1)
        below.axhline(n - 0.5, color="white")
        below.axvline(n - 0.5, color="white")
        below.set(title="Gram matrix", xlabel="point (number)", ylabel="point (number)")
        fig.colorbar(drawn, ax=below, label="kernel value")
        self.message.say(
            f"bandwidth {bandwidth:.3g}: squared MMD {unbiased:.4f} unbiased, "
            f"{float(values[0]):.4f} biased; p-value {p:.3f} of {self._SPLITS} random splits"
        )
        alt = f"Two samples under the kernel's bell, and their Gram matrix. {self.message.text}."
        self.result.show(fig, alt=alt)
