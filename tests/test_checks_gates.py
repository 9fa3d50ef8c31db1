"""Checks of the gate-model track: the right answer passes, typical mistakes are named."""

import math

import pytest
import torch
import torch.nn.functional as F

from qdvae_helpers import checks_gates as checks


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


def factors(z, t, s, sign=-1.0):
    real, turned = torch.cos(math.pi * s), torch.cos(math.pi * t) * torch.sin(math.pi * s)
    return sign * torch.complex(real, z * turned)


def softmax_once(z, label):
    return F.cross_entropy(z.unsqueeze(0), torch.tensor([label]))


def kron(p_one):
    result = torch.ones(1, dtype=p_one.dtype)
    for p in p_one:
        result = torch.kron(result, torch.stack([1 - p, p]))
    return result


CASES = [
    (checks.ceiling, majority, "Correct."),
    (checks.ceiling, cleaned, "Not yet: a contradictory pattern is not lost"),
    (checks.ceiling, lambda p, y: majority(p, y) * len(y), "Not yet: this is the number"),
    (checks.ceiling, lambda p, y: 1.0, "Not yet: two images with one pattern"),
    (checks.ceiling, lambda p, y: guess(p, y, min), "Not yet: take the more frequent label"),
    (checks.ceiling, lambda p, y: guess(p, y, max), "Not yet: take the more frequent label"),
    (checks.ceiling, lambda p, y: sum(y) / len(y), "Not yet: take the more frequent label"),
    (checks.ceiling, lambda p, y: 0.5, "Not yet: of the 9 images"),
    (checks.closed_form, lambda z, t, s: -(-factors(z, t, s)).prod().real, "Correct."),
    (checks.closed_form, lambda z, t, s: (-factors(z, t, s)).prod().real, "Not yet: the sign"),
    (checks.closed_form, lambda z, t, s: (-factors(z, t, s)).prod(), "Not yet: the product is"),
    (checks.closed_form, lambda z, t, s: factors(z, t, s).prod().item(), "Not yet: the product is"),
    (
        checks.closed_form,
        lambda z, t, s: -(-factors(z, 0 * t, s)).prod().real,
        "Not yet: the factor cos(pi t)",
    ),
    (
        checks.closed_form,
        lambda z, t, s: -(-factors(z, t / math.pi, s / math.pi)).prod().real,
        "Not yet: exponents are in units of pi",
    ),
    (checks.hinge, lambda y, f: (1 - y * f).relu().mean(), "Correct."),
    (checks.hinge, lambda y, f: (1 - y * f).relu(), "Not yet: one number"),
    (checks.hinge, lambda y, f: (1 - y * f).mean(), "Not yet: an answer that is more"),
    (checks.hinge, lambda y, f: (1 + y * f).relu().mean(), "Not yet: wrong sign"),
    (checks.zz_for, lambda a: a / math.pi, "Correct."),
    (checks.zz_for, lambda a: a / math.pi + 2, "Correct."),
    (checks.zz_for, lambda a: a * math.pi, "Not yet: the wrong way round"),
    (checks.zz_for, lambda a: a, "Not yet: these are the angles"),
    (checks.amplitudes, lambda x: x / x.norm(), "Correct."),
    (checks.amplitudes, lambda x: x / x.sum(), "Not yet: these add up to 1"),
    (checks.amplitudes, lambda x: x / x.max(), "Not yet: you divided by the largest"),
    (
        checks.count_read,
        lambda blocks, n: len({i for k, _, f in blocks for i in range(f, f + n[k])}),
        "Correct.",
    ),
    (
        checks.count_read,
        lambda blocks, n: sum(n[k] for k, _, _ in blocks),
        "Not yet: a parameter that two blocks read",
    ),
    (
        checks.count_read,
        lambda blocks, n: max(f + n[k] for k, _, f in blocks),
        "Not yet: this is the length",
    ),
    (checks.apply_gate, lambda s, g: (g @ s.reshape(4, 2)).reshape(2, 2, 2), "Correct."),
    (checks.apply_gate, lambda s, g: g @ s.reshape(4, 2), "Not yet: the result has the shape"),
    (
        checks.apply_gate,
        lambda s, g: (s.reshape(2, 4) @ g.T).reshape(2, 2, 2),
        "Not yet: your gate acts on the last two",
    ),
    (checks.post_loss, lambda z, k: softmax_once(z.softmax(0), k), "Correct."),
    (checks.post_loss, softmax_once, "Not yet: only one softmax"),
    (
        checks.post_loss,
        lambda z, k: softmax_once(z.softmax(0).softmax(0), k),
        "Not yet: that is one softmax too many",
    ),
    (checks.probability_of_one, lambda t: math.sin(t / 2) ** 2, "Correct."),
    (checks.probability_of_one, lambda t: math.sin(t / 2), "Not yet: this is the amplitude"),
    (checks.probability_of_one, lambda t: math.cos(t / 2) ** 2, "Not yet: this is the prob"),
    (checks.joint, kron, "Correct."),
    (checks.joint, lambda p: kron(p.flip(0)), "Not yet: qubit 0 is the fastest"),
    (checks.joint, lambda p: kron(1 - p), "Not yet: 0 and 1 are exchanged"),
    (checks.shot_error, lambda p, n: math.sqrt(p * (1 - p) / n), "Correct."),
    (checks.shot_error, lambda p, n: p * (1 - p) / n, "Not yet: this is the variance"),
    (checks.shot_error, lambda p, n: math.sqrt(p / n), "Not yet: the factor 1 - p"),
    (checks.through_chain, lambda z: z.cumprod(0), "Correct."),
    (checks.through_chain, lambda z: z.cumsum(0), "Not yet: you add"),
    (
        checks.through_chain,
        lambda z: torch.cat([z[:1], z[1:] * z[:-1]]),
        "Not yet: each CNOT acts on",
    ),
]


@pytest.mark.parametrize(("check", "answer", "verdict"), CASES)
def test_checks_of_the_gate_model_track_name_the_mistake(check, answer, verdict, capsys):
    check(answer)
    assert capsys.readouterr().out.startswith(verdict)
