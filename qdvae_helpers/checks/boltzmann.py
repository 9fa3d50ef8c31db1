"""Checks of lesson 04: energies, a fit, a sweep, a memory, a part of a graph, a temperature."""

from collections.abc import Callable

import torch
from torch import Tensor, tensor

from qdvae_helpers.checks.verdict import Rows, Try, by_examples, exercise


@by_examples(
    ([0.5, -1.0, 0.3], {(0, 1): 1.5, (1, 2): -0.75}, [1, -1, -1]),
    ([1.0, 2.0, -0.5], {(0, 1): 0.5, (1, 2): 1.0}, [-1, -1, 1]),
    ([0.5, -0.25, 0.75, 2.0], {(0, 3): -1.5, (1, 2): 0.5, (0, 2): 1.0}, [-1, 1, 1, 1]),
)
def ising_energy(h: list, J: dict, s: list) -> Rows:
    """``function(h, J, s)``: list of biases, dict of couplings by pair, list of spins."""
    biases = sum(a * b for a, b in zip(h, s, strict=True))
    couplers = sum(value * s[i] * s[j] for (i, j), value in J.items())
    right = biases + couplers
    yield right, "for h={h}, J={J}, s={s} the energy is {right:g}, but you return {given:g}."
    yield -right, "the sign is reversed: in this series E is plus the sum of h s and of J s s."
    yield biases, "only the biases are counted: add J s s for every coupler."
    yield couplers, "only the couplers are counted: add h s for every spin."
    yield right + couplers, "every coupler is counted twice: each pair appears once in J."
    why = "a coupler need not join neighbours in the list: take both ends, (i, j), from J."
    yield Try([0.0, 0.0, 0.0], {(0, 2): 2.0}, [1, 1, -1]), why


_ALL_TWO = tensor([[-1.0, -1, 1], [-1, 1, -1], [1, -1, -1], [1, 1, 1]])  # s0, s1 and their product
_ALL_THREE = tensor([[a * b, b * c] for a in (-1.0, 1) for b in (-1.0, 1) for c in (-1.0, 1)])
_COLUMN = tensor([[-1.0], [1.0]])


@by_examples(
    (_ALL_TWO[[0, 0, 1, 3, 3, 3, 2]], _ALL_TWO),
    (_ALL_THREE[[0, 1, 3, 7, 6, 4, 3, 2, 3, 3]], _ALL_THREE),
    (_COLUMN[[0, 0, 0, 1]], _COLUMN),
    form="one number for each column is asked for ({asked}), yours is {found}.",
)
def fitted_machine(data: Tensor, states: Tensor) -> Rows:
    """``function(data, states)``: what multiplies each parameter, ``(M, k)`` and ``(2^n, k)``."""
    wanted = data.double().mean(0)
    right = _fit(wanted, states)
    yield right, "for data of {data} the parameters are {right}, but you return {given}."
    yield -right, "the sign is reversed: low energy is likely, so p is proportional to exp(-E)."
    yield wanted, "these are the data's moments: they are the target, not the parameters."
    yield -wanted, "this is minus the data's moments: one step is not enough."
    yield torch.zeros_like(right), "the parameters never moved from zero: subtract the gradient."
    grown = "the parameters run away: descend, that is *subtract* the gradient, at a rate below 1."
    yield lambda given: not given.isfinite().all() or given.abs().max() > 50, grown
    soon = "close, but not at the optimum yet: take more steps, 1,000 at a rate of 0.3."
    yield lambda given: (given - right).abs().max() < 0.3 * right.abs().max(), soon


def _fit(wanted: Tensor, states: Tensor) -> Tensor:
    """Parameters whose moments are the wanted ones, by Newton's method."""
    states = states.double()
    parameters = torch.zeros_like(wanted)
    for _ in range(50):
        p = torch.softmax(-states @ parameters, 0)
        mean = p @ states
        spread = states.T @ (p[:, None] * states) - torch.outer(mean, mean)
        step = torch.linalg.lstsq(spread, (mean - wanted)[:, None]).solution[:, 0]
        parameters += step.clamp(-1, 1)
    return parameters


def _machine(n: int, seed: int, chains: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    chance = torch.Generator().manual_seed(seed)
    h = torch.randn(n, generator=chance)
    J = torch.randn(n, n, generator=chance).triu(1)
    spins = 2.0 * torch.randint(2, (chains, n), generator=chance) - 1
    return spins, h, J + J.T, torch.rand(chains, n, generator=chance)


def _swept(spins: Tensor, h: Tensor, J: Tensor, numbers: Tensor, factor: float = -2) -> Tensor:
    spins = spins.clone()
    for i in range(len(h)):
        p = torch.sigmoid(factor * (h[i] + spins @ J[i]))
        spins[:, i] = torch.where(numbers[:, i] < p, 1.0, -1.0)
    return spins


@by_examples(
    _machine(3, 0, 12),
    _machine(5, 1, 9),
    _machine(4, 2, 15),
    form="return the new spins of all chains ({asked}), yours is {found}.",
)
def gibbs_sweep(spins: Tensor, h: Tensor, J: Tensor, numbers: Tensor) -> Rows:
    """``function(spins, h, J, numbers)``; spins and numbers ``(chains, n)``; the new spins."""
    args = spins, h, J, numbers
    right = _swept(*args)
    yield right, "some spins differ from what the numbers decide: check one spin by hand."
    yield _swept(*args, 2), "the sign is reversed: a positive field makes +1 costly."
    yield _swept(*args, -1), "a factor 2 is missing: the two energies differ by twice the field."
    yield _swept(spins, 0 * h, J, numbers), "the biases are missing from the fields."
    yield _swept(spins, h, 0 * J, numbers), "the neighbours are missing from the fields."
    at_once = torch.where(numbers < torch.sigmoid(-2 * (h + spins @ J)), 1.0, -1.0)
    yield at_once, "all spins are redrawn at once, from the old values: go through them in turn."
    halved = "half of the couplings are missing: J is symmetric, so row i has all neighbours of i."
    yield _swept(spins, h, J / 2, numbers), halved
    first = torch.cat([right[:, :1], spins[:, 1:]], 1)
    yield first, "only the first spin is redrawn: is the `return` inside the loop?"
    yield torch.maximum(spins, right), "a spin that does not become +1 becomes -1: set both."
    above = "a spin becomes +1 where its number is *below* its probability."
    yield _swept(spins, -h, -J, 1 - numbers), above
    bits = "the new spins have to be -1 and +1, yours hold other numbers."
    yield lambda given: not (given.abs() == 1).all(), bits


def _series(sweeps: int, chains: int, seed: int) -> Tensor:
    """Chains that forget slowly, around different places."""
    noise = torch.randn(sweeps, chains, generator=torch.Generator().manual_seed(seed)).cumsum(0)
    return noise + torch.arange(chains) ** 2


@by_examples(
    (_series(6, 3, 0), 1),
    (_series(8, 2, 1), 3),
    (_series(5, 4, 2), 2),
    form="one number for all chains together is asked for: take means over sweeps *and* chains.",
)
def memory_of_chains(x: Tensor, lag: int) -> Rows:
    """``function(x, lag)``: ``(sweeps, chains)``; the correlation over ``lag`` sweeps."""

    def correlation(d: Tensor, lag: int = lag) -> Tensor:
        return (d[: len(d) - lag] * d[lag:]).mean() / d.square().mean()

    d, early, late = x - x.mean(), x[: len(x) - lag], x[lag:]
    products = (d[: len(d) - lag] * d[lag:]).mean()
    right = correlation(d)
    yield right, "for x={x} and a lag of {lag} it is {right:.3f}, but you return {given:.3f}."
    own = "each chain's own mean is subtracted: a stuck chain then looks lively. Take one mean."
    yield correlation(x - x.mean(0)), own
    yield correlation(x - x.mean(1, keepdim=True)), "one mean for all sweeps and chains, please."
    yield correlation(x), "subtract the mean first."
    yield products, "divide by the variance, so that it becomes 1 for a lag of 0."
    yield products / d.square().mean().sqrt(), "divide by the variance, not by its root."
    yield products / x.var(), "`var` divides by n - 1: take the mean of the squares instead."
    yield correlation(d, 1), "you always look one sweep back: `lag` says how many."
    yield correlation(d.T, lag % x.shape[1]), "compare sweeps, not chains: sweeps are the rows."
    pair = torch.corrcoef(torch.stack([early.flatten(), late.flatten()]))[0, 1]
    yield pair, "nearly: the two ends have means of their own here. Take one mean and one variance."
    sums = (d[: len(d) - lag] * d[lag:]).sum() / d.square().sum()
    yield sums, "these are sums, of different numbers of terms: take means."
    rolled = (d * d.roll(lag, 0)).mean() / d.square().mean()
    yield rolled, "`roll` joins the end to the beginning: only sweeps with a partner count."
    why = "for a lag of 0 it must be 1: x[:-0] is empty, x[: len(x) - lag] is not."
    yield Try(_series(6, 3, 0), 0), why


_CHIP = {
    1: {64, 9, 5},
    64: {1, 9, 5, 33},
    9: {1, 64, 7},
    5: {1, 64, 33, 40, 41, 42},
    33: {64, 5, 40},
    7: {9, 40},
    40: {5, 33, 7, 41, 42},
    41: {5, 40, 42},
    42: {5, 40, 41},
}
_RING = {k: {(k + 8) % 40, (k - 8) % 40} for k in range(0, 40, 8)}


@by_examples(
    (_CHIP, 1, 5),
    (_CHIP, 7, 4),
    (_RING, 8, 3),
    (_CHIP, 1, 1),
    (_CHIP, 9, 8),
    form="return a list of n qubits, `first` counted in ({asked}); yours is {found}.",
    read=lambda given: given.flatten()[given.real.flatten().argsort()],
)
def grown_part(neighbours: dict, first: int, n: int) -> Rows:
    """``function(neighbours, first, n)``: the neighbours of each qubit; a list of n qubits."""

    def grow(count, largest=max, ties=min) -> Tensor:
        part = [first]
        while len(part) < n:
            rim = {q for p in part for q in neighbours[p]} - set(part)
            most = largest(count(q, part) for q in rim)
            part.append(ties(q for q in rim if count(q, part) == most))
        return tensor(part)

    def inside(q: int, part: list) -> int:
        return len(neighbours[q] & set(part))

    right = grow(inside)
    yield right, "from qubit {first}, {n} qubits: {right} is asked for, you return {given}."
    degree = "you count all couplers of a qubit: only those *into the part* keep something."
    yield grow(lambda q, part: len(neighbours[q])), degree
    yield grow(inside, min), "you add the neighbour with the *fewest* couplers into the part."
    yield grow(inside, ties=max), "of several equally good neighbours, take the lowest number."
    yield grow(lambda q, part: 0), "you add any neighbour: take the one with most couplers inside."
    yield lambda given: len(set(given.tolist())) < n, "a qubit is in the part twice."


_HASHED = {
    "listed backwards": (False, "it is made from sorted lists, so the order does not matter."),
    "a coupler turned round": (False, "(v, u) is the coupler (u, v): the lower number goes first."),
    "one coupler less": (True, "a trained prior would have a coupling that no coupler carries."),
    "a lone qubit more": (True, "its couplers are the same, but the prior has a spin more."),
    "renumbered from 0": (True, "the numbers say where on the chip the qubits are."),
    "another source": (False, "where a graph was taken from is stored, but is no part of it."),
}


@exercise
def hash_notices(changes: dict) -> str | None:
    """``changes[change]``: whether a graph's hash changes with it."""
    for change, (truth, why) in _HASHED.items():
        if change not in changes:
            return f"there is no answer for {change!r}."
        if not isinstance(answer := changes[change], bool):
            return f"{change}: {answer!r} is neither True nor False."
        if answer != truth:
            return f"{change}: the hash {'changes' if truth else 'stays the same'}, since {why}"
    return None


_ORDER = [40, 42, 1, 33, 5, 64, 9, 7, 41]
_ODD_RING = {k: {(k + 8) % 56, (k - 8) % 56} for k in range(0, 56, 8)}


@by_examples(
    (_CHIP, _ORDER),
    (_CHIP, sorted(_CHIP)),
    (_ODD_RING, [16, 0, 32, 48, 8, 24, 40]),
    (_CHIP, [64, 5, 33, 42, 41]),
    form="return a list with one colour per qubit of `order` ({asked}); yours is {found}.",
)
def greedy_colours(neighbours: dict, order: list) -> Rows:
    """``function(neighbours, order)``: the lowest free colour for each qubit, in this order.

    Neighbours that are not in ``order`` have no colour.
    """

    def coloured(choose: Callable[[list], int], places: list = order) -> Tensor:
        colours: dict[int, int] = {}
        for q in places:
            colours[q] = choose([colours[p] for p in neighbours[q] if p in colours])
        return tensor([colours[q] for q in order])

    def lowest(taken: list) -> int:
        return min(set(range(len(taken) + 1)) - set(taken))

    def joined(given: Tensor) -> bool:
        found = dict(zip(order, given.tolist(), strict=True))
        return any(found[p] == found[q] for q in order for p in neighbours[q] if p in found)

    right = coloured(lowest)
    yield right, "in the order {order} the colours are {right}, you return {given}."
    yield right + 1, "begin to count with colour 0."
    yield coloured(lambda taken: max(taken, default=-1) + 1), "a lower colour may be free as well."
    counted = "how *many* neighbours have a colour does not matter: which is the lowest free?"
    yield coloured(len), counted
    yield coloured(lambda taken: len(set(taken))), counted
    yield coloured(lowest, sorted(order)), "go through the qubits in the given `order`."
    yield coloured(lowest, order[::-1]), "go through `order` from its beginning."
    sorted_up = tensor([c for _, c in sorted(zip(order, right.tolist(), strict=True))])
    yield sorted_up, "the colours are right, but in another order than the qubits of `order`."
    yield torch.arange(len(order)), "one colour per qubit is allowed, but a sweep gets no shorter."
    yield joined, "a coupler joins two qubits of one colour: look at *all* coloured neighbours."
    high = "no coupler joins two of one colour, but some qubit could have a lower one: {right}."
    yield lambda given: bool((given > right).any()), high
    many = "more colours may be needed than here: seven qubits, all coupled, need seven."
    yield Try({k: set(range(7)) - {k} for k in range(7)}, list(range(7))), many


def _cold(n: int, seed: int, beta: float, reads: int) -> tuple[Tensor, Tensor, Tensor]:
    spins, h, J, _ = _machine(n, seed, reads)
    chance = torch.Generator().manual_seed(seed)
    for _ in range(20):
        spins = _swept(spins, h, J, torch.rand(reads, n, generator=chance), -2 * beta)
    return h, J, spins


def _beta(h: Tensor, J: Tensor, spins: Tensor) -> Tensor:
    low, high = torch.zeros(()).double(), torch.full((), 50.0).double()
    pull = (-2 * spins * (h + spins @ J)).double()
    for _ in range(60):
        middle = (low + high) / 2
        rising = (pull * torch.sigmoid(-middle * pull)).mean() > 0
        low, high = (middle, high) if rising else (low, middle)
    return middle


@by_examples(
    _cold(4, 0, 0.5, 60),
    _cold(5, 1, 1.3, 50),
    _cold(3, 2, 0.8, 80),
    form="one number for all spins of all reads is asked for, yours is {found}.",
)
def inverse_temperature(h: Tensor, J: Tensor, spins: Tensor) -> Rows:
    """``function(h, J, spins)``: ``(n,)``, ``(n, n)``, ``(reads, n)``; where the product peaks."""
    right = _beta(h, J, spins)
    yield right, "for these {spins} it peaks at {right:.4f}, but you return {given:.4f}."
    yield 1 / right, "this is the temperature, 1 / beta: beta is asked for."
    yield 2 * right, "a factor 2 is missing: the two energies differ by twice the field."
    yield _beta(0 * h, J, spins), "the biases are missing from the fields."
    yield _beta(h, 0 * J, spins), "the neighbours are missing from the fields."
    yield _beta(h, J / 2, spins), "half of the couplings are missing: J is symmetric already."
    yield _beta(h, J, spins[:1]), "you look at the first read only: use them all."
    near = "near, but four digits are asked for ({right:.4f}, yours is {given:.4f}): search on."
    yield lambda given: bool((given - right).abs() < 0.1 * right), near
    edge = "this is the edge of your search: is the sign right? A spin *disobeys* a positive field."
    yield lambda given: given <= 0.01 or given >= 10, edge
