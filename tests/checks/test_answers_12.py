"""Answers to the exercises of lesson 12 as learners write them, right and wrong."""

import operator
import re
import statistics

import numpy as np
import pytest
import torch


def pattern_of(text):
    return lambda name: re.match(text, name) is not None


def fits(one, other, same=operator.eq):
    return same(one["graph"], other["graph"]) and same(one["classes"], other["classes"])


def counts(one, other, seeds, of=statistics.stdev):
    return [k for k in one if k in seeds and abs(one[k] - other[k]) > 2 * of(seeds[k])]


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
    ("safe_name", lambda name: re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name), "is not None"),
    ("safe_name", lambda name: name, "return True or False; yours is a str"),
    ("safe_name", lambda name: np.bool_(pattern_of(r"[A-Za-z0-9][\w-]*")(name)), "'models/a' p"),
    ("safe_name", lambda name: ..., "there is no answer yet"),
    ("time_left", lambda d, t, f, s: (t - d) * s / (d - f), "Correct."),
    ("time_left", lambda d, t, f, s: (t - d) * s / d, "a resumed run is too quick"),
    ("time_left", lambda d, t, f, s: t * s / (d - f), "that is the time of the whole"),
    ("time_left", lambda d, t, f, s: (t - f) * s / (d - f), "from begin to end of this session"),
    ("time_left", lambda d, t, f, s: [(t - d) * s / (d - f)], "yours is a list"),
    ("may_exchange", fits, "Correct."),
    ("may_exchange", lambda one, other: np.bool_(fits(one, other)), "Correct."),
    ("may_exchange", lambda one, other: int(fits(one, other)), "yours is a int"),
    ("may_exchange", lambda one, other: fits(one, other, operator.is_), "with `==`"),
    ("may_exchange", lambda a, b: fits(a, b) and a["sampler"] == b["sampler"], "another sampler"),
    ("what_counts", counts, "Correct."),
    ("what_counts", lambda *args: counts(*args, of=np.std), "Correct."),
    ("what_counts", lambda *args: counts(*args, of=lambda s: torch.tensor(s).std()), "Correct."),
    ("what_counts", lambda *args: counts(*args, of=lambda s: np.ptp(s) / 2), "range of the seeds"),
]


@pytest.mark.parametrize(("check", "answer", "said"), STUDIO)
def test_answers(check, answer, said, verdict):
    assert said in verdict(check, answer)
