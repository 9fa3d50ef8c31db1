"""No check lets a broken solution pass, and each says more than the error of its own code."""

import contextlib
import copy

import pytest
import torch
from mutants import ALWAYS_WRONG, function_from, inputs, mutants, namespace, solutions, wrappers
from same_in_effect import SAME

from qdvae_helpers import checks
from qdvae_helpers.checks.verdict import _agree

SOLUTIONS = {f"{found[0]} {found[1]}": found for found in solutions()}


def stops(function, examples) -> bool:
    """Whether an answer itself raises on an example."""
    for args in copy.deepcopy(examples):
        try:
            function(*args)
        except Exception:
            return True
    return not examples


def right_in_effect(table, right, broken) -> bool:
    """Whether a mutant gives what the right answer gives, for many other arguments."""
    if table is None:
        return False
    asked = 0
    for args in inputs(table.examples):
        with contextlib.suppress(Exception):
            expected = table._outcome(right, args)
            asked += 1
            try:
                if not _agree(table._outcome(broken, args), expected):
                    return False
            except Exception:
                return False
    return asked > 0


@pytest.mark.parametrize("which", SOLUTIONS)
def test_no_mutant_passes(which, verdict, record_property):
    lesson, check, name, source = SOLUTIONS[which]
    names = namespace(lesson)
    table = getattr(getattr(checks, check), "table", None)
    examples = table.examples if table else ()
    right = function_from(source, name, names)
    assert verdict(check, right) == "Correct.\n"
    broken = {why: function_from(text, name, names) for why, text in mutants(source).items()}
    broken |= wrappers(right, copy.deepcopy(examples))
    torch.manual_seed(0)
    said = {why: verdict(check, function) for why, function in broken.items()}
    passed = [why for why in broken if said[why] == "Correct.\n"]
    survivors = [
        why
        for why in passed
        if (check, why) not in SAME
        and (
            table is None
            or ALWAYS_WRONG.match(why)
            or not right_in_effect(table, right, broken[why])
        )
    ]
    raw = {
        why: said[why]
        for why, function in broken.items()
        if "your code stopped" in said[why] and not stops(function, examples)
    }
    record_property("mutants", len(broken))
    assert not raw, raw
    assert not survivors, "\n" + "\n".join(survivors)
    assert len(broken) >= 5


@pytest.mark.parametrize(("check", "why"), SAME)
def test_what_is_excused_still_exists(check, why):
    sources = [source for _, of, _, source in SOLUTIONS.values() if of == check]
    names = [name for source in sources for name in mutants(source)]
    assert why in names or why in wrappers(abs, ((1, [2]),))
