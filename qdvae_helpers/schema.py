"""What files may hold: JSON that is bounded before it is built, and checks of its values.

A check is called with a value and with where it stands, and raises :class:`Odd`.  A schema is one
check made of others.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import numpy as np

# Of a JSON text.  A whole QPU (4,600 qubits, 41,800 couplers) takes 0.7 MB and 42,000 lists, a
# report of a run 0.4 KB and 12 fields, of which there are 5,000 at most (`TrainConfig`).  At these
# limits what Python builds stays below 100 MB.
MOST_BYTES = 6_000_000
_MOST_LISTS = 250_000  # and objects
_MOST_FIELDS = 100_000
_MOST_DEPTH = 64
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
#: Control characters but for tab and newline, what turns the direction of text, half characters.
UNFIT = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
Check = Callable[[Any, str], None]


class Odd(ValueError):
    """What is wrong with a file, in a few words; see :func:`~qdvae_helpers.formats.reading`."""


def parse_json(text: str | bytes) -> Any:
    """JSON as plain values, its size and depth checked before anything is built.

    Raises:
        Odd: it is none, too large or too deep, has a key twice or a number that is not finite.
    """
    try:
        text = text if isinstance(text, bytes) else text.encode()
        if len(text) > MOST_BYTES:
            raise Odd(f"more than {MOST_BYTES / 1e6:.0f} MB of text")
        bare = _STRING.sub(b"", text)  # brackets inside strings open nothing
        characters = np.frombuffer(bare, np.uint8) | 0x20  # "[" and "{" differ in this bit
        steps = (characters == ord("{")).astype(np.int8) - (characters == ord("}"))
        depth = int(steps.cumsum(dtype=np.int32).max(initial=0))
        if (
            depth > _MOST_DEPTH
            or np.count_nonzero(steps == 1) > _MOST_LISTS
            or bare.count(b":") > _MOST_FIELDS
        ):
            raise Odd("its JSON text is too deep or has too many parts")
        del bare, characters, steps
        return json.loads(
            text.decode(),
            object_pairs_hook=_object,
            parse_float=_finite,
            parse_constant=_finite,
        )
    except Odd:
        raise
    except ValueError as error:
        raise Odd(f"its JSON text cannot be read, {type(error).__name__}") from error


def _object(pairs: list[tuple[str, Any]]) -> dict:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Odd("a key occurs twice in its JSON text")
    return found


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise Odd(f"{text[:20]} in its JSON text is no finite number")
    return value


def shown(value: object) -> str:
    """A value in a few characters, whatever it is."""
    if isinstance(value, list | dict):
        return f"a {type(value).__name__} of {len(value)}"
    if type(value) is int and abs(value) > 2**64:
        return "a huge number"
    return ascii(value[:30] if isinstance(value, str) else value)[:40]


def printable(words: str) -> str:
    """The same with a question mark for each character that must not reach a screen."""
    return "".join(c if c.isprintable() else "?" for c in words)


def _that(holds: Callable[[Any], bool], otherwise: str) -> Check:
    def check(value: object, where: str) -> None:
        if not holds(value):
            raise Odd(f"{where} is {shown(value)}, {otherwise}")

    return check


def whole(least: int = 0, most: int = 2**53) -> Check:
    """A whole number; ``True`` is none."""
    otherwise = f"no whole number from {least} to {most}"
    return _that(lambda value: type(value) is int and least <= value <= most, otherwise)


def number(least: float = -1e300, most: float = 1e300) -> Check:
    """A whole or broken number."""
    otherwise = f"no number from {least:g} to {most:g}"
    return _that(lambda value: type(value) in (int, float) and least <= value <= most, otherwise)


def text(most: int = 1_000) -> Check:
    """Words that can be shown."""

    def holds(value: object) -> bool:
        return isinstance(value, str) and len(value) <= most and not UNFIT.search(value)

    return _that(holds, "no text that can be shown")


def one_of(*known: object) -> Check:
    """One of these values, and of the same type."""
    otherwise = f"none of {', '.join(map(str, known))}"
    return _that(lambda value: any(type(value) is type(k) and value == k for k in known), otherwise)


def date(value: object, where: str) -> None:
    """A date with its time, as ``datetime.isoformat`` writes them."""
    text(40)(value, where)
    try:
        datetime.fromisoformat(value)
    except ValueError:
        raise Odd(f"{where} is {shown(value)}, no date") from None


def optional(check: Check) -> Check:
    """Nothing, or what the check lets pass."""
    return lambda value, where: None if value is None else check(value, where)


def anything(value: object, where: str) -> None:
    """What somebody else checks."""


def listing(of: Check, least: int = 0, most: int = 100_000) -> Check:
    """A list of such values."""
    size = _that(
        lambda value: isinstance(value, list) and least <= len(value) <= most,
        f"no list of {least} to {most}",
    )

    def check(value: object, where: str) -> None:
        size(value, where)
        if of is not anything:
            for i, one in enumerate(value):
                of(one, f"{where}[{i}]")

    return check


def fields(
    needed: Mapping[str, Check], more: Mapping[str, Check] = {}, others: Check | None = None
) -> Check:
    """An object with these fields, perhaps ``more``; others where there is a check for them."""
    known = {**needed, **more}

    def check(value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise Odd(f"{where} is {shown(value)}, no object")
        for name in needed:
            if name not in value:
                raise Odd(f"{where} lacks {name}")
        for name, one in value.items():
            text(200)(name, f"a name in {where}")
            if (of := known.get(name, others)) is None:
                raise Odd(f"{where} has {shown(name)}, which does not belong there")
            of(one, f"{where}.{name}")

    return check


def plain(value: object, where: str) -> None:
    """Anything that JSON can say, in moderation."""
    if isinstance(value, dict):
        fields({}, others=plain)(value, where)
    elif isinstance(value, list):
        listing(plain)(value, where)
    elif isinstance(value, str):
        text(10_000)(value, where)
    elif type(value) in (int, float):
        number()(value, where)


flag = one_of(True, False)
#: Hexadecimal digits.
digest = _that(lambda v: isinstance(v, str) and re.fullmatch("[0-9a-f]{1,64}", v), "no hash")
#: What a sampler says of its samples; see :class:`~qdvae_helpers.provenance.Provenance`.
provenance = fields(
    {
        "kind": text(100),
        "description": text(),
        "graph_hash": text(100),
        "parameters": fields(
            {},
            {
                "seed": whole(-(2**63), 2**64),
                "num_samples": whole(1, 10**7),
                "sweeps": whole(1, 10**6),
                "beta": number(),
                "prefactor": number(1e-12, 1e12),
            },
            plain,
        ),
        "time": date,
    }
)
