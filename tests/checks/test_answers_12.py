"""Answers to the exercises of lesson 12 as learners write them, right and wrong."""

import re

import pytest


def pattern_of(text):
    return lambda name: re.match(text, name) is not None


STUDIO = [
    ("steps_of_a_run", lambda n, b, e: n // b * e, "Correct."),
    ("steps_of_a_run", lambda n, b, e: n * e // b, "for 90 images"),
    ("steps_of_a_run", lambda n, b, e: -(-n // b) * e, "for 60,000 images"),
    ("steps_of_a_run", lambda n, b, e: n * e / b, "a number of steps is whole"),
    ("safe_name", pattern_of(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z"), "Correct."),
    ("safe_name", pattern_of(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"), "'good\\n' passes"),
    ("safe_name", pattern_of(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}\Z"), "'aaaaaaaaaaaaaaaaaaaa' is"),
    ("safe_name", pattern_of(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}\Z"), "'_mine' passes"),
    ("safe_name", pattern_of(r"[A-Za-z\d][A-Za-z\d_-]{0,63}\Z"), "another script"),
    ("safe_name", pattern_of(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z"), "'a.b' passes"),
    ("safe_name", pattern_of(r"[A-Za-z0-9][A-Za-z0-9 _-]{0,63}\Z"), "'a b' passes"),
    ("safe_name", lambda name: "/" not in name, "'a\\\\b' passes"),
    ("safe_name", str.isalpha, "'first-try' is harmless"),
    ("safe_name", lambda name: ..., "there is no answer yet"),
    ("time_left", lambda d, t, f, s: (t - d) * s / (d - f), "Correct."),
    ("time_left", lambda d, t, f, s: (t - d) * s / d, "a resumed run is too quick"),
    ("time_left", lambda d, t, f, s: t * s / (d - f), "that is the time of the whole"),
]


@pytest.mark.parametrize(("check", "answer", "said"), STUDIO)
def test_answers(check, answer, said, verdict):
    assert said in verdict(check, answer)
