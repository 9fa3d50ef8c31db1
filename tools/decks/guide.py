"""What the instructor guide says of a lesson or a section: it belongs into the speaker's notes."""

import re

from qdvae_helpers.paths import ROOT

_PLAN = re.compile(r"^## (Plan \w): (.+)$")
_MISUNDERSTOOD = re.compile(r'\*\*".+"\*\*', re.DOTALL)


class Guide:
    """Notes for each lesson's number, and for each section of it."""

    def __init__(self, text: str | None = None) -> None:
        """Read the guide of the repository, or another text in its form."""
        path = ROOT / "docs" / "instructor-guide.md"
        self._text = path.read_text(encoding="utf-8") if text is None else text
        self.of_lesson: dict[str, list[str]] = {}
        self.of_section: dict[tuple[str, str], list[str]] = {}
        self._read_plans()
        self._read_misunderstandings()

    def on_section(self, number: str, section: str) -> list[str]:
        """Notes on a section; the guide may name it by how its heading begins."""
        found = []
        for (lesson, name), notes in self.of_section.items():
            if lesson == number and re.match(rf"{re.escape(name)}(\W|$)", section):
                found += notes
        return found

    def _read_plans(self) -> None:
        plan = ""
        for line in self._text.splitlines():
            if found := _PLAN.match(line):
                plan = f"{found[1]} ({found[2]})"
            elif line.startswith("## "):
                plan = ""
            elif plan and line.startswith("|"):
                cells = [cell.strip() for cell in line.strip("|").split("|")]
                if len(cells) == 3 and (named := re.match(r"(\d\d)\b", cells[1])) and cells[2]:
                    unit = "at" if ":" in cells[0] else "minute"
                    said = f"{plan}, {unit} {cells[0]}: {cells[2]}"
                    sections = re.findall(r"\*([^*]+)\*", cells[1])
                    for section in sections:
                        self.of_section.setdefault((named[1], section), []).append(said)
                    if not sections:
                        self.of_lesson.setdefault(named[1], []).append(said)

    def _read_misunderstandings(self) -> None:
        """Each ends with the lessons that it belongs to, in brackets."""
        for block in self._text.split("\n\n"):
            if _MISUNDERSTOOD.match(block):
                for number in sorted(set(re.findall(r"\b(\d\d)(?=[,')\s])", block))):
                    if re.search(rf"\([^()]*\b{number}\b[^()]*\)|\bIn {number}\b", block):
                        said = " ".join(block.split())
                        self.of_lesson.setdefault(number, []).append(f"Often heard: {said}")
