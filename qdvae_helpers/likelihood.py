"""How probable a model finds an image, in nats (taught in ``09_likelihood``)."""

import math
from collections.abc import Sequence
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
from qdvae_helpers.priors import even_classes, log_prior, n_classes
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
        SettingError: fewer than two runs, which have no spread, or no temperatures; a prior of
            several classes, which has a ``Z`` for each (:func:`class_partition_functions`).
        SamplerError: the model's numbers are none.
    """
    if (k := n_classes(grbm)) > 1:
        raise SettingError(
            f"This prior has {k} classes, and each has its own Z: class_partition_functions(grbm)."
        )
    num_samples = require_count("num_samples", num_samples, 2)
    sampler = GibbsSampler(grbm, num_samples, seed=seed, graph=graph)
    log_weights = sampler.anneal(levels, resample=False)
    log_mean = float(torch.logsumexp(log_weights, 0)) - math.log(num_samples)
    relative = (log_weights - log_mean).exp()
    return Estimate(log_mean, float(relative.std()) / math.sqrt(num_samples))


@torch.no_grad()
def class_partition_functions(
    grbm: GraphRestrictedBoltzmannMachine,
    *,
    graph: QPUGraph | None = None,
    num_samples: int = 100,
    levels: int = 1_000,
    seed: int = 0,
    downwards: bool = False,
) -> list[Estimate]:
    """``log Z`` of each class of a prior, as :func:`log_partition_function` estimates it.

    All classes are annealed side by side.  A plain prior has one class.

    Args:
        grbm, graph, levels, seed: see :func:`log_partition_function`.
        num_samples: annealing runs of each class.
        downwards: the other bound of the sandwich: population annealing draws strings of the prior,
            and these are heated (``GibbsSampler.heat``).  Such estimates tend to be too large,
            where the usual ones tend to be too small.

    Raises:
        SettingError: as there.
    """
    k = n_classes(grbm)
    num_samples = require_count("num_samples", num_samples, 2)
    sampler = GibbsSampler(grbm, k * num_samples, seed=seed, graph=graph)
    if k > 1:
        sampler.classes = even_classes(k * num_samples, grbm)
    if downwards:
        sampler.restart()
        log_weights = sampler.heat(levels)
    else:
        log_weights = sampler.anneal(levels, resample=False)
    found = []
    for own in log_weights.view(num_samples, k).T:  # the classes come in turn
        sign = -1 if downwards else 1
        log_mean = float(torch.logsumexp(sign * own, 0)) - math.log(num_samples)
        relative = (sign * own - log_mean).exp()
        found.append(Estimate(sign * log_mean, float(relative.std()) / math.sqrt(num_samples)))
    return found


@torch.no_grad()
def log_likelihood(
    model: QDVAE,
    images: torch.Tensor,
    log_z: float | Sequence[float],
    *,
    draws: int = 500,
    seed: int = 0,
) -> Estimate:
    """Mean log-likelihood of black-and-white images, by importance weighting.

    ``log p(x) >= E[log 1/K sum_k p(x | s_k) p(s_k) / q(s_k | x)]`` with K draws ``s_k`` from the
    encoder (Burda et al. 2016).  The bound rises with K towards the likelihood; K = 1 is the ELBO.

    Args:
        model: in evaluation mode.
        images: ``(N, 1, 28, 28)`` with entries 0 and 1, see :func:`binarise`.
        log_z: of the model's prior; a number per class where it knows several and nobody says
            which an image has: ``p(x) = sum_y share_y p(x | y)``.
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
    each = log_z if isinstance(log_z, Sequence) else [log_z]
    if len(each) != n_classes(model.grbm):
        raise SettingError(
            f"log_z: {len(each)} numbers for {n_classes(model.grbm)} classes: give one each."
        )
    each = [require_number("log_z", one) for one in each]
    log_zs, draws = model.grbm.linear.new_tensor(each), require_count("draws", draws, most=100_000)
    with seeded(seed, model.device):
        images = images.to(model.device)
        bounds = torch.stack([_bound(model, image, log_zs, draws) for image in images])
    error = float(bounds.std()) / math.sqrt(len(bounds)) if len(bounds) > 1 else math.inf
    return Estimate(float(bounds.mean()), error)


def _bound(model: QDVAE, image: torch.Tensor, log_z: torch.Tensor, draws: int) -> torch.Tensor:
    logits = model.encode(image.unsqueeze(0)).expand(draws, -1)
    spins = model.spins(logits)
    log_q = F.logsigmoid(spins * logits).sum(1)
    pixel_logits = model.dvae.decoder(spins)
    targets = image.expand_as(pixel_logits)
    errors = F.binary_cross_entropy_with_logits(pixel_logits, targets, reduction="none")
    log_weights = log_prior(model.grbm, spins, log_z) - log_q - errors.flatten(1).sum(1)
    return torch.logsumexp(log_weights, 0) - math.log(draws)


def binarise(images: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """Black-and-white images: each pixel is ink with the probability of its grey value.

    Drawn anew in every epoch this is the "dynamic binarisation" of the literature (Salakhutdinov
    and Murray 2008).
    """
    require_images("images", images)
    generator = torch.Generator(images.device).manual_seed(require_seed(seed))
    return torch.bernoulli(images, generator=generator)
