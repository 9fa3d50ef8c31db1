"""Block Gibbs sampling on the graph's colours, with annealing (taught in lesson 04)."""

import math
import warnings
from collections.abc import Callable

import numpy as np
import torch
from dwave.plugins.torch.models import GraphRestrictedBoltzmannMachine

from qdvae_helpers.arguments import require_count
from qdvae_helpers.errors import SamplerError
from qdvae_helpers.graphs import QPUGraph, colouring
from qdvae_helpers.priors import class_fields, in_groups, systematic
from qdvae_helpers.samplers.base import SpinSampler, plain_graph, require_beta
from qdvae_helpers.samplers.mixing import (
    FEWEST_WATCHED,
    HARDLY_MIXED,
    LAG,
    MIXING_REMEDY,
    WATCHED,
    WINDOW,
    few_families,
    remembered,
    unequal_classes,
)

_SWEEPS_A_LEVEL = 5  # of Gibbs sampling at each temperature of an annealing run


class GibbsSampler(SpinSampler):
    """Persistent Markov chains, updated one colour of spins at a time.

    Given all others, a spin is +1 with probability ``sigmoid(-2 beta (h + sum_j J_j s_j))``; spins
    of one colour do not interact, so they are drawn together (Geman and Geman 1984; "chromatic"
    sampling: Gonzalez et al. 2011), by one product of a sparse matrix with all chains (a dense one
    where torch has no fast sparse product: outside the CPU, or without MKL).  On a CUDA device,
    where launching these takes longer than computing them, a call is captured once and replayed.

    Args:
        grbm: the model; samples are returned on its device.
        num_samples: chains that run side by side; each gives one sample per call.
        sweeps: sweeps over all spins at each call of :meth:`sample`.
        beta: inverse temperature, 0 or more.
        seed, graph: see :class:`SpinSampler`.

    Raises:
        SamplerError: no chains or no sweeps, a temperature that is none, a graph that is not the
            GRBM's; later, fields or couplings that are no finite numbers.
    """

    kind = "gibbs"

    def __init__(
        self,
        grbm: GraphRestrictedBoltzmannMachine,
        num_samples: int = 256,
        sweeps: int = 10,
        *,
        beta: float = 1.0,
        seed: int = 0,
        graph: QPUGraph | None = None,
    ) -> None:
        super().__init__(grbm, num_samples, graph, seed)
        self.sweeps = require_count("sweeps", sweeps, error=SamplerError)
        self.beta = require_beta(beta)
        self.families: float | None = None  #: after annealing: how many chains had descendants

        colours = colouring(graph if graph is not None else plain_graph(grbm))
        by_colour = sorted(range(grbm.n_nodes), key=lambda i: (colours[grbm.idx_to_node[i]], i))
        sizes = np.unique([colours[node] for node in grbm.nodes], return_counts=True)[1]
        ends = np.cumsum(sizes).tolist()
        self._blocks = list(zip([0, *ends[:-1]], ends, strict=True))

        device = grbm.linear.device
        self._generator = torch.Generator(device).manual_seed(self._seed)
        self._order = torch.tensor(by_colour, device=device)
        position = torch.empty_like(self._order)
        position[self._order] = torch.arange(grbm.n_nodes, device=device)
        self._position = position  # node index -> row of the bits, which lie colour by colour
        # Both directions of every coupling, sorted by row: the pattern of a sparse matrix.
        i, j = position[grbm.edge_idx_i.to(device)], position[grbm.edge_idx_j.to(device)]
        rows, columns = torch.cat([i, j]), torch.cat([j, i])
        by_row = torch.argsort(rows * grbm.n_nodes + columns)
        self._rows, self._columns = rows[by_row], columns[by_row]
        self._edge_of_entry = by_row % max(1, grbm.n_edges)
        # Numbers, not a tensor: reading them from a GPU would wait for all its work.
        counts = torch.bincount(rows, minlength=grbm.n_nodes)
        self._row_starts = [0, *counts.cumsum(0).tolist()]
        self._bits = self._random_bits(self.num_samples)
        self._captured: tuple[tuple, torch.cuda.CUDAGraph] | None = None
        self.refresh_parameters()

    def to(self, device: torch.device | str) -> "GibbsSampler":
        """A copy whose chains live on another device and go on with new random numbers there."""
        moved = super().to(device)
        moved._classes = moved._classes.clone()
        moved._bits = moved._bits.clone()  # on the same device ``to`` would share the chains
        moved._generator = torch.Generator(device).manual_seed(self.fresh_seed())
        moved._captured = None
        moved.refresh_parameters()
        return moved

    def sample(
        self,
        x: torch.Tensor | None = None,
        *,
        classes: torch.Tensor | None = None,
        sweeps: int | None = None,
    ) -> torch.Tensor:
        """Advance the chains and return their spins, ``(num_samples, n)``.

        Args:
            x: clamped spins ``(any number of chains, n)``: -1 and +1 stay, NaN is drawn.  These
                chains start from random spins and leave the persistent ones alone.
            classes: of the clamped chains; as frequent as the shares say if left out.
            sweeps: how many sweeps this time, in place of the sampler's own number; 0 only looks.
        """
        sweeps = self.sweeps if sweeps is None else sweeps
        sweeps = require_count("sweeps", sweeps, 0, error=SamplerError)
        require_beta(self.beta)
        if not self._bits.is_cuda:  # which would wait; training looks at its weights now and then
            self.require_finite_model()
        if x is None:
            if classes is not None:
                raise SamplerError("Persistent chains keep their classes: set sampler.classes.")
            bits = self._bits
            self.families = None
            self._sweep(sweeps)
        else:
            x = self._check_clamps(x).to(self._bits.device)
            classes = self._clamped_classes(len(x), classes)
            bits = self._random_bits(len(x))
            clamps = ((x + 1) / 2).T[self._order].contiguous()
            self._run(bits, [self.beta] * sweeps, clamps, self._products(classes))
        return self._to_spins(bits)

    def fresh(self) -> torch.Tensor:
        """Spins of chains that were annealed anew, see :meth:`restart`."""
        return self.restart()

    def more(self) -> torch.Tensor:
        """The same chains after at least 100 sweeps."""
        return self.sample(sweeps=max(100, self.sweeps))

    def restart(self, sweeps: int = 3000) -> torch.Tensor:
        """Population annealing from random spins (four fifths of the sweeps), then ``beta``.

        Use it before chains are first read at a trained model: valleys that plain annealing leaves
        too empty or too full get their share (``tests/samplers/test_gibbs.py``).
        """
        sweeps = require_count("sweeps", sweeps, error=SamplerError)
        levels = max(1, sweeps * 4 // 5 // _SWEEPS_A_LEVEL)
        self.anneal(levels)
        self._run(self._bits, [self.beta] * (sweeps - levels * _SWEEPS_A_LEVEL))
        return self._to_spins(self._bits)

    @torch.no_grad()
    def anneal(self, levels: int, *, resample: bool = True) -> torch.Tensor:
        """Restart all chains at infinite temperature and cool them to ``beta`` in equal steps.

        Each step multiplies the weight of a chain by ``exp(-(next - last) E)``, then sweeps five
        times.  The mean weight estimates ``Z``: annealed importance sampling (Neal 2001).

        Args:
            levels: steps of the inverse temperature.
            resample: draw chains anew in proportion to their weights where these are too unequal,
                and at the end: population annealing (Hukushima and Iba 2003, Machta 2010).  Without
                it they stay independent, so the spread of their weights gives an error bar.

        Returns:
            Log weights ``(num_samples,)``, float64; ``log Z`` is the logarithm of their mean
            exponential.  After resampling all are equal.
        """
        levels = require_count("levels", levels, error=SamplerError)
        require_beta(self.beta)
        self.require_finite_model()
        self._bits.copy_(self._random_bits(self.num_samples))
        families = torch.arange(self.num_samples)  # which first chain each one comes from
        # Once for all levels: the model does not change meanwhile.
        energies, products = self._energies(), self._products()
        start = self.grbm.n_nodes * math.log(2)  # log Z at infinite temperature
        log_weights = torch.full((self.num_samples,), start, dtype=torch.float64)
        step = self.beta / levels
        classes = self._classes.cpu()
        groups = dict(in_groups(classes))  # classes never mix
        for level in range(1, levels + 1):
            log_weights -= step * energies(self._bits)
            unequal = groups if level == levels else unequal_classes(log_weights, classes)
            for rows in (groups[y] for y in unequal) if resample else ():
                weights = log_weights[rows]
                families[rows] = families[self._resample(rows, torch.softmax(weights, 0))]
                log_weights[rows] = torch.logsumexp(weights, 0) - math.log(len(rows))
            self._run(self._bits, [step * level] * _SWEEPS_A_LEVEL, products=products)
        shares = torch.bincount(families).double() / self.num_samples
        self.families = float(1 / shares.square().sum()) if resample else None
        return log_weights

    @torch.no_grad()
    def heat(self, levels: int) -> torch.Tensor:
        """The way back: from the chains as they are, which follow the model, to random spins.

        The mean of their weights estimates ``1 / Z``, so its negative logarithm tends to be too
        large where annealing is too small (Grosse, Ghahramani and Adams 2015): a sandwich.

        Returns:
            As :meth:`anneal`, such that ``log Z = -log mean exp(-w)``.
        """
        levels = require_count("levels", levels, error=SamplerError)
        require_beta(self.beta)
        self.require_finite_model()
        energies, products = self._energies(), self._products()
        start = self.grbm.n_nodes * math.log(2)
        log_weights = torch.full((self.num_samples,), start, dtype=torch.float64)
        step = self.beta / levels
        for level in reversed(range(1, levels + 1)):
            self._run(self._bits, [step * level] * _SWEEPS_A_LEVEL, products=products)
            log_weights -= step * energies(self._bits)
        return log_weights

    def _energies(self) -> Callable[[torch.Tensor], torch.Tensor]:
        """What gives the energy of each chain, float64, from the bits."""
        fields, couplings = self._fields(self._classes), self._couplings()
        matrix = self._matrix(couplings, 0, len(self._order))

        def energies(bits: torch.Tensor) -> torch.Tensor:
            spins = bits * 2 - 1
            return (spins * (fields + torch.mm(matrix, spins) / 2)).sum(0).cpu().double()

        return energies

    def _resample(self, rows: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
        """Draw the chains ``rows`` anew in proportion to ``shares`` (systematic); which ones."""
        device = self._bits.device
        offset = float(torch.rand(1, generator=self._generator, device=device))
        chosen = rows[systematic(len(rows), shares, offset)]
        self._bits[:, rows.to(device)] = self._bits[:, chosen.to(device)]
        return chosen

    @torch.no_grad()
    def mixing(self) -> float:
        """How well the chains forget within 100 sweeps: 1 all, 0 nothing (the slowest spin's part).

        See :func:`~qdvae_helpers.samplers.mixing.remembered`.

        The chains and their random numbers are left alone; a copy goes on with numbers of its own.
        """
        self.require_finite_model()
        bits = self._bits[:, :WATCHED].clone()
        classes = self._classes[:WATCHED]
        products = self._products(classes)
        generator = torch.Generator(bits.device).manual_seed(self._seed)

        def run(sweeps: int) -> None:
            self._run(bits, [self.beta] * sweeps, products=products, generator=generator)

        means = []
        for pause in (0, LAG - WINDOW):
            run(pause)
            total = torch.zeros_like(bits)
            for _ in range(WINDOW):
                run(1)
                total += bits
            means.append(2 * total / WINDOW - 1)
        memory = remembered(*means, [rows for _, rows in in_groups(classes)])
        return 1 - float(memory.max().clamp(0, 1)) if len(memory) else 1.0

    def diagnostics(self) -> dict[str, float]:
        """How well the chains mix, see :meth:`mixing`; of fewer than 64 chains nobody can tell."""
        return {"mixing": self.mixing()} if self.num_samples >= FEWEST_WATCHED else {}

    def doubt(self) -> str:
        """See :meth:`SpinSampler.doubt`; after annealing, whether few first chains are left.

        The effective number of families, ``1 / sum of squared shares``, is what a population knows
        of the valleys (Machta 2010; Wang, Machta and Katzgraber 2015, arXiv:1508.05647).
        """
        if self.families is None:
            return MIXING_REMEDY if self.diagnostics().get("mixing", 1) < HARDLY_MIXED else ""
        return few_families(self.families, self.num_samples)

    @torch.no_grad()
    def _sweep(self, sweeps: int) -> None:
        """Sweeps of the persistent chains; on a CUDA device from the second call on as a graph."""
        parameters = tuple(self.grbm.parameters())
        betas = [self.beta] * sweeps
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
        betas: list[float],
        clamps: torch.Tensor | None = None,
        products: list[tuple[torch.Tensor, torch.Tensor]] | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        """Sweep ``bits`` in place, once for each inverse temperature."""
        generator = self._generator if generator is None else generator
        products = self._products() if products is None else products
        widest = max(end - start for start, end in self._blocks)
        fields = bits.new_empty(widest, bits.shape[1])
        noise = torch.empty_like(fields)
        for beta in betas:
            for (start, end), (bias, weight) in zip(self._blocks, products, strict=True):
                p, u, target = fields[: end - start], noise[: end - start], bits[start:end]
                torch.addmm(bias, weight, bits, beta=beta, alpha=beta, out=p)
                p.sigmoid_()
                u.uniform_(generator=generator)
                torch.lt(u, p, out=target)
                if clamps is not None:
                    held = clamps[start:end]
                    torch.where(held.isnan(), target, held, out=target)

    def _products(
        self, classes: torch.Tensor | None = None
    ) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """For each colour a bias and a weight: with the bits they make the sigmoid's argument."""
        # With s = 2b - 1 the field h + J s becomes (h - J 1) + 2 J b, so the argument of the
        # sigmoid, -2 beta times that, is linear in the bits.
        fields = self._fields(self._classes if classes is None else classes)
        couplings = self._couplings()
        row_sums = torch.zeros_like(fields[:, 0]).index_add_(0, self._rows, couplings)
        bias = -2 * (fields - row_sums.unsqueeze(1))
        return [
            (bias[start:end], self._matrix(-4 * couplings, start, end))
            for start, end in self._blocks
        ]

    def _fields(self, classes: torch.Tensor) -> torch.Tensor:
        """``h`` in the order of the rows: ``(n, chains)`` by class, or ``(n, 1)`` for all."""
        fields = class_fields(self.grbm).detach().to(self._bits.device, torch.float32)
        if len(fields) > 1:
            fields = fields.index_select(0, classes.to(fields.device))
        return fields[:, self._order].T

    def _couplings(self) -> torch.Tensor:
        """The entries of the symmetric ``J``, in the order of their rows."""
        quadratic = self.grbm.quadratic.detach().to(self._bits.device, torch.float32)
        return quadratic[self._edge_of_entry]

    def _matrix(self, entries: torch.Tensor, start: int, end: int) -> torch.Tensor:
        """Rows ``start`` to ``end`` of the symmetric matrix with these entries."""
        first, last = self._row_starts[start], self._row_starts[end]
        columns, entries = self._columns[first:last], entries[first:last]
        size = (end - start, self.grbm.n_nodes)
        if entries.device.type == "cpu" and torch.backends.mkl.is_available():
            starts = torch.tensor(self._row_starts[start : end + 1]) - first
            with warnings.catch_warnings():  # torch calls its sparse matrices a beta
                warnings.simplefilter("ignore", UserWarning)
                return torch.sparse_csr_tensor(starts, columns, entries, size)
        matrix = entries.new_zeros(size)
        matrix[self._rows[first:last] - start, columns] = entries
        return matrix

    def _random_bits(self, num_samples: int) -> torch.Tensor:
        size = (self.grbm.n_nodes, num_samples)
        device = self._generator.device
        return torch.randint(2, size, generator=self._generator, device=device).float()

    def _to_spins(self, bits: torch.Tensor) -> torch.Tensor:
        return (bits[self._position] * 2 - 1).T.contiguous().to(self.grbm.linear)

    def _describe(self) -> str:
        at = "" if self.beta == 1 else f" at inverse temperature {self.beta:g}"
        return f"Gibbs sampling on a classical computer, {self.num_samples:,} chains{at}"

    def _describe_parameters(self) -> dict:
        return super()._describe_parameters() | {"sweeps": self.sweeps, "beta": self.beta}

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The chains and the state of their random numbers, to continue from."""
        return super().state_dict() | {
            "bits": self._bits.to(torch.uint8),
            "generator": self._generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Continue where :meth:`state_dict` was taken; refuses another number of chains."""
        if state["bits"].shape != self._bits.shape:
            raise SamplerError(
                f"The saved chains have shape {tuple(state['bits'].shape)}, this sampler's "
                f"{tuple(self._bits.shape)}: use the same number of chains and spins."
            )
        super().load_state_dict(state)
        self._bits.copy_(state["bits"])
        self._generator.set_state(state["generator"].cpu())
