"""Whether Markov chains forget where they were (taught in lesson 04)."""

import math
from typing import NamedTuple

import torch

from qdvae_helpers.arguments import require_number
from qdvae_helpers.errors import SamplerError

FEWEST_WATCHED, WATCHED = 64, 512  # chains that are looked at to see whether they mix
LAG, WINDOW = 100, 10  # sweeps over which spins are to forget, and over which they are averaged
#: Chains that mix less than this are worth a warning, with these words.
HARDLY_MIXED = 0.3
MIXING_REMEDY = (
    "The prior's Markov chains hardly mix: after 100 sweeps they are nearly where they were, so "
    "their spins may not follow the model. Give them more sweeps, anneal them again with "
    "restart(), or train with a lower prior_learning_rate."
)
_FEW_FAMILIES = 0.1  # of the chains
_DECIDED = 0.05  # variance of a spin that is nearly always the same
_WINDOW_TIMES, _TRUSTED_TIMES = 5, 50  # autocorrelation times that a window and a run must hold


class AutocorrelationTime(NamedTuple):
    """How many records of a chain are worth one independent string."""

    tau: float  #: ``1 + 2 (rho(1) + rho(2) + ...)`` up to the window; inf where nothing moves
    error: float  #: its standard error, as far as the run shows
    window: int  #: the last lag that counts
    length: float  #: records of a single chain, in units of ``tau``

    @property
    def trusted(self) -> bool:
        """Whether a chain is 50 times as long; otherwise take ``tau`` for a lower bound."""
        return self.length >= _TRUSTED_TIMES


def autocorrelation_time(x: torch.Tensor, mean: float | None = None) -> AutocorrelationTime:
    """The integrated autocorrelation time of a quantity, from several chains together.

    The sum over lags ends at the smallest window that holds five times its own result: further lags
    would add more noise than memory (Sokal 1997).  Each lag averages over all chains and all pairs
    of records.  The error is that of Madras and Sokal (1988); it knows nothing of what happens more
    seldom than once in a run.  The sequence estimators of Geyer (1992) need reversible chains,
    which sweeps in a fixed order are not.

    Args:
        x: the quantity, record by record, ``(records, chains)``.
        mean: its true mean, where that is known; otherwise the one of all chains together, so that
            chains which stay in different valleys count as memory.

    Raises:
        SamplerError: no such tensor, fewer than two records, or a number that is not finite.
    """
    if not isinstance(x, torch.Tensor) or x.dim() != 2 or len(x) < 2 or x.shape[1] < 1:
        shape = tuple(x.shape) if isinstance(x, torch.Tensor) else type(x).__name__
        raise SamplerError(
            f"The quantity is {shape}: give a tensor (records, chains) of two or more."
        )
    x = x.detach().double().cpu()
    if not bool(x.isfinite().all()):
        raise SamplerError("The quantity holds values that are no finite numbers.")
    mean = float(x.mean()) if mean is None else require_number("mean", mean, error=SamplerError)
    records, chains = x.shape
    # Padded to twice the length, so that no end meets a beginning.
    spectrum = torch.fft.rfft(x - mean, 2 * records, dim=0)
    products = torch.fft.irfft(spectrum.abs().square(), 2 * records, dim=0)[:records].sum(1)
    memory = products / torch.arange(records, 0, -1)
    if bool((x == x[0]).all()) or float(memory[0]) <= 0:
        return AutocorrelationTime(math.inf, math.inf, records - 1, 0.0)
    sums = 2 * (memory / memory[0]).cumsum(0) - 1  # up to and with each lag
    wide = (torch.arange(records) >= _WINDOW_TIMES * sums).nonzero()
    window = int(wide[0]) if len(wide) else records - 1
    tau = max(1.0, float(sums[window]))
    error = tau * math.sqrt(2 * (2 * window + 1) / (records * chains))
    return AutocorrelationTime(tau, error, window, records / tau)


def remembered(
    before: torch.Tensor, after: torch.Tensor, groups: list[torch.Tensor]
) -> torch.Tensor:
    """How much spins remember: correlation of each with itself later, over chains ``(n, chains)``.

    Only differences between chains of one class count (``groups`` has their columns): a chain keeps
    its class, and what a class says of a spin it need not forget.  Spins that are nearly always the
    same are left out.

    Two valleys differ in some spin, so chains that stay in theirs show even where energies agree.
    1 minus the largest memory is ``GibbsSampler.mixing``.  Where that is below 0.3, chains that
    began at random are still where they fell: on random graphs of 12 to 16 spins the total
    variation from the exact distribution was then well above that of independent samples after
    1,000 sweeps (``tests/samplers/test_mixing.py``).  Split R-hat (Vehtari et al. 2021,
    arXiv:1903.08008) compares the same variances, but needs a window of many forgetting times to
    come near 1.
    """
    products, variances = torch.zeros_like(before[:, 0]), torch.zeros_like(before[:, 0])
    for rows in groups:
        if (m := len(rows)) < 2:
            continue  # nothing to be compared with
        b, a = before[:, rows], after[:, rows]
        centred = (b - b.mean(1, keepdim=True)) * (a - a.mean(1, keepdim=True))
        products += centred.sum(1) * (m / (m - 1))
        average = (b.mean(1) + a.mean(1)) / 2
        variances += m * (1 - average.square())
    watched = max(1, sum(len(rows) for rows in groups if len(rows) > 1))
    undecided = variances / watched > _DECIDED
    return (products / variances)[undecided]


def unequal_classes(log_weights: torch.Tensor, classes: torch.Tensor) -> list[int]:
    """The classes whose chains carry too unequal weights, of all chains ``(M,)``.

    That is where the effective number of chains, ``(sum w)^2 / sum w^2``, is below half of them.
    """
    n = int(classes.max()) + 1
    highest = log_weights.new_full((n,), -torch.inf).scatter_reduce_(
        0, classes, log_weights, "amax"
    )
    weights = (log_weights - highest[classes]).exp()
    total, squares = (
        log_weights.new_zeros(n).index_add_(0, classes, w) for w in (weights, weights**2)
    )
    there = torch.bincount(classes)
    return ((there > 0) & (total**2 < 0.5 * there * squares)).nonzero().squeeze(1).tolist()


def few_families(families: float, chains: int) -> str:
    """A doubt where annealed chains descend from few of those that began; else nothing."""
    if families >= _FEW_FAMILIES * chains:
        return ""
    return (
        f"The {chains:,} annealed chains descend from about {families:.0f} "
        "of those that began: they may have missed what is probable. Anneal more slowly with "
        "restart(sweeps=...), with more chains, or train with a lower prior_learning_rate."
    )
