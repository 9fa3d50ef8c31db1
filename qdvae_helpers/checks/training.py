"""Checks of lesson 05: what losses move, the KL and its surgery, equal rates, diagnoses."""

import math

import torch
from torch import Tensor, tensor

from qdvae_helpers.checks.verdict import Rows, by_examples, exercise

_MOVED = {
    ("reconstruction", "encoder"): "the decoder's gradient reaches it through the relaxed spins.",
    ("reconstruction", "decoder"): "it paints the pixels that are compared.",
    ("MMD", "encoder"): "the spins are straight-through, so their gradient reaches it.",
    ("NLL", "prior"): "the energy of given spins depends on its biases and couplings.",
}
_NOT_MOVED = {
    ("reconstruction", "prior"): "the prior does not occur in the decoder's output.",
    ("MMD", "decoder"): "the MMD compares spins with spins: no pixel occurs in it.",
    ("MMD", "prior"): "the prior enters as samples, and those are plain numbers.",
    ("NLL", "encoder"): "`detach` cuts the path from the spins back to the encoder.",
    ("NLL", "decoder"): "the likelihood of spins under the prior contains no pixel.",
}


@exercise
def parts_that_move(moved: dict) -> str | None:
    """``moved[loss]``: the set of parts, of encoder, decoder and prior, that get a gradient."""
    if missing := {"reconstruction", "MMD", "NLL"} - set(moved):
        return f"there is no answer for {', '.join(sorted(missing))}."
    sets = {loss: {a} if isinstance(a, str) else set(a) for loss, a in moved.items()}
    for loss, parts in sets.items():
        if unknown := parts - {"encoder", "decoder", "prior"}:
            return f'{loss}: {sorted(unknown)} is no part: use "encoder", "decoder", "prior".'
    for (loss, part), why in _NOT_MOVED.items():
        if part in sets[loss]:
            return f"{loss} does not move the {part}: {why}"
    for (loss, part), why in _MOVED.items():
        if part not in sets[loss]:
            return f"{loss} moves the {part}, too: {why}"
    return None


class _Chain(torch.nn.Module):
    """Energy of spins in a row, whose parameters take part in the gradient."""

    def __init__(self, h: list[float], couplings: list[float]) -> None:
        super().__init__()
        self.h = torch.nn.Parameter(tensor(h))
        self.couplings = torch.nn.Parameter(tensor(couplings))

    def forward(self, s: Tensor) -> Tensor:
        return s @ self.h + (s[..., :-1] * s[..., 1:]) @ self.couplings


@by_examples(
    (
        tensor([[0.5, -1.0, 2.0], [1.5, 0.3, -0.7]], requires_grad=True),
        _Chain([0.4, -0.2, 0.7], [-0.5, 0.8]),
        tensor([[1.0, 1, -1], [1, -1, 1], [-1, 1, 1], [1, 1, 1]]),
    ),
    (
        tensor([[-1.2, 0.4], [2.5, -0.6], [0.9, 1.1]], requires_grad=True),
        _Chain([-0.9, 0.3], [1.2]),
        tensor([[1.0, -1], [1, -1], [1, 1], [-1, 1], [1, -1]]),
    ),
    form="return one number as a tensor: average every term over its rows.",
)
def kl_from_three_terms(logits: Tensor, energy: torch.nn.Module, prior_spins: Tensor) -> Rows:
    """``function(logits, energy, prior_spins)``: the KL's three terms, mean over the batch."""
    p, means = torch.sigmoid(logits), torch.tanh(logits / 2)
    per_spin = -(p * p.log() + (1 - p) * (1 - p).log())
    entropy, log_z = per_spin.sum(1).mean(), -energy(prior_spins).mean()
    fixed, rest, expected = entropy.detach(), log_z - entropy, energy(means).mean()
    flat, rounded = energy(means.detach()).mean(), energy(logits.sign()).mean()
    right, plus, whole = expected + rest, expected - entropy - log_z, energy(logits.tanh()).mean()
    yield right, "on a small example it must give {right:.4f}, yours gives {given:.4f}."
    yield right + 2 * entropy, "wrong sign of the entropy: chance makes the KL smaller."
    yield right + entropy, "the entropy is missing: all spins would fall into one valley."
    yield plus, "wrong sign of the prior's samples: log Z has the gradient of *minus* their energy."
    yield right - log_z, "nothing stands for log Z: subtract the energy of the prior's samples."
    yield rest, "the encoder's energy is missing: add that of its mean spins."
    yield -entropy, "this is the entropy alone: both energies are missing."
    yield rest - 2 * log_z - expected, "the signs of both energies are wrong: exchange them."
    yield whole + rest, "the mean spin is tanh(logit / 2), not tanh(logit)."
    yield energy(logits).mean() + rest, "the energy wants mean spins, not logits."
    yield rounded + rest, "do not round the spins: the expected energy is that of the *means*."
    yield energy(p).mean() + rest, "those are P(+1): the mean spin is tanh(logit / 2)."
    averaged = expected + log_z - per_spin.mean()
    yield averaged, "the entropy is a sum over spins; only over the batch it is averaged."
    said = "the value is right, but no gradient"
    yield right.detach(), f"{said} flows: detach nothing."
    yield flat + log_z - fixed, f"{said} reaches the logits: do not detach them."
    yield flat + rest, f"{said} flows through the mean spins: do not detach them."
    yield expected + log_z - fixed, f"{said} flows through the entropy: do not detach it."
    yield expected - entropy + log_z.detach(), f"{said} of log Z: do not detach its energy."


@by_examples(
    (
        tensor([[0.6, 0.2, 0.1, 0.1], [0.1, 0.1, 0.3, 0.5], [0.25, 0.4, 0.3, 0.05]]),
        tensor([0.4, 0.1, 0.3, 0.2]),
    ),
    (tensor([[0.7, 0.1, 0.2], [0.2, 0.5, 0.3]]), tensor([0.25, 0.25, 0.5])),
    form="return two numbers in one tensor, torch.stack([information, gap]); yours is {found}.",
)
def two_parts_of_the_kl(q: Tensor, p: Tensor) -> Rows:
    """``function(q, p)``: what strings tell of the image, and the aggregate's KL to the prior."""
    aggregate = q.mean(0)
    information = (q * (q / aggregate).log()).sum(1).mean()
    gap = (aggregate * (aggregate / p).log()).sum()
    whole = (q * (q / p).log()).sum(1).mean()
    to_prior = torch.stack([whole, gap])
    backwards = torch.stack([information, (p * (p / aggregate).log()).sum()])
    summed = torch.stack([len(q) * information, gap])
    over_all = torch.stack([information, whole])
    total = q.sum(0)
    unaveraged = torch.stack(
        [(q * (q / total).log()).sum(1).mean(), (total * (total / p).log()).sum()]
    )
    right = torch.stack([information, gap])
    yield right, "for q = {q} and p = {p} it is {right}, yours is {given}."
    yield right.flip(0), "they are exchanged: first the information, then the gap of the prior."
    yield to_prior, "the first compares each image with the *aggregate*, not with the prior."
    yield over_all, "the second is of the *aggregate*: average q over images before the logarithm."
    yield backwards, "KL(q || p) averages over q: you average over the prior."
    yield summed, "the information is a mean over images: you summed it."
    yield unaveraged, "the aggregate is the *mean* of q over the images: you summed."
    yield right / math.log(2), "this is in bits: use the natural logarithm."
    yield -right, "both signs are turned: a KL is never negative."


@by_examples(
    (6.0, tensor([2.0, 5.0, 9.0]), tensor([130.0, 121.0, 113.0])),
    (7.0, tensor([8.0, 3.0, 5.0, 1.0]), tensor([-4.0, 3.0, 1.0, 12.0])),
    (9.5, tensor([10.0, 8.0, 6.0]), tensor([90.0, 97.0, 101.0])),
    (2.5, tensor([7.0, 1.0]), tensor([50.0, 74.0])),
    (6.0, tensor([9.0, 1.0, 8.0]), tensor([10.0, 80.0, 24.0])),  # two nearest on one side
    (4.0, tensor([1.0, 4.0, 6.0]), tensor([60.0, 40.0, 30.0])),  # at a point
)
def distortion_at_rate(rate: float, rates: Tensor, distortions: Tensor) -> Rows:
    """``function(rate, rates, distortions)``: a curve's height at a rate, on straight lines."""
    order = rates.argsort()
    x, y = rates[order], distortions[order]
    k = int((x[1:-1] < rate).sum())
    share = (rate - x[k]) / (x[k + 1] - x[k])
    right = y[k] + share * (y[k + 1] - y[k])
    a, b = (rates - rate).abs().argsort()[:2]
    nearest, step = distortions[a], (distortions[b] - distortions[a]) / (rates[b] - rates[a])
    yield right, "at rate {rate} of {rates} with {distortions} it is {right:.4f}, not {given:.4f}."
    yield nearest, "that is the nearest point: go along the straight line between its neighbours."
    yield (y[k] + y[k + 1]) / 2, "weigh the two neighbours by how near they are to the rate."
    yield y[k + 1] - share * (y[k + 1] - y[k]), "the nearer neighbour counts *more*, not less."
    yield y[k], "this is the neighbour on the left: go on along the line to the rate."
    yield y[k + 1], "this is the neighbour on the right: stop on the line where the rate is."
    yield (
        y[0] + (rate - x[0]) / (x[-1] - x[0]) * (y[-1] - y[0]),
        "this is the line from the first point to the last: use the neighbours on either side.",
    )
    why = "the two nearest points may lie on one side of the rate: take one from either side."
    yield nearest + step * (rate - rates[a]), why


_DIAGNOSES = {"A": "frozen prior", "B": "collapse", "C": "healthy", "D": "impatient prior"}
_SIGNS = {
    "A": "look at how far its couplings moved: they still are where they were put.",
    "B": "look at the entropy, near its maximum of 33.3, and at the reconstruction.",
    "C": "its couplings moved as far as a healthy run's; r0 is high since they started large.",
    "D": "look at the size of the couplings, and at the entropy beside it.",
}


@exercise
def diagnoses(answers: dict) -> str | None:
    """``answers[report]``: what ails the run of that report."""
    known = sorted({*_DIAGNOSES.values(), "stretched warm-up"})
    for report, truth in _DIAGNOSES.items():
        if report not in answers:
            return f"there is no answer for {report}."
        if (answer := answers[report]) not in known:
            return f"{report}: {answer!r} is none of {', '.join(known)}."
        if answer != truth:
            return f"{report} is no case of {answer!r}: {_SIGNS[report]}"
    return None
