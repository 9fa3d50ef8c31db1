"""Checks of lesson 05: what each loss moves, the KL from its terms, moments, diagnoses."""

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
    ("NLL", "encoder"): "`detach` cuts the way from the spins back to the encoder.",
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

    def __init__(self) -> None:
        super().__init__()
        self.h = torch.nn.Parameter(tensor([0.4, -0.2, 0.7]))
        self.couplings = torch.nn.Parameter(tensor([-0.5, 0.8]))

    def forward(self, s: Tensor) -> Tensor:
        return s @ self.h + (s[:, :-1] * s[:, 1:]) @ self.couplings


@by_examples(
    (
        tensor([[0.5, -1.0, 2.0], [1.5, 0.3, -0.7]], requires_grad=True),
        _Chain(),
        tensor([[1.0, 1, -1], [1, -1, 1], [-1, 1, 1], [1, 1, 1]]),
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
    averaged = expected + log_z - per_spin.mean()
    yield averaged, "the entropy is a sum over spins; only over the batch it is averaged."
    said = "the value is right, but no gradient"
    yield right.detach(), f"{said} flows: detach nothing."
    yield flat + log_z - fixed, f"{said} reaches the logits: do not detach them."
    yield flat + rest, f"{said} flows through the mean spins: do not detach them."
    yield expected + log_z - fixed, f"{said} flows through the entropy: do not detach it."
    yield expected - entropy + log_z.detach(), f"{said} of log Z: do not detach its energy."


def _spins(seed: int, *shape: int) -> Tensor:
    return 2 * torch.randint(2, shape, generator=torch.Generator().manual_seed(seed)).float() - 1


@by_examples(
    (_spins(4, 6, 4), _spins(5, 9, 4), [(0, 1), (1, 2), (0, 3)]),
    (_spins(6, 8, 5), _spins(7, 7, 5), [(4, 0), (1, 3)]),
)
def gap_of_moments(a: Tensor, b: Tensor, pairs: list) -> Rows:
    """``function(a, b, pairs)``: RMS difference of ``<s_i s_j>`` between two samples of spins."""
    i, j = torch.tensor(pairs).T
    difference = (a[:, i] * a[:, j]).mean(0) - (b[:, i] * b[:, j]).mean(0)
    square = difference.square()
    rms, size = square.mean().sqrt(), difference.abs().mean()
    yield rms, "on a small example it must give {right:.4f}, yours gives {given:.4f}."
    yield square.mean(), "take the square root at the end: this is the mean square."
    yield size, "this is the mean of absolute differences: square, average, take the root."
    yield square.sum().sqrt(), "average the squares over the pairs: you summed them."
    for wrong in (difference.mean(), difference.mean().abs()):
        yield wrong, "differences of both signs cancel: square them before you average."
    products = a.mean(0)[i] * a.mean(0)[j] - b.mean(0)[i] * b.mean(0)[j]
    wrong = products.square().mean().sqrt()
    yield wrong, "multiply the spins of each string first, then average: or correlations are lost."


_DIAGNOSES = {"A": "frozen prior", "B": "collapse", "C": "healthy", "D": "impatient prior"}
_SIGNS = {
    "A": "look at the last column: its couplings still are what they were at the start.",
    "B": "look at the entropy, near its maximum of 33.3, and at the reconstruction.",
    "C": "compare reconstruction, dead spins and the last column with those of the other three.",
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
