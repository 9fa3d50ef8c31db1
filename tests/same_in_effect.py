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
SAME |= {
    ("readout", "absolute value"): "a probability is not negative",
    ("readout", "clamped at zero"): "a probability is not negative",
}

# Lesson 12
SAME |= {}  # 12

# Lesson 13
SAME |= {}  # 13

# Lesson 14
SAME |= {}  # 14

# Lesson 15
SAME |= {}  # 15
