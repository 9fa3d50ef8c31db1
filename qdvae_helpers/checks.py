"""Checks of the exercises: each says in words what is wrong with an answer, and never raises.

A check is a function from the learner's answer to what is wrong with it, or ``None``; the decorator
:func:`exercise` prints the verdict.  One section a lesson, in the order of the exercises.
"""

import functools
from collections.abc import Callable

import torch

_EMPTY = "there is no answer yet: replace the `...` in the cell above, run it, then this one again."


def exercise(check: Callable[..., str | None]) -> Callable[..., None]:
    """Print ``Correct`` or ``Not yet`` and why, whatever the learner's code does.

    An answer that is ``None`` or ``...``, and a function that returns one of these, count as empty.
    """

    @functools.wraps(check)
    def verdict(*answers) -> None:
        try:
            empty = any(answer is None or answer is ... for answer in answers)
            problem = _EMPTY if empty else check(*map(_watched, answers))
        except _EmptyAnswerError:
            problem = _EMPTY
        except Exception as error:  # the learner's code may raise anything
            problem = f"your code stopped with {type(error).__name__}: {error}"
        print("Correct." if problem is None else f"Not yet: {problem}")

    return verdict


class _EmptyAnswerError(Exception):
    """The learner's function still is the stub."""


def _watched(answer):
    """A function that says so when the learner's function returns nothing; values as they are."""
    if not callable(answer):
        return answer

    @functools.wraps(answer)
    def call(*args, **kwargs):
        if (result := answer(*args, **kwargs)) is None or result is ...:
            raise _EmptyAnswerError
        return result

    return call


# 01_classical_autoencoders -------------------------------------------------------------------


# 02_spin_latent_space ------------------------------------------------------------------------


# 03_mmd_kernels ------------------------------------------------------------------------------


def _example_gram() -> torch.Tensor:
    """RBF Gram matrix of 3 + 5 points, so that no two blocks have one size."""
    points = torch.tensor([0.0, 0.3, 1.0, 1.2, 2.0, 2.1, 3.0, 3.5])
    return torch.exp(-((points[:, None] - points[None, :]) ** 2))


def _close(value, truth: float) -> bool:
    return abs(float(value) - truth) < 1e-4


@exercise
def check_biased_mmd(function) -> str | None:
    """``function(gram, n)``: squared MMD from the means of whole blocks."""
    gram = _example_gram()
    value = function(gram, 3)
    xx, yy, xy = (block.mean().item() for block in (gram[:3, :3], gram[3:, 3:], gram[:3, 3:]))
    if _close(value, xx + yy - 2 * xy):
        return None
    if _close(value, xx + yy + 2 * xy):
        return "the block between x and y needs a minus: similarity makes the distance smaller."
    if _close(value, xx + yy - xy):
        return "the block between x and y counts twice, since it occurs as (x, y) and as (y, x)."
    sums = [block.sum().item() for block in (gram[:3, :3], gram[3:, 3:], gram[:3, 3:])]
    if _close(value, sums[0] + sums[1] - 2 * sums[2]):
        return "take means of the blocks, not sums: the samples may have different sizes."
    off = [(sums[0] - 3) / 6, (sums[1] - 5) / 20]
    if _close(value, sum(off) - 2 * xy):
        return "this is the unbiased estimate (exercise 2): here the diagonals stay in."
    return f"for 3 + 5 points it must give {xx + yy - 2 * xy:.4f}, yours gives {float(value):.4f}."


@exercise
def check_unbiased_mmd(function) -> str | None:
    """``function(gram, n)``: squared MMD without the diagonals of the blocks xx and yy."""
    gram = _example_gram()
    value = function(gram, 3)
    xx, yy = gram[:3, :3].sum().item(), gram[3:, 3:].sum().item()
    xy = gram[:3, 3:].mean().item()
    truth = (xx - 3) / 6 + (yy - 5) / 20 - 2 * xy
    if _close(value, truth):
        return None
    if _close(value, xx / 9 + yy / 25 - 2 * xy):
        return "the diagonals are still in: this is the biased estimate."
    if _close(value, (xx - 3) / 9 + (yy - 5) / 25 - 2 * xy):
        return "the diagonals are gone, but you still divide by n * n: n * (n - 1) pairs are left."
    if _close(value, xx / 6 + yy / 20 - 2 * xy):
        return "you divide by n * (n - 1), but the diagonals are still in the sums."
    cut = (gram[:3, 3:].sum().item() - gram[:3, 3:].trace().item()) / 12
    if _close(value, (xx - 3) / 6 + (yy - 5) / 20 - 2 * cut):
        return "leave the block between x and y whole: no point meets itself there."
    return f"for 3 + 5 points it must give {truth:.4f}, yours gives {float(value):.4f}."


@exercise
def check_p_value(function) -> str | None:
    """``function(observed, shuffled)``: permutation p-value that counts the observed split."""
    shuffled = torch.tensor([0.1, 0.5, 0.3, 0.7, 0.2, 0.4, 0.9, 0.6, 0.8])
    value = float(function(0.65, shuffled))
    if _close(value, 3 / 9):
        return "count the observed split along: add 1 above and below, so that p is never 0."
    if _close(value, 3 / 10):
        return "you added 1 to the number of splits, but not to the count."
    if _close(value, 7 / 10):
        return "you counted the smaller values: count those at least as large as the observed one."
    if not _close(value, 4 / 10):
        return f"with 3 of 9 shuffled values above the observed one p is 0.4, yours is {value:.3f}."
    if not _close(function(0.5, torch.full((9,), 0.5)), 1.0):
        return "an equal value counts, too: use `>=`, not `>`."
    return None


@exercise
def check_spin_distance(function) -> str | None:
    """``function(dot, n)``: squared distance of two strings of n spins from their dot product."""
    s = torch.tensor([1.0, -1.0, 1.0, 1.0, -1.0, -1.0, 1.0])
    t = torch.tensor([1.0, 1.0, 1.0, -1.0, -1.0, 1.0, 1.0])
    dot, truth = float(s @ t), float((s - t).square().sum())
    value = function(dot, 7)
    if _close(value, truth):
        return None
    if _close(value, truth / 4):
        return "this is the Hamming distance: each place that differs counts 4."
    if _close(value, truth**0.5):
        return "this is the distance, not its square."
    if _close(value, 2 * 7 + 2 * dot):
        return "wrong sign of the dot product: equal strings (dot = n) have distance 0."
    if _close(value, 7 - dot) or _close(value, 7 - 2 * dot):
        return "both strings contribute their squared length n, and the dot product counts twice."
    return f"7 spins of which 3 differ: it must give {truth:.0f}, yours gives {float(value):.3f}."


# 04_grbm_on_a_qpu_subgraph -------------------------------------------------------------------


# 05_training_the_qdvae -----------------------------------------------------------------------


_MOVED = {
    "reconstruction": {"encoder", "decoder"},
    "MMD": {"encoder"},
    "NLL": {"prior"},
}
_WHY_NOT = {
    ("reconstruction", "prior"): "the prior does not occur in the decoder's output.",
    ("MMD", "decoder"): "the MMD compares spins with spins: no pixel occurs in it.",
    ("MMD", "prior"): "the prior enters as samples, and those are plain numbers.",
    ("NLL", "encoder"): "`detach` cuts the way from the spins back to the encoder.",
    ("NLL", "decoder"): "the likelihood of spins under the prior contains no pixel.",
}
_WHY = {
    ("reconstruction", "encoder"): "the decoder's gradient reaches it through the relaxed spins.",
    ("reconstruction", "decoder"): "it paints the pixels that are compared.",
    ("MMD", "encoder"): "the spins are straight-through, so their gradient reaches it.",
    ("NLL", "prior"): "the energy of given spins depends on its biases and couplings.",
}


@exercise
def parts_that_move(moved: dict) -> str | None:
    """``moved[loss]``: the set of parts, of encoder, decoder and prior, that get a gradient."""
    for loss, truth in _MOVED.items():
        answer = moved.get(loss)
        if answer is None or answer is ...:
            return _EMPTY
        answer = {answer} if isinstance(answer, str) else set(answer)
        if unknown := answer - {"encoder", "decoder", "prior"}:
            return f'{loss}: {sorted(unknown)} is no part: use "encoder", "decoder", "prior".'
        for part in sorted(answer - truth):
            return f"{loss} does not move the {part}: {_WHY_NOT[loss, part]}"
        for part in sorted(truth - answer):
            return f"{loss} moves the {part}, too: {_WHY[loss, part]}"
    return None


@exercise
def kl_from_three_terms(loss: Callable) -> str | None:
    """``loss(logits, energy, prior_spins)``: the KL's three terms, mean over the batch."""
    logits = torch.tensor([[0.5, -1.0, 2.0], [1.5, 0.3, -0.7]], requires_grad=True)
    prior_spins = torch.tensor([[1.0, 1.0, -1.0], [1.0, -1.0, 1.0], [-1.0, 1.0, 1.0]])
    h, couplings = torch.tensor([0.4, -0.2, 0.7]), torch.tensor([-0.5, 0.8])

    def energy(s: torch.Tensor) -> torch.Tensor:
        return s @ h + (s[:, :-1] * s[:, 1:]) @ couplings

    value = loss(logits, energy, prior_spins)
    if not isinstance(value, torch.Tensor) or value.numel() != 1:
        return "return one number as a tensor: average every term over its rows."
    p = torch.sigmoid(logits)
    per_spin = -(p * p.log() + (1 - p) * (1 - p).log())
    entropy = per_spin.sum(1).mean()
    expected = energy(torch.tanh(logits / 2)).mean()
    of_prior = energy(prior_spins).mean()
    truth = float((expected - entropy - of_prior).detach())
    reaches, value = value.requires_grad, value.detach()
    if _close(value, truth):
        if reaches:
            return None
        return "the value is right, but no gradient reaches the logits: do not detach them."
    mistakes = [
        (expected + entropy - of_prior, "wrong sign of the entropy: chance makes the KL smaller."),
        (expected - of_prior, "the entropy is missing: all spins would fall into one valley."),
        (
            expected - entropy + of_prior,
            "wrong sign of the prior's samples: the gradient of log Z is *minus* their energy's.",
        ),
        (
            expected - entropy,
            "nothing stands for log Z: subtract the energy of the prior's samples.",
        ),
        (
            energy(torch.tanh(logits)).mean() - entropy - of_prior,
            "the mean spin is tanh(logit / 2), not tanh(logit).",
        ),
        (energy(logits).mean() - entropy - of_prior, "the energy wants mean spins, not logits."),
        (
            energy(logits.sign()).mean() - entropy - of_prior,
            "do not round the spins: the expected energy is the energy of the *means*.",
        ),
        (
            expected - per_spin.mean() - of_prior,
            "the entropy is a sum over spins; only over the batch it is averaged.",
        ),
    ]
    for wrong, message in mistakes:
        if _close(value, float(wrong.detach())):
            return message
    return f"on a small example it must give {truth:.4f}, yours gives {float(value):.4f}."


@exercise
def gap_of_moments(gap: Callable) -> str | None:
    """``gap(a, b, pairs)``: RMS difference of ``<s_i s_j>`` between two samples of spins."""
    generator = torch.Generator().manual_seed(4)
    a = 2 * torch.randint(2, (6, 4), generator=generator).float() - 1
    b = 2 * torch.randint(2, (9, 4), generator=generator).float() - 1
    pairs = [(0, 1), (1, 2), (0, 3)]
    value = float(gap(a, b, pairs))
    moments = [torch.stack([(s[:, i] * s[:, j]).mean() for i, j in pairs]) for s in (a, b)]
    difference = moments[0] - moments[1]
    if _close(value, float(difference.square().mean().sqrt())):
        return None
    if _close(value, float(difference.square().mean())):
        return "take the square root at the end: this is the mean square."
    if _close(value, float(difference.abs().mean())):
        return "this is the mean of absolute differences: square, average, take the root."
    if _close(value, float(difference.square().sum().sqrt())):
        return "average the squares over the pairs: you summed them."
    if _close(value, abs(float(difference.mean()))) or _close(value, float(difference.mean())):
        return "differences of both signs cancel: square them before you average."
    products = [torch.stack([s[:, i].mean() * s[:, j].mean() for i, j in pairs]) for s in (a, b)]
    if _close(value, float((products[0] - products[1]).square().mean().sqrt())):
        return "multiply the spins of each string first, then average: correlations get lost else."
    truth = float(difference.square().mean().sqrt())
    return f"on a small example it must give {truth:.4f}, yours gives {value:.4f}."


_DIAGNOSES = {
    "A": "frozen prior",
    "B": "collapse",
    "C": "healthy",
    "D": "impatient prior",
}
_SIGNS = {
    "A": "look at the last column: its couplings still are what they were at the start.",
    "B": "look at the entropy, near its maximum of 33.3, and at the reconstruction.",
    "C": "compare reconstruction, dead spins and the last column with those of the other three.",
    "D": "look at the size of the couplings, and at the entropy beside it.",
}


@exercise
def diagnoses(answers: dict) -> str | None:
    """``answers[report]``: what ails the run of that report."""
    known = {*_DIAGNOSES.values(), "stretched warm-up"}
    for report, truth in _DIAGNOSES.items():
        answer = answers.get(report)
        if answer is None or answer is ...:
            return _EMPTY
        if answer not in known:
            return f"{report}: {answer!r} is none of {', '.join(sorted(known))}."
        if answer != truth:
            return f"{report} is no case of {answer!r}: {_SIGNS[report]}"
    return None


# 06_generating_digits ------------------------------------------------------------------------


# 07_how_good_is_it ---------------------------------------------------------------------------
