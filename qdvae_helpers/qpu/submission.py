"""One submission to a real QPU, within the budget and the ranges, and with patience."""

import contextlib
import re
import secrets
import time

import dimod
import numpy as np
from dwave.cloud import Future
from dwave.cloud import exceptions as cloud
from dwave.cloud.api import Problems
from dwave.cloud.api.constants import ProblemStatus
from dwave.cloud.api.exceptions import ResourceAuthenticationError
from dwave.system import DWaveSampler
from requests.exceptions import RequestException

from qdvae_helpers.arguments import require_count, require_number
from qdvae_helpers.errors import QPUError, SamplerError
from qdvae_helpers.qpu.budget import qpu_tally
from qdvae_helpers.qpu.causes import OFFLINE, WrongAnswerError, explain, never_sent, redact
from qdvae_helpers.qpu.leap import within
from qdvae_helpers.qpu.ranges import check_coupling_groups, check_ranges
from qdvae_helpers.qpu.solvers import LONGEST_US, estimated_s, is_access_time, is_number

_RELATIVE_ENERGY_ERROR = 1e-4  # answers carry double precision; this only tells right from wrong
_LOOKS, _LOOK_S = 3, 30.0  # for a problem whose fate is unknown: how often, and how long at most
_AMBIGUOUS = (408, 409)  # refusals that may speak of a request that did get through


def _passing(error: Exception) -> bool:
    """Whether the same request may well succeed a little later."""
    code = getattr(error, "error_code", None)
    if isinstance(code, int):
        return code in (408, 429) or code >= 500
    if isinstance(error, cloud.SolverError | ResourceAuthenticationError):
        return False
    return isinstance(error, RequestException | cloud.InvalidAPIResponseError | WrongAnswerError)


def _refused(error: Exception) -> bool:
    """Whether the solver certainly did not accept the request, so that it costs nothing."""
    code = getattr(error, "error_code", None)
    refusals = ResourceAuthenticationError | cloud.InvalidProblemError | cloud.SolverFailureError
    refused = isinstance(code, int) and 400 <= code < 500 and code not in _AMBIGUOUS
    return refused or isinstance(error, refusals) or never_sent(error)


def _id_of(computation: Future | None) -> str | None:
    """The number that the service gave a problem, if it is one."""
    name = getattr(computation, "id", None)
    return name if isinstance(name, str) and re.fullmatch(r"[\w-]+", name) else None


def _is_decoding(error: Exception) -> bool:
    """Whether the error is none of the client's own, so it comes from reading an answer."""
    own = RequestException | cloud.InvalidProblemError | cloud.CanceledFutureError
    return not isinstance(
        error, own | cloud.PollingTimeout | cloud.UseAfterCloseError | TimeoutError
    )


class Submitter(dimod.Sampler, dimod.Structured):
    """``DWaveSampler`` with what it lacks: budget, checks, patience and an end to patience.

    Nothing is sent that the budget or the device's ranges do not allow, passing faults are tried
    again, a problem that was accepted is fetched again and never sent twice, every answer is
    checked, and nothing waits for ever.  Each problem has a label of its own, and one whose fate is
    unknown is looked for by it before anything is sent again.

    Args:
        qpu: the connection.
        timeout_s: seconds after which a submission is given up and cancelled, queue included.
        retries: how often a passing fault is tried again.
        backoff_s: pause before the first retry; each further one is twice as long.
        ask_again_s: seconds after which an accepted problem's status is asked anew, should the
            client have lost sight of it, and after which one that was not accepted is given up.
    """

    nodelist = edgelist = properties = parameters = None  # declared abstract by dimod

    def __init__(
        self,
        qpu: DWaveSampler,
        *,
        timeout_s: float = 600.0,
        retries: int = 4,
        backoff_s: float = 1.0,
        ask_again_s: float = 60.0,
    ) -> None:
        self._qpu = qpu
        times = {"timeout_s": timeout_s, "ask_again_s": ask_again_s}
        self._timeout_s, self._ask_again_s = (
            require_number(name, value, above=0, most=1e7, error=SamplerError)
            for name, value in times.items()
        )
        self._retries = require_count("retries", retries, 0, 100, SamplerError)
        self._backoff_s = require_number(
            "backoff_s", backoff_s, least=0, most=3600, error=SamplerError
        )
        # A problem whose fate is unknown: itself, its parameters, label and entry in the tally.
        self._unsettled: tuple | None = None
        self.properties, self.parameters = qpu.properties, qpu.parameters
        self.nodelist, self.edgelist = qpu.nodelist, qpu.edgelist
        self.last_problem_id: str | None = None
        self.timing: dict[str, float] = {}  # of all answers together, microseconds

    def estimate_s(
        self, num_qubits: int, num_reads: int, annealing_time: float | None = None
    ) -> float:
        """Seconds of QPU access time of one submission, from the solver's own timing data."""
        solver = self._qpu.solver
        return estimated_s(solver, num_qubits, num_reads, annealing_time=annealing_time)

    @dimod.bqm_structured
    def sample(self, bqm: dimod.BinaryQuadraticModel, **parameters) -> dimod.SampleSet:
        """Submit, wait, check; blocks until the answer is here.

        Raises:
            SamplerError: biases outside the device's ranges; nothing was sent.
            BudgetError: the budget does not allow it; nothing was sent.
            QPUError: all else; the message has the cause and a remedy.
        """
        check_ranges(bqm.linear, bqm.quadratic, self.properties)
        check_coupling_groups(bqm, self._qpu.to_networkx_graph, self.properties)
        most = self.properties["num_reads_range"][1]
        num_reads = require_count("num_reads", parameters.get("num_reads"), 1, most, SamplerError)
        estimate = self.estimate_s(bqm.num_variables, num_reads, parameters.get("annealing_time"))
        deadline = time.monotonic() + self._timeout_s
        problem_id, entry, faults, failure, computation = None, None, 0, "", None
        label, lost = f"qdvae-{secrets.token_hex(8)}", False
        try:
            if self._unsettled is not None and self._unsettled[:2] == (bqm, parameters):
                label, entry = self._unsettled[2:]
                found = self._find(label, deadline)
                problem_id, lost = found[0] if found else None, found is None
                failure = f"Leap does not tell what became of this problem, {OFFLINE}." * lost
            while not failure:
                computation, said = None, ""
                try:
                    if problem_id is None:
                        entry = qpu_tally().enter(estimate)
                        computation = self._qpu.solver.sample_bqm(bqm, label=label, **parameters)
                    else:  # it was accepted: fetching the answer costs nothing
                        computation = self._qpu.client.retrieve_answer(problem_id)
                        computation.solver = self._qpu.solver  # saves it a request to find out
                    answer = self._wait(computation, deadline)
                    if answer is not None:
                        self._check_answer(answer, bqm, num_reads)
                        self._settle(entry, answer)
                        return answer
                    problem_id = _id_of(computation) or problem_id
                except SamplerError:  # of our own: the budget
                    raise
                except Exception as error:
                    faults += 1
                    problem_id = problem_id or _id_of(computation)
                    sent = computation is not None and not _refused(error)
                    lost, late = problem_id is None and sent, isinstance(error, TimeoutError)
                    if problem_id is None and not sent:
                        qpu_tally().correct(entry, 0.0)
                    # With an id whatever went wrong may only be the transfer of the answer.
                    transfer = problem_id is not None and _is_decoding(error)
                    again = (_passing(error) or transfer) and faults <= self._retries
                    if transfer and not _passing(error):
                        error = WrongAnswerError(type(error).__name__)
                    said = explain(error)
                # Outside of ``except``: an interrupt would carry the foreign error along.
                if said and lost:
                    found = self._find(label, deadline)
                    if found:
                        problem_id, lost = found[0], False
                        continue
                    lost = found is None or late  # where it is late, it may still arrive
                if said and late:
                    self._cancel(computation, problem_id)
                pause = self._backoff_s * 2 ** (faults - 1)
                if said and (lost or not again or time.monotonic() + pause >= deadline):
                    failure = said
                elif said:
                    time.sleep(pause)
        except KeyboardInterrupt:
            self._cancel(computation, problem_id)
            if entry is not None and (problem_id or _id_of(computation)) is None:
                self._unsettled = (bqm.copy(), dict(parameters), label, entry)
            raise
        if lost:
            self._unsettled = (bqm.copy(), dict(parameters), label, entry)
            failure += (
                f" The problem may have run, and is counted as if it had: look for the label "
                f"{label} on your Leap dashboard. The same call again asks Leap for it first."
            )
        elif problem_id is not None:
            failure += f" (Problem {problem_id}; it is counted as if it had run.)"
        raise QPUError(redact(failure, self._qpu.client.config.token))

    def _find(self, label: str, deadline: float) -> list[str] | None:
        """Accepted problems of this label, as Leap lists them; ``None`` if it cannot be asked.

        A list may lag behind, so what is not in it is looked for again.
        """
        found = None
        for look in range(_LOOKS):
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return None
            if look:
                time.sleep(min(self._backoff_s * 2**look, remaining))
            found = None
            with contextlib.suppress(Exception):  # whatever it is, Leap did not tell
                found = within(min(remaining, _LOOK_S), lambda: self._listed(label))
            if found:
                break
        return found

    def _listed(self, label: str) -> list[str]:
        with Problems.from_config(self._qpu.client.config, cache={"enabled": False}) as problems:
            listed = problems.list_problems(label=label)  # those that contain it
        over = (ProblemStatus.FAILED, ProblemStatus.CANCELLED)
        return [one.id for one in listed if one.label == label and one.status not in over]

    def _wait(self, computation, deadline: float) -> dimod.SampleSet | None:
        """The answer; ``None`` when it is time to ask anew for a problem that was accepted."""
        remaining = deadline - time.monotonic()
        with contextlib.suppress(TimeoutError):
            # The client would wait for ever for a problem of which it has no proper number.
            computation.wait_id(max(0.0, min(remaining, self._ask_again_s)))
            if computation.id is not None and _id_of(computation) is None:
                raise WrongAnswerError("no number of a problem")
        if computation.wait(max(0.0, min(remaining, self._ask_again_s))):
            return computation.wait_sampleset()
        if remaining <= self._ask_again_s or _id_of(computation) is None:
            raise TimeoutError
        return None

    def _cancel(self, computation: Future | None, problem_id: str | None) -> None:
        """Ask the service to drop what was sent; returns at once."""
        if computation is not None and computation.done():  # it would ignore a ``cancel``
            problem_id = problem_id or computation.id
            computation = None
        if computation is None and problem_id is not None:
            computation = Future(self._qpu.solver, problem_id)
        if computation is not None:
            with contextlib.suppress(Exception):  # a best effort: the client may be closed
                computation.cancel()

    def _check_answer(
        self, answer: dimod.SampleSet, bqm: dimod.BinaryQuadraticModel, num_reads: int
    ) -> None:
        record = answer.record
        if set(answer.variables) != set(bqm.variables):
            raise WrongAnswerError("other qubits")
        if len(record) != num_reads or (record.num_occurrences != 1).any():
            raise WrongAnswerError("another number of reads")
        if not np.isin(record.sample, (-1, 1)).all():
            raise WrongAnswerError("no spins")
        energies = bqm.energies((record.sample, answer.variables))
        if not np.allclose(energies, record.energy, rtol=_RELATIVE_ENERGY_ERROR, atol=1e-3):
            raise WrongAnswerError("energies that are not those of the spins")

    def _settle(self, entry: int, answer: dimod.SampleSet) -> None:
        self._unsettled = None
        self.last_problem_id = answer.info.get("problem_id")
        timing = answer.info.get("timing")
        timing = timing if isinstance(timing, dict) else {}
        if is_access_time(timing.get("qpu_access_time")):  # else the estimate stays
            qpu_tally().correct(entry, float(timing["qpu_access_time"]) / 1e6)
        for name, value in timing.items():
            if is_number(value, 0, LONGEST_US):
                self.timing[name] = self.timing.get(name, 0.0) + value
