"""The losses (taught in ``01_classical_autoencoders``, ``03``, ``05_training_the_qdvae``, ``09``).

All are in nats per image, averaged over the batch, except the MMD, which has no unit.

Where the prior knows several classes (:mod:`qdvae_helpers.priors`), each image and each of the
prior's strings has one: ``classes`` ``(B,)`` and ``prior_classes`` ``(M,)``, int64.  The prior's
strings may be of any classes; they are weighted to be as frequent as the prior's shares say.
"""

import math

import torch
import torch.nn.functional as F
from dwave.plugins.torch.models import GraphRestrictedBoltzmannMachine
from dwave.plugins.torch.nn.functional import maximum_mean_discrepancy_loss
from dwave.plugins.torch.nn.modules.kernels import GaussianKernel

from qdvae_helpers.arguments import (
    require_count,
    require_grbm,
    require_image_shape,
    require_images,
    require_number,
    require_plain,
    require_rows,
)
from qdvae_helpers.errors import SettingError
from qdvae_helpers.priors import MOST_CLASSES, class_sums, n_classes, require_classes, row_weights


def reconstruction_loss(pixel_logits: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy, summed over pixels, averaged over the rest.

    Args:
        pixel_logits: ``(B, K, 1, 28, 28)``, K draws of the spins for each image.
        images: ``(B, 1, 28, 28)`` in [0, 1]; a grey pixel counts as a probability of white.

    Raises:
        SettingError: no images, or other shapes; also, but not on a GPU, which would have to wait
            for the answer, values outside [0, 1].
    """
    _require_decoded(pixel_logits, images)
    targets = images.unsqueeze(1).expand_as(pixel_logits)
    total = F.binary_cross_entropy_with_logits(pixel_logits, targets, reduction="sum")
    return total / (pixel_logits.shape[0] * pixel_logits.shape[1])


def _require_decoded(pixel_logits: torch.Tensor, images: torch.Tensor) -> None:
    judge = require_images if getattr(images, "is_cpu", True) else require_image_shape
    n = len(judge("images", images, any_size=True))  # lesson 01 begins with four pixels
    shape = tuple(getattr(pixel_logits, "shape", ()))
    if not isinstance(pixel_logits, torch.Tensor) or not pixel_logits.is_floating_point():
        raise SettingError("pixel_logits must be a tensor of floats.")
    if len(shape) != 5 or shape[0] != n or shape[1] < 1 or shape[2:] != images.shape[1:]:
        raise SettingError(
            f"pixel_logits of shape {shape} for {n} images: give (images, draws, 1, 28, 28)."
        )


def gaussian_kl(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """Divergence of independent Gaussians from the standard normal, of ``(B, n)`` each.

    One dimension costs ``(mean^2 + variance - 1 - log variance) / 2`` (Kingma and Welling 2013);
    summed over dimensions, averaged over the batch.
    """
    for name, values in (("mean", mean), ("log_variance", log_variance)):
        if not require_plain(name, values).is_floating_point():
            raise SettingError(f"{name}: {values.dtype}, where floats are needed.")
    if mean.shape != log_variance.shape or mean.numel() == 0:
        raise SettingError(
            f"Means of shape {tuple(mean.shape)} and log-variances of shape "
            f"{tuple(log_variance.shape)}: give one of each per code, and at least one code."
        )
    one_dimension = (mean.square() + log_variance.exp() - 1 - log_variance) / 2
    return one_dimension.sum(-1).mean()


def encoder_entropy(logits: torch.Tensor) -> torch.Tensor:
    """Entropy of the encoder's spins with these logits ``(B, n)``, summed over spins.

    For one spin with ``P(+1) = sigmoid(l)`` it is ``softplus(l) - l sigmoid(l)``.
    """
    require_rows("logits", logits)
    return (F.softplus(logits) - logits * torch.sigmoid(logits)).sum(-1).mean()


def mean_energy(
    grbm: GraphRestrictedBoltzmannMachine,
    spins: torch.Tensor,
    classes: torch.Tensor | None = None,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Mean over rows of ``E(s) = sum_i h_i s_i + sum_ij J_ij s_i s_j``.

    The same number as ``grbm(spins).mean()``, without gathering two columns for each coupling,
    which took a third of a training step (``benchmarks/training.py``).

    Args:
        grbm: without hidden units.
        spins: ``(B, n)``, or mean spins of independent spins for their expected energy.
        classes: of the rows, where the prior knows several.
        weights: ``(B,)`` of mean 1, for a weighted mean; all 1 if left out.
    """
    require_rows("spins", spins, require_grbm(grbm).n_nodes)
    spins = spins.to(grbm.linear.dtype)
    if weights is not None and require_plain("weights", weights).shape != spins.shape[:1]:
        raise SettingError(f"weights of shape {tuple(weights.shape)}: give ({len(spins)},).")
    weighted = spins if weights is None else spins * weights.unsqueeze(1)
    pairs = (weighted.T @ spins / len(spins))[grbm.edge_idx_i, grbm.edge_idx_j]
    energy = grbm.linear @ weighted.mean(0) + grbm.quadratic @ pairs
    if n_classes(grbm) == 1:
        return energy
    classes = _required(classes, grbm, len(spins))
    # Sums first, (K, n): the gradient of the biases is then no sum over rows in any order.
    sums = class_sums(weighted, classes, grbm)
    return energy + (grbm.class_biases * sums).sum() / len(spins)


def _required(
    classes: torch.Tensor | None, grbm: GraphRestrictedBoltzmannMachine, rows: int
) -> torch.Tensor:
    """The classes of rows, which a prior with several cannot do without."""
    if classes is None:
        raise SettingError(
            f"This prior has biases for {n_classes(grbm)} classes: give classes, one per row."
        )
    if getattr(classes, "is_cuda", False):  # values are not looked at: that would wait for the GPU
        return classes
    return require_classes("classes", classes, grbm, rows)


def _mean_prior_energy(
    grbm: GraphRestrictedBoltzmannMachine, spins: torch.Tensor, classes: torch.Tensor | None
) -> torch.Tensor:
    """Minus it has the gradient of ``log Z``, averaged over the classes by their shares."""
    if n_classes(grbm) > 1:
        classes = _required(classes, grbm, len(spins))
    return mean_energy(grbm, spins, classes, row_weights(classes, grbm))


def kl_loss(
    logits: torch.Tensor,
    grbm: GraphRestrictedBoltzmannMachine,
    prior_spins: torch.Tensor,
    classes: torch.Tensor | None = None,
    prior_classes: torch.Tensor | None = None,
) -> torch.Tensor:
    """The Kullback-Leibler divergence from the prior to the encoder, up to a constant.

    ``KL(q || p) = -H(q) + E_q[E(s)] + log Z``.  The encoder's spins are independent, so with mean
    spins ``m = tanh(logits / 2)`` the expected energy is exactly ``E(m)``.  Only ``log Z`` needs
    samples of the prior: its gradient is minus that of their mean energy (Rolfe 2017).  The value
    is the divergence minus the prior's own entropy; its gradient is the divergence's.

    The plugin's ``pseudo_kl_divergence_loss`` averages the entropy over the spins where it has to
    be summed, so we do not use it (``tests/test_losses.py`` shows the difference).

    Args:
        logits: ``(B, n)``.
        grbm: the prior, without hidden units.
        prior_spins: ``(M, n)`` samples of the prior.
        classes, prior_classes: of images and samples, where the prior knows several; the
            divergence is then that from the prior of each image's own class.
    """
    require_rows("logits", logits, require_grbm(grbm).n_nodes)
    expected_energy = mean_energy(grbm, torch.tanh(logits / 2), classes)
    prior_energy = _mean_prior_energy(grbm, prior_spins, prior_classes)
    return expected_energy - encoder_entropy(logits) - prior_energy


def importance_weighted_loss(
    logits: torch.Tensor,
    spins: torch.Tensor,
    pixel_logits: torch.Tensor,
    images: torch.Tensor,
    grbm: GraphRestrictedBoltzmannMachine,
    prior_spins: torch.Tensor,
    kl_weight: float = 1.0,
    classes: torch.Tensor | None = None,
    prior_classes: torch.Tensor | None = None,
) -> torch.Tensor:
    """The negative importance-weighted bound (Burda et al. 2016), up to a constant.

    With K draws ``s_k`` from the encoder it is
    ``-log 1/K sum_k p(x | s_k) exp(-E(s_k)) / q(s_k | x)`` minus the mean energy of the prior's
    samples, which has the gradient of ``log Z``.  One draw gives the ELBO, with noise where
    :func:`kl_loss` has exact means; of more draws only one has to be good.  At relaxed spins,
    ``log q`` is continued as the function that is linear in every spin, as the energy is.

    Args:
        logits, grbm, prior_spins, classes, prior_classes: as for :func:`kl_loss`.
        spins: ``(B, K, n)``, relaxed or true.
        pixel_logits, images: as for :func:`reconstruction_loss`.
        kl_weight: of all but the reconstruction; below 1 (as while it warms up) this is no bound.
    """
    _require_decoded(pixel_logits, images)
    require_rows("logits", logits, require_grbm(grbm).n_nodes)
    kl_weight = require_number("kl_weight", kl_weight, least=0)
    if not require_plain("spins", spins).is_floating_point():
        raise SettingError(f"spins: {spins.dtype}, where floats are needed.")
    if spins.shape != (*pixel_logits.shape[:2], grbm.n_nodes) or len(logits) != len(spins):
        raise SettingError(
            f"Spins of shape {tuple(spins.shape)} and {len(logits)} rows of logits for pixel "
            f"logits of shape {tuple(pixel_logits.shape)}: give as many images and draws in each."
        )
    spins = spins.to(grbm.linear.dtype)
    targets = images.unsqueeze(1).expand_as(pixel_logits)
    errors = F.binary_cross_entropy_with_logits(pixel_logits, targets, reduction="none")
    couplings = spins.new_zeros(grbm.n_nodes, grbm.n_nodes)
    couplings = couplings.index_put((grbm.edge_idx_i, grbm.edge_idx_j), grbm.quadratic)
    energies = ((spins @ couplings) * spins).sum(-1) + spins @ grbm.linear
    if n_classes(grbm) > 1:
        classes = _required(classes, grbm, len(logits))
        own = torch.nn.functional.one_hot(classes, n_classes(grbm)).to(spins) @ grbm.class_biases
        energies = energies + (spins * own.unsqueeze(1)).sum(-1)
    both = (F.logsigmoid(logits) + F.logsigmoid(-logits)).sum(-1, keepdim=True)
    log_q = ((spins * logits.unsqueeze(1)).sum(-1) + both) / 2
    log_weights = -errors.flatten(2).sum(-1) - kl_weight * (energies + log_q)
    bound = torch.logsumexp(log_weights, 1) - math.log(spins.shape[1])
    return -bound.mean() - kl_weight * _mean_prior_energy(grbm, prior_spins, prior_classes)


def nll_loss(
    grbm: GraphRestrictedBoltzmannMachine,
    spins: torch.Tensor,
    prior_spins: torch.Tensor,
    classes: torch.Tensor | None = None,
    prior_classes: torch.Tensor | None = None,
) -> torch.Tensor:
    """Something with the gradient of the prior's negative log-likelihood of ``spins``, ``(B, n)``.

    The mean energy of these, not differentiated, minus that of the prior's samples ``(M, n)``, as
    in the plugin's ``quasi_objective``; its value is no likelihood.
    """
    observed = mean_energy(grbm, spins.detach(), classes)
    return observed - _mean_prior_energy(grbm, prior_spins, prior_classes)


def spin_kernel(n_spins: int) -> GaussianKernel:
    """Gaussian kernels for strings of n spins: bandwidths ``2n * 2^w``, ``w`` from -3 to 3.

    Two unrelated strings differ in half of their places, at a squared distance of ``2n``.  A fixed
    bandwidth keeps the loss finite where all strings are equal, which makes the plugin's default
    NaN.
    """
    n_spins = require_count("n_spins", n_spins)
    return GaussianKernel(7, factor=2.0, bandwidth=2.0 * n_spins)


def mmd_loss(
    spins: torch.Tensor,
    prior_spins: torch.Tensor,
    kernel: GaussianKernel,
    classes: torch.Tensor | None = None,
    prior_classes: torch.Tensor | None = None,
) -> torch.Tensor:
    """Squared maximum mean discrepancy of spins ``(B, n)`` and samples of the prior ``(M, n)``.

    The unbiased estimate, which may be slightly negative; ``kernel`` is as a rule
    :func:`spin_kernel`.

    With classes it compares within each class, unbiased, and averages over classes by their share
    of the spins; a class with fewer than two strings of a kind has no estimate and counts nothing.

    Raises:
        SettingError: fewer than two strings of a kind, strings of different lengths, or classes for
            one kind only.
    """
    require_rows("spins", spins, least=2)
    require_rows("prior_spins", prior_spins, spins.shape[-1], least=2)
    if classes is None and prior_classes is None:
        return maximum_mean_discrepancy_loss(spins, prior_spins, kernel)
    if classes is None or prior_classes is None:
        raise SettingError("Give the classes of both, spins and prior_spins, or of neither.")
    for rows, own in ((spins, classes), (prior_spins, prior_classes)):
        fits = isinstance(own, torch.Tensor) and own.dtype == torch.int64
        fits = fits and own.shape == rows.shape[:1]
        if not fits or (own.is_cpu and not 0 <= int(own.min()) <= int(own.max()) < MOST_CLASSES):
            raise SettingError(
                "Give one class per string, int64 from 0 to 255, of spins and of prior_spins alike."
            )
    k = 1 + int(max(classes.max(), prior_classes.max()))
    ours, theirs = (torch.bincount(c, minlength=k) for c in (classes, prior_classes))
    counted = (ours > 1) & (theirs > 1)
    ours, theirs = ours.to(spins), theirs.to(spins)
    # What a pair of each kind weighs, by class.
    among_ours = counted / (ours - 1).clamp(min=1)
    between = -2 * counted / theirs.clamp(min=1)
    among_theirs = counted * ours / (theirs * (theirs - 1)).clamp(min=1)
    total = _paired(spins, spins, classes, classes, among_ours, kernel)
    total = total + _paired(spins, prior_spins, classes, prior_classes, between, kernel)
    total = total + _paired(
        prior_spins, prior_spins, prior_classes, prior_classes, among_theirs, kernel
    )
    return total / len(spins)


def _paired(
    x: torch.Tensor,
    y: torch.Tensor,
    x_classes: torch.Tensor,
    y_classes: torch.Tensor,
    weights: torch.Tensor,
    kernel: GaussianKernel,
) -> torch.Tensor:
    """Weighted sum of the kernel over pairs of one class; where ``x`` is ``y`` without itself.

    The kernel is computed for these pairs only, which are a K-th of all.
    """
    same = x_classes.unsqueeze(1) == y_classes
    if x is y:
        same.fill_diagonal_(False)
    i, j = same.nonzero(as_tuple=True)
    squares = x.square().sum(1).unsqueeze(1) + y.square().sum(1)
    distances = (squares - 2 * x @ y.T)[i, j].clamp(min=0)  # (pairs,), squared
    scales = kernel.bandwidth * kernel.factors
    values = torch.exp(-distances.unsqueeze(1) / scales).sum(1)
    return weights[x_classes[i]] @ values
