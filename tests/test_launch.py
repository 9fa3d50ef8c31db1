"""One click starts: badges, Binder, Colab, Codespaces, and the workflow of the public host."""

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tomllib
import types
import zipfile
from pathlib import Path

import importlib_metadata
import nbformat
import pytest
import yaml
from packaging.specifiers import SpecifierSet

from qdvae_helpers import colab
from qdvae_helpers.errors import SettingError

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


@pytest.fixture
def on_colab(monkeypatch):
    """Modules as Colab has them; ``secrets`` holds what the user stored, or an error."""
    secrets: dict[str, str | Exception] = {}

    class SecretNotFoundError(Exception):
        pass

    def get(name: str) -> str:
        if name not in secrets:
            raise SecretNotFoundError(name)
        if isinstance(secrets[name], Exception):
            raise secrets[name]
        return secrets[name]

    package = types.ModuleType("google.colab")
    package.userdata = types.SimpleNamespace(get=get)
    monkeypatch.setitem(sys.modules, "google", types.ModuleType("google"))
    monkeypatch.setitem(sys.modules, "google.colab", package)
    return secrets


@pytest.fixture
def pip_calls(monkeypatch):
    """What would have been installed, with the constraints given to pip."""
    calls = []

    def run(command, check):
        constraints = Path(command[command.index("-c") + 1]).read_text()
        calls.append((command, constraints))
        return subprocess.CompletedProcess(command, returncode=0)

    monkeypatch.setattr(colab.subprocess, "run", run)
    return calls


def pretend_missing(monkeypatch, *names: str) -> None:
    real = importlib.metadata.version

    def version(name: str) -> str:
        if name in names:
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr("importlib.metadata.version", version)


def run_the_cell(monkeypatch) -> list[str]:
    """Run Colab's set-up cell as IPython would; return its shell commands."""
    from IPython.core.inputtransformer2 import TransformerManager

    source = nbformat.read(NOTEBOOKS[0], as_version=4).cells[1].source
    shell: list[str] = []
    scope = {"get_ipython": lambda: types.SimpleNamespace(system=shell.append)}
    monkeypatch.setattr(sys, "path", list(sys.path))
    exec(TransformerManager().transform_cell(source), scope)
    return [command.replace("$url", scope["url"]) for command in shell]


def test_the_cell_does_nothing_elsewhere(monkeypatch, pip_calls):
    path = list(sys.path)
    assert run_the_cell(monkeypatch) == []
    assert sys.path == path
    assert pip_calls == []


def test_on_colab_it_clones_the_tag_and_installs_only_what_is_missing(
    monkeypatch, on_colab, pip_calls, capsys
):
    pretend_missing(monkeypatch, "dimod", "dwave-system", "torch", "ipywidgets", "jupyterlab")
    (command,) = run_the_cell(monkeypatch)
    here = launch.home()
    assert f"git clone -q --depth 1 --branch {here.tag} {here.url} /content/lessons" in command
    ((pip, constraints),) = pip_calls
    wanted = {re.split(r"[<>=!]", text)[0] for text in pip[pip.index("-c") + 2 :]}
    assert wanted == {"dimod", "dwave-system"}
    assert re.search(r"^torch==", constraints, re.MULTILINE)  # stays as it is
    assert not re.search(r"^dimod==", constraints, re.MULTILINE)
    assert "installed 2 packages" in capsys.readouterr().out


def test_a_failed_installation_says_what_to_do(monkeypatch, on_colab):
    pretend_missing(monkeypatch, "dimod")
    failed = subprocess.CompletedProcess([], returncode=1)
    monkeypatch.setattr(colab.subprocess, "run", lambda *a, **k: failed)
    with pytest.raises(SettingError, match="Disconnect and delete runtime"):
        colab.prepare()


def metadata(folder: Path, stem: str, *lines: str) -> None:
    """What pip or Debian leaves of an installed package."""
    (folder / f"{stem}.dist-info").mkdir(parents=True)
    (folder / f"{stem}.dist-info" / "METADATA").write_text("\n".join(lines) + "\n")


@pytest.fixture
def as_on_colab(tmp_path) -> list[str]:
    """Two folders in Python's order; some packages are there twice, some pip cannot read."""
    ours, debians = tmp_path / "dist-packages", tmp_path / "python3" / "dist-packages"
    metadata(ours, "spam_eggs-2.0", "Metadata-Version: 2.1", "Name: spam_eggs", "Version: 2.0")
    metadata(ours, "torch-2.11.0", "Name: torch", "Version: 2.11.0+cu128")
    metadata(ours, "replaced-1.0", "Name: Replaced", "Version: 1.0")
    metadata(ours, "nameless-1.0", "Version: 1.0")
    metadata(ours, "empty-1.0")
    (ours / "bare-1.0.dist-info").mkdir()
    metadata(debians, "Spam.Eggs-1.0", "Name: Spam.Eggs", "Version: 1.0")
    metadata(debians, "python_apt-2.4", "Name: python-apt", "Version: 2.4.0-ubuntu4~deb")
    metadata(debians, "nothing-0", "Name: nothing")
    return [str(ours), str(debians)]


@pytest.mark.parametrize("backport", [False, True], ids=["standard library", "backport"])
def test_each_package_is_pinned_once_as_python_imports_it(as_on_colab, backport):
    found = importlib.metadata.distributions(path=as_on_colab)
    if backport:  # whose finder takes over once D-Wave's client has imported it
        found = importlib_metadata.distributions(path=as_on_colab)
    assert colab.pins(found, ["replaced"]) == "spam-eggs==2.0\ntorch==2.11.0+cu128\n"


def wheel(folder: Path, name: str, version: str, *requires: str) -> None:
    """An empty package that pip can resolve."""
    stem = f"{name}-{version}"
    needs = "".join(f"Requires-Dist: {text}\n" for text in requires)
    tags = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}"
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{stem}.dist-info/METADATA", about)
        archive.writestr(f"{stem}.dist-info/WHEEL", tags)
        archive.writestr(f"{stem}.dist-info/RECORD", "")


def test_pip_itself_can_install_beside_packages_that_are_there_twice(as_on_colab, tmp_path):
    wheels, constraints = tmp_path / "wheels", tmp_path / "installed.txt"
    for version in ("1.0", "2.0", "3.0"):
        wheel(wheels, "spam_eggs", version)
    wheel(wheels, "lesson", "1.0", "spam-eggs>=1.5")
    found = importlib.metadata.distributions(path=as_on_colab)
    constraints.write_text(colab.pins(found))
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed"]
    command += ["--no-index", "--find-links", str(wheels), "-c", str(constraints), "lesson"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Would install lesson-1.0 spam_eggs-2.0" in done.stdout.replace("spam-eggs", "spam_eggs")


def test_the_token_comes_from_colabs_secrets_and_is_not_shown(monkeypatch, on_colab, capsys):
    monkeypatch.setenv("DWAVE_API_TOKEN", "")  # whatever is set here ends with the test
    on_colab["DWAVE_API_TOKEN"] = "DEV-123"
    assert colab.take_token() is True
    assert os.environ["DWAVE_API_TOKEN"] == "DEV-123"
    assert "DEV-123" not in capsys.readouterr().out


@pytest.mark.parametrize("reply", [None, "", KeyError("no secret"), TimeoutError("nobody answers")])
def test_whatever_keeps_the_secret_away_there_is_no_token(on_colab, reply):
    if reply is not None:
        on_colab["DWAVE_API_TOKEN"] = reply
    assert colab.take_token() is False
    assert "DWAVE_API_TOKEN" not in os.environ


def test_without_colabs_module_there_is_no_token(monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", None)
    assert colab.take_token() is False


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


@pytest.fixture(scope="module")
def workflow() -> dict:
    return yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text())


def steps_of(job: dict) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


def test_the_public_workflow_runs_the_makefiles_targets_and_nothing_else(workflow):
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z][\w-]*):", makefile, re.MULTILINE))
    used = set()
    for job in workflow["jobs"].values():
        for command in steps_of(job):
            found = re.fullmatch(r"make ([\w-]+)( [A-Z0-9]+=\S*)*", command)
            assert found, command
            used.add(found[1])
    assert used <= targets
    parts = set(re.search(r"^test: (.+)$", makefile, re.MULTILINE)[1].split())
    assert parts <= used  # what `make test` does, which the repository's own check runs
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def test_the_workflow_covers_every_python_that_the_package_claims(workflow):
    tested = workflow["jobs"]["helpers"]["strategy"]["matrix"]["python"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    claimed = SpecifierSet(project["requires-python"])
    assert tested == [f"3.{minor}" for minor in range(30) if claimed.contains(f"3.{minor}")]


def test_only_the_run_that_is_started_by_hand_sees_the_token(workflow):
    text = json.dumps({name: job for name, job in workflow["jobs"].items() if name != "qpu"})
    assert "secrets." not in text
    assert "workflow_dispatch" in workflow["jobs"]["qpu"]["if"]
    assert workflow["permissions"] == {"contents": "read"}


def test_the_citation_names_the_same_version_and_repository():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    here = launch.home()
    assert f"v{citation['version']}" == here.tag
    assert citation["repository-code"] == here.url
