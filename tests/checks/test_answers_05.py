"""Answers to the exercises of lesson 05 as learners write them, right and wrong."""

import itertools

import numpy as np
import pytest
import torch

from qdvae_helpers.losses import encoder_entropy

MOVED = {"reconstruction": {"encoder", "decoder"}, "MMD": {"encoder"}, "NLL": {"prior"}}
DIAGNOSIS = {"A": "frozen prior", "B": "collapse", "C": "healthy", "D": "impatient prior"}
DEARER = {"recon": "rises", "KL": "falls", "bound": "rises", "entropy": "rises"}


def kl(of_energy=1.0, of_entropy=1.0, of_prior=1.0, cut=()):
    """The three terms of the KL, each times a number; those in ``cut`` are detached."""

    def loss(logits, energy, prior_spins):
        terms = {
            "energy": of_energy * energy(torch.tanh(logits / 2)).mean(),
            "entropy": -of_entropy * encoder_entropy(logits),
            "prior": -of_prior * energy(prior_spins).mean(),
        }
        return sum(term.detach() if name in cut else term for name, term in terms.items())

    return loss


def any_multiple_of_the_energies(logits, energy, prior_spins):
    difference = energy(torch.tanh(logits / 2)).mean() - energy(prior_spins).mean()
    return 7 * difference - encoder_entropy(logits)


def flat_means(logits, energy, prior_spins):
    means = torch.tanh(logits / 2).detach()
    return energy(means).mean() - encoder_entropy(logits) - energy(prior_spins).mean()


def flat_energy(logits, energy, prior_spins):
    means = torch.tanh(logits / 2)
    return energy(means).detach().mean() - encoder_entropy(logits) - energy(prior_spins).mean()


def kl_by_loops(logits, energy, prior_spins):
    total = 0
    for row in logits:
        for p in torch.sigmoid(row):
            total = total + p * p.log() + (1 - p) * (1 - p).log()
        total = total + energy((2 * torch.sigmoid(row) - 1).unsqueeze(0))[0]
    return total / len(logits) - sum(energy(prior_spins)) / len(prior_spins)


def parts(q, p, aggregate=None):
    aggregate = q.mean(0) if aggregate is None else aggregate
    information = (q * (q / aggregate).log()).sum(1).mean()
    return torch.stack([information, (aggregate * (aggregate / p).log()).sum()])


def parts_by_entropies(q, p):
    def entropy(row):
        return -(row * row.log()).sum()

    aggregate = sum(q) / len(q)
    of_rows = sum(entropy(row) for row in q) / len(q)
    gap = -entropy(aggregate) - (aggregate * p.log()).sum()
    return torch.stack([entropy(aggregate) - of_rows, gap])


def parts_by_difference(q, p):
    whole = (q * (q / p).log()).sum(1).mean()
    gap = parts(q, p)[1]
    return torch.tensor([float(whole - gap), float(gap)], dtype=torch.float64)


def by_numpy(rate, rates, distortions):
    order = np.argsort(rates.numpy())
    return np.interp(rate, rates.numpy()[order], distortions.numpy()[order])


def by_loop(rate, rates, distortions):
    points = sorted(zip(rates.tolist(), distortions.tolist(), strict=True))
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if x0 <= rate <= x1:
            return y0 + (rate - x0) / (x1 - x0) * (y1 - y0)


def unsorted(rate, rates, distortions):
    return np.interp(rate, rates.numpy(), distortions.numpy())


def nearest(rate, rates, distortions):
    return distortions[(rates - rate).abs().argmin()]


TRAINING = [
    ("parts_that_move", MOVED, "Correct."),
    ("parts_that_move", MOVED | {"MMD": "encoder"}, "Correct."),
    ("parts_that_move", MOVED | {"NLL": ["prior"]}, "Correct."),
    ("parts_that_move", MOVED | {"MMD": ...}, "there is no answer yet"),
    ("parts_that_move", {"MMD": {"encoder"}}, "there is no answer for NLL, reconstruction"),
    ("parts_that_move", MOVED | {"NLL": {"latent"}}, "['latent'] is no part"),
    (
        "parts_that_move",
        MOVED | {"MMD": {"encoder", "prior"}},
        "MMD does not move the prior: the prior enters as samples",
    ),
    (
        "parts_that_move",
        MOVED | {"reconstruction": "decoder"},
        "reconstruction moves the encoder, too",
    ),
    ("kl_from_three_terms", kl(), "Correct."),
    ("kl_from_three_terms", kl_by_loops, "Correct."),
    ("kl_from_three_terms", kl(of_entropy=0), "the entropy is missing"),
    ("kl_from_three_terms", kl(of_prior=0), "nothing stands for log Z"),
    ("kl_from_three_terms", kl(of_energy=0), "the encoder's energy is missing"),
    ("kl_from_three_terms", kl(of_energy=0, of_prior=0), "this is the entropy alone"),
    ("kl_from_three_terms", kl(of_energy=-1, of_prior=-1), "the signs of both energies"),
    ("kl_from_three_terms", kl(of_energy=2, of_prior=2), "on a small example"),
    ("kl_from_three_terms", any_multiple_of_the_energies, "on a small example"),
    ("kl_from_three_terms", lambda x, *rest: kl()(x.detach(), *rest), "no gradient reaches"),
    ("kl_from_three_terms", lambda *args: kl()(*args).detach(), "no gradient flows"),
    ("kl_from_three_terms", flat_means, "no gradient flows through the mean spins"),
    ("kl_from_three_terms", flat_energy, "its gradient is not"),
    ("kl_from_three_terms", kl(cut=["entropy"]), "no gradient flows through the entropy"),
    ("kl_from_three_terms", kl(cut=["prior"]), "no gradient of log Z"),
    ("kl_from_three_terms", kl(cut=["energy"]), "its gradient is not"),
    ("kl_from_three_terms", lambda *args: kl()(*args).item(), "return one number as a tensor"),
    ("dearer_code", DEARER, "Correct."),
    ("dearer_code", DEARER | {"KL": ...}, "there is no answer yet"),
    ("dearer_code", {"recon": "rises"}, "there is no answer for KL"),
    ("dearer_code", DEARER | {"bound": "up"}, "bound: 'up' is neither"),
    ("dearer_code", DEARER | {"bound": "falls"}, "bound rises: it is what weight 1 minimises"),
    ("dearer_code", DEARER | {"entropy": "falls"}, "entropy rises: chance is cheap"),
    ("two_parts_of_the_kl", parts, "Correct."),
    ("two_parts_of_the_kl", parts_by_entropies, "Correct."),
    ("two_parts_of_the_kl", parts_by_difference, "Correct."),
    ("two_parts_of_the_kl", lambda q, p: parts(q, p).tolist(), "Correct."),
    ("two_parts_of_the_kl", lambda q, p: tuple(parts(q, p)), "Correct."),
    ("two_parts_of_the_kl", lambda q, p: parts(q, p).flip(0), "they are exchanged"),
    ("two_parts_of_the_kl", lambda q, p: parts(q, p)[0], "return two numbers in one tensor"),
    ("two_parts_of_the_kl", lambda q, p: parts(q, p) / torch.tensor(2.0).log(), "in bits"),
    ("two_parts_of_the_kl", lambda q, p: parts(q, p, q.sum(0)), "the aggregate is the *mean*"),
    (
        "two_parts_of_the_kl",
        lambda q, p: torch.stack([(q * (q / p).log()).sum(1).mean(), parts(q, p)[1]]),
        "compares each image with the *aggregate*",
    ),
    ("distortion_at_rate", by_numpy, "Correct."),
    ("distortion_at_rate", by_loop, "Correct."),
    ("distortion_at_rate", nearest, "that is the nearest point"),
    ("distortion_at_rate", unsorted, "at rate"),
    ("distortion_at_rate", lambda rate, x, y: by_numpy(rate, y, x), "at rate"),
    ("distortion_at_rate", lambda rate, x, y: y.mean(), "at rate"),
    ("diagnoses", DIAGNOSIS, "Correct."),
    ("diagnoses", DIAGNOSIS | {"C": ...}, "there is no answer yet"),
    ("diagnoses", {"A": "frozen prior"}, "there is no answer for B"),
    ("diagnoses", DIAGNOSIS | {"D": "tired"}, "D: 'tired' is none of"),
    (
        "diagnoses",
        DIAGNOSIS | {"A": "healthy"},
        "A is no case of 'healthy': look at how far its couplings moved",
    ),
    (
        "diagnoses",
        DIAGNOSIS | {"C": "frozen prior"},
        "C is no case of 'frozen prior': its couplings moved",
    ),
]


@pytest.mark.parametrize(("check", "answer", "said"), TRAINING)
def test_answers(check, answer, said, verdict):
    assert said in verdict(check, answer)
