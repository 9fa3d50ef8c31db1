"""Answers to the exercises of lesson 01 that are new in the second edition."""

import pytest
import torch
import torch.nn.functional as F


def loop(guess, images):
    total = 0.0
    for g, x in zip(guess.flatten(1), images.flatten(1), strict=True):
        total += sum(-a * b.log() - (1 - a) * (1 - b).log() for a, b in zip(x, g, strict=True))
    return total / len(images)


def noisy(codes, n, size=0.1):
    chosen = codes[torch.randint(len(codes), (n,))]
    return chosen + size * codes.std(0) * torch.randn_like(chosen)


def mixture(codes, n):
    means = torch.stack([codes[codes[:, 0] > 0].mean(0), codes[codes[:, 0] < 0].mean(0)])
    which = (torch.rand(n) > (codes[:, 0] > 0).float().mean()).long()
    return means[which] + torch.randn(n, codes.shape[1])


def gaussian(codes, n):
    return torch.distributions.MultivariateNormal(codes.mean(0), codes.T.cov()).sample((n,))


def box(codes, n):
    low, high = codes.min(0).values, codes.max(0).values
    return low + (high - low) * torch.rand(n, codes.shape[1])


def seeded(codes, n):
    torch.manual_seed(0)
    return noisy(codes, n)


def in_place(codes, n):
    codes += 0.1 * torch.randn_like(codes)
    return codes[torch.randint(len(codes), (n,))]


ANSWERS = [
    ("batch_loss", loop, "Correct."),
    ("batch_loss", lambda g, x: F.binary_cross_entropy(g, x, reduction="sum") / len(x), "Correct."),
    ("batch_loss", lambda g, x: loop(g.double(), x.double()), "Correct."),
    ("batch_loss", F.binary_cross_entropy, "a mean over pixels"),
    ("batch_loss", lambda g, x: F.binary_cross_entropy(g, x, reduction="sum"), "over all images"),
    ("batch_loss", lambda g, x: F.binary_cross_entropy(x, g, reduction="sum") / len(x), "exchange"),
    ("batch_loss", lambda g, x: -loop(g, x), "the sign is wrong"),
    ("batch_loss", lambda g, x: -(x * g.log()).flatten(1).sum(1).mean(), "paper counts"),
    ("batch_loss", lambda g, x: (g - x).square().flatten(1).sum(1).mean(), "squared errors"),
    ("batch_loss", lambda g, x: -(x * g.log()).flatten(1).sum(1), "one number is asked for"),
    ("own_draws", noisy, "Correct."),
    ("own_draws", mixture, "Correct."),
    ("own_draws", lambda c, n: noisy(c, n).double(), "Correct."),
    ("own_draws", gaussian, "empty places"),
    ("own_draws", box, "empty places"),
    ("own_draws", lambda c, n: torch.randn(n, c.shape[1]), "empty places"),
    ("own_draws", lambda c, n: c[torch.randint(len(c), (n,))], "are equal"),
    ("own_draws", lambda c, n: noisy(c[:150], n), "never reached"),
    (
        "own_draws",
        lambda c, n: torch.cat([noisy(c[:150], n // 2), noisy(c[150:], n - n // 2)]),
        "50",
    ),
    ("own_draws", lambda c, n: noisy(c, n).T, "one code per row"),
    ("own_draws", lambda c, n: noisy(c, 10), "is asked for"),
    ("own_draws", lambda c, n: noisy(c, n).tolist(), "a list"),
    ("own_draws", seeded, "without a fixed seed"),
    ("own_draws", in_place, "work on a copy"),
    ("own_draws", lambda c, n: noisy(c, n) / 0, "not finite"),
    ("own_draws", "noisy", "its name"),
]


@pytest.mark.parametrize(("check", "answer", "said"), ANSWERS)
def test_an_answer_gets_its_verdict(verdict, check, answer, said):
    torch.manual_seed(0)
    assert said in verdict(check, answer)


def test_a_right_way_to_draw_is_accepted_whatever_chance_does(verdict):
    for seed in range(200):
        torch.manual_seed(seed)
        assert verdict("own_draws", noisy) == "Correct.\n"
