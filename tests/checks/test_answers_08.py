"""What the checks of lesson 08 say to right answers, also unusual ones, and to wrong ones."""

import math

import pytest
import torch


def by_axes(a, b, spread=torch.std):
    return (a.mean(0) - b.mean(0)) ** 2, (spread(a, 0) - spread(b, 0)) ** 2


def with_a_loop(a, b):
    total = 0.0
    for k in range(a.shape[1]):
        total += (a[:, k].mean() - b[:, k].mean()).item() ** 2
        total += (a[:, k].std() - b[:, k].std()).item() ** 2
    return total


def with_numpy(a, b):
    a, b = a.numpy(), b.numpy()
    means, spreads = a.mean(0) - b.mean(0), a.std(0, ddof=1) - b.std(0, ddof=1)
    return float((means**2 + spreads**2).sum())


AXES = [
    (lambda a, b: sum(by_axes(a, b)).sum(), "Correct."),
    (with_a_loop, "Correct."),
    (with_numpy, "Correct."),
    (lambda a, b: sum(by_axes(a.double(), b.double())).sum().reshape(1), "Correct."),
    (lambda a, b: sum(by_axes(a, b)), "one by one: add them up"),
    (lambda a, b: sum(by_axes(a, b)).mean(), "the mean over the axes"),
    (lambda a, b: by_axes(a, b)[0].sum(), "only the means are compared"),
    (lambda a, b: by_axes(a, b)[1].sum(), "only the spreads are compared"),
    (lambda a, b: sum(by_axes(a, b, torch.var)).sum(), "not variances"),
    (lambda a, b: sum(by_axes(a, b)).sum().sqrt(), "this is the root"),
    (lambda a, b: (a.mean() - b.mean()) ** 2 + (a.std() - b.std()) ** 2, "thrown together"),
    (lambda a, b: ..., "there is no answer yet"),
]


def recast_noise(points):
    """Random points, given the mean and covariance of others."""
    noise = torch.randn(2 * points.shape[1] + 50, points.shape[1], dtype=points.dtype)
    noise = noise - noise.mean(0)
    ours = torch.linalg.cholesky(torch.cov(noise.T).reshape(points.shape[1], -1))
    theirs = torch.linalg.cholesky(torch.cov(points.T).reshape(points.shape[1], -1))
    return noise @ torch.linalg.inv(ours).T @ theirs.T + points.mean(0)


def mirror_in_place(points):
    points *= -1
    return points - 2 * points.mean(0)


FAKES = [
    (lambda p: 2 * p.mean(0) - p, "Correct."),
    (lambda p: -(p - p.mean(0)) + p.mean(0), "Correct."),
    (recast_noise, "Correct."),
    (lambda p: (2 * p.mean(0) - p).float(), "Correct."),
    (lambda p: torch.cat([2 * p.mean(0) - p[:1], 2 * p.mean(0) - p[1:]]), "Correct."),
    (lambda p: p.clone(), "the points themselves"),
    (lambda p: p[torch.randperm(len(p))], "the points themselves"),
    (lambda p: -p, "the mean has moved"),
    (lambda p: p.flip(0) + 1, "the mean has moved"),
    (lambda p: p.mean(0).expand_as(p), "the covariance is not"),
    (lambda p: p.mean(0) + p.std(0) * torch.randn_like(p), "the mean has moved"),
    (mirror_in_place, "changed its input"),
    (lambda p: p.tolist(), "return a tensor of points"),
    (lambda p: p.T[:, :1], "from points of shape"),
    (lambda p: ..., "there is no answer yet"),
    (lambda p: None, "returns nothing"),
    (lambda p: p @ p, "your code stopped"),
]

RECALLS = [
    ([-2.0, 20.0, 21.0], "Correct."),
    (torch.tensor([-20, 30, 31]), "Correct."),
    (torch.tensor([[9.0], [-100.0], [-101.0]]), "Correct."),
    ([-2, 100, 100], "Correct."),
    ([..., ..., ...], "replace the three `...`"),
    ([-2.0, ..., 21.0], "replace the three `...`"),
    ([-2.0, 20.0], "you give 2"),
    ([-2.0, 20.0, math.inf], "three (finite)"),
    ("abc", "three numbers are asked for"),
    ([1.4, 1.6, 4.0], "lies in the disc of the real point"),
    ([9.0, 10.0, 11.0], "Which point has a large disc?"),
    ([8.5, 40.0, 41.0], "Correct."),
    ([-1.5, -1.6, -1.7], "lies in no generated disc"),
]


def apart(a, b):
    d = a - b
    return d.mean() / d.std() * len(d) ** 0.5


PAIRS = [
    (apart, "Correct."),
    (lambda a, b: apart(a.double(), b.double()).item(), "Correct."),
    (lambda a, b: (a - b).mean() / ((a - b).var() / len(a)).sqrt(), "Correct."),
    (lambda a, b: apart(b, a), "sign is reversed"),
    (lambda a, b: abs(apart(a, b)), "the sign is lost"),
    (
        lambda a, b: (a.mean() - b.mean()) / (a.var() / len(a) + b.var() / len(b)).sqrt(),
        "as unpaired",
    ),
    (lambda a, b: (a - b).mean(), "divide it by its standard error"),
    (lambda a, b: (a - b).mean() / (a - b).std(), "spread of single pairs"),
    (lambda a, b: (a - b).mean() / (a - b).std() * len(a), "*root* of the number of pairs"),
    (lambda a, b: (a - b).mean() / (a - b).var() * len(a), "a variance is no error"),
]


def errors_of(differences, signs, **options):
    flipped = signs[:, :, None] * differences
    return flipped.mean(1) / (flipped.std(1, **options) / len(differences) ** 0.5)


def largest_in_a_loop(differences, signs):
    found = []
    for row in signs:
        flipped = row[:, None] * differences
        error = flipped.std(0) / len(differences) ** 0.5
        found.append(max(abs(float(x)) for x in flipped.mean(0) / error))
    return found


LARGEST = [
    (lambda d, s: errors_of(d, s).abs().amax(1), "Correct."),
    (lambda d, s: errors_of(d, s).abs().max(1).values, "Correct."),
    (largest_in_a_loop, "Correct."),
    (lambda d, s: errors_of(d, s).abs().max(1), "take the `.values`"),
    (lambda d, s: errors_of(d, s).amax(1), "the size counts"),
    (lambda d, s: errors_of(d, s).abs(), "of every comparison"),
    (lambda d, s: errors_of(d, s).abs().amax(), "one number for each row of signs"),
    (lambda d, s: errors_of(d, s).abs().mean(1), "the mean of the k comparisons"),
    (lambda d, s: (s[:, :, None] * d).mean(1).abs().amax(1), "divide each by its standard error"),
    (
        lambda d, s: ((s[:, :, None] * d).mean(1) / (d.std(0) / len(d) ** 0.5)).abs().amax(1),
        "after the signs are flipped",
    ),
]

ALL = {
    "frechet_by_axes": AXES,
    "fools_frechet": FAKES,
    "fools_recall": RECALLS,
    "errors_of_pairs": PAIRS,
    "largest_by_chance": LARGEST,
}


@pytest.mark.parametrize(
    ("check", "answer", "said"), [(name, *row) for name, rows in ALL.items() for row in rows]
)
def test_answers(check, answer, said, verdict):
    torch.manual_seed(0)
    assert said in verdict(check, answer)
