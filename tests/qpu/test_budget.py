"""What a QPU costs: nothing without a budget, and never more than it."""

import re

import pytest

from qdvae_helpers.errors import BudgetError, SettingError
from qdvae_helpers.qpu import qpu_tally
from qdvae_helpers.qpu.budget import Plan, Tally, budget_s


def test_the_budget_is_a_number_of_seconds_and_nothing_by_default(monkeypatch):
    assert budget_s() == 0
    for text, seconds in {"": 0, "0": 0, "2": 2, "0.5": 0.5}.items():
        monkeypatch.setenv("QDVAE_QPU_BUDGET_S", text)
        assert budget_s() == seconds
    for text in ("much", "-1", "nan", "inf"):
        monkeypatch.setenv("QDVAE_QPU_BUDGET_S", text)
        with pytest.raises(SettingError, match="use for example 2"):
            budget_s()


def test_without_a_budget_nothing_is_allowed(monkeypatch):
    with pytest.raises(BudgetError, match=r"0\.25 s.* set QDVAE_QPU_BUDGET_S to 0\.25 or more"):
        Tally().require(0.25)
    assert Tally().allows(0)


@pytest.mark.parametrize("seconds", [0.25, 0.4236, 1 / 3, 2.001])
def test_the_budget_that_the_message_names_is_enough(seconds, monkeypatch):
    with pytest.raises(BudgetError) as refused:
        Tally().require(seconds)
    named = re.search(r"QDVAE_QPU_BUDGET_S to (\S+) or more", str(refused.value))[1]
    monkeypatch.setenv("QDVAE_QPU_BUDGET_S", named)
    Tally().require(seconds)
    assert float(named) < seconds + 0.011


def test_a_submission_is_counted_before_it_is_sent_and_corrected_afterwards(monkeypatch):
    monkeypatch.setenv("QDVAE_QPU_BUDGET_S", "1")
    tally = Tally()
    first = tally.enter(0.6)
    assert (tally.spent_s, tally.remaining_s) == (0.6, 0.4)
    with pytest.raises(BudgetError):
        tally.enter(0.6)
    assert tally.spent_s == 0.6  # what was refused is not counted
    tally.correct(first, 0.25)
    assert tally.enter(0.5) == 1
    assert tally.spent_s == 0.75
    tally.correct(first, 0.0)  # the solver refused it
    assert str(tally) == (
        "0.500 s of QPU access time spent in 1 submission, 0.500 s of the budget left"
    )
    tally.correct(1, 3.0)
    assert tally.remaining_s == 0


def test_all_samplers_of_a_process_share_one_tally(monkeypatch):
    monkeypatch.setenv("QDVAE_QPU_BUDGET_S", "1")
    qpu_tally().enter(0.25)
    assert qpu_tally().spent_s == 0.25


def test_a_plan_adds_up_and_says_so(monkeypatch):
    monkeypatch.setenv("QDVAE_QPU_BUDGET_S", "2")
    plan = Plan("Some_QPU", calls=1_500, reads=100, call_s=0.04, setup_s=0.5)
    assert plan.total_s == pytest.approx(60.5)
    assert str(plan) == (
        "QPU Some_QPU: 1,500 calls of 100 reads at about 40 ms each and 0.50 s to measure the "
        "temperature: about 60.50 s of QPU access time; 2.00 s of the budget are left"
    )
    assert "1 call of 100 reads at about 40 ms each: about 0.04 s" in str(Plan("x", 1, 100, 0.04))


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_times_that_cannot_be_neither_credit_nor_enter(monkeypatch, seconds):
    monkeypatch.setenv("QDVAE_QPU_BUDGET_S", "1")
    tally = Tally()
    number = tally.enter(0.5)
    for change in (lambda: tally.correct(number, seconds), lambda: tally.enter(seconds)):
        with pytest.raises(BudgetError, match="no time"):
            change()
    assert tally.spent_s == 0.5
