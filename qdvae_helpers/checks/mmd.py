"""Checks of lesson 03: estimates of the MMD, permutation test, blind spots, a loss for logits."""

import math

import torch
from torch import Tensor, nn, tensor

from qdvae_helpers.checks.verdict import Rows, Try, by_examples, exercise


def _gram(*points: float) -> Tensor:
    line = tensor(points)
    return torch.exp(-((line[:, None] - line[None, :]) ** 2))


_GRAM = _gram(0.0, 0.3, 1.0, 1.2, 2.0, 2.1, 3.0, 3.5)
_OTHER = _gram(0.0, 0.4, 0.1, 1.0, 0.7, 0.2, 2.5, 3.0)
_SPLITS = (_GRAM, 3), (_OTHER, 6)  # 3 + 5 and 6 + 2 points: no two blocks have one size

_OTHERWISE = "for {n} of 8 points in x it must give {right:.4f}, yours gives {given:.4f}."


def _sums(gram: Tensor, n: int) -> tuple[Tensor, Tensor, Tensor]:
    return gram[:n, :n].sum(), gram[n:, n:].sum(), gram[:n, n:].sum()


@by_examples(*_SPLITS)
def biased_mmd(gram: Tensor, n: int) -> Rows:
    """``function(gram, n)``: squared MMD from the means of whole blocks."""
    m, (xx, yy, xy) = len(gram) - n, _sums(gram, n)
    within, between, sums = xx / n**2 + yy / m**2, xy / (n * m), xx + yy - 2 * xy
    right = within - 2 * between
    unbiased = (xx - n) / (n * (n - 1)) + (yy - m) / (m * (m - 1)) - 2 * between
    yield right, _OTHERWISE
    plus, once = within + 2 * between, within - between
    yield plus, "the block between x and y needs a minus: similarity makes the distance smaller."
    yield once, "the block between x and y counts twice: it occurs as (x, y) and as (y, x)."
    yield sums, "take means of the blocks, not sums: the samples may have different sizes."
    yield sums / n**2, "every block has a mean of its own: only the block xx has n * n entries."
    yield right.sqrt(), "this is the distance: the *squared* one is asked for, without the root."
    yield unbiased, "this is the unbiased estimate (exercise 2): here the diagonals stay in."


@by_examples(*_SPLITS)
def unbiased_mmd(gram: Tensor, n: int) -> Rows:
    """``function(gram, n)``: squared MMD without the diagonals of the blocks xx and yy."""
    m, (xx, yy, xy) = len(gram) - n, _sums(gram, n)
    between = 2 * xy / (n * m)
    of_x, of_y = (xx - n) / (n * (n - 1)), (yy - m) / (m * (m - 1))
    yield of_x + of_y - between, _OTHERWISE
    biased = xx / n**2 + yy / m**2 - between
    squares = (xx - n) / n**2 + (yy - m) / m**2 - between
    diagonals = xx / (n * (n - 1)) + yy / (m * (m - 1)) - between
    twice, of_one = 2 * of_x + 2 * of_y - between, of_x + (yy - m) / (n * (n - 1)) - between
    cut = of_x + of_y - 2 * (xy - gram[:n, n:].trace()) / (n * m - min(n, m))
    yield biased, "the diagonals are still in: this is the biased estimate."
    yield squares, "the diagonals are gone, but you still divide by n * n, not by n * (n - 1)."
    yield diagonals, "you divide by n * (n - 1), but the diagonals are still in the sums."
    yield twice, "a block holds each pair twice, so divide by n * (n - 1), with no half."
    yield of_one, "y has a number of points of its own, m: divide its block by m * (m - 1)."
    yield cut, "leave the block between x and y whole: no point meets itself there."
    near = _gram(0.0, 1.0, 2.0, 0.1, 1.1, 2.1, 1.0)
    yield Try(near, 3), "it may be negative, or its mean would not be right: leave the sign."


@by_examples(
    (0.65, tensor([0.1, 0.5, 0.3, 0.7, 0.2, 0.4, 0.9, 0.6, 0.8])),
    (0.5, tensor([0.5, 0.2, 0.5, 0.6])),  # equal values
    (0.1, tensor([-0.5, 0.2, 0.0])),  # a large negative one
)
def p_value(observed: float, shuffled: Tensor) -> Rows:
    """``function(observed, shuffled)``: permutation p-value that counts the observed split."""
    n, large, size = len(shuffled), shuffled >= observed, shuffled.abs()
    wrong = shuffled > observed, shuffled < observed, shuffled <= observed, size >= abs(observed)
    p, strict, *small, far = ((1 + hits.sum()) / (1 + n) for hits in (large, *wrong))
    yield p, "{observed:g} among {shuffled} has p = {right:.3f}, yours is {given:.3f}."
    yield large.sum() / n, "count the observed split, too: add 1 above and below, so p is never 0."
    yield large.sum() / (1 + n), "you added 1 to the number of splits, but not to the count."
    yield (1 + large.sum()) / n, "you added 1 to the count, but not to the number of splits."
    for smaller in small:
        yield smaller, "you counted the smaller values: count those at least as large."
    yield strict, "an equal value counts, too: use `>=`, not `>`."
    yield far, "values may be negative: only a *large* one speaks for a difference, so no `abs`."
    yield (1 + large.sum()) / 10, "the number of splits is len(shuffled), which differs."


# Where 1,000 tests of 100 + 100 points have a power of 0.9; the largest, 0.97, is at 2^-7.
_NOTICED = 2.0**-9.75, 2.0**-5.75


@exercise
def bandwidth_for_power(answer: float) -> str | None:
    """A bandwidth with which the test notices ripples of width 0.08 among normal numbers."""
    try:
        value = float(answer)
    except (TypeError, ValueError):
        return "one number is asked for: the bandwidth itself, such as 2.0**-3."
    if not 0 < value < math.inf:
        return "a bandwidth is a positive number: for a power of two write 2.0**-3, not -3."
    if value > _NOTICED[1]:
        return (
            f"at {value:g} the power is below 0.9: the kernel still covers whole ripples at once. "
            "Go smaller, to the squared width of what is to be seen."
        )
    if value < _NOTICED[0]:
        return (
            f"at {value:g} the power is below 0.9: each point resembles hardly any other but "
            "itself. Go larger."
        )
    return None


@exercise
def blind_spot(answer: object) -> str | None:
    """``function(states)``: probabilities far from uniform that the MMD hardly tells from it."""
    if not callable(answer):
        return "hand over the function itself: its name, without brackets after it."
    for n, limit in ((4, 0.12), (6, 0.015)):
        one = tensor([-1.0, 1.0], dtype=torch.float64)
        states = torch.cartesian_prod(*[one] * n)
        states = states[torch.randperm(len(states), generator=torch.Generator().manual_seed(n))]
        before = states.clone()
        found = answer(states)
        if not torch.equal(before, states):
            return "your function changed its input: work on a copy, `clone()` it first."
        if not isinstance(found, Tensor):
            return f"return a tensor of probabilities, yours is a {type(found).__name__}."
        if found.shape != (len(states),):
            return f"one probability per row of states is asked for: {len(states)} for {n} spins."
        found = found.detach().double()
        if not found.isfinite().all():
            return "a probability is infinite or not a number."
        if (found < -1e-9).any():
            return "a probability is negative: each string starts with 1/2**n, so move no more."
        if abs(found.sum() - 1) > 1e-6:
            return f"probabilities add up to 1; yours, for {n} spins, add up to {found.sum():.3f}."
        gap = found - 0.5**n
        moved = float(gap.abs().sum() / 2)
        if moved < 0.5 - 1e-6:
            return (
                f"for {n} spins you moved {moved:.2f} of the probability: at least 0.5 is asked "
                "for. Only then is it a difference that a detector should see."
            )
        distance = _mixture_mmd(gap, states)
        if distance > limit:
            return f"for {n} spins the squared MMD is {distance:.4f}, {_seen(gap, states)}"
    return None


def _mixture_mmd(gap: Tensor, states: Tensor) -> float:
    n = states.shape[1]
    squared = 2 * n - 2 * states @ states.T
    gram = sum(torch.exp(-squared / (2 * n * 2.0**w)) for w in range(-3, 4))
    return float(gap @ gram @ gap)


def _seen(gap: Tensor, states: Tensor) -> str:
    """What the MMD has seen of an answer: means or correlations."""
    means = float((gap @ states).abs().max())
    if means > 0.01:
        return f"too much: a spin's mean differs by {means:.2f}, and means weigh most. Keep them 0."
    pairs = (states.T * gap) @ states
    pairs = float((pairs - pairs.diagonal().diag()).abs().max())
    if pairs > 0.01:
        return f"too much: means agree, but a pair's correlation differs by {pairs:.2f}."
    return "too much: means and pairs agree, but the product of some larger subset differs."


class _Distance(nn.Module):
    """Some distance of two sets of strings, a stand-in for the MMD: it sees means and pairs."""

    def __init__(self, of_pairs: float) -> None:
        super().__init__()
        self.of_pairs = of_pairs

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        means = (x.mean(0) - y.mean(0)).square().sum()
        pairs = (x.T @ x / len(x) - y.T @ y / len(y)).square().sum()
        return means + self.of_pairs * pairs + x[0] @ y[-1] / 7  # the last tells x from y


def _logits(*rows: list[float]) -> Tensor:
    return tensor(rows).requires_grad_()


@by_examples(
    (
        _logits([0.5, -1.0, 0.2], [1.5, 0.3, -0.4], [-0.2, 0.8, 0.6]),
        tensor([[0.3, 1.4, -0.9], [-2.0, 0.5, 0.1], [0.9, -0.3, -1.2]]),
        tensor([[1.0, -1.0, -1.0], [1.0, 1.0, -1.0], [-1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]),
        _Distance(0.3),
    ),
    (
        _logits([-0.7, 0.4], [0.1, 1.1]),
        tensor([[0.2, -1.3], [1.0, 0.6]]),
        tensor([[-1.0, 1.0], [1.0, 1.0], [1.0, -1.0]]),
        _Distance(1.7),
    ),
)
def loss_of_logits(logits: Tensor, noise: Tensor, target: Tensor, distance: nn.Module) -> Rows:
    """``function(logits, noise, target, distance)``: true spins compared, straight-through."""
    soft = torch.tanh(logits + noise)  # tau = 0.5
    hard = soft.sign()
    right = distance(soft + (hard - soft).detach(), target)
    yield right, "for logits {logits} it must give {right:.4f}, yours gives {given:.4f}."
    yield distance(soft, target), "you compare relaxed spins: they lie inside the cube, not on it."
    yield distance(hard, target), "true spins, but no gradient flows through `sign`: add it back."
    mirrored = (logits - noise).tanh()
    mirrored = mirrored + (mirrored.sign() - mirrored).detach()
    yield distance(mirrored, target), "the noise is added to the logits."
    half = torch.tanh((logits + noise) / 2)
    yield distance(half + (hard - half).detach(), target), "tau is 0.5, so 2 tau is 1, not 2."
    bare = torch.tanh(logits)
    bare = bare + (bare.sign() - bare).detach()
    yield distance(bare, target), "without the noise a logit always gives the same spin: add it."
    noisy = torch.tanh(noise.expand_as(logits) + 0 * logits)
    yield distance(noisy.sign(), target), "the logits are missing: your spins are noise alone."
