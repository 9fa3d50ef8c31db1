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
SAME |= {  # 04
    (
        "grown_part",
        "one less: part.append(max(sorted(rim), key=lambda q: len(neighbours[q] & set(part)) - 1))",
    ): "one less for every candidate: the largest stays the largest",
}
SAME |= dict.fromkeys(  # 04
    [
        ("fitted_machine", "constant + 1: for _ in range(1001):"),
        ("fitted_machine", "constant doubled: for _ in range(2000):"),
        ("fitted_machine", "left dropped: parameters -= data.mean(0) - p @ states"),
        ("fitted_machine", "constant + 1: parameters -= 1.3 * (data.mean(0) - p @ states)"),
        ("fitted_machine", "constant doubled: parameters -= 0.6 * (data.mean(0) - p @ states)"),
    ],
    "more steps, or another rate at which the descent converges to the same optimum",
)

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
