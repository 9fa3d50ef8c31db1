"""What only a real QPU needs (docs/qpu.md): reaching it, paying, placing a model, keeping answers.

``submission`` sends one problem, ``device`` makes a call of several, ``placement`` finds qubits for
a model.  The sampler on top of it all is :class:`~qdvae_helpers.samplers.LiveSampler`.
"""

from qdvae_helpers.qpu.budget import qpu_tally

__all__ = ["qpu_tally"]
