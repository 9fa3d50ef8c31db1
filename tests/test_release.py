"""What a release must not forget: versions and dates agree, and commands that are named exist."""

import importlib.util
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet

import qdvae_helpers
from qdvae_helpers.commands import COMMANDS

ROOT = Path(__file__).resolve().parent.parent
TARGETS = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text("utf-8"), re.M))
#: Lab notes tell of old commits, with the commands of their time.
PAGES = [
    page
    for folder in (".", "benchmarks", "data", "docs")
    for page in sorted((ROOT / folder).glob("*.md"))
    if page.name != "lab-notes.md"
]


def test_the_changelog_begins_with_this_version_and_the_citation_has_its_date():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    version, when = re.search(r"^## (\S+), (.+)$", text, re.MULTILINE).groups()
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert version == citation["version"] == qdvae_helpers.__version__
    assert when == str(citation.get("date-released", "unreleased"))


def commands_in(text: str) -> Iterator[str]:
    """Commands between backticks, and lines of blocks for a shell."""
    yield from re.findall(r"(?<!`)`((?:make|qdvae|python) [^`\n]+)`", text)
    for block in re.findall(r"^```(?:bash|sh|powershell)?\n(.*?)^```", text, re.M | re.S):
        block = block.replace("\\\n", " ")  # a command that goes on in the next line
        yield from re.findall(r"^((?:make|qdvae|python) .+)$", block, re.MULTILINE)


def missing(command: str) -> str:
    """What a command names that is not there; empty where all is."""
    words = shlex.split(command.partition("#")[0])
    if words[0] == "make":
        targets = [word for word in words[1:] if "=" not in word]
        return " ".join(target for target in targets if target not in TARGETS)
    if words[:3] == ["python", "-m", "qdvae_helpers"]:
        words = ["qdvae", *words[3:]]
    if words[0] == "qdvae":
        return "" if words[1] in COMMANDS or words[1].startswith("-") else words[1]
    if words[1] == "-m":
        return "" if importlib.util.find_spec(words[2]) else words[2]
    return "" if words[1].startswith("-") or (ROOT / words[1]).exists() else words[1]


@pytest.mark.parametrize(
    ("command", "lacks"),
    [
        ("make setup", ""),
        ("make test docs PARALLEL=", ""),
        ("make tests", "tests"),
        ("qdvae doctor", ""),
        ("python -m qdvae_helpers start", "start"),
        ("python tools/slides.py --help", ""),
        ("python tools/slide.py", "tools/slide.py"),
        ("python -m jupyterlabs notebooks", "jupyterlabs"),
    ],
)
def test_how_a_missing_command_is_found(command, lacks):
    assert missing(command) == lacks


def test_every_command_in_documents_and_lessons_exists():
    texts = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        prose = ["".join(c["source"]) for c in cells if c["cell_type"] == "markdown"]
        texts[path.name] = "\n".join(prose)
    found = [(page, command) for page, text in texts.items() for command in commands_in(text)]
    assert len(found) > 100
    assert {page for page, _ in found} > {"README.md", "CONTRIBUTING.md", "00_start_here.ipynb"}
    lacking = {(page, command) for page, command in found if missing(command)}
    assert not lacking


def test_what_binder_and_codespaces_run_exists():
    build = (ROOT / "binder" / "postBuild").read_text(encoding="utf-8")
    (imported,) = re.findall(r'python -c "import (.+)"', build)
    for module in imported.split(", "):
        assert importlib.util.find_spec(module), module
    for command in re.findall(r"^(qdvae .+?)(?: \|\||$)", build, re.MULTILINE):
        assert not missing(command)
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text("utf-8"))
    assert not missing(container["postCreateCommand"])
    recommended = json.loads((ROOT / ".vscode" / "extensions.json").read_text("utf-8"))
    offered = container["customizations"]["vscode"]["extensions"]
    assert set(offered) == set(recommended["recommendations"])
    minor = container["image"].rpartition(":")[2]
    assert f"- python={minor}\n" in (ROOT / "environment.yml").read_text("utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert SpecifierSet(project["requires-python"]).contains(minor)


def test_the_package_takes_all_its_files_along():
    """An installation that is no editable one copies what ``package-data`` names, and no more."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    named = {pattern.lstrip("*") for pattern in project["tool"]["setuptools"]["package-data"]["*"]}
    files = {path for path in (ROOT / "qdvae_helpers").rglob("*.*") if path.is_file()}
    assert {path.suffix for path in files} - {".pyc"} == named | {".py"}
    for path in files:  # a folder without it is not found
        assert "__pycache__" in path.parts or (path.parent / "__init__.py").exists(), path
