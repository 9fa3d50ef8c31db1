"""A real QPU behind the same call (lessons 04 to 06 and 11; docs/qpu.md has set-up and costs)."""

from collections.abc import Mapping

import torch
from dwave.plugins.torch.models import GraphRestrictedBoltzmannMachine
from dwave.plugins.torch.utils import sampleset_to_tensor

from qdvae_helpers.arguments import require_count
from qdvae_helpers.errors import GraphError, QPUError, SamplerError
from qdvae_helpers.graphs import QPUGraph, solver_graph
from qdvae_helpers.priors import in_groups, usual_classes
from qdvae_helpers.qpu.budget import Plan, qpu_tally
from qdvae_helpers.qpu.causes import OFFLINE
from qdvae_helpers.qpu.device import QPU
from qdvae_helpers.qpu.leap import close, connect, graph_id
from qdvae_helpers.qpu.placement import compare, place
from qdvae_helpers.samplers.device import DeviceSampler


class LiveSampler(DeviceSampler):
    """A real QPU: the simulated one's interface, with cost, placement and a watched temperature.

    Args:
        device: see :class:`QPU`.
        grbm, num_samples, options: see :class:`~qdvae_helpers.samplers.DeviceSampler`; the
            temperature is followed (``track_every=1``) unless they say otherwise.
    """

    kind = "qpu"
    simulated = False

    def __init__(
        self, grbm: GraphRestrictedBoltzmannMachine, device: QPU, num_samples: int = 256, **options
    ) -> None:
        setup = _setup_s(device) if options.get("prefactor") is None else 0.0
        call_s = sum(map(device.estimate_s, _reads(usual_classes(num_samples, grbm))))
        plan = Plan(device.solver.name, 1, num_samples, call_s, setup)
        what = "Measuring the temperature and one call" if setup else "One call"
        qpu_tally().require(plan.total_s, what)
        print(f"{plan}.", flush=True)
        super().__init__(grbm, device, num_samples, **{"track_every": 1} | options)

    def plan(self, calls: int) -> Plan:
        """What ``calls`` further calls of :meth:`sample` cost, by the solver's timing data."""
        return Plan(self.device.solver.name, calls, self.num_samples, self._call_s())

    def _call_s(self) -> float:
        """Seconds of QPU access time of a call: each class that is asked for is one problem."""
        return sum(map(self.device.estimate_s, _reads(self._classes)))

    @property
    def exhausted(self) -> bool:
        """Whether the budget no longer allows another call."""
        return not qpu_tally().allows(self._call_s())

    def sample(
        self, x: torch.Tensor | None = None, *, classes: torch.Tensor | None = None
    ) -> torch.Tensor:
        """See :meth:`DeviceSampler.sample`; each row of ``x`` is a submission of its own.

        After a SamplerError that says so, the same call made again sends only what is missing.
        """
        asked = self.num_samples if x is None else len(x)
        try:
            with self.device.one_call():
                return super().sample(x, classes=classes)
        except SamplerError as error:
            if arrived := self.device.arrived:
                error.args = (
                    f"{error} {arrived:,} of the {asked:,} reads of this call have arrived and are "
                    "kept (sampler.device.partial): the same call again sends only the rest.",
                )
            raise

    def salvage(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """See :meth:`SpinSampler.salvage`: answers that were paid for before a call broke off."""
        nodes, device = list(self.grbm.nodes), self.grbm.linear.device
        asked = [
            y
            for y, rows in in_groups(self._classes)
            for _ in self.device.batches(len(rows))  # a class may need several submissions
        ]
        answers = [sampleset_to_tensor(nodes, one, device) for one in self.device.take_partial()]
        return [
            (spins, torch.full((len(spins),), y, device=device))
            for spins, y in zip(answers, asked, strict=False)
        ]

    def problem_on_chip(self) -> tuple[QPUGraph, torch.Tensor]:
        """See :meth:`SpinSampler.problem_on_chip`: on the qubits where the model was placed."""
        graph, couplings = super().problem_on_chip()
        qubit = self.device.embedding
        ends = (tuple(sorted((qubit[u], qubit[v]))) for u, v in graph.edges)
        values = dict(zip(ends, couplings.tolist(), strict=True))
        qubits = tuple(qubit[node] for node in graph.nodes)
        placed = QPUGraph(qubits, tuple(values), graph.topology, graph.shape)
        return placed, couplings.new_tensor([values[edge] for edge in placed.edges])

    def close(self) -> None:
        """End the connection to Leap."""
        self.device.close()

    def _describe(self) -> str:
        moved = sum(node != qubit for node, qubit in self.device.embedding.items())
        placed = f", placed on {moved} other qubits" if moved else ""
        return f"QPU {self.device.solver.name}, {self.num_samples:,} reads{placed}"

    def _describe_parameters(self) -> dict:
        device = self.device
        return super()._describe_parameters() | {
            "solver": device.solver.name,
            "solver_graph_id": graph_id(device.connection),
            "gauges": device.gauges,
            **device.options,
            "timing_us": dict(device.submitter.timing),
        }


def _reads(classes: torch.Tensor) -> list[int]:
    """How many strings of each class are asked for."""
    return [len(rows) for _, rows in in_groups(classes)]


def _setup_s(device: QPU) -> float:
    """Seconds of QPU access time to measure the temperature: two rounds as a rule."""
    return 2 * device.estimate_s(DeviceSampler.calibration_reads)


def live_plan(
    graph: QPUGraph,
    num_samples: int = 256,
    *,
    problems: int = 1,
    solver: str | Mapping | None = None,
    region: str | None = None,
    deadline_s: float = 60.0,
) -> Plan:
    """What so many models on a graph cost, each with a sampler and a call of its own.

    Each sampler measures the temperature first.  Leap is only asked for its solvers, so this costs
    nothing, and the whole can be refused before its first part is paid for.

    Args:
        graph: of the models, which know no classes.
        num_samples: strings of each.
        problems: how many models.
        solver, region, deadline_s: see :func:`connect`.

    Raises:
        QPUError: no connection.
        SamplerError: a number out of range.
    """
    problems = require_count("problems", problems, error=SamplerError)
    qpu = connect(graph.topology, solver=solver, region=region, deadline_s=deadline_s)
    try:
        device = QPU(qpu, {node: node for node in graph.nodes})
        call_s, setup_s = device.estimate_s(num_samples), problems * _setup_s(device)
        return Plan(device.solver.name, problems, num_samples, call_s, setup_s)
    finally:
        close(qpu)


def live_graph(deadline_s: float = 60.0) -> QPUGraph:
    """The present graph of your Leap account's default QPU, or a GraphError that says why not."""
    try:
        # Zephyr as all models here, unless D-Wave's own settings name a solver.
        qpu = connect("zephyr", deadline_s=deadline_s)
    except QPUError as error:
        raise GraphError(str(error)) from None
    try:
        return solver_graph(qpu, name=qpu.solver.name, graph_id=graph_id(qpu))
    finally:
        close(qpu)


def make_live_sampler(
    grbm: GraphRestrictedBoltzmannMachine,
    num_samples: int,
    *,
    seed: int,
    graph: QPUGraph | None,
    solver: str | Mapping | None = None,
    region: str | None = None,
    search_s: int = 10,
    deadline_s: float = 60.0,
    **options,
) -> LiveSampler:
    """Connect, place the model on healthy qubits, measure the temperature.

    Args:
        seed: of the calibration problem and the gauges.
        solver, region, deadline_s: see :func:`connect`.
        search_s: seconds to look for other qubits where the model's own are missing.
        grbm, num_samples, graph, options: of :class:`LiveSampler` and :class:`QPU`.

    Raises:
        QPUError: no connection, no budget, or the model does not fit on the present graph.
    """
    search_s = require_count("search_s", search_s, 1, 86_400, SamplerError)
    topology = None if graph is None else graph.topology
    qpu = connect(topology, solver=solver, region=region, deadline_s=deadline_s)
    try:
        live = solver_graph(qpu, name=qpu.solver.name, graph_id=graph_id(qpu))
        saved = graph or QPUGraph(tuple(grbm.nodes), tuple(grbm.edges), live.topology, live.shape)
        if drift := compare(saved, live):
            print(f"{drift}. Looking for other qubits ...", flush=True)
        embedding = place(saved, live, search_s)
        if embedding is None:
            raise QPUError(
                f"{drift}, and no other place for the model was found: train a model on the "
                f"QPU's present graph, which lesson 05 does with QDVAE_SAMPLER=qpu, {OFFLINE}."
            )
        names = ("gauges", "annealing_time", "timeout_s", "retries", "backoff_s", "ask_again_s")
        device_options = {name: options.pop(name) for name in names if name in options}
        device = QPU(qpu, embedding, seed=seed, **device_options)
        return LiveSampler(grbm, device, num_samples, seed=seed, graph=graph, **options)
    except BaseException:
        close(qpu)
        raise
