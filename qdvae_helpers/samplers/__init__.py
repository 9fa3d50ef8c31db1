"""One way to draw spins from a Boltzmann machine (taught in ``04_grbm_on_a_qpu_subgraph``).

Every sampler here is a ``TorchSampler`` of the D-Wave plugin: ``sampler.sample()`` returns spins of
shape ``(num_samples, n)`` with entries -1 and +1, in the order of ``grbm.nodes``, drawn from
``p(s) ~ exp(-beta E(s))`` with the energy ``E(s) = sum_i h_i s_i + sum_ij J_ij s_i s_j`` that
``grbm(s)`` computes.  The parameters of the GRBM are read anew at every call.

=========  ==========================================================================  ==========
kind       how                                                                         runs on
=========  ==========================================================================  ==========
gibbs      block Gibbs, colour by colour, as matrix products                           CPU or GPU
annealer   D-Wave's client on a simulated device with an unknown temperature           CPU
exact      tree decomposition: independent, exact samples of small or sparse graphs    CPU
recorded   samples of this very model that were saved earlier                          nothing
qpu        a QPU of your Leap account; needs a token and a budget                      D-Wave
=========  ==========================================================================  ==========

All but the last are classical.  The lessons choose with ``QDVAE_SAMPLER``.
"""

import inspect
import os
from collections.abc import Callable

from dwave.plugins.torch.models import GraphRestrictedBoltzmannMachine

from qdvae_helpers.arguments import require_count, require_grbm, require_known, require_seed
from qdvae_helpers.errors import GraphError, SamplerError, SettingError
from qdvae_helpers.graphs import QPUGraph, ideal_graph
from qdvae_helpers.provenance import Provenance
from qdvae_helpers.qpu.device import QPU
from qdvae_helpers.qpu.submission import Submitter
from qdvae_helpers.samplers.annealer import SimulatedQPU
from qdvae_helpers.samplers.base import SpinSampler
from qdvae_helpers.samplers.device import BetaEstimate, DeviceSampler, estimate_beta
from qdvae_helpers.samplers.exact import ExactSampler
from qdvae_helpers.samplers.gibbs import GibbsSampler
from qdvae_helpers.samplers.live import LiveSampler, live_graph, live_plan, make_live_sampler
from qdvae_helpers.samplers.mixing import AutocorrelationTime, autocorrelation_time
from qdvae_helpers.samplers.recorded import RecordedSampler, make_recorded_sampler, record

__all__ = [
    "AutocorrelationTime",
    "BetaEstimate",
    "DeviceSampler",
    "ExactSampler",
    "GibbsSampler",
    "LiveSampler",
    "Provenance",
    "RecordedSampler",
    "SimulatedQPU",
    "SpinSampler",
    "autocorrelation_time",
    "estimate_beta",
    "live_plan",
    "make_sampler",
    "record",
    "sampler_kind",
    "working_graph",
]


def working_graph(source: str = "auto", *, seed: int = 0) -> QPUGraph:
    """The graph of a whole QPU.

    Args:
        source: ``ideal``, see :func:`~qdvae_helpers.graphs.ideal_graph`; ``live``, or a GraphError;
            ``auto``, live if ``DWAVE_API_TOKEN`` is set or ``QDVAE_SAMPLER`` is ``qpu``, and a QPU
            answers.
        seed: which defects the ideal graph gets.
    """
    if source not in ("auto", "ideal", "live"):
        raise SettingError(f"Unknown graph source {source!r}: choose 'auto', 'ideal' or 'live'.")
    if source == "live":
        return live_graph()
    wanted = os.environ.get("DWAVE_API_TOKEN") or sampler_kind() == "qpu"
    if source == "auto" and wanted:
        try:
            return live_graph()
        except GraphError as error:
            print(f"{error}\nContinuing with the ideal graph.", flush=True)
    return ideal_graph(seed)


def _make_annealer(grbm, num_samples, *, seed, graph, **options) -> SpinSampler:
    device_options = {key: options.pop(key) for key in ("noise", "num_sweeps") if key in options}
    if graph is None:
        raise SamplerError("The sampler 'annealer' needs graph=..., the QPU graph of the model.")
    device = SimulatedQPU(graph, seed=seed, **device_options)
    return DeviceSampler(grbm, device, num_samples, seed=seed, graph=graph, **options)


_MAKERS: dict[str, Callable[..., SpinSampler]] = {
    "gibbs": GibbsSampler,
    "annealer": _make_annealer,
    "exact": ExactSampler,
    "recorded": make_recorded_sampler,
    "qpu": make_live_sampler,
}

# Where the options of a kind end up, for their names, if its maker only hands them on.
_TAKERS: dict[str, list[Callable]] = {
    "annealer": [DeviceSampler, SimulatedQPU],
    "qpu": [make_live_sampler, QPU, Submitter, DeviceSampler],
}
_NOT_OPTIONS = {"grbm", "num_samples", "seed", "graph"} | {
    "device", "options", "embedding", "qpu", "patience"
}  # fmt: skip


def _options_of(kind: str) -> set[str]:
    """Names of the options that a kind has beside those of all."""
    takers = _TAKERS.get(kind, [_MAKERS[kind]])
    taken = {name for taker in takers for name in inspect.signature(taker).parameters}
    return taken - _NOT_OPTIONS


def sampler_kind(kind: str | None = None) -> str:
    """The sampler to use: ``kind``, or ``QDVAE_SAMPLER``, or ``gibbs``; SettingError for others."""
    if kind is None or (isinstance(kind, str) and not kind):
        kind = os.environ.get("QDVAE_SAMPLER") or "gibbs"
    if not isinstance(kind, str) or kind not in _MAKERS:
        raise SettingError(
            f"There is no sampler {kind!r}: choose one of {', '.join(_MAKERS)} (argument or "
            "QDVAE_SAMPLER)."
        )
    return kind


def make_sampler(
    grbm: GraphRestrictedBoltzmannMachine,
    kind: str | None = None,
    *,
    num_samples: int = 256,
    seed: int = 0,
    graph: QPUGraph | None = None,
    or_else: str | None = None,
    **options,
) -> SpinSampler:
    """Build the sampler of this name: the one place where lessons choose.

    Args:
        grbm: the model to draw from.
        kind: see :func:`sampler_kind`.
        num_samples: spin strings that each ``sample()`` returns.
        seed: the same seed gives the same samples.
        graph: the QPU graph of the model (names it in captions, colours it for Gibbs sampling).
        or_else: the sampler to take, with a printed line, where the wanted one cannot serve this
            model.  If left out that is an error where ``kind`` is given, and ``gibbs`` takes the
            place of one that ``QDVAE_SAMPLER`` names.
        options: passed on, for example ``sweeps=20`` (gibbs) or ``noise=0.02`` (annealer).

    Raises:
        SettingError: there is no sampler of that name, or no such option of it.
        SamplerError: the sampler cannot serve this model, or a number is out of range.
    """
    name = sampler_kind(kind)
    require_known(f"The sampler {name!r}", options, _options_of(name))
    # Judged here, so that a wrong number never makes another sampler take over.
    require_grbm(grbm, SamplerError)
    num_samples = require_count("num_samples", num_samples, error=SamplerError)
    seed = require_seed(seed, error=SamplerError)
    make = _MAKERS[name]
    if kind is None and or_else is None:
        or_else = "gibbs"
    common = {"seed": seed, "graph": graph}
    try:
        return make(grbm, num_samples, **common, **options)
    except SamplerError as reason:
        if or_else is None:
            raise
        print(f"{reason}\nContinuing with the sampler {or_else!r}.", flush=True)
        return _MAKERS[sampler_kind(or_else)](grbm, num_samples, **common)
