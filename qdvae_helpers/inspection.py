"""Looking at a problem on the chip, in D-Wave's inspector or without it (lessons 04 and 06).

The inspector shows submissions to a real QPU in an app of its own, which is licensed separately
(``dwave install inspector``).  Without a submission or without the app its ``show()`` would wait
for ever, so then the same problem is drawn here.
"""

import importlib.util

from matplotlib.figure import Figure

from qdvae_helpers.graphs import QPUGraph
from qdvae_helpers.plots import qpu_figure
from qdvae_helpers.samplers import SpinSampler


def inspect_problem(sampler: SpinSampler) -> tuple[str, Figure | None]:
    """Open the inspector on one new submission, or draw where the problem lies.

    Args:
        sampler: any; only that of a real QPU has submissions.  One call of it is spent then,
            because the inspector sees only what is submitted after its import.

    Returns:
        What was done and why, and the figure if one was drawn.
    """
    if sampler.kind != "qpu":
        why = f"Nothing was submitted to a QPU (the spins come from: {sampler.provenance})"
    elif importlib.util.find_spec("dwave._inspectorapp") is None:
        why = "The inspector's app is not installed ('dwave install inspector')"
    else:
        import dwave.inspector  # from here on every submission is kept in memory

        sampler.sample()
        problem = sampler.device.careful.last_problem_id
        address = dwave.inspector.show(problem, block="never")
        return f"D-Wave's inspector shows problem {problem}: {address}", None
    return f"{why}, so the problem is drawn here.", _drawn(sampler)


def _drawn(sampler: SpinSampler) -> Figure:
    """Couplings as they are programmed, prefactor included, on the qubits that carry them."""
    grbm, graph = sampler.grbm, sampler.graph
    scale = getattr(sampler, "prefactor", 1.0)
    values = dict(zip(graph.edges, (scale * grbm.quadratic.detach()).tolist(), strict=True))
    placed = graph
    if sampler.kind == "qpu":
        qubit = sampler.device.embedding
        values = {tuple(sorted((qubit[u], qubit[v]))): j for (u, v), j in values.items()}
        qubits = tuple(qubit[node] for node in graph.nodes)
        placed = QPUGraph(qubits, tuple(values), graph.topology, graph.shape)
    couplings = grbm.quadratic.new_tensor([values[edge] for edge in placed.edges])
    return qpu_figure(placed, couplings, title=f"{len(placed.nodes)} spins on their qubits")
