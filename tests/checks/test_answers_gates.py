"""Answers to the exercises of the gate-model track as learners write them, right and wrong."""

import math

import pytest
import torch
import torch.nn.functional as F


def majority(patterns, labels):
    pairs = list(zip(patterns, labels, strict=True))
    best = {p: max(pairs.count((p, True)), pairs.count((p, False))) for p in patterns}
    return sum(best.values()) / len(labels)


def cleaned(patterns, labels):
    pairs = set(zip(patterns, labels, strict=True))
    both = {p for p in patterns if {(p, True), (p, False)} <= pairs}
    return sum(p not in both for p in patterns) / len(labels)


def guess(patterns, labels, which):
    """Each pattern is answered with the label of its first (min) or last (max) image."""
    chosen = [which(i for i, q in enumerate(patterns) if q == p) for p in patterns]
    return sum(labels[i] == y for i, y in zip(chosen, labels, strict=True)) / len(labels)


def product(z, t, s, pi=math.pi):
    factors = torch.cos(pi * s) + 1j * z * torch.cos(pi * t) * torch.sin(pi * s)
    return factors.prod()


CLASSIFIER = [
    ("ceiling", majority, "Correct."),
    ("ceiling", cleaned, "a contradictory pattern is not lost"),
    ("ceiling", lambda p, y: majority(p, y) * len(y), "this is the number"),
    ("ceiling", lambda p, y: 1.0, "two images with one pattern"),
    ("ceiling", lambda p, y: guess(p, y, min), "take the more frequent label"),
    ("ceiling", lambda p, y: guess(p, y, max), "take the more frequent label"),
    ("ceiling", lambda p, y: sum(y) / len(y), "take the more frequent label"),
    ("ceiling", lambda p, y: len(set(p)) / len(p), "the share of different patterns"),
    ("ceiling", lambda p, y: 0.55, "allow 0.667; yours gives 0.550"),
    ("closed_form", lambda z, t, s: -product(z, t, s).real, "Correct."),
    ("closed_form", lambda z, t, s: product(z, t, s).real, "the sign"),
    ("closed_form", lambda z, t, s: product(z, t, s), "the result is complex: take its real"),
    ("closed_form", lambda z, t, s: -product(z, t, s).item(), "the result is complex"),
    ("closed_form", lambda z, t, s: -product(z, 0 * t, s).real, "the factor cos(pi t)"),
    ("closed_form", lambda z, t, s: -product(z, t, s, pi=1).real, "exponents are in units of pi"),
    ("closed_form", lambda z, t, s: -product(z, s, t).real, "t and s are exchanged"),
    ("closed_form", lambda z, t, s: torch.cos(math.pi * s), "multiply all the factors"),
    ("hinge", lambda y, f: (1 - y * f).relu().mean(), "Correct."),
    ("hinge", lambda y, f: (1 - y * f).relu(), "one number"),
    ("hinge", lambda y, f: (1 - y * f).mean(), "an answer that is more"),
    ("hinge", lambda y, f: (1 + y * f).relu().mean(), "wrong sign"),
    ("zz_for", lambda a: a / math.pi, "Correct."),
    ("zz_for", lambda a: a / math.pi + 2, "Correct."),
    ("zz_for", lambda a: a / math.pi + 1, "make it exp(i phi z)"),
    ("zz_for", lambda a: a * math.pi, "the wrong way round"),
    ("zz_for", lambda a: a, "these are the angles"),
]


def in_place(pixels):
    pixels /= pixels.norm()
    return pixels


def reads(blocks, angles, more=0):
    return [i for kind, _, first in blocks for i in range(first, first + angles[kind] + more)]


def on_rows(state, matrix):
    return (matrix @ state.reshape(4, 2)).reshape(2, 2, 2)


def softmax_once(z, label):
    return F.cross_entropy(z.unsqueeze(0), torch.tensor([label]))


CONVOLUTION = [
    ("amplitudes", lambda x: x / x.norm(), "Correct."),
    ("amplitudes", lambda x: x / x.square().sum().sqrt() + 0j, "Correct."),
    ("amplitudes", in_place, "your function changed its input"),
    ("amplitudes", lambda x: 1j * x / x.norm(), "the result is complex"),
    ("amplitudes", lambda x: x / x.sum(), "these add up to 1"),
    ("amplitudes", lambda x: x / x.max(), "you divided by the largest"),
    ("amplitudes", lambda x: -x / x.norm(), "divided by its length is [0, 0.2308, 0.3077, 0.92"),
    ("count_read", lambda blocks, angles: len(set(reads(blocks, angles))), "Correct."),
    ("count_read", lambda blocks, angles: len(reads(blocks, angles)), "two blocks read"),
    ("count_read", lambda blocks, angles: max(reads(blocks, angles)) + 1, "this is the length"),
    ("count_read", lambda blocks, angles: len(set(reads(blocks, angles, -1))), "off by one"),
    ("count_read", lambda blocks, angles: len(set(reads(blocks, angles, +1))), "off by one"),
    ("count_read", lambda blocks, angles: set(reads(blocks, angles)), "return how many they are"),
    ("count_read", lambda blocks, angles: reads(blocks, angles), "return how many they are"),
    ("apply_gate", on_rows, "Correct."),
    ("apply_gate", lambda s, g: torch.einsum("ab,bc->ac", g, s.reshape(4, 2)), "the result has"),
    ("apply_gate", lambda s, g: on_rows(s, g.conj().T), "the conjugate transpose"),
    ("apply_gate", lambda s, g: on_rows(s, g.T), "the transposed matrix"),
    ("apply_gate", lambda s, g: (s.reshape(2, 4) @ g.T).reshape(2, 2, 2), "on the last two"),
    ("apply_gate", lambda s, g: s.real, "form the groups of four"),
    ("apply_gate", lambda s, g: on_rows(s, g).real, "keep their imaginary parts"),
    ("apply_gate", lambda s, g: on_rows(s, g).abs() ** 2, "these are squared sizes"),
    ("apply_gate", lambda s, g: on_rows(s, g) / on_rows(s, g).norm(), "return the product as it"),
    ("post_loss", lambda z, k: softmax_once(z.softmax(0), k), "Correct."),
    ("post_loss", softmax_once, "only one softmax"),
    ("post_loss", lambda z, k: softmax_once(z.softmax(0).softmax(0), k), "one softmax too many"),
    ("post_loss", lambda z, k: F.cross_entropy(z.softmax(0), k), "torch.tensor(...) makes a"),
]


def kron(p_one):
    result = torch.ones(1, dtype=p_one.dtype)
    for p in p_one:
        result = torch.kron(result, torch.stack([1 - p, p]))
    return result


TRANSFER = [
    ("probability_of_one", lambda t: math.sin(t / 2) ** 2, "Correct."),
    ("probability_of_one", lambda t: math.sin(t / 2), "this is the amplitude"),
    ("probability_of_one", lambda t: math.cos(t / 2) ** 2, "this is the prob"),
    ("joint", kron, "Correct."),
    ("joint", lambda p: kron(p).reshape([2] * len(p)), "Correct."),
    ("joint", lambda p: kron(p.flip(0)), "qubit 0 is the fastest"),
    ("joint", lambda p: kron(1 - p), "0 and 1 are exchanged"),
    ("joint", lambda p: 2 * kron(p), "probabilities add up to 1"),
    ("joint", lambda p: p, "a tensor of shape (8,) is asked for"),
    ("shot_error", lambda p, n: math.sqrt(p * (1 - p) / n), "Correct."),
    ("shot_error", lambda p, n: p * (1 - p) / n, "this is the variance"),
    ("shot_error", lambda p, n: math.sqrt(p / n), "the factor 1 - p"),
    ("shot_error", lambda p, n: math.sqrt(p * (1 - p) / (n - 1)), "one shot less"),
    ("shot_error", lambda p, n: 1 / math.sqrt(n), "it depends on p, too"),
    ("through_chain", lambda z: z.cumprod(0), "Correct."),
    ("through_chain", lambda z: z.cumsum(0), "you add"),
    ("through_chain", lambda z: z.cumprod(0) / z, "off by one"),
    ("through_chain", lambda z: torch.cat([z[:1], z[1:] * z[:-1]]), "each CNOT acts on"),
]


@pytest.mark.parametrize(("check", "answer", "said"), CLASSIFIER + CONVOLUTION + TRANSFER)
def test_answers(check, answer, said, verdict):
    assert said in verdict(check, answer)
