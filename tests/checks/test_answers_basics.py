"""Answers to the exercises of lessons 00 and 01 as learners write them, right and wrong."""

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


def by_place(nodes, edges):
    count = [0] * len(nodes)
    for u, v in edges:
        count[u] += 1
        count[v] += 1
    return count


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

START += [
    ("spin_of_bit", lambda bit: [2 * bit - 1], "one number is asked for, yours is a list"),
    ("flip", lambda s, w: s.index_copy(0, torch.tensor([0, 5]), -s[[0, 5]]), "no such place"),
    ("couplers_of_each", by_place, "no such place"),
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
    ("reparameterise", lambda m, v, e: m + math.exp(v / 2) * e, "torch has such functions"),
    ("gaussian_kl_by_hand", kl, "Correct."),
    ("gaussian_kl_by_hand", lambda m, v: (kl(m, v),), "yours is a tuple"),
    ("gaussian_kl_by_hand", lambda m, v: 2 * kl(m, v), "the half is"),
    ("gaussian_kl_by_hand", lambda m, v: kl(m, v, minus=0), "-1 is missing"),
    ("gaussian_kl_by_hand", lambda m, v: kl(m, v, sign=1), "logarithm"),
    ("gaussian_kl_by_hand", lambda m, s: kl(m, s**2), "it is the variance already"),
]


@pytest.mark.parametrize(("check", "answer", "said"), START + AUTOENCODERS)
def test_answers(check, answer, said, verdict):
    assert said in verdict(check, answer)
