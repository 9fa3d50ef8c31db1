"""A copy of the lessons without solutions, for a class: build/student.

    python tools/student.py [--output FOLDER] [--overwrite]

Solutions go.  Where later cells use one, a cell takes the learner's own answer in its place.  Of
the questions at a lesson's end the answers go, too; hints stay.  A second cell says all that.
What lessons link to comes along; a link to anything else becomes its words.
"""

import argparse
import ast
import re
import shutil
import sys
from pathlib import Path

import nbformat

from qdvae_helpers.errors import OutputError
from qdvae_helpers.outputs import replacing, writing
from qdvae_helpers.paths import ROOT

FOR_INSTRUCTORS = ("instructor-guide.md", "teaching.md")
_CHECKPOINTS = ".ipynb_checkpoints"  # copies of JupyterLab, where a lesson was opened
#: Beside the documents: what lessons name as their sources.
ALSO = ("data/README.md", "benchmarks/README.md", "benchmarks/results/*.md")
NOTICE = (
    "*A class's copy: solutions are taken out, and where the text speaks of one that is folded, "
    "there is none. Later cells use **your** answer instead, so an exercise that is left open "
    "can stop them: ask for an answer, and go on.*"
)
_LINK = re.compile(r"(?<!!)\[([^\[\]]*)\]\(([^)\s]+)\)")
_QUESTION = re.compile(r"<details>\s*<summary>(.*?)</summary>.*?</details>", re.DOTALL)


def class_copy(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook without solutions; the given one stays as it is."""
    copy = nbformat.from_dict(notebook)
    cells, asked = [], []
    for i, cell in enumerate(copy.cells):
        tags = cell.metadata.get("tags", [])
        if "solution" in tags:
            later = "\n".join(c.source for c in copy.cells[i + 1 :] if c.cell_type == "code")
            defined = [name for name in _defined(cell.source) if name.endswith("_solution")]
            used = [name for name in defined if re.search(rf"\b{name}\b", later)]
            if not used:
                continue
            takes = [f"{name} = {_learners(name, asked)}" for name in used]
            cell.source = "\n".join(["# From here on your answer is used.", *takes])
            cell.outputs, cell.execution_count = [], None
            cell.metadata = {"tags": ["answer"]}
        elif cell is copy.cells[-1]:  # takeaways, and questions with folded answers
            cell.source = _QUESTION.sub(r"- \1", cell.source)
        elif cell.cell_type == "code" and "exercise" in tags:
            asked += _defined(cell.source)
            cell.outputs, cell.execution_count = [], None
        cells.append(cell)
    copy.cells = cells
    return copy


def _defined(source: str) -> list[str]:
    """Names that a cell defines, in order."""
    names = []
    for node in ast.parse(source).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.append(node.name)
        elif isinstance(node, ast.Assign):
            names += [target.id for target in node.targets if isinstance(target, ast.Name)]
    return names


def _learners(solution: str, asked: list[str]) -> str:
    """The learner's name for what a solution calls so: ``fit``, or ``fit_by_hand`` if it is alone.

    Args:
        solution: ``fit_solution``.
        asked: names in the stubs of all exercises so far.

    Raises:
        ValueError: no stub has such a name, so the copy could not go on.
    """
    plain = solution.removesuffix("_solution")
    alike = [plain] if plain in asked else [name for name in asked if name.startswith(plain)]
    if len(set(alike)) != 1:
        raise ValueError(f"{solution}: no stub, or more than one, has a name that begins {plain!r}")
    return alike[0]


def require_own(output: Path, overwrite: bool = False) -> None:
    """Refuse (OutputError) a folder with other files, or with an earlier copy unless asked for."""
    if not output.exists():
        return
    if not output.is_dir():
        raise OutputError(f"{output} is a file: name a folder.")
    files = (file for file in output.rglob("*") if not file.is_dir())
    there = {file.relative_to(output) for file in files if file.parent.name != _CHECKPOINTS}
    lessons = {path.relative_to(ROOT) for path in (ROOT / "notebooks").glob("*.ipynb")}
    pages = {path.relative_to(ROOT) for path in (ROOT / "docs").glob("*.md")}
    images = {path.relative_to(ROOT) for path in (ROOT / "docs" / "images").rglob("*")}
    also = {path.relative_to(ROOT) for pattern in ALSO for path in ROOT.glob(pattern)}
    if others := sorted(there - lessons - pages - images - also):
        raise OutputError(f"{output} holds {others[0]}, which is none of ours: name a new folder.")
    if there and not overwrite:
        remedy = "name a new folder, or give --overwrite (make student OVERWRITE=1)"
        raise OutputError(f"{output} holds a copy already: {remedy}.")


def write_copies(output: Path) -> None:
    """Write the lessons without solutions, and what they link to, into the folder ``output``."""
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        copy = class_copy(nbformat.read(path, as_version=4))
        with replacing(output / "notebooks" / path.name) as part:
            nbformat.write(copy, part)
    docs = output / "docs"
    shutil.copytree(ROOT / "docs" / "images", docs / "images", dirs_exist_ok=True)
    for page in (ROOT / "docs").glob("*.md"):
        if page.name not in FOR_INSTRUCTORS:
            shutil.copy(page, docs / page.name)
    for page in (page for pattern in ALSO for page in ROOT.glob(pattern)):
        target = output / page.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(page, target)
    for page in output.rglob("*.md"):
        page.write_text(_with_live_links(page.read_text("utf-8"), page), encoding="utf-8")
    for path in (output / "notebooks").glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = _with_live_links(cell.source, path)
        nbformat.write(notebook, path)


def _with_live_links(text: str, page: Path) -> str:
    """The text of this page, without links to files that are not there."""

    def live(link: re.Match) -> str:
        target = link[2].partition("#")[0]
        there = not target or "://" in target or (page.parent / target).exists()
        return link[0] if there else link[1]

    return _LINK.sub(live, text)


def main(arguments: list[str] | None = None) -> int:
    """Write the folder; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "student")
    again = "replace an earlier copy, with all that was written into its notebooks"
    parser.add_argument("--overwrite", action="store_true", help=again)
    options = parser.parse_args(arguments)
    output = options.output
    try:
        with writing(output):
            require_own(output, options.overwrite)
            write_copies(output)
    except OutputError as error:
        parser.error(str(error))
    print(f"Wrote {output}: open its notebooks in JupyterLab with the class's environment.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
