"""Checks of lesson 09: exact sums, mean weights, annealing, effective draws, tossed pixels."""

import math

import torch
from torch import Tensor, tensor

from qdvae_helpers.checks.verdict import Rows, Try, by_examples

_ENERGIES = tensor([0.5, -1.0, 2.0])
_LOG_P = tensor([[-1.0, -2.0, -0.5], [-3.0, -0.2, -4.0]])
_ENERGIES_4, _LOG_P_4 = tensor([1.0, -0.3, 0.2, -2.0]), tensor([[-2.0, -0.1, -1.0, -3.5]]).double()

_ROWS = "rows of very different size break it: subtract the largest of each *row* first."


@by_examples((_ENERGIES, _LOG_P), (_ENERGIES_4, torch.cat([_LOG_P_4, 2 * _LOG_P_4, _LOG_P_4 - 1])))
def exact_log_likelihood(e: Tensor, log_p: Tensor) -> Rows:
    """``function(energies, log_p_x_given_s)``, ``(S,), (N, S)``: ``log p(x)`` of each image."""
    log_z, joint = (-e).logsumexp(0), log_p - e
    right = joint.logsumexp(1) - log_z
    yield right, "for energies {e} and log p(x|s) = {log_p} it is {right}, you return {given}."
    yield joint.logsumexp(1), "the prior is not normalised: divide by Z, the sum of exp(-E)."
    yield joint.logsumexp(1) + log_z, "dividing by Z *subtracts* log Z."
    yield log_p.logsumexp(1), "every string counts alike here: weigh it by p(s) = exp(-E) / Z."
    yield (log_p + e).logsumexp(1) - log_z, "p(s) is exp of *minus* the energy."
    yield (log_p + e).logsumexp(1) - e.logsumexp(0), "p(s) is exp of *minus* the energy."
    prior = (-e).softmax(0)
    yield log_p @ prior.to(log_p), "this is the mean of log p(x|s): average p(x|s), then the log."
    yield right.exp(), "this is p(x) itself: its logarithm is asked for."
    yield right.mean(), "this is the mean over the images: one number for each image."
    yield joint - log_z, "these are log p(x, s): sum exp of them over the strings, by logsumexp."
    yield joint.amax(1) - log_z, "only the best string counts here: sum over all of them."
    low = "log p(x|s) near -900 breaks it (exp gives 0): use torch.logsumexp."
    yield Try(_ENERGIES, _LOG_P - 900), low
    yield Try(_ENERGIES, torch.cat([_LOG_P - 900, _LOG_P])), _ROWS
    yield (
        Try(_ENERGIES - 400, _LOG_P),
        "energies near -400 break it: log Z by torch.logsumexp, too.",
    )


_SMALL = tensor([[0.0, -1.0, 0.5, -2.0], [0.3, 0.1, -0.4, 1.0]])
_EXAMPLES = (_SMALL,), (tensor([[1.0, 0.2, -0.5], [0.0, -2.0, 0.4], [-0.3, 0.2, -3.0]]),)
_OTHERWISE = "for {w} it is {right}, you return {given}."
_WIDE = Try(tensor([[-900.0, 0.0, -100.0]]))
_APART = Try(torch.cat([_SMALL - 900, _SMALL]))
_BREAK = "log weights of very different size break it: subtract the *largest* one first."


@by_examples(*_EXAMPLES)
def log_mean_weight(w: Tensor) -> Rows:
    """``function(log_weights)``, ``(N, K)``: the logarithm of each row's mean weight."""
    total, log_k = w.logsumexp(1), math.log(w.shape[1])
    yield total - log_k, _OTHERWISE
    yield total, "this is the logarithm of the sum: a mean divides by K."
    yield total + log_k, "log K has the wrong sign: dividing by K subtracts log K."
    yield total / w.shape[1], "dividing by K *inside* the logarithm subtracts log K outside."
    yield total - math.log(len(w)), "K is the number of weights in a row, `w.shape[1]`, not `len`."
    yield w.mean(1), "this is the mean of the logarithms: average the weights, then take the log."
    yield w.exp().mean(1), "this is the mean weight: take its logarithm."
    yield w.logsumexp(0) - math.log(len(w)), "you go down the columns: each *row* has its mean."
    yield w.logsumexp((0, 1)) - math.log(w.numel()), "one mean for all: each *row* has its own."
    yield Try(_SMALL - 900), "log weights near -900 break it (exp gives 0): use torch.logsumexp."
    yield _WIDE, _BREAK
    yield _APART, _ROWS


@by_examples(*_EXAMPLES)
def effective_sample_size(w: Tensor) -> Rows:
    """``function(log_weights)``, ``(N, K)``: ``(sum w)^2 / sum w^2`` of each row."""
    shares, weights = w.softmax(1), w.exp()
    right, squares = 1 / shares.square().sum(1), weights.square().sum(1)
    yield right, _OTHERWISE
    yield right / w.shape[1], "this is the share of K; the size itself is between 1 and K."
    yield 1 / right, "upside down: equal weights must give K."
    yield 1 / squares, "divide the weights by their sum first."
    yield weights.sum(1) / squares, "the sum of the weights is squared."
    yield w.sum(1) ** 2 / w.square().sum(1), "these are log weights: exponentiate."
    yield (-shares * shares.log()).sum(1).exp(), "use squares here, not the entropy."
    yield 1 / shares.amax(1), "the largest weight alone does not decide: add all squared shares."
    yield 1 / w.softmax(0).square().sum(0), "you go down the columns: each *row* has its size."
    yield 1 / w.flatten().softmax(0).square().sum(), "one size for all: each *row* has its own."
    for n in (-900, 900):
        yield Try(_SMALL + n), f"log weights near {n} break it: normalise them first, by softmax."
    yield _WIDE, _BREAK
    yield _APART, _ROWS


class _Energy(torch.nn.Module):
    """An energy like that of a Boltzmann machine."""

    def __init__(self, field: float = 0.4) -> None:
        super().__init__()
        self.field = field

    def forward(self, spins: Tensor) -> Tensor:
        return 0.7 * spins[:, 0] - 1.3 * spins[:, 0] * spins[:, 1] + self.field * spins.sum(1)


class _Sweep(torch.nn.Module):
    """A sweep without chance, which tells one inverse temperature from another."""

    def __init__(self, places: int = 1) -> None:
        super().__init__()
        self.places = places

    def forward(self, spins: Tensor, beta: float) -> Tensor:
        return (1 - beta) * spins + beta * spins.roll(self.places, 1).square() - beta**2


_STRINGS = tensor([[1.0, -1.0, 1.0], [-1.0, -1.0, 1.0]])
_STRINGS_5 = tensor([[1.0, 1, -1, 1, 1], [-1, 1, -1, -1, 1], [-1, -1, -1, 1, 1.0]]).double()


def _anneal(energy, sweep, spins: Tensor, levels: int, order: str = "weigh, sweep") -> Tensor:
    found = torch.zeros(len(spins), dtype=spins.dtype)
    for level in range(1, levels + 1):
        if order != "sweep, weigh":
            found = found - energy(spins) / levels
        if order != "no sweep":
            spins = sweep(spins, (level - (order == "late")) / levels)
        if order == "sweep, weigh":
            found = found - energy(spins) / levels
    return found


@by_examples((_Energy(), _Sweep(), _STRINGS, 3), (_Energy(-0.6), _Sweep(2), _STRINGS_5, 5))
def repaired_annealing(energy, sweep, spins: Tensor, levels: int) -> Rows:
    """``function(energy, sweep, spins, levels)``: log weights of annealed importance sampling."""
    start = spins.shape[1] * math.log(2)
    works = _anneal(energy, sweep, spins, levels)
    yield (
        start + works,
        (
            "start with n log 2; then, level by level, weigh the strings as they are, and let them "
            "follow at the new beta. With {levels} levels the log weights are {right}, yours "
            "{given}."
        ),
    )
    swapped = _anneal(energy, sweep, spins, levels, "sweep, weigh")
    yield (
        start + swapped,
        (
            "this still has the fault: at each level the strings follow *before* they are weighed, "
            "so that the new weight no longer belongs to the strings that it is given to."
        ),
    )
    late = _anneal(energy, sweep, spins, levels, "late")
    yield start + late, "these strings follow at the *old* beta, one level late."
    still = _anneal(energy, sweep, spins, levels, "no sweep")
    yield start + still, "the strings never follow: what does `sweep` return, and where is it kept?"
    yield works, "n log 2 is missing: at beta = 0 each string stands for all 2^n."
    yield start - works, "the sign is wrong: a low energy makes a string probable."
    yield start + levels * works, "each level adds only its part of beta, 1 / levels, of -E."
    yield (start + works).exp(), "these are the weights: return their logarithms."
    mean = (start + works).logsumexp(0) - math.log(len(spins))
    yield mean, "this is the estimate of log Z: return the log weights, one for each string."


_GREY = tensor([[0.0, 0.5, 1.0], [0.2, 0.9, 0.0]]).view(2, 1, 1, 3)
_GREY_4 = tensor([[0.3, 0.0, 0.6, 1.0], [0.1, 0.5, 1.0, 0.0], [0.0, 0.7, 0.25, 0.8]]).view(
    3, 1, 2, 2
)


@by_examples((_GREY,), (_GREY_4,))
def nats_of_tossed_pixels(grey: Tensor) -> Rows:
    """``function(grey)``, ``(N, 1, H, W)``: mean entropy of an image's pixels, drawn anew, nats."""
    ink, paper = -torch.xlogy(grey, grey), -torch.xlogy(1 - grey, 1 - grey)
    right = (ink + paper).flatten(1).sum(1).mean()
    yield right, "for grey values {grey} it is {right:.4f}, you return {given:.4f}."
    yield (ink + paper).mean(), "this is the mean per pixel: add up the pixels of an image."
    yield (ink + paper).sum(), "this is the sum over all images: their mean is asked for."
    yield (ink + paper).flatten(1).sum(1), "one number for each image: return their mean."
    yield ink.flatten(1).sum(1).mean(), "only ink is counted: paper, 1 - g, has its term as well."
    yield paper.flatten(1).sum(1).mean(), "only paper is counted: ink, g, has its term as well."
    yield -right, "the sign is reversed: an entropy is not negative."
    yield right / math.log(2), "these are bits: take the natural logarithm."
    nan = "0 log 0 gives nan: `torch.xlogy(g, g)` counts it as 0, as it must."
    yield lambda given: given.isnan().any(), nan
