"""What a device accepts: ranges of h and J, and of sums of J over groups of couplers."""

from collections.abc import Callable, Hashable, Mapping

import dimod
import networkx as nx
import numpy as np
from dwave.system.coupling_groups import coupling_groups

from qdvae_helpers.errors import SamplerError


def j_range(properties: dict) -> list[float]:
    """The range of J without rescaling; older solvers have no extended one."""
    return properties.get("extended_j_range") or properties["j_range"]


def check_ranges(
    linear: Mapping[Hashable, float],
    quadratic: Mapping[tuple[Hashable, Hashable], float],
    properties: dict,
) -> None:
    """Refuse h and J outside ``h_range`` and :func:`j_range` of a device's properties.

    Raises:
        SamplerError: names the worst value, its range, and what to do.
    """
    for name, values, (low, high) in (
        ("h", linear.values(), properties["h_range"]),
        ("J", quadratic.values(), j_range(properties)),
    ):
        values = np.fromiter(values, float)
        worst = values[np.argmax(np.maximum(values - high, low - values))] if len(values) else 0.0
        if not low <= worst <= high:
            raise SamplerError(
                f"{name} = {worst:.3g} is outside the device's range [{low:g}, {high:g}]: lower "
                "the prefactor, or train with smaller weights."
            )


def check_coupling_groups(
    bqm: dimod.BinaryQuadraticModel, whole_graph: Callable[[], nx.Graph], properties: dict
) -> None:
    """Refuse what Zephyr devices refuse: a too large sum of J over a group of a qubit's couplers.

    Those without ``per_group_coupling_range`` have no such limit.  ``whole_graph`` gives the
    device's graph and is only asked where a group could reach it.

    Raises:
        SamplerError: names the qubit, the sum and its range.
    """
    if "per_group_coupling_range" not in properties:
        return
    low, high = properties["per_group_coupling_range"]
    load = dict.fromkeys(bqm.variables, 0.0)
    for (u, v), value in bqm.quadratic.items():
        load[u] += abs(value)
        load[v] += abs(value)
    if max(load.values(), default=0) <= min(-low, high):
        return
    for group in coupling_groups(whole_graph()):
        total = sum(bqm.adj[u].get(v, 0.0) for u, v in group if u in bqm.adj)
        if not low <= total <= high:
            raise SamplerError(
                f"The couplings of a group at qubit {group[0][1]} add up to {total:.2f}, the "
                f"device allows [{low:g}, {high:g}]: lower the prefactor."
            )
