"""Checks of lesson 08: distances with errors, the importance bound, the effective sample size."""

import math

from torch import Tensor, tensor

from qdvae_helpers.checks.verdict import Rows, Try, by_examples

_X, _Y = tensor([1.0, 2.0, 3.0, 6.0]), tensor([4.0, 10.0, 4.0])


@by_examples((_X, _Y), (tensor([5.0, -4.0, 0.0]), tensor([-1.0, -2.5, 0.0, 1.0])))
def frechet_one_dimension(x: Tensor, y: Tensor) -> Rows:
    """``function(x, y)``: squared Frechet distance of two samples of numbers."""
    means, spread, variances = (x.mean() - y.mean()) ** 2, x.std() - y.std(), x.var() - y.var()
    population = x.std(correction=0) - y.std(correction=0)
    right = means + spread**2
    yield right, "for {x} and {y} it is {right:.4f}, you return {given:.4f}."
    yield means, "only the means are compared: the spreads count as well."
    yield spread**2, "only the spreads are compared: the means count as well."
    yield means + variances**2, "compare standard deviations, not variances."
    for wrong in (spread, variances):
        yield means + wrong.abs(), "square the difference of standard deviations."
    yield means.sqrt() + spread.abs(), "square both differences before you add them."
    yield right.sqrt(), "this is the root; by convention the squared distance is used."
    yield means - spread**2, "the second square is added, not subtracted."
    yield means + population**2, "use torch's default `.std()`, which divides by n - 1."


_RUNS = tensor([20.0, 21.0, 25.0, 22.0]), tensor([10.0, 12.0, 14.0])


@by_examples(_RUNS, _RUNS[::-1])
def errors_apart(a: Tensor, b: Tensor) -> Rows:
    """``function(a, b)``: difference of two means of repeated runs in its standard errors."""
    difference, squares = a.mean() - b.mean(), (a.var() / len(a), b.var() / len(b))
    right, single = difference / sum(squares).sqrt(), difference / (a.var() + b.var()).sqrt()
    flat = difference / sum(square.sqrt() for square in squares)
    population = a.var(correction=0) / len(a) + b.var(correction=0) / len(b)
    yield right, "for {a} and {b} it is {right:.4f}, you return {given:.4f}."
    yield right.abs(), "the sign is lost: it must be negative where b is the larger one."
    yield -right, "the sign is reversed: it must be positive where a is the larger one."
    yield difference, "that is the difference itself: divide it by its standard error."
    yield single, "you divide by the spread of single runs; a mean of n runs varies less."
    yield flat, "errors of independent runs add as squares: sum the squares, then take the root."
    yield difference / sum(squares), "the root is missing: a variance is no error."
    yield difference / population.sqrt(), "use torch's default `.var()`, dividing by n - 1."


_SMALL = tensor([0.0, -1.0, 0.5, -2.0])
_EXAMPLES = (_SMALL,), (tensor([1.0, 0.2, -0.5]),)
_OTHERWISE = "for {w} it is {right:.4f}, you return {given:.4f}."
_WIDE = Try(tensor([-900.0, 0.0, -100.0]))
_BREAK = "log weights of very different size break it: subtract the *largest* one first."


@by_examples(*_EXAMPLES)
def importance_bound(w: Tensor) -> Rows:
    """``function(log_weights)``: the logarithm of the mean weight, from ``(K,)`` log weights."""
    total, log_k = w.logsumexp(0), math.log(len(w))
    yield total - log_k, _OTHERWISE
    yield total, "this is the logarithm of the sum: a mean divides by K."
    yield total + log_k, "log K has the wrong sign: dividing by K subtracts log K."
    yield total / len(w), "dividing by K *inside* the logarithm subtracts log K outside."
    yield w.mean(), "this is the mean of the logarithms, the ELBO: average the weights."
    yield w.exp().mean(), "this is the mean weight: take its logarithm."
    yield Try(_SMALL - 900), "log weights near -900 break it (exp gives 0): use torch.logsumexp."
    yield _WIDE, _BREAK


@by_examples(*_EXAMPLES)
def effective_sample_size(w: Tensor) -> Rows:
    """``function(log_weights)``: ``(sum w)^2 / sum w^2``, from ``(K,)`` log weights."""
    shares, weights = w.softmax(0), w.exp()
    right, squares = 1 / shares.square().sum(), weights.square().sum()
    yield right, _OTHERWISE
    yield right / len(w), "this is the share of K; the effective size itself is between 1 and K."
    yield 1 / right, "upside down: equal weights must give K."
    yield 1 / squares, "divide the weights by their sum first."
    yield weights.sum() / squares, "the sum of the weights is squared."
    yield w.sum() ** 2 / w.square().sum(), "these are log weights: exponentiate."
    yield (-shares @ shares.log()).exp(), "use squares here, not the entropy."
    for n in (-900, 900):
        yield Try(_SMALL + n), f"log weights near {n} break it: normalise them first, by softmax."
    yield _WIDE, _BREAK
