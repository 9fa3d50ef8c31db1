"""A real QPU behind the seam (used in lessons 04 to 06; docs/qpu.md explains set-up and costs).

``make_sampler(..., "qpu")`` gives a :class:`QPUSampler`.  Below it is D-Wave's own client, put
together as ``SpinReversalTransformComposite`` (optional) over ``FixedEmbeddingComposite`` over
:class:`CarefulQPU`, which submits through ``DWaveSampler``'s solver.  What it adds to the client:
nothing is sent that the budget or the device's ranges do not allow, passing faults are tried again,
a problem that was accepted is fetched again and never sent twice, every answer is checked, and
nothing waits for ever.
"""

import contextlib
import time
from collections.abc import Iterator, Mapping

import dimod
import numpy as np
import torch
from dwave.cloud import Future
from dwave.cloud import exceptions as cloud
from dwave.cloud.api.exceptions import ResourceAuthenticationError
from dwave.plugins.torch.models import GraphRestrictedBoltzmannMachine
from dwave.preprocessing.composites import SpinReversalTransformComposite
from dwave.system import DWaveSampler, FixedEmbeddingComposite
from dwave.system.coupling_groups import coupling_groups
from dwave.system.warnings import WarningAction
from requests.exceptions import RequestException

from qdvae_helpers.budget import Plan, qpu_tally
from qdvae_helpers.errors import QPUError, SamplerError
from qdvae_helpers.graphs import QPUGraph
from qdvae_helpers.leap import (
    OFFLINE,
    WrongAnswerError,
    capture,
    close,
    connect,
    explain,
    graph_id,
    redact,
)
from qdvae_helpers.placement import compare, place
from qdvae_helpers.samplers import DeviceSampler, check_ranges

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


class CarefulQPU(dimod.Sampler, dimod.Structured):
    """``DWaveSampler`` with budget, checks, patience and an end to patience.

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
        self._timeout_s = timeout_s
        self._retries = retries
        self._backoff_s = backoff_s
        self._ask_again_s = ask_again_s
        self.properties = qpu.properties
        self.parameters = qpu.parameters
        self.nodelist = qpu.nodelist
        self.edgelist = qpu.edgelist
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

    def max_reads(self, annealing_time: float | None = None) -> int:
        """The most reads that the solver takes in one submission."""
        known = {} if annealing_time is None else {"annealing_time": annealing_time}
        return self._qpu.solver.max_num_reads(**known)

    @dimod.bqm_structured
    def sample(self, bqm: dimod.BinaryQuadraticModel, **parameters) -> dimod.SampleSet:
        """Submit, wait, check; blocks until the answer is here.

        Raises:
            SamplerError: biases outside the device's ranges; nothing was sent.
            BudgetError: the budget does not allow it; nothing was sent.
            QPUError: all else; the message has the cause and a remedy.
        """
        check_ranges(bqm.linear, bqm.quadratic, self.properties)
        self._check_coupling_groups(bqm)
        num_reads = parameters["num_reads"]
        estimate = self.estimate_s(bqm.num_variables, num_reads, parameters.get("annealing_time"))
        deadline = time.monotonic() + self._timeout_s
        problem_id, entry, faults, failure = None, None, 0, ""
        computation = None
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
                    if not (
                        again and faults <= self._retries and time.monotonic() + pause < deadline
                    ):
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

    def _check_coupling_groups(self, bqm: dimod.BinaryQuadraticModel) -> None:
        """Zephyr devices bound the sum of J over certain groups of couplers of a qubit."""
        limits = self.properties.get("per_group_coupling_range")
        if limits is None:
            return
        low, high = limits
        load = dict.fromkeys(bqm.variables, 0.0)
        for (u, v), value in bqm.quadratic.items():
            load[u] += abs(value)
            load[v] += abs(value)
        if max(load.values(), default=0) <= min(-low, high):
            return  # no group can reach the limit
        graph = self._qpu.to_networkx_graph()
        for group in coupling_groups(graph):
            total = sum(bqm.adj[u].get(v, 0.0) for u, v in group if u in bqm.adj)
            if not low <= total <= high:
                raise SamplerError(
                    f"The couplings of a group at qubit {group[0][1]} add up to {total:.2f}, the "
                    f"device allows [{low:g}, {high:g}]: lower the prefactor."
                )


class QPU(dimod.Sampler):
    """The device that :class:`QPUSampler` draws from: batches and gauges over a placed problem.

    A call is often several submissions (batches, gauges, rows of clamped spins), and each is paid
    for.  Where one fails, the call fails, but the answers before it are kept, and the same call
    made again sends only what is missing.  Handing out fewer reads instead would break the shapes
    that samplers promise, lose which row of clamped spins is whose, and hide a fault that lasts.

    Args:
        qpu: the connection.
        embedding: qubit of the device for each node of the model.
        gauges: how many random spin reversals the reads of a call are spread over.  A device treats
            +1 and -1 not quite alike; reversing random spins in turn averages that out.  0: none.
        annealing_time: microseconds; the device's default if left out.
        fast_anneal: use the fast-anneal protocol, which only takes problems without h.
        seed: of the gauges.
        patience: see :class:`CarefulQPU`.
    """

    properties = parameters = None  # declared abstract by dimod

    def __init__(
        self,
        qpu: DWaveSampler,
        embedding: Mapping[int, int],
        *,
        gauges: int = 0,
        annealing_time: float | None = None,
        fast_anneal: bool = False,
        seed: int = 0,
        **patience,
    ) -> None:
        self.connection = qpu
        self.solver = qpu.solver
        self.embedding = dict(embedding)
        self.gauges = gauges
        self.careful = CarefulQPU(qpu, **patience)
        self._child = FixedEmbeddingComposite(
            self.careful, {node: (qubit,) for node, qubit in embedding.items()}
        )
        # Importing dwave.inspector makes the composite look for broken chains, and that look fails
        # where spins are clamped.  Here every chain is a single qubit, so none can break.
        self._child.warnings_default = WarningAction.IGNORE
        if gauges:
            self._child = SpinReversalTransformComposite(self._child, seed=seed)
        self._annealing_time = annealing_time
        self.options: dict = {}  # of every submission
        if annealing_time is not None:
            self.options["annealing_time"] = annealing_time
        if fast_anneal:
            self.options["fast_anneal"] = True
        self._check_anneal()
        self.properties = self._ranges()
        self.parameters = dict(qpu.parameters)
        # Of a call under way or broken off: what each submission asked for, and its answer.
        self._kept: list[tuple[tuple, dimod.SampleSet]] = []
        self._answered = 0  # submissions of the last call that have their answer
        self._in_call = False

    @property
    def partial(self) -> list[dimod.SampleSet]:
        """Answers of a call that was broken off, until another problem is sent."""
        return [answer for _, answer in self._kept]

    @property
    def arrived(self) -> int:
        """Reads of the last call that are kept because it was broken off."""
        return sum(len(answer) for answer in self.partial[: self._answered])

    def take_partial(self) -> list[dimod.SampleSet]:
        """The same, and forget them: for another use, so that no later call hands them out."""
        partial = self.partial
        self._kept.clear()
        return partial

    @contextlib.contextmanager
    def one_call(self) -> Iterator[None]:
        """Everything that is sent inside belongs to one call, kept until all of it is answered."""
        if self._in_call:
            yield
            return
        self._in_call, self._answered = True, 0
        try:
            yield
            self._kept.clear()
        finally:
            self._in_call = False

    def _check_anneal(self) -> None:
        properties = self.connection.properties
        fast = "fast_anneal" in self.options
        if fast and "fast_anneal_time_range" not in properties:
            raise SamplerError(f"{self.solver.name} has no fast anneal: leave fast_anneal away.")
        allowed = properties["fast_anneal_time_range" if fast else "annealing_time_range"]
        wanted = self.options.get("annealing_time")
        if wanted is not None and not allowed[0] <= wanted <= allowed[1]:
            raise SamplerError(
                f"annealing_time={wanted:g} us is outside the device's range "
                f"[{allowed[0]:g}, {allowed[1]:g}]: choose a value inside."
            )

    def _ranges(self) -> dict:
        """The ranges of h and J; with gauges a value must be allowed with either sign."""
        properties = self.connection.properties
        ranges = {}
        for name in ("h_range", "extended_j_range"):
            low, high = properties.get(name, properties.get("j_range"))
            if self.gauges:
                high = min(-low, high)
                low = -high
            ranges[name] = [low, high]
        return ranges

    def batches(self, num_reads: int) -> list[int]:
        """Reads of the single submissions that make up one call."""
        parts = max(
            min(self.gauges, num_reads),
            -(-num_reads // self.careful.max_reads(self._annealing_time)),
            1,
        )
        return [num_reads // parts + (part < num_reads % parts) for part in range(parts)]

    def estimate_s(self, num_reads: int) -> float:
        """Seconds of QPU access time of one call with all its submissions."""
        qubits = len(self.embedding)
        return sum(
            self.careful.estimate_s(qubits, reads, self._annealing_time)
            for reads in self.batches(num_reads)
        )

    def sample(self, bqm: dimod.BinaryQuadraticModel, **parameters) -> dimod.SampleSet:
        """All reads of all batches.

        Raises:
            SamplerError: see :meth:`CarefulQPU.sample`; batches that were answered are kept in
                :attr:`partial`, and the same call made again sends only the others.
        """
        if "fast_anneal" in self.options and any(bqm.linear.values()):
            raise SamplerError(
                "Fast anneal needs h = 0 on every qubit, and this problem has others (a model's "
                "biases, or fields of clamped spins): leave fast_anneal away."
            )
        batches = self.batches(parameters.pop("num_reads"))
        parameters |= self.options
        with self.one_call():
            answers = [self._submit(bqm, num_reads=reads, **parameters) for reads in batches]
        return dimod.concatenate(answers)

    def _submit(self, bqm: dimod.BinaryQuadraticModel, **parameters) -> dimod.SampleSet:
        """The answer that is kept from an earlier attempt at this very call, or a new one."""
        asked = (bqm, parameters)
        left = self._kept[self._answered :]
        if not left or left[0][0] != asked:
            del self._kept[self._answered :]
            answer = self._child.sample(bqm, **parameters)
            answer.resolve()
            self._kept.append(((bqm.copy(), parameters), answer))
        self._answered += 1
        return self._kept[self._answered - 1][1]

    def close(self) -> None:
        """End the connection."""
        close(self.connection)


class QPUSampler(DeviceSampler):
    """A real QPU: the simulated one's interface, with cost, placement and a watched temperature.

    Args:
        grbm: the model.
        device: see :class:`QPU`.
        num_reads: samples at each call.
        out_of_range: ``error`` refuses biases outside the device's ranges, ``clip`` cuts them off
            and says how many.
        options: of :class:`~qdvae_helpers.samplers.DeviceSampler`; the temperature is followed
            (``track_every=1``) unless they say otherwise.
    """

    kind = "qpu"

    def __init__(
        self,
        grbm: GraphRestrictedBoltzmannMachine,
        device: QPU,
        num_reads: int = 256,
        *,
        out_of_range: str = "error",
        **options,
    ) -> None:
        if out_of_range not in ("error", "clip"):
            raise SamplerError(f"out_of_range={out_of_range!r}: choose 'error' or 'clip'.")
        self._out_of_range = out_of_range
        self._clipped = 0
        self._calibrates_with_fields = "fast_anneal" not in device.options
        setup = 0.0
        if options.get("prefactor") is None:  # two rounds as a rule
            setup = 2 * device.estimate_s(self.calibration_reads)
        plan = Plan(device.solver.name, 1, num_reads, device.estimate_s(num_reads), setup)
        qpu_tally().require(plan.total_s, "Measuring the temperature and one call")
        print(f"{plan}.", flush=True)
        options = {"track_every": 1} | options
        super().__init__(grbm, device, num_reads, **options)

    def plan(self, calls: int) -> Plan:
        """What ``calls`` further calls of :meth:`sample` cost, by the solver's timing data."""
        device = self.device
        call_s = device.estimate_s(self.num_reads)
        return Plan(device.solver.name, calls, self.num_reads, call_s)

    @property
    def exhausted(self) -> bool:
        """Whether the budget no longer allows another call."""
        return not qpu_tally().allows(self.device.estimate_s(self.num_reads))

    def sample(self, x: torch.Tensor | None = None) -> torch.Tensor:
        """See :meth:`DeviceSampler.sample`; each row of ``x`` is a submission of its own.

        Raises:
            SamplerError: see :class:`QPU`; where it says that reads are kept, the same call made
                again sends only the missing ones.
        """
        if self._out_of_range == "clip":
            self._announce_clip()
        asked = self.num_reads if x is None else len(x)
        try:
            with self.device.one_call():
                return super().sample(x)
        except SamplerError as error:
            if arrived := self.device.arrived:
                kept = (
                    f"{arrived:,} of the {asked:,} reads of this call have arrived and are kept "
                    "(sampler.device.partial): the same call of this sampler sends only the rest."
                )
                error.args = (f"{error} {kept}",)
            raise

    def _ranges(self) -> dict:
        """Ranges that biases are clipped to, as arguments of the plugin's sampler."""
        if self._out_of_range == "error":
            return {}
        properties = self.device.properties
        return {
            "linear_range": tuple(properties["h_range"]),
            "quadratic_range": tuple(properties["extended_j_range"]),
        }

    def _announce_clip(self) -> None:
        properties, clipped = self.device.properties, 0
        for values, name in (
            (self._grbm.linear, "h_range"),
            (self._grbm.quadratic, "extended_j_range"),
        ):
            low, high = properties[name]
            scaled = self.prefactor * values.detach()
            clipped += int(((scaled < low) | (scaled > high)).sum())
        if clipped != self._clipped:
            total = self._grbm.n_nodes + self._grbm.n_edges
            print(
                f"{clipped} of {total:,} biases lie outside the device's ranges and are clipped; "
                "the samples follow the clipped model.",
                flush=True,
            )
            self._clipped = clipped

    def _describe(self) -> str:
        moved = sum(node != qubit for node, qubit in self.device.embedding.items())
        placed = f", placed on {moved} other qubits" if moved else ""
        return f"QPU {self.device.solver.name}, {self.num_reads:,} reads{placed}"

    def _describe_parameters(self) -> dict:
        device = self.device
        return super()._describe_parameters() | {
            "solver": device.solver.name,
            "solver_graph_id": graph_id(device.connection),
            "gauges": device.gauges,
            **device.options,
            "timing_us": dict(device.careful.timing),
        }


def make_qpu_sampler(
    grbm: GraphRestrictedBoltzmannMachine,
    num_samples: int,
    seed: int,
    graph: QPUGraph | None,
    *,
    solver: str | Mapping | None = None,
    region: str | None = None,
    search_s: int = 10,
    **options,
) -> QPUSampler:
    """Connect, place the model on healthy qubits, measure the temperature.

    Args:
        grbm: the model.
        num_samples: reads a call.
        seed: of the calibration problem and the gauges.
        graph: the model's graph.
        solver, region: see :func:`connect`.
        search_s: seconds to look for other qubits where the model's own are missing.
        options: of :class:`QPU` and :class:`QPUSampler`.

    Raises:
        QPUError: no connection, no budget, or the model does not fit on the present graph.
    """
    qpu = connect(None if graph is None else graph.topology, solver=solver, region=region)
    try:
        live = capture(qpu)
        saved = graph or QPUGraph(tuple(grbm.nodes), tuple(grbm.edges), live.topology, live.shape)
        if drift := compare(saved, live):
            print(f"{drift}. Looking for other qubits ...", flush=True)
        embedding = place(saved, live, search_s)
        if embedding is None:
            raise QPUError(
                f"{drift}, and no other place for the model was found: train a model on the "
                f"QPU's present graph, which lesson 05 does where a token is set, {OFFLINE}."
            )
        names = ("gauges", "annealing_time", "fast_anneal", "timeout_s", "retries", "backoff_s")
        names += ("ask_again_s",)
        device_options = {name: options.pop(name) for name in names if name in options}
        device = QPU(qpu, embedding, seed=seed, **device_options)
        return QPUSampler(grbm, device, num_samples, seed=seed, graph=graph, **options)
    except BaseException:
        close(qpu)
        raise
