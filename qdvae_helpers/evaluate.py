"""Measuring models and samplers (taught in ``04``, ``05`` and ``08_judging_samples``)."""

import copy
import warnings
from typing import NamedTuple

import torch
from dwave.plugins.torch.models import GraphRestrictedBoltzmannMachine

from qdvae_helpers.arguments import require_grbm, require_images, require_number, require_rows
from qdvae_helpers.errors import SettingError
from qdvae_helpers.judge import DigitJudge
from qdvae_helpers.priors import energies_of, in_groups, n_classes, require_classes, row_weights
from qdvae_helpers.seeding import seeded

_MAX_ENUMERATED = 20
_DEAD = 0.1
_NEIGHBOURS = 5  # whose distance is the size of a neighbourhood
_ROWS = 1_000  # of a table of distances at once, for the sake of memory


class Enumeration(NamedTuple):
    """Everything about a small Boltzmann machine, exactly."""

    states: torch.Tensor  #: ``(2^n, n)`` all spin strings
    probabilities: torch.Tensor  #: ``(2^n,)`` float64
    log_partition_function: float  #: ``log sum_s exp(-beta E(s))``


@torch.no_grad()
def enumerate_states(grbm: GraphRestrictedBoltzmannMachine, beta: float = 1.0) -> Enumeration:
    """List all states of a small GRBM with their Boltzmann probabilities.

    Raises:
        SettingError: more than 20 spins, that is more than a million states; no temperature or no
            model; several classes, each of which has probabilities of its own.
    """
    n = require_grbm(grbm).n_nodes
    if (k := n_classes(grbm)) > 1:
        raise SettingError(f"This prior has {k} classes: enumerate one of them, of_class(grbm, y).")
    beta = require_number("beta", beta)
    if n > _MAX_ENUMERATED:
        raise SettingError(
            f"{n} spins have 2^{n} states: enumerate at most {_MAX_ENUMERATED} spins, or use the "
            "exact sampler (tree decomposition)."
        )
    grbm = copy.deepcopy(grbm).cpu()  # double precision does not exist on every device
    bits = (torch.arange(2**n).unsqueeze(1) >> torch.arange(n)) & 1
    states = (2 * bits - 1).to(grbm.linear.dtype)
    log_weights = -beta * torch.cat([grbm(part).double() for part in states.split(2**14)])
    log_z = torch.logsumexp(log_weights, 0)
    if not log_z.isfinite():
        raise SettingError("A field or coupling of this model is no finite number.")
    return Enumeration(states, (log_weights - log_z).exp(), float(log_z))


@torch.no_grad()
def dead_spins(logits: torch.Tensor) -> int:
    """How many spins say next to nothing about the image, from logits ``(B, n)`` of many images.

    A spin is called dead when its mean ``tanh(logit / 2)``, between -1 and 1, has a standard
    deviation below 0.1 over the images.
    """
    require_rows("logits", logits)
    if len(logits) == 1:  # nothing was said that could differ
        return logits.shape[1]
    return int((torch.tanh(logits / 2).std(0) < _DEAD).sum())


@torch.no_grad()
def moment_gap(
    grbm: GraphRestrictedBoltzmannMachine,
    logits: torch.Tensor,
    prior_spins: torch.Tensor,
    prior_classes: torch.Tensor | None = None,
) -> float:
    """How far the prior is from its optimum: root mean square difference of pair correlations.

    At the optimum of the likelihood, ``<s_i s_j>`` over the encoder's spins and over the prior's
    samples agree on every coupler.  Both are finite samples, so the gap never reaches zero: for two
    sets of M independent samples of uncorrelated spins it is ``sqrt(2 / M)``.

    Args:
        grbm: the prior.
        logits: ``(B, n)``; the spins of one image are independent given its logits.
        prior_spins: ``(M, n)``.
        prior_classes: ``(M,)``, where the prior knows several; its classes are weighed by their
            shares.

    Without couplers there is no gap: 0.
    """
    for name, rows in (("logits", logits), ("prior_spins", prior_spins)):
        require_rows(name, rows, require_grbm(grbm).n_nodes)
    if grbm.n_edges == 0:
        return 0.0
    if prior_classes is not None and n_classes(grbm) > 1:
        n = len(prior_spins)
        prior_classes = require_classes("prior_classes", prior_classes, grbm, n)
    posterior = grbm.interactions(torch.tanh(logits / 2)).mean(0)
    pairs = grbm.interactions(prior_spins)
    weights = row_weights(prior_classes, grbm)
    prior = pairs.mean(0) if weights is None else weights @ pairs / len(pairs)
    return float((posterior - prior).square().mean().sqrt())


@torch.no_grad()
def energy_decorrelation(
    grbm: GraphRestrictedBoltzmannMachine,
    before: torch.Tensor,
    after: torch.Tensor,
    classes: torch.Tensor | None = None,
) -> float:
    """How far M chains have moved between two draws, ``(M, n)`` each: 1 freely, 0 not at all.

    With the correlation ``r`` of their energies before and after, and correlations that decay
    geometrically from draw to draw, a long series of draws is worth ``(1 - r) / (1 + r)`` times as
    many independent ones; this is that factor.  A low value is a warning; a high one is no proof of
    mixing, since a chain can change its energy without ever leaving its valley.

    Where the prior knows several ``classes`` ``(M,)``, only differences within a class count, since
    a chain keeps its class.
    """
    for name, rows in (("before", before), ("after", after)):
        require_rows(name, rows, require_grbm(grbm).n_nodes)
    if len(before) != len(after):
        raise SettingError(f"{len(before)} chains before and {len(after)} after: give the same.")
    if classes is not None:
        classes = require_classes("classes", classes, grbm, len(before))
    draws = (part.to(grbm.linear.dtype) for part in (before, after))
    energies = torch.stack([energies_of(grbm, part, classes) for part in draws])
    for _, rows in in_groups(classes) if classes is not None else ():
        energies[:, rows] -= energies[:, rows].mean(1, keepdim=True)
    if len(before) == 1 or (energies.std(1) == 0).any():
        return 0.0
    r = float(torch.corrcoef(energies)[0, 1].clamp(0, 1))
    return (1 - r) / (1 + r)


class Quality(NamedTuple):
    """How generated images compare with real ones, in the features of a judge."""

    frechet: float  #: Frechet distance of two Gaussians fitted to the features; smaller is better
    kernel: float  #: kernel distance, unbiased squared MMD with a cubic kernel; smaller is better
    precision: float  #: share of generated images within the real ones' neighbourhoods
    recall: float  #: share of real images within the generated ones' neighbourhoods
    coverage: float  #: share of real images with a generated one nearer than their 5th neighbour
    smallest_class: float  #: share of the rarest digit among the generated ones, by the judge


@torch.no_grad()
def quality(generated: torch.Tensor, real: torch.Tensor, judge: DigitJudge) -> Quality:
    """Score generated images against real ones of the same size and treatment.

    Frechet and kernel distances come from torchmetrics (Heusel et al. 2017, Binkowski et al. 2018);
    precision and recall follow Kynkaanniemi et al. 2019, coverage Naeem et al. 2020, with 5
    neighbours and as many real images as generated ones.  All depend on the number of images, so
    compare only results for equal numbers.

    Args:
        generated: ``(N, 1, H, W)`` in [0, 1].
        real: ``(M, 1, H, W)`` in [0, 1], held out.
        judge: see :mod:`qdvae_helpers.judge`.

    Raises:
        SettingError: N is below 6, or M below N; sizes that differ, or colours.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.kid import KernelInceptionDistance

    require_images("generated", generated, least=0, any_size=True)
    require_images("real", real, least=0, any_size=True)
    if not callable(judge) or not hasattr(judge, "classes"):
        raise SettingError("judge must be a DigitJudge: load_judge() gives one.")
    if generated.shape[1:] != real.shape[1:] or real.shape[1] != 1:
        raise SettingError(
            f"Images of {tuple(generated.shape[1:])} cannot be scored against those of "
            f"{tuple(real.shape[1:])}: give grey images, (N, 1, H, W), of one size."
        )
    if len(generated) <= _NEIGHBOURS:
        raise SettingError(
            f"{len(generated)} generated images have no {_NEIGHBOURS} neighbours each: score at "
            f"least {_NEIGHBOURS + 1}, and hundreds for numbers that mean something."
        )
    if len(real) < len(generated):
        raise SettingError(
            f"{len(real)} real images cannot judge {len(generated)}: use at least as many."
        )
    ours, theirs = judge(generated), judge(real)
    subset = min(1_000, len(generated) // 2)
    given = torch.nn.Identity()  # instead of a network that extracts features
    given.num_features = DigitJudge.num_features
    frechet = FrechetInceptionDistance(feature=given)
    with warnings.catch_warnings():  # it warns that it keeps all features: 64 numbers per image
        warnings.simplefilter("ignore", UserWarning)
        kernel = KernelInceptionDistance(feature=given, subsets=20, subset_size=subset)
    for metric in (frechet, kernel):
        metric.update(theirs, real=True)
        metric.update(ours, real=False)
    with seeded(0):  # the kernel distance draws random subsets
        kernel_mean = float(kernel.compute()[0])

    theirs = theirs[: len(generated)]
    real_radius, our_radius = _neighbour_radius(theirs), _neighbour_radius(ours)
    precise = torch.zeros(len(ours), dtype=torch.bool, device=ours.device)
    recalled, covered = [], []
    for part, radius in zip(theirs.split(_ROWS), real_radius.split(_ROWS), strict=True):
        between = torch.cdist(part, ours)
        precise |= (between <= radius.unsqueeze(1)).any(0)
        recalled.append((between <= our_radius).any(1))
        covered.append(between.min(1).values <= radius)
    counts = torch.bincount(judge.classes(ours).argmax(1), minlength=10)
    return Quality(
        frechet=float(frechet.compute()),
        kernel=kernel_mean,
        precision=float(precise.float().mean()),
        recall=float(torch.cat(recalled).float().mean()),
        coverage=float(torch.cat(covered).float().mean()),
        smallest_class=float(counts.min() / len(generated)),
    )


def _neighbour_radius(features: torch.Tensor) -> torch.Tensor:
    """Distance of every point to its 5th nearest other point, ``(N,)``."""
    distances = (torch.cdist(part, features) for part in features.split(_ROWS))
    return torch.cat([d.kthvalue(_NEIGHBOURS + 1, dim=1).values for d in distances])
