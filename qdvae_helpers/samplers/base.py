"""What all samplers share, with defaults: no caller has to ask which one it holds."""

import contextlib
from collections.abc import Iterator

import networkx as nx
import numpy as np
import torch
from dwave.plugins.torch.models import GraphRestrictedBoltzmannMachine
from dwave.plugins.torch.samplers import TorchSampler

from qdvae_helpers.arguments import (
    require_count,
    require_grbm,
    require_kind,
    require_number,
    require_seed,
)
from qdvae_helpers.errors import SamplerError
from qdvae_helpers.graphs import QPUGraph
from qdvae_helpers.priors import (
    ClassBoltzmannMachine,
    even_classes,
    in_groups,
    n_classes,
    of_class,
    require_classes,
    usual_classes,
)
from qdvae_helpers.provenance import Provenance
from qdvae_helpers.qpu.budget import Plan

_HUGE = 1e30  # single precision ends not much above
_COLDEST = 1e6  # times the largest biases it is still a number of single precision
_MOST_BITS = 2**30  # spins of all samples of a call together: 4 GB


def graph_of(grbm: GraphRestrictedBoltzmannMachine) -> QPUGraph:
    """The graph a GRBM lives on, for its hash; use the original ``QPUGraph`` where you have it."""
    edges = tuple((grbm.node_to_idx[u], grbm.node_to_idx[v]) for u, v in grbm.edges)
    return QPUGraph(tuple(range(grbm.n_nodes)), edges, "unnamed", ())


def plain_graph(grbm: GraphRestrictedBoltzmannMachine) -> nx.Graph:
    """The same for networkx, with the GRBM's own names of nodes."""
    plain = nx.Graph()
    plain.add_nodes_from(grbm.nodes)
    plain.add_edges_from(grbm.edges)
    return plain


def require_beta(beta: float) -> float:
    """An inverse temperature: 0 (all strings alike) to a million; SamplerError for others."""
    return require_number("beta", beta, least=0, most=_COLDEST, error=SamplerError)


class SpinSampler(TorchSampler):
    """What all samplers share: the model, its graph, a seed, a count of calls.

    Args:
        grbm: the model to sample; never changed.
        num_samples: spin strings that each call gives.
        graph: the graph it lives on, for its name, hash and colouring.
        seed: the same seed gives the same sequence of samples.

    Raises:
        SamplerError: a number out of range, a model without spins, or one of half precision.
    """

    kind = ""
    simulated = True  #: whether a classical computer draws the spins; only a real QPU's are not

    def __init__(
        self,
        grbm: GraphRestrictedBoltzmannMachine,
        num_samples: int,
        graph: QPUGraph | None,
        seed: int,
    ) -> None:
        require_grbm(grbm, SamplerError)
        if graph is not None and (
            list(require_kind("graph", graph, QPUGraph, SamplerError).nodes) != list(grbm.nodes)
            or list(graph.edges) != list(grbm.edges)
        ):
            raise SamplerError(
                "The graph's qubits and couplers are not the GRBM's nodes and edges in the same "
                "order: build it with GraphRestrictedBoltzmannMachine(graph.nodes, graph.edges)."
            )
        self.grbm = grbm
        most = _MOST_BITS // grbm.n_nodes
        self.num_samples = require_count("num_samples", num_samples, 1, most, SamplerError)
        self.graph = graph if graph is not None else graph_of(grbm)
        self._seed = require_seed(seed, error=SamplerError)
        self._calls = 0
        self._classes = usual_classes(self.num_samples, grbm)
        super().__init__()

    @property
    def classes(self) -> torch.Tensor | None:
        """The class ``(num_samples,)`` that each string is drawn of; ``None`` if there is but one.

        At first as frequent as the prior's shares say.  Set it to draw others from the next call
        on; a SamplerError refuses classes that the prior does not know.
        """
        return self._classes if n_classes(self.grbm) > 1 else None

    @classes.setter
    def classes(self, classes: torch.Tensor) -> None:
        classes = require_classes("classes", classes, self.grbm, self.num_samples, SamplerError)
        self._classes.copy_(classes)  # in place: a captured CUDA graph reads this memory

    def spread_evenly(self) -> None:
        """Draw equally many strings of each class, which training needs; a SamplerError if fewer
        strings are drawn than there are classes.
        """
        if (k := n_classes(self.grbm)) > self.num_samples:
            raise SamplerError(
                f"{self.num_samples:,} samples cannot hold one of each of {k} classes: give the "
                "sampler more, or the model fewer classes."
            )
        self.classes = even_classes(self.num_samples, self.grbm)

    def _problems(
        self, classes: torch.Tensor
    ) -> Iterator[tuple[GraphRestrictedBoltzmannMachine, int, torch.Tensor]]:
        """Each class as a model of its own, its number, and the rows that ask for it."""
        for y, rows in in_groups(classes):
            yield (of_class(self.grbm, y) if n_classes(self.grbm) > 1 else self.grbm), y, rows

    def fresh(self) -> torch.Tensor:
        """Spins ``(num_samples, n)`` that owe nothing to earlier calls."""
        return self.sample()

    def more(self) -> torch.Tensor:
        """Further spins ``(num_samples, n)``, to stand beside the last ones as if they were new."""
        return self.sample()

    def plan(self, calls: int) -> Plan | None:
        """What so many calls cost; ``None`` where they cost nothing."""
        return None

    def diagnostics(self) -> dict[str, float]:
        """Numbers of a sampler's own for the reports of a training run."""
        return {}

    def doubt(self) -> str:
        """Why the last spins may not follow the model; empty where nothing speaks against it."""
        return ""

    @contextlib.contextmanager
    def steady(self) -> Iterator[None]:
        """Inside, all samples are drawn alike, as :attr:`provenance` will say afterwards."""
        yield

    def salvage(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Spins ``(reads, n)`` of a call that broke off, and their classes; handed out once."""
        return []

    def problem_on_chip(self) -> tuple[QPUGraph, torch.Tensor]:
        """The qubits and couplers in use, and the couplings as a device would get them."""
        return self.graph, self.grbm.quadratic.detach()

    def close(self) -> None:
        """End a connection, where the sampler has one; it cannot be used afterwards."""

    @property
    def exhausted(self) -> bool:
        """Whether another call is not affordable; only a QPU with a budget ever says so."""
        return False

    def require_model(self, grbm: GraphRestrictedBoltzmannMachine) -> None:
        """Refuse (SamplerError) a model that this sampler does not draw from."""
        if grbm is not self.grbm:
            raise SamplerError(
                "This sampler draws from another model: make a new one with "
                "make_sampler(model.grbm, ...) after building the model."
            )

    def require_finite_model(self) -> None:
        """Refuse (SamplerError) fields or couplings that are no finite numbers, and name one.

        Reading an answer from a GPU waits for all its work, so this is not asked at every step.
        """
        grbm = self.grbm
        parameters = [p.detach() for p in grbm.parameters()]
        if grbm.linear.dtype not in (torch.float32, torch.float64):
            raise SamplerError(
                f"This model's numbers are {grbm.linear.dtype}: make them grbm.float() or "
                "grbm.double()."
            )
        if float(sum(p.abs().sum() for p in parameters)) < _HUGE:
            return
        named = (("field h", "qubit", grbm.nodes), ("coupling J", "coupler", grbm.edges))
        for (what, place, names), values in zip(named, (grbm.linear, grbm.quadratic), strict=True):
            for name, value in zip(names, values.tolist(), strict=True):
                if not abs(value) < _HUGE:  # so is NaN
                    raise SamplerError(
                        f"The {what} of {place} {name} is {value}: a model needs finite numbers of "
                        "an ordinary size. Load it again, or train with lower learning rates."
                    )
        if isinstance(grbm, ClassBoltzmannMachine):
            for y, biases in enumerate(grbm.class_biases):
                if not bool((biases.abs() < _HUGE).all()):
                    raise SamplerError(
                        f"A bias of class {y} is no finite number of an ordinary size: load the "
                        "model again, or train with lower learning rates."
                    )

    @property
    def provenance(self) -> Provenance:
        """Where the samples of the next call come from."""
        made_with = self._describe_parameters()
        return Provenance(self.kind, self._describe(), self.graph.hash, made_with)

    def _describe(self) -> str:
        raise NotImplementedError

    def _describe_parameters(self) -> dict:
        about = {"seed": self._seed, "num_samples": self.num_samples}
        return about | ({"classes": k} if (k := n_classes(self.grbm)) > 1 else {})

    def _check_clamps(self, x: torch.Tensor) -> torch.Tensor:
        if not isinstance(x, torch.Tensor) or not x.is_floating_point():
            raise SamplerError("Clamped spins must be a tensor of floats: -1, +1, or NaN.")
        if x.dim() != 2 or x.shape[0] < 1 or x.shape[1] != self.grbm.n_nodes:
            raise SamplerError(
                f"Clamped spins have shape {tuple(x.shape)}: give (chains, {self.grbm.n_nodes})."
            )
        if not (x.isnan() | (x.abs() == 1)).all():
            raise SamplerError("Clamped spins must be -1, +1, or NaN where a spin is free.")
        return x

    def _clamped_classes(self, rows: int, classes: torch.Tensor | None) -> torch.Tensor:
        """The classes of clamped strings; as frequent as the shares say if none are given."""
        if classes is None:
            return usual_classes(rows, self.grbm)
        return require_classes("classes", classes, self.grbm, rows, SamplerError)

    def fresh_seed(self) -> int:
        """A new seed for each call, reproducible from the sampler's own seed."""
        self._calls += 1
        return int(np.random.default_rng([self._seed, self._calls]).integers(2**31))

    def state_dict(self) -> dict[str, torch.Tensor]:
        """All that is needed to continue the same sequence of samples later."""
        state = {"calls": torch.tensor(self._calls)}
        return state if self.classes is None else state | {"classes": self._classes.cpu()}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Continue where :meth:`state_dict` was taken."""
        self._calls = int(state["calls"])
        if self.classes is not None:
            self.classes = state["classes"]
