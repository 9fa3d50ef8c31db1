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
_STRINGS = "return {} torch.cat([bits, bits.prod(1, keepdim=True)], 1)"
SAME |= {  # 10
    ("fooling_strings", why): because
    for why, because in {
        "result 1 / ({}): " + _STRINGS.format("1 /"): "spins are their own inverses",
        "axis -1: return torch.cat([bits, bits.prod(1, keepdim=True)], -1)": "the last axis is 1",
        "axis -1: return torch.cat([bits, bits.prod(-1, keepdim=True)], 1)": "the last axis is 1",
        "detached: return torch.cat([bits, bits.prod(1, keepdim=True).detach()], 1)": "no gradient",
        "negated: return torch.cat([bits, (-bits).prod(1, keepdim=True)], 1)": (
            "the product of flipped spins is the same one or its opposite: determined as well"
        ),
        "rounded": "spins are whole numbers",
    }.items()
}

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
