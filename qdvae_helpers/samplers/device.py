"""A QPU, simulated or real, as a sampler, and the temperature that it samples at (lesson 04)."""

import contextlib
import math
from collections.abc import Iterator
from typing import NamedTuple

import dimod
import numpy as np
import torch
from dwave.plugins.torch.models import GraphRestrictedBoltzmannMachine
from dwave.plugins.torch.samplers import DimodSampler
from dwave.system.temperatures import effective_field, maximum_pseudolikelihood_temperature

from qdvae_helpers.arguments import require_count, require_grbm, require_number, require_rows
from qdvae_helpers.errors import SamplerError
from qdvae_helpers.graphs import QPUGraph
from qdvae_helpers.priors import in_groups, n_classes, of_class, require_classes
from qdvae_helpers.qpu.ranges import check_ranges
from qdvae_helpers.samplers.base import SpinSampler

_TOLERANCE, _MOST_ROUNDS = 0.05, 8  # of a calibration
_FEW_SPINS = 12
_GAIN, _USABLE_ERROR = 0.3, 0.05  # of a tracked temperature; the error is a relative one


class BetaEstimate(NamedTuple):
    """An inverse temperature with its standard error."""

    beta: float
    error: float


def estimate_beta(
    grbm: GraphRestrictedBoltzmannMachine, spins: torch.Tensor, classes: torch.Tensor | None = None
) -> BetaEstimate:
    """The inverse temperature at which spins ``(reads, n)`` follow a model, with its error.

    Where the prior knows several classes, each string has one (``classes``, a row each; a
    SamplerError if they are missing).

    The fit is maximum pseudo-likelihood (dwave-system): every spin, given its neighbours, is a coin
    whose odds depend on beta.  The error comes from the curvature of that likelihood; it counts the
    coins as independent, so take it as a lower bound.
    """
    require_rows("spins", spins, grbm.n_nodes)
    if classes is None and n_classes(grbm) == 1:
        classes = torch.zeros(len(spins), dtype=torch.int64)
    classes = require_classes("classes", classes, grbm, len(spins), SamplerError)
    gains = np.concatenate(
        [_gains(of_class(grbm, y), spins[rows]) for y, rows in in_groups(classes)]
    )
    temperature, _ = maximum_pseudolikelihood_temperature(en1=gains)
    if not temperature > 0:
        return BetaEstimate(math.inf, math.inf)
    beta = 1 / float(temperature)
    flipped = 1 / (1 + np.exp(-beta * gains))
    information = float((gains**2 * flipped * (1 - flipped)).sum())
    return BetaEstimate(beta, math.inf if information == 0 else information**-0.5)


def _gains(grbm: GraphRestrictedBoltzmannMachine, spins: torch.Tensor) -> np.ndarray:
    """What the energy would gain by each flip of a spin, ``(reads, n)``."""
    bqm = dimod.BinaryQuadraticModel.from_ising(*grbm.to_ising(1.0))
    samples = (spins.detach().cpu().numpy(), list(grbm.nodes))
    return effective_field(bqm, samples, current_state_energy=True)[0]


class DeviceSampler(SpinSampler):
    """A QPU, simulated or real, behind the same call.

    A device samples at its own inverse temperature ``beta``, so the biases are multiplied by a
    prefactor first; with ``prefactor = 1 / beta`` the samples follow the GRBM itself.

    Args:
        grbm: the model; its nodes are qubits of the device.
        device: a dimod sampler with ``properties`` (``h_range``, ``extended_j_range``).
        prefactor: scale of the biases; measured by :meth:`calibrate` if left out.
        seed: of the calibration problem.
        track_every: :meth:`track` the temperature on every so many calls; 0 for never.
        num_samples, graph: see :class:`SpinSampler`.

    Attributes:
        temperatures: one :class:`BetaEstimate` of the device for each time it was tracked.
    """

    kind = "annealer"
    calibration_reads = 1000

    def __init__(
        self,
        grbm: GraphRestrictedBoltzmannMachine,
        device: dimod.Sampler,
        num_samples: int = 256,
        *,
        prefactor: float | None = None,
        seed: int = 0,
        graph: QPUGraph | None = None,
        track_every: int = 0,
    ) -> None:
        super().__init__(grbm, num_samples, graph, seed)
        self.device = device
        self.track_every = require_count("track_every", track_every, 0, error=SamplerError)
        self.temperatures: list[BetaEstimate] = []
        self.prefactor = 1 / 6
        if prefactor is not None:
            self.prefactor = require_number("prefactor", prefactor, above=0, error=SamplerError)
        if prefactor is None:
            self.calibrate()

    def sample(
        self, x: torch.Tensor | None = None, *, classes: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Spins ``(num_samples, n)``, one problem per class.

        With clamped spins ``x`` there is one problem and one read a row; ``classes`` are theirs, as
        frequent as the shares say if left out.
        """
        self.require_finite_model()
        if x is not None:
            x = self._check_clamps(x).to(self.grbm.linear.device)
            classes = self._clamped_classes(len(x), classes)
        elif classes is not None:
            raise SamplerError("Classes of free spins are set beforehand: set sampler.classes.")
        else:
            classes = self._classes
        problems = list(self._problems(classes))
        for model, _, _ in problems:  # all of them before the first is paid for
            check_ranges(*model.to_ising(self.prefactor), self.device.properties)
        spins = self.grbm.linear.new_empty(len(classes), self.grbm.n_nodes)
        for model, _, rows in problems:
            if x is None:
                spins[rows] = self._on_device(model, len(rows)).sample().to(spins)
            else:
                spins[rows] = self._on_device(model, 1).sample(x[rows])[:, 0].to(spins)
        if x is None:
            self._calls += 1
            if self.track_every and self._calls % self.track_every == 0:
                self.track(spins)
        return spins

    def track(self, spins: torch.Tensor) -> None:
        """Follow the device's temperature on samples of the model itself, at no further cost.

        It drifts from day to day, and while couplings grow in training.  Where spins ``(reads, n)``
        drawn with the present prefactor say enough (those of weak couplings say nothing), the
        prefactor moves a part of the way to make the estimate 1, so that noise averages out.
        """
        beta, error = estimate_beta(self.grbm, spins, self._classes)
        if not (math.isfinite(error) and error <= _USABLE_ERROR * beta):
            return
        used = self.prefactor
        self.temperatures.append(BetaEstimate(beta / used, error / used))
        self.prefactor *= beta**-_GAIN

    def calibrate(self, *, num_reads: int | None = None) -> float:
        """Measure the device's inverse temperature on a known problem and set the prefactor.

        Random couplings on the same graph are sampled and the prefactor is divided by the estimate
        (see :func:`estimate_beta`) until that is 1 within 5 %.  With 1,000 reads one estimate is
        uncertain by about 2 % on 12 qubits and by half a percent on 256.

        Returns:
            ``1 / prefactor``; a SamplerError where no stable value was found.
        """
        if num_reads is None:
            num_reads = self.calibration_reads
        num_reads = require_count("num_reads", num_reads, error=SamplerError)
        generator = torch.Generator().manual_seed(self._seed)
        known = GraphRestrictedBoltzmannMachine(self.grbm.nodes, self.grbm.edges)
        require_grbm(known)
        known.quadratic.data = 0.2 * torch.randn(known.n_edges, generator=generator)
        fields = torch.randn(known.n_nodes, generator=generator)
        # A few spins say enough only where fields are strong.
        known.linear.data = 1.2 * fields.sign() if known.n_nodes < _FEW_SPINS else 0.2 * fields
        for _ in range(_MOST_ROUNDS):
            estimate, _ = estimate_beta(known, self._on_device(known, num_reads).sample())
            if not math.isfinite(estimate):  # no spin ever leaves its minimum; neither would more
                break
            self.prefactor /= estimate
            if abs(estimate - 1) < _TOLERANCE:
                return 1 / self.prefactor
        raise SamplerError(
            f"The device's temperature did not settle (last estimate {estimate:.2f}): use more "
            "reads, or give the prefactor yourself."
        )

    def diagnostics(self) -> dict[str, float]:
        """The device's inverse temperature as last tracked."""
        return {"device_beta": self.temperatures[-1].beta} if self.temperatures else {}

    @contextlib.contextmanager
    def steady(self) -> Iterator[None]:
        """Inside, everything is drawn with one prefactor, the one that is written down."""
        tracked, self.track_every = self.track_every, 0
        try:
            yield
        finally:
            self.track_every = tracked

    def problem_on_chip(self) -> tuple[QPUGraph, torch.Tensor]:
        """See :meth:`SpinSampler.problem_on_chip`; the prefactor is counted in."""
        return self.graph, self.prefactor * self.grbm.quadratic.detach()

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The prefactor, and the number of calls that a simulated device has answered."""
        calls = getattr(self.device, "calls", 0)  # a real device cannot repeat its samples
        return super().state_dict() | {
            "prefactor": torch.tensor(self.prefactor, dtype=torch.float64),
            "device_calls": torch.tensor(calls),
        }

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Continue where :meth:`state_dict` was taken, without measuring a temperature again."""
        super().load_state_dict(state)
        self.prefactor = float(state["prefactor"])
        if hasattr(self.device, "calls"):
            self.device.calls = int(state["device_calls"])

    def _on_device(self, grbm: GraphRestrictedBoltzmannMachine, num_reads: int) -> DimodSampler:
        # By default a QPU rescales biases to fill its ranges, which would change the temperature.
        options = {"num_reads": num_reads, "answer_mode": "raw", "auto_scale": False}
        return DimodSampler(grbm, self.device, self.prefactor, sample_kwargs=options)

    def _describe(self) -> str:
        return f"simulated QPU (classical annealing), {self.num_samples:,} reads"

    def _describe_parameters(self) -> dict:
        return super()._describe_parameters() | {"prefactor": self.prefactor}
