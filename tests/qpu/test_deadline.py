"""Connecting ends in time whatever answers, with a real service on this machine."""

import subprocess
import sys
import threading
import time

import bad_servers as servers
import pytest
from bad_servers import HEAD, reply, says, serving
from fake_leap import TOKEN

from qdvae_helpers.errors import GraphError, QPUError
from qdvae_helpers.qpu import leap as leap_module
from qdvae_helpers.qpu.leap import connect, within
from qdvae_helpers.samplers import working_graph
from qdvae_helpers.samplers.live import live_graph


@pytest.fixture
def at(account, monkeypatch):
    """Points the client to an address."""
    return lambda address: monkeypatch.setenv("DWAVE_API_ENDPOINT", f"http://{address}/sapi/v2/")


@pytest.mark.parametrize(
    "behave",
    [servers.hangs, servers.drips, servers.drips_headers],
    ids=lambda behave: behave.__name__,
)
def test_what_never_ends_is_left_at_the_deadline(at, behave):
    with serving(behave) as (address, received):
        at(address)
        with pytest.raises(QPUError, match=r"not reached within 0\.5 s.*stay offline") as caught:
            connect("zephyr", deadline_s=0.5)
        servers.eventually(lambda: received)  # it was a real connection
    error = caught.value
    assert error.__cause__ is error.__context__ is None
    frame = error.__traceback__
    while frame:  # what a verbose traceback would show
        if frame.tb_frame.f_code.co_filename == leap_module.__file__:
            assert TOKEN not in repr(frame.tb_frame.f_locals)
        frame = frame.tb_next


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "does not reach Leap"),
        (b"\x00\xff garbage\r\n\r\n", "does not reach Leap"),
        (b"HTTP/1.1 200 OK\r\n", "endpoint"),
        (reply(HEAD, b"{"), "no proper answer"),
        (reply(HEAD, b"null"), "no proper answer"),
        (reply(HEAD, b"[" * 100_000), "no proper answer"),
        (reply(HEAD, b"[1, 2]"), "no proper answer"),
        (reply(HEAD, b'[{"identity": null}]'), "no proper answer|without a name"),
        (reply(HEAD, b"[]"), "No QPU of the wanted kind"),
        (
            reply(HEAD + b"Content-Encoding: gzip\r\n", b"no gzip"),
            "no proper answer|does not reach",
        ),
        (HEAD + b"Content-Length: 1000\r\n\r\n[", "does not reach Leap"),
        (reply(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n", b"<html>"), "no proper answer"),
        (reply(b"HTTP/1.1 301 Moved\r\nLocation: /sapi/v2/solvers/remote/\r\n"), "endpoint"),
        (reply(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.9:1/\r\n"), "another host"),
        (reply(b"HTTP/1.1 404 Not Found\r\n", b"no"), "endpoint"),
        (servers.bomb(300), "a list without end"),
    ],
    ids=range(16),
)
def test_what_is_no_answer_is_named(at, answer, said):
    with serving(says(answer)) as (address, _):
        at(address)
        with pytest.raises(QPUError, match=said) as caught:
            connect("zephyr")
    assert "stay offline" in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_a_list_without_end_is_not_read_to_its_end(at, monkeypatch):
    monkeypatch.setattr(leap_module, "_LONGEST_LIST", 1 << 22)
    with serving(servers.floods) as (address, _):
        at(address)
        with pytest.raises(QPUError, match="a list without end"):
            connect("zephyr")


def test_graphs_are_had_in_time_too_and_auto_goes_on(at, capsys, monkeypatch):
    with serving(servers.drips) as (address, _):
        at(address)
        with pytest.raises(GraphError, match="not reached within"):
            live_graph(deadline_s=0.3)
        monkeypatch.setattr(live_graph, "__defaults__", (0.3,))
        assert "ideal" in working_graph("auto").source
    shown = capsys.readouterr().out
    assert "Continuing with the ideal graph." in shown
    assert TOKEN not in shown


def test_a_connection_that_comes_too_late_is_closed(leap, monkeypatch):
    made, go = [], threading.Event()
    reach = leap_module._reach

    def slow(*arguments):
        go.wait(60)
        made.append(reach(*arguments[:-1], time.monotonic() + 600))
        return made[0]

    monkeypatch.setattr(leap_module, "_reach", slow)
    with pytest.raises(QPUError, match="not reached within"):
        connect("zephyr", deadline_s=0.05)
    go.set()
    servers.eventually(lambda: made and made[0][0].client._closed)


def test_a_failed_connection_leaves_no_threads(leap):
    before = threading.active_count()
    leap.faults["solvers"].extend(["403"] * 3)
    for _ in range(3):
        with pytest.raises(QPUError):
            connect("zephyr")
    servers.eventually(lambda: threading.active_count() <= before + 2)


def test_what_is_left_over_holds_up_no_process_and_says_nothing(at):
    program = (
        "from qdvae_helpers.qpu.leap import connect\n"
        "try:\n    connect('zephyr', deadline_s=0.3)\n"
        "except Exception as error:\n    print(error)\n"
    )
    with serving(servers.drips) as (address, _):
        at(address)
        ended = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=120
        )
    assert ended.returncode == 0
    assert "not reached within 0.3 s" in ended.stdout
    assert ended.stderr == ""
    assert TOKEN not in ended.stdout


@pytest.mark.parametrize("deadline", [0, -1, float("nan"), float("inf"), "60", None, True])
def test_a_deadline_that_cannot_be_is_refused(account, deadline):
    with pytest.raises(QPUError, match="deadline_s"):
        connect("zephyr", deadline_s=deadline)


def test_within_hands_on_results_and_errors_and_disposes_of_what_is_late():
    assert within(60, lambda: 7) == 7
    with pytest.raises(KeyError):
        within(60, lambda: {}["x"])
    go, disposed = threading.Event(), []
    with pytest.raises(TimeoutError):
        within(0.01, lambda: go.wait(60), disposed.append)
    assert disposed == []
    go.set()
    servers.eventually(lambda: disposed == [True])
