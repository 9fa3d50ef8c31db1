"""Sizes: what fits on a slide of 1280 by 720, and where to cut what does not.

Widths are estimated on the wide side, for fonts that a machine may have in the place of ours; a
browser measures the result (``tests/test_slides.py``).
"""

import math
import re
import textwrap
from itertools import pairwise

from decks.markup import plain

WIDTH, HEIGHT = 1280, 720
SMALLEST = 20  # 1/36 of the height: read from the last row
READABLE = SMALLEST - 0.5  # rounded, that is the same
ROOM = WIDTH - 2 * 40  # between the margins
BELOW_HEADING = HEIGHT - 122  # and above the margin
LEADING = 1.38
MOST_WORDS = 140  # of a list; more is a wall
_LETTER, _LETTER_MONO = 0.56, 0.603  # mean width of a letter, of the font size
_MOST_COLUMNS = int((ROOM - 44) / _LETTER_MONO / SMALLEST)  # of printed text


def text_height(texts: list[str], size: float, width: float = ROOM) -> float:
    """Height of paragraphs or items one below the other."""
    lines = [math.ceil(len(plain(text)) * _LETTER * size / width) for text in texts]
    return sum(lines) * size * LEADING + (len(texts) - 1) * 0.5 * size


def text_size(texts: list[str], height: float, width: float = ROOM, largest: int = 34) -> int:
    """The largest size at which these fit, and 0 if none does that can be read."""
    for size in range(largest, SMALLEST + 1, -2):
        if text_height(texts, size, width) <= height:
            return size
    return 0


def parts_of_list(
    texts: list[str], height: float, width: float = ROOM, lead: str = ""
) -> list[list[str]]:
    """Items in as few parts as can be read comfortably, in equal ones where that is possible.

    Args:
        texts: the items.
        height: of the place for them.
        width: of that place.
        lead: what stands above each part.
    """

    def fits(part: list[str]) -> bool:
        few_words = len(" ".join([lead, *part]).split()) <= MOST_WORDS
        return few_words and text_height(part, 25, width) <= height

    filled: list[list[str]] = []
    for text in texts:
        if filled and fits([*filled[-1], text]):
            filled[-1].append(text)
        else:
            filled.append([text])
    cuts = [round(k * len(texts) / len(filled)) for k in range(len(filled) + 1)]
    equal = [texts[a:b] for a, b in pairwise(cuts)]
    return equal if all(map(fits, equal)) else filled


def squeezed(lines: list[str], gap: int = 2) -> list[str]:
    """A table without idle columns: two blanks are enough between two of its columns, or one."""
    width = max(map(len, lines))
    padded = [line.ljust(width) for line in lines]
    blank = [all(line[k] == " " for line in padded) for k in range(width)]
    kept = [k for k in range(width) if not (k >= gap and all(blank[k - gap : k + 1]))]
    return ["".join(line[k] for k in kept).rstrip() for line in padded]


def is_head(line: str) -> bool:
    """Whether a line names columns: it has some, and no number stands alone in it."""
    return "  " in line.strip() and not re.search(r"(?<!\S)[-+]?\d[\d.,]*%?(?!\S)", line)


def aligned(lines: list[str]) -> list[str]:
    """A table with its cells to the right in each column, where a long cell has moved others."""
    rows = [re.split(r"(?<=\S) {2,}(?=\S)", line) for line in lines]
    n = len(rows[0])
    if n < 3 or any(len(row) != n for row in rows):
        return lines
    ends = [[end.start() for end in re.finditer(r"(?<=\S)(?= {2,}\S|$)", line)] for line in lines]
    starts = [[found.end() for found in re.finditer(r"\S {2,}(?=\S)", line)] for line in lines]
    edges = [*zip(*(row[1:] for row in ends), strict=True)]
    begins = [*zip(*starts, strict=True)]
    if all(len(set(a)) == 1 or len(set(b)) == 1 for a, b in zip(edges, begins, strict=True)):
        return lines
    widths = [max(len(row[k]) for row in rows) for k in range(n)]
    return [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    ]


def parts_of_columns(lines: list[str]) -> list[list[str]]:
    """A table that is too wide as two or more with some of its columns, each with the first one.

    Sentences above it stand above each part, those below it under the last one. Without names of
    its columns a table stays whole: parts of it would say nothing.
    """
    sentence = ["  " not in line.strip() for line in lines]
    if max(map(len, lines)) <= _MOST_COLUMNS or all(sentence):
        return [lines]
    first_row = sentence.index(False)
    last_row = len(lines) - sentence[::-1].index(False)
    above, table, below = lines[:first_row], lines[first_row:last_row], lines[last_row:]
    width = max(map(len, table))
    padded = [line.ljust(width) for line in table]
    blank = "".join(" " if all(line[k] == " " for line in padded) else "x" for k in range(width))
    spans = [found.span() for found in re.finditer(r"x( ?x)*", blank)]
    first, *others = spans
    named = is_head(table[0]) or not table[0][: first[1]].strip()
    if width <= _MOST_COLUMNS or len(others) < 2 or not named:
        return [lines]
    for n in range(2, len(others) + 1):
        cuts = [round(k * len(others) / n) for k in range(n + 1)]
        groups = [[first, *others[a:b]] for a, b in pairwise(cuts)]
        parts = [
            ["  ".join(line[a:b] for a, b in some).rstrip() for line in padded] for some in groups
        ]
        if all(max(map(len, part)) <= _MOST_COLUMNS for part in parts):
            parts = [above + part for part in parts]
            parts[-1] += below
            return parts
    return [lines]


def is_too_wide(text: str) -> bool:
    """Whether a printed table has rows that no slide holds."""
    return any(len(line) > _MOST_COLUMNS and "  " in line for line in text.splitlines())


def printed_size(lines: list[str], height: float) -> float:
    """The size at which printed lines fit; below :data:`SMALLEST` they do not."""
    widest = max(map(len, lines))
    return min(34.0, (ROOM - 44) / _LETTER_MONO / widest, (height - 28) / 1.32 / len(lines))


def parts_of_printed(text: str, height: float) -> list[list[str]]:
    """Printed lines in parts that fit; the first line is repeated if it names columns."""
    lines = [line.rstrip() for line in text.strip("\n").splitlines()]
    if len(lines) > 1:
        lines = aligned(squeezed(lines))
    if len(columns := parts_of_columns(lines)) > 1:
        return [part for some in columns for part in parts_of_printed("\n".join(some), height)]
    tight = squeezed(lines, 1)
    if max(map(len, lines)) > _MOST_COLUMNS >= max(map(len, tight)) and len(lines) > 1:
        lines = tight
    # A sentence or two are wrapped, so that they do not make a table beside them small.
    rows = [len(line) for line in lines if "  " in line.strip()]
    long = [line for line in lines if len(line) > 66 and "  " not in line.strip()]
    width = min(_MOST_COLUMNS, max([66, *rows]))
    # No line is broken for its last word.
    width = max(
        [width, *(len(line) for line in long if len(line) <= min(_MOST_COLUMNS, width + 12))]
    )
    if len(long) > max(1, len(lines) // 3):
        width = _MOST_COLUMNS
    wrapped = [
        part
        for line in lines
        for part in textwrap.wrap(line, width, subsequent_indent="  ") or [""]
    ]
    most_rows = int((height - 28) / 1.32 / (SMALLEST + 1))
    if len(wrapped) <= most_rows:
        return [wrapped]
    head = wrapped[:1] if is_head(wrapped[0]) else []
    body = wrapped[len(head) :]
    n = math.ceil(len(body) / (most_rows - len(head)))
    cuts = [round(k * len(body) / n) for k in range(n + 1)]
    parts = [body[a:b] for a, b in pairwise(cuts)]
    # The names of columns stand above the rows that have such columns.
    return [
        (head if k == 0 or "  " in part[0].strip() else []) + part for k, part in enumerate(parts)
    ]


def cells_of(block: str) -> list[list[str]]:
    """The cells of a table in Markdown, row by row, its rule left out."""
    rows = [re.split(r"(?<!\\)\|", line.strip().strip("|")) for line in block.splitlines()]
    return [[cell.strip() for cell in row] for k, row in enumerate(rows) if k != 1]


def column_shares(rows: list[list[str]]) -> list[float]:
    """How wide the columns of a table should be, as shares that add up to one."""
    n = max(map(len, rows))
    longest = [max(len(plain(row[k])) if k < len(row) else 0 for row in rows) for k in range(n)]
    words = [
        max((len(w) for row in rows if k < len(row) for w in plain(row[k]).split()), default=1)
        for k in range(n)
    ]
    weights = [
        max(4 + word, min(size, 90) ** 0.8) for word, size in zip(words, longest, strict=True)
    ]
    return [weight / sum(weights) for weight in weights]


def row_height(row: list[str], shares: list[float], size: float) -> float:
    """Height of a row of a table, with its margins."""
    lines = max(
        math.ceil(len(plain(cell)) * _LETTER * size / (share * ROOM - 24))
        for cell, share in zip(row, shares, strict=False)
    )
    return max(1, lines) * size * 1.3 + 13


def parts_of_table(block: str, height: float) -> list[tuple[int, list[list[str]]]]:
    """A table in Markdown as tables that fit, each with its heading, and their common size."""
    head, *body = cells_of(block)
    shares = column_shares([head, *body])

    def fits(rows: list[list[str]], size: int) -> bool:
        return sum(row_height(row, shares, size) for row in [head, *rows]) <= height

    for n in range(1, len(body) + 1):
        cuts = [round(k * len(body) / n) for k in range(n + 1)]
        parts = [body[a:b] for a, b in pairwise(cuts)]
        for size in range(28, 21, -2):
            if all(fits(part, size) for part in parts):
                return [(size, [head, *part]) for part in parts]
    return [(22, [head, row]) for row in body]
