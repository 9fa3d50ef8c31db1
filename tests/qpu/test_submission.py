"""One submission: what is sent, what goes wrong, what it costs.

D-Wave's own client is at work, with everything below HTTP replaced.  ``fake_leap.FakeLeap`` knows
what it truly drew and what it would charge, so each test compares what arrives with that.
"""

import random
import threading
import time
from types import SimpleNamespace

import pytest
import torch
from dwave.cloud import Future
from dwave.cloud.solver import StructuredSolver
from fake_leap import ACCESS_TIME_US, LOST_REPLIES, TOKEN

from qdvae_helpers.errors import BudgetError, QPUError, SamplerError
from qdvae_helpers.qpu.budget import qpu_tally


@pytest.fixture
def ask_again_once_forgotten(leap, monkeypatch):
    """Ends the wait for an accepted problem when the client has lost sight of it.

    A clock in its place would also end the waits for threads that the machine keeps from running.
    """
    wait = Future.wait

    def watching(computation, timeout=None):
        if threading.current_thread() is not threading.main_thread() or timeout is None:
            return wait(computation, timeout)
        end = time.monotonic() + timeout
        while not (done := wait(computation, 0.002)) and time.monotonic() < end:
            if computation.id in leap.forgotten:
                leap.forgotten.remove(computation.id)
                break
        return done

    monkeypatch.setattr(Future, "wait", watching)


ENDING = {"no id", "odd id", "nothing"}  # each ends one of the few threads of the client


def eventually(condition) -> None:
    """Wait for the client's threads."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_is_sent_is_the_problem_and_what_arrives_was_drawn_for_it(
    leap, submitter, send, spins, bqm, home
):
    one = submitter()
    answer = send(one, 33)
    ((name, problem),) = leap.drawn.items()
    assert torch.equal(spins(answer), leap.true_spins(home))
    assert problem["h"] == pytest.approx(dict(bqm.linear))
    sent = {edge: value for edge, value in problem["J"].items() if value != 0}
    assert sent == pytest.approx({tuple(sorted(edge)): j for edge, j in bqm.quadratic.items()})
    assert problem["params"] == {"num_reads": 33, "answer_mode": "raw", "auto_scale": False}
    assert one.last_problem_id == name
    assert one.timing["qpu_access_time"] == ACCESS_TIME_US
    send(one)
    assert one.timing["qpu_access_time"] == 2 * ACCESS_TIME_US


def test_nothing_is_sent_that_the_device_does_not_take(leap, submitter, send, bqm):
    bqm.scale(100)
    with pytest.raises(SamplerError, match="outside the device's range"):
        send(submitter())
    assert "submit" not in leap.requests


# Faults ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["429", "408", "500", "503", "timeout", "no network"])
def test_passing_faults_are_tried_again(leap, submitter, send, spins, home, fault):
    leap.faults["submit"].extend([fault] * 2)
    answer = send(submitter())
    assert torch.equal(spins(answer), leap.true_spins(home, list(leap.drawn)[-1]))
    assert leap.requests.count("submit") == 3


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("401", "wrong or expired"),
        ("403", "may not use"),
        ("failed", "refused the problem"),
        ("offline", "maintenance"),
    ],
)
def test_lasting_faults_are_not(leap, submitter, send, fault, said):
    leap.faults["submit"].append(fault)
    with pytest.raises(QPUError, match=said) as caught:
        send(submitter())
    assert leap.requests.count("submit") == 1
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert TOKEN not in str(caught.value)


def test_retries_end(leap, submitter, send):
    leap.faults["submit"].extend(["503"] * 100)
    with pytest.raises(QPUError):
        send(submitter(retries=3))
    assert leap.requests.count("submit") == 4


@pytest.mark.parametrize("stage", ["poll", "load"])
@pytest.mark.parametrize("fault", ["timeout", "no network", "429", "503", "malformed", "empty"])
@pytest.mark.usefixtures("ask_again_once_forgotten")
def test_faults_after_acceptance_neither_lose_nor_pay_twice(
    leap, submitter, send, spins, home, stage, fault
):
    if stage == "load":
        fault = {"malformed": "garbled", "empty": "no answer"}.get(fault, fault)
    leap.faults[stage].extend([fault] * 2)
    answer = send(submitter())
    assert len(leap.drawn) == leap.requests.count("submit") == 1
    assert torch.equal(spins(answer), leap.true_spins(home))
    assert qpu_tally().spent_s == pytest.approx(leap.charged_s)


@pytest.mark.parametrize("fault", ["fewer", "flipped", "other qubits", "cut off", "garbled"])
def test_an_answer_that_is_none_is_fetched_again_and_at_last_refused(
    leap, submitter, send, spins, home, fault
):
    leap.faults["load"].append(fault)
    one = submitter()
    assert torch.equal(spins(send(one)), leap.true_spins(home, "problem-1"))
    leap.faults["load"].extend([fault] * 20)
    with pytest.raises(QPUError, match=r"no proper answer .*\(Problem problem-2; it is counted"):
        send(one)
    assert leap.requests.count("submit") == 2


def test_a_queue_without_end_is_left_and_the_problem_cancelled(leap, submitter, send):
    leap.queue_without_end = True
    with pytest.raises(QPUError, match="queue may be long"):
        send(submitter(timeout_s=0.5, ask_again_s=0.2))
    leap.queue_without_end = False
    eventually(lambda: leap.cancelled == ["problem-1"])


def test_an_interrupt_cancels_and_goes_on_its_way(leap, submitter, send, monkeypatch):
    leap.queue_without_end = True
    wait = Future.wait

    def interrupted(computation, timeout=None):
        if threading.current_thread() is not threading.main_thread():
            return wait(computation, timeout)  # one of the client's own
        computation.wait_id(60)
        raise KeyboardInterrupt

    monkeypatch.setattr(Future, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        send(submitter())
    leap.queue_without_end = False
    eventually(lambda: leap.cancelled == ["problem-1"])


def test_an_interrupt_between_two_tries_cancels_the_problem_that_was_accepted(
    leap, submitter, send, monkeypatch
):
    leap.queue_without_end = True
    leap.faults["poll"].append("429")  # ends the client's own watch over the problem

    def interrupted(seconds):
        raise KeyboardInterrupt

    clock = SimpleNamespace(monotonic=time.monotonic, sleep=interrupted)
    monkeypatch.setattr("qdvae_helpers.qpu.submission.time", clock)
    with pytest.raises(KeyboardInterrupt) as caught:
        send(submitter())
    eventually(lambda: leap.cancelled == ["problem-1"])
    assert caught.value.__context__ is None  # a foreign error would hold the request's headers
    assert qpu_tally().spent_s > 0
    leap.queue_without_end = False


@pytest.mark.usefixtures("ask_again_once_forgotten")
def test_random_sequences_of_faults(leap, submitter, send, spins, home):
    """No sample is lost or invented, nothing is sent without need, nothing hangs."""
    one = submitter()
    answered = 0
    for seed in range(60):
        rng = random.Random(seed)
        for stage, kinds in {
            "submit": ["429", "500", "timeout", "no network", *sorted(LOST_REPLIES - ENDING)],
            "list": ["429", "503", "timeout", "malformed"],
            "poll": ["429", "503", "timeout", "malformed", "empty", "still waiting"],
            "load": ["429", "503", "timeout", "fewer", "flipped", "cut off", "garbled"],
        }.items():
            leap.faults[stage].clear()
            leap.faults[stage].extend(rng.choices(kinds, k=rng.choice([0, 0, 1, 1, 2])))
        faults = sum(map(len, leap.faults.values()))
        allowed = leap.requests.count("submit") + 1 + len(leap.faults["submit"])
        before = set(leap.drawn)
        answer = None
        try:
            answer = send(one, 8)
        except QPUError:
            assert faults > 4  # as many as there are retries are put up with
        new = [name for name in leap.drawn if name not in before]
        if answer is not None:
            answered += 1
            assert torch.equal(spins(answer), leap.true_spins(home, *new))
        assert len(new) <= 1  # nothing is ever paid for twice
        assert leap.requests.count("submit") <= allowed
        assert qpu_tally().spent_s > leap.charged_s - 1e-9
    assert answered >= 50


# Cost ------------------------------------------------------------------------------------------


def test_the_estimate_is_the_solvers_and_the_tally_holds_what_it_reports(
    leap, submitter, send, connection
):
    one = submitter()
    expected = connection().solver.estimate_qpu_access_time(12, num_reads=100) / 1e6
    assert one.estimate_s(12, 100) == pytest.approx(expected)
    send(one, 100)
    assert qpu_tally().spent_s == pytest.approx(leap.charged_s) == ACCESS_TIME_US / 1e6


def test_a_refused_submission_costs_nothing_and_one_of_unknown_fate_its_estimate(
    leap, submitter, send
):
    leap.faults["submit"].extend(["429", "500"])  # the second may have run for all one knows
    one = submitter()
    send(one)
    assert len(leap.drawn) == 1
    assert qpu_tally().spent_s == pytest.approx(one.estimate_s(12, 20) + ACCESS_TIME_US / 1e6)


def test_nothing_is_sent_beyond_the_budget(leap, submitter, send, monkeypatch):
    one = submitter()
    estimate = one.estimate_s(12, 20)
    monkeypatch.setenv("QDVAE_QPU_BUDGET_S", str(ACCESS_TIME_US / 1e6 + 0.99 * estimate))
    send(one)
    with pytest.raises(BudgetError):
        send(one)
    assert leap.requests.count("submit") == 1


ODD_TIMES = [-1.0, -1e12, 0, "12345", None, [1], True, 1e12]  # JSON has neither NaN nor infinity


@pytest.mark.parametrize("time_us", ODD_TIMES, ids=repr)
def test_a_time_that_cannot_be_credits_nothing(leap, submitter, send, time_us):
    leap.timing = {"qpu_access_time": time_us, "qpu_programming_time": "much"}
    one = submitter()
    for times in (1, 2):
        send(one)
        assert qpu_tally().spent_s == pytest.approx(times * one.estimate_s(12, 20))
    assert all(0 <= value < 1e12 for value in one.timing.values())


def test_times_that_are_missing_leave_the_estimate(leap, submitter, send):
    one = submitter()
    for leap.timing in ({"other": 1.0}, [1], "none"):
        send(one)
    assert qpu_tally().spent_s == pytest.approx(3 * one.estimate_s(12, 20))


@pytest.mark.parametrize("estimate", [-1.0, 0.0, float("nan"), float("inf"), None, "1", 1e15])
def test_an_estimate_that_cannot_be_sends_nothing(leap, submitter, send, monkeypatch, estimate):
    one = submitter()
    monkeypatch.setattr(StructuredSolver, "estimate_qpu_access_time", lambda *_, **__: estimate)
    with pytest.raises(QPUError, match=r"'problem_timing_data'.* cost cannot be foreseen"):
        send(one)
    assert "submit" not in leap.requests


@pytest.mark.parametrize(
    "numbers",
    [
        {"timeout_s": 0},
        {"timeout_s": float("nan")},
        {"timeout_s": float("inf")},
        {"timeout_s": "60"},
        {"ask_again_s": -1},
        {"ask_again_s": None},
        {"backoff_s": float("nan")},
        {"backoff_s": -0.1},
        {"backoff_s": 1e9},
        {"retries": -1},
        {"retries": 1.5},
        {"retries": 10**6},
        {"retries": True},
    ],
    ids=str,
)
def test_patience_that_cannot_be_is_refused(submitter, numbers):
    with pytest.raises(SamplerError, match=next(iter(numbers))):
        submitter(**numbers)


@pytest.mark.parametrize("reads", [0, -1, 1.5, float("nan"), "20", None, True, 10_001, 10**30])
def test_reads_that_cannot_be_are_not_sent(leap, submitter, send, reads):
    with pytest.raises(SamplerError, match="num_reads"):
        send(submitter(), reads)
    assert "submit" not in leap.requests
