"""Checks of lesson 10: controls, priors in nats, the price of a code, pairs of trainings."""

import math

import torch
from torch import Tensor, tensor
from torch.nn.functional import logsigmoid

from qdvae_helpers.checks.verdict import Rows, Try, by_examples, exercise

_MEANS = tensor([[0.9, -0.5], [0.2, 0.4], [-0.6, 1.0], [0.5, -0.3], [-0.4, 0.1]])
_WIDER = tensor([[0.3, -0.8, 0.6], [0.7, 0.2, -0.1], [-0.9, 0.4, 0.0], [0.1, -0.2, 0.5]])


@by_examples(
    (_MEANS, tensor([0, 2, 2, 0, 2]), 3),
    (_WIDER, tensor([1, 0, 1, 1]), 2),
    (_WIDER[:3], tensor([1, 0, 0]), 4),
    form="one row a class and one column a spin, {asked}; yours is {found}.",
)
def class_means(mean_spins: Tensor, classes: Tensor, k: int) -> Rows:
    """``function(mean_spins, classes, k)``: the mean over the images of each class, ``(k, n)``."""
    sums = torch.zeros(k, mean_spins.shape[1]).index_add(0, classes, mean_spins)
    counts = classes.bincount(minlength=k)[:, None]
    right = sums / counts.clamp(min=1)
    yield right, "for the classes {classes} the rows are {right}, yours are {given}."
    yield mean_spins.mean(0).expand(k, -1), "that is the mean over all images, for every class."
    yield sums, "those are sums: divide by the number of images of the class."
    yield sums / len(classes), "divide by the number of images of the class, not of all images."
    yield right.sign(), "the sign alone says what is likelier, not how much: keep the means."
    yield (
        lambda given: bool(given.isnan().any()),
        "a class without images gets NaN (0 / 0): divide by 1 there, so that its means are 0.",
    )


_SPINS = tensor([[1.0, -1.0, 1.0], [-1.0, -1.0, 1.0], [1.0, 1.0, -1.0], [-1.0, 1.0, 1.0]])
_LOGITS = tensor([[0.5, -2.0, 1.0], [-1.0, 0.3, 2.0]])
_SHARES = tensor([0.3, 0.7]).log()
_FOUR = tensor([[1.0, -0.4], [-2.0, 0.6], [0.2, 1.5], [0.0, -1.0]]), tensor([0.1, 0.2, 0.3, 0.4])


@by_examples(
    (_SPINS, _LOGITS, _SHARES),
    (_SPINS[:3, :2], _FOUR[0], _FOUR[1].log()),
    form="one log-probability a string is asked for, {asked}; yours is {found}.",
)
def mixture_log_prob(spins: Tensor, logits: Tensor, log_shares: Tensor) -> Rows:
    """``function(spins, logits, log_shares)``: ``log p(s)`` of strings in a mixture of products."""
    each = logsigmoid(spins[:, None, :] * logits)
    products = each.sum(2)
    right = torch.logsumexp(products + log_shares, 1)
    yield right, "for the first strings it is {right}, yours is {given}."
    yield torch.logsumexp(products, 1), "the shares are missing: add log_shares to each class."
    yield right.exp(), "those are probabilities: return their logarithms."
    yield (products * log_shares.exp()).sum(1), "a mean of logarithms is no logarithm of a mean."
    yield (products + log_shares).amax(1), "all classes count, not the likeliest alone: logsumexp."
    yield (
        torch.logsumexp(logsigmoid(-spins[:, None, :] * logits).sum(2) + log_shares, 1),
        "the sign is reversed: P(+1) is sigmoid(logit), so a spin s has sigmoid(s * logit).",
    )
    yield (
        torch.logsumexp((each * (spins[:, None, :] > 0)).sum(2) + log_shares, 1),
        "a spin that is -1 has a probability, too: sigmoid(-logit).",
    )
    yield (
        torch.logsumexp(each.mean(2) + log_shares, 1),
        "probabilities of independent spins are multiplied: sum their logarithms.",
    )
    yield right.mean(), "that is the mean over the strings: return one number a string."
    yield (
        Try(torch.ones(2, 2_000), -torch.ones(3, 2_000), torch.full((3,), -math.log(3))),
        "2,000 spins break it (a product of so many is 0): stay in logarithms, torch.logsumexp.",
    )


_GIVEN = tensor([-3.0, -2.5, -4.0, -1.5]), tensor([-5.0, -6.5, -4.5, -5.0])
_PRIOR = tensor([-6.0, -9.5, -5.5, -9.0])


@by_examples(
    (*_GIVEN, _PRIOR),
    (tensor([-1.0, -2.0, -0.5]), tensor([-3.0, -1.5, -2.5]), tensor([-2.5, -2.0, -6.0])),
    form="two numbers are asked for, the information and the divergence; yours is {found}.",
)
def split_price(log_q_given: Tensor, log_q: Tensor, log_p: Tensor) -> Rows:
    """``function(log q(s|x), log q(s), log p(s))``: ``I(x; s)`` and ``KL(q(s) || p)``."""
    said, unknown = (log_q_given - log_q).mean(), (log_q - log_p).mean()
    total = (log_q_given - log_p).mean()
    yield torch.stack([said, unknown]), "they are {right}, yours are {given}."
    yield torch.stack([unknown, said]), "exchange the two: first what the code says."
    yield torch.stack([total, unknown]), "the first is the whole price: take log q(s), not log p."
    yield torch.stack([said, total]), "the second is the whole price: subtract the information."
    yield torch.stack([said, -unknown]), "KL(q || p) is a mean of log q - log p, in this order."
    yield torch.stack([-said, unknown]), "the information is a mean of log q(s|x) - log q(s)."
    yield torch.stack([said, unknown]) * len(log_q), "those are sums over the draws: take means."


@by_examples(
    (tensor([20.0, 21.0, 25.0, 22.0]), tensor([18.5, 20.0, 24.5, 20.0])),
    (tensor([-122.0, -120.5, -121.5]), tensor([-120.0, -119.0, -119.0])),
)
def paired_errors(a: Tensor, b: Tensor) -> Rows:
    """``function(a, b)``: mean difference, seed by seed, in its own standard errors."""
    d, root = a - b, math.sqrt(len(a))
    right = d.mean() / (d.std() / root)
    yield right, "for {a} and {b} it is {right:.4f}, you return {given:.4f}."
    unpaired = (a.var() / len(a) + b.var() / len(b)).sqrt()
    yield d.mean() / unpaired, "that is the unpaired test of lesson 08: take differences first."
    yield d.mean() / d.std(), "that is in spreads of one difference: a mean of n varies less."
    yield -right, "the sign is reversed: it must be positive where a is larger."
    yield right.abs(), "the sign is lost: it must be negative where b is larger."
    yield d.mean(), "that is the mean difference itself: divide it by its standard error."
    yield d.mean() / (d.std(correction=0) / root), "use torch's default `.std()`, with n - 1."
    yield d.mean() / (d.var() / root), "the root is missing: divide by .std(), not by .var()."
    yield d.mean() / (d.std() / len(a)), "the error of a mean is the spread over the *root* of n."
    yield d.mean() / (d.std() / math.sqrt(len(a) - 1)), "divide by the root of n, not of n - 1."


@exercise
def fooling_strings(function) -> str | None:
    """``function(bits)``: one more spin, which no mean and no pair gives away."""
    if not callable(function):
        return "hand over the function itself: its name, without brackets behind it."
    for m in (4, 3):
        bits = torch.cartesian_prod(*[tensor([-1.0, 1.0])] * m)
        before = bits.clone()
        strings = function(bits)
        if not torch.equal(bits, before):
            return "your function changed its input: work on a copy, `clone()` it first."
        if problem := _given_away(strings, before):
            return problem
        again = function(bits)
        if not torch.equal(torch.as_tensor(strings), torch.as_tensor(again)):
            return "the last spin comes out differently each time: the others must determine it."
    return None


def _given_away(strings: Tensor, bits: Tensor) -> str | None:
    """What gives the last spin away to means or pairs, or shows that it says nothing."""
    rows, m = bits.shape
    if not isinstance(strings, Tensor) or strings.shape != (rows, m + 1):
        found = tuple(strings.shape) if isinstance(strings, Tensor) else type(strings).__name__
        return f"for bits {(rows, m)} return a tensor {(rows, m + 1)}; yours is {found}."
    strings = strings.double()
    if not bool((strings.abs() == 1).all()):
        return "all spins must be -1 or +1."
    if not torch.equal(strings[:, :m], bits.double()):
        return "keep the given spins as the first columns, and add one column at the end."
    last = strings[:, m]
    if abs(float(last.mean())) > 1e-6:
        return f"its mean gives the last spin away: {float(last.mean()):+.2f}, not 0."
    with_others = (strings[:, :m] * last[:, None]).mean(0)
    if bool((with_others.abs() > 1e-6).any()):
        i = int(with_others.abs().argmax())
        value = float(with_others[i])
        return f"a pair gives it away: spins {i} and {m} have the correlation {value:+.2f}, not 0."
    return None
