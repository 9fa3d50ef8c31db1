"""What a QPU costs, before and while it is spent (taught in ``04_grbm_on_a_qpu_subgraph``).

Leap counts *QPU access time*: programming once a submission, then anneal and readout of every read.
Nothing is submitted unless ``QDVAE_QPU_BUDGET_S`` allows it.
"""

import math
import os
import threading
from dataclasses import dataclass

from qdvae_helpers.errors import BudgetError, SettingError

VARIABLE = "QDVAE_QPU_BUDGET_S"


def budget_s() -> float:
    """Seconds that this process may spend: ``QDVAE_QPU_BUDGET_S`` (or a SettingError), else 0."""
    text = os.environ.get(VARIABLE) or "0"
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise SettingError(
            f"{VARIABLE}={text!r} is no number of seconds for the budget: use for example 2. Or "
            "stay offline with QDVAE_SAMPLER=annealer."
        )
    return seconds


@dataclass(frozen=True)
class Plan:
    """The estimated cost of some calls of a sampler; ``str()`` of it is a line to show."""

    device: str  #: name of the solver
    calls: int  #: how often ``sample()`` will be called
    reads: int  #: samples per call
    call_s: float  #: QPU access time of one call in seconds
    setup_s: float = 0.0  #: that comes first, to measure the temperature

    @property
    def total_s(self) -> float:
        """QPU access time of everything, in seconds."""
        return self.setup_s + self.calls * self.call_s

    def __str__(self) -> str:
        calls = "1 call" if self.calls == 1 else f"{self.calls:,} calls"
        setup = f" and {self.setup_s:.2f} s to measure the temperature" if self.setup_s else ""
        return (
            f"QPU {self.device}: {calls} of {self.reads:,} reads at about {1000 * self.call_s:.0f} "
            f"ms each{setup}: about {self.total_s:.2f} s of QPU access time; "
            f"{qpu_tally().remaining_s:.2f} s of the budget are left"
        )


def _require_seconds(seconds: float) -> None:
    if not 0 <= seconds < float("inf"):  # NaN is neither
        raise BudgetError(f"{seconds!r} is no time that a submission can take: nothing was sent.")


class Tally:
    """QPU access time spent by this process, in seconds; safe to use from several threads.

    A submission is entered with its estimate *before* it is sent and corrected when the solver
    reports the true time, so that a submission of unknown fate counts as if it had run.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[float] = []

    @property
    def spent_s(self) -> float:
        """Seconds spent so far, estimates where the solver has not reported yet."""
        return sum(self._entries)

    @property
    def remaining_s(self) -> float:
        """Seconds that may still be spent."""
        return max(0.0, budget_s() - self.spent_s)

    def allows(self, seconds: float) -> bool:
        """Whether the budget has room for a submission of this length."""
        return self.spent_s + seconds <= budget_s()

    def require(self, seconds: float, what: str = "The next submission") -> None:
        """Refuse, with a BudgetError that names the remedy, what the budget does not allow."""
        if not self.allows(seconds):
            needed = math.ceil(100 * (self.spent_s + seconds)) / 100  # rounded down it is refused
            raise BudgetError(
                f"{what} takes about {seconds:.2f} s of QPU access time, and {self.remaining_s:.2f}"
                f" s of the budget ({budget_s():g} s) are left: to allow it set {VARIABLE} to "
                f"{needed:.2f} or more, or stay offline with another sampler."
            )

    def enter(self, seconds: float) -> int:
        """Count a submission before it is sent; gives its number, or a BudgetError."""
        _require_seconds(seconds)
        with self._lock:
            self.require(seconds)
            self._entries.append(seconds)
            return len(self._entries) - 1

    def correct(self, number: int, seconds: float) -> None:
        """Put the true time in the place of the estimate; 0 for what the solver refused."""
        _require_seconds(seconds)
        with self._lock:
            self._entries[number] = seconds

    def __str__(self) -> str:
        sent = sum(seconds > 0 for seconds in self._entries)
        return (
            f"{self.spent_s:.3f} s of QPU access time spent in {sent} "
            f"submission{'s' * (sent != 1)}, "
            f"{self.remaining_s:.3f} s of the budget left"
        )


_TALLY = Tally()


def qpu_tally() -> Tally:
    """The tally of this process, shared by all its QPU samplers."""
    return _TALLY
