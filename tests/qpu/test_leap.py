"""Reaching Leap: what stands in the way is said with a remedy, and the token stays secret."""

import io
import json
import logging
import re
import subprocess
import traceback
from pathlib import Path

import pytest
import requests_mock
import torch
from dwave.cloud import exceptions as cloud
from fake_leap import ACCESS_TIME_US, TOKEN

from qdvae_helpers.checkpoints import load_pretrained
from qdvae_helpers.errors import QPUError
from qdvae_helpers.qpu.causes import explain, redact
from qdvae_helpers.qpu.leap import close, connect, graph_id
from qdvae_helpers.qpu.recordings import load_recording, save_recording
from qdvae_helpers.samplers import record

ROOT = Path(__file__).resolve().parents[2]


def everything_shown(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) + repr(error) + str(error.__dict__)


def assert_clean(caught) -> None:
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    assert TOKEN not in everything_shown(error)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("401", "wrong or expired: copy the present one"),
        ("403", "may not use this solver"),
        ("402", "refuses the request .402.: see your Leap dashboard"),
        ("429", "refuses more requests"),
        ("500", "fault of its own"),
        ("503", "fault of its own"),
        ("none", "No QPU of the wanted kind is online"),
        ("timeout", "check connection and proxy"),
        ("no network", "check connection and proxy"),
        ("malformed", "no proper answer"),
    ],
)
def test_what_keeps_one_from_connecting_is_said_with_a_remedy(leap, fault, said):
    leap.faults["solvers"].extend([fault] * 4)
    with pytest.raises(QPUError, match=said) as caught:
        connect("zephyr")
    assert "stay offline with QDVAE_SAMPLER=annealer" in str(caught.value)
    assert_clean(caught)


def test_a_missing_token_file_or_profile_is_explained(monkeypatch, tmp_path):
    with pytest.raises(QPUError, match="No Leap token is set: set DWAVE_API_TOKEN"):
        connect()
    monkeypatch.setenv("DWAVE_CONFIG_FILE", str(tmp_path / "missing.conf"))
    with pytest.raises(QPUError, match="configuration file cannot be read"):
        connect()
    path = tmp_path / "d.conf"
    path.write_text("[defaults]\n")
    monkeypatch.setenv("DWAVE_CONFIG_FILE", str(path))
    monkeypatch.setenv("DWAVE_PROFILE", "absent")
    with pytest.raises(QPUError, match="no such profile: check DWAVE_PROFILE") as caught:
        connect()
    assert_clean(caught)


def test_every_kind_of_error_is_one_or_two_plain_sentences():
    kinds = [
        cloud.SolverOfflineError("x"),
        cloud.PollingTimeout(),
        cloud.ProblemStructureError("x"),
        cloud.CanceledFutureError(),
        cloud.InvalidAPIResponseError("x"),
        cloud.UseAfterCloseError("x"),
        KeyError("x"),
    ]
    said = [explain(error) for error in kinds]
    assert len(set(said)) == len(kinds)
    for text in said:
        assert text.endswith("stay offline with QDVAE_SAMPLER=annealer.")


def test_a_named_solver_and_ones_own_settings_are_respected(leap, monkeypatch):
    leap.properties["topology"] = {"type": "pegasus", "shape": [16]}

    def connected(*arguments, **options) -> str:
        made = connect(*arguments, **options)
        close(made)
        return made.solver.name

    with pytest.raises(QPUError, match="No QPU of the wanted kind"):
        connect("zephyr")
    assert connected("zephyr", solver={"qpu": True}) == "Advantage2_test"
    assert connected() == "Advantage2_test"  # whatever its graph
    assert connected("zephyr", solver="Advantage2_test") == "Advantage2_test"
    with pytest.raises(QPUError, match="No QPU of the wanted kind"):
        connect(solver="Advantage2_retired")
    monkeypatch.setenv("DWAVE_API_SOLVER", "Advantage2_test")
    assert connected("zephyr") == "Advantage2_test"
    monkeypatch.setenv("DWAVE_API_SOLVER", json.dumps({"num_active_qubits__gt": 39}))
    assert connected("zephyr") == "Advantage2_test"
    monkeypatch.setenv("DWAVE_API_SOLVER", json.dumps({"num_active_qubits__gt": 40}))
    with pytest.raises(QPUError, match="No QPU of the wanted kind"):
        connect("zephyr")


def test_a_connection_names_its_present_graph_and_ends_in_time(connection):
    made = connection()
    assert graph_id(made) == "01test"
    close(made)
    with pytest.raises(cloud.UseAfterCloseError):
        made.client.get_solvers()


def test_views_of_saved_models_contact_nobody(account):
    with requests_mock.Mocker() as mock:  # knows no address: any request would fail
        assert load_pretrained().generate(2, seed=1).shape == (2, 1, 28, 28)
        assert mock.request_history == []


# Secrets ---------------------------------------------------------------------------------------


def test_redacting_takes_out_the_token_and_nothing_else():
    assert redact(f"a {TOKEN} b {TOKEN}", TOKEN) == "a <token> b <token>"
    for nothing in ("", None):
        assert redact("a b", nothing) == "a b"


def test_the_token_is_in_no_log_output_error_or_recording(leap, make_live, tmp_path, capsys):
    for name in list(logging.root.manager.loggerDict):  # what earlier tests have left there
        logging.getLogger(name).filters.clear()
    heard = io.StringIO()
    handler = logging.StreamHandler(heard)
    root = logging.getLogger()
    level, client_level = root.level, logging.getLogger("dwave").level
    root.addHandler(handler)
    root.setLevel(1)
    try:
        sampler = make_live(num_samples=10)
        leap.faults["submit"].extend(["500", "no network"])
        path = save_recording(record(sampler, 10), tmp_path / "r.safetensors")
        leap.faults["submit"].append("failed")
        with pytest.raises(QPUError) as caught:
            sampler.sample()
        sampler.close()
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        logging.getLogger("dwave").setLevel(client_level)
    assert len(heard.getvalue()) > 1_000  # the client did speak
    assert TOKEN not in heard.getvalue()
    assert TOKEN.encode() not in path.read_bytes()
    recording = load_recording(path)
    assert not recording.simulated
    assert torch.isin(recording.spins, torch.tensor([-1.0, 1.0])).all()
    assert recording.provenance.parameters["solver"] == "Advantage2_test"
    assert recording.provenance.parameters["timing_us"]["qpu_access_time"] == ACCESS_TIME_US
    assert TOKEN not in "".join(capsys.readouterr())
    assert TOKEN not in repr(sampler.provenance) + repr(vars(sampler))
    assert_clean(caught)


def test_no_file_of_the_repository_holds_a_token():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    token = re.compile(rb"\b[A-Za-z0-9]{2,4}-[0-9a-f]{40}\b")
    assert token.search(TOKEN.encode())
    paths = [ROOT / name for name in listed.stdout.split("\0") if (ROOT / name).is_file()]
    assert len(paths) > 100
    assert [path.name for path in paths if token.search(path.read_bytes())] == []
