"""The simulated QPU: D-Wave's interface, ranges and unknown temperature, sampled classically."""

import dimod
import numpy as np
from dwave.samplers import SimulatedAnnealingSampler
from dwave.system.testing import MockDWaveSampler

from qdvae_helpers.arguments import require_count, require_number, require_seed
from qdvae_helpers.errors import SamplerError
from qdvae_helpers.graphs import QPUGraph
from qdvae_helpers.qpu.ranges import check_ranges


class SimulatedQPU(MockDWaveSampler):
    """A classical stand-in for a QPU behind D-Wave's own sampler interface.

    It enforces the ranges of h and J and samples at an inverse temperature that the user is not
    told, as a real device does; it is simulated annealing, with nothing quantum in it.

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
        if not graph.nodes:
            raise SamplerError("A device without qubits cannot be made: give it a graph with some.")
        self._seed = seed = require_seed(seed, error=SamplerError)
        # Between 5 and 8 in units of the programmed J, as measured on real devices
        # (source: comment in dwave-pytorch-plugin's boltzmann_machine.py).
        self._hidden_beta = np.random.default_rng(seed).uniform(5, 8)
        self._noise = require_number("noise", noise, least=0, error=SamplerError)
        num_sweeps = require_count("num_sweeps", num_sweeps, error=SamplerError)
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
