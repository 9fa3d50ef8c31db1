"""The helper package room by room: each module, its one line, the lessons that use it."""

import ast
import functools
import html
import importlib
import re
from pathlib import Path

from docutils import nodes
from lesson_pages import ROOT, lessons
from sphinx.util.docutils import SphinxDirective

NAME = "qdvae_helpers"
PACKAGE = ROOT / NAME

#: Rooms that lessons use come first; the flat modules have no folder.
ROOMS = {
    "": "What lessons teach",
    "samplers": "Samplers",
    "training": "Training",
    "qpu": "Real QPUs",
    "plots": "Figures",
    "widgets": "Widgets",
    "checks": "Checks of exercises",
    "studio": "The studio",
    "commands": "Commands",
}
#: Flat modules that serve the others.
GROUND = "Ground floor"


def name_of(path: Path) -> str:
    """A file as Python imports it."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def line_of(path: Path) -> str:
    """The first line of a module's docstring, without its lessons, which the table shows."""
    first = (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").split("\n\n")[0]
    first = " ".join(first.split())
    first = re.sub(
        r" \((?:taught|used) in[^)]*\)|^Lesson \d+'s |^Checks of lesson \d+: ", "", first
    )
    first = re.sub(r" \((?:and )?lessons? [^)]*\)", "", first)
    return first[:1].upper() + first[1:]


def taught_in(path: Path) -> list[str]:
    """The numbers of lessons that a module's first paragraph names."""
    first = (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").split("\n\n")[0]
    numbers = {lesson.number for lesson in lessons()}
    return sorted(numbers & set(re.findall(r"(?<!\d)\d\d(?!\d)", first)))


@functools.cache
def imported_by() -> dict[str, list[str]]:
    """For each module the numbers of the lessons that import it or one of its names."""
    found: dict[str, set[str]] = {}
    for lesson in lessons():
        for cell in lesson.notebook.cells:
            try:
                code = cell.source if cell.cell_type == "code" else ""
                tree = ast.parse(re.sub(r"^(\s*)[!%].*$", r"\1pass", code, flags=re.MULTILINE))
            except SyntaxError:  # a stub that waits for its answer
                continue
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(NAME):
                    room = importlib.import_module(node.module)
                    for alias in node.names:
                        thing = getattr(room, alias.name, None)
                        owner = getattr(thing, "__module__", None) or getattr(thing, "__name__", "")
                        for name in (node.module, owner):
                            found.setdefault(str(name), set()).add(lesson.number)
    return {name: sorted(numbers) for name, numbers in found.items()}


def lessons_of(path: Path) -> list[str]:
    """The lessons that teach a module, by its own word; else those that import it."""
    return taught_in(path) or imported_by().get(name_of(path), [])


def rooms() -> dict[str, list[Path]]:
    """Titles of rooms with their files."""
    shown: dict[str, list[Path]] = {title: [] for title in ROOMS.values()} | {GROUND: []}
    for path in sorted(PACKAGE.rglob("*.py")):
        place = path.relative_to(PACKAGE)
        if place.parts[0] in ("__init__.py", "__main__.py"):
            continue
        if len(place.parts) > 1:
            shown[ROOMS[place.parts[0]]].append(path)
        else:
            shown[ROOMS[""] if taught_in(path) else GROUND].append(path)
    return shown


class Room(SphinxDirective):
    """The table of one room."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        way = self.env.app.builder.get_relative_uri
        by_number = {lesson.number: lesson for lesson in lessons()}
        rows = []
        for path in rooms()[self.arguments[0]]:
            self.env.note_dependency(str(path))
            name = name_of(path)
            short = name.removeprefix("qdvae_helpers.")
            page = way(self.env.docname, f"docs/generated/{name}")
            links = {
                number: f'<a href="{way(self.env.docname, f"notebooks/{lesson.stem}")}" '
                f'title="{html.escape(lesson.title)}">{number}</a>'
                for number, lesson in by_number.items()
            }
            numbers = lessons_of(path)
            if len(numbers) > 6:
                shown = f"{links[numbers[0]]} to {links[numbers[-1]]}"
            else:
                shown = " ".join(links[number] for number in numbers)
            line = re.sub(r"``([^`]+)``", r"<code>\1</code>", html.escape(line_of(path)))
            rows.append(
                f'<tr><td><a href="{page}"><code>{short}</code></a></td><td>{line}</td>'
                f'<td class="lessons">{shown}</td></tr>'
            )
        table = (
            '<table class="room"><thead><tr><th>module</th><th>what it does</th>'
            f"<th>lessons</th></tr></thead><tbody>{''.join(rows)}</tbody></table>"
        )
        return [nodes.raw("", table, format="html")]


class Rooms(SphinxDirective):
    """A section for each room."""

    def run(self) -> list[nodes.Node]:
        lines = []
        for title in rooms():
            lines += [f"### {title}", "", f"```{{room}} {title}", "```", ""]
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)
