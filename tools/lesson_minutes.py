"""How long lessons take, by one rule, written wherever it is said.

    python tools/lesson_minutes.py [--check]

Reading: 200 words of text per minute and 12 lines of visible code per minute, rounded up to five
minutes; folded hints, answers and cells count with the exercises, whose minutes stand in their
headings.  Computing: what ``benchmarks/lessons.py --write`` measured and put into the README's
table of lessons.  The sum is the lesson's minutes.  Writes the **Time** line of each lesson, from
which the site takes its minutes, the map of lesson 00, and the column ``minutes`` of the README's
table; ``--check`` writes nothing and fails where something would change.
"""

import argparse
import json
import math
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from qdvae_helpers.outputs import replacing
from qdvae_helpers.paths import ROOT

WORDS_PER_MINUTE, LINES_PER_MINUTE = 200, 12
MOST_CELLS, MOST_READING, MOST_COMPUTING = 120, 75, 3
HEADING = re.compile(r"^### Exercise \d+ \([\w-]+, (\d+) minutes\)", re.MULTILINE)
_COUNTS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]


@dataclass(frozen=True)
class Size:
    """What a learner meets in a lesson."""

    cells: int
    words: int
    lines: int
    exercises: tuple[int, ...]  # minutes of each

    @property
    def minutes(self) -> float:
        """Minutes of reading."""
        return self.words / WORDS_PER_MINUTE + self.lines / LINES_PER_MINUTE

    @property
    def reading(self) -> int:
        """The same, rounded up to five."""
        return 5 * math.ceil(self.minutes / 5)


def size_of(notebook: dict) -> Size:
    """Count a notebook, given as parsed JSON."""
    words = lines = 0
    exercises: list[int] = []
    for cell in notebook["cells"]:
        source, meta = "".join(cell["source"]), cell["metadata"]
        if cell["cell_type"] == "markdown":
            exercises += map(int, HEADING.findall(source))
            text = re.sub(r"<details>.*?</details>", " ", source, flags=re.DOTALL)
            text = re.sub(r"\]\([^)]*\)|<[^>]*>", " ", text)
            words += len(re.findall(r"\S*\w\S*", text))
        elif not (meta.get("jupyter", {}).get("source_hidden") or "launch" in meta.get("tags", [])):
            lines += sum(bool(line.strip()) for line in source.splitlines())
    return Size(len(notebook["cells"]), words, lines, tuple(exercises))


def computing_minutes(readme: str) -> dict[str, int]:
    """Minutes of computing of each lesson, at least one, from the README's table."""
    cells = r"\(notebooks/(\w+)\.ipynb\) \|[^|]*\| \d+ \| ([\d.]+) (s|min) \|"
    rows = re.findall(cells, readme)
    return {
        name: max(1, round(float(number) / (60 if unit == "s" else 1)))
        for name, number, unit in rows
    }


def time_line(size: Size, computing: int) -> str:
    """The sentence of a lesson's first cell."""
    count = len(size.exercises)
    return (
        f"**Time:** {size.reading} minutes to read, about {computing} "
        f"minute{'s' * (computing > 1)} of computing, {sum(size.exercises)} minutes for "
        f"{_COUNTS[count]} exercise{'s' * (count > 1)}"
    )


def lessons() -> list[Path]:
    """All notebooks in order."""
    return sorted((ROOT / "notebooks").glob("*.ipynb"))


def rewritten() -> dict[Path, str]:
    """What the files should hold, for those that hold something else."""
    readme_path = ROOT / "README.md"
    readme = readme_path.read_text("utf-8")
    computing = computing_minutes(readme)
    texts = {path: path.read_text("utf-8") for path in lessons()}
    new = dict(texts)
    totals = {}
    for path, text in texts.items():
        notebook = json.loads(text)
        size = size_of(notebook)
        took = computing.get(path.stem, 1)
        totals[path.stem] = size.reading + took + sum(size.exercises)
        line = json.dumps(time_line(size, took), ensure_ascii=False)[1:-1]
        new[path] = re.sub(r"\*\*Time:\*\*.*? exercises?\b", lambda _, t=line: t, text, count=1)
    for path in (readme_path, lessons()[0]):
        text = new.get(path, readme)
        own = totals[lessons()[0].stem]  # its own row has no link
        text = re.sub(r"(\| 00 Start here \|[^|]*\| )\d+", rf"\g<1>{own}", text)
        for name, minutes in totals.items():
            text = re.sub(
                rf"(\| \[[^|]*\b{name}\.ipynb\) \|[^|]*\| )\d+( \|)",
                lambda m, n=minutes: f"{m[1]}{n}{m[2]}",
                text,
            )
        new[path] = text
    texts[readme_path] = readme
    return {path: text for path, text in new.items() if text != texts[path]}


def main(arguments: list[str] | None = None) -> int:
    """Print the table of sizes; write or check the minutes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, fail at a difference")
    args = parser.parse_args(arguments)
    print("lesson                            cells  words  lines  reading  exercises")
    for path in lessons():
        size = size_of(json.loads(path.read_text("utf-8")))
        print(
            f"{path.stem[:32]:32} {size.cells:6} {size.words:6} {size.lines:6} {size.reading:8} "
            f"{len(size.exercises):4} ({sum(size.exercises)})"
        )
    changed = rewritten()
    for path, text in changed.items():
        print(f"{'differs' if args.check else 'written'}: {path.relative_to(ROOT)}")
        if not args.check:
            with replacing(path) as part:
                part.write_text(text, "utf-8")
    return int(bool(changed and args.check))


if __name__ == "__main__":
    sys.exit(main())
