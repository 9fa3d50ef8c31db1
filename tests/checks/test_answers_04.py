"""Answers to the exercises of lesson 04 as learners write them, right and wrong."""

import numpy as np
import pytest
import torch
from scipy.optimize import brentq, minimize_scalar


def energy(h, J, s):
    biases = sum(hi * si for hi, si in zip(h, s, strict=True))
    return biases + sum(j * s[u] * s[v] for (u, v), j in J.items())


def energy_of_neighbours(h, J, s):
    pairs = zip(s, s[1:], J.values(), strict=False)
    return sum(a * b for a, b in zip(h, s, strict=True)) + sum(a * b * j for a, b, j in pairs)


ENERGY = [
    (energy, "Correct."),
    (lambda h, J, s: np.dot(h, s) + sum(j * s[a] * s[b] for (a, b), j in J.items()), "Correct."),
    (lambda h, J, s: torch.tensor(energy(h, J, s)), "Correct."),
    (lambda h, J, s: -energy(h, J, s), "sign is reversed"),
    (lambda h, J, s: energy(h, {}, s), "only the biases"),
    (lambda h, J, s: energy([0] * len(s), J, s), "only the couplers"),
    (lambda h, J, s: 2 * energy(h, J, s) - energy(h, {}, s), "counted twice"),
    (energy_of_neighbours, "for h=[0.5, -0.25"),
    (lambda h, J, s: abs(energy(h, J, s)), "for h=[0.5, -1, 0.3]"),
]


def fit(data, states, steps=1_000, rate=0.3, target=lambda data: data.mean(0), sign=-1):
    parameters = torch.zeros(states.shape[1])
    for _ in range(steps):
        p = torch.softmax(sign * states @ parameters, 0)
        parameters = parameters - rate * (target(data) - p @ states)
    return parameters


def fit_by_autograd(data, states):
    parameters = torch.zeros(states.shape[1], requires_grad=True)
    optimiser = torch.optim.LBFGS([parameters], max_iter=200, tolerance_change=1e-12)

    def nll():
        optimiser.zero_grad()
        loss = (data @ parameters).mean() + torch.logsumexp(-states @ parameters, 0)
        loss.backward()
        return loss

    optimiser.step(nll)
    return parameters


def fit_in_place(data, states):
    parameters = torch.zeros(states.shape[1])
    for _ in range(2_000):
        weights = torch.exp(-(states @ parameters))
        moments = (weights / weights.sum()) @ states
        for k in range(len(parameters)):
            parameters[k] -= 0.2 * (data[:, k].mean() - moments[k])
    return parameters


FIT = [
    (fit, "Correct."),
    (fit_by_autograd, "Correct."),
    (fit_in_place, "Correct."),
    (lambda d, s: fit(d.double(), s.double()).numpy(), "stopped"),
    (lambda d, s: fit(d, s, sign=1, rate=-0.3), "sign is reversed"),
    (lambda d, s: fit(d, s, rate=-0.3), "run away"),
    (lambda d, s: fit(d, s, steps=0), "never moved"),
    (lambda d, s: fit(d, s, steps=1, rate=1), "one step is not enough"),
    (lambda d, s: fit(d, s, steps=15), "take more steps"),
    (lambda d, s: d.mean(0), "they are the target"),
    (lambda d, s: fit(d, s, target=lambda d: d.sum(0)), "run away"),
    (lambda d, s: fit(d, s, target=lambda d: d[0]), "the parameters are"),
    (lambda d, s: fit(d, s).sum(), "one number for each column"),
]


def sweep(spins, h, J, numbers, factor=-2.0, order=None):
    new = spins.clone()
    for i in order or range(len(h)):
        for c in range(len(new)):
            field = h[i] + sum(J[i, k] * new[c, k] for k in range(len(h)))
            new[c, i] = 1 if numbers[c, i] < torch.sigmoid(factor * field) else -1
    return new


def sweep_by_columns(spins, h, J, numbers):
    columns = list(spins.T)
    for i in range(len(h)):
        field = h[i] + torch.einsum("j,jc->c", J[:, i], torch.stack(columns))
        columns[i] = 2 * (numbers[:, i] < 1 / (1 + torch.exp(2 * field))).float() - 1
    return torch.stack(columns, 1)


def sweep_in_place(spins, h, J, numbers):
    for i in range(len(h)):
        p = torch.sigmoid(-2 * (h[i] + spins @ J[i]))
        spins[:, i] = torch.where(numbers[:, i] < p, 1.0, -1.0)
    return spins


def at_once(spins, h, J, numbers):
    return torch.where(numbers < torch.sigmoid(-2 * (h + spins @ J)), 1.0, -1.0)


def own_numbers(spins, h, J, numbers):
    return sweep(spins, h, J, torch.rand(numbers.shape))


SWEEP = [
    (sweep, "Correct."),
    (sweep_by_columns, "Correct."),
    (lambda *args: sweep(*args).int(), "Correct."),
    (lambda *args: sweep(*args, factor=2), "sign is reversed"),
    (lambda *args: sweep(*args, factor=-1), "factor 2"),
    (lambda s, h, J, u: sweep(s, 0 * h, J, u), "biases are missing"),
    (lambda s, h, J, u: sweep(s, h, 0 * J, u), "neighbours are missing"),
    (lambda s, h, J, u: -sweep(-s, h, J, u, factor=2), "check one spin by hand"),
    (lambda s, h, J, u: sweep(s, h, J / 2, u), "half of the couplings"),
    (lambda *args: sweep(*args, order=[0]), "inside the loop"),
    (lambda s, *args: torch.maximum(s, sweep(s, *args)), "set both"),
    (at_once, "all spins are redrawn at once"),
    (sweep_in_place, "changed its input"),
    (own_numbers, "comes out differently"),
    (lambda *args: sweep(*args, order=[0, 1, 2]), "check one spin by hand"),
    (lambda *args: (sweep(*args) + 1) / 2, "have to be -1 and +1"),
    (lambda *args: sweep(*args)[0], "new spins of all chains"),
    (lambda s, h, J, u: sweep(s, h, J.triu(), u), "check one spin by hand"),
]


def memory(x, lag):
    d = x - x.mean()
    return (d[: len(d) - lag] * d[lag:]).mean() / (d * d).mean()


def memory_in_a_loop(x, lag):
    x = x.numpy()
    pairs = [
        (x[t, c] - x.mean()) * (x[t + lag, c] - x.mean())
        for t in range(len(x) - lag)
        for c in range(x.shape[1])
    ]
    return sum(pairs) / len(pairs) / x.var()


def memory_without_zero(x, lag):
    d = x - x.mean()
    return (d[:-lag] * d[lag:]).mean() / d.square().mean()


def pearson(x, lag):
    pair = torch.stack([x[: len(x) - lag].flatten(), x[lag:].flatten()])
    return torch.corrcoef(pair)[0, 1]


def memory_of_sums(x, lag):
    d = x - x.mean()
    return (d[: len(d) - lag] * d[lag:]).sum() / d.square().sum()


MEMORY = [
    (memory_of_sums, "take means"),
    (memory, "Correct."),
    (memory_in_a_loop, "Correct."),
    (lambda x, lag: memory(x.double(), lag).item(), "Correct."),
    (lambda x, lag: memory(x - x.mean(0), lag), "a stuck chain then looks lively"),
    (lambda x, lag: memory(x, 1), "`lag` says how many"),
    (lambda x, lag: memory(x, lag) * x.var(correction=0), "divide by the variance"),
    (lambda x, lag: memory(x, lag) * x.var(correction=0) / x.var(), "`var` divides by n - 1"),
    (memory_without_zero, "x[:-0] is empty"),
    (pearson, "the two ends have means of their own"),
    (lambda x, lag: memory(x, lag) * torch.ones(x.shape[1]), "one number for all chains"),
    (lambda x, lag: 1 - memory(x, lag), "but you return"),
]


def log_pseudo_likelihood(beta, h, J, spins):
    return torch.nn.functional.logsigmoid(-2 * beta * spins * (h + spins @ J)).mean()


def beta_by_scipy(h, J, spins, scale=1.0):
    h, J, spins = h.double() * scale, J.double() * scale, spins.double()
    found = minimize_scalar(
        lambda b: -float(log_pseudo_likelihood(b, h, J, spins)), bounds=(0, 50), method="bounded",
        options={"xatol": 1e-7},
    )  # fmt: skip
    return found.x


def beta_by_root(of_a, of_slope):
    """The root of the slope, with a sign of one's own for ``a`` and within the sigmoid."""

    def function(h, J, spins):
        a = of_a * 2 * spins * (h + spins @ J)
        return brentq(lambda b: (a * torch.sigmoid(of_slope * b * a)).mean().item(), 0, 50)

    return function


def beta_by_newton(h, J, spins):
    a, beta = (-2 * spins * (h + spins @ J)).double(), torch.tensor(0.5).double()
    for _ in range(30):
        p = torch.sigmoid(-beta * a)
        beta += (a * p).mean() / (a * a * p * (1 - p)).mean()
    return beta


def beta_on_a_grid(h, J, spins):
    grid = torch.arange(0.02, 10, 0.05)
    return max(grid, key=lambda b: log_pseudo_likelihood(b, h, J, spins))


BETA = [
    (beta_by_scipy, "Correct."),
    (beta_by_root(-1, -1), "Correct."),
    (beta_by_newton, "Correct."),
    (beta_on_a_grid, "four digits"),
    (lambda h, J, s: beta_by_scipy(h, J, s, 0.5), "factor 2"),
    (lambda h, J, s: 1 / beta_by_scipy(h, J, s), "this is the temperature"),
    (lambda h, J, s: beta_by_scipy(0 * h, J, s), "biases are missing"),
    (lambda h, J, s: beta_by_scipy(h, 0 * J, s), "neighbours are missing"),
    (lambda h, J, s: beta_by_scipy(-h, -J, s), "edge of your search"),
    (lambda h, J, s: beta_by_scipy(h, J.triu(), s), "it peaks at"),
    (beta_by_root(-1, 1), "is a minus lost in it?"),
    (beta_by_root(1, -1), "is a minus lost in it?"),
    (lambda h, J, s: torch.full((len(s),), beta_by_scipy(h, J, s)), "one number for all"),
    (lambda h, J, s: 1.0, "it peaks at"),
]


@pytest.mark.parametrize(
    ("check", "answer", "said"),
    [
        (check, *row)
        for check, rows in {
            "ising_energy": ENERGY,
            "fitted_machine": FIT,
            "gibbs_sweep": SWEEP,
            "memory_of_chains": MEMORY,
            "inverse_temperature": BETA,
        }.items()
        for row in rows
    ],
)
def test_answers(check, answer, said, verdict):
    assert said in verdict(check, answer)
