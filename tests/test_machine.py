"""The table about the machine: every problem has a remedy, and nothing private is shown."""

from collections import namedtuple

import pytest

from qdvae_helpers import machine
from qdvae_helpers.machine import Finding, check_machine, format_findings


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("QDVAE_DOWNLOAD", "0")


def finding(topic: str) -> Finding:
    return {found.topic: found for found in check_machine()}[topic]


def test_a_healthy_machine_needs_nothing(real_mnist):
    needs = {f.topic for f in check_machine() if f.remedy}
    assert needs <= {"cores", "memory"}  # those of the machine that runs the tests
    assert finding("images").found.startswith("MNIST")


@pytest.mark.parametrize(
    ("variable", "value", "topic", "remedy"),
    [
        ("QDVAE_PROFILE", "quick", "profile", "choose one of fast, lesson, full"),
        ("QDVAE_SAMPLER", "qbit", "sampler", "choose one of gibbs, annealer, exact"),
        ("QDVAE_SAMPLER", "exact", "sampler", "about 56 qubits"),
        ("QDVAE_SAMPLER", "recorded", "sampler", "serve the shipped model alone"),
        ("QDVAE_SAMPLER", "qpu", "sampler", "set QDVAE_QPU_BUDGET_S, see docs/qpu.md"),
        ("QDVAE_DATA", "no-such-folder", "images", "unset QDVAE_DOWNLOAD, or copy"),
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


def test_limits_of_a_container_count(monkeypatch):
    limits = {"cpu.max": "150000 100000", "memory.max": "2000000000", "memory.current": "9"}
    monkeypatch.setattr(machine, "_control_group", lambda name: limits.get(name, ""))
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    assert finding("cores").found == "1.5"
    assert finding("memory").found.startswith("2 GB")


def test_files_that_a_container_has_read_do_not_count_as_memory_in_use(monkeypatch):
    Memory = namedtuple("Memory", ["total", "available"])
    monkeypatch.setattr("psutil.virtual_memory", lambda: Memory(16e9, 12e9))
    limits = {"memory.max": "8000000000", "memory.current": "7000000000"}
    monkeypatch.setattr(machine, "_control_group", lambda name: limits.get(name, ""))
    assert finding("memory").found == "8 GB, of which 1.0 are free"
    limits["memory.stat"] = "anon 1000000000\ninactive_file 5500000000\nactive_file 500000000"
    assert finding("memory") == Finding("memory", "8 GB, of which 6.5 are free")
    del limits["memory.current"]
    assert finding("memory").found == "8 GB, of which 8.0 are free"


@pytest.mark.parametrize(
    "error", [PermissionError(13, "Permission denied", "/private/x"), ValueError("/private/x")]
)
def test_what_cannot_be_read_gets_a_line_and_no_traceback(monkeypatch, error):
    def look():
        raise error

    monkeypatch.setitem(machine._TOPICS, "own models", look)
    found = finding("own models")
    assert found.found.startswith("cannot be read (")
    assert "QDVAE_MODELS" in found.remedy
    assert "private" not in found.found + found.remedy


def test_a_library_that_cannot_be_loaded_is_named(monkeypatch):
    monkeypatch.setitem(machine._TOPICS, "torch", lambda: __import__("no_such_library"))
    assert "no_such_library" in finding("torch").found
    assert "README" in finding("torch").remedy


def test_the_table_shows_remedies_and_no_secrets(monkeypatch, tmp_path):
    monkeypatch.setenv("DWAVE_API_TOKEN", "DEV-secret")
    monkeypatch.setenv("QDVAE_PROFILE", "quick")
    text = format_findings(check_machine())
    assert "LOOK  profile" in text
    assert "-> QDVAE_PROFILE=" in text
    assert "secret" not in text
    assert str(tmp_path) not in text
