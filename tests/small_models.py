"""Models small enough to know everything about, and samplers that only pretend."""

import torch
from dwave.plugins.torch.models import GraphRestrictedBoltzmannMachine

from qdvae_helpers.evaluate import enumerate_states
from qdvae_helpers.graphs import QPUGraph
from qdvae_helpers.models import QDVAE
from qdvae_helpers.priors import ClassBoltzmannMachine
from qdvae_helpers.samplers import SpinSampler


def random_grbm(graph: QPUGraph, seed: int, scale: float = 0.4) -> GraphRestrictedBoltzmannMachine:
    """A Boltzmann machine with Gaussian biases of both signs, strong enough to matter."""
    generator = torch.Generator().manual_seed(seed)
    grbm = GraphRestrictedBoltzmannMachine(graph.nodes, graph.edges)
    grbm.linear.data = scale * torch.randn(grbm.n_nodes, generator=generator)
    grbm.quadratic.data = scale * torch.randn(grbm.n_edges, generator=generator)
    return grbm


SHARES = (0.5, 0.3, 0.2)  # of three classes


def class_grbm(graph: QPUGraph, seed: int = 3, scale: float = 0.4) -> ClassBoltzmannMachine:
    """The same with three unequally frequent classes, whose biases differ."""
    plain = random_grbm(graph, seed, scale)
    grbm = ClassBoltzmannMachine(graph.nodes, graph.edges, len(SHARES))
    grbm.linear.data, grbm.quadratic.data = plain.linear.data, plain.quadratic.data
    generator = torch.Generator().manual_seed(seed + 1)
    grbm.class_biases.data = scale * torch.randn(len(SHARES), grbm.n_nodes, generator=generator)
    grbm.shares.copy_(torch.tensor(SHARES))
    return grbm


def z_scores(grbm, spins, beta=1.0, given=None) -> torch.Tensor:
    """Deviation of all first and pair moments from the exact ones, in standard errors.

    A moment estimated from M independent samples has a standard error that is known exactly here.
    """
    exact = enumerate_states(grbm, beta)
    states, p = exact.states, exact.probabilities
    if given is not None:  # condition on clamped spins
        match = ((states == given) | given.isnan()).all(1)
        p = torch.where(match, p, 0)
        p = p / p.sum()
    truth = p @ grbm.sufficient_statistics(states).double()
    estimate = grbm.sufficient_statistics(spins).double().mean(0)
    error = ((1 - truth**2).clamp(min=1e-12) / len(spins)).sqrt()
    return ((estimate - truth) / error)[1 - truth**2 > 1e-9]


def true_beta(device) -> float:
    """The inverse temperature that a simulated device does not tell."""
    return device.substitute_kwargs["beta_range"][1]


def new_model(graph: QPUGraph, seed: int = 0) -> QDVAE:
    """A small model whose weights follow the seed."""
    torch.manual_seed(seed)
    return QDVAE(graph, (32,))


def same_parameters(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    """Whether all weights are equal, bit for bit."""
    return all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))


class StubSampler(SpinSampler):
    """Random spins that know nothing of the model, from a budget of so many calls."""

    kind = "stub"

    def __init__(self, model: QDVAE, budget: int = 1_000_000) -> None:
        super().__init__(model.grbm, 30, model.graph, 0)
        self.calls = 0
        self.budget = budget
        self.asked: list[int] = []  # what plans were made of

    def sample(self) -> torch.Tensor:
        self.calls += 1
        generator = torch.Generator().manual_seed(self.calls)
        return 2.0 * torch.randint(2, (30, self.grbm.n_nodes), generator=generator) - 1

    def plan(self, calls: int) -> None:
        self.asked.append(calls)

    @property
    def exhausted(self) -> bool:
        return self.calls >= self.budget

    def _describe(self) -> str:
        return "random spins"
