"""The protocol of lesson 11 on a real QPU: its own cells, against the stand-in for the service."""

import json
import re
from pathlib import Path

import pytest
import requests_mock
import torch
from fake_leap import FakeLeap, without
from small_models import random_grbm

from qdvae_helpers.checkpoints import load_pretrained
from qdvae_helpers.errors import QPUError, SamplerError
from qdvae_helpers.graphs import densest_subgraph
from qdvae_helpers.qpu import qpu_tally
from qdvae_helpers.qpu.recordings import load_recording
from qdvae_helpers.samplers import live_plan, make_sampler

ROOT = Path(__file__).resolve().parent.parent.parent
#: Everything that the protocol reads from earlier cells, and its own cells.
BEFORE = [
    *(
        "profile",
        "imports",
        "graph",
        "spin-glass",
        "truth",
        "ex1-stub",
        "ex1-check",
        "ex1-solution",
        "judge",
    ),
    *("ex2-solution", "sweep", "tempering", "dwave", "gibbs", "contestants", "noisy"),
    "ex5-solution",
]
PROTOCOL = ["device", "device-run", "protocol-run", "protocol-score", "verdicts"]
GLASSES = 2  # of the profile fast
READS = 256
SUBMISSIONS = 3  # of a glass: two to measure the temperature, one for the strings


@pytest.fixture(scope="module")
def chip():
    """The live graph: that of the shipped model, whose densest 48 qubits the lesson takes."""
    return load_pretrained("qdvae-256").graph


@pytest.fixture(scope="module")
def cells() -> dict[str, str]:
    (path,) = (ROOT / "notebooks").glob("11_*.ipynb")
    notebook = json.loads(path.read_text("utf-8"))
    return {cell["id"]: "".join(cell["source"]) for cell in notebook["cells"]}


@pytest.fixture(scope="module")
def before(cells) -> dict:
    """What a reader's kernel knows when the protocol begins."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QDVAE_PROFILE", "fast")
        patch.setenv("QDVAE_DOWNLOAD", "0")
        threads = torch.get_num_threads()
        names: dict = {}
        for name in BEFORE:
            exec(cells[f"l11-{name}"], names)
        torch.set_num_threads(threads)
    return names


@pytest.fixture
def protocol(cells, before, monkeypatch, tmp_path, capsys):
    """Runs the protocol as a new kernel would, and gives its names and what it printed.

    Without rivals it scores the device alone, which is faster.
    """
    monkeypatch.setenv("QDVAE_SAMPLER", "qpu")
    monkeypatch.setenv("QDVAE_RECORDINGS", str(tmp_path / "mine"))

    def run(*, rivals: bool = False) -> tuple[dict, str]:
        capsys.readouterr()
        names = dict(before)
        for name in PROTOCOL if rivals else PROTOCOL[:-1]:
            if name == "protocol-score" and not rivals:
                names["entrants"] = {"device": names["device"]}
            exec(cells[f"l11-{name}"], names)
        return names, capsys.readouterr().out

    return run


@pytest.fixture
def service(account, chip):
    with requests_mock.Mocker() as mock:
        yield FakeLeap(mock, chip)


def test_it_runs_from_end_to_end_and_a_second_time_from_its_recordings(
    service, protocol, monkeypatch, tmp_path
):
    names, shown = protocol(rivals=True)
    assert names["asked"] == "qpu"
    assert len(service.drawn) == GLASSES * SUBMISSIONS
    assert qpu_tally().spent_s == pytest.approx(service.charged_s)
    cost = re.search(r"^QPU Advantage2_test: 2 calls of 256 reads .* about (\S+) s of QPU", shown)
    assert cost, "the cost of all glasses is the first thing that is printed"
    assert float(cost[1]) == pytest.approx(live_plan(names["chip"], READS, problems=2).total_s, 0.1)

    # The device's row is made of what the service drew for these glasses.
    drawn = list(service.drawn.values())
    sent = [problem for problem in drawn if problem["params"]["num_reads"] == READS]
    assert len(sent) == GLASSES
    files = sorted((tmp_path / "mine").glob("*.safetensors"))
    for problem, file, glass in zip(sent, files, names["glasses"], strict=True):
        recording = load_recording(file)
        assert not recording.simulated
        assert torch.equal(recording.quadratic, glass.quadratic)
        columns = [problem["qubits"].index(qubit) for qubit in names["chip"].nodes]
        assert torch.equal(recording.spins, torch.tensor(problem["spins"][:, columns]))
    assert "recorded on" in shown
    assert f"spent in {GLASSES * SUBMISSIONS} submissions" in shown
    assert len(re.findall(r"^device +against", shown, re.MULTILINE)) == 4

    # The second run needs neither an account nor a budget.
    for name in ("DWAVE_API_TOKEN", "DWAVE_API_ENDPOINT", "QDVAE_QPU_BUDGET_S"):
        monkeypatch.delenv(name)
    asked = len(service.requests)
    again, shown_again = protocol()
    assert len(service.requests) == asked
    assert torch.equal(again["score"]["device"], names["score"]["device"])
    assert shown_again.count("recorded on") == GLASSES
    assert "The simulated device" not in shown_again


def test_a_budget_for_some_of_the_glasses_pays_for_none(service, protocol, monkeypatch):
    one = live_plan(densest_subgraph(service.graph, 48), READS).total_s
    monkeypatch.setenv("QDVAE_QPU_BUDGET_S", str(1.5 * one))
    names, shown = protocol()
    assert set(service.requests) == {"solvers"}
    assert "The whole protocol takes about" in shown
    assert "The simulated device takes its place." in shown
    assert names["asked"] == "annealer"
    assert not any(file.exists() for file in names["files"])
    assert "simulated QPU" in shown


def test_where_a_glass_fails_the_others_are_kept_and_only_it_is_paid_for_later(service, protocol):
    service.faults["submit"].extend([None] * SUBMISSIONS + ["400"])
    with pytest.raises(QPUError):
        protocol()
    assert len(service.drawn) == SUBMISSIONS
    names, shown = protocol()
    assert shown.startswith("QPU Advantage2_test: 1 call of 256 reads")
    assert len(service.drawn) == GLASSES * SUBMISSIONS
    assert torch.isfinite(names["score"]["device"]).all()


def test_answers_stay_good_when_the_graph_drifts(
    account, chip, qpu, protocol, monkeypatch, tmp_path
):
    with requests_mock.Mocker() as mock:
        FakeLeap(mock, chip)
        first, _ = protocol()
    first["files"][1].unlink()
    lost = first["chip"].nodes[0]
    monkeypatch.setenv("DWAVE_CACHE_HOME", str(tmp_path / "a day later"))
    with requests_mock.Mocker() as mock:
        drifted = FakeLeap(mock, without(qpu, [lost]))
        again, shown = protocol()
    assert again["chip"] == first["chip"]
    assert again["score"]["device"][0] == first["score"]["device"][0]
    assert len(drifted.drawn) == SUBMISSIONS
    assert "Looking for other qubits" in shown
    assert all(lost not in problem["qubits"] for problem in list(drifted.drawn.values())[-1:])


def test_without_a_token_the_simulated_device_takes_over(protocol):
    names, shown = protocol()
    assert shown.startswith("No Leap token is set")
    assert (names["asked"], names["chip"]) == ("annealer", names["patch"])


def test_the_plan_of_many_problems_is_that_of_each(leap, live, home, capsys):
    before = len(leap.drawn)
    plan = live_plan(home, 50, problems=3)
    assert len(leap.drawn) == before
    assert set(leap.requests) == {"solvers"}
    sampler = make_sampler(random_grbm(home, 1), "qpu", num_samples=50, graph=home)
    sampler.close()
    (one,) = re.findall(r"about (\S+) s of QPU access time", capsys.readouterr().out)
    assert plan.total_s == pytest.approx(3 * float(one), abs=0.02)
    assert (plan.calls, plan.reads) == (3, 50)
    with pytest.raises(SamplerError, match="problems"):
        live_plan(home, 50, problems=0)
