"""Checks of lesson 11: overlaps, exchanges, what an annealer reads out, gauges, a verdict."""

import torch
from torch import Tensor, nn, tensor

from qdvae_helpers.checks.verdict import Rows, Try, by_examples


def _spins(*rows: str) -> Tensor:
    return tensor([[1.0 if c == "+" else -1.0 for c in row] for row in rows])


@by_examples(
    (_spins("+--+", "++-+", "-+--"), _spins("+-++", "--+-", "-+++")),
    (_spins("++---", "-+-++"), _spins("+----", "-++-+")),
    form="{asked} is asked for, one number per pair of strings; yours is {found}.",
)
def overlaps(a: Tensor, b: Tensor) -> Rows:
    """``function(a, b)``: two sets of strings ``(M, n)``; ``(M,)`` mean products, row by row."""
    products = a * b
    right = products.mean(1)
    yield right, "for a={a} and b={b} the overlaps are {right}, yours are {given}."
    yield products.sum(1), "these are sums: divide by the number of spins."
    yield right.abs(), "a mirrored string has a negative overlap: leave the sign."
    yield right.square(), "these are squared overlaps: leave the square to the next cell."
    yield (a != b).float().mean(1), "this is the share of spins that differ: 1 minus twice that."
    yield (a == b).float().mean(1), "this is the share of equal spins: twice that, minus 1."
    yield a.mean(1) * b.mean(1), "multiply spin by spin first, then take the mean."


_BETAS, _OTHERS = tensor([0.2, 1.0, 0.7, 0.5]), tensor([0.5, 0.4, 0.9, 0.1])


@by_examples(
    (_BETAS, tensor([-3.0, -1.0, 2.5, -4.0]), _OTHERS, tensor([-5.0, -2.0, 1.5, -3.0])),
    (tensor([1.0, 0.3]), tensor([-2.0, 4.0]), tensor([0.4, 0.8]), tensor([-1.2, 3.0])),
)
def exchange_probability(
    beta_1: Tensor, energy_1: Tensor, beta_2: Tensor, energy_2: Tensor
) -> Rows:
    """``function(beta_1, energy_1, beta_2, energy_2)``: probability of an exchange, elementwise."""
    betas, energies = beta_1 - beta_2, energy_1 - energy_2
    ratio = (betas * energies).exp()
    right = ratio.clamp(max=1)
    yield right, "for these four pairs of chains it is {right}, yours is {given}."
    yield ratio, "a probability is at most 1: take the minimum with 1."
    why = "upside down: this is the weight before the exchange divided by the one after."
    yield (1 / ratio).clamp(max=1), why
    yield 1 / ratio, why
    yield ratio / (1 + ratio), "this rule is right, too, but accepts less: take the minimum rule."
    yield (-betas * energy_1).exp().clamp(max=1), "both strings move: energy_2 counts as well."
    yield energies.exp().clamp(max=1), "the temperatures are missing."
    yield (betas * energies).clamp(max=1), "take the exponential of the product."
    cold = Try(
        tensor([1.0, 0.5]), tensor([-902.0, -900]), tensor([0.5, 1.0]), tensor([-900.0, -903])
    )
    yield cold, "energies near -900 break it: subtract first, one exponential of the difference."


def _symmetric(n: int, seed: int) -> Tensor:
    values = torch.randn(n, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (values + values.T) / 2


@by_examples(
    (_symmetric(4, 0), 1.5),
    (_symmetric(2, 1), 0.4),
    (_symmetric(8, 2), 0.8),
)
def readout(H: Tensor, beta: float) -> Rows:
    """``function(H, beta)``: a symmetric matrix, a number; the diagonal of the thermal state."""
    exponential = torch.linalg.matrix_exp(-beta * H)
    weights = exponential.diagonal()
    right = weights / weights.sum()
    hot, opposite = (torch.linalg.matrix_exp(-b * H).diagonal() for b in (1.0, -beta))
    yield right, "for H={H} and beta={beta} it is {right}, yours is {given}."
    yield weights, "the probabilities must add up to 1: divide by the trace."
    yield hot / hot.sum(), "beta is missing from the exponent."
    yield opposite / opposite.sum(), "the sign is reversed: low energy is likely."
    alone = torch.softmax(-beta * H.diagonal(), 0)
    why = "these are Boltzmann weights of the diagonal: take the exponential of the whole matrix."
    yield alone, why
    yield weights / exponential.sum(), "the trace is the sum of the diagonal, not of all entries."
    levels = torch.softmax(-beta * torch.linalg.eigvalsh(H), 0)
    yield levels, "these are probabilities of energy levels: ask for those of the states."
    yield exponential, "take the diagonal: one probability per state."


class _Device(nn.Module):
    """Leans to one side by fixed amounts, at most ``lean``; three reads of a deterministic rule."""

    def __init__(self, lean: float) -> None:
        super().__init__()
        self.lean = lean

    def forward(self, h: Tensor, J: Tensor) -> Tensor:
        n = len(h)
        lean = torch.linspace(-0.55, self.lean, n)
        field = h + lean + (J + J.T) @ torch.linspace(0.9, -0.8, n)
        return torch.where(torch.stack([field, field - 0.4, field + 0.45]) > 0, -1.0, 1.0)


def _problem(n: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    h = torch.randn(n, generator=generator)
    return h, torch.randn(n, n, generator=generator).triu(1)


@by_examples(
    (_Device(0.7), *_problem(6, 0), tensor([1.0, -1, -1, 1, -1, 1])),
    (_Device(-2.5), *_problem(4, 1), tensor([-1.0, -1, 1, -1])),
    (_Device(3.0), *_problem(7, 2), tensor([-1.0, 1, 1, -1, 1, 1, -1])),
    form="{asked} is asked for, the strings that the device returned; yours is {found}.",
)
def gauged(draw: nn.Module, h: Tensor, J: Tensor, g: Tensor) -> Rows:
    """``function(draw, h, J, g)``: strings ``(M, n)`` of the problem, drawn in the gauge ``g``."""
    both = torch.outer(g, g)
    strings = draw(g * h, J * both)
    yield g * strings, "in the gauge g={g} the strings are {right}, yours are {given}."
    yield strings, "these are strings of the renamed problem: multiply them by g again."
    yield draw(h, J), "the gauge is not used: this is the plain call."
    yield g * draw(h, J), "the problem was not renamed: hand g h and g g J to the device."
    yield g * draw(g * h, J), "the couplings are not renamed: multiply by torch.outer(g, g)."
    yield g * draw(h, J * both), "the biases are not renamed: multiply them by g."
    for end in (g, g[:, None]):
        why = "a coupling has two ends: multiply by both signs, g_i and g_j."
        yield g * draw(g * h, J * end), why


_TRIALS = tensor([[2.0, 2.6, 1.8, 2.9], [1.1, 1.7, 0.6, 1.9], [3.0, 3.3, 2.2, 3.9]])

# The second has the smallest mean; the others a smaller median, or a smaller single error.
_UNSTEADY = tensor([[1.0, 1, 0.95, 1, 4], [1, 1.4, 0.9, 1.3, 1.2], [0.1, 2, 2, 2, 2]])


@by_examples(
    (tensor([0.9, 1.2, 0.5, 1.8]), _TRIALS),
    (tensor([1.5, 1.8, 1.0, 2.1]), _TRIALS.flip(0)[:2]),
    (tensor([0.3, 0.9, 1.4]), tensor([[0.8, 0.2, 1.9], [1.0, 1.2, 1.6], [2.0, 3.0, 4.0]])),
    (tensor([0.3, 0.9, 1.4, 0.2, 0.8]), tensor([[0.9, 1.2, 1.1, 0.4, 1.6]])),
    (tensor([0.5, 0.4, 0.6, 0.5, 0.3]), _UNSTEADY),
)
def paired_verdict(device: Tensor, rivals: Tensor) -> Rows:
    """``function(device, rivals)``: ``(n,)`` and ``(k, n)`` errors; paired errors ahead."""
    best = rivals[rivals.mean(1).argmin()]

    def ahead(d: Tensor) -> Tensor:
        return d.mean() / (d.std() / len(d) ** 0.5)

    d = best - device
    right = ahead(d)
    apart = (device.var() / len(device) + best.var() / len(best)).sqrt()
    yield right, "for device={device} and rivals={rivals} it is {right:.3f}, yours is {given:.3f}."
    yield -right, "the sign is reversed: errors are small where a sampler is good."
    yield d.mean() / d.std(), "this is in standard deviations: the error of the mean is smaller."
    yield d.mean(), "this is the mean difference: divide it by its standard error."
    yield d.mean() / apart, "the problems are paired: take the spread of the differences."
    yield ahead(rivals.mean(0) - device), "the device has to beat the best rival, not the average."
    yield ahead(rivals[0] - device), "you look at the first rival: which one is the best?"
    worst = rivals[rivals.mean(1).argmax()]
    yield ahead(worst - device), "this is the worst rival: small errors are good."
    least = torch.stack([ahead(rival - device) for rival in rivals]).amin()
    yield least, "the best rival is the one with the smallest *mean error*: find it first."
    of_each = rivals.min(0).values
    why = "you take the best rival of each problem: choose one rival for all of them."
    yield ahead(of_each - device), why
    why = "divide by the sample's standard deviation (n - 1 in it), which `.std()` gives."
    yield d.mean() / (d.std(correction=0) / len(d) ** 0.5), why
    yield Try(device[:3], rivals[:, :3]), "the number of problems may differ."
