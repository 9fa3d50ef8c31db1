"""Checks of exercises: they print a verdict and never raise."""

import itertools
import math
import re

import pytest
import torch

from qdvae_helpers import checks
from qdvae_helpers.checks import exercise
from qdvae_helpers.losses import encoder_entropy


@exercise
def double(function):
    return None if function(2) == 4 else "doubling 2 must give 4."


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (lambda x: 2 * x, "Correct.\n"),
        (lambda x: x, "Not yet: doubling 2 must give 4.\n"),
        (..., "Not yet: there is no answer yet"),
        (None, "Not yet: there is no answer yet"),
        (lambda x: ..., "Not yet: there is no answer yet"),
        (lambda x: None, "Not yet: your function returns nothing: is there a `return`"),
        (lambda: 4, "Not yet: your code stopped with TypeError"),
        (lambda x: 1 / 0, "Not yet: your code stopped with ZeroDivisionError: division by zero"),
    ],
)
def test_a_check_prints_a_verdict_and_never_raises(answer, verdict, capsys):
    double(answer)
    assert capsys.readouterr().out.startswith(verdict)


def off_diagonal(block):
    return (block.sum() - block.trace()) / (len(block) * (len(block) - 1))


@pytest.mark.parametrize(
    ("check", "answer", "verdict"),
    [
        (
            checks.biased_mmd,
            lambda k, n: k[:n, :n].mean() + k[n:, n:].mean() - 2 * k[:n, n:].mean(),
            "Correct.",
        ),
        (
            checks.biased_mmd,
            lambda k, n: k[:n, :n].mean() + k[n:, n:].mean() - k[:n, n:].mean(),
            "Not yet: the block between x and y counts twice",
        ),
        (
            checks.biased_mmd,
            lambda k, n: k[:n, :n].sum() + k[n:, n:].sum() - 2 * k[:n, n:].sum(),
            "Not yet: take means",
        ),
        (
            checks.unbiased_mmd,
            lambda k, n: off_diagonal(k[:n, :n]) + off_diagonal(k[n:, n:]) - 2 * k[:n, n:].mean(),
            "Correct.",
        ),
        (
            checks.unbiased_mmd,
            lambda k, n: k[:n, :n].mean() + k[n:, n:].mean() - 2 * k[:n, n:].mean(),
            "Not yet: the diagonals are still in: this is the biased",
        ),
        (
            checks.unbiased_mmd,
            lambda k, n: (
                (k[:n, :n].sum() - n) / n**2 + (k[n:, n:].sum() - 5) / 25 - 2 * k[:n, n:].mean()
            ),
            "Not yet: the diagonals are gone",
        ),
        (checks.p_value, lambda o, v: (1 + (v >= o).sum()) / (1 + len(v)), "Correct."),
        (checks.p_value, lambda o, v: (v >= o).float().mean(), "Not yet: count the observed"),
        (
            checks.p_value,
            lambda o, v: (1 + (v.abs() >= abs(o)).sum()) / (1 + len(v)),
            "Not yet: values may be negative",
        ),
        (
            checks.unbiased_mmd,
            lambda k, n: (
                2 * (k[:n, :n].sum() - n) / (n * (n - 1))
                + 2 * (k[n:, n:].sum() - (len(k) - n)) / ((len(k) - n) * (len(k) - n - 1))
                - 2 * k[:n, n:].mean()
            ),
            "Not yet: a block holds each pair twice",
        ),
        (
            checks.p_value,
            lambda o, v: (1 + (v > o).sum()) / (1 + len(v)),
            "Not yet: an equal value counts",
        ),
        (checks.spin_distance, lambda dot, n: 2 * (n - dot), "Correct."),
        (checks.spin_distance, lambda dot, n: (n - dot) / 2, "Not yet: this is the Hamming"),
        (checks.spin_distance, lambda dot, n: 2 * (n + dot), "Not yet: wrong sign"),
    ],
)
def test_checks_of_lesson_03_name_the_mistake(check, answer, verdict, capsys):
    check(answer)
    assert capsys.readouterr().out.startswith(verdict)


def verdict_of(check, answer, capsys) -> str:
    check(answer)
    return capsys.readouterr().out


# 04_grbm_on_a_qpu_subgraph


def energy04(h, J, s):
    biases = sum(hi * si for hi, si in zip(h, s, strict=True))
    return biases + sum(j * s[u] * s[v] for (u, v), j in J.items())


def gradient04(data, model, i, j):
    return (data[:, i] * data[:, j]).mean() - (model[:, i] * model[:, j]).mean()


def p_up04(h, J, s):
    return torch.sigmoid(-2 * (h + (J * s).sum()))


@pytest.mark.parametrize(
    ("name", "answer", "said"),
    [
        ("ising_energy", energy04, "Correct."),
        ("ising_energy", lambda h, J, s: -energy04(h, J, s), "sign is reversed"),
        ("ising_energy", lambda h, J, s: energy04(h, {}, s), "only the biases"),
        ("ising_energy", lambda h, J, s: energy04([0, 0, 0], J, s), "only the couplers"),
        (
            "ising_energy",
            lambda h, J, s: energy04(h, {p: 2 * j for p, j in J.items()}, s),
            "counted twice",
        ),
        ("probability_ratio", lambda a, b: math.exp(b - a), "Correct."),
        ("probability_ratio", lambda a, b: math.exp(a - b), "upside down"),
        ("probability_ratio", lambda a, b: b - a, "difference of the energies"),
        (
            "probability_ratio",
            lambda a, b: torch.tensor(-a).exp() / torch.tensor(-b).exp(),
            "large energies",
        ),
        ("coupling_gradient", gradient04, "Correct."),
        ("coupling_gradient", lambda d, m, i, j: gradient04(m, d, i, j), "sign is reversed"),
        (
            "coupling_gradient",
            lambda d, m, i, j: (d[:, i] * d[:, j]).sum() - (m[:, i] * m[:, j]).sum(),
            "take means",
        ),
        (
            "coupling_gradient",
            lambda d, m, i, j: d[:, i].mean() * d[:, j].mean() - m[:, i].mean() * m[:, j].mean(),
            "products of means",
        ),
        ("coupling_gradient", lambda d, m, i, j: d[:, i] * d[:, j], "take the mean over"),
        (
            "conditional_probability",
            lambda h, J, s: torch.sigmoid(-2 * (h + J * s)),
            "the sum over",
        ),
        ("conditional_probability", p_up04, "Correct."),
        ("conditional_probability", lambda h, J, s: 1 - p_up04(h, J, s), "sign is reversed"),
        ("conditional_probability", lambda h, J, s: p_up04(h / 2, J / 2, s), "factor 2"),
        ("conditional_probability", lambda h, J, s: p_up04(h, 0 * J, s), "neighbours are missing"),
        ("conditional_probability", lambda h, J, s: p_up04(0, J, s), "bias h is missing"),
    ],
)
def test_checks_of_lesson_04(name, answer, said, capsys):
    assert said in verdict_of(getattr(checks, name), answer, capsys)


def layers(widths):
    return list(itertools.pairwise(widths))


def line(a, b, weights):
    return torch.stack([(1 - t) * a + t * b for t in weights])


@pytest.mark.parametrize(
    ("check", "answer", "said"),
    [
        (checks.count_parameters, lambda w: sum(a * b + b for a, b in layers(w)), "Correct."),
        (checks.count_parameters, lambda w: sum(a * b for a, b in layers(w)), "add the biases"),
        (checks.count_parameters, lambda w: sum(a * b + a for a, b in layers(w)), "not of its in"),
        (checks.interpolate, lambda a, b, n: line(a, b, torch.linspace(0, 1, n)), "Correct."),
        (checks.interpolate, lambda a, b, n: line(b, a, torch.linspace(0, 1, n)), "from b to a"),
        (checks.interpolate, lambda a, b, n: line(a, b, torch.arange(n) / n), "n - 1 steps"),
        (checks.interpolate, lambda a, b, n: line(a, b, torch.linspace(0, 1, n)).T, "(5, 2)"),
        (checks.reparameterise, lambda m, v, e: m + (v / 2).exp() * e, "Correct."),
        (checks.reparameterise, lambda m, v, e: m + v.exp() * e, "exp(log_variance / 2)"),
        (checks.reparameterise, lambda m, v, e: m + v * e, "is a logarithm"),
        (checks.reparameterise, lambda m, v, e: (m + (v / 2).exp() * e).detach(), "no gradient"),
        (checks.gaussian_kl_by_hand, lambda m, v: (m * m + v - 1 - math.log(v)) / 2, "Correct."),
        (checks.gaussian_kl_by_hand, lambda m, v: m * m + v - 1 - math.log(v), "the half is"),
        (checks.gaussian_kl_by_hand, lambda m, v: (m * m + v - math.log(v)) / 2, "-1 is missing"),
        (checks.gaussian_kl_by_hand, lambda m, v: (m * m + v - 1 + math.log(v)) / 2, "logarithm"),
    ],
)
def test_exercises_of_lesson_01(check, answer, said, capsys):
    assert said in verdict_of(check, answer, capsys)


@pytest.mark.parametrize(
    ("check", "answer", "verdict"),
    [
        ("spins_from_uniform", lambda x, u: torch.where(u < x.sigmoid(), 1.0, -1.0), "Correct."),
        ("spins_from_uniform", lambda x, u: (u < x.sigmoid()).float(), "these are bits 0 and 1"),
        ("spins_from_uniform", lambda x, u: torch.where(u > x.sigmoid(), 1, -1), "the wrong way"),
        ("spins_from_uniform", lambda x, u: x.sign(), "the likelier value"),
        ("spins_from_uniform", lambda x, u: (x + torch.logit(u)).sign(), "but mirrored"),
        ("spins_from_uniform", lambda x, u: torch.where(u < 0.5, 1, -1), "spins are +1, -1, -1"),
        ("mean_spin", lambda x: 2 * x.sigmoid() - 1, "Correct."),
        ("mean_spin", torch.sigmoid, "that is P(+1)"),
        ("mean_spin", torch.tanh, "a logit is halved"),
        ("mean_spin", lambda x: -torch.tanh(x / 2), "wrong sign"),
        ("straight_through", lambda hard, soft: soft + (hard - soft).detach(), "Correct."),
        ("straight_through", lambda hard, soft: hard.detach() + soft - soft.detach(), "Correct."),
        ("straight_through", lambda hard, soft: hard, "no gradient flows"),
        ("straight_through", lambda hard, soft: soft, "its value is the soft one"),
        ("straight_through", lambda hard, soft: soft + (hard - soft), "its gradient is zero"),
        ("straight_through", lambda hard, soft: soft + hard.detach(), "neither of the two"),
        ("spin_entropy", lambda x: -sum(p * p.log() for p in (x.sigmoid(), 1 - x.sigmoid())), "C"),
        ("spin_entropy", lambda x: -x.sigmoid() * x.sigmoid().log(), "the term of -1 is missing"),
        ("spin_entropy", lambda x: torch.distributions.Bernoulli(logits=x).entropy().sum(), "one"),
        ("spin_entropy", lambda x: -torch.distributions.Bernoulli(logits=x).entropy(), "wrong sig"),
    ],
)
def test_lesson_02_names_the_mistake(check, answer, verdict, capsys):
    getattr(checks, check)(answer)
    assert verdict in capsys.readouterr().out


def gaps07(x, y):
    return (x.mean() - y.mean()).square(), (x.std() - y.std()).square()


def apart07(a, b, of_a, of_b):
    return (a.mean() - b.mean()) / (of_a + of_b).sqrt()


@pytest.mark.parametrize(
    ("check", "answer", "said"),
    [
        (checks.frechet_one_dimension, lambda x, y: sum(gaps07(x, y)), "Correct."),
        (checks.frechet_one_dimension, lambda x, y: gaps07(x, y)[0], "only the means"),
        (checks.frechet_one_dimension, lambda x, y: sum(gaps07(x, y)) ** 0.5, "this is the root"),
        (
            checks.frechet_one_dimension,
            lambda x, y: gaps07(x, y)[0] + (x.var() - y.var()) ** 2,
            "not variances",
        ),
        (
            checks.errors_apart,
            lambda a, b: apart07(a, b, a.var() / len(a), b.var() / len(b)),
            "Correct.",
        ),
        (
            checks.errors_apart,
            lambda a, b: apart07(b, a, a.var() / len(a), b.var() / len(b)),
            "sign is reversed",
        ),
        (
            checks.errors_apart,
            lambda a, b: apart07(a, b, a.var(), b.var()),
            "spread of single runs",
        ),
        (
            checks.errors_apart,
            lambda a, b: (a.mean() - b.mean()) / sum(v.std() / len(v) ** 0.5 for v in (a, b)),
            "add as squares",
        ),
        (
            checks.importance_bound,
            lambda w: torch.logsumexp(w, 0) - math.log(len(w)),
            "Correct.",
        ),
        (checks.importance_bound, lambda w: torch.logsumexp(w, 0), "a mean divides by K"),
        (checks.importance_bound, lambda w: w.mean(), "mean of the logarithms"),
        (checks.importance_bound, lambda w: w.exp().mean().log(), "use torch.logsumexp"),
        (
            checks.importance_bound,
            lambda w: (w - w.min()).exp().mean().log() + w.min(),
            "subtract the *largest* one",
        ),
        (
            checks.effective_sample_size,
            lambda w: (w - w.min()).exp().sum() ** 2 / (w - w.min()).exp().square().sum(),
            "subtract the *largest* one",
        ),
        (
            checks.errors_apart,
            lambda a, b: abs(a.mean() - b.mean()) / (a.var() / len(a) + b.var() / len(b)) ** 0.5,
            "the sign is lost",
        ),
        (
            checks.effective_sample_size,
            lambda w: 1 / torch.softmax(w, 0).square().sum(),
            "Correct.",
        ),
        (
            checks.effective_sample_size,
            lambda w: w.exp().sum() ** 2 / w.exp().square().sum(),
            "normalise them first",
        ),
        (checks.effective_sample_size, lambda w: 1 / w.exp().square().sum(), "by their sum first"),
        (checks.effective_sample_size, torch.numel, "for [0.0"),
    ],
)
def test_exercises_of_lesson_07(check, answer, said, capsys):
    assert said in verdict_of(check, answer, capsys)


def set_to_minus(spins, which):
    answer = spins.clone()
    answer[which] = -1.0
    return answer


def flip_in_place(spins, which):
    spins[which] *= -1
    return spins


def flip_right(spins, which):
    return flip_in_place(spins.clone(), which)


def both_ends(nodes, edges):
    return [sum(node in edge for edge in edges) for node in nodes]


@pytest.mark.parametrize(
    ("check", "answer", "verdict"),
    [
        (checks.spin_of_bit, lambda bit: 2 * bit - 1, "Correct."),
        (checks.spin_of_bit, lambda bit: bit, "Not yet: this is still the bit"),
        (checks.spin_of_bit, lambda bit: 1 - 2 * bit, "Not yet: the wrong way round"),
        (checks.spin_of_bit, lambda bit: 2 * bit, "Not yet: 0 must become -1"),
        (checks.eight_digits, torch.rand(8, 1, 28, 28), "Correct."),
        (checks.eight_digits, torch.rand(4, 1, 28, 28), "Not yet: eight digits are asked for"),
        (checks.eight_digits, torch.ones(8, 256), "Not yet: this looks like spins"),
        (checks.eight_digits, torch.zeros(8, 1, 28, 28), "Not yet: some of them are equal"),
        (checks.eight_digits, torch.randn(8, 1, 28, 28), "Not yet: brightness lies"),
        (checks.eight_digits, [1, 2], "Not yet: a tensor of images"),
        (checks.flip, flip_right, "Correct."),
        (checks.flip, flip_in_place, "Not yet: the spins that were handed in have changed"),
        (checks.flip, set_to_minus, "Not yet: you set them to -1"),
        (checks.flip, lambda spins, which: -spins, "Not yet: all spins have changed"),
        (checks.flip, lambda spins, which: -spins[which], "Not yet: return all five"),
        (checks.flip, lambda spins, which: spins, "Not yet: nothing has changed"),
        (checks.couplers_of_each, both_ends, "Correct."),
        (
            checks.couplers_of_each,
            lambda nodes, edges: [sum(node == u for u, _ in edges) for node in nodes],
            "Not yet: you count one end",
        ),
        (
            checks.couplers_of_each,
            lambda nodes, edges: [count for count in both_ends(nodes, edges) if count],
            "Not yet: qubit 41 is missing",
        ),
        (
            checks.couplers_of_each,
            lambda nodes, edges: both_ends(sorted(nodes), edges),
            "Not yet: these are the right numbers in another order",
        ),
        (
            checks.couplers_of_each,
            lambda nodes, edges: dict(zip(nodes, both_ends(nodes, edges), strict=True)),
            "Not yet: return a list",
        ),
    ],
)
def test_lesson_00(check, answer, verdict, capsys):
    check(answer)
    assert capsys.readouterr().out.startswith(verdict)


MOVED = {"reconstruction": {"encoder", "decoder"}, "MMD": {"encoder"}, "NLL": {"prior"}}
DIAGNOSIS = {"A": "frozen prior", "B": "collapse", "C": "healthy", "D": "impatient prior"}


def kl_without(term):
    def loss(logits, energy, prior_spins):
        terms = {
            "energy": energy(torch.tanh(logits / 2)).mean(),
            "entropy": -encoder_entropy(logits),
            "prior": -energy(prior_spins).mean(),
        }
        return sum(value for name, value in terms.items() if name != term)

    return loss


def pair_means(s, pairs):
    return torch.stack([(s[:, i] * s[:, j]).mean() for i, j in pairs])


@pytest.mark.parametrize(
    ("check", "answer", "verdict"),
    [
        (checks.parts_that_move, MOVED, "Correct."),
        (checks.parts_that_move, MOVED | {"MMD": ...}, "Not yet: there is no answer yet"),
        (
            checks.parts_that_move,
            MOVED | {"MMD": {"encoder", "prior"}},
            "Not yet: MMD does not move the prior: the prior enters as samples",
        ),
        (
            checks.parts_that_move,
            MOVED | {"reconstruction": "decoder"},
            "Not yet: reconstruction moves the encoder, too",
        ),
        (checks.kl_from_three_terms, kl_without(None), "Correct."),
        (checks.kl_from_three_terms, kl_without("entropy"), "Not yet: the entropy is missing"),
        (checks.kl_from_three_terms, kl_without("prior"), "Not yet: nothing stands for log Z"),
        (
            checks.kl_from_three_terms,
            lambda logits, *rest: kl_without(None)(logits.detach(), *rest),
            "Not yet: the value is right, but no gradient",
        ),
        (
            checks.gap_of_moments,
            lambda a, b, p: (pair_means(a, p) - pair_means(b, p)).square().mean().sqrt(),
            "Correct.",
        ),
        (
            checks.gap_of_moments,
            lambda a, b, p: (pair_means(a, p) - pair_means(b, p)).square().mean(),
            "Not yet: take the square root",
        ),
        (
            checks.gap_of_moments,
            lambda a, b, p: (pair_means(a, p) - pair_means(b, p)).mean().abs(),
            "Not yet: differences of both signs cancel",
        ),
        (checks.diagnoses, DIAGNOSIS, "Correct."),
        (checks.diagnoses, DIAGNOSIS | {"D": "tired"}, "Not yet: D: 'tired' is none of"),
        (
            checks.diagnoses,
            DIAGNOSIS | {"A": "healthy"},
            "Not yet: A is no case of 'healthy': look at the last column",
        ),
    ],
)
def test_checks_of_lesson_05_name_the_mistake(check, answer, verdict, capsys):
    check(answer)
    assert capsys.readouterr().out.startswith(verdict)


def flipped(spins, effect, k, descending=True):
    result = spins.clone()
    result[:, effect.argsort(descending=descending)[:k]] *= -1
    return result


def clamped(mine, rest, k, free=float("nan"), own=True):
    row = torch.full_like(mine, free)
    places = (mine - rest).abs().argsort(descending=True)[:k]
    row[places] = (mine if own else mine - rest)[places].sign()
    return row


def table(images, others):
    return torch.cdist(images.flatten(1), others.flatten(1))


@pytest.mark.parametrize(
    ("check", "answer", "verdict"),
    [
        (
            checks.share_and_error,
            lambda k, n: (k / n, (k / n * (1 - k / n) / n) ** 0.5),
            "Correct.",
        ),
        (
            checks.share_and_error,
            lambda k, n: (k / n, (k * (1 - k / n)) ** 0.5),
            "Not yet: that is the error of the count",
        ),
        (checks.share_and_error, lambda k, n: (k / n, k**0.5 / n), "Not yet: the factor 1 - p"),
        (
            checks.share_and_error,
            lambda k, n: (k / n, (k / n * (1 - k / n) / (n - 1)) ** 0.5),
            "Not yet: divide by n",
        ),
        (checks.share_and_error, lambda k, n: k / n, "Not yet: return two numbers"),
        (
            checks.nearest_distance,
            lambda a, b: torch.cdist(a.flatten(1), b.flatten(1), p=1).min(1).values,
            "Correct.",
        ),
        (checks.nearest_distance, lambda a, b: table(a, b).square().min(1).values, "Correct."),
        (checks.nearest_distance, lambda a, b: table(a, b).min(1).values, "Not yet: this is the d"),
        (checks.nearest_distance, lambda a, b: table(a, b).argmin(1), "Not yet: these are the pl"),
        (
            checks.nearest_distance,
            lambda a, b: table(a, b).square().min(0).values,
            "Not yet: you looked for the nearest image of each",
        ),
        (checks.influential_flips, flipped, "Correct."),
        (
            checks.influential_flips,
            lambda s, e, k: flipped(s, e, k, descending=False),
            "Not yet: you flipped the spins with the *smallest* effect",
        ),
        (
            checks.influential_flips,
            lambda s, e, k: s.mul_(-1),
            "Not yet: your function changed its input",
        ),
        (checks.class_clamps, clamped, "Correct."),
        (checks.class_clamps, lambda m, r, k: clamped(m, r, k, free=0.0), "Not yet: a free spin"),
        (
            checks.class_clamps,
            lambda m, r, k: clamped(m, r, k, own=False),
            "Not yet: that is the sign of the difference",
        ),
    ],
)
def test_checks_of_lesson_06_name_the_mistake(check, answer, verdict, capsys):
    check(answer)
    assert capsys.readouterr().out.startswith(verdict)


def energy_of_neighbours(h, couplings, s):
    pairs = zip(s, s[1:], couplings.values(), strict=False)
    return sum(a * b for a, b in zip(h, s, strict=True)) + sum(a * b * j for a, b, j in pairs)


def block_means_by_first_size(k, n):
    return (k[:n, :n].sum() + k[n:, n:].sum() - 2 * k[:n, n:].sum()) / n**2


@pytest.mark.parametrize(
    ("check", "answer", "verdict"),
    [
        (checks.couplers_of_each, lambda nodes, edges: 3.0, "return a list"),
        (checks.interpolate, lambda a, b, n: [a] * n, "torch.stack"),
        (
            checks.reparameterise,
            lambda m, v, noise: m + (v / 2).exp() * torch.randn(2),
            "use the `noise` that is handed in",
        ),
        (
            checks.gaussian_kl_by_hand,
            lambda m, s: (m**2 + s**2 - 1 - math.log(s**2)) / 2,
            "it is the variance already",
        ),
        (
            checks.spins_from_uniform,
            lambda x, u: torch.where(u < x, 1.0, -1.0),
            "with sigmoid(logits)",
        ),
        (checks.biased_mmd, block_means_by_first_size, "a mean of its own"),
        (checks.spin_distance, lambda dot, n: 4 * (n - dot), "n - 2 x (places that differ)"),
        (checks.ising_energy, energy_of_neighbours, "need not join neighbours"),
        (checks.probability_ratio, lambda a, b: math.exp(-a) / math.exp(-b), "subtract the energ"),
    ],
)
def test_mistakes_that_learners_made(check, answer, verdict, capsys):
    check(answer)
    assert verdict in capsys.readouterr().out


def pattern_of(text):
    return lambda name: re.match(text, name) is not None


@pytest.mark.parametrize(
    ("check", "answer", "verdict"),
    [
        (checks.steps_of_a_run, lambda n, b, e: n // b * e, "Correct."),
        (checks.steps_of_a_run, lambda n, b, e: n * e // b, "Not yet: for 90 images"),
        (checks.steps_of_a_run, lambda n, b, e: -(-n // b) * e, "Not yet: for 60,000 images"),
        (checks.safe_name, pattern_of(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z"), "Correct."),
        (checks.safe_name, pattern_of(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"), "Not yet: 'good"),
        (checks.safe_name, lambda name: "/" not in name, "Not yet: 'a\\\\b' passes"),
        (checks.safe_name, str.isalpha, "Not yet: 'first-try' is harmless"),
        (checks.time_left, lambda d, t, f, s: (t - d) * s / (d - f), "Correct."),
        (checks.time_left, lambda d, t, f, s: (t - d) * s / d, "Not yet: a resumed run is too"),
        (checks.time_left, lambda d, t, f, s: t * s / (d - f), "Not yet: that is the time of the"),
    ],
)
def test_checks_of_lesson_08_name_the_mistake(check, answer, verdict, capsys):
    check(answer)
    assert capsys.readouterr().out.startswith(verdict)
