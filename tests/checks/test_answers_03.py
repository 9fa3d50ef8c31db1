"""Answers to the exercises of lesson 03 as learners write them, right and wrong."""

import itertools

import pytest
import torch


def blocks(k, n):
    return k[:n, :n], k[n:, n:], k[:n, n:]


def means(k, n, between=-2.0):
    xx, yy, xy = blocks(k, n)
    return xx.mean() + yy.mean() + between * xy.mean()


def sums(k, n):
    xx, yy, xy = blocks(k, n)
    return xx.sum() + yy.sum() - 2 * xy.sum()


def off_diagonal(k, n, pairs=lambda n: n * (n - 1)):
    xx, yy, xy = blocks(k, n)
    off = [(block.sum() - block.trace()) / pairs(len(block)) for block in (xx, yy)]
    return sum(off) - 2 * xy.mean()


def by_weights(k, n):
    w = torch.full((len(k),), -1 / (len(k) - n), dtype=torch.float64)
    w[:n] = 1 / n
    return w @ k.double() @ w


def by_loops(k, n):
    def mean(rows, columns):
        values = [float(k[i, j]) for i in rows for j in columns if i != j]
        return sum(values) / len(values)

    x, y = range(n), range(n, len(k))
    return mean(x, x) + mean(y, y) - 2 * mean(x, y)


def without_diagonal(k, n):
    k = k.clone().fill_diagonal_(0)
    m = len(k) - n
    xx, yy, xy = blocks(k, n)
    return xx.sum() / (n * n - n) + yy.sum() / (m * m - m) - 2 * xy.mean()


ESTIMATES = [
    ("biased_mmd", means, "Correct."),
    ("biased_mmd", by_weights, "Correct."),
    ("biased_mmd", lambda k, n: means(k, n).item(), "Correct."),
    ("biased_mmd", lambda k, n: means(k, n, between=-1), "between x and y counts twice"),
    ("biased_mmd", lambda k, n: means(k, n, between=2), "needs a minus"),
    ("biased_mmd", sums, "take means"),
    ("biased_mmd", lambda k, n: sums(k, n) / n**2, "a mean of its own"),
    ("biased_mmd", lambda k, n: means(k, 3), "for 6 of 8 points"),
    ("biased_mmd", off_diagonal, "this is the unbiased estimate"),
    ("unbiased_mmd", off_diagonal, "Correct."),
    ("unbiased_mmd", by_loops, "Correct."),
    ("unbiased_mmd", without_diagonal, "Correct."),
    ("unbiased_mmd", means, "the diagonals are still in: this is the biased"),
    ("unbiased_mmd", lambda k, n: off_diagonal(k, n, lambda n: n * n), "the diagonals are gone"),
    (
        "unbiased_mmd",
        lambda k, n: off_diagonal(k, n, lambda n: n * (n - 1) / 2),
        "a block holds each pair twice",
    ),
    ("unbiased_mmd", lambda k, n: off_diagonal(k, n).clamp(min=0), "it may be negative"),
    ("unbiased_mmd", lambda k, n: off_diagonal(k, n).abs(), "it may be negative"),
    ("unbiased_mmd", lambda k, n: off_diagonal(k.fill_diagonal_(0), n), "changed its input"),
    ("p_value", lambda o, v: (1 + (v >= o).sum()) / (1 + len(v)), "Correct."),
    ("p_value", lambda o, v: (1 + sum(x >= o for x in v.tolist())) / (1 + len(v)), "Correct."),
    ("p_value", lambda o, v: torch.cat([v, v.new_tensor([o])]).ge(o).float().mean(), "Correct."),
    ("p_value", lambda o, v: (v >= o).float().mean(), "count the observed"),
    ("p_value", lambda o, v: (1 + (v.abs() >= abs(o)).sum()) / (1 + len(v)), "may be negative"),
    ("p_value", lambda o, v: (1 + (v > o).sum()) / (1 + len(v)), "an equal value counts"),
    ("p_value", lambda o, v: (1 + (v >= o).sum()) / 10, "the number of splits is len(shuffled)"),
]

BANDWIDTHS = [
    (2.0**-7, "Correct."),
    (0.0064, "Correct."),
    (torch.tensor(0.01), "Correct."),
    (0.25, "Go smaller"),
    (1e-5, "Go larger"),
    (-7, "write 2.0**-3, not -3"),
    (0, "a positive number"),
    (float("nan"), "a positive number"),
    ("2**-7", "one number is asked for"),
    ([0.01, 0.02], "one number is asked for"),
]


def uniform(states):
    return torch.full((len(states),), 1 / len(states))


def even(states):
    return (1 + states.prod(1)) / len(states)


def even_by_loop(states):
    count = [sum(s < 0 for s in row) for row in states.tolist()]
    return torch.tensor([float(c % 2 == 0) for c in count]) / (len(states) / 2)


def in_the_order_of_enumeration(states):
    n = states.shape[1]
    signs = [torch.tensor(row).prod() for row in itertools.product((-1.0, 1.0), repeat=n)]
    return (1 + torch.stack(signs)) / len(states)


def spoilt(states):
    result = even(states)
    states.zero_()
    return result


BLIND = [
    (even, "Correct."),
    (even_by_loop, "Correct."),
    (lambda s: (1 - s.prod(1)) / len(s), "Correct."),
    (lambda s: even(s).float(), "Correct."),
    (uniform, "you moved 0.00"),
    (lambda s: (even(s) + uniform(s)) / 2, "you moved 0.25"),
    (lambda s: (1 + s[:, 0]) / len(s), "means weigh most"),
    (lambda s: (1 + s[:, 0] * s[:, 1]) / len(s), "a pair's correlation differs by 1.00"),
    (lambda s: (1 + s[:, :3].prod(1)) / len(s), "the product of some larger subset"),
    (in_the_order_of_enumeration, "squared MMD"),
    (lambda s: (1 + 2 * s.prod(1)) / len(s), "a probability is negative"),
    (lambda s: 1 + s.prod(1), "add up to 16.000"),
    (lambda s: even(s)[:3], "one probability per row"),
    (lambda s: 0.5, "a tensor of probabilities, yours is a float"),
    (lambda s: even(s).numpy(), "a tensor of probabilities, yours is a ndarray"),
    (lambda s: even(s) * float("nan"), "not a number"),
    (spoilt, "changed its input"),
    (lambda s: None, "your function returns nothing"),
    (0.5, "hand over the function itself"),
]


def true_spins(logits, noise):
    soft = torch.tanh((logits + noise) / (2 * 0.5))
    return soft + (soft.sign() - soft).detach()


def other_way(logits, noise):
    soft = (logits + noise).tanh()
    hard = torch.where(logits + noise > 0, 1.0, -1.0)
    return hard + soft - soft.detach()


LOSSES = [
    (lambda x, e, t, d: d(true_spins(x, e), t), "Correct."),
    (lambda x, e, t, d: d(other_way(x, e), t), "Correct."),
    (lambda x, e, t, d: d(torch.tanh(x + e), t), "you compare relaxed spins"),
    (lambda x, e, t, d: d((x + e).sign(), t), "no gradient flows"),
    (lambda x, e, t, d: d(true_spins(x, -e), t), "the noise is added"),
    (lambda x, e, t, d: d(true_spins(x, 0 * e), t), "without the noise"),
    (lambda x, e, t, d: d(true_spins(x / 2, e / 2), t), "2 tau is 1, not 2"),
    (lambda x, e, t, d: d(t, true_spins(x, e)), "its gradient is not"),
    (lambda x, e, t, d: d(true_spins(x, torch.rand_like(x)), t), "differently each time"),
    (lambda x, e, t, d: d(true_spins(x, e), t).detach(), "its gradient is not"),
    (lambda x, e, t, d: d(true_spins(x, e), t).item(), "no gradient can flow through a float"),
]


@pytest.mark.parametrize(("check", "answer", "said"), ESTIMATES)
def test_estimates(check, answer, said, verdict):
    assert said in verdict(check, answer)


@pytest.mark.parametrize(("answer", "said"), BANDWIDTHS)
def test_bandwidths(answer, said, verdict):
    assert said in verdict("bandwidth_for_power", answer)


@pytest.mark.parametrize(("answer", "said"), BLIND)
def test_blind_spots(answer, said, verdict):
    assert said in verdict("blind_spot", answer)


@pytest.mark.parametrize(("answer", "said"), LOSSES)
def test_losses_of_logits(answer, said, verdict):
    assert said in verdict("loss_of_logits", answer)
