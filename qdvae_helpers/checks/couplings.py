"""Checks of lesson 10: controls, priors in nats, the price of a code, how many seeds."""

import math

import torch
from torch import Tensor, tensor
from torch.nn.functional import logsigmoid

from qdvae_helpers.checks.verdict import Rows, Try, by_examples, exercise


@exercise
def shuffles_in_classes(function) -> str | None:
    """``function(strings, classes, seed)``: each spin shuffled among the strings of its class."""
    if not callable(function):
        return "hand over the function itself: its name, without brackets after it."
    for rows, n in ((900, 5), (700, 8)):
        kind = torch.arange(rows) % 3
        classes = tensor([0, 2, 5])[kind]  # 1 and 3 are empty, 4 has one string alone
        classes[0] = 4
        generator = torch.Generator().manual_seed(rows)
        # Within a class all spins of a string are nearly equal; classes differ in their means.
        same = torch.rand(rows, 1, generator=generator) < (0.25 + 0.2 * kind[:, None])
        odd = torch.rand(rows, n, generator=generator) < 0.02
        strings = torch.where(same ^ odd, 1.0, -1.0)
        before, were = strings.clone(), classes.clone()
        given = function(strings, classes, 0)
        if not (torch.equal(strings, before) and torch.equal(classes, were)):
            return "your function changed its input: work on a copy, `clone()` it first."
        if problem := _not_shuffled(given, before, classes):
            return problem
        if not torch.equal(given, function(strings, classes, 0)):
            return "the same seed must give the same order: make a generator from the seed."
        if torch.equal(given, function(strings, classes, 1)):
            return "another seed gives the same order: the seed must decide."
    return None


def _not_shuffled(given, strings: Tensor, classes: Tensor) -> str | None:
    """What a shuffle within classes has destroyed that it should keep, or kept."""
    if not isinstance(given, Tensor) or given.shape != strings.shape:
        found = tuple(given.shape) if isinstance(given, Tensor) else type(given).__name__
        return f"strings {tuple(strings.shape)} are asked for, as before; yours is {found}."
    given = given.to(strings)
    groups = [classes == y for y in classes.unique()]
    if not bool((given.abs() == 1).all()):
        return "all spins must be -1 or +1, as before."
    if not torch.equal(given.sum(0), strings.sum(0)):
        return "the mean of a spin has changed: shuffle the spins you have, draw no new ones."
    if any(not torch.equal(given[own].sum(0), strings[own].sum(0)) for own in groups):
        return "the mean of a spin in a class has changed: shuffle among strings of one class only."
    if torch.equal(given, strings):
        return "nothing has moved."
    for own in (own for own in groups if own.sum() > 1):  # one string alone cannot change
        together = torch.corrcoef(given[own].T).fill_diagonal_(0).abs()
        if float(together.max()) > 0.3:
            return (
                f"in a class, two spins still have a correlation of {float(together.max()):.2f}: "
                "each spin needs a random order of its own."
            )
        alike = (given[own] == strings[own]).float().mean(0) > 0.9
        if bool(alike.any()):
            return "a spin stays in its place: shuffle all of them."
    return None


_SPINS = tensor([[1.0, -1.0, 1.0], [-1.0, -1.0, 1.0], [1.0, 1.0, -1.0], [-1.0, 1.0, 1.0]])
_LOGITS = tensor([[0.5, -2.0, 1.0], [-1.0, 0.3, 2.0]])
_SHARES = tensor([0.3, 0.7]).log()
_FOUR = tensor([[1.0, -0.4], [-2.0, 0.6], [0.2, 1.5], [0.0, -1.0]]), tensor([0.1, 0.2, 0.3, 0.4])


@by_examples(
    (_SPINS, _LOGITS, _SHARES),
    (_SPINS[:3, :2], _FOUR[0], _FOUR[1].log()),
    form="one log-probability per string is asked for, {asked}; yours is {found}.",
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
    yield right.mean(), "that is the mean over the strings: return one number per string."
    yield (
        Try(torch.ones(2, 2_000), -torch.ones(3, 2_000), torch.full((3,), -math.log(3))),
        "2,000 spins break it (a product of so many is 0): stay in logarithms, torch.logsumexp.",
    )
    far = torch.stack([torch.ones(2_000), -torch.ones(2_000)])
    yield (
        Try(far, torch.full((2, 2_000), 3.0), torch.full((2,), -math.log(2))),
        "each string needs a maximum of its own: next to that of all, exp makes 0 of the unlikely.",
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


_ALIKE = tensor([20.0, 23.0, 26.0, 21.0]), tensor([16.5, 21.3, 23.1, 19.4])


@by_examples(
    (*_ALIKE, 3.0),
    (_ALIKE[1], _ALIKE[0], 7.5),
    (tensor([-122.0, -120.5, -118.5]), tensor([-120.0, -122.0, -122.5]), 2.0),
    (tensor([5.0, 5.5, 4.5]), tensor([1.0, 1.4, 0.4]), 3.0),
    (tensor([0.6, -0.9, 1.4, -0.2]), tensor([-0.7, 0.5, -1.6, 0.4]), 2.5),
    form="two whole numbers are asked for, paired and unpaired; yours is {found}.",
)
def seeds_needed(a: Tensor, b: Tensor, bar: float) -> Rows:
    """``function(a, b, bar)``: seeds until a difference has ``bar`` errors, paired and not."""
    d = a - b
    both = torch.stack([d.var(), a.var() + b.var()])
    exact = bar**2 * both / d.mean() ** 2
    right = exact.ceil().clamp(min=2)
    yield right, "for {a}, {b} and a bar of {bar:g} they are {right}, yours are {given}."
    yield right.flip(0), "exchange the two: first the paired runs, then the unpaired ones."
    yield right[:1].repeat(2), "for unpaired runs the squares of both spreads add: var a + var b."
    yield right[1:].repeat(2), "paired runs need the spread of the differences a - b alone."
    yield exact.clamp(min=2), "seeds are whole: round up."
    yield exact.floor().clamp(min=2), "round up, not down: the bar has to be reached."
    yield exact.round().clamp(min=2), "round up, always: the bar has to be reached."
    yield exact.ceil(), "one run has no spread: never fewer than 2 seeds."
    roots = exact.sqrt().ceil().clamp(min=2)
    yield roots, "an error shrinks as the *root* of the number: square the ratio."
    yield (exact / bar**2 * bar).ceil().clamp(min=2), "square the bar as well."
    per_run = (exact / len(a)).ceil().clamp(min=2)
    yield per_run, "that divides by the seeds you have: take the spread of one run, not its error."
    few = (exact * (len(a) - 1) / len(a)).ceil().clamp(min=2)
    yield few, "use torch's default `.std()` or `.var()`, with n - 1."
    mean_spread = torch.stack([both[0], both[1] / 2])
    averaged = (bar**2 * mean_spread / d.mean() ** 2).ceil().clamp(min=2)
    yield averaged, "the squares of the two spreads *add* in a difference, they are not averaged."
    summed = torch.stack([both[0], (a.std() + b.std()) ** 2])
    wrong = (bar**2 * summed / d.mean() ** 2).ceil().clamp(min=2)
    yield wrong, "independent spreads add in squares: a.var() + b.var()."


@exercise
def fooling_strings(function) -> str | None:
    """``function(bits)``: one more spin, which no mean and no pair gives away."""
    if not callable(function):
        return "hand over the function itself: its name, without brackets after it."
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
