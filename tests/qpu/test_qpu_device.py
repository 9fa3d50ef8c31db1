"""A call of several submissions: batches, gauges, and what is kept when one of them fails."""

import threading

import numpy as np
import pytest
import torch
from dwave.cloud import Future

from qdvae_helpers.errors import BudgetError, QPUError, SamplerError
from qdvae_helpers.qpu.budget import qpu_tally


@pytest.fixture
def at_most_fifty(leap):
    leap.properties["num_reads_range"] = [1, 50]


def reads_of(leap) -> list[int]:
    return [problem["params"]["num_reads"] for problem in leap.drawn.values()]


@pytest.mark.usefixtures("at_most_fifty")
def test_reads_beyond_the_solvers_limit_are_sent_in_batches(leap, device, send, spins, home):
    answer = send(device(), 121)
    assert reads_of(leap) == [41, 40, 40]
    assert torch.equal(spins(answer), leap.true_spins(home))


def test_gauges_reverse_spins_on_the_device_and_nowhere_else(leap, device, send, bqm, home):
    answer = send(device(gauges=4), 4_002)
    problems = list(leap.drawn.values())
    assert reads_of(leap) == [1001, 1001, 1000, 1000]
    signs = {tuple(value > 0 for value in problem["h"].values()) for problem in problems}
    assert len(signs) == 4
    sizes = {qubit: abs(h) for qubit, h in bqm.linear.items()}
    for problem in problems:
        assert {qubit: abs(h) for qubit, h in problem["h"].items()} == pytest.approx(sizes)
    # Undone after sampling: the energies are those of one and the same model.
    drawn = np.concatenate([problem["energies"] for problem in problems])
    energies = bqm.energies((answer.record.sample, answer.variables))
    assert energies == pytest.approx(drawn, abs=1e-4)


def test_values_that_only_one_sign_of_would_fit_are_outside_the_range_with_gauges(device):
    assert device().properties["extended_j_range"] == [-2.0, 1.0]
    assert device(gauges=2).properties["extended_j_range"] == [-1.0, 1.0]
    assert device(gauges=2).properties["h_range"] == [-6.0, 6.0]


def test_gauges_and_batches_count_a_programming_each(leap, device):
    one, four = device().estimate_s(100), device(gauges=4).estimate_s(100)
    programming = leap.properties["problem_timing_data"]["typical_programming_time"] + 1000
    assert four - one == pytest.approx(3 * programming / 1e6)
    assert device(gauges=4).batches(3) == [1, 1, 1]  # no more gauges than reads


def test_the_annealing_time_is_checked_before_anything_is_sent_and_then_sent(leap, device, send):
    with pytest.raises(SamplerError, match=r"range \[0.5, 2000\]"):
        device(annealing_time=0.1)
    assert not leap.drawn
    longer, usual = device(annealing_time=500.0), device()
    send(longer)
    (problem,) = leap.drawn.values()
    assert problem["params"]["annealing_time"] == 500.0
    extra = longer.estimate_s(100) - usual.estimate_s(100)
    assert extra == pytest.approx(100 * (500 - 20) / 1e6)


# Kept answers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("gauges", [0, 3])
@pytest.mark.usefixtures("at_most_fifty")
def test_batches_that_were_answered_are_kept_when_a_later_one_fails(
    leap, device, send, spins, bqm, home, gauges
):
    one = device(retries=0, gauges=gauges)
    leap.faults["submit"].extend([None, None, "429"])
    with pytest.raises(QPUError):
        send(one, 121)
    assert [len(answer) for answer in one.partial] == [41, 40]
    assert one.arrived == 81
    assert len(leap.drawn) == 2
    answer = send(one, 121)
    assert reads_of(leap) == [41, 40, 40]
    assert qpu_tally().spent_s == pytest.approx(leap.charged_s)
    # Gauges are undone in what arrives, so compare what they leave alone: the energies.
    drawn = np.concatenate([problem["energies"] for problem in leap.drawn.values()])
    energies = bqm.energies((answer.record.sample, answer.variables))
    assert energies == pytest.approx(drawn, abs=1e-4)
    if not gauges:
        assert torch.equal(spins(answer), leap.true_spins(home))
    assert one.partial == []
    send(one, 121)  # nothing is handed out twice
    assert len(leap.drawn) == 6


@pytest.mark.usefixtures("at_most_fifty")
def test_answers_that_were_kept_serve_no_other_problem(leap, device, send, spins, bqm, home):
    one = device(retries=0)
    leap.faults["submit"].extend([None, "503"])
    with pytest.raises(QPUError):
        send(one, 100)
    assert one.arrived == 50
    bqm.add_linear(home.nodes[0], 0.04)
    leap.faults["submit"].append("503")
    with pytest.raises(QPUError):
        send(one, 100)
    assert one.arrived == 0
    answer = send(one, 100)
    _, *names = leap.drawn
    assert torch.equal(spins(answer), leap.true_spins(home, *names))


@pytest.mark.usefixtures("at_most_fifty")
def test_what_is_taken_is_not_handed_out_again(leap, device, send, home):
    one = device(retries=0)
    leap.faults["submit"].extend([None, "503"])
    with pytest.raises(QPUError):
        send(one, 100)
    assert [len(answer) for answer in one.take_partial()] == [50]
    assert one.take_partial() == []
    send(one, 100)
    assert reads_of(leap) == [50, 50, 50]


@pytest.mark.usefixtures("at_most_fifty")
def test_the_budget_in_the_middle_of_a_call_and_an_interrupt_keep_what_was_paid(
    leap, device, send, spins, home, monkeypatch
):
    one = device()
    monkeypatch.setenv("QDVAE_QPU_BUDGET_S", str(1.01 * one.estimate_s(50)))
    with pytest.raises(BudgetError):
        send(one, 150)
    assert one.arrived == 50
    monkeypatch.setenv("QDVAE_QPU_BUDGET_S", "100")
    wait, waits = Future.wait, []

    def interrupted(computation, timeout=None):
        if threading.current_thread() is threading.main_thread() and timeout is not None:
            waits.append(computation.wait_id(60))
            if len(waits) == 2:
                raise KeyboardInterrupt
        return wait(computation, timeout)

    with monkeypatch.context() as patch:
        patch.setattr(Future, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            send(one, 150)
    answer = send(one, 150)
    kept = leap.true_spins(home, "problem-1", "problem-2", "problem-4")
    assert torch.equal(spins(answer), kept)
    assert len(leap.drawn) == 4


def test_several_problems_of_one_call_are_kept_together(leap, device, send, bqm, home):
    one = device(retries=0)
    other = bqm.copy()
    other.add_linear(home.nodes[0], 0.04)

    def call():
        with one.one_call():
            return [send(one, 1, problem) for problem in (bqm, other, bqm)]

    leap.faults["submit"].extend([None, None, "503"])
    with pytest.raises(QPUError):
        call()
    assert one.arrived == 2
    assert len(call()) == 3
    assert one.partial == []
    assert len(leap.drawn) == 3
