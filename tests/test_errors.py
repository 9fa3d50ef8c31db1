"""Errors: all of one family, and in words for whoever sits in front of the screen."""

import inspect

import pytest

from qdvae_helpers import errors


def test_all_are_of_one_family_and_of_the_builtin_kind_that_callers_expect():
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]
    kinds = [kind for kind in kinds if not issubclass(kind, Warning)]
    assert len(kinds) >= 10
    assert all(issubclass(kind, errors.QdvaeError) for kind in kinds)
    assert issubclass(errors.SettingError, ValueError)
    assert issubclass(errors.BudgetError, errors.QPUError)
    assert issubclass(errors.QPUError, errors.SamplerError)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (errors.SettingError("choose 1 or more"), "choose 1 or more"),
        (KeyError("x"), "This should not have happened (KeyError): 'x'"),
    ],
)
def test_ours_speak_for_themselves_and_others_are_introduced(error, said):
    assert errors.in_words(error) == said
