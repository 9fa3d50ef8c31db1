"""A cell may be run twice: it neither deletes nor rebinds a name that it reads from outside.

Nor does it count on in (``+=``), or delete, a part of such a thing.  What it changes inside by
other means (a list that grows, a model trained further, a generator that moves on) no reading of
the text can see: ``make test-twice`` runs every cell twice and compares (``cells_twice.py``).
"""

import ast
import dis
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def compiled(statement: ast.stmt) -> CodeType:
    around = ast.While(ast.Constant(True), [statement], [])  # the statement may be a ``break``
    module = ast.Module([around], type_ignores=[])
    return compile(ast.fix_missing_locations(module), "cell", "exec")


def steps(code: CodeType) -> Iterator[tuple[str, str | CodeType]]:
    """("load" | "store" | "delete", name) and ("make", code), in the order of the bytecode."""
    for step in dis.get_instructions(code):
        verb, _, kind = step.opname.lower().partition("_")
        if verb in ("load", "store", "delete") and kind in ("name", "global"):
            yield verb, step.argval
        elif isinstance(step.argval, CodeType):
            yield "make", step.argval


def inside(code: CodeType) -> tuple[set[str], set[str]]:
    """What a function, comprehension or class loads from outside, and what it rebinds there."""
    is_class = not code.co_flags & 1  # CO_OPTIMIZED: a class body stores names of its own
    loads, stores, own = set(), set(), set()
    for verb, what in steps(code):
        if verb == "make":
            more = inside(what)
            loads |= more[0]
            stores |= more[1]
        elif verb == "load":
            loads.add(what)
        else:
            (own if is_class else stores).add(what)
    return loads - own, stores


class Cell:
    """What a cell takes from outside, read in the order in which it runs.

    A loop's body is taken to run; of two branches, what both bind is bound.  A function reads
    where its name is first used after its definition.

    :param source: the cell's text.
    :param outside: names that earlier cells have bound.
    """

    def __init__(self, source: str, outside: set[str]):
        self.outside = outside
        self.read: set[str] = set()  # from outside
        self.binds: set[str] = set()  # anywhere in the cell
        self.faults: list[str] = []
        self.waiting: dict[str, tuple[set[str], set[str]]] = {}  # functions not yet used
        self.walk(ast.parse(TransformerManager().transform_cell(source)).body, set())
        self.faults += [f"rebinds {name}" for name in sorted(self.read & self.binds)]

    def walk(self, statements: list[ast.stmt], bound: set[str]) -> set[str]:
        """Go through statements with these names bound for certain; what is bound afterwards."""
        for statement in statements:
            match statement:
                case ast.If() | ast.While():
                    bound = self.simple(ast.Expr(statement.test), bound)
                    ways = [self.walk(body, bound) for body in (statement.body, statement.orelse)]
                    bound = ways[0] & ways[1]
                case ast.For():
                    head = ast.For(statement.target, statement.iter, [ast.Pass()], [])
                    bound = self.walk(statement.body, self.simple(head, bound))
                    bound = self.walk(statement.orelse, bound)
                case ast.With():
                    head = ast.With(statement.items, [ast.Pass()])
                    bound = self.walk(statement.body, self.simple(head, bound))
                case ast.Try():
                    tried = self.walk(statement.body + statement.orelse, bound)
                    for handler in statement.handlers:
                        head = ast.Try([ast.Pass()], [handler], [], [])
                        tried &= self.simple(head, bound)
                    bound = self.walk(statement.finalbody, tried)
                case _:
                    bound = self.simple(statement, bound)
        return bound

    def simple(self, statement: ast.stmt, bound: set[str]) -> set[str]:
        """A statement without branches."""
        bound = set(bound)
        for node in ast.walk(statement):
            self.judge_part(node, bound)
        for verb, what in steps(compiled(statement)):
            if verb == "make":
                if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
                    self.waiting[statement.name] = inside(what)
                else:
                    self.use(inside(what), bound)
            elif verb == "load":
                self.use(({what}, set()), bound)
            elif verb == "store":
                bound.add(what)
                self.binds.add(what)
            elif what in bound:
                bound.remove(what)
            else:
                self.faults.append(f"deletes {what}")
        return bound

    def use(self, names: tuple[set[str], set[str]], bound: set[str]) -> None:
        loads, stores = names
        self.read |= (loads & self.outside) - bound
        self.binds |= stores
        for name in loads & set(self.waiting):
            self.use(self.waiting.pop(name), bound)

    def judge_part(self, node: ast.AST, bound: set[str]) -> None:
        """``del things[0]`` and ``things[0] += 1`` change a thing of another cell each time."""
        targets = node.targets if isinstance(node, ast.Delete) else []
        targets = [node.target] if isinstance(node, ast.AugAssign) else targets
        for part in targets:
            whole = part
            while isinstance(whole, (ast.Attribute, ast.Subscript)):
                whole = whole.value
            outer = isinstance(whole, ast.Name) and whole.id in self.outside - bound
            if outer and whole is not part:
                self.faults.append(f"changes {ast.unparse(part)} each time")


def lesson_faults(cells: list[tuple[int, str]]) -> list[str]:
    """Every fault of a lesson's code cells, each with its cell."""
    outside: set[str] = set()
    found = []
    for number, source in cells:
        cell = Cell(source, outside)
        found += [f"cell {number} {fault}" for fault in cell.faults]
        outside |= cell.binds
    return found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_cells_neither_delete_nor_rebind_what_they_read_from_outside(path):
    cells = json.loads(path.read_text("utf-8"))["cells"]
    code = [(i, "".join(c["source"])) for i, c in enumerate(cells) if c["cell_type"] == "code"]
    assert not lesson_faults(code)


BAD = {
    "deletes": "del images",
    "deletes after use": "print(images)\ndel images",
    "rebinds": "images = images[:5]",
    "rebinds in a tuple": "images, n = images[:5], 5",
    "counts on": "step += 1",
    "extends": "results |= {1: 2}",
    "reads, then rebinds": "print(model)\nmodel = 3",
    "rebinds by a loop": "for image in images:\n    print(image)\nfor images in [1]:\n    pass",
    "rebinds within a loop": "for _ in range(3):\n    step = step + 1",
    "rebinds by with": "print(file)\nwith open(name) as file:\n    pass",
    "rebinds by an import": "print(model)\nimport model",
    "rebinds by a walrus": "print(step)\nif (step := 3) > 2:\n    pass",
    "rebinds in one branch": "if model is None:\n    model = 3",
    "perhaps bound before": "if name:\n    model = 1\nmodel = model + 1",
    "perhaps bound by a try": "try:\n    model = 1\nexcept OSError:\n    pass\nmodel = model + 1",
    "reads in a function": "def f():\n    return model\n\nmodel = f()",
    "reads in a lambda": "f = lambda: model\nmodel = f()",
    "reads in a comprehension": "model = [model for _ in range(3)]",
    "reads in a class": "class A:\n    m = model\n\nmodel = A()",
    "global": "def f():\n    global step\n    step += 1\n\nf()",
    "counts on in a part": "results['a'] += 1",
    "counts on in an attribute": "model.step += 1",
    "deletes a part": "del results['a']",
    "in a match": "match model:\n    case [model]:\n        pass",
    "after a magic": "%matplotlib inline\nimages = images[:5]",
}
OUTSIDE = {"images", "model", "step", "results", "file", "name"}


@pytest.mark.parametrize("source", BAD.values(), ids=BAD)
def test_a_cell_that_cannot_run_twice_is_found(source):
    assert Cell(source, OUTSIDE).faults


GOOD = {
    "a new name": "few = images[:5]",
    "binds, then changes": "step = 0\nstep += 1\ndel step",
    "a loop's own name": "for model in (1, 2):\n    print(model)",
    "bound in both branches": "if name:\n    model = 1\nelse:\n    model = 2\nmodel += 1",
    "a parameter": "def f(model):\n    model = model + 1\n    return model\n\nf(1)",
    "a comprehension's own name": "squares = [step * step for step in range(3)]",
    "a name that is not outside": "other = 1\nother = other + 1",
    "defined before it is bound": "def f():\n    return model\n\nmodel = 3\nf()",
    "with its own name": "with open(name) as file:\n    print(file.read())",
    "a part set anew": "results['a'] = 1",
    "a loop that ends early": "for k in images:\n    if k:\n        break\nprint(k)",
}


@pytest.mark.parametrize("source", GOOD.values(), ids=GOOD)
def test_a_cell_that_can_run_twice_is_left_alone(source):
    assert not Cell(source, OUTSIDE).faults


RUNS = [  # cell, and what is said of it where each runs twice
    ("import random, time\nrandom.seed(0)\nnames, state = [], iter('abc')", ""),
    ("names.append('one')", ""),
    ("print(len(names), 'names')", "an earlier cell, run twice"),
    ("print(next(state))", "run a second time, this cell shows something else"),
    ("print('chance', random.random())", ""),
    ("print(f'{time.perf_counter():.3f} s', object())", ""),
    ("print('the end')", ""),
]


def test_running_every_cell_twice_finds_what_no_reading_sees(tmp_path):
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(source) for source, _ in RUNS]
    nbformat.write(notebook, tmp_path / "lesson.ipynb")
    environment = os.environ | {"PYTHONPATH": str(ROOT / "tests")}

    def said(*options: str) -> str:
        command = [sys.executable, "-m", "pytest", "-p", "no:xdist", "-p", "cells_twice"]
        command += ["--nbval-lax", "--nbval-current-env", *options, "lesson.ipynb"]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        return done.stdout

    assert f"{len(RUNS)} passed" in said()
    report = said("--twice")
    for number, (_, fault) in enumerate(RUNS):
        part = re.search(
            rf"_+ lesson.ipynb::Cell {number} _+\n(.*?)(?=\n_+ |\Z)", report, re.DOTALL
        )
        assert bool(part) == bool(fault), report
        assert not part or fault in part[1]
