"""Mutants that are right in effect: (check, what was broken) -> why it is right."""

SAME: dict[tuple[str, str], str] = {}

# Lesson 00
SAME |= {}  # 00

# Lesson 01
SAME |= {}  # 01

# Lesson 02
SAME |= {}  # 02

# Lesson 03
SAME |= {}  # 03

# Lesson 04
SAME |= {}  # 04

# Lesson 05
_NEVER_NEGATIVE = "a divergence is never negative, nor is a mutual information"
SAME |= {
    ("two_parts_of_the_kl", "absolute value"): _NEVER_NEGATIVE,
    ("two_parts_of_the_kl", "clamped at zero"): _NEVER_NEGATIVE,
}

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
