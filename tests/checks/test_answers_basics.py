"""Answers to the exercises of lessons 00, 01, 03 and 04 as learners write them, right and wrong."""

import itertools
import math

import pytest
import torch


def flip_in_place(spins, which):
    spins[which] *= -1
    return spins


def set_to_minus(spins, which):
    answer = spins.clone()
    answer[which] = -1.0
    return answer


def both_ends(nodes, edges):
    return [sum(node in edge for edge in edges) for node in nodes]


def counted(nodes, edges):
    count = dict.fromkeys(nodes, 0)
    for u, v in edges:
        count[u] += 1
        count[v] += 1
    return count


START = [
    ("spin_of_bit", lambda bit: 2 * bit - 1, "Correct."),
    ("spin_of_bit", lambda bit: 1 if bit else -1, "Correct."),
    ("spin_of_bit", lambda bit: bit, "this is still the bit"),
    ("spin_of_bit", lambda bit: 1 - 2 * bit, "the wrong way round"),
    ("spin_of_bit", lambda bit: 2 * bit, "0 must become -1"),
    ("eight_digits", torch.rand(8, 1, 28, 28), "Correct."),
    ("eight_digits", torch.rand(4, 1, 28, 28), "eight digits are asked for"),
    ("eight_digits", torch.ones(8, 256), "this looks like spins"),
    ("eight_digits", torch.rand(8, 28, 28), "images have shape (8, 1, 28, 28)"),
    ("eight_digits", torch.zeros(8, 1, 28, 28), "some of them are equal"),
    ("eight_digits", torch.randn(8, 1, 28, 28), "brightness lies"),
    ("eight_digits", torch.full((8, 1, 28, 28), torch.nan), "brightness lies"),
    ("eight_digits", [1, 2], "a tensor of images is asked for, this is a list"),
    ("eight_digits", lambda n: torch.rand(n), "a tensor of images is asked for, this is a func"),
    ("flip", lambda spins, which: flip_in_place(spins.clone(), which), "Correct."),
    ("flip", flip_in_place, "your function changed its input"),
    ("flip", set_to_minus, "you set them to -1"),
    ("flip", lambda spins, which: -spins, "all spins have changed"),
    ("flip", lambda spins, which: -spins[which], "return all five"),
    ("flip", lambda spins, which: spins, "nothing has changed"),
    ("couplers_of_each", both_ends, "Correct."),
    ("couplers_of_each", lambda nodes, edges: counted(nodes, edges).values(), "Correct."),
    ("couplers_of_each", lambda nodes, edges: counted(nodes, edges), "return a list"),
    ("couplers_of_each", lambda nodes, edges: 3.0, "return a list"),
    (
        "couplers_of_each",
        lambda nodes, edges: [sum(node == u for u, _ in edges) for node in nodes],
        "you count one end",
    ),
    (
        "couplers_of_each",
        lambda nodes, edges: [count for count in both_ends(nodes, edges) if count],
        "qubit 41 is missing",
    ),
    (
        "couplers_of_each",
        lambda nodes, edges: both_ends(sorted(nodes), edges),
        "these are the right numbers in another order",
    ),
]


def parameters(widths, bias):
    return sum(a * b + (a, b, 0)[bias] for a, b in itertools.pairwise(widths))


def line(a, b, weights):
    return torch.stack([(1 - t) * a + t * b for t in weights])


def kl(m, v, minus=1.0, sign=-1):
    return (m * m + v - minus + sign * math.log(v)) / 2


AUTOENCODERS = [
    ("count_parameters", lambda w: parameters(w, bias=1), "Correct."),
    ("count_parameters", lambda w: parameters(w, bias=2), "add the biases"),
    ("count_parameters", lambda w: parameters(w, bias=0), "not of its inputs"),
    ("interpolate", lambda a, b, n: line(a, b, torch.linspace(0, 1, n)), "Correct."),
    ("interpolate", lambda a, b, n: line(b, a, torch.linspace(0, 1, n)), "from b to a"),
    ("interpolate", lambda a, b, n: line(a, b, torch.arange(n) / n), "n - 1 steps"),
    ("interpolate", lambda a, b, n: line(a, b, torch.linspace(0, 1, n)).T, "shape (5, 2)"),
    ("interpolate", lambda a, b, n: line(a, b, torch.linspace(0, 1, n) ** 2), "not equally"),
    ("interpolate", lambda a, b, n: line(a, b, 1 - torch.arange(n) / n), "yours is [4, -10]"),
    ("interpolate", lambda a, b, n: [a] * n, "torch.stack"),
    ("reparameterise", lambda m, v, e: m + (v / 2).exp() * e, "Correct."),
    ("reparameterise", lambda m, v, e: torch.addcmul(m, v.exp().sqrt(), e), "Correct."),
    ("reparameterise", lambda m, v, e: m + v.exp() * e, "exp(log_variance / 2)"),
    ("reparameterise", lambda m, v, e: m + v * e, "is a logarithm"),
    ("reparameterise", lambda m, v, e: (m + (v / 2).exp() * e).detach(), "no gradient"),
    ("reparameterise", lambda m, v, e: m + (v.detach() / 2).exp() * e, "its gradient is not"),
    ("reparameterise", lambda m, v, e: m + (v / 2).exp() * torch.randn(2), "differently each"),
    ("gaussian_kl_by_hand", kl, "Correct."),
    ("gaussian_kl_by_hand", lambda m, v: 2 * kl(m, v), "the half is"),
    ("gaussian_kl_by_hand", lambda m, v: kl(m, v, minus=0), "-1 is missing"),
    ("gaussian_kl_by_hand", lambda m, v: kl(m, v, sign=1), "logarithm"),
    ("gaussian_kl_by_hand", lambda m, s: kl(m, s**2), "it is the variance already"),
]


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


MMD = [
    ("biased_mmd", means, "Correct."),
    ("biased_mmd", lambda k, n: means(k, n, between=-1), "between x and y counts twice"),
    ("biased_mmd", sums, "take means"),
    ("biased_mmd", lambda k, n: sums(k, n) / n**2, "a mean of its own"),
    ("biased_mmd", lambda k, n: means(k, 3), "for 6 of 8 points"),
    ("unbiased_mmd", off_diagonal, "Correct."),
    ("unbiased_mmd", means, "the diagonals are still in: this is the biased"),
    ("unbiased_mmd", lambda k, n: off_diagonal(k, n, lambda n: n * n), "the diagonals are gone"),
    (
        "unbiased_mmd",
        lambda k, n: off_diagonal(k, n, lambda n: n * (n - 1) / 2),
        "a block holds each pair twice",
    ),
    ("unbiased_mmd", lambda k, n: off_diagonal(k, n).clamp(min=0), "it may be negative"),
    ("unbiased_mmd", lambda k, n: off_diagonal(k, n).abs(), "it may be negative"),
    ("p_value", lambda o, v: (1 + (v >= o).sum()) / (1 + len(v)), "Correct."),
    ("p_value", lambda o, v: (1 + sum(x >= o for x in v.tolist())) / (1 + len(v)), "Correct."),
    ("p_value", lambda o, v: (v >= o).float().mean(), "count the observed"),
    ("p_value", lambda o, v: (1 + (v.abs() >= abs(o)).sum()) / (1 + len(v)), "may be negative"),
    ("p_value", lambda o, v: (1 + (v > o).sum()) / (1 + len(v)), "an equal value counts"),
    ("p_value", lambda o, v: (1 + (v >= o).sum()) / 10, "the number of splits is len(shuffled)"),
    ("spin_distance", lambda dot, n: 2 * (n - dot), "Correct."),
    ("spin_distance", lambda dot, n: (n - dot) / 2, "this is the Hamming"),
    ("spin_distance", lambda dot, n: 2 * (n + dot), "wrong sign"),
    ("spin_distance", lambda dot, n: 4 * (n - dot), "n - 2 x (places that differ)"),
    ("spin_distance", lambda dot, n: 2 * (n - abs(dot)), "no `abs`"),
    ("spin_distance", lambda dot, n: 14 - 2 * dot, "n = 10, dot = -4: it must give 28"),
]


def energy(h, J, s):
    biases = sum(hi * si for hi, si in zip(h, s, strict=True))
    return biases + sum(j * s[u] * s[v] for (u, v), j in J.items())


def energy_of_neighbours(h, J, s):
    pairs = zip(s, s[1:], J.values(), strict=False)
    return sum(a * b for a, b in zip(h, s, strict=True)) + sum(a * b * j for a, b, j in pairs)


def moment(s, i, j):
    return (s[:, i] * s[:, j]).mean()


def gradient(data, model, i, j):
    return moment(data, i, j) - moment(model, i, j)


def covariance(s, i, j):
    return moment(s, i, j) - s[:, i].mean() * s[:, j].mean()


def p_up(h, J, s):
    return torch.sigmoid(-2 * (h + (J * s).sum()))


BOLTZMANN = [
    ("ising_energy", energy, "Correct."),
    ("ising_energy", lambda h, J, s: -energy(h, J, s), "sign is reversed"),
    ("ising_energy", lambda h, J, s: energy(h, {}, s), "only the biases"),
    ("ising_energy", lambda h, J, s: energy([0] * len(s), J, s), "only the couplers"),
    ("ising_energy", lambda h, J, s: 2 * energy(h, J, s) - energy(h, {}, s), "counted twice"),
    ("ising_energy", energy_of_neighbours, "need not join neighbours"),
    ("probability_ratio", lambda a, b: math.exp(b - a), "Correct."),
    ("probability_ratio", lambda a, b: math.exp(a - b), "upside down"),
    ("probability_ratio", lambda a, b: b - a, "difference of the energies"),
    ("probability_ratio", lambda a, b: 1.0, "for energies -1 and 1 it is 7.389, you return 1.000"),
    (
        "probability_ratio",
        lambda a, b: torch.tensor(-a).exp() / torch.tensor(-b).exp(),
        "large energies",
    ),
    ("probability_ratio", lambda a, b: math.exp(-a) / math.exp(-b), "subtract the energies"),
    ("coupling_gradient", gradient, "Correct."),
    ("coupling_gradient", lambda d, m, i, j: gradient(m, d, i, j), "sign is reversed"),
    (
        "coupling_gradient",
        lambda d, m, i, j: len(d) * moment(d, i, j) - len(m) * moment(m, i, j),
        "take means",
    ),
    (
        "coupling_gradient",
        lambda d, m, i, j: d[:, i].mean() * d[:, j].mean() - m[:, i].mean() * m[:, j].mean(),
        "products of means",
    ),
    (
        "coupling_gradient",
        lambda d, m, i, j: covariance(d, i, j) - covariance(m, i, j),
        "these are covariances",
    ),
    ("coupling_gradient", lambda d, m, i, j: d[:, i] * d[:, j], "take the mean over"),
    ("coupling_gradient", lambda d, m, i, j: gradient(d, m, 0, 1), "`i` and `j` say which"),
    ("coupling_gradient", lambda d, m, i, j: gradient(d, m, i, (i + 1) % 4), "need not follow"),
    ("coupling_gradient", lambda d, m, i, j: gradient(d[:4], m[:4], i, j), "may differ in size"),
    (
        "coupling_gradient",
        lambda d, m, i, j: (d[:, i] * d[:, j] - m[:, i] * m[:, j]).mean(),
        "may differ in size",
    ),
    ("conditional_probability", p_up, "Correct."),
    ("conditional_probability", lambda h, J, s: torch.sigmoid(-2 * (h + J * s)), "the sum over"),
    ("conditional_probability", lambda h, J, s: 1 - p_up(h, J, s), "sign is reversed"),
    ("conditional_probability", lambda h, J, s: p_up(h / 2, J / 2, s), "factor 2"),
    ("conditional_probability", lambda h, J, s: p_up(h, 0 * J, s), "neighbours are missing"),
    ("conditional_probability", lambda h, J, s: p_up(0, J, s), "bias h is missing"),
    ("conditional_probability", lambda h, J, s: p_up(h, J, s.abs()), "a neighbour may be -1"),
    ("conditional_probability", lambda h, J, s: p_up(abs(h), J, s), "for h=-0.4"),
]


@pytest.mark.parametrize(("check", "answer", "said"), START + AUTOENCODERS + MMD + BOLTZMANN)
def test_answers(check, answer, said, verdict):
    assert said in verdict(check, answer)
