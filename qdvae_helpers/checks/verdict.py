"""How a check speaks, and the table of answers that most checks are.

A new check, imported in ``__init__``, says what to say of each answer: first of the right one (said
where nothing else fits), then of mistakes, and of conditions on what was ``given``::

    @by_examples((3.0,), (-1.0,))
    def double(x: float) -> Rows:
        yield 2 * x, "twice {x:g} is {right:g}, yours is {given:g}."
        yield x**2, "this is the square."
        yield lambda given: given * x < 0, "the sign is wrong."

What is no table is a function from an answer to what is wrong with it, or ``None``, under
:func:`exercise`.  A check never raises.
"""

import contextlib
import copy
import functools
import inspect
from collections.abc import Callable, Iterator, ValuesView
from dataclasses import dataclass
from numbers import Real
from types import FunctionType
from typing import Any

import torch
from torch import Tensor

from qdvae_helpers.checks import solved

Rows = Iterator[tuple[Any, str]]

_EMPTY = "there is no answer yet: replace the `...` in the cell above, run it, then this one again."
_NOTHING = "your function returns nothing: is there a `return` in front of the result?"
_CHANGED = "your function changed its input: work on a copy (`clone()` makes one of a tensor)."
_RANDOM = "it comes out differently each time: use the numbers that are handed in, draw none."
_GRADIENT = "the value is right, but its gradient is not: what is detached, and what has to be?"
_PLACES = "`.min(1)` and its like return values *and* places: take the `.values`."
_LIST = "return one tensor, not a list: torch.stack makes one of them."
_PLAIN = "no gradient can flow through {found}: return the tensor itself."
_COMPLEX = "the result is complex: take its real part."
_DICTIONARY = "the answers stand in a dictionary: keep that of the cell above, with its keys."
_NO_PLACE = "no such place: past the end, or a name or a number from an example taken for one?"
_NOTHING_LEFT = "at some point nothing is left to choose from"
#: What to add where the code stopped and Python, torch or scipy said this.
_STOPPED = {
    "must be Tensor, not": "torch.tensor(...) makes a tensor of it",
    "with KeyError": "a dictionary has no such key yet: ask with `in` first",
    "must have different signs": "it keeps one sign from end to end: is a minus lost in it?",
    "index out of range": _NO_PLACE,
    "only one element tensors": "`math` takes single numbers: torch has such functions for tensors",
    "more than one value is ambiguous": "`if` and `max` take single numbers, here are many",
    "is out of bounds": _NO_PLACE,
    "is an empty sequence": _NOTHING_LEFT,
    "argument is empty": _NOTHING_LEFT,
    "sum of probabilities <= 0": "all weights are 0: are words compared with words?",
}


class VerdictError(Exception):
    """What to tell the learner, found deep inside a check."""


def exercise(check: Callable[[Any], str | None]) -> Callable[[Any], None]:
    """Make a check print ``Correct`` or ``Not yet`` and why, whatever the learner's code does."""

    first = next(iter(inspect.signature(check, follow_wrapped=False).parameters.values()))

    @functools.wraps(check)
    def verdict(answer: Any) -> None:
        parts = answer.values() if isinstance(answer, dict) else [answer]
        try:
            empty = any(part is None or part is ... for part in parts)
            watched = (lambda *args: _ask(answer, *args)) if callable(answer) else answer
            lost = first.annotation is dict and not isinstance(answer, dict)
            problem = _EMPTY if empty else _DICTIONARY if lost else check(watched)
        except VerdictError as found:
            problem = str(found)
        except Exception as error:  # the learner's code may raise anything
            problem = f"your code stopped with {type(error).__name__}: {error}"
            problem += "".join(f" ({why})" for said, why in _STOPPED.items() if said in problem)
        if problem is None:
            solved.note(check.__name__)
        print("Correct." if problem is None else f"Not yet: {problem}")

    del verdict.__wrapped__  # `help` shall show that a check takes an answer
    return verdict


def _ask(function: Callable, *args: Any) -> Any:
    """What a learner's function returns; where that is nothing, the check says so at once."""
    answer = function(*args)
    if answer is None or answer is ...:
        raise VerdictError(_NOTHING if answer is None else _EMPTY)
    return answer


def by_examples(*examples: tuple, **fields: Any) -> Callable[[Callable], Callable[[Any], None]]:
    """Turn rows into a check with a ``table`` of them; more fields of :class:`Table` by name."""

    def check_of(rows: Callable[..., Rows]) -> Callable[[Any], None]:
        table = Table(rows, examples, **fields)
        check = exercise(functools.wraps(rows)(lambda answer: table.problem(answer)))
        check.table = table
        return check

    return check_of


class Try:
    """In the place of a value: arguments, tried last, with which only one thing can go wrong."""

    def __init__(self, *args: Any) -> None:
        self.args = args


_SPECIAL = (FunctionType, Try)


@dataclass(frozen=True)
class Table:
    """A check as data.

    Args:
        rows: from arguments to pairs of a value and a sentence: the right answer; then mistakes,
            said of answers that agree on every example (so no two may agree); conditions, asked of
            other answers of the right shape; or a :class:`Try`.  A sentence is a template:
            ``{n}`` is the argument n, ``{right}`` and ``{given}`` what should come and what came
            for the first wrong example, ``{asked}`` and ``{found}`` the same in words.
        examples: arguments to try.  Where tensors among them, or parameters of modules, require a
            gradient, an answer must have the right one.
        form: said of an answer that has another type or shape and is no mistake of the table.
        read: from the values of an answer to what of them counts.
    """

    rows: Callable[..., Rows]
    examples: tuple[tuple, ...]
    form: str = "{asked} is asked for, yours is {found}."
    read: Callable[[Tensor], Tensor] = lambda values: values

    def problem(self, function: Callable) -> str | None:
        """What is wrong with an answer, or ``None``."""
        if not callable(function):
            return "hand over the function itself: its name, without brackets after it."
        given = [self._outcome(function, args) for args in self.examples]
        tables = [self._table(args) for args in self.examples]
        for place, table in enumerate(tables):
            if not _agree(given[place], table[0][0]):
                return self._why(function, given, tables, place)
        for args, why in [(row.args, why) for row, why in tables[0] if isinstance(row, Try)]:
            fine = False
            with contextlib.suppress(Exception):  # such as an overflow
                fine = _agree(self._outcome(function, args), self._right(args))
            if not fine:
                return why
        return None

    def _right(self, args: tuple) -> list[Tensor]:
        args = copy.deepcopy(args)
        return self._read(next(self.rows(*args))[0], args)

    def _table(self, args: tuple) -> list[tuple[Any, str]]:
        """The rows for an example; values become lists of them and their gradients."""
        args = copy.deepcopy(args)
        return [
            (row if isinstance(row, _SPECIAL) else self._read(row, args), why)
            for row, why in self.rows(*args)
        ]

    def _outcome(self, function: Callable, args: tuple) -> list[Tensor]:
        """What an answer gives for an example: values, then gradients that count."""
        copies = copy.deepcopy(args)
        before = repr(_shown(list(copies)))  # as text, in which NaN equals NaN
        answer = function(*copies)
        if repr(_shown(list(copies))) != before:
            raise VerdictError(_CHANGED)
        outcome, right = self._read(answer, copies), next(self.rows(*copy.deepcopy(args)))[0]
        boxed = isinstance(answer, tuple | list) and not isinstance(right, tuple | list)
        if outcome and not (boxed and torch.as_tensor(right).dim() == outcome[0].dim() == 0):
            return outcome
        asked, found = _kind(self._right(args)[0]), f"a {type(answer).__name__}"
        form = _PLAIN if isinstance(answer, Real) else self.form
        raise VerdictError(self._fill(form, args, asked=asked, found=found))

    def _read(self, answer: Any, args: tuple) -> list[Tensor] | None:
        parts = [p for arg in args for p in (arg.parameters() if callable(arg) else [arg])]
        leaves = [part for part in parts if isinstance(part, Tensor) and part.requires_grad]
        values = _values(answer)
        if values is None or (leaves and not isinstance(answer, Tensor)):
            return None
        return [self.read(values), *_gradients(answer, leaves)]

    def _why(self, function: Callable, given: list, tables: list, place: int) -> str:
        """What to say of answers of which the one at ``place`` is the first wrong one."""
        args, value, right = self.examples[place], given[place][0], tables[place][0][0][0]
        fill = functools.partial(self._fill, args=args, given=value, right=right)
        if not _agree(given[place], self._outcome(function, args)):
            return _RANDOM
        if value.is_complex() > right.is_complex():
            return _COMPLEX
        n = None if _agree([value], [right]) else 1  # a gradient counts where the value is right
        for rows in zip(*tables, strict=True):
            wrong, why = zip(*rows, strict=True)
            pairs = zip(given, wrong, strict=True)
            if isinstance(wrong[0], list) and all(_agree(a[:n], b[:n]) for a, b in pairs):
                return fill(why[place])
        if value.shape != right.shape:
            return fill(self.form, asked=_kind(right), found=_kind(value))
        for applies, why in tables[place]:
            if callable(applies) and applies(value):
                return fill(why)
        return fill(tables[place][0][1]) if n else _GRADIENT

    def _fill(self, sentence: str, args: tuple, **fields: Any) -> str:
        fields |= zip(inspect.signature(self.rows).parameters, args, strict=True)
        return sentence.format(**{name: _shown(value) for name, value in fields.items()})


def _agree(ours: list[Tensor], theirs: list[Tensor]) -> bool:
    """Whether tensors, one by one, have one shape and are equal up to rounding; NaN equals NaN."""
    pairs = [
        (a, b, torch.promote_types(a.dtype, b.dtype)) for a, b in zip(ours, theirs, strict=True)
    ]
    return all(
        a.shape == b.shape and torch.allclose(a.to(dtype), b.to(dtype), 1e-4, 1e-5, equal_nan=True)
        for a, b, dtype in pairs
    )


def _values(answer: Any) -> Tensor | None:
    """The numbers of an answer in double precision; ``None`` if it is something else."""
    if isinstance(answer, Iterator | ValuesView | tuple | list):
        pair = hasattr(answer, "indices")  # what `.min(1)` returns
        answer = list(answer)
        if any(isinstance(part, Tensor) and part.numel() > 1 for part in answer):
            raise VerdictError(_PLACES if pair else _LIST)
    try:
        values = torch.as_tensor(float(answer) if isinstance(answer, Real) else answer).detach()
    except (TypeError, ValueError, RuntimeError):
        return None
    values = values.to(torch.promote_types(values.dtype, torch.float64))
    return values.reshape(()) if values.numel() == 1 else values


def _gradients(answer: Tensor, leaves: list[Tensor]) -> list[Tensor]:
    """Gradient of a weighted sum of an answer; NaN where none flows, which differs from zero."""
    none = [torch.full_like(leaf, torch.nan) for leaf in leaves]
    if not leaves or not answer.requires_grad:
        return none
    weights = torch.linspace(1, 2, answer.numel()).reshape(answer.shape).to(answer)
    found = torch.autograd.grad(answer, leaves, weights, retain_graph=True, allow_unused=True)
    return [n if grad is None else grad for n, grad in zip(none, found, strict=True)]


def _kind(values: Tensor) -> str:
    return f"a tensor of shape {tuple(values.shape)}" if values.dim() else "one number"


def _shown(value: Any) -> Any:
    """A tensor as a number or lists; numbers in them short; everything else as it is."""
    if isinstance(value, Tensor):
        value = value.tolist()
    if isinstance(value, list):
        return [_shown(part) for part in value]
    if isinstance(value, float):
        return int(value) if value.is_integer() else round(value, 4)
    return copy.deepcopy(value) if isinstance(value, dict) else value
