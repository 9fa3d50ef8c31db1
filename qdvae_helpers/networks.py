"""Encoder, decoder and the discretiser between them (taught in lessons 01 and 02).

Shapes and signs used everywhere: images ``(B, 1, 28, 28)`` in [0, 1]; ``logits`` ``(B, n)`` with
``P(s_i = +1) = sigmoid(logits_i)``, so the mean spin is ``tanh(logits_i / 2)``; spins ``(..., n)``
with entries -1 and +1.
"""

import itertools
import math

import torch
from torch import nn

from qdvae_helpers.arguments import require_count, require_flag, require_number

IMAGE_SHAPE = (1, 28, 28)
_PIXELS = math.prod(IMAGE_SHAPE)


def mlp(widths: list[int]) -> nn.Sequential:
    """Linear layers of these widths with a GELU between each two."""
    widths = [require_count("width of a layer", width) for width in widths]
    layers: list[nn.Module] = []
    for i, (fan_in, fan_out) in enumerate(itertools.pairwise(widths)):
        layers += [nn.GELU()] if i else []
        layers += [nn.Linear(fan_in, fan_out)]
    return nn.Sequential(*layers)


class Encoder(nn.Module):
    """Images ``(B, 1, 28, 28)`` to logits ``(B, n_spins)``."""

    def __init__(self, n_spins: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.net = mlp([_PIXELS, *hidden, n_spins])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The logits of these images."""
        return self.net(images.flatten(1))


class Decoder(nn.Module):
    """Spins ``(..., n_spins)`` to pixel logits ``(..., 1, 28, 28)``."""

    def __init__(self, n_spins: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.net = mlp([n_spins, *reversed(hidden), _PIXELS])

    def forward(self, spins: torch.Tensor) -> torch.Tensor:
        """The pixel logits of these spins."""
        return self.net(spins).unflatten(-1, IMAGE_SHAPE)

    @torch.no_grad()
    def start_from(self, pixel_logits: torch.Tensor) -> None:
        """Let the untrained decoder answer about these ``(1, 28, 28)`` whatever the spins are."""
        self.net[-1].bias.copy_(pixel_logits.flatten())


class SpinDiscretiser(nn.Module):
    """Logits to random spins, differentiably while training.

    Adding logistic noise to a logit and taking the sign draws the spin exactly.  In training the
    sign is replaced by ``tanh((logit + noise) / (2 tau))``, the binary concrete relaxation
    (Maddison et al. 2017, Jang et al. 2017); with ``hard`` it gives the gradient only
    (straight-through).

    Args:
        tau: temperature of the relaxation; small is closer to a sign, with noisier gradients.
        hard: whether the decoder sees true spins while training.
    """

    def __init__(self, tau: float, hard: bool) -> None:
        super().__init__()
        self.tau = require_number("tau", tau, above=0)
        self.hard = require_flag("hard", hard)

    def forward(
        self, logits: torch.Tensor, n_samples: int = 1, generator: torch.Generator | None = None
    ) -> torch.Tensor:
        """``(B, n)`` to ``(B, n_samples, n)``, as the plugin's autoencoder asks."""
        n_samples = require_count("n_samples", n_samples, most=1_000_000)
        size = (logits.shape[0], n_samples, *logits.shape[1:])
        about = {"dtype": logits.dtype, "device": logits.device}
        noise = torch.rand(size, generator=generator, **about).logit_(eps=1e-7)
        noisy = noise.add_(logits.unsqueeze(1))  # in place: many draws of many images are large
        spins = torch.where(noisy > 0, 1.0, -1.0).to(noisy.dtype)
        if not self.training:
            return spins
        soft = torch.tanh(noisy / (2 * self.tau))
        return soft + (spins - soft).detach() if self.hard else soft
