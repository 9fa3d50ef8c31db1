"""The loss of one step (taught in lesson 05)."""

import torch
from torch import nn

from qdvae_helpers.losses import (
    importance_weighted_loss,
    kl_loss,
    mmd_loss,
    nll_loss,
    reconstruction_loss,
    spin_kernel,
)
from qdvae_helpers.models import QDVAE
from qdvae_helpers.training.config import TrainConfig


class Objective(nn.Module):
    """The loss of a step of the whole model, by recipe.

    ``elbo`` minimises reconstruction plus the divergence from the prior to the encoder.  ``iwae``
    minimises a tighter bound of the same likelihood, importance-weighted over several draws.
    ``mmd`` follows D-Wave's image-generation demo: the autoencoder minimises reconstruction plus
    the MMD between its spins and the prior's, and the prior their negative log-likelihood.

    A module, so that Lightning Fabric can wrap it and average gradients over processes.

    Attributes:
        parts: of the last loss, one number each, without gradients and where they were computed:
            to read one waits for the step, so only reports do.  ``loss`` is the whole;
            ``loss_reconstruction``, ``loss_kl``, ``loss_mmd`` and ``loss_nll`` are what the recipe
            has of these, before their weights.
    """

    def __init__(self, model: QDVAE, config: TrainConfig) -> None:
        super().__init__()
        self.model = model
        self.config = config
        self.kernel = spin_kernel(model.n_spins)
        self.parts: dict[str, torch.Tensor] = {}

    def forward(
        self,
        batch: torch.Tensor,
        prior_spins: torch.Tensor,
        kl_weight: float,
        generator: torch.Generator | None,
        classes: torch.Tensor | None = None,
        prior_classes: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """One number, in nats per image up to a constant.

        The batch is ``(B, 1, 28, 28)``, the prior's samples ``(M, n)``; ``mmd`` has no use for the
        weight of the divergence.  ``classes`` ``(B,)`` and ``prior_classes`` ``(M,)`` belong to
        them where the prior knows several.
        """
        both = {"classes": classes, "prior_classes": prior_classes}
        config, grbm = self.config, self.model.grbm
        logits, spins, pixel_logits = self.model(batch, config.spin_draws, generator)
        if config.recipe == "iwae":
            bound = importance_weighted_loss(
                logits, spins, pixel_logits, batch, grbm, prior_spins, kl_weight, **both
            )
            return self._whole(bound)
        loss = reconstruction_loss(pixel_logits, batch)
        if config.recipe == "elbo":
            kl = kl_loss(logits, grbm, prior_spins, **both)
            return self._whole(loss + kl_weight * kl, reconstruction=loss, kl=kl)
        # The prior's samples are true spins, so the encoder's must be, too: relaxed ones would
        # differ from them even where both distributions agree.
        relaxed = spins.flatten(0, 1)
        true_spins = relaxed + (relaxed.sign() - relaxed).detach()
        if classes is not None and config.spin_draws > 1:
            both["classes"] = classes.repeat_interleave(config.spin_draws)
        mmd = mmd_loss(true_spins, prior_spins, self.kernel, **both)
        nll = nll_loss(grbm, true_spins, prior_spins, **both)
        whole = loss + config.mmd_weight * mmd + nll
        return self._whole(whole, reconstruction=loss, mmd=mmd, nll=nll)

    def _whole(self, loss: torch.Tensor, **parts: torch.Tensor) -> torch.Tensor:
        """The loss, with its parts kept."""
        self.parts = {"loss": loss.detach()}
        self.parts |= {f"loss_{name}": part.detach() for name, part in parts.items()}
        return loss


def decoder_loss(
    model: QDVAE, batch: torch.Tensor, draws: int, generator: torch.Generator | None
) -> torch.Tensor:
    """Reconstruction of a batch ``(B, 1, 28, 28)`` from true spins, ``draws`` strings per image.

    Only the decoder gets a gradient: while the whole model learns it sees relaxed spins, which say
    more than the true ones that it gets afterwards.  The model must be in evaluation mode.
    """
    with torch.no_grad():
        spins = model.dvae.latent_to_discrete(model.encode(batch), draws, generator)
    return reconstruction_loss(model.dvae.decoder(spins), batch)
