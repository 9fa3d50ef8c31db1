"""Every check: it prints a verdict and never raises; its table names each mistake, and no other."""

import json
import re
from pathlib import Path
from types import FunctionType

import pytest
import torch

from qdvae_helpers import checks
from qdvae_helpers.checks.verdict import Rows, Try, by_examples, exercise

ALL = {name: check for name, check in vars(checks).items() if isinstance(check, FunctionType)}
TABLES = {name: check.table for name, check in ALL.items() if hasattr(check, "table")}
OF_VALUES = {"eight_digits", "parts_that_move", "diagnoses", "safe_name"}
OF_VALUES |= {"fools_frechet", "fools_recall"}


def answer_of(table, row: int):
    """A learner's function that gives what a row of the table holds."""
    return lambda *args: list(table.rows(*args))[row][0]


def is_answer(value) -> bool:
    return not isinstance(value, FunctionType | Try)


ROWS = [
    (name, row, why)
    for name, table in TABLES.items()
    for row, (value, why) in enumerate(table.rows(*table.examples[0]))
    if is_answer(value)
]


@exercise
def double(function):
    return None if function(2) == 4 else "doubling 2 must give 4."


@by_examples((3.0,), (-1.0,))
def double_by_examples(x: float) -> Rows:
    yield 2 * x, "doubling {x} must give {right}, not {given}."
    yield x**2, "this is the square."
    yield lambda given: given * x < 0, "the sign is wrong."
    yield Try(1e300), "this is too large."  # so large that x**2 stops


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda x: 2 * x, "Correct.\n"),
        (..., "Not yet: there is no answer yet"),
        (None, "Not yet: there is no answer yet"),
        (lambda x: ..., "Not yet: there is no answer yet"),
        (lambda x: None, "Not yet: your function returns nothing: is there a `return`"),
        (lambda: 4, "Not yet: your code stopped with TypeError"),
        (lambda x: 1 / 0, "Not yet: your code stopped with ZeroDivisionError: division by zero\n"),
        (lambda x: torch.exp(x), "(torch.tensor(...) makes a tensor of it)\n"),
    ],
)
@pytest.mark.parametrize("check", [double, double_by_examples])
def test_a_check_prints_a_verdict_and_never_raises(check, answer, said, verdict):
    assert said in verdict(check, answer)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda x: x, "doubling 3 must give 6, not 3."),
        (lambda x: x * x, "this is the square."),
        (lambda x: -2 * x, "the sign is wrong."),
        (lambda x: 2 * x if abs(x) < 100 else 0, "this is too large."),
        (lambda x: 2 * x if abs(x) < 100 else 1 / 0, "this is too large."),
        (lambda x: torch.rand(1), "it comes out differently each time"),
        (lambda x: complex(x, 1), "the result is complex"),
        (
            lambda x: torch.tensor([x, x]),
            "one number is asked for, yours is a tensor of shape (2,)",
        ),
        (lambda x: [torch.ones(2), torch.ones(2)], "return one tensor, not a list"),
        (lambda x: torch.ones(2, 2).min(1), "take the `.values`"),
        (lambda x: "6", "one number is asked for, yours is a str"),
        (6.0, "hand over the function itself"),
    ],
)
def test_a_table_says_what_is_wrong_with_an_answer(answer, said, verdict):
    assert said in verdict(double_by_examples, answer)


@pytest.mark.parametrize("name", TABLES)
def test_a_right_answer_is_correct(name, verdict):
    assert verdict(name, answer_of(TABLES[name], 0)) == "Correct.\n"


@pytest.mark.parametrize(("name", "row", "why"), [case for case in ROWS if case[1]])
def test_a_mistake_is_told_by_its_own_sentence(name, row, why, verdict):
    pattern = ".*".join(map(re.escape, re.split(r"\{[^}]*\}", why)))
    said = verdict(name, answer_of(TABLES[name], row))
    assert re.fullmatch(f"Not yet: {pattern}\n", said)


def values_of(table, row: int) -> torch.Tensor:
    """What a row gives for all examples, in one row of numbers."""
    answers = [torch.as_tensor(answer_of(table, row)(*args)).detach() for args in table.examples]
    values = [table.read(answer.to(torch.complex128)).flatten() for answer in answers]
    return torch.view_as_real(torch.cat(values)).nan_to_num(99)


def are_near(a: torch.Tensor, b: torch.Tensor) -> bool:
    """With a margin of ten times what a check lets pass as rounding."""
    return a.shape == b.shape and torch.allclose(a, b, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", TABLES)
def test_no_two_answers_of_a_table_have_the_same_value(name):
    rows = [row for other, row, _ in ROWS if other == name]
    right, *wrong = (values_of(TABLES[name], row) for row in rows)
    if name in ("straight_through", "reparameterise", "kl_from_three_terms"):
        wrong = [value for value in wrong if not are_near(value, right)]  # others: the gradient
    for i, value in enumerate(wrong):
        assert not any(are_near(value, other) for other in [right, *wrong[:i]]), rows[i + 1]


@pytest.mark.parametrize("name", TABLES)
def test_nan_never_passes(name, verdict):
    def all_nan(*args):
        return torch.full_like(torch.as_tensor(right(*args)), torch.nan, dtype=torch.float32)

    def one_nan(*args):
        value = torch.as_tensor(right(*args)).detach().clone().to(torch.complex64)
        value.view(-1)[-1] = torch.nan
        return value if value.imag.nan_to_num().any() else value.real

    right = answer_of(TABLES[name], 0)
    assert verdict(name, all_nan) != "Correct.\n"
    if name != "class_clamps":  # where the last value is NaN
        assert verdict(name, one_nan) != "Correct.\n"


@pytest.mark.parametrize("wrong", ["text", {}, {"a": 1}, [], {1}, object(), [[1], [1, 2]], [None]])
@pytest.mark.parametrize("name", TABLES)
def test_an_answer_of_another_type_gets_a_sentence(name, wrong, verdict):
    said = verdict(name, lambda *args: wrong)
    assert said != "Correct.\n"
    assert "your code stopped" not in said


@pytest.mark.parametrize("name", sorted(set(TABLES) - {"joint"}))  # which flattens
def test_an_answer_of_another_shape_gets_a_sentence(name, verdict):
    def twice(*args):
        value = torch.as_tensor(answer_of(TABLES[name], 0)(*args))
        return torch.stack([value, value])

    said = verdict(name, twice)
    assert said != "Correct.\n"
    assert "your code stopped" not in said


@pytest.mark.parametrize("name", TABLES)
def test_an_unknown_mistake_gets_a_sentence(name, verdict):
    def far_off(*args):
        return 12345.678 + torch.as_tensor(answer_of(TABLES[name], 0)(*args)).detach()

    said = verdict(name, far_off)
    assert said != "Correct.\n"
    assert "your code stopped" not in said


def spoil(arg) -> bool:
    """Change an argument in place, if that is possible."""
    if isinstance(arg, torch.Tensor) and not arg.requires_grad:
        arg += 1
    elif isinstance(arg, list):
        arg.append(0)
    elif isinstance(arg, dict):
        arg.clear()
    else:
        return False
    return True


@pytest.mark.parametrize("name", TABLES)
def test_an_answer_may_not_change_what_it_is_handed(name, verdict):
    table = TABLES[name]

    def spoils(*args):
        result = answer_of(table, 0)(*args)
        result = result.clone() if isinstance(result, torch.Tensor) else result
        return result if any(spoil(arg) for arg in args) else ...

    told = verdict(name, spoils)
    assert "your function changed its input" in told or "there is no answer yet" in told
    assert verdict(name, answer_of(table, 0)) == "Correct.\n"  # the check's own data are whole


def test_the_lessons_call_each_check_and_no_other():
    called = set()
    for path in (Path(__file__).parents[2] / "notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
        called |= set(re.findall(r"\bchecks\.(\w+)\(", code))
    assert called == set(ALL) - {"exercise", "by_examples"} == set(TABLES) | OF_VALUES
