"""One way to draw spins from a Boltzmann machine (taught in ``04_grbm_on_a_qpu_subgraph``).

Every sampler here is a ``TorchSampler`` of the D-Wave plugin: ``sampler.sample()`` returns spins of
shape ``(reads, n)`` with entries -1 and +1, in the order of ``grbm.nodes``, drawn from
``p(s) ~ exp(-beta E(s))`` with the energy ``E(s) = sum_i h_i s_i + sum_ij J_ij s_i s_j`` that
``grbm(s)`` computes.  The parameters of the GRBM are read anew at every call.

=========  ==========================================================================  ==========
kind       how                                                                         runs on
=========  ==========================================================================  ==========
gibbs      block Gibbs, colour by colour, as matrix products                           CPU or GPU
annealer   D-Wave's client on a simulated device with an unknown temperature           CPU
exact      tree decomposition: independent, exact samples of small or sparse graphs    CPU
recorded   samples of this very model that were saved earlier, see ``recordings``      nothing
qpu        a QPU of your Leap account; needs a token and a budget, see ``qpu``         D-Wave
=========  ==========================================================================  ==========

All but the last are classical.  The lessons choose with ``QDVAE_SAMPLER``.
"""

import functools
import math
import os
import random
import warnings
from collections.abc import Callable, Hashable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import dimod
import networkx as nx
import numpy as np
import torch
from dwave.plugins.torch.models import GraphRestrictedBoltzmannMachine
from dwave.plugins.torch.samplers import DimodSampler, TorchSampler
from dwave.samplers import SimulatedAnnealingSampler, TreeDecompositionSampler
from dwave.system.temperatures import effective_field, maximum_pseudolikelihood_temperature
from dwave.system.testing import MockDWaveSampler

from qdvae_helpers.errors import SamplerError, SettingError
from qdvae_helpers.graphs import QPUGraph, colouring

if TYPE_CHECKING:
    from qdvae_helpers.budget import Plan

_SWEEPS_A_LEVEL = 5  # of Gibbs sampling at each temperature of an annealing run
_MAX_TREEWIDTH = 25  # the limit of dwave-samplers' tree decomposition


@dataclass(frozen=True)
class Provenance:
    """Where a set of samples came from; ``str()`` of it is the line that figures print."""

    kind: str
    description: str
    graph_hash: str
    parameters: dict
    time: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    def __str__(self) -> str:
        return f"{self.description}, graph {self.graph_hash}"

    def to_dict(self) -> dict:
        """The same as plain values, for JSON."""
        return asdict(self)


def graph_of(grbm: GraphRestrictedBoltzmannMachine) -> QPUGraph:
    """The graph a GRBM lives on, for its hash; use the original ``QPUGraph`` where you have it."""
    position = grbm.node_to_idx
    edges = [(position[u], position[v]) for u, v in grbm.edges]
    return QPUGraph(tuple(range(grbm.n_nodes)), tuple(edges), "unnamed", ())


class SpinSampler(TorchSampler):
    """What all samplers here share: the model, the graph's hash, a seed, a count of calls.

    Args:
        grbm: the model to sample; never changed.
        graph: the graph it lives on, for its name, hash and colouring.
        seed: the same seed gives the same sequence of samples.
    """

    kind = ""

    def __init__(
        self, grbm: GraphRestrictedBoltzmannMachine, graph: QPUGraph | None, seed: int
    ) -> None:
        if graph is not None and (
            list(graph.nodes) != list(grbm.nodes) or list(graph.edges) != list(grbm.edges)
        ):
            raise SamplerError(
                "The graph's qubits and couplers are not the GRBM's nodes and edges in the same "
                "order: build it with GraphRestrictedBoltzmannMachine(graph.nodes, graph.edges)."
            )
        self._grbm = grbm
        self._graph = graph if graph is not None else graph_of(grbm)
        self._seed = seed
        self._calls = 0
        super().__init__()

    def fresh(self) -> torch.Tensor:
        """Spins ``(reads, n)`` that owe nothing to earlier calls."""
        return self.sample()

    def plan(self, calls: int) -> "Plan | None":
        """What so many calls cost; ``None`` where they cost nothing."""
        return None

    @property
    def exhausted(self) -> bool:
        """Whether another call is not affordable; only a QPU with a budget ever says so."""
        return False

    def require_model(self, grbm: GraphRestrictedBoltzmannMachine) -> None:
        """Refuse to serve a model that this sampler does not draw from.

        Raises:
            SamplerError: ``grbm`` is another object, though perhaps one of the same shape.
        """
        if grbm is not self._grbm:
            raise SamplerError(
                "This sampler draws from another model: make a new one with "
                "make_sampler(model.grbm, ...) after building the model."
            )

    @property
    def grbm(self) -> GraphRestrictedBoltzmannMachine:
        """The model that is sampled."""
        return self._grbm

    @property
    def graph(self) -> QPUGraph:
        """The graph that the model lives on."""
        return self._graph

    @property
    def provenance(self) -> Provenance:
        """Where the samples of the next call come from."""
        parameters = self._describe_parameters()
        return Provenance(self.kind, self._describe(), self._graph.hash, parameters)

    def _describe(self) -> str:
        raise NotImplementedError

    def _describe_parameters(self) -> dict:
        return {"seed": self._seed}

    def _check_clamps(self, x: torch.Tensor) -> torch.Tensor:
        if x.dim() != 2 or x.shape[1] != self._grbm.n_nodes:
            raise SamplerError(
                f"Clamped spins have shape {tuple(x.shape)}: give (chains, {self._grbm.n_nodes})."
            )
        if not (x.isnan() | (x.abs() == 1)).all():
            raise SamplerError("Clamped spins must be -1, +1, or NaN where a spin is free.")
        return x

    def _fresh_seed(self) -> int:
        """A new seed for each call, reproducible from the sampler's own seed."""
        self._calls += 1
        return int(np.random.default_rng([self._seed, self._calls]).integers(2**31))

    def state_dict(self) -> dict[str, torch.Tensor]:
        """All that is needed to continue the same sequence of samples later."""
        return {"calls": torch.tensor(self._calls)}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Continue where :meth:`state_dict` was taken."""
        self._calls = int(state["calls"])


class GibbsSampler(SpinSampler):
    """Persistent Markov chains, updated one colour of spins at a time.

    Given all others, a spin is +1 with probability ``sigmoid(-2 beta (h + sum_j J_j s_j))``; spins
    of one colour do not interact, so they are drawn together (Geman and Geman 1984; "chromatic"
    sampling: Gonzalez et al. 2011).  The fields of one colour are one product of a sparse matrix
    with all chains (a dense one where torch has no fast sparse product: outside the CPU, or without
    MKL).  Chains are stored as bits, colour after colour, so that a product, a sigmoid, a random
    number and a comparison are all that an update costs.  On a CUDA device, where launching these
    takes longer than computing them, the sweeps of a call are captured once and replayed.

    Args:
        grbm: the model; samples are returned on its device.
        num_chains: chains that run side by side.
        sweeps: sweeps over all spins at each call of :meth:`sample`.
        beta: inverse temperature.
        seed: seed of the chains' start and of every update.
        graph: see :class:`SpinSampler`.
        device: where the chains live; the GRBM's device if left out.

    Raises:
        SamplerError: no chains or no sweeps, or a graph that is not the GRBM's.
    """

    kind = "gibbs"

    def __init__(
        self,
        grbm: GraphRestrictedBoltzmannMachine,
        num_chains: int = 256,
        sweeps: int = 10,
        *,
        beta: float = 1.0,
        seed: int = 0,
        graph: QPUGraph | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        if num_chains < 1 or sweeps < 1:
            raise SamplerError(
                f"num_chains={num_chains} and sweeps={sweeps} must both be 1 or more."
            )
        self.num_chains = num_chains
        self.sweeps = sweeps
        self.beta = beta
        super().__init__(grbm, graph, seed)

        colours = colouring(graph if graph is not None else _plain_graph(grbm))
        by_colour = sorted(range(grbm.n_nodes), key=lambda i: (colours[grbm.idx_to_node[i]], i))
        sizes = np.unique([colours[node] for node in grbm.nodes], return_counts=True)[1]
        ends = np.cumsum(sizes).tolist()
        self._blocks = list(zip([0, *ends[:-1]], ends, strict=True))

        self._generator = torch.Generator(device or grbm.linear.device).manual_seed(seed)
        device = self._generator.device
        self._order = torch.tensor(by_colour, device=device)
        position = torch.empty_like(self._order)
        position[self._order] = torch.arange(grbm.n_nodes, device=device)
        self._position = position  # node index -> row of the chains
        # Both directions of every coupling, sorted by row: the pattern of a sparse matrix.
        i, j = position[grbm.edge_idx_i.to(device)], position[grbm.edge_idx_j.to(device)]
        rows, columns = torch.cat([i, j]), torch.cat([j, i])
        by_row = torch.argsort(rows * grbm.n_nodes + columns)
        self._rows, self._columns = rows[by_row], columns[by_row]
        self._edge_of_entry = by_row % max(1, grbm.n_edges)
        # Numbers, not a tensor: reading them from a GPU would wait for all its work.
        counts = torch.bincount(rows, minlength=grbm.n_nodes)
        self._row_starts = [0, *counts.cumsum(0).tolist()]
        self._bits = self._random_bits(num_chains)
        self._captured: tuple[tuple, torch.cuda.CUDAGraph] | None = None
        self.refresh_parameters()

    def to(self, device: torch.device | str) -> "GibbsSampler":
        """A copy whose chains live on another device and go on with new random numbers there."""
        moved = super().to(device)
        moved._bits = moved._bits.clone()  # on the same device ``to`` would share the chains
        moved._generator = torch.Generator(device).manual_seed(self._fresh_seed())
        moved._captured = None
        moved.refresh_parameters()
        return moved

    def sample(self, x: torch.Tensor | None = None, *, sweeps: int | None = None) -> torch.Tensor:
        """Advance the chains and return their spins, ``(num_chains, n)``.

        Args:
            x: clamped spins ``(any number of chains, n)``: -1 and +1 stay as they are, NaN is drawn
                given the others.  These chains start anew from random spins and leave the
                persistent ones alone.
            sweeps: how many sweeps this time, in place of the sampler's own number.
        """
        sweeps = self.sweeps if sweeps is None else sweeps
        if x is None:
            bits = self._bits
            self._sweep(sweeps)
        else:
            x = self._check_clamps(x).to(self._bits.device)
            bits = self._random_bits(len(x))
            clamps = ((x + 1) / 2).T[self._order].contiguous()
            self._run(bits, np.full(sweeps, self.beta), clamps)
        return self._to_spins(bits)

    def fresh(self) -> torch.Tensor:
        """Spins of restarted, annealed and equilibrated chains, see :meth:`burn_in`."""
        return self.burn_in()

    def burn_in(self, sweeps: int = 3000) -> torch.Tensor:
        """Restart all chains at random, cool them as one population, then equilibrate.

        Four fifths of the sweeps are population annealing (see :meth:`anneal`), the rest stay at
        ``beta``.  Use it before chains are first read at a model that is already trained: valleys
        that plain annealing leaves too empty or too full get their share from the resampling
        (``tests/test_samplers.py`` has a model of two valleys where plain annealing errs).
        """
        levels = max(1, sweeps * 4 // 5 // _SWEEPS_A_LEVEL)
        self.anneal(levels)
        self._run(self._bits, np.full(max(0, sweeps - levels * _SWEEPS_A_LEVEL), self.beta))
        return self._to_spins(self._bits)

    @torch.no_grad()
    def anneal(self, levels: int, *, resample: bool = True) -> torch.Tensor:
        """Restart all chains at infinite temperature and cool them to ``beta`` in equal steps.

        A step from one inverse temperature to the next multiplies the weight of a chain by
        ``exp(-(next - last) E)``; then come five sweeps at the new one.  The mean weight estimates
        the partition function: annealed importance sampling (Neal 2001).  With ``resample`` the
        chains are drawn anew in proportion to their weights whenever these have become too unequal,
        and at the end: population annealing (Hukushima and Iba 2003, Machta 2010).

        Args:
            levels: steps of the inverse temperature.
            resample: whether chains may be copied and dropped.  Without it the chains stay
                independent, so the spread of their weights gives an error bar.

        Returns:
            Log weights ``(num_chains,)``, float64; ``log Z`` is the logarithm of their mean
            exponential.  After resampling all are equal.
        """
        self._bits.copy_(self._random_bits(self.num_chains))
        # Once for all levels: the model does not change meanwhile.
        h, couplings = self._biases()
        matrix, products = self._matrix(couplings, 0, len(h)), self._products()
        start = self._grbm.n_nodes * math.log(2)  # log Z at infinite temperature
        log_weights = torch.full((self.num_chains,), start, dtype=torch.float64)
        step = self.beta / levels
        for level in range(1, levels + 1):
            spins = self._bits * 2 - 1
            energies = (spins * (h.unsqueeze(1) + torch.mm(matrix, spins) / 2)).sum(0)
            log_weights -= step * energies.cpu().double()
            if resample:
                shares = torch.softmax(log_weights, 0)
                effective = 1 / shares.square().sum()
                if level == levels or effective < 0.5 * self.num_chains:
                    self._resample(shares)
                    mean = torch.logsumexp(log_weights, 0) - math.log(self.num_chains)
                    log_weights.fill_(float(mean))
            self._run(self._bits, np.full(_SWEEPS_A_LEVEL, step * level), products=products)
        return log_weights

    def _resample(self, shares: torch.Tensor) -> None:
        """Draw the chains anew in proportion to ``shares`` (systematic resampling)."""
        n, device = len(shares), self._bits.device
        offset = torch.rand(1, generator=self._generator, device=device).cpu()
        points = (torch.arange(n) + offset.double()) / n
        chosen = torch.searchsorted(shares.cumsum(0), points).clamp(max=n - 1)
        self._bits.copy_(self._bits[:, chosen.to(device)])

    @torch.no_grad()
    def _sweep(self, sweeps: int) -> None:
        """Sweeps of the persistent chains; on a CUDA device from the second call on as a graph."""
        parameters = (self._grbm.linear, self._grbm.quadratic)
        betas = np.full(sweeps, self.beta)
        if not (self._bits.is_cuda and all(p.device == self._bits.device for p in parameters)):
            self._run(self._bits, betas)
            return
        # A graph reads and writes the memory that it was captured with.
        key = (sweeps, self.beta, self._generator, *(p.data_ptr() for p in parameters))
        if self._captured is None or self._captured[0] != key:
            self._run(self._bits, betas)  # also loads what capturing must not load
            graph = torch.cuda.CUDAGraph()
            graph.register_generator_state(self._generator)
            with torch.cuda.graph(graph):
                self._run(self._bits, betas)
            self._captured = (key, graph)
        else:
            self._captured[1].replay()

    @torch.no_grad()
    def _run(
        self,
        bits: torch.Tensor,
        betas: np.ndarray,
        clamps: torch.Tensor | None = None,
        products: list[tuple[torch.Tensor, torch.Tensor]] | None = None,
    ) -> None:
        """Sweep ``bits`` in place, once for each inverse temperature."""
        products = self._products() if products is None else products
        widest = max(end - start for start, end in self._blocks)
        fields = bits.new_empty(widest, bits.shape[1])
        noise = torch.empty_like(fields)
        for beta in betas.tolist():
            for (start, end), (bias, weight) in zip(self._blocks, products, strict=True):
                p, u, target = fields[: end - start], noise[: end - start], bits[start:end]
                torch.addmm(bias, weight, bits, beta=beta, alpha=beta, out=p)
                p.sigmoid_()
                u.uniform_(generator=self._generator)
                torch.lt(u, p, out=target)
                if clamps is not None:
                    held = clamps[start:end]
                    torch.where(held.isnan(), target, held, out=target)

    def _products(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """For each colour a bias and a weight: with the bits they make the sigmoid's argument."""
        # With s = 2b - 1 the field h + J s becomes (h - J 1) + 2 J b, so the argument of the
        # sigmoid, -2 beta times that, is linear in the bits.
        h, couplings = self._biases()
        row_sums = torch.zeros_like(h).index_add_(0, self._rows, couplings)
        bias = -2 * (h - row_sums).unsqueeze(1)
        return [
            (bias[start:end], self._matrix(-4 * couplings, start, end))
            for start, end in self._blocks
        ]

    def _biases(self) -> tuple[torch.Tensor, torch.Tensor]:
        """``h`` in the order of the chains' rows, and the entries of the symmetric ``J``."""
        grbm, device = self._grbm, self._bits.device
        h = grbm.linear.detach().to(device)[self._order]
        return h, grbm.quadratic.detach().to(device)[self._edge_of_entry]

    def _matrix(self, entries: torch.Tensor, start: int, end: int) -> torch.Tensor:
        """Rows ``start`` to ``end`` of the symmetric matrix with these entries."""
        first, last = self._row_starts[start], self._row_starts[end]
        columns, entries = self._columns[first:last], entries[first:last]
        size = (end - start, self._grbm.n_nodes)
        if _sparse_products() and entries.device.type == "cpu":
            starts = torch.tensor(self._row_starts[start : end + 1]) - first
            with warnings.catch_warnings():  # torch calls its sparse matrices a beta
                warnings.simplefilter("ignore", UserWarning)
                return torch.sparse_csr_tensor(starts, columns, entries, size)
        matrix = entries.new_zeros(size)
        matrix[self._rows[first:last] - start, columns] = entries
        return matrix

    def _random_bits(self, num_chains: int) -> torch.Tensor:
        size = (self._grbm.n_nodes, num_chains)
        device = self._generator.device
        return torch.randint(2, size, generator=self._generator, device=device).float()

    def _to_spins(self, bits: torch.Tensor) -> torch.Tensor:
        return (bits[self._position] * 2 - 1).T.contiguous().to(self._grbm.linear.device)

    def _describe(self) -> str:
        at = "" if self.beta == 1 else f" at inverse temperature {self.beta:g}"
        return f"Gibbs sampling on a classical computer, {self.num_chains:,} chains{at}"

    def _describe_parameters(self) -> dict:
        return {
            "seed": self._seed,
            "num_chains": self.num_chains,
            "sweeps": self.sweeps,
            "beta": self.beta,
        }

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The chains and the state of their random numbers, to continue from."""
        return super().state_dict() | {
            "bits": self._bits.to(torch.uint8),
            "generator": self._generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Continue the chains where :meth:`state_dict` was taken.

        Raises:
            SamplerError: another number of chains or spins.
        """
        if state["bits"].shape != self._bits.shape:
            raise SamplerError(
                f"The saved chains have shape {tuple(state['bits'].shape)}, this sampler's "
                f"{tuple(self._bits.shape)}: use the same number of chains and spins."
            )
        super().load_state_dict(state)
        self._bits.copy_(state["bits"])
        self._generator.set_state(state["generator"].cpu())


@functools.cache
def _sparse_products() -> bool:
    """Whether this build of torch multiplies sparse by dense matrices on the CPU through MKL."""
    return torch.backends.mkl.is_available()


def _plain_graph(grbm: GraphRestrictedBoltzmannMachine) -> nx.Graph:
    plain = nx.Graph()
    plain.add_nodes_from(grbm.nodes)
    plain.add_edges_from(grbm.edges)
    return plain


def _elimination_order(grbm: GraphRestrictedBoltzmannMachine) -> tuple[int, list]:
    """A bound on the treewidth with its order of elimination, the same one at every call."""
    import dwave.graphs as dg

    # The heuristic breaks ties with Python's global random numbers, and the order decides which
    # samples a seed gives.
    state = random.getstate()
    random.seed(0)
    try:
        return dg.min_fill_heuristic(_plain_graph(grbm))
    finally:
        random.setstate(state)


class ExactSampler(SpinSampler):
    """Independent exact samples by tree decomposition (dwave-samplers), for small graphs.

    Args:
        grbm: the model; the treewidth of its graph must not exceed 25.
        num_reads: samples at each call.
        beta: inverse temperature.
        seed: see :class:`SpinSampler`.
        graph: see :class:`SpinSampler`.

    Raises:
        SamplerError: the graph is too large for an exact answer.
    """

    kind = "exact"

    def __init__(
        self,
        grbm: GraphRestrictedBoltzmannMachine,
        num_reads: int = 256,
        *,
        beta: float = 1.0,
        seed: int = 0,
        graph: QPUGraph | None = None,
    ) -> None:
        super().__init__(grbm, graph, seed)
        self.num_reads = num_reads
        self.beta = beta
        self.treewidth, self._elimination_order = _elimination_order(grbm)
        if self.treewidth > _MAX_TREEWIDTH:
            raise SamplerError(
                f"This graph of {grbm.n_nodes} nodes has treewidth {self.treewidth} or less by our "
                f"bound; exact sampling ends at {_MAX_TREEWIDTH}. Use at most about 56 qubits of a "
                "Zephyr graph, or the sampler 'gibbs'."
            )

    def sample(self, x: torch.Tensor | None = None) -> torch.Tensor:
        """Independent spins ``(num_reads, n)``; clamping is left to the ``gibbs`` sampler."""
        if x is not None:
            raise SamplerError("The exact sampler cannot clamp spins: use the sampler 'gibbs'.")
        samples = self._solve(self.num_reads, self._fresh_seed())
        columns = [samples.variables.index(node) for node in self._grbm.nodes]
        spins = samples.record.sample[:, columns].astype(np.float32)
        return torch.from_numpy(spins).to(self._grbm.linear.device)

    def log_partition_function(self) -> float:
        """``log Z = log sum_s exp(-beta E(s))``, exactly; leaves the sequence of samples alone."""
        return float(self._solve(1, seed=0).info["log_partition_function"])

    def _solve(self, num_reads: int, seed: int) -> dimod.SampleSet:
        bqm = dimod.BinaryQuadraticModel.from_ising(*self._grbm.to_ising(1.0))
        return TreeDecompositionSampler().sample(
            bqm,
            num_reads=num_reads,
            elimination_order=self._elimination_order,
            beta=self.beta,
            marginals=False,
            seed=seed,
        )

    def _describe(self) -> str:
        return f"exact sampling by tree decomposition, {self.num_reads:,} reads"

    def _describe_parameters(self) -> dict:
        return {"seed": self._seed, "num_reads": self.num_reads, "beta": self.beta}


class SimulatedQPU(MockDWaveSampler):
    """A classical stand-in for a QPU behind D-Wave's own sampler interface.

    It has the qubits and couplers of ``graph``, enforces the ranges of h and J, and returns samples
    of a Boltzmann distribution at an inverse temperature that the user is not told, as a real
    device does; it is simulated annealing, with nothing quantum in it.

    Args:
        graph: its working qubits and couplers.
        seed: decides the hidden temperature, and all samples.
        noise: standard deviation of a Gaussian error on every h and J, new at each call.
        num_sweeps: sweeps of simulated annealing a read.
    """

    def __init__(
        self, graph: QPUGraph, *, seed: int = 0, noise: float = 0.0, num_sweeps: int = 1000
    ) -> None:
        self.calls = 0  # the samples of a call depend on the seed and this number alone
        self._seed = seed
        # Between 5 and 8 in units of the programmed J, as measured on real devices
        # (source: comment in dwave-pytorch-plugin's boltzmann_machine.py).
        self._hidden_beta = np.random.default_rng(seed).uniform(5, 8)
        self._noise = noise
        super().__init__(
            nodelist=list(graph.nodes),
            edgelist=list(graph.edges),
            topology_type=graph.topology,
            topology_shape=list(graph.shape),
            properties={"h_range": [-6.0, 6.0], "extended_j_range": [-2.0, 1.0]},
            parameter_warnings=False,
            substitute_sampler=SimulatedAnnealingSampler(),
            substitute_kwargs={
                "beta_range": [0, self._hidden_beta],
                "beta_schedule_type": "linear",
                "num_sweeps": num_sweeps,
                "proposal_acceptance_criteria": "Gibbs",
                "randomize_order": True,
            },
        )

    @dimod.bqm_structured
    def sample(self, bqm: dimod.BinaryQuadraticModel, **kwargs) -> dimod.SampleSet:
        """Anneal ``num_reads`` times; refuses biases outside the device's ranges."""
        check_ranges(bqm.linear, bqm.quadratic, self.properties)
        self.calls += 1
        rng = np.random.default_rng([self._seed, self.calls])
        if self._noise:
            bqm = bqm.copy()
            for v in bqm.variables:
                bqm.add_linear(v, rng.normal(scale=self._noise))
            for u, v in list(bqm.quadratic):
                bqm.add_quadratic(u, v, rng.normal(scale=self._noise))
        self.substitute_kwargs["seed"] = int(rng.integers(2**31))
        return super().sample(bqm, **kwargs)


def check_ranges(
    linear: Mapping[Hashable, float],
    quadratic: Mapping[tuple[Hashable, Hashable], float],
    properties: dict,
) -> None:
    """Refuse biases that a device with these properties would refuse.

    Args:
        linear: h of every variable.
        quadratic: J of every pair.
        properties: of the device, with ``h_range`` and ``extended_j_range``.

    Raises:
        SamplerError: names the worst value, its range, and what to do.
    """
    for name, values, (low, high) in (
        ("h", linear.values(), properties["h_range"]),
        ("J", quadratic.values(), properties["extended_j_range"]),
    ):
        values = np.fromiter(values, float)
        worst = values[np.argmax(np.maximum(values - high, low - values))] if len(values) else 0.0
        if not low <= worst <= high:
            raise SamplerError(
                f"{name} = {worst:.3g} is outside the device's range [{low:g}, {high:g}]: lower "
                "the prefactor, or train with smaller weights."
            )


class BetaEstimate(NamedTuple):
    """An inverse temperature with its standard error."""

    beta: float
    error: float


def estimate_beta(grbm: GraphRestrictedBoltzmannMachine, spins: torch.Tensor) -> BetaEstimate:
    """The inverse temperature at which spins follow a model, and its standard error.

    The fit is maximum pseudo-likelihood (dwave-system): every spin, given its neighbours, is a coin
    whose odds depend on beta.  The error comes from the curvature of that likelihood; it counts the
    coins as independent, so take it as a lower bound.

    Args:
        grbm: the model.
        spins: ``(reads, n)``.
    """
    bqm = dimod.BinaryQuadraticModel.from_ising(*grbm.to_ising(1.0))
    samples = (spins.detach().cpu().numpy(), list(grbm.nodes))
    gains = effective_field(bqm, samples, current_state_energy=True)[0]
    temperature, _ = maximum_pseudolikelihood_temperature(en1=gains)
    if not temperature > 0:
        return BetaEstimate(math.inf, math.inf)
    beta = 1 / float(temperature)
    flipped = 1 / (1 + np.exp(-beta * gains))
    information = float((gains**2 * flipped * (1 - flipped)).sum())
    return BetaEstimate(beta, math.inf if information == 0 else information**-0.5)


class DeviceSampler(SpinSampler):
    """A QPU, simulated or real, behind the same call.

    A device samples at its own inverse temperature ``beta``, so the biases are multiplied by a
    prefactor first; with ``prefactor = 1 / beta`` the samples follow the GRBM itself.

    Args:
        grbm: the model; its nodes are qubits of the device.
        device: a dimod sampler with ``properties`` (``h_range``, ``extended_j_range``).
        num_reads: samples at each call.
        prefactor: scale of the biases; measured by :meth:`calibrate` if left out.
        seed: seed of the calibration problem.
        graph: see :class:`SpinSampler`.
        track_every: follow the device's temperature on the samples of every so many calls, see
            :meth:`track`; 0 for never.

    Attributes:
        temperatures: one :class:`BetaEstimate` of the device for each time it was tracked.
    """

    kind = "annealer"
    calibration_reads = 1000
    _calibrates_with_fields = True

    def __init__(
        self,
        grbm: GraphRestrictedBoltzmannMachine,
        device: dimod.Sampler,
        num_reads: int = 256,
        *,
        prefactor: float | None = None,
        seed: int = 0,
        graph: QPUGraph | None = None,
        track_every: int = 0,
    ) -> None:
        super().__init__(grbm, graph, seed)
        self.device = device
        self.num_reads = num_reads
        self.track_every = track_every
        self.temperatures: list[BetaEstimate] = []
        self.prefactor = 1 / 6 if prefactor is None else prefactor
        if prefactor is None:
            self.calibrate()

    def sample(self, x: torch.Tensor | None = None) -> torch.Tensor:
        """Spins ``(num_reads, n)``; with clamped spins ``x``, one problem and one read a row."""
        ranges = self._ranges()
        check_ranges(*self._grbm.to_ising(self.prefactor, **ranges), self.device.properties)
        if x is not None:
            x = self._check_clamps(x).to(self._grbm.linear.device)
            return self._on_device(self._grbm, 1, **ranges).sample(x)[:, 0]
        spins = self._on_device(self._grbm, self.num_reads, **ranges).sample()
        self._calls += 1
        if self.track_every and self._calls % self.track_every == 0:
            self.track(spins)
        return spins

    def track(self, spins: torch.Tensor, *, gain: float = 0.3, max_error: float = 0.05) -> None:
        """Follow the device's temperature on samples of the model itself, at no further cost.

        The effective temperature depends somewhat on the problem and on the day, so it drifts while
        couplings grow in training.  Where the samples say enough (weak couplings say nothing), the
        prefactor moves by the fraction ``gain`` of the way that would make the estimate 1.

        Args:
            spins: ``(reads, n)``, drawn by this sampler with the present prefactor.
            gain: below 1, so that the noise of single estimates averages out.
            max_error: largest relative standard error of an estimate that is still used.
        """
        beta, error = estimate_beta(self._grbm, spins)
        if not (math.isfinite(error) and error <= max_error * beta):
            return
        used = self.prefactor
        self.temperatures.append(BetaEstimate(beta / used, error / used))
        self.prefactor *= beta**-gain

    def calibrate(
        self, *, num_reads: int | None = None, tolerance: float = 0.05, max_rounds: int = 8
    ) -> float:
        """Measure the device's inverse temperature on a known problem and set the prefactor.

        Random couplings on the same graph are sampled, the inverse temperature that explains the
        samples best is estimated (maximum pseudo-likelihood), and the prefactor divided by it,
        until the estimate is 1 within ``tolerance``.  With 1,000 reads one estimate is uncertain by
        about 2 % on 12 qubits and by half a percent on 256.

        Returns:
            The estimated inverse temperature of the device, ``1 / prefactor``.

        Raises:
            SamplerError: no stable value was found.
        """
        num_reads = num_reads or self.calibration_reads
        generator = torch.Generator().manual_seed(self._seed)
        known = GraphRestrictedBoltzmannMachine(self._grbm.nodes, self._grbm.edges)
        known.quadratic.data = 0.2 * torch.randn(known.n_edges, generator=generator)
        fields = 0.2 if self._calibrates_with_fields else 0.0
        known.linear.data = fields * torch.randn(known.n_nodes, generator=generator)
        for _ in range(max_rounds):
            estimate, _ = estimate_beta(known, self._on_device(known, num_reads).sample())
            if not math.isfinite(estimate):  # no spin ever leaves its minimum; neither would more
                break
            self.prefactor /= estimate
            if abs(estimate - 1) < tolerance:
                return 1 / self.prefactor
        raise SamplerError(
            f"The device's temperature did not settle (last estimate {estimate:.2f}): use more "
            "reads, or give the prefactor yourself."
        )

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

    def _ranges(self) -> dict:
        return {}

    def _on_device(
        self, grbm: GraphRestrictedBoltzmannMachine, num_reads: int, **ranges
    ) -> DimodSampler:
        # By default a QPU rescales biases to fill its ranges, which would change the temperature.
        options = {"num_reads": num_reads, "answer_mode": "raw", "auto_scale": False}
        return DimodSampler(grbm, self.device, self.prefactor, sample_kwargs=options, **ranges)

    def _describe(self) -> str:
        return f"simulated QPU (classical annealing), {self.num_reads:,} reads"

    def _describe_parameters(self) -> dict:
        return {"seed": self._seed, "num_reads": self.num_reads, "prefactor": self.prefactor}


def _make_gibbs(grbm, num_samples, seed, graph, **options) -> SpinSampler:
    return GibbsSampler(grbm, num_samples, seed=seed, graph=graph, **options)


def _make_exact(grbm, num_samples, seed, graph, **options) -> SpinSampler:
    return ExactSampler(grbm, num_samples, seed=seed, graph=graph, **options)


def _make_annealer(grbm, num_samples, seed, graph, **options) -> SpinSampler:
    device_options = {key: options.pop(key) for key in ("noise", "num_sweeps") if key in options}
    if graph is None:
        raise SamplerError("The sampler 'annealer' needs graph=..., the QPU graph of the model.")
    device = SimulatedQPU(graph, seed=seed, **device_options)
    return DeviceSampler(grbm, device, num_samples, seed=seed, graph=graph, **options)


def _make_recorded(grbm, num_samples, seed, graph, **options) -> SpinSampler:
    from qdvae_helpers.recordings import make_recorded_sampler

    return make_recorded_sampler(grbm, num_samples, seed, graph, **options)


def _make_qpu(grbm, num_samples, seed, graph, **options) -> SpinSampler:
    from qdvae_helpers.qpu import make_qpu_sampler

    return make_qpu_sampler(grbm, num_samples, seed, graph, **options)


_MAKERS: dict[str, Callable[..., SpinSampler]] = {
    "gibbs": _make_gibbs,
    "annealer": _make_annealer,
    "exact": _make_exact,
    "recorded": _make_recorded,
    "qpu": _make_qpu,
}


def sampler_kind(kind: str | None = None) -> str:
    """The sampler to use: ``kind``, or what ``QDVAE_SAMPLER`` names, or ``gibbs``.

    Raises:
        SettingError: there is no sampler of that name.
    """
    kind = kind or os.environ.get("QDVAE_SAMPLER") or "gibbs"
    if kind not in _MAKERS:
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
        kind: ``gibbs``, ``annealer``, ``exact``, ``recorded`` or ``qpu``; if left out,
            ``QDVAE_SAMPLER``, else ``gibbs``.
        num_samples: spin strings that each ``sample()`` returns.
        seed: the same seed gives the same samples.
        graph: the QPU graph of the model (names it in captions, colours it for Gibbs sampling).
        or_else: the sampler to take, with a printed line, where the wanted one cannot serve this
            model (no token, no budget, no recording ...).  If left out that is an error where
            ``kind`` is given, and ``gibbs`` takes the place of one that ``QDVAE_SAMPLER`` names.
        options: passed on, for example ``sweeps=20`` (gibbs) or ``noise=0.02`` (annealer).

    Raises:
        SettingError: there is no sampler of that name.
        SamplerError: the sampler cannot serve this model, or a number is out of range.
    """
    if num_samples < 1 or seed < 0:
        raise SamplerError(
            f"num_samples={num_samples} must be 1 or more, and seed={seed} must be 0 or more."
        )
    make = _MAKERS[sampler_kind(kind)]
    if kind is None and or_else is None:
        or_else = "gibbs"
    try:
        return make(grbm, num_samples, seed, graph, **options)
    except SamplerError as reason:
        if or_else is None:
            raise
        print(f"{reason}\nContinuing with the sampler {or_else!r}.", flush=True)
        return _MAKERS[sampler_kind(or_else)](grbm, num_samples, seed, graph)
