"""A problem that Leap accepted though its reply was lost: never sent twice, or said so."""

import re
import ssl
import threading

import pytest
import requests
import torch
import urllib3.exceptions
from dwave.cloud import Future
from fake_leap import LOST_REPLIES

from qdvae_helpers.errors import QPUError
from qdvae_helpers.qpu.budget import qpu_tally
from qdvae_helpers.qpu.causes import never_sent


@pytest.mark.parametrize(
    ("fault", "lags"), [("reset", 0), *((fault, 2) for fault in sorted(LOST_REPLIES))]
)
def test_it_is_found_by_its_label_and_fetched(leap, submitter, send, spins, home, fault, lags):
    leap.list_lags = lags
    leap.faults["submit"].append(fault)
    # Of these two the client never says anything, so here the wait for it is short.
    patience = {"ask_again_s": 1.0} if fault in ("no id", "nothing") else {}
    answer = send(submitter(**patience))
    assert len(leap.drawn) == leap.requests.count("submit") == 1
    assert torch.equal(spins(answer), leap.true_spins(home))
    assert qpu_tally().spent_s == pytest.approx(leap.charged_s)


def test_it_is_looked_for_even_without_retries(leap, submitter, send):
    leap.faults["submit"].append("reply lost")
    send(submitter(retries=0))
    assert len(leap.drawn) == 1


def test_labels_are_unique_and_one_that_only_contains_it_is_another(leap, submitter, send):
    one = submitter()
    send(one)
    send(one)
    labels = [problem["label"] for problem in leap.drawn.values()]
    assert len(set(labels)) == 2
    assert all(re.fullmatch("qdvae-[0-9a-f]{16}", label) for label in labels)


def test_a_label_that_only_contains_it_is_another_problems(leap, submitter, send, monkeypatch):
    one = submitter()
    monkeypatch.setattr("qdvae_helpers.qpu.submission.secrets.token_hex", lambda size: "ab")
    send(one)
    monkeypatch.setattr("qdvae_helpers.qpu.submission.secrets.token_hex", lambda size: "a")
    leap.faults["submit"].append("500")
    send(one)
    assert [problem["label"] for problem in leap.drawn.values()] == ["qdvae-ab", "qdvae-a"]


@pytest.mark.parametrize("fault", ["503", "429", "malformed", "timeout", "no network"])
def test_where_leap_cannot_be_asked_nothing_is_sent_again_and_the_message_says_how_to_look(
    leap, submitter, send, spins, home, fault
):
    one = submitter()
    leap.faults["submit"].append("reply lost")
    leap.faults["list"].extend([fault] * 3)
    with pytest.raises(QPUError) as caught:
        send(one)
    (problem,) = leap.drawn.values()
    said = str(caught.value)
    assert "may have run, and is counted as if it had" in said
    assert f"look for the label {problem['label']} on your Leap dashboard" in said
    assert "stay offline" in said
    assert qpu_tally().spent_s == pytest.approx(one.estimate_s(12, 20))
    assert caught.value.__cause__ is caught.value.__context__ is None
    # The same call again asks first: still no word, so still nothing is sent.
    leap.faults["list"].extend([fault] * 3)
    with pytest.raises(QPUError, match="does not tell what became"):
        send(one)
    assert torch.equal(spins(send(one)), leap.true_spins(home))
    assert len(leap.drawn) == leap.requests.count("submit") == 1
    assert qpu_tally().spent_s == pytest.approx(leap.charged_s)
    send(one)
    assert len(leap.drawn) == 2  # an answer is handed out once


@pytest.mark.parametrize("heard", [True, False])
def test_an_interrupt_while_its_fate_is_unknown_forgets_nothing(
    leap, submitter, send, spins, home, monkeypatch, heard
):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    one = submitter()
    if heard:  # that it went wrong: Leap is being asked for it
        leap.faults["submit"].append("reply lost")
    else:
        sample = one._qpu.solver.sample_bqm
        monkeypatch.setattr(
            one._qpu.solver, "sample_bqm", lambda *a, **b: interrupted(sample(*a, **b).wait_id(60))
        )
    with monkeypatch.context() as patch:
        patch.setattr(one, "_find", interrupted)
        with pytest.raises(KeyboardInterrupt):
            send(one)
    assert torch.equal(spins(send(one)), leap.true_spins(home))
    assert len(leap.drawn) == leap.requests.count("submit") == 1
    assert qpu_tally().spent_s == pytest.approx(leap.charged_s)


def test_a_reply_that_is_late_is_not_followed_by_a_second_problem(
    leap, submitter, send, monkeypatch
):
    wait = Future.wait

    def never(computation, timeout=None):
        if threading.current_thread() is not threading.main_thread() or timeout is None:
            return wait(computation, timeout)
        computation.wait_id(60)  # it has arrived, and the client is told nothing
        computation.id = None
        return False

    leap.faults["submit"].append("500")
    monkeypatch.setattr(Future, "wait", never)
    with pytest.raises(QPUError, match="may have run"):
        send(submitter())
    assert leap.requests.count("submit") == 1


def chained(outer: Exception, *inner: Exception) -> Exception:
    outer.__cause__ = inner[0] if inner else None
    return outer


@pytest.mark.parametrize(
    ("error", "certain"),
    [
        (requests.ConnectTimeout(urllib3.exceptions.ConnectTimeoutError()), True),
        (
            requests.ConnectionError(
                urllib3.exceptions.MaxRetryError(
                    None, "/", urllib3.exceptions.NewConnectionError(None, "refused")
                )
            ),
            True,
        ),
        (chained(requests.exceptions.SSLError(), ssl.SSLCertVerificationError("no")), True),
        (requests.exceptions.SSLError(ssl.SSLError("bad record mac")), False),
        (requests.ReadTimeout(urllib3.exceptions.ReadTimeoutError(None, "/", "slow")), False),
        (requests.ConnectionError(urllib3.exceptions.ProtocolError("reset")), False),
        (requests.exceptions.ChunkedEncodingError("cut off"), False),
        (ValueError("anything"), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_what_surely_was_not_sent(error, certain):
    assert never_sent(error) is certain


def test_the_client_itself_sends_no_problem_again(connection):
    retry = connection().client.config.request_retry.to_urllib3_retry()
    assert "POST" not in retry.allowed_methods
    with pytest.raises(urllib3.exceptions.MaxRetryError):  # a TLS connection that breaks
        retry.increment("POST", "/", error=urllib3.exceptions.SSLError("bad record mac"))
    with pytest.raises(urllib3.exceptions.ReadTimeoutError):
        retry.increment("POST", "/", error=urllib3.exceptions.ReadTimeoutError(None, "/", "slow"))
