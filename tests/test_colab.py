"""Colab's set-up cell: it fetches, installs with the real pip, takes a token, and only once."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import types
import venv
import zipfile
from pathlib import Path

import importlib_metadata
import pip
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from qdvae_helpers import colab, requirements
from qdvae_helpers.errors import SettingError

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import launch  # noqa: E402


@pytest.fixture
def on_colab(monkeypatch):
    """Modules as Colab has them; ``secrets`` holds what the user stored, or an error."""
    secrets: dict[str, object] = {}

    class SecretNotFoundError(Exception):
        pass

    def get(name: str) -> object:
        if name not in secrets:
            raise SecretNotFoundError(name)
        if isinstance(secrets[name], Exception):
            raise secrets[name]
        return secrets[name]

    package = types.ModuleType("google.colab")
    package.userdata = types.SimpleNamespace(get=get)
    monkeypatch.setitem(sys.modules, "google", types.ModuleType("google"))
    monkeypatch.setitem(sys.modules, "google.colab", package)
    monkeypatch.setenv("DWAVE_API_TOKEN", "")  # whatever is set here ends with the test
    return secrets


@pytest.fixture
def absent(monkeypatch) -> set[str]:
    """Names of packages that seem not to be installed."""
    names: set[str] = set()
    real = importlib.metadata.version

    def version(name: str) -> str:
        if name in names:
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr("importlib.metadata.version", version)
    return names


@pytest.fixture
def pip_calls(monkeypatch, absent):
    """What would have been installed, with the constraints given to pip."""
    calls = []

    def run(command, check):
        constraints = Path(command[command.index("-c") + 1]).read_text()
        calls.append((command, constraints))
        absent.clear()
        return subprocess.CompletedProcess(command, returncode=0)

    monkeypatch.setattr(colab.subprocess, "run", run)
    return calls


def run_the_cell(monkeypatch) -> list[str]:
    """Run Colab's set-up cell as IPython would; return its shell commands."""
    from IPython.core.inputtransformer2 import TransformerManager

    shell: list[str] = []
    scope = {"get_ipython": lambda: types.SimpleNamespace(system=shell.append)}
    exec(TransformerManager().transform_cell(launch.home().colab_cell()), scope)
    return [command.replace("$url", scope["url"]) for command in shell]


def test_the_cell_does_nothing_elsewhere(monkeypatch, pip_calls):
    path = list(sys.path)
    assert run_the_cell(monkeypatch) == []
    assert sys.path == path
    assert pip_calls == []


def test_on_colab_it_clones_the_tag_and_installs_only_what_is_missing_and_only_once(
    monkeypatch, on_colab, absent, pip_calls, capsys
):
    absent |= {"dimod", "dwave-system", "torch", "ipywidgets", "jupyterlab"}
    monkeypatch.setattr(sys, "path", list(sys.path))
    (command,) = run_the_cell(monkeypatch)
    here = launch.home()
    assert command.startswith("test -d /content/lessons || ")
    assert f"git clone -q --depth 1 --branch {here.tag} {here.url} /content/lessons" in command
    ((pip, constraints),) = pip_calls
    wanted = {re.split(r"[<>=!]", text)[0] for text in pip[pip.index("-c") + 2 :]}
    assert wanted == {"dimod", "dwave-system"}
    assert re.search(r"^torch==", constraints, re.MULTILINE)  # stays as it is
    assert not re.search(r"^dimod==", constraints, re.MULTILINE)
    assert "installed 2 packages" in capsys.readouterr().out
    path = list(sys.path)
    run_the_cell(monkeypatch)
    assert len(pip_calls) == 1
    assert sys.path == path
    assert capsys.readouterr().out == "Ready on Colab; installed 0 packages.\n"


def test_where_nothing_could_be_cloned_the_cell_says_what_to_do(monkeypatch, on_colab):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setitem(sys.modules, "qdvae_helpers.colab", None)
    with pytest.raises(RuntimeError, match="could not be fetched"):
        run_the_cell(monkeypatch)


def an_end(code: int):
    return lambda command, check: subprocess.CompletedProcess(command, code)


def no_process(command, check):
    raise PermissionError(13, "Permission denied", command[0])


@pytest.mark.parametrize(
    "run",
    [an_end(1), an_end(0), no_process],
    ids=["pip fails or is absent", "installed where this Python does not look", "no process"],
)
def test_a_failed_installation_says_what_to_do(monkeypatch, on_colab, absent, run):
    absent.add("dimod")
    monkeypatch.setattr(colab.subprocess, "run", run)
    with pytest.raises(SettingError, match="Disconnect and delete runtime"):
        colab.prepare()


def test_an_old_runtime_is_named_and_kept(monkeypatch, on_colab, pip_calls, capsys):
    real = importlib.metadata.version
    old = {"torch": "2.9.0+cpu"}
    monkeypatch.setattr("importlib.metadata.version", lambda name: old.get(name) or real(name))
    colab.prepare()
    assert pip_calls == []
    assert "(here: 2.9.0+cpu): should something fail, choose the latest" in capsys.readouterr().out


# Packages as Colab has them --------------------------------------------------------------------


def metadata(folder: Path, stem: str, *lines: str) -> None:
    """What pip or Debian leaves of an installed package."""
    (folder / f"{stem}.dist-info").mkdir(parents=True, exist_ok=True)
    (folder / f"{stem}.dist-info" / "METADATA").write_text("\n".join(lines) + "\n")


def installed(folder: Path, name: str, version: str) -> None:
    """A package with whole metadata."""
    stem = f"{name.replace('-', '_')}-{version}"
    metadata(folder, stem, "Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}")


def odd_packages(ours: Path, debians: Path) -> None:
    """Packages that are there twice, and some that pip cannot read or must not change."""
    installed(ours, "spam_eggs", "2.0")
    installed(debians, "Spam.Eggs", "1.0")
    metadata(ours, "nameless-1.0", "Version: 1.0")
    metadata(ours, "empty-1.0")
    (ours / "bare-1.0.dist-info").mkdir()
    metadata(ours, "~ixed-0.9", "Name: mixed", "Version: 0.9")  # an interrupted pip's
    installed(debians, "mixed", "1.0")
    metadata(debians, "python_apt-2.4", "Name: python-apt", "Version: 2.4.0-ubuntu4~deb")
    # A file instead of a folder; and "+" in a version of Debian's.
    (debians / "PyGObject-3.42.1.egg-info").write_text("Name: PyGObject\nVersion: 3.42.1\n")
    (debians / "distro_info-1.1+ubuntu0.2.egg-info").mkdir()
    (debians / "distro_info-1.1+ubuntu0.2.egg-info" / "PKG-INFO").write_text(
        "Name: distro-info\nVersion: 1.1+ubuntu0.2\n"
    )


@pytest.mark.parametrize("backport", [False, True], ids=["standard library", "backport"])
def test_each_package_is_pinned_once_as_python_imports_it(tmp_path, backport):
    ours, debians = tmp_path / "dist-packages", tmp_path / "python3" / "dist-packages"
    odd_packages(ours, debians)
    installed(ours, "torch", "2.11.0+cu128")
    installed(ours, "Replaced", "1.0")
    metadata(debians, "nothing-0", "Name: nothing")
    (ours / "latin-1.dist-info").mkdir()
    (ours / "latin-1.dist-info" / "METADATA").write_bytes(b"Name: latin\nAuthor: M\xfcller\n")
    library = importlib.metadata
    if backport:  # whose finder takes over once D-Wave's client has imported it
        library = importlib_metadata
    found = library.distributions(path=[str(ours), str(debians)])
    assert colab.pins(found, ["replaced"]).splitlines() == [
        "distro-info==1.1+ubuntu0.2",
        "mixed==1.0",
        "pygobject==3.42.1",
        "spam-eggs==2.0",
        "torch==2.11.0+cu128",
    ]


def wheel(folder: Path, name: str, version: str, requires: list[str]) -> None:
    """An empty package that pip can resolve and install."""
    stem = f"{name.replace('-', '_')}-{version}"
    needs = "".join(f"Requires-Dist: {text}\n" for text in requires)
    tags = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}"
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{stem}.dist-info/METADATA", about)
        archive.writestr(f"{stem}.dist-info/WHEEL", tags)
        archive.writestr(f"{stem}.dist-info/RECORD", "")


def recorded() -> dict[str, str]:
    """What ``tools/colab-versions.txt`` says, by normalised names."""
    text = (ROOT / "tools" / "colab-versions.txt").read_text(encoding="utf-8")
    lines = (line.split("==") for line in text.splitlines() if not line.startswith("#"))
    return {canonicalize_name(name): version for name, version in lines}


def an_index(folder: Path) -> None:
    """A wheel of each package that our requirements pull in here, with its real requirements."""
    folder.mkdir()
    left, seen = [r.name for r in requirements.base_requirements()], set()
    while left:
        name = canonicalize_name(left.pop())
        try:
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # of an extra, or of another platform
        if name not in seen:
            seen.add(name)
            needs = found.requires or []
            wheel(folder, name, found.version, needs)
            left += [
                r.name
                for r in map(Requirement, needs)
                if not r.marker or r.marker.evaluate({"extra": ""})
            ]


@pytest.fixture
def a_runtime(tmp_path, monkeypatch) -> Path:
    """A Python that has Colab's packages, a folder of Debian's behind them, and an index."""
    home, debians, wheels = (tmp_path / name for name in ("colab", "debians", "wheels"))
    venv.create(home)
    bin = home / ("Scripts" if os.name == "nt" else "bin")
    (ours,) = (
        Path(path)
        for path in [*home.glob("lib/python*/site-packages"), *home.glob("Lib/site-packages")]
    )
    shutil.copytree(Path(pip.__file__).parent, ours / "pip")
    for name, version in recorded().items():
        installed(ours, name, version)
    odd_packages(ours, debians)
    for name in ("requests", "numpy", "PyYAML", "importlib-metadata", "cryptography", "six"):
        installed(debians, name, "1.0")
    (ours / "debian.pth").write_text(f"{debians}\n")
    an_index(wheels)
    wheel(wheels, "torchmetrics", "99.0", ["idna>=99"])  # pip would take it and replace idna
    wheel(wheels, "idna", "99.0", [])
    outside = [path for path in sys.path if "site-packages" not in path and path != str(ROOT)]
    monkeypatch.setattr(sys, "path", [str(ours), str(debians), *outside])
    monkeypatch.setattr(sys, "executable", str(bin / Path(sys.executable).name))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    return ours


def test_the_real_pip_installs_beside_colabs_packages_and_changes_none(
    a_runtime, on_colab, monkeypatch, capfd
):
    before = {path: path.read_bytes() for path in a_runtime.glob("*.dist-info/METADATA")}
    missing = colab.missing_requirements()
    assert {"dimod", "dwave-system", "pennylane"} <= {Requirement(text).name for text in missing}
    colab.prepare()
    assert f"installed {len(missing)} packages" in capfd.readouterr().out
    assert colab.missing_requirements() == []
    after = {path: path.read_bytes() for path in a_runtime.glob("*.dist-info/METADATA")}
    assert before.items() <= after.items()
    new = {canonicalize_name(path.parent.name.split("-")[0]) for path in after.keys() - before}
    assert new
    assert not new & (recorded().keys() | {"spam-eggs"})
    monkeypatch.setattr(colab.subprocess, "run", None)  # not called a second time
    colab.prepare()


# The token ---------------------------------------------------------------------------------------


def test_the_token_comes_from_colabs_secrets_and_is_not_shown(on_colab, capsys):
    on_colab["DWAVE_API_TOKEN"] = " DEV-123\n"
    assert colab.take_token() is True
    assert os.environ["DWAVE_API_TOKEN"] == "DEV-123"
    assert "DEV-123" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "reply",
    [
        None,
        "",
        " \n",
        b"DEV-123",
        "DEV\0",
        KeyError("no secret"),
        PermissionError("this notebook may not"),
        TimeoutError("nobody answers"),
    ],
)
def test_whatever_keeps_the_secret_away_there_is_no_token(on_colab, reply):
    assert colab.take_token() is False  # none is stored
    on_colab["DWAVE_API_TOKEN"] = reply
    assert colab.take_token() is False
    assert not os.environ["DWAVE_API_TOKEN"]


def test_without_colabs_module_there_is_no_token(monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", None)
    assert colab.take_token() is False
