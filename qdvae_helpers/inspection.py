"""Looking at a problem on the chip, in D-Wave's inspector or without it (lessons 04 and 06).

Without a submission to a real QPU, or without its app, which is licensed separately
(``dwave install inspector``), its ``show()`` would wait for ever: then the problem is drawn here.
"""

import importlib.util

from matplotlib.figure import Figure

from qdvae_helpers.arguments import require_kind
from qdvae_helpers.plots import qpu_figure
from qdvae_helpers.samplers import LiveSampler, SpinSampler


def inspect_problem(sampler: SpinSampler) -> tuple[str, Figure | None]:
    """Open the inspector on one new submission, or draw where the problem lies.

    One call of a real QPU is spent: the inspector sees only what is submitted after its import.

    Returns:
        What was done and why, and the figure if one was drawn: couplings as they are programmed,
        prefactor included, on the qubits that carry them.
    """
    require_kind("sampler", sampler, SpinSampler)
    if not isinstance(sampler, LiveSampler):
        why = f"Nothing was submitted to a QPU (the spins come from: {sampler.provenance})"
    elif importlib.util.find_spec("dwave._inspectorapp") is None:
        why = "The inspector's app is not installed ('dwave install inspector')"
    else:
        import dwave.inspector  # from here on every submission is kept in memory

        sampler.sample()
        problem = sampler.device.submitter.last_problem_id
        address = dwave.inspector.show(problem, block="never")
        return f"D-Wave's inspector shows problem {problem}: {address}", None
    graph, couplings = sampler.problem_on_chip()
    figure = qpu_figure(
        graph, couplings, title=f"Couplings of {len(graph.nodes)} spins on the chip"
    )
    return f"{why}, so the problem is drawn here.", figure
