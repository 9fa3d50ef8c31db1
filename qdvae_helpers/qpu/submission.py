"""One submission to a real QPU, within the budget and the ranges, and with patience."""

import contextlib
import time

import dimod
import numpy as np
from dwave.cloud import Future
from dwave.cloud import exceptions as cloud
from dwave.cloud.api.exceptions import ResourceAuthenticationError
from dwave.system import DWaveSampler
from requests.exceptions import RequestException

from qdvae_helpers.errors import QPUError, SamplerError
from qdvae_helpers.qpu.budget import qpu_tally
from qdvae_helpers.qpu.leap import OFFLINE, WrongAnswerError, explain, redact
from qdvae_helpers.qpu.ranges import check_coupling_groups, check_ranges

_RELATIVE_ENERGY_ERROR = 1e-4  # answers carry double precision; this only tells right from wrong


def _passing(error: Exception) -> bool:
    """Whether the same request may well succeed a little later."""
    code = getattr(error, "error_code", None)
    if isinstance(code, int):
        return code == 429 or code >= 500
    if isinstance(error, cloud.SolverError | ResourceAuthenticationError):
        return False
    return isinstance(error, RequestException | cloud.InvalidAPIResponseError | WrongAnswerError)


def _refused(error: Exception) -> bool:
    """Whether the solver certainly did not accept the request, so that it costs nothing."""
    code = getattr(error, "error_code", None)
    return isinstance(
        error, ResourceAuthenticationError | cloud.InvalidProblemError | KeyError
    ) or (isinstance(code, int) and 400 <= code < 500)


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
    checked, and nothing waits for ever.

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
        self._timeout_s, self._ask_again_s = timeout_s, ask_again_s
        self._retries, self._backoff_s = retries, backoff_s
        self.properties, self.parameters = qpu.properties, qpu.parameters
        self.nodelist, self.edgelist = qpu.nodelist, qpu.edgelist
        self.last_problem_id: str | None = None
        self.timing: dict[str, float] = {}  # of all answers together, microseconds

    def estimate_s(
        self, num_qubits: int, num_reads: int, annealing_time: float | None = None
    ) -> float:
        """Seconds of QPU access time of one submission, from the solver's own timing data."""
        try:
            estimate = self._qpu.solver.estimate_qpu_access_time(
                num_qubits, num_reads=num_reads, annealing_time=annealing_time
            )
        except (KeyError, ValueError):
            raise QPUError(
                f"The solver {self._qpu.solver.name} does not say how long problems take, so their "
                f"cost cannot be foreseen: choose another solver (DWAVE_API_SOLVER), {OFFLINE}."
            ) from None
        return float(estimate) / 1e6

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
        num_reads = parameters["num_reads"]
        estimate = self.estimate_s(bqm.num_variables, num_reads, parameters.get("annealing_time"))
        deadline = time.monotonic() + self._timeout_s
        problem_id, entry, faults, failure, computation = None, None, 0, "", None
        try:
            while not failure:
                computation, pause = None, 0.0
                try:
                    if problem_id is None:
                        entry = qpu_tally().enter(estimate)
                        computation = self._qpu.solver.sample_bqm(bqm, **parameters)
                    else:  # it was accepted: fetching the answer costs nothing
                        computation = self._qpu.client.retrieve_answer(problem_id)
                        computation.solver = self._qpu.solver  # saves it a request to find out
                    answer = self._wait(computation, deadline)
                    if answer is not None:
                        self._check_answer(answer, bqm, num_reads)
                        self._settle(entry, answer)
                        return answer
                    problem_id = computation.id or problem_id
                except SamplerError:  # of our own: the budget
                    raise
                except Exception as error:
                    problem_id = problem_id or getattr(computation, "id", None)
                    if problem_id is None and entry is not None and _refused(error):
                        qpu_tally().correct(entry, 0.0)
                    faults += 1
                    pause = self._backoff_s * 2 ** (faults - 1)
                    # With an id whatever went wrong may only be the transfer of the answer.
                    again = _passing(error) or (problem_id is not None and _is_decoding(error))
                    if isinstance(error, TimeoutError):
                        self._cancel(computation, problem_id)
                    in_time = time.monotonic() + pause < deadline
                    if not (again and faults <= self._retries and in_time):
                        if again and not _passing(error):
                            error = WrongAnswerError(type(error).__name__)
                        failure = explain(error)
                # Outside of ``except``: an interrupt would carry the foreign error along.
                if pause and not failure:
                    time.sleep(pause)
        except KeyboardInterrupt:
            self._cancel(computation, problem_id)
            raise
        if problem_id is not None:
            failure += f" (Problem {problem_id}; it is counted as if it had run.)"
        raise QPUError(redact(failure, self._qpu.client.config.token))

    def _wait(self, computation, deadline: float) -> dimod.SampleSet | None:
        """The answer; ``None`` when it is time to ask anew for a problem that was accepted."""
        remaining = deadline - time.monotonic()
        if computation.wait(max(0.0, min(remaining, self._ask_again_s))):
            return computation.wait_sampleset()
        if remaining <= self._ask_again_s or computation.id is None:
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
        self.last_problem_id = answer.info.get("problem_id")
        timing = answer.info.get("timing") or {}
        if "qpu_access_time" in timing:
            qpu_tally().correct(entry, float(timing["qpu_access_time"]) / 1e6)
        for name, value in timing.items():
            if isinstance(value, int | float):
                self.timing[name] = self.timing.get(name, 0.0) + value
