"""One click starts: badges, Binder, Codespaces, and the workflows of the public host."""

import importlib.util
import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
import yaml
from packaging.specifiers import SpecifierSet

from qdvae_helpers.commands import COMMANDS

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import launch  # noqa: E402

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LINK = {
    "Binder": r"https://mybinder\.org/v2/gh/[\w.-]+/[\w.-]+/v[\d.]+\?labpath=notebooks%2F(\w+)\.ipynb",
    "Colab": r"https://colab\.research\.google\.com/github/[\w.-]+/[\w.-]+/blob/v[\d.]+/notebooks/(\w+)\.ipynb",
    "Codespaces": r"https://codespaces\.new/[\w.-]+/[\w.-]+/tree/v[\d.]+()",
}


def test_badges_and_colab_cells_agree_with_the_one_place_that_names_the_repository():
    done = subprocess.run(
        [sys.executable, "tools/launch.py", "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr + "run `make badges`"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_notebook_has_one_cell_for_colab(path):
    cells = nbformat.read(path, as_version=4).cells
    found = [cell.id for cell in cells if "launch" in cell.metadata.get("tags", [])]
    assert found == [launch.CELL_ID]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_notebooks_badges_open_that_notebook(path):
    first = nbformat.read(path, as_version=4).cells[0].source
    badges = dict(re.findall(r"\[!\[Open in (\w+)\]\([^)]+\)\]\(([^)]+)\)", first))
    assert list(badges) == list(LINK)
    for service, link in badges.items():
        opened = re.fullmatch(LINK[service], link)
        assert opened, link
        assert opened[1] in ("", path.stem)
    for image in re.findall(r"\[!\[[^]]+\]\(([^)]+)\)\]", first):
        assert (path.parent / image).is_file()


def test_another_home_changes_every_link_and_twice_changes_nothing():
    notebook = nbformat.read(NOTEBOOKS[0], as_version=4)
    there = launch.Home("someone", "elsewhere", "v9.9")
    launch.with_launch(notebook, NOTEBOOKS[0].stem, there)
    once = nbformat.writes(notebook)
    assert once.count("someone/elsewhere") == 4  # three badges and the cell
    launch.with_launch(notebook, NOTEBOOKS[0].stem, there)
    assert nbformat.writes(notebook) == once


def test_an_interrupted_writing_leaves_the_old_files(monkeypatch, tmp_path):
    (tmp_path / "notebooks").mkdir()
    for name in ("pyproject.toml", "README.md", f"notebooks/{NOTEBOOKS[0].name}"):
        text = (ROOT / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace("Open in Binder", "Old"), encoding="utf-8")
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    whole = Path.write_text

    def half(self, text, **options):
        whole(self, text[:100], **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_text", half)
    monkeypatch.setattr(launch, "ROOT", tmp_path)
    monkeypatch.setattr("sys.argv", ["launch.py"])
    with pytest.raises(KeyboardInterrupt):
        launch.main()
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_conda_parses_every_line_of_the_environment():
    rattler = pytest.importorskip("rattler")
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["channels"] == ["conda-forge"]
    *specs, pip = environment["dependencies"]
    assert set(pip) == {"pip"}
    parsed = [rattler.MatchSpec(spec) for spec in specs]
    assert {"python", "pip", "pytorch-cpu"} <= {spec.name.normalized for spec in parsed}


def test_binders_scripts_are_executable_shell(tmp_path):
    for name in ("postBuild", "start"):
        script = ROOT / "binder" / name
        assert script.stat().st_mode & 0o111, name
        subprocess.run(["bash", "-n", script], check=True)
    assert script.read_text().rstrip().endswith('exec "$@"')


def test_the_devcontainer_works_without_a_token():
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    assert container["postCreateCommand"] == "make setup"
    assert list(container["secrets"]) == ["DWAVE_API_TOKEN"]  # offered, not required
    settings = json.loads((ROOT / ".vscode" / "settings.json").read_text())
    assert settings["python.defaultInterpreterPath"].endswith(".venv/bin/python")


WORKFLOWS = ("tests", "weekly", "site")


def load(name: str) -> dict:
    return yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yml").read_text())


@pytest.fixture(scope="module")
def workflow() -> dict:
    return load("tests")


def steps_of(job: dict) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def the_makefiles_targets() -> set[str]:
    return set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_the_public_workflow_runs_all_that_make_test_does(workflow):
    used = {line.split()[1] for job in workflow["jobs"].values() for line in steps_of(job)}
    makefile = (ROOT / "Makefile").read_text()
    parts = set(re.search(r"^test: (.+)$", makefile, re.MULTILINE)[1].split())
    assert parts <= used  # the repository's own check runs `make test`
    assert "make test" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_step_of_a_workflow_is_a_command_that_exists(name):
    for job in load(name)["jobs"].values():
        for command in steps_of(job):
            words = shlex.split(command.replace("${{ matrix.constraints }}", "-c constraints.txt"))
            if words[0] == "make":
                assert words[1] in the_makefiles_targets(), command
                assert all(re.fullmatch(r"[A-Z0-9]+=\S*", word) for word in words[2:]), command
                continue
            assert words[:2] == ["python", "-m"], command
            assert importlib.util.find_spec(words[2]), command
            if words[2] == "qdvae_helpers":
                assert words[3] in COMMANDS, command
            for word in words[3:]:
                if word.startswith("tests") or word.endswith(".txt"):
                    assert (ROOT / word).exists(), command


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_may_only_read_and_its_actions_bear_versions(name):
    workflow = load(name)
    assert workflow["permissions"] == {"contents": "read"}
    for job_name, job in workflow["jobs"].items():
        publishes = (name, job_name) == ("site", "publish")
        wanted = {"pages": "write", "id-token": "write"} if publishes else None
        assert job.get("permissions") == wanted
        assert not publishes or not steps_of(job)  # what runs our code may not write
        for step in job["steps"]:
            assert re.fullmatch(r"actions/[\w-]+@v\d+", step.get("uses", "actions/checkout@v4"))


def test_each_week_each_system_installs_and_runs_the_lessons_with_pins_and_without():
    workflow = load("weekly")
    assert "schedule" in workflow[True]  # YAML reads the key "on" so
    systems = workflow["jobs"]["systems"]
    matrix = systems["strategy"]["matrix"]
    assert {system.split("-")[0] for system in matrix["system"]} == {"ubuntu", "macos", "windows"}
    assert "" in matrix["constraints"]
    assert "-c constraints.txt" in matrix["constraints"]
    done = steps_of(systems)
    assert "python -m qdvae_helpers doctor" in done
    assert "python -m qdvae_helpers run" in done
    assert not any(command.startswith("make") for command in done)  # Windows has none


def test_the_workflow_covers_every_python_that_the_package_claims(workflow):
    tested = workflow["jobs"]["helpers"]["strategy"]["matrix"]["python"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    claimed = SpecifierSet(project["requires-python"])
    assert tested == [f"3.{minor}" for minor in range(30) if claimed.contains(f"3.{minor}")]


def test_the_site_is_published_from_main_after_it_was_looked_at():
    workflow = load("site")
    assert workflow[True]["push"] == {"branches": ["main"]}
    build, publish = workflow["jobs"]["build"], workflow["jobs"]["publish"]
    assert steps_of(build) == ["make docs"]
    assert build["steps"][-1]["with"]["path"] == "build/docs"
    assert publish["needs"] == "build"


def test_only_the_run_that_is_started_by_hand_sees_the_token(workflow):
    text = json.dumps({name: job for name, job in workflow["jobs"].items() if name != "qpu"})
    assert "secrets." not in text + json.dumps([load("weekly")["jobs"], load("site")["jobs"]])
    assert "workflow_dispatch" in workflow["jobs"]["qpu"]["if"]


def test_the_citation_names_the_same_version_and_repository():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    here = launch.home()
    assert f"v{citation['version']}" == here.tag
    assert citation["repository-code"] == here.url
