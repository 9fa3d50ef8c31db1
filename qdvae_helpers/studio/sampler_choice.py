"""Which sampler draws the spins and, where it is a real QPU, which one of the account's."""

import ipywidgets as widgets

from qdvae_helpers.qpu.leap import account_solvers
from qdvae_helpers.widgets.panels import Message, choice, on_change
from qdvae_helpers.widgets.worker import LatestOnly

#: Samplers to choose from, for people and for :func:`~qdvae_helpers.samplers.make_sampler`.
SAMPLERS = [
    ("Gibbs sampling (classical)", "gibbs"),
    ("simulated QPU (classical annealing)", "annealer"),
    ("exact (classical, up to about 56 latents)", "exact"),
    ("QPU, live (Leap token and budget)", "qpu"),
]
_USUAL = ("that of D-Wave's settings, or the largest", "")  # None would be shown as no choice


class SamplerChoice:
    """A list of samplers; where a live QPU is chosen, a list of the account's solvers, too.

    Leap is asked in a thread, and only then.  Without a token the message says how to set one.

    Args:
        more: further samplers, as in :data:`SAMPLERS`.
    """

    def __init__(self, more: tuple[tuple[str, str], ...] = ()) -> None:
        self.list = choice("sampler", [*SAMPLERS, *more])
        self.solver = choice("solver", [_USUAL])
        self.message = Message()
        self.worker = LatestOnly(self.message.error)
        self.widget = widgets.VBox([self.list, self.solver, self.message.widget])
        self.widget.add_class("qdvae-row")
        on_change(self.list, self._chosen)
        self._chosen()

    @property
    def kind(self) -> str:
        """The sampler's name."""
        return self.list.value

    @property
    def name_of_solver(self) -> str | None:
        """The QPU that was chosen from the list; ``None`` for the usual one, or no QPU."""
        return self.solver.value or None if self.kind == "qpu" else None

    @property
    def options(self) -> dict[str, str]:
        """What :func:`~qdvae_helpers.samplers.make_sampler` needs beside the kind."""
        return {"solver": self.name_of_solver} if self.name_of_solver else {}

    def stop(self) -> None:
        """Ask no more."""
        self.worker.close()

    def _chosen(self) -> None:
        live = self.kind == "qpu"
        self.solver.layout.display = None if live else "none"
        self.message.clear()
        if live:
            self.message.say("asking Leap which solvers your account has")
            self.worker.submit(self._ask)

    def _ask(self) -> None:
        found = [(line, name) for name, line in account_solvers()]
        chosen = self.solver.value
        self.solver.options = [_USUAL, *found]
        if chosen in [name for _, name in found]:
            self.solver.value = chosen
        if self.kind == "qpu":
            self.message.say(f"{len(found)} solver{'s' * (len(found) != 1)} of your account")
