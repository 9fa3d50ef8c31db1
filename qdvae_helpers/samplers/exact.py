"""Independent exact samples of small or sparse graphs (taught in lesson 04)."""

import random

import dimod
import dwave.graphs as dg
import numpy as np
import torch
from dwave.plugins.torch.models import GraphRestrictedBoltzmannMachine
from dwave.samplers import TreeDecompositionSampler

from qdvae_helpers.errors import SamplerError
from qdvae_helpers.graphs import QPUGraph
from qdvae_helpers.priors import of_class as prior_of_class
from qdvae_helpers.samplers.base import SpinSampler, plain_graph, require_beta

_MAX_TREEWIDTH = 25  # the limit of dwave-samplers' tree decomposition


def _elimination_order(grbm: GraphRestrictedBoltzmannMachine) -> tuple[int, list]:
    """A bound on the treewidth with its order of elimination, which decides a seed's samples."""
    # The heuristic breaks ties with Python's global random numbers.
    state = random.getstate()
    random.seed(0)
    try:
        return dg.min_fill_heuristic(plain_graph(grbm))
    finally:
        random.setstate(state)


class ExactSampler(SpinSampler):
    """Independent exact samples by tree decomposition (dwave-samplers), for small graphs.

    Args:
        grbm: the model; the treewidth of its graph must not exceed 25.
        beta: inverse temperature, 0 or more.
        num_samples, seed, graph: see :class:`SpinSampler`.

    Raises:
        SamplerError: the graph is too large for an exact answer, or a number is none.
    """

    kind = "exact"

    def __init__(
        self,
        grbm: GraphRestrictedBoltzmannMachine,
        num_samples: int = 256,
        *,
        beta: float = 1.0,
        seed: int = 0,
        graph: QPUGraph | None = None,
    ) -> None:
        super().__init__(grbm, num_samples, graph, seed)
        self.beta = require_beta(beta)
        self.treewidth, self._elimination_order = _elimination_order(grbm)
        if self.treewidth > _MAX_TREEWIDTH:
            raise SamplerError(
                f"This graph of {grbm.n_nodes} nodes has treewidth {self.treewidth} or less by our "
                f"bound; exact sampling ends at {_MAX_TREEWIDTH}. Use at most about 56 qubits of a "
                "Zephyr graph, or the sampler 'gibbs'."
            )

    def sample(self, x: torch.Tensor | None = None) -> torch.Tensor:
        """Independent spins ``(num_samples, n)``; clamping is left to the ``gibbs`` sampler."""
        if x is not None:
            raise SamplerError("The exact sampler cannot clamp spins: use the sampler 'gibbs'.")
        seed = self.fresh_seed()
        spins = self.grbm.linear.new_empty(self.num_samples, self.grbm.n_nodes)
        for model, y, rows in self._problems(self._classes):
            samples = self._solve(model, len(rows), seed + y)
            columns = [samples.variables.index(node) for node in self.grbm.nodes]
            drawn = samples.record.sample[:, columns].astype(np.float32)
            spins[rows] = torch.from_numpy(drawn).to(spins)
        return spins

    def log_partition_function(self, of_class: int = 0) -> float:
        """``log Z = log sum_s exp(-beta E(s))``, exactly; leaves the sequence of samples alone.

        Where the prior knows several classes each has its own.
        """
        model = prior_of_class(self.grbm, of_class, SamplerError)
        return float(self._solve(model, 1, seed=0).info["log_partition_function"])

    def _solve(
        self, model: GraphRestrictedBoltzmannMachine, num_reads: int, seed: int
    ) -> dimod.SampleSet:
        require_beta(self.beta)
        self.require_finite_model()
        bqm = dimod.BinaryQuadraticModel.from_ising(*model.to_ising(1.0))
        return TreeDecompositionSampler().sample(
            bqm,
            num_reads=num_reads,
            elimination_order=self._elimination_order,
            beta=self.beta,
            marginals=False,
            seed=seed,
        )

    def _describe(self) -> str:
        return f"exact sampling by tree decomposition, {self.num_samples:,} samples"

    def _describe_parameters(self) -> dict:
        return super()._describe_parameters() | {"beta": self.beta}
