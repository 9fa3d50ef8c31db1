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
SAME |= {
    (
        "fools_frechet",
        "detached: return 2 * points.mean(0).detach() - points",
    ): "no gradient is asked for",
}  # 08

# Lesson 09
SAME |= {
    (
        "repaired_annealing",
        "size 1: log_weights = torch.full((1,), spins.shape[1] * math.log(2))",
    ): "the first energies stretch it to all strings",
}  # 09

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
