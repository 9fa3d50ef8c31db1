"""A Gaussian VAE trained as ``training.fit`` trains: a normal prior for all, or one per class."""

from typing import NamedTuple

import torch
from torch import nn

from qdvae_helpers.losses import reconstruction_loss
from qdvae_helpers.models import GaussianVAE
from qdvae_helpers.training import TrainConfig
from qdvae_helpers.training.schedules import kl_weight, learning_rate_share

N_LATENT = 32  # numbers per code
_PRIOR_RATE = 0.02  # as the priors with classes have it


class GaussianPrior(NamedTuple):
    """Of each class a normal distribution with independent numbers; both ``(K, N_LATENT)``."""

    means: nn.Parameter
    log_variances: nn.Parameter

    def divergence(
        self, mean: torch.Tensor, log_variance: torch.Tensor, classes: torch.Tensor
    ) -> torch.Tensor:
        """Mean divergence in nats of codes ``(B, N_LATENT)`` from the prior of their classes."""
        own, own_log = self.means[classes], self.log_variances[classes]
        spread = (log_variance.exp() + (mean - own).square()) / own_log.exp()
        return (own_log - log_variance + spread - 1).sum(1).mean() / 2

    def draw(self, classes: torch.Tensor, seed: int) -> torch.Tensor:
        """A code of each of these classes, ``(len(classes), N_LATENT)``."""
        noise = torch.randn(len(classes), N_LATENT, generator=torch.Generator().manual_seed(seed))
        return self.means[classes] + (self.log_variances[classes] / 2).exp() * noise


def trained(
    images: torch.Tensor,
    config: TrainConfig,
    hidden: tuple[int, ...],
    classes: torch.Tensor | None = None,
) -> tuple[GaussianVAE, GaussianPrior]:
    """A Gaussian VAE and its prior, by the steps, rates, batches and warm-ups of ``config``.

    Args:
        images: ``(N, 1, 28, 28)``.
        config: what else decides; its learning rate of the prior is not heeded.
        hidden: widths of the layers.
        classes: ``(N,)``; the prior learns a normal distribution for each.  Left out, it is the
            standard normal.
    """
    torch.manual_seed(config.seed)
    k = 1 if classes is None else int(classes.max()) + 1
    model = GaussianVAE(N_LATENT, hidden)
    model.decoder.start_from(torch.logit(images.mean(0), eps=0.01))
    prior = GaussianPrior(*(nn.Parameter(torch.zeros(k, N_LATENT)) for _ in range(2)))
    groups = [{"params": list(model.parameters()), "weight_decay": config.weight_decay}]
    if classes is not None:
        nn.init.normal_(prior.means, std=0.1)  # classes that are alike would stay alike
        groups.append({"params": list(prior), "weight_decay": 0.0})
    optimizer = torch.optim.AdamW(groups, fused=True)
    for step in range(config.steps):
        share = learning_rate_share(step, steps=config.steps, warm_up=config.warm_up)
        for group, peak in zip(
            optimizer.param_groups, (config.learning_rate, _PRIOR_RATE), strict=False
        ):
            group["lr"] = peak * share
        rows = torch.randint(len(images), (config.batch_size,))
        batch = images[rows]
        own = torch.zeros_like(rows) if classes is None else classes[rows]
        mean, log_variance = model.encode(batch)
        pixel_logits = model.decoder(model.codes(mean, log_variance)).unsqueeze(1)
        weight = kl_weight(step, weight=config.kl_weight, rise=config.kl_warm_up)
        divergence = prior.divergence(mean, log_variance, own)
        loss = reconstruction_loss(pixel_logits, batch) + weight * divergence
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval(), prior
