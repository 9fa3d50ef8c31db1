"""The table about the machine: every problem has a remedy, and nothing private is shown."""

import os
import re
import subprocess
import sys
import tomllib
from collections import namedtuple
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from packaging.tags import mac_platforms

from qdvae_helpers import idx_files
from qdvae_helpers.commands import check_machine, doctor, format_findings, main
from qdvae_helpers.commands.doctor import Finding


def finding(topic: str) -> Finding:
    return doctor._guarded(topic, doctor._TOPICS[topic])


def test_a_healthy_machine_needs_nothing(capsys):
    needs = {f.topic for f in check_machine() if f.remedy}
    assert needs <= {"cores", "memory"}  # those of the machine that runs the tests
    assert finding("MNIST").found == "whole, 60,000 and 10,000 images"
    assert main(["doctor"]) == int(bool(needs))
    assert "ok    MNIST " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("variable", "value", "topic", "remedy"),
    [
        ("QDVAE_PROFILE", "quick", "profile", "choose one of fast, lesson, full"),
        ("QDVAE_SAMPLER", "qbit", "sampler", "choose one of gibbs, annealer, exact"),
        ("QDVAE_SAMPLER", "exact", "sampler", "about 56 qubits"),
        ("QDVAE_SAMPLER", "recorded", "sampler", "serve the shipped model alone"),
        ("QDVAE_SAMPLER", "qpu", "sampler", "set QDVAE_QPU_BUDGET_S, see docs/qpu.md"),
    ],
)
def test_a_wrong_setting_gets_a_remedy(monkeypatch, variable, value, topic, remedy):
    monkeypatch.setenv(variable, value)
    assert remedy in finding(topic).remedy


def test_other_problems_get_a_remedy(monkeypatch):
    Memory = namedtuple("Memory", ["total", "available"])
    monkeypatch.setattr("psutil.virtual_memory", lambda: Memory(4e9, 0.5e9))
    monkeypatch.setattr("sys.version_info", (3, 10, 0))
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    monkeypatch.setattr("os.access", lambda *_: False)
    monkeypatch.setattr("importlib.metadata.version", lambda _: "0.0.1")
    remedies = {found.topic: found.remedy for found in check_machine()}
    assert "close other notebooks" in remedies["memory"]
    assert "Python 3.11" in remedies["Python"]
    assert "tested" not in remedies["Python"]
    assert "QDVAE_PROFILE=fast" in remedies["cores"]
    assert "QDVAE_MODELS" in remedies["own models"]
    assert "constraints.txt" in remedies["packages"]


def test_a_damaged_file_of_mnist_is_a_finding(monkeypatch, tmp_path):
    (tmp_path / "MNIST").mkdir()
    (tmp_path / "MNIST" / "train-images-idx3-ubyte.xz").write_bytes(b"half a file")
    monkeypatch.setattr(idx_files, "DATA", tmp_path)
    monkeypatch.setenv("QDVAE_DATA", str(tmp_path))
    found = finding("MNIST")
    assert found.found == "not usable"
    assert "train-images-idx3-ubyte.xz is truncated" in found.remedy
    assert "git checkout -- data/MNIST" in found.remedy
    assert str(tmp_path) not in found.remedy


def test_fashion_mnist_may_be_absent_but_not_damaged(monkeypatch, tmp_path):
    nowhere = tmp_path / "nowhere"
    monkeypatch.setattr(idx_files, "DATA", nowhere)
    monkeypatch.setattr(idx_files, "DEBIAN_FASHION_MNIST", nowhere)
    monkeypatch.setenv("QDVAE_DATA", str(tmp_path))
    monkeypatch.setenv("QDVAE_DOWNLOAD", "1")  # the doctor never downloads
    monkeypatch.setattr("torchvision.datasets.FashionMNIST", None)  # calling it would raise
    assert finding("Fashion-MNIST") == Finding("Fashion-MNIST", "not here; no lesson needs it")
    folder = tmp_path / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    for name in idx_files.FASHION_MNIST_SHA256:
        (folder / name).write_bytes(b"half a file")
    found = finding("Fashion-MNIST")
    assert found.found == "not usable"
    assert "wrong checksum" in found.remedy
    assert str(tmp_path) not in found.remedy


@pytest.fixture
def container(monkeypatch, tmp_path):
    """Sets and, with None, removes the limits of a container."""
    monkeypatch.setattr(doctor, "CONTROL_GROUP", tmp_path)

    def limit(**texts: str | None) -> None:
        for name, text in texts.items():
            file = tmp_path / name.replace("_", ".")
            file.unlink(missing_ok=True)
            if text is not None:
                file.write_text(f"{text}\n")

    return limit


def test_limits_of_a_container_count(container, monkeypatch):
    container(cpu_max="150000 100000", memory_max="2000000000", memory_current="9")
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    assert finding("cores").found == "1.5"
    assert finding("memory").found.startswith("2 GB")


def test_the_hungriest_lesson_fits_into_the_memory_that_is_asked_for():
    text = (doctor.ROOT / "README.md").read_text("utf-8")
    peaks = [float(peak) for peak in re.findall(r"\.ipynb\) .* \| ([\d.]+) GB \|$", text, re.M)]
    assert len(peaks) == 16
    assert max(peaks) < doctor._MIN_FREE_GB < max(peaks) + 0.3


def test_files_that_a_container_has_read_do_not_count_as_memory_in_use(container, monkeypatch):
    Memory = namedtuple("Memory", ["total", "available"])
    monkeypatch.setattr("psutil.virtual_memory", lambda: Memory(16e9, 12e9))
    container(memory_max="8000000000", memory_current="7000000000")
    assert finding("memory").found == "8 GB, of which 1.0 are free"
    container(memory_stat="anon 1000000000\ninactive_file 5500000000\nactive_file 500000000")
    assert finding("memory") == Finding("memory", "8 GB, of which 6.5 are free")
    container(memory_current=None)
    assert finding("memory").found == "8 GB, of which 8.0 are free"


@pytest.mark.parametrize(
    "error", [PermissionError(13, "Permission denied", "/private/x"), ValueError("/private/x")]
)
def test_what_cannot_be_read_gets_a_line_and_no_traceback(monkeypatch, error):
    def look(*_):
        raise error

    monkeypatch.setattr("qdvae_helpers.checkpoints.models_dir", look)
    found = finding("own models")
    assert found.found.startswith("cannot be read (")
    assert "QDVAE_MODELS" in found.remedy
    assert "private" not in found.found + found.remedy


def test_a_library_that_cannot_be_loaded_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "psutil", None)
    assert "psutil" in finding("memory").found
    assert "docs/install.md" in finding("memory").remedy


def test_the_table_shows_remedies_and_no_secrets(monkeypatch, tmp_path):
    monkeypatch.setenv("DWAVE_API_TOKEN", "DEV-secret")
    monkeypatch.setenv("QDVAE_PROFILE", "quick")
    text = format_findings(check_machine())
    assert "LOOK  profile" in text
    assert "-> QDVAE_PROFILE=" in text
    assert "secret" not in text
    assert str(tmp_path) not in text


def test_a_python_that_is_too_new_or_of_another_build_says_so(monkeypatch):
    monkeypatch.setattr("sys.version_info", (3, 14, 0))
    assert "have not been tested with it yet, so pip refuses it" in finding("Python").remedy
    monkeypatch.setattr("sys.version_info", (3, 13, 0))
    assert not finding("Python").remedy
    monkeypatch.setattr("sysconfig.get_config_var", {"Py_GIL_DISABLED": 1}.get)
    assert "free-threaded" in finding("Python").found
    assert "the usual CPython only" in finding("Python").remedy
    monkeypatch.setattr("sysconfig.get_config_var", {}.get)
    monkeypatch.setattr("platform.python_implementation", lambda: "PyPy")
    assert finding("Python").found.endswith(", PyPy")
    assert "the usual CPython only" in finding("Python").remedy


_INTEL, _APPLE = "Intel processors of Macs", "macOS 14 or newer"
_NEWER_LINUX = "glibc 2.28 or newer"


@pytest.mark.parametrize(
    ("tags", "remedy"),
    [
        (["linux_x86_64", "manylinux_2_36_x86_64", "manylinux_2_28_x86_64"], ""),
        (["manylinux_2_28_aarch64", "linux_aarch64"], ""),
        (["win_amd64"], ""),
        (list(mac_platforms((15, 1), "arm64")), ""),
        (list(mac_platforms((14, 0), "arm64")), ""),
        (list(mac_platforms((13, 6), "arm64")), _APPLE),
        (list(mac_platforms((14, 5), "x86_64")), _INTEL),
        (list(mac_platforms((10, 15), "x86_64")), _INTEL),
        (["win_arm64"], "WSL2"),
        (["win32"], "32 bits"),
        (["linux_i686", "manylinux_2_36_i686"], "32 bits"),
        (["linux_armv7l", "manylinux_2_31_armv7l"], "32 bits"),
        (["linux_armv8l"], "32 bits"),
        (["linux_x86_64", "musllinux_1_2_x86_64", "musllinux_1_1_x86_64"], "musl (Alpine)"),
        (["manylinux_2_17_x86_64", "manylinux2014_x86_64", "linux_x86_64"], _NEWER_LINUX),
        (["linux_riscv64", "manylinux_2_39_riscv64"], _NEWER_LINUX),
        (["freebsd_14_1_release_amd64"], "not made for this platform"),
        (["emscripten_4_0_9_wasm32"], "not made for this platform"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_machine_that_cannot_install_is_named_with_what_to_do(monkeypatch, tags, remedy):
    monkeypatch.setattr("packaging.tags.platform_tags", lambda: iter(tags))
    found = finding("machine")
    assert remedy in found.remedy
    assert bool(remedy) == ("not all can be installed" in found.found)
    assert bool(remedy) == ("Codespaces, Binder or Colab" in found.remedy)


def test_pips_words_for_a_machine_are_what_is_asked(monkeypatch):
    """Two machines below the level of the words themselves."""
    monkeypatch.setattr("platform.system", lambda: "Windows")
    monkeypatch.setattr("sysconfig.get_platform", lambda: "win-arm64")
    assert "WSL2" in finding("machine").remedy
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr("platform.mac_ver", lambda: ("14.5", ("", "", ""), "x86_64"))
    assert _INTEL in finding("machine").remedy


def test_the_page_on_installing_names_the_same_machines_and_pip_the_same_pythons():
    text = (doctor.ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    named = "Intel processors", "Windows on Arm", "32-bit", "Alpine", "PyPy", "free-threaded"
    for words in (*named, "glibc 2.28", "macOS 14", "Python 3.14 is refused"):
        assert words in text
    project = tomllib.loads((doctor.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    claimed = SpecifierSet(project["requires-python"])
    first, beyond = doctor._PYTHONS
    for minor in range(8, 20):
        assert claimed.contains(f"3.{minor}") == (first <= (3, minor) < beyond)


def test_the_machine_is_judged_where_nothing_could_be_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "packaging.tags", None)
    monkeypatch.setattr("pip._vendor.packaging.tags.platform_tags", lambda: iter(["win_arm64"]))
    assert "WSL2" in finding("machine").remedy


@pytest.mark.parametrize("variable", ["QDVAE_MODELS", "QDVAE_DATA"])
@pytest.mark.parametrize(
    "kind", ["file", "below a file", "pipe", "loop", "Zürich", "too long", "/"]
)
def test_a_folder_variable_may_name_anything(monkeypatch, tmp_path, variable, kind):
    place = tmp_path / "private"
    if kind in ("file", "below a file"):
        place.write_text("x")
    elif kind == "pipe":
        if not hasattr(os, "mkfifo"):
            pytest.skip("no named pipes here")
        os.mkfifo(place)
    elif kind == "loop":
        place.symlink_to(place)
    elif kind == "Zürich":
        (place / kind).mkdir(parents=True)
    names = {"below a file": place / "x", "Zürich": place / kind, "/": "/"}
    monkeypatch.setenv(variable, "n" * 5000 if kind == "too long" else str(names.get(kind, place)))
    found = [finding(topic) for topic in ("MNIST", "Fashion-MNIST", "own models")]
    assert "private" not in format_findings(found)
    assert found[0].found == "whole, 60,000 and 10,000 images"
    if variable == "QDVAE_MODELS" and kind not in ("Zürich", "/"):
        assert "QDVAE_MODELS" in found[2].remedy


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("/home/ann/.venv/lib/libcudart.so: no such file", "libcudart.so: no such file"),
        (r"C:\Users\ann\torch\shm.dll is missing", "shm.dll is missing"),
        ("see docs/qpu.md, https://host/x/y or data/MNIST/a", None),
        ("look into ~ann/private/x", "look into x"),
        (f"{Path.home()}/private/x.py", "x.py"),
        (f"{doctor.ROOT}/data/MNIST/x.xz is cut off", "data/MNIST/x.xz is cut off"),
    ],
)
def test_a_message_loses_its_folders_and_nothing_else(monkeypatch, message, shown):
    monkeypatch.setenv("QDVAE_DATA", "data")  # the repository's, and no secret
    assert doctor._without_folders(message) == (shown or message)


def test_what_a_terminal_cannot_show_is_shown_otherwise(tmp_path):
    """Bytes that are no text, in a terminal of ASCII, without a home and with a broken torch."""
    (tmp_path / "torch.py").write_text("raise OSError('/private/libtorch.so: not found')")
    place = {"PYTHONPATH": str(tmp_path), "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    environment = {k: v for k, v in os.environ.items() if k != "HOME"} | place
    if os.name != "nt":
        environment = {k.encode(): v.encode() for k, v in environment.items()}
        environment[b"QDVAE_PROFILE"] = b"caf\xe9\xe2\x82\xac"
    done = subprocess.run(
        [sys.executable, "-m", "qdvae_helpers", "doctor"], env=environment, capture_output=True
    )
    said = done.stdout.decode("ascii")
    assert done.returncode == 1
    assert not done.stderr
    assert "cannot be loaded (ImportError: libtorch.so: not found)" in said
    assert "LOOK  model         not looked at" in said
    assert os.name == "nt" or "QDVAE_PROFILE='caf" in said
