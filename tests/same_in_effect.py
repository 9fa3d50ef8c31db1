"""Mutants that are right in effect: (check, what was broken) -> why it is right."""

SAME: dict[tuple[str, str], str] = {}

# Lesson 00
SAME |= {}  # 00

# Lesson 01
SAME |= {
    (
        "own_draws",
        "left dropped: return chosen + torch.randn_like(chosen)",
    ): "noise of another size",
    (
        "own_draws",
        "other operator: return chosen - 0.1 * codes.std(0) * torch.randn_like(chosen)",
    ): "noise has no sign",
    (
        "own_draws",
        "constant negated: return chosen + -0.1 * codes.std(0) * torch.randn_like(chosen)",
    ): "noise has no sign",
    (
        "own_draws",
        "one less: chosen = codes[torch.randint(len(codes) - 1, (n,))]",
    ): "one code in 200 is not missed",
    (
        "own_draws",
        "absolute value: chosen = codes[torch.randint(len(abs(codes)), (n,))]",
    ): "only a length",
    ("own_draws", "negated: chosen = codes[torch.randint(len(-codes), (n,))]"): "only a length",
    (
        "own_draws",
        "absolute value: chosen = codes[torch.randint(len(codes), (abs(n),))]",
    ): "n is positive",
    (
        "own_draws",
        "detached: return chosen + 0.1 * codes.std(0).detach() * torch.randn_like(chosen)",
    ): "no gradient is asked for",
}  # 01

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
SAME |= {}  # 11

# Lesson 12
SAME |= {}  # 12

# Lesson 13
SAME |= {}  # 13

# Lesson 14
SAME |= {}  # 14

# Lesson 15
SAME |= {}  # 15
