"""Answers to the exercises of lesson 05 as learners write them, right and wrong."""

import itertools

import numpy as np
import pytest
import torch

from qdvae_helpers.losses import encoder_entropy, kl_loss, nll_loss, reconstruction_loss

MOVED = {"reconstruction": {"encoder", "decoder"}, "MMD": {"encoder"}, "NLL": {"prior"}}
DIAGNOSIS = {"A": "frozen prior", "B": "collapse", "C": "healthy", "D": "impatient prior"}


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


PARTS = {
    "zero": "for o in {zero}: o.zero_grad()",
    "train": "model.train()",
    "eval": "model.eval()",
    "backward": "loss.backward()",
    "step": "for o in {step}: o.step()",
    "loss": "logits, relaxed, pixel_logits = {model}; strings = {chains}; loss = {loss}",
}
LOSS = "reconstruction_loss(pixel_logits, batch) + w * "
KL = "kl_loss(logits, model.grbm, strings)"
SLOPES = "(model.grbm({spins}).mean() - model.grbm(strings).mean())"


def step(order="zero loss backward step", **parts):
    """A step as a learner writes it, of parts in an order; each part may be another one."""
    own = {
        "zero": "optimisers",
        "step": "optimisers",
        "model": "model(batch, 1, chance)",
        "chains": "chains.sample()",
        "loss": LOSS + KL,
        "returned": "loss",
    } | parts
    lines = [PARTS[part].format(**own) for part in order.split()] + [f"return {own['returned']}"]
    names = {"torch": torch, "kl_loss": kl_loss, "nll_loss": nll_loss, "kept": []}
    names |= {"reconstruction_loss": reconstruction_loss}
    head = "def made(model, chains, optimisers, batch, w, chance):"
    exec("\n    ".join([head, *lines]), names)
    return names["made"]


def with_own_kl(model, chains, optimisers, batch, w, chance):
    logits, _, pixel_logits = model(batch, generator=chance)
    model.zero_grad()
    strings = chains.sample()
    price = kl()(logits, model.grbm, strings)
    wrong = torch.nn.functional.binary_cross_entropy_with_logits(
        pixel_logits[:, 0], batch, reduction="sum"
    )
    loss = w * price + wrong / len(batch)
    loss.backward()
    networks, prior = optimisers
    prior.step()
    networks.step()
    return loss.item()


def empties_the_batch(model, chains, optimisers, batch, w, chance):
    loss = step()(model, chains, optimisers, batch, w, chance)
    batch.zero_()
    return loss


STEPS = [
    (step(), "Correct."),
    (step("loss zero backward step"), "Correct."),
    (step("loss backward step zero"), "Correct."),
    (step(returned="loss.item()"), "Correct."),
    (step("train zero loss backward step"), "Correct."),
    (step("eval zero loss backward step"), "evaluation mode"),
    (with_own_kl, "Correct."),
    (step(step="optimisers[:1]"), "the prior never moves"),
    (step(step="optimisers[1:]"), "the networks never move"),
    (step("loss backward step"), "gradients pile up from step to step"),
    (step(zero="optimisers[:1]"), "the prior's gradients pile up"),
    (step(zero="optimisers[1:]"), "the networks' gradients pile up"),
    (step(zero="optimisers[:1]", step="optimisers[:1]"), "the prior never moves"),
    (step("loss backward zero step"), "nothing has moved"),
    (step("zero loss backward"), "nothing has moved"),
    (step("zero loss step"), "nothing has moved"),
    (step("step zero loss backward"), "the gradients of the step before"),
    (step("step loss backward"), "the optimisers step before `backward()`"),
    (step("loss step backward"), "between the loss and `backward()`"),
    (step(loss="reconstruction_loss(pixel_logits, batch)"), "the KL is missing"),
    (step(loss="w * " + KL), "the reconstruction is missing"),
    (step(loss=LOSS.replace("w * ", "") + KL), "the weight `w` is forgotten"),
    (step(loss=f"w * ({LOSS.replace('w * ', '')}{KL})"), "`w` multiplies the KL alone"),
    (step(loss="w * reconstruction_loss(pixel_logits, batch) + " + KL), "not the reconstruction"),
    (step(loss=LOSS.replace("+", "-") + KL), "the KL is a price"),
    (step(loss="-" + LOSS + KL), "wrong sign of the reconstruction"),
    (step(loss=f"-({LOSS}{KL})"), "optimisers go downhill"),
    (step(loss=LOSS + "nll_loss(model.grbm, relaxed[:, 0], strings)"), "as with the NLL"),
    (step(loss=LOSS + "nll_loss(model.grbm, relaxed[:, 0].sign(), strings)"), "as with the NLL"),
    (step(loss=LOSS + KL.replace("logits", "logits.detach()")), "as with the NLL"),
    (step(loss=LOSS + SLOPES.format(spins="relaxed[:, 0]")), "entropy is missing"),
    (step(loss=LOSS + SLOPES.format(spins="torch.tanh(logits / 2)")), "entropy is missing"),
    (step(loss=LOSS + KL.replace("strings", "strings.detach() * 0")), "nothing stands for log Z"),
    (step(loss=LOSS + KL.replace("strings", "relaxed[:, 0]")), "is not where it should be"),
    (step(chains="kept[0] if kept else kept.append(chains.sample()) or kept[0]"), "as it is *now*"),
    (step(chains="relaxed[:, 0].sign()"), "as it is *now*"),
    (step(chains="chains.restart(5)"), "`chains.restart` begins anew"),
    (step(chains="chains.fresh()"), "`chains.fresh` begins anew"),
    (step(chains="chains.more()"), "`chains.more` begins anew"),
    (step(chains="model.spins(logits)"), "as it is *now*"),  # the encoder's own
    (step(chains="chains.sample(sweeps=5)"), "as it is: the number of sweeps"),
    (step(chains="chains.sample() + 0 * chains.sample()"), "asked more than once"),
    (step(model="model(batch)"), "with the generator that is handed in"),
    (step(model="model(batch, 8, chance)"), "one draw per image is enough, you take 8"),
    (step("loss zero loss backward step"), "through the model once in each step"),
    (step(returned="loss, 1"), "return the loss, which is one number"),
    (step(returned="reconstruction_loss(pixel_logits, batch)"), "but the loss is"),
    (empties_the_batch, "changed the batch"),
    (lambda *args: ..., "there is no answer yet"),
    (lambda *args: step()(*args) and None, "your function returns nothing"),
    (3, "hand over the function itself"),
]

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
    ("kl_from_three_terms", lambda *args: kl()(*args).item(), "no gradient can flow"),
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


def by_the_two_nearest(rate, rates, distortions):
    a, b = (rates - rate).abs().argsort()[:2]
    slope = (distortions[b] - distortions[a]) / (rates[b] - rates[a])
    return distortions[a] + slope * (rate - rates[a])


def strictly_between(rate, rates, distortions):
    points = sorted(zip(rates.tolist(), distortions.tolist(), strict=True))
    for (x, y), (x_next, y_next) in itertools.pairwise(points):
        if x < rate < x_next:
            return y + (rate - x) / (x_next - x) * (y_next - y)


TRAINING += [
    ("distortion_at_rate", by_the_two_nearest, "may lie on one side"),
    ("distortion_at_rate", strictly_between, "returns nothing"),
]

TRAINING += [("training_step", *row) for row in STEPS]


@pytest.mark.parametrize(("check", "answer", "said"), TRAINING)
def test_answers(check, answer, said, verdict):
    assert said in verdict(check, answer)
