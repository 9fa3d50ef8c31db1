"""What the checks of lesson 09 say to right answers, also unusual ones, and to wrong ones."""

import math

import pytest
import torch


def joint(e, log_p):
    return log_p - e


def exact_in_a_loop(e, log_p):
    log_z = torch.logsumexp(-e, 0)
    return [float(torch.logsumexp(row - e, 0) - log_z) for row in log_p]


SUMS = [
    (lambda e, p: torch.logsumexp(p - e, 1) - torch.logsumexp(-e, 0), "Correct."),
    (lambda e, p: torch.logsumexp(p + torch.log_softmax(-e, 0), dim=-1), "Correct."),
    (exact_in_a_loop, "Correct."),
    (lambda e, p: torch.logsumexp(p - e, 1), "the prior is not normalised"),
    (lambda e, p: torch.logsumexp(p - e, 1) + torch.logsumexp(-e, 0), "*subtracts* log Z"),
    (lambda e, p: torch.logsumexp(p + e, 1) - torch.logsumexp(e, 0), "*minus* the energy"),
    (lambda e, p: torch.logsumexp(p, 1), "every string counts alike"),
    (lambda e, p: p @ torch.softmax(-e, 0).to(p), "the mean of log p(x|s)"),
    (lambda e, p: (torch.logsumexp(p - e, 1) - torch.logsumexp(-e, 0)).exp(), "p(x) itself"),
    (lambda e, p: (torch.logsumexp(p - e, 1) - torch.logsumexp(-e, 0)).mean(), "over the images"),
    (lambda e, p: (p.exp() @ torch.softmax(-e, 0).to(p)).log(), "near -900 breaks it"),
    (
        lambda e, p: torch.logsumexp(p - e, 1) - (-e.double()).exp().sum().log(),
        "Correct.",  # float64 holds e^400
    ),
    (lambda e, p: torch.logsumexp(p - e, 1) - (-e).exp().sum().log(), "energies near -400"),
]


def log_mean(w):
    return torch.logsumexp(w, 1) - math.log(w.shape[1])


MEANS = [
    (log_mean, "Correct."),
    (lambda w: torch.logsumexp(w - math.log(w.shape[1]), -1), "Correct."),
    (lambda w: [float(log_mean(row[None])) for row in w], "Correct."),
    (lambda w: torch.logsumexp(w, 1), "a mean divides by K"),
    (lambda w: torch.logsumexp(w, 1) / w.shape[1], "subtracts log K outside"),
    (lambda w: torch.logsumexp(w, 1) + math.log(w.shape[1]), "wrong sign"),
    (lambda w: torch.logsumexp(w, 1) - math.log(len(w)), "not `len`"),
    (lambda w: torch.logsumexp(w, 0) - math.log(len(w)), "each *row* has its mean"),
    (lambda w: w.mean(1), "the mean of the logarithms"),
    (lambda w: w.exp().mean(1), "take its logarithm"),
    (lambda w: w.exp().mean(1).log(), "use torch.logsumexp"),
    (
        lambda w: (w - w.amin(1, True)).exp().mean(1).log() + w.amin(1),
        "subtract the *largest* one",
    ),
]

SIZES = [
    (lambda w: 1 / w.softmax(1).square().sum(1), "Correct."),
    (lambda w: (2 * w.logsumexp(1) - (2 * w).logsumexp(1)).exp(), "Correct."),
    (lambda w: [float(1 / row.softmax(0).square().sum()) for row in w], "Correct."),
    (lambda w: w.exp().sum(1) ** 2 / w.exp().square().sum(1), "near -900 break it: normalise"),
    (
        lambda w: w.double().exp().sum(1) ** 2 / w.double().exp().square().sum(1),
        "normalise them first",
    ),
    (lambda w: 1 / w.exp().square().sum(1), "by their sum first"),
    (lambda w: 1 / w.softmax(0).square().sum(0), "each *row* has its size"),
    (lambda w: 1 / w.softmax(1).amax(1), "the largest weight alone"),
    (lambda w: w.softmax(1).square().sum(1), "upside down"),
    (torch.numel, "one number"),
]


def anneal(energy, sweep, spins, levels, hasty=False, start=True, beta=lambda k, n: k / n):
    w = torch.zeros(len(spins)) + (spins.shape[1] * math.log(2) if start else 0)
    for level in range(levels):
        if not hasty:
            w = w - energy(spins) / levels
        spins = sweep(spins, beta(level + 1, levels))
        if hasty:
            w = w - energy(spins) / levels
    return w


def without_the_last_sweep(energy, sweep, spins, levels):
    w = torch.full((len(spins),), spins.shape[1] * math.log(2))
    for level in range(levels):
        if level:
            spins = sweep(spins, level / levels)
        w = w - energy(spins) / levels
    return w


def strings_stay(energy, sweep, spins, levels):
    w = torch.full((len(spins),), spins.shape[1] * math.log(2))
    for level in range(levels):
        w = w - energy(spins) / levels
        sweep(spins, (level + 1) / levels)
    return w


ANNEALING = [
    (anneal, "Correct."),
    (without_the_last_sweep, "Correct."),
    (lambda *a: anneal(*a, hasty=True), "this still has the fault"),
    (lambda *a: anneal(*a, start=False), "n log 2 is missing"),
    (lambda *a: anneal(*a, beta=lambda k, n: (k - 1) / n), "at the *old* beta"),
    (strings_stay, "the strings never follow"),
    (lambda *a: anneal(*a).exp(), "return their logarithms"),
    (lambda *a: anneal(*a).logsumexp(0) - math.log(len(a[2])), "return the log weights"),
    (lambda *a: ..., "there is no answer yet"),
]


def entropies(g):
    return -torch.xlogy(g, g) - torch.xlogy(1 - g, 1 - g)


NOISE = [
    (lambda g: entropies(g).flatten(1).sum(1).mean(), "Correct."),
    (lambda g: entropies(g).sum() / len(g), "Correct."),
    (lambda g: float(entropies(g.double()).sum((1, 2, 3)).mean()), "Correct."),
    (lambda g: torch.distributions.Bernoulli(g).entropy().sum() / len(g), "Correct."),
    (lambda g: torch.nn.functional.binary_cross_entropy(g, g, reduction="sum") / len(g), "Correct"),
    (lambda g: -(g * g.log() + (1 - g) * (1 - g).log()).sum() / len(g), "0 log 0 gives nan"),
    (lambda g: entropies(g).mean(), "the mean per pixel"),
    (lambda g: entropies(g).sum(), "the sum over all images"),
    (lambda g: entropies(g).flatten(1).sum(1), "return their mean"),
    (lambda g: -torch.xlogy(g, g).sum() / len(g), "only ink is counted"),
    (lambda g: -entropies(g).sum() / len(g), "the sign is reversed"),
    (lambda g: entropies(g).sum() / len(g) / math.log(2), "these are bits"),
]

MEANS += [(lambda w: w.max() + (w - w.max()).exp().mean(1).log(), "largest of each *row*")]
SIZES += [
    (
        lambda w: (w - w.max()).exp().sum(1) ** 2 / (w - w.max()).exp().square().sum(1),
        "largest of each *row*",
    )
]

ALL = {
    "exact_log_likelihood": SUMS,
    "log_mean_weight": MEANS,
    "effective_sample_size": SIZES,
    "repaired_annealing": ANNEALING,
    "nats_of_tossed_pixels": NOISE,
}


@pytest.mark.parametrize(
    ("check", "answer", "said"), [(name, *row) for name, rows in ALL.items() for row in rows]
)
def test_answers(check, answer, said, verdict):
    assert said in verdict(check, answer)
