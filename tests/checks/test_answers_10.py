"""Answers to the exercises of lesson 10 as learners write them, right and wrong."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import logsigmoid


def by_loop(means, classes, k):
    rows = [means[classes == y] for y in range(k)]
    return torch.stack([r.mean(0) if len(r) else torch.zeros(means.shape[1]) for r in rows])


def by_table(means, classes, k):
    table = torch.nn.functional.one_hot(classes, k).to(means)
    return table.T @ means / table.sum(0).clamp(min=1)[:, None]


def nan_for_none(means, classes, k):
    return torch.stack([means[classes == y].mean(0) for y in range(k)])


def sums(means, classes, k):
    return torch.zeros(k, means.shape[1]).index_add(0, classes, means)


CLASSES = [
    ("class_means", by_loop, "Correct."),
    ("class_means", by_table, "Correct."),
    ("class_means", lambda m, c, k: by_loop(m.double(), c, k), "Correct."),
    ("class_means", nan_for_none, "a class without images gets NaN"),
    ("class_means", sums, "those are sums"),
    ("class_means", lambda m, c, k: sums(m, c, k) / len(c), "not of all images"),
    ("class_means", lambda m, c, k: m.mean(0).expand(k, -1), "the mean over all images"),
    ("class_means", lambda m, c, k: by_loop(m, c, k).sign(), "keep the means"),
    ("class_means", lambda m, c, k: by_loop(m, c, k).T, "one row a class and one column a spin"),
    ("class_means", lambda m, c, k: by_loop(m, c, 3), "one row a class"),
    ("class_means", lambda m, c, k: by_loop(m, c, k).tolist(), "Correct."),
]


def mixture(spins, logits, log_shares, power=1):
    return torch.logsumexp(logsigmoid(power * spins[:, None] * logits).sum(2) + log_shares, 1)


def mixture_by_loop(spins, logits, log_shares):
    found = []
    for s in spins:
        found.append(torch.logsumexp(logsigmoid(s * logits).sum(1) + log_shares, 0))
    return torch.stack(found)


def mixture_by_products(spins, logits, log_shares):
    return (torch.sigmoid(spins[:, None] * logits).prod(2) @ log_shares.exp()).log()


def ups_only(spins, logits, log_shares):
    each = logsigmoid(logits) * (spins[:, None] > 0)
    return torch.logsumexp(each.sum(2) + log_shares, 1)


def mean_of_logs(spins, logits, log_shares):
    return logsigmoid(spins[:, None] * logits).sum(2) @ log_shares.exp()


MIXTURES = [
    ("mixture_log_prob", mixture, "Correct."),
    ("mixture_log_prob", mixture_by_loop, "Correct."),
    ("mixture_log_prob", lambda s, *a: mixture(s.double(), *a), "Correct."),
    ("mixture_log_prob", lambda s, *a: list(mixture(s, *a)), "Correct."),
    ("mixture_log_prob", mixture_by_products, "stay in logarithms"),
    ("mixture_log_prob", ups_only, "a spin that is -1 has a probability, too"),
    ("mixture_log_prob", mean_of_logs, "no logarithm of a mean"),
    ("mixture_log_prob", lambda s, v, w: mixture(s, v, 0 * w), "the shares are missing"),
    ("mixture_log_prob", lambda *a: mixture(*a, power=-1), "the sign is reversed"),
    ("mixture_log_prob", lambda *a: mixture(*a).exp(), "return their logarithms"),
    ("mixture_log_prob", lambda *a: mixture(*a).mean(), "one number a string"),
    (
        "mixture_log_prob",
        lambda s, v, w: torch.logsumexp(logsigmoid(s[:, None] * v).sum(2) + w, 0),
        "one log-probability a string",
    ),
]


def split(a, b, c):
    return (a - b).mean(), (b - c).mean()


SPLITS = [
    ("split_price", split, "Correct."),
    ("split_price", lambda *a: torch.stack(split(*a)), "Correct."),
    ("split_price", lambda *a: [float(part) for part in split(*a)], "Correct."),
    ("split_price", lambda *a: split(*a)[::-1], "exchange the two"),
    ("split_price", lambda a, b, c: ((a - c).mean(), (b - c).mean()), "the whole price"),
    ("split_price", lambda a, b, c: ((a - b).mean(), (a - c).mean()), "subtract the information"),
    ("split_price", lambda a, b, c: ((a - b).mean(), (c - b).mean()), "in this order"),
    ("split_price", lambda a, b, c: ((a - b).sum(), (b - c).sum()), "take means"),
    ("split_price", lambda a, b, c: (a - b).mean(), "two numbers are asked for"),
    ("split_price", lambda a, b, c: (a - b, b - c), "one tensor, not a list"),
]


def paired(a, b):
    d = a - b
    return d.mean() / d.std() * math.sqrt(len(d))


PAIRS = [
    ("paired_errors", paired, "Correct."),
    ("paired_errors", lambda a, b: float(paired(a.double(), b.double())), "Correct."),
    (
        "paired_errors",
        lambda a, b: np.mean((a - b).numpy()) / (np.std((a - b).numpy(), ddof=1) / np.sqrt(len(a))),
        "Correct.",
    ),
    ("paired_errors", lambda a, b: paired(b, a), "the sign is reversed"),
    ("paired_errors", lambda a, b: abs(paired(a, b)), "the sign is lost"),
    ("paired_errors", lambda a, b: (a - b).mean(), "divide it by its standard error"),
    ("paired_errors", lambda a, b: (a - b).mean() / (a - b).std(), "a mean of n varies less"),
    (
        "paired_errors",
        lambda a, b: (a.mean() - b.mean()) / ((a.var() + b.var()) / len(a)).sqrt(),
        "unpaired test of lesson 08",
    ),
    (
        "paired_errors",
        lambda a, b: (a - b).mean() / ((a - b).std(correction=0) / len(a) ** 0.5),
        "with n - 1",
    ),
    ("paired_errors", lambda a, b: (a - b).mean() / ((a - b).std() / len(a)), "*root* of n"),
]


def with_last(last):
    return lambda bits: torch.cat([bits, last(bits).reshape(-1, 1)], 1)


def in_place(bits):
    bits[:, 0] = 1
    return with_last(lambda b: b.prod(1))(bits)


FOOLS = [
    ("fooling_strings", with_last(lambda b: b.prod(1)), "Correct."),
    ("fooling_strings", with_last(lambda b: -b.prod(1)), "Correct."),
    ("fooling_strings", with_last(lambda b: b[:, 0] * b[:, 1]), "Correct."),
    ("fooling_strings", with_last(lambda b: b[:, 0]), "spins 0 and"),
    ("fooling_strings", with_last(lambda b: b.sum(1).sign() + (b.sum(1) == 0)), "gives"),
    ("fooling_strings", with_last(lambda b: torch.ones(len(b))), "its mean gives"),
    ("fooling_strings", with_last(lambda b: b.amax(1)), "its mean gives"),
    ("fooling_strings", with_last(lambda b: (b.prod(1) + 1) / 2), "must be -1 or +1"),
    ("fooling_strings", lambda bits: bits.prod(1), "return a tensor (16, 5)"),
    ("fooling_strings", lambda bits: torch.cat([bits[:, 1:], bits[:, :2]], 1), "first columns"),
    ("fooling_strings", in_place, "changed its input"),
    ("fooling_strings", lambda bits: ..., "there is no answer yet"),
    ("fooling_strings", torch.ones(3), "hand over the function itself"),
]


@pytest.mark.parametrize(("check", "answer", "said"), CLASSES + MIXTURES + SPLITS + PAIRS + FOOLS)
def test_answers(check, answer, said, verdict):
    assert said in verdict(check, answer)


def test_a_spin_that_nothing_determines_is_refused(verdict):
    torch.manual_seed(0)
    for _ in range(20):
        assert verdict("fooling_strings", with_last(lambda b: torch.randn(len(b)).sign())) != (
            "Correct.\n"
        )
