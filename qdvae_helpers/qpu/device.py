"""A real QPU as a dimod sampler: batches and gauges over a problem that was placed on it."""

import contextlib
from collections.abc import Iterator, Mapping

import dimod
from dwave.preprocessing.composites import SpinReversalTransformComposite
from dwave.system import DWaveSampler, FixedEmbeddingComposite
from dwave.system.warnings import WarningAction

from qdvae_helpers.arguments import require_count, require_number
from qdvae_helpers.errors import SamplerError
from qdvae_helpers.qpu.leap import close
from qdvae_helpers.qpu.ranges import j_range
from qdvae_helpers.qpu.solvers import asked_of, most_reads
from qdvae_helpers.qpu.submission import Submitter


class QPU(dimod.Sampler):
    """What the live sampler draws from: batches and gauges over a placed problem.

    A call is often several submissions (batches, gauges, rows of clamped spins), and each is paid
    for.  Where one fails, the call fails, but the answers before it are kept, and the same call
    made again sends only what is missing: fewer reads would break the shapes that samplers promise.

    Args:
        qpu: the connection.
        embedding: qubit of the device for each node of the model.
        gauges: how many random spin reversals the reads of a call are spread over, since a device
            treats +1 and -1 not quite alike; 0 for none.
        annealing_time: microseconds; the device's default if left out.
        seed: of the gauges.
        patience: see :class:`~qdvae_helpers.qpu.submission.Submitter`.
    """

    properties = parameters = None  # declared abstract by dimod

    def __init__(
        self,
        qpu: DWaveSampler,
        embedding: Mapping[int, int],
        *,
        gauges: int = 0,
        annealing_time: float | None = None,
        seed: int = 0,
        **patience,
    ) -> None:
        self.connection, self.solver = qpu, qpu.solver
        self.embedding = dict(embedding)
        self.gauges = require_count("gauges", gauges, 0, 10_000, SamplerError)
        self.submitter = Submitter(qpu, **patience)
        chains = {node: (qubit,) for node, qubit in embedding.items()}
        self._child = FixedEmbeddingComposite(self.submitter, chains)
        # Importing dwave.inspector makes the composite look for broken chains, and that look fails
        # where spins are clamped.  Here every chain is a single qubit, so none can break.
        self._child.warnings_default = WarningAction.IGNORE
        if gauges:
            self._child = SpinReversalTransformComposite(self._child, seed=seed)
        self.options: dict = {}  # of every submission
        if annealing_time is not None:
            low, high = asked_of(qpu.solver, "annealing_time_range")
            annealing_time = require_number("annealing_time", annealing_time, error=SamplerError)
            if not low <= annealing_time <= high:
                raise SamplerError(
                    f"annealing_time={annealing_time:g} us is outside the device's range "
                    f"[{low:g}, {high:g}]: choose a value inside."
                )
            self.options["annealing_time"] = annealing_time
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

    def _ranges(self) -> dict:
        """The ranges of h and J; with gauges a value must be allowed with either sign."""
        properties = self.connection.properties
        ranges = {}
        asked = {"h_range": properties["h_range"], "extended_j_range": j_range(properties)}
        for name, (low, high) in asked.items():
            either = min(-low, high)
            ranges[name] = [-either, either] if self.gauges else [low, high]
        return ranges

    def batches(self, num_reads: int) -> list[int]:
        """Reads of the single submissions that make up one call."""
        num_reads = require_count("num_reads", num_reads, error=SamplerError)
        most = most_reads(self.solver, **self.options)
        if most < 1:
            raise SamplerError("No read of this annealing_time fits the device: choose a shorter.")
        parts = max(min(self.gauges, num_reads), -(-num_reads // most), 1)
        return [num_reads // parts + (part < num_reads % parts) for part in range(parts)]

    def estimate_s(self, num_reads: int) -> float:
        """Seconds of QPU access time of one call with all its submissions."""
        estimate, qubits = self.submitter.estimate_s, len(self.embedding)
        return sum(estimate(qubits, reads, **self.options) for reads in self.batches(num_reads))

    def sample(self, bqm: dimod.BinaryQuadraticModel, **parameters) -> dimod.SampleSet:
        """All reads of all batches; after an error what was answered is in :attr:`partial`."""
        batches = self.batches(parameters.pop("num_reads"))
        parameters |= self.options
        with self.one_call():
            answers = [self._submit(bqm, num_reads=reads, **parameters) for reads in batches]
        return dimod.concatenate(answers)

    def _submit(self, bqm: dimod.BinaryQuadraticModel, **parameters) -> dimod.SampleSet:
        """The answer that is kept from an earlier attempt at this very call, or a new one."""
        left = self._kept[self._answered :]
        if not left or left[0][0] != (bqm, parameters):
            del self._kept[self._answered :]
            answer = self._child.sample(bqm, **parameters)
            answer.resolve()
            self._kept.append(((bqm.copy(), parameters), answer))
        self._answered += 1
        return self._kept[self._answered - 1][1]

    def close(self) -> None:
        """End the connection."""
        close(self.connection)
