"""Wrong answers made from right ones: each solution in the notebooks, broken in one place.

``mutants(source)`` changes one thing at a time in a solution: a term dropped, a sign flipped, a
factor 2, a mean for a sum, ``n - 1`` for ``n``, another axis, a call left out, ``detach`` added or
removed, a comparison turned, an argument ignored or exchanged, a size written as a number, a line
of a loop left out or done later, a result returned after the first round.
``wrappers(function, examples)`` damages a right function from outside: the first answer for
everything, one argument ignored, the absolute value, the input overwritten, nothing returned.
``inputs(examples)`` are other arguments of the same kind, by which a mutant that is right in effect
(such as the absolute value of a distance) is told from a wrong one that a check lets pass.
"""

import ast
import contextlib
import copy
import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"

_TURNED = {ast.Lt: ast.GtE, ast.LtE: ast.Gt, ast.Gt: ast.LtE, ast.GtE: ast.Lt, ast.Eq: ast.NotEq}
_EDGE = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
_OTHER = {"sum": "mean", "mean": "sum", "max": "min", "min": "max", "var": "std", "std": "var"}
_OTHER |= {"exp": "log", "log": "exp", "cosh": "cos", "tanh": "sigmoid", "sigmoid": "tanh"}
_OTHER |= {"argmax": "argmin", "argmin": "argmax", "sqrt": "square", "square": "sqrt"}
_OTHER |= {"cumsum": "cumprod", "zeros_like": "ones_like", "ones_like": "zeros_like"}
_OTHER |= {"cos": "sin", "sin": "cos", "amax": "amin", "amin": "amax", "log1p": "log"}
_WITH_AXIS = {"sum", "mean", "max", "min", "var", "std", "logsumexp", "softmax", "argsort", "sort"}
_WITH_AXIS |= {"argmax", "argmin", "cumsum", "prod", "any", "all", "stack", "cat", "flatten"}
_WITH_AXIS |= {"amax", "amin", "norm", "median", "flip", "unsqueeze", "squeeze"}


def solutions() -> Iterator[tuple[str, str, str, str]]:
    """Lesson, check, name of the function and source of each solution that is one function."""
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            source = "".join(cell["source"])
            if "solution" in cell["metadata"].get("tags", []):
                for check, name in re.findall(r"^checks\.(\w+)\((\w+)\)$", source, re.MULTILINE):
                    if f"def {name}(" in source:
                        yield path.stem[:2], check, name, source


def namespace(lesson: str) -> dict[str, Any]:
    """What a solution may use: a lesson's imports, of ours the losses, and its plain functions."""
    (path,) = NOTEBOOKS.glob(f"{lesson}_*.ipynb")
    names: dict[str, Any] = {}
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        if cell["cell_type"] != "code" or "launch" in cell["metadata"].get("tags", []):
            continue
        source = "".join(c for c in cell["source"] if not c.startswith(("%", "!")))
        for node in ast.parse(source).body:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                if "qdvae" not in ast.dump(node) or node.module == "qdvae_helpers.losses":
                    exec(ast.unparse(node), names)
            elif isinstance(node, ast.FunctionDef) and not node.decorator_list:
                with contextlib.suppress(NameError):  # of a default that another cell makes
                    exec(ast.unparse(node), names)
    return names


def function_from(source: str, name: str, names: dict[str, Any]) -> Callable:
    """Run the definitions of a solution's source, not its calls, and return one of them."""
    tree = ast.parse(source)
    tree.body = [node for node in tree.body if not isinstance(node, ast.Expr)]
    here = dict(names)
    exec(compile(ast.fix_missing_locations(tree), "mutant", "exec"), here)
    return here[name]


def mutants(source: str) -> dict[str, str]:
    """The same source with one thing broken, by what was broken."""
    tree = ast.parse(source)
    tree.body = [node for node in tree.body if not isinstance(node, ast.Expr)]
    found: dict[str, str] = {}
    outside = {
        id(part)
        for node in ast.walk(tree)
        for decorator in getattr(node, "decorator_list", [])
        for part in ast.walk(decorator)
    }
    for place, node in enumerate(ast.walk(tree)):
        if id(node) in outside:
            continue
        for why, change in _changes(node, tree):
            broken = copy.deepcopy(tree)
            target = list(ast.walk(broken))[place]
            new = change(target)
            if new is not target:
                _Replace(target, new).visit(broken)
            text = ast.unparse(ast.fix_missing_locations(broken))
            if text != ast.unparse(tree) and text not in found.values():
                line = _changed_line(ast.unparse(tree), text)
                found[f"{why}: {line}"] = text
    return found


def _changed_line(before: str, after: str) -> str:
    pairs = zip(before.splitlines(), after.splitlines(), strict=False)
    return next((b.strip() for a, b in pairs if a != b), "a line less")


class _Replace(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        return self.new if node is self.old else super().generic_visit(node)


def _set(**fields: Any) -> Callable[[ast.AST], ast.AST]:
    def change(node: ast.AST) -> ast.AST:
        for name, value in fields.items():
            setattr(node, name, value)
        return node

    return change


def _parse(expression: str) -> ast.expr:
    return ast.parse(expression, mode="eval").body


def _changes(node: ast.AST, tree: ast.AST) -> Iterator[tuple[str, Callable[[Any], ast.AST]]]:
    if isinstance(node, ast.BinOp):
        yield "right dropped", lambda n: n.left
        yield "left dropped", lambda n: n.right
        swaps = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult}
        if type(node.op) in swaps:
            yield "other operator", _set(op=swaps[type(node.op)]())
        if isinstance(node.op, (ast.Sub, ast.Div, ast.MatMult, ast.Pow)):
            yield "sides exchanged", lambda n: ast.BinOp(n.right, n.op, n.left)
    elif isinstance(node, ast.UnaryOp):
        yield "sign or not dropped", lambda n: n.operand
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        for why, table in (("turned", _TURNED), ("edge moved", _EDGE)):
            if type(node.ops[0]) in table:
                yield why, _set(ops=[table[type(node.ops[0])]()])
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield "constant + 1", _set(value=node.value + 1)
        if node.value:
            yield "constant negated", _set(value=-node.value)
            yield "constant doubled", _set(value=2 * node.value)
    elif isinstance(node, ast.Return) and node.value is not None:
        for text in ("-({})", "2 * ({})", "({}) / 2", "1 + ({})", "1 / ({})"):
            yield (
                f"result {text}",
                lambda n, t=text: ast.Return(_parse(t.format(ast.unparse(n.value)))),
            )
    elif isinstance(node, ast.Call):
        yield from _call_changes(node)
    elif isinstance(node, ast.Attribute) and node.attr in ("T", "mT", "values"):
        yield f".{node.attr} forgotten", lambda n: n.value
    elif isinstance(node, ast.For):
        yield from _loop_changes(node)
    elif isinstance(node, ast.FunctionDef) and isinstance(node.body[-1], ast.Return):
        if len(node.body) > 1 and isinstance(node.body[-2], ast.For):

            def earlier(n: ast.FunctionDef) -> ast.FunctionDef:
                n.body[-2].body.append(n.body.pop())
                return n

            yield "returned within the loop", earlier
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        arguments = next(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)).args.args
        names = [a.arg for a in arguments]
        if node.id in names:
            for other in names:
                if other != node.id:
                    yield f"{other} for {node.id}", lambda n, o=other: ast.Name(o, ast.Load())
            yield "absolute value", lambda n: _parse(f"abs({n.id})")
            yield "negated", lambda n: _parse(f"(-{n.id})")


def _loop_changes(node: ast.For) -> Iterator[tuple[str, Callable[[Any], ast.AST]]]:
    """A statement that only acts is left out, or done one statement later."""
    for place, part in enumerate(node.body):
        if isinstance(part, ast.Expr):

            def without(n: ast.For, p: int = place) -> ast.For:
                n.body[p] = ast.Pass()
                return n

            def later(n: ast.For, p: int = place) -> ast.For:
                n.body[p : p + 2] = reversed(n.body[p : p + 2])
                return n

            yield f"{ast.unparse(part)} left out", without
            yield f"{ast.unparse(part)} later", later


def _call_changes(node: ast.Call) -> Iterator[tuple[str, Callable[[Any], ast.AST]]]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    method = isinstance(node.func, ast.Attribute) and not (
        isinstance(node.func.value, ast.Name)
        and node.func.value.id in ("torch", "math", "F", "qml")
    )
    if (method and not node.args) or name in ("float", "abs", "int", "round"):
        yield f"{name} left out", lambda n: n.func.value if method else n.args[0]
    elif not method and len(node.args) == 1:
        yield f"{name} left out", lambda n: n.args[0]
    if method and name not in ("detach", "clone", "append"):
        yield "detached", lambda n: _parse(f"({ast.unparse(n)}).detach()")
    if name in ("len", "numel") or name == "size":
        yield "one less", lambda n: _parse(f"({ast.unparse(n)} - 1)")
        for size in range(1, 10):
            yield f"size {size}", lambda n, s=size: ast.Constant(s)
    if name in _OTHER and isinstance(node.func, ast.Attribute):

        def renamed(n: ast.Call) -> ast.Call:
            n.func.attr = _OTHER[name]
            return n

        yield f"{_OTHER[name]} for {name}", renamed
    if name in _WITH_AXIS:
        for place, argument in enumerate(node.args):
            axis = ast.unparse(argument)
            if axis in ("0", "1", "2", "-1", "-2"):
                for other in {"0", "1", "-1"} - {axis}:

                    def moved(n: ast.Call, p: int = place, o: str = other) -> ast.Call:
                        n.args[p] = _parse(o)
                        return n

                    yield f"axis {other}", moved
    for place in range(len(node.keywords)):

        def less(n: ast.Call, p: int = place) -> ast.Call:
            del n.keywords[p]
            return n

        yield f"{node.keywords[place].arg} forgotten", less


def wrappers(right: Callable, examples: tuple[tuple, ...]) -> dict[str, Callable]:
    """A right function, damaged from outside; of ``examples`` only the first is needed."""
    first = examples[0] if examples else ()
    kept: list[Any] = []

    def first_for_all(*args: Any) -> Any:
        if not kept:
            kept.append(right(*copy.deepcopy(args)))
        return copy.deepcopy(kept[0])

    def in_place(*args: Any) -> Any:
        result = copy.deepcopy(right(*args))
        for value in args:
            if isinstance(value, torch.Tensor) and not value.requires_grad:
                value.zero_()
            elif isinstance(value, (list, dict)):
                value.clear()
        return result

    def then(change: Callable) -> Callable:
        return lambda *args: change(right(*args))

    def ignoring(place: int) -> Callable:
        return lambda *args: right(*args[:place], copy.deepcopy(first[place]), *args[place + 1 :])

    broken = {
        "the first answer for everything": first_for_all,
        "nothing": then(lambda x: None),
        "text": then(str),
        "absolute value": then(abs),
        "clamped at zero": then(
            lambda x: x.clamp(min=0) if isinstance(x, torch.Tensor) else max(x, 0)
        ),
        "rounded": then(lambda x: x.round() if isinstance(x, torch.Tensor) else round(x)),
        "transposed": then(lambda x: x.T if x.ndim == 2 else -x),
    }
    if any(isinstance(value, (torch.Tensor, list, dict)) for value in first):
        broken["input overwritten"] = in_place
    if len(first) > 1:
        broken |= {f"argument {place} ignored": ignoring(place) for place in range(len(first))}
    return broken


#: What no other input may excuse: the check has to vary sizes and every argument itself.
ALWAYS_WRONG = re.compile(r"size \d|argument \d|the first|input|nothing|text|one less")


def inputs(examples: tuple[tuple, ...], rounds: int = 20) -> Iterator[tuple]:
    """Other arguments like those of ``examples``: numbers stay in the range seen."""
    chance = random.Random(0)
    for _ in range(rounds):
        for example in examples:
            values = zip(*examples, strict=True)
            yield tuple(
                _alike(value, list(_numbers(others)), chance)
                for value, others in zip(example, values, strict=True)
            )


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, torch.Tensor):
        yield from value.detach().flatten().tolist()
    elif isinstance(value, dict):
        yield from _numbers(list(value.values()))
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _numbers(part)
    elif isinstance(value, (int, float)):
        yield value


def _alike(value: Any, seen: list, chance: random.Random) -> Any:
    few, real = len(set(seen)) <= 2, [n for n in seen if not isinstance(n, complex)] or [0]
    ends = min(real), max(real)

    def one(old: Any) -> Any:
        if isinstance(old, (bool, int, complex)) or few:
            return chance.choice(seen) if seen and not isinstance(old, complex) else old
        return chance.uniform(*ends)

    if isinstance(value, torch.Tensor) and not value.is_complex() and value.numel():
        flat = [one(old) for old in value.detach().flatten().tolist()]
        new = torch.tensor(flat, dtype=value.dtype).reshape(value.shape)
        return new.requires_grad_(value.requires_grad)
    if isinstance(value, dict):
        return {key: _alike(part, seen, chance) for key, part in value.items()}
    if isinstance(value, list):
        return [_alike(part, seen, chance) for part in value]
    return one(value) if isinstance(value, (int, float)) else copy.deepcopy(value)
