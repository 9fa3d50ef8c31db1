"""Checks of exercises: they print a verdict and never raise."""

import pytest

from qdvae_helpers.checks import exercise


@exercise
def double(function):
    return None if function(2) == 4 else "doubling 2 must give 4."


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (lambda x: 2 * x, "Correct.\n"),
        (lambda x: x, "Not yet: doubling 2 must give 4.\n"),
        (..., "Not yet: there is no answer yet"),
        (None, "Not yet: there is no answer yet"),
        (lambda x: ..., "Not yet: there is no answer yet"),
        (lambda x: None, "Not yet: there is no answer yet"),
        (lambda: 4, "Not yet: your code stopped with TypeError"),
        (lambda x: 1 / 0, "Not yet: your code stopped with ZeroDivisionError: division by zero"),
    ],
)
def test_a_check_prints_a_verdict_and_never_raises(answer, verdict, capsys):
    double(answer)
    assert capsys.readouterr().out.startswith(verdict)
