"""Samples that were saved, replayed; and how they are recorded (docs/qpu.md)."""

from pathlib import Path

import torch
from dwave.plugins.torch.models import GraphRestrictedBoltzmannMachine

from qdvae_helpers.arguments import require_count, require_kind
from qdvae_helpers.errors import QPUError, RecordingError
from qdvae_helpers.graphs import QPUGraph
from qdvae_helpers.priors import ClassBoltzmannMachine, in_groups, n_classes
from qdvae_helpers.qpu.recordings import Recording, find_recordings, load_recording, model_hash
from qdvae_helpers.samplers.base import SpinSampler

_OTHER_MODEL = (
    "No recording belongs to this model: recorded spins serve only the very biases they were drawn "
    "for, so a prior in training cannot use them. Use the sampler 'gibbs', or record this model "
    "with 'qdvae record'."
)


def record(sampler: SpinSampler, num_samples: int) -> Recording:
    """Draw fresh spins and keep them with their provenance; costs what the sampler costs.

    Args:
        sampler: any but a recorded one.
        num_samples: how many strings at least; whole calls are kept.  Where a QPU fails half-way,
            what has arrived makes the recording, and a printed line says how much and why.

    Raises:
        RecordingError: the sampler itself replays a recording.
        QPUError: the QPU failed before any string arrived.
    """
    require_kind("sampler", sampler, SpinSampler, RecordingError)
    if isinstance(sampler, RecordedSampler):
        raise RecordingError("These samples are a recording already: copy its file instead.")
    num_samples = require_count("num_samples", num_samples, error=RecordingError)
    grbm, draws = sampler.grbm, []
    drawn_of = []  # the classes of each draw
    with sampler.steady():
        while sum(map(len, draws)) < num_samples:
            try:
                draws.append(sampler.fresh())
                drawn_of.append(sampler._classes)
            except QPUError as error:
                for spins, classes in sampler.salvage():
                    draws.append(spins)
                    drawn_of.append(classes)
                if not draws:
                    raise
                arrived = sum(map(len, draws))
                print(f"{error}\nRecording the {arrived:,} of {num_samples:,} that arrived.")
                break
    h, couplings = (values.detach().cpu().clone() for values in (grbm.linear, grbm.quadratic))
    spins = torch.cat(draws).detach().cpu().to(torch.int8)
    of_classes = {}
    if isinstance(grbm, ClassBoltzmannMachine):
        of_classes = {
            "class_biases": grbm.class_biases.detach().cpu().clone(),
            "shares": grbm.shares.detach().cpu().clone(),
            "classes": torch.cat(drawn_of).cpu(),
        }
    made = (sampler.graph, sampler.provenance, sampler.simulated)
    return Recording(spins, h, couplings, *made, **of_classes)


class RecordedSampler(SpinSampler):
    """Replays a recording: every string once, in an order that depends on the seed.

    Args:
        grbm: the model; must be the recorded one, bias by bias, at every call.
        recording: see :func:`load_recording`.
        seed: of the order.
        num_samples, graph: see :class:`~qdvae_helpers.samplers.SpinSampler`.

    Raises:
        RecordingError: it is a recording of another model, or a number is impossible.
    """

    kind = "recorded"

    def __init__(
        self,
        grbm: GraphRestrictedBoltzmannMachine,
        recording: Recording,
        num_samples: int = 256,
        *,
        seed: int = 0,
        graph: QPUGraph | None = None,
    ) -> None:
        if type(num_samples) is not int or num_samples < 1 or type(seed) is not int:
            raise RecordingError(
                f"num_samples={num_samples!r} and seed={seed!r} must be whole numbers, the first "
                "of them 1 or more."
            )
        super().__init__(grbm, num_samples, graph or recording.graph, seed)
        self.recording = recording
        self.simulated = recording.simulated
        self.prefactor = float(recording.provenance.parameters.get("prefactor", 1.0))
        generator = torch.Generator().manual_seed(seed)
        self._order = torch.randperm(len(recording.spins), generator=generator)
        self._require_recorded_model()
        of_order = recording.classes
        of_order = torch.zeros(len(self._order)) if of_order is None else of_order[self._order]
        #: Rows of the recording by class, and how many of them are used up.
        self._rows = {y: self._order[rows] for y, rows in in_groups(of_order.long())}
        self._used = dict.fromkeys(range(n_classes(grbm)), 0)

    def sample(self, x: torch.Tensor | None = None) -> torch.Tensor:
        """The next strings ``(num_samples, n)``, or a RecordingError that says why not."""
        if x is not None:
            raise RecordingError("A recording cannot clamp spins: use the sampler 'gibbs'.")
        self._require_recorded_model()
        asked = dict(in_groups(self._classes.cpu()))
        for y, rows in asked.items():
            there, used = len(self._rows.get(y, ())), self._used[y]
            if used + len(rows) > there:
                of = "" if self.classes is None else f" of class {y}"
                raise RecordingError(
                    f"The recording holds {there:,} strings{of}, and {used:,} of them are "
                    f"used up, so {len(rows):,} more cannot be had: ask for fewer, or record more "
                    "with 'qdvae record'."
                )
        self._calls += 1
        chosen = torch.empty(self.num_samples, dtype=torch.int64)
        for y, rows in asked.items():
            chosen[rows] = self._rows[y][self._used[y] :][: len(rows)]
            self._used[y] += len(rows)
        return self.recording.spins[chosen].to(self.grbm.linear)  # its kind of numbers, too

    def state_dict(self) -> dict[str, torch.Tensor]:
        """How many strings of each class are used up."""
        return super().state_dict() | {"used": torch.tensor(list(self._used.values()))}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Continue where :meth:`state_dict` was taken."""
        super().load_state_dict(state)
        self._used = dict(enumerate(state["used"].tolist()))

    def problem_on_chip(self) -> tuple[QPUGraph, torch.Tensor]:
        """See :meth:`SpinSampler.problem_on_chip`, as when the samples were recorded."""
        return self.graph, self.prefactor * self.grbm.quadratic.detach()

    def _require_recorded_model(self) -> None:
        if model_hash(self.grbm, self.graph) != self.recording.model_hash:
            raise RecordingError(_OTHER_MODEL)

    def _describe(self) -> str:
        made = self.recording.provenance
        return f"recorded on {made.time[:10]}: {made.description}"

    def _describe_parameters(self) -> dict:
        return super()._describe_parameters() | {
            "simulated": self.recording.simulated,
            "recorded": self.recording.provenance.to_dict(),
        }


def make_recorded_sampler(
    grbm: GraphRestrictedBoltzmannMachine,
    num_samples: int,
    *,
    seed: int,
    graph: QPUGraph | None,
    path: str | Path | None = None,
) -> RecordedSampler:
    """Replay the recording of this model, or the file ``path``; RecordingError if none fits."""
    if path is None:
        if graph is None:
            raise RecordingError("The sampler 'recorded' needs graph=..., the model's QPU graph.")
        found = find_recordings(model_hash(grbm, graph))
        if not found:
            raise RecordingError(_OTHER_MODEL)
        path = found[0]
    return RecordedSampler(grbm, load_recording(path), num_samples, seed=seed, graph=graph)
