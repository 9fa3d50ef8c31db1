"""Answers to the exercises of lesson 10 as learners write them, right and wrong."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import logsigmoid


def by_class(order):
    """Shuffles the strings of each class as ``order`` does, a function of them and a generator."""

    def shuffle(strings, classes, seed):
        generator, result = torch.Generator().manual_seed(seed), strings.clone()
        for y in range(int(classes.max()) + 1):
            rows = (classes == y).nonzero().squeeze(1)
            if len(rows):
                result[rows] = order(strings[rows], generator)
        return result

    return shuffle


def each_column(its, generator):
    columns = [column[torch.randperm(len(its), generator=generator)] for column in its.T]
    return torch.stack(columns, 1)


def at_once(its, generator):
    return its.gather(0, torch.rand(its.shape, generator=generator).argsort(0))


def whole_strings(its, generator):
    return its[torch.randperm(len(its), generator=generator)]


def along_the_string(its, generator):
    return its.gather(1, torch.rand(its.shape, generator=generator).argsort(1))


def coins(its, generator):
    return torch.where(torch.rand(its.shape, generator=generator) < (1 + its.mean(0)) / 2, 1.0, -1)


def not_the_last(its, generator):
    return torch.cat([each_column(its[:, :-1], generator), its[:, -1:]], 1)


def in_place_shuffle(strings, classes, seed):
    strings[:] = by_class(at_once)(strings, classes, seed)
    return strings


def by_seed_of_torch(strings, classes, seed):
    torch.manual_seed(seed)
    return by_class(lambda its, _: at_once(its, None))(strings, classes, seed)


SHUFFLES = [
    ("shuffles_in_classes", by_class(each_column), "Correct."),
    ("shuffles_in_classes", by_class(at_once), "Correct."),
    ("shuffles_in_classes", by_seed_of_torch, "Correct."),
    ("shuffles_in_classes", lambda s, c, k: by_class(at_once)(s, c, k).double(), "Correct."),
    ("shuffles_in_classes", by_class(whole_strings), "a random order of its own"),
    ("shuffles_in_classes", by_class(along_the_string), "shuffle the spins you have"),
    ("shuffles_in_classes", by_class(coins), "draw no new ones"),
    ("shuffles_in_classes", by_class(not_the_last), "a spin stays in its place"),
    ("shuffles_in_classes", by_class(lambda its, _: its.sort(0).values), "of its own"),
    ("shuffles_in_classes", lambda s, c, k: by_class(at_once)(s, 0 * c, k), "one class only"),
    ("shuffles_in_classes", lambda s, c, k: by_class(at_once)(s, c, 0), "the seed must decide"),
    ("shuffles_in_classes", lambda s, c, k: s.clone(), "nothing has moved"),
    ("shuffles_in_classes", lambda s, c, k: s.mean(0), "strings (900, 5) are asked for"),
    ("shuffles_in_classes", in_place_shuffle, "changed its input"),
    (
        "shuffles_in_classes",
        lambda s, c, k: by_class(lambda its, _: at_once(its, None))(s, c, k),
        "make a generator from the seed",
    ),
    ("shuffles_in_classes", torch.ones(3), "hand over the function itself"),
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


def mixture_by_maximum(spins, logits, log_shares, largest):
    each = logsigmoid(spins[:, None] * logits).sum(2) + log_shares
    return ((each - largest(each)).exp().sum(1, True).log() + largest(each))[:, 0]


def ups_only(spins, logits, log_shares):
    each = logsigmoid(logits) * (spins[:, None] > 0)
    return torch.logsumexp(each.sum(2) + log_shares, 1)


def mean_of_logs(spins, logits, log_shares):
    return logsigmoid(spins[:, None] * logits).sum(2) @ log_shares.exp()


MIXTURES = [
    ("mixture_log_prob", mixture, "Correct."),
    ("mixture_log_prob", mixture_by_loop, "Correct."),
    ("mixture_log_prob", lambda *a: mixture_by_maximum(*a, lambda x: x.amax(1, True)), "Correct."),
    ("mixture_log_prob", lambda *a: mixture_by_maximum(*a, torch.max), "a maximum of its own"),
    ("mixture_log_prob", lambda s, *a: mixture(s.double(), *a), "Correct."),
    ("mixture_log_prob", lambda s, *a: list(mixture(s, *a)), "Correct."),
    ("mixture_log_prob", mixture_by_products, "stay in logarithms"),
    ("mixture_log_prob", ups_only, "a spin that is -1 has a probability, too"),
    ("mixture_log_prob", mean_of_logs, "no logarithm of a mean"),
    ("mixture_log_prob", lambda s, v, w: mixture(s, v, 0 * w), "the shares are missing"),
    ("mixture_log_prob", lambda *a: mixture(*a, power=-1), "the sign is reversed"),
    ("mixture_log_prob", lambda *a: mixture(*a).exp(), "return their logarithms"),
    ("mixture_log_prob", lambda *a: mixture(*a).mean(), "one number per string"),
    (
        "mixture_log_prob",
        lambda s, v, w: torch.logsumexp(logsigmoid(s[:, None] * v).sum(2) + w, 0),
        "one log-probability per string",
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


def seeds(a, b, bar, power=2, rounded=math.ceil, least=2, correction=1):
    d = a - b
    spreads = d.std(correction=correction), (a.var() + b.var()).sqrt()
    return [max(least, rounded((bar * float(s / d.mean().abs())) ** power)) for s in spreads]


def seeds_by_numpy(a, b, bar):
    a, b = a.numpy(), b.numpy()
    variances = np.array([np.var(a - b, ddof=1), np.var(a, ddof=1) + np.var(b, ddof=1)])
    return np.maximum(np.ceil(bar**2 * variances / np.mean(a - b) ** 2), 2).tolist()


def by_counting(a, b, bar):
    """Add seeds until the bar is reached, the way of those who distrust algebra."""
    found = []
    for spread in ((a - b).std(), (a.var() + b.var()).sqrt()):
        n = 2
        while abs((a - b).mean()) / (spread / n**0.5) < bar:
            n += 1
        found.append(n)
    return tuple(found)


def unpaired_twice(a, b, bar):
    return seeds(a, b, bar)[1:] * 2


def averaged(a, b, bar):
    spread = ((a.var() + b.var()) / 2).sqrt()
    return [seeds(a, b, bar)[0], max(2, math.ceil((bar * spread / (a - b).mean()) ** 2))]


def stds_added(a, b, bar):
    spread = a.std() + b.std()
    return [seeds(a, b, bar)[0], max(2, math.ceil((bar * spread / (a - b).mean()) ** 2))]


SEEDS = [
    ("seeds_needed", seeds, "Correct."),
    ("seeds_needed", lambda a, b, bar: torch.tensor(seeds(a, b, bar)), "Correct."),
    ("seeds_needed", lambda a, b, bar: tuple(map(float, seeds(a, b, bar))), "Correct."),
    ("seeds_needed", lambda a, b, bar: seeds(a.double(), b.double(), bar), "Correct."),
    ("seeds_needed", seeds_by_numpy, "Correct."),
    ("seeds_needed", by_counting, "Correct."),
    ("seeds_needed", lambda a, b, bar: seeds(a, b, bar)[::-1], "exchange the two"),
    ("seeds_needed", lambda a, b, bar: seeds(a, b, bar)[:1] * 2, "both spreads add"),
    ("seeds_needed", unpaired_twice, "the spread of the differences"),
    ("seeds_needed", lambda a, b, bar: seeds(a, b, bar, rounded=float), "seeds are whole"),
    ("seeds_needed", lambda a, b, bar: seeds(a, b, bar, rounded=int), "not down"),
    ("seeds_needed", lambda a, b, bar: seeds(a, b, bar, rounded=round), "round up, always"),
    ("seeds_needed", lambda a, b, bar: seeds(a, b, bar, least=0), "one run has no spread"),
    ("seeds_needed", lambda a, b, bar: seeds(a, b, bar, power=1), "the *root* of the number"),
    ("seeds_needed", averaged, "they are not averaged"),
    ("seeds_needed", stds_added, "add in squares"),
    ("seeds_needed", lambda a, b, bar: seeds(a, b, bar)[0], "two whole numbers"),
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


@pytest.mark.parametrize(("check", "answer", "said"), SHUFFLES + MIXTURES + SPLITS + SEEDS + FOOLS)
def test_answers(check, answer, said, verdict):
    assert said in verdict(check, answer)


def test_a_spin_that_nothing_determines_is_refused(verdict):
    torch.manual_seed(0)
    for _ in range(20):
        assert verdict("fooling_strings", with_last(lambda b: torch.randn(len(b)).sign())) != (
            "Correct.\n"
        )
