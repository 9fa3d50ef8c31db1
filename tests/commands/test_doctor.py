"""The table about the machine: every problem has a remedy, and nothing private is shown."""

import sys
from collections import namedtuple

import pytest

from qdvae_helpers import idx_files
from qdvae_helpers.commands import check_machine, doctor, format_findings, main
from qdvae_helpers.commands.doctor import Finding


def finding(topic: str) -> Finding:
    return {found.topic: found for found in check_machine()}[topic]


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
    assert "README" in finding("memory").remedy


def test_the_table_shows_remedies_and_no_secrets(monkeypatch, tmp_path):
    monkeypatch.setenv("DWAVE_API_TOKEN", "DEV-secret")
    monkeypatch.setenv("QDVAE_PROFILE", "quick")
    text = format_findings(check_machine())
    assert "LOOK  profile" in text
    assert "-> QDVAE_PROFILE=" in text
    assert "secret" not in text
    assert str(tmp_path) not in text
