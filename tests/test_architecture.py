"""Imports run one way, and the contracts that say so notice when they do not."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# The command of import-linter, in the environment that runs the tests.
LINT = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]


def lint(folder: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [*LINT, "--no-cache"],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PATH": "", "COLUMNS": "200", "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def house(tmp_path) -> Path:
    """A copy of the package and its contracts that may be spoiled."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "qdvae_helpers", tmp_path / "qdvae_helpers", ignore=ignored)
    return tmp_path


def test_the_contracts_are_kept():
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 kept, 0 broken" in done.stdout


@pytest.mark.parametrize(
    ("room", "line", "broken"),
    [
        ("losses.py", "from qdvae_helpers.models import QDVAE", "Rooms in layers"),
        (
            "qpu/budget.py",
            "def hidden():\n    from qdvae_helpers.qpu.device import QPU",
            "No circle",
        ),
        (
            "samplers/base.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n"
            "    from qdvae_helpers.samplers.gibbs import GibbsSampler",
            "No circle",
        ),
        ("training/loop.py", "from qdvae_helpers.qpu.leap import connect", "Rooms that lessons"),
    ],
    ids=["upwards", "in a function", "for type checkers", "to a device"],
)
def test_an_import_that_runs_the_wrong_way_is_noticed(house, room, line, broken):
    path = house / "qdvae_helpers" / room
    path.write_text(path.read_text() + f"\n\n{line}\n")
    done = lint(house)
    assert done.returncode == 1
    assert re.search(rf"^{broken}[^\n]*\n?[^\n]* BROKEN$", done.stdout, re.MULTILINE), done.stdout


def test_no_file_is_long():
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for folder in ("qdvae_helpers", "tests")
        for path in (ROOT / folder).rglob("*.py")
    }
    assert len(lengths) > 100
    assert {name: n for name, n in lengths.items() if n > 400} == {}
