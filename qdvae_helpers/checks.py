"""Checks of the exercises: each says in words what is wrong with an answer, and never raises.

A check is a function from the learner's answer to what is wrong with it, or ``None``; the decorator
:func:`exercise` prints the verdict.  One section a lesson, in the order of the exercises.
"""

import functools
from collections.abc import Callable

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


# 05_training_the_qdvae -----------------------------------------------------------------------


# 06_generating_digits ------------------------------------------------------------------------


# 07_how_good_is_it ---------------------------------------------------------------------------
