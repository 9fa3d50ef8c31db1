"""How probable a model finds an image, in nats (taught in ``07_how_good_is_it``)."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from dwave.plugins.torch.models import GraphRestrictedBoltzmannMachine

from qdvae_helpers.arguments import (
    require_count,
    require_images,
    require_kind,
    require_number,
    require_seed,
)
from qdvae_helpers.errors import SettingError
from qdvae_helpers.graphs import QPUGraph
from qdvae_helpers.models import QDVAE
from qdvae_helpers.samplers import GibbsSampler
from qdvae_helpers.seeding import seeded


class Estimate(NamedTuple):
    """A number with the standard deviation of its error."""

    value: float
    error: float


@torch.no_grad()
def log_partition_function(
    grbm: GraphRestrictedBoltzmannMachine,
    *,
    graph: QPUGraph | None = None,
    num_samples: int = 1_000,
    levels: int = 2_000,
    seed: int = 0,
) -> Estimate:
    """Estimate ``log Z = log sum_s exp(-E(s))`` by annealed importance sampling (Neal 2001).

    The mean weight of the chains is an unbiased estimate of ``Z``, so its logarithm tends to be too
    small, and likelihoods then too large, as long as few chains carry all the weight: look at the
    error, from the spread of the weights (delta method).  ``ExactSampler.log_partition_function``
    serves small graphs.

    Args:
        grbm: the prior.
        graph: its graph, for a colouring that is already known.
        num_samples: independent annealing runs.
        levels: temperatures; more make the weights more equal.
        seed: of the runs.

    Raises:
        SettingError: fewer than two runs, which have no spread, or no temperatures.
        SamplerError: the model's numbers are none.
    """
    num_samples = require_count("num_samples", num_samples, 2)
    sampler = GibbsSampler(grbm, num_samples, seed=seed, graph=graph)
    log_weights = sampler.anneal(levels, resample=False)
    log_mean = float(torch.logsumexp(log_weights, 0)) - math.log(num_samples)
    relative = (log_weights - log_mean).exp()
    return Estimate(log_mean, float(relative.std()) / math.sqrt(num_samples))


@torch.no_grad()
def log_likelihood(
    model: QDVAE, images: torch.Tensor, log_z: float, *, draws: int = 500, seed: int = 0
) -> Estimate:
    """Mean log-likelihood of black-and-white images, by importance weighting.

    ``log p(x) >= E[log 1/K sum_k p(x | s_k) p(s_k) / q(s_k | x)]`` with K draws ``s_k`` from the
    encoder (Burda et al. 2016).  The bound rises with K towards the likelihood; K = 1 is the ELBO.

    Args:
        model: in evaluation mode.
        images: ``(N, 1, 28, 28)`` with entries 0 and 1, see :func:`binarise`.
        log_z: of the model's prior.
        draws: K.
        seed: of the draws.

    Returns:
        In nats, with the standard error that choosing these N images brings; infinite for one.

    Raises:
        SettingError: no images, grey ones, no draws, or a ``log_z`` that is no number.
    """
    require_kind("model", model, QDVAE)
    if not ((require_images("images", images) == 0) | (images == 1)).all():
        raise SettingError("Grey images have no likelihood here: make them binarise(images).")
    log_z, draws = require_number("log_z", log_z), require_count("draws", draws)
    with seeded(seed, model.device):
        images = images.to(model.device)
        bounds = torch.stack([_bound(model, image, log_z, draws) for image in images])
    error = float(bounds.std()) / math.sqrt(len(bounds)) if len(bounds) > 1 else math.inf
    return Estimate(float(bounds.mean()), error)


def _bound(model: QDVAE, image: torch.Tensor, log_z: float, draws: int) -> torch.Tensor:
    logits = model.encode(image.unsqueeze(0)).expand(draws, -1)
    spins = model.spins(logits)
    log_q = F.logsigmoid(spins * logits).sum(1)
    log_prior = -model.grbm(spins) - log_z
    pixel_logits = model.dvae.decoder(spins)
    targets = image.expand_as(pixel_logits)
    errors = F.binary_cross_entropy_with_logits(pixel_logits, targets, reduction="none")
    log_weights = log_prior - log_q - errors.flatten(1).sum(1)
    return torch.logsumexp(log_weights, 0) - math.log(draws)


def binarise(images: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """Black-and-white images: each pixel is ink with the probability of its grey value.

    Drawn anew in every epoch this is the "dynamic binarisation" of the literature (Salakhutdinov
    and Murray 2008).
    """
    require_images("images", images)
    generator = torch.Generator(images.device).manual_seed(require_seed(seed))
    return torch.bernoulli(images, generator=generator)
