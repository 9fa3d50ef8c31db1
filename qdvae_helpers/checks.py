"""Checks of the exercises: each says in words what is wrong with an answer, and never raises.

A check is a function from the learner's answer to what is wrong with it, or ``None``; the decorator
:func:`exercise` prints the verdict.  One section a lesson, in the order of the exercises.
"""

import functools
import math
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


# 04_grbm_on_a_qpu_subgraph -------------------------------------------------------------------


@exercise
def ising_energy(energy) -> str | None:
    """``energy(h, J, s)``: list of biases, dict of couplings by pair, list of spins -> a number."""
    h, couplings, s = [0.5, -1.0, 0.25], {(0, 1): 1.5, (1, 2): -0.75}, [1, -1, -1]
    found = float(energy(h, couplings, s))
    if abs(found + 1.0) < 1e-6:
        return None
    likely = {
        1.0: "the sign is reversed: in this series E is plus the sum of h s plus that of J s s.",
        1.25: "only the biases are counted: add J s s for every coupler.",
        -2.25: "only the couplers are counted: add h s for every spin.",
        -3.25: "every coupler is counted twice: each pair appears once in J.",
    }
    for wrong, why in likely.items():
        if abs(found - wrong) < 1e-6:
            return why
    return f"for h={h}, J={couplings}, s={s} the energy is -1.0, but you return {found:g}."


@exercise
def probability_ratio(ratio) -> str | None:
    """``ratio(energy_a, energy_b)`` -> how many times likelier a is than b."""
    found = float(ratio(-1.0, 1.0))
    if abs(found - math.exp(2)) < 1e-3:
        if abs(float(ratio(299.0, 300.0)) - math.e) < 1e-3:
            return None
        return "large energies break it: subtract the energies first, then take one exponential."
    if abs(found - math.exp(-2)) < 1e-3:
        return "upside down: a has the lower energy in the test, so it must be the likelier one."
    if abs(found - 2) < 1e-3:
        return "that is the difference of the energies; the ratio is its exponential."
    return f"for energies -1 and 1 the ratio is exp(2) = 7.389, but you return {found:.3f}."


@exercise
def coupling_gradient(gradient) -> str | None:
    """``gradient(data, model, i, j)``: two sets of spins ``(M, n)`` -> d NLL / d J_ij."""
    data = torch.tensor([[1.0, 1, -1], [1, 1, 1], [-1, 1, 1], [1, 1, 1]])
    model = torch.tensor([[1.0, -1, -1], [1, -1, 1], [1, 1, 1], [-1, 1, -1]])
    found = float(gradient(data, model, 0, 1))
    correct = 1.0  # 0.5 - (-0.5)
    if abs(found - correct) < 1e-6:
        more = torch.cat([model, model])
        if abs(float(gradient(data, more, 0, 1)) - correct) < 1e-6:
            return None
        return "it changes when the model's samples are listed twice: take means, not sums."
    if abs(found + correct) < 1e-6:
        return "the sign is reversed: for E = + J s s it is the data's mean minus the model's."
    if abs(found - 4 * correct) < 1e-6:
        return "these are sums over the samples: take means."
    if abs(found - 0.5) < 1e-6:
        return "these are products of means: multiply the two spins first, then take the mean."
    return f"on two sets of four strings it is 1.0, but you return {found:g}."


@exercise
def conditional_probability(p_up) -> str | None:
    """``p_up(h, J, neighbours)``: a number, two tensors ``(k,)`` -> P(s = +1 | neighbours)."""
    h, couplings, spins = 0.3, torch.tensor([-1.0, 0.5]), torch.tensor([1.0, 1.0])
    field = 0.3 - 0.5  # h + sum J s
    found = float(p_up(h, couplings, spins))

    def sigmoid(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    if abs(found - sigmoid(-2 * field)) < 1e-4:
        return None
    likely = {
        sigmoid(2 * field): "the sign is reversed: a positive field makes +1 costly.",
        sigmoid(-field): "a factor 2 is missing: the two energies differ by twice the field.",
        sigmoid(-2 * h): "the neighbours are missing: the field is h + sum of J times neighbour.",
        sigmoid(-2 * (field - h)): "the spin's own bias h is missing from the field.",
    }
    for wrong, why in likely.items():
        if abs(found - wrong) < 1e-4:
            return why
    return f"for h=0.3, J=(-1, 0.5) and both neighbours up it is 0.599, but you return {found:.3f}."


# 05_training_the_qdvae -----------------------------------------------------------------------


# 06_generating_digits ------------------------------------------------------------------------


# 07_how_good_is_it ---------------------------------------------------------------------------
