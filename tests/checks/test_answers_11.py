"""Answers to the exercises of lesson 11 as learners write them, right and wrong."""

import pytest
import torch

from qdvae_helpers import checks


def loops(a, b):
    n = a.shape[1]
    return torch.stack([sum(x[i] * y[i] for i in range(n)) / n for x, y in zip(a, b, strict=True)])


def one_by_one(beta_1, energy_1, beta_2, energy_2):
    exponent = -beta_1 * energy_2 - beta_2 * energy_1 + beta_1 * energy_1 + beta_2 * energy_2
    return torch.minimum(torch.exp(exponent), torch.ones_like(exponent))


def by_levels(H, beta):
    w, v = torch.linalg.eigh(H)
    return v.square() @ torch.softmax(-beta * w, 0)


def with_exp(H, beta):
    weights = torch.exp(-beta * H).diagonal()
    return weights / weights.sum()


def rows_and_columns(draw, h, J, g):
    return draw(h * g, g[:, None] * J * g) * g


def columns_only(draw, h, J, g):
    return draw(h * g, J * g) * g


def by_hand(device, rivals):
    best = min(rivals, key=lambda row: float(row.mean()))
    d = best - device
    return float(d.mean()) / float((d.var() / len(d)).sqrt())


def unpaired(device, rivals):
    best = rivals[rivals.mean(1).argmin()]
    error = (best.var() / len(best) + device.var() / len(device)).sqrt()
    return (best.mean() - device.mean()) / error


def best_of_each(device, rivals):
    d = rivals.min(0).values - device
    return d.mean() / d.std() * len(d) ** 0.5


ANSWERS = [
    ("overlaps", loops, "Correct."),
    ("overlaps", lambda a, b: torch.einsum("mi,mi->m", a, b) / a.shape[1], "Correct."),
    ("overlaps", lambda a, b: (a @ b.T).diagonal() / a.shape[-1], "Correct."),
    ("overlaps", lambda a, b: 1 - 2 * (a != b).double().mean(1), "Correct."),
    ("overlaps", lambda a, b: (a * b).sum(1), "divide by the number of spins"),
    ("overlaps", lambda a, b: (a * b).mean(1).abs(), "leave the sign"),
    ("overlaps", lambda a, b: (a == b).float().mean(1), "share of equal spins"),
    ("overlaps", lambda a, b: (a * b).mean(0), "one number per pair of strings"),
    ("overlaps", lambda a, b: (a * b).mean(), "one number per pair of strings"),
    ("overlaps", lambda a, b: a @ b.T / a.shape[1], "one number per pair of strings"),
    ("overlaps", lambda a, b: ..., "there is no answer yet"),
    ("exchange_probability", one_by_one, "Correct."),
    (
        "exchange_probability",
        lambda a, e, b, f: ((a - b) * (e - f)).exp(),
        "a probability is at most 1",
    ),
    (
        "exchange_probability",
        lambda a, e, b, f: ((b - a) * (e - f)).exp().clamp(max=1),
        "upside down",
    ),
    (
        "exchange_probability",
        lambda a, e, b, f: torch.sigmoid((a - b) * (e - f)),
        "accepts less",
    ),
    (
        "exchange_probability",
        lambda a, e, b, f: (e - f).exp().clamp(max=1),
        "the temperatures are missing",
    ),
    ("readout", by_levels, "Correct."),
    ("readout", with_exp, "exponential of the whole matrix"),
    (
        "readout",
        lambda H, beta: torch.linalg.matrix_exp(-beta * H).diagonal(),
        "divide by the trace",
    ),
    (
        "readout",
        lambda H, beta: torch.softmax(-beta * torch.linalg.eigvalsh(H), 0),
        "ask for those of the states",
    ),
    ("gauged", rows_and_columns, "Correct."),
    ("gauged", columns_only, "a coupling has two ends"),
    ("gauged", lambda draw, h, J, g: draw(g * h, J * torch.outer(g, g)), "by g again"),
    ("gauged", lambda draw, h, J, g: draw(h, J), "the gauge is not used"),
    ("gauged", lambda draw, h, J, g: g * draw(g * h, J), "the couplings are not renamed"),
    (
        "exchange_probability",
        lambda b, e, c, f: ((-b * f - c * e).exp() / (-b * e - c * f).exp()).clamp(max=1),
        "subtract first",
    ),
    ("gauged", lambda draw, h, J, g: g * draw(g * h, J * g[:, None]), "a coupling has two ends"),
    (
        "paired_verdict",
        lambda d, r: by_hand(d, r[r.median(1).values.argmin()][None]),
        "smallest *mean error*",
    ),
    ("paired_verdict", by_hand, "Correct."),
    ("paired_verdict", unpaired, "the problems are paired"),
    ("paired_verdict", best_of_each, "choose one rival for all"),
    ("paired_verdict", lambda d, r: -by_hand(d, r), "the sign is reversed"),
    ("paired_verdict", lambda d, r: by_hand(d, r[:1]), "you look at the first rival"),
]


@pytest.mark.parametrize(("check", "answer", "expected"), ANSWERS)
def test_answers_of_lesson_11(check, answer, expected, verdict):
    assert expected in verdict(check, answer)


def test_every_check_of_the_lesson_is_tried():
    assert {name for name, _, _ in ANSWERS} <= set(dir(checks))
