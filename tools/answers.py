"""All exercises with their hints and answers, for instructors: build/answers.md.

    python tools/answers.py

Made from the notebooks' own cells, whose solutions are checked whenever the notebooks run.
"""

import re
import sys

import nbformat

from qdvae_helpers.paths import ROOT

OUTPUT = ROOT / "build" / "answers.md"
_TITLE = re.compile(r"^(?:### (Exercise \d.+)$|\*\*(Exercise \d+ \([^)]*\))\.\*\*)", re.MULTILINE)


def exercises(notebook: nbformat.NotebookNode) -> list[dict[str, str]]:
    """Title, task, stub, hint and solution of each exercise, in order."""
    found, current = [], None
    for i, cell in enumerate(notebook.cells):
        tags = cell.metadata.get("tags", [])
        if "exercise" in tags:
            start = max(k for k in range(i) if _TITLE.search(notebook.cells[k].source))
            before = "\n\n".join(cell.source for cell in notebook.cells[start:i])
            *_, title = _TITLE.finditer(before)
            current = {"title": title[1] or title[2], "task": before[title.end() :]}
            current["stub"] = cell.source
            found.append(current)
        elif current and cell.cell_type == "markdown" and "<summary>Hint" in cell.source:
            hint = re.sub(r"</?details>|<summary>.*?</summary>", "", cell.source).strip()
            current["hint"] = hint
        elif current and "solution" in tags:
            current["solution"] = cell.source
            current = None
    return found


def main() -> int:
    """Write the file; returns the exit status."""
    lines = ["# Answers to the exercises", ""]
    lines += ["For instructors. Made from the notebooks; do not edit.", ""]
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        lines += [f"## {notebook.cells[0].source.splitlines()[0].removeprefix('# ')}", ""]
        for exercise in exercises(notebook):
            lines += [f"### {exercise['title']}", "", exercise["task"].strip(), ""]
            lines += ["```python", exercise["stub"], "```", ""]
            lines += [f"*Hint.* {exercise['hint']}", ""]
            lines += ["*Answer.*", "", "```python", exercise["solution"], "```", ""]
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text("\n".join(lines), encoding="utf-8")
    print(f"Wrote {OUTPUT.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
