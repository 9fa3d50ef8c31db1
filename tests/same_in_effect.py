"""Mutants that are right in effect: (check, what was broken) -> why it is right."""

SAME: dict[tuple[str, str], str] = {}

# Lesson 00
SAME |= {}  # 00

# Lesson 01
SAME |= {}  # 01

# Lesson 02
SAME |= {}  # 02

# Lesson 03
_SQUARE = "a mean of all pairs is w K w, which is never negative for a kernel"
SAME |= {
    ("biased_mmd", "absolute value"): _SQUARE,
    ("biased_mmd", "clamped at zero"): _SQUARE,
    ("blind_spot", "other operator: return (1 - states.prod(1)) / len(states)"): "odd parity",
    ("blind_spot", "negated: return (1 + (-states).prod(1)) / len(states)"): "n is even",
    ("blind_spot", "absolute value: return (1 + states.prod(1)) / len(abs(states))"): "one length",
    ("blind_spot", "negated: return (1 + states.prod(1)) / len(-states)"): "one length",
    ("blind_spot", "axis -1: return (1 + states.prod(-1)) / len(states)"): "two axes",
    (
        "blind_spot",
        "detached: return (1 + states.prod(1).detach()) / len(states)",
    ): "no gradient is asked for",
    ("blind_spot", "absolute value"): "probabilities",
    ("blind_spot", "clamped at zero"): "probabilities",
}

# Lesson 04
SAME |= {}  # 04

# Lesson 05
SAME |= {}  # 05

# Lesson 06
SAME |= {}  # 06

# Lesson 07
SAME |= {}  # 07

# Lesson 08
SAME |= {}  # 08

# Lesson 09
SAME |= {}  # 09

# Lesson 10
SAME |= {}  # 10

# Lesson 11
SAME |= {}  # 11

# Lesson 12
SAME |= {}  # 12

# Lesson 13
SAME |= {}  # 13

# Lesson 14
SAME |= {}  # 14

# Lesson 15
SAME |= {}  # 15
