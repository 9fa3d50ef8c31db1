"""Lesson 04's widget: a small Boltzmann machine on a chip."""

import copy

import numpy as np
import torch
from dwave.plugins.torch.models import GraphRestrictedBoltzmannMachine

from qdvae_helpers.evaluate import enumerate_states
from qdvae_helpers.graphs import QPUGraph
from qdvae_helpers.plots import BLUE, INK, draw_qpu, new_figure
from qdvae_helpers.samplers import GibbsSampler
from qdvae_helpers.widgets.panels import Number, Panel, Picture, beside, choice, on_change
from qdvae_helpers.widgets.worker import LatestOnly


class QPUExplorer(Panel):
    """Biases, couplings, a temperature, and the samples on a small part of a QPU graph.

    Args:
        grbm: to begin with; copied.  At most 20 spins, since the exact energies stand beside.
        graph: where it lives.
    """

    _CHAINS = 500

    def __init__(self, grbm: GraphRestrictedBoltzmannMachine, graph: QPUGraph) -> None:
        super().__init__()
        self.grbm, self.graph = copy.deepcopy(grbm).requires_grad_(False), graph
        self.qubit = choice("qubit", [(str(q), i) for i, q in enumerate(graph.nodes)])
        self.h = Number("its bias h", 0.0, -3.0, 3.0, 0.1)
        couplers = [(f"{u} and {v}", i) for i, (u, v) in enumerate(graph.edges)]
        self.coupler = choice("coupler", couplers)
        self.J = Number("its coupling J", 0.0, -3.0, 3.0, 0.1)
        self.temperature = Number("temperature", 1.0, 0.1, 5.0, 0.1)
        self.sweeps = Number("sweeps", 20, 0, 300)
        self.shown = choice("show", ["mean of all chains", "one chain"])
        self.result = Picture()
        self._filling = False
        self.worker = LatestOnly(self.message.error, pause=0.02)
        for dropdown in (self.qubit, self.coupler):
            on_change(dropdown, self._fill)
        for number in (self.h, self.J):
            number.on_change(self.guarded(self._set))
        for control in (self.temperature.field, self.sweeps.field, self.shown):
            on_change(control, self._sample_soon)
        self.widget.add_class("qdvae-qpu")
        self.arrange(
            beside(self.qubit, self.h.widget),
            beside(self.coupler, self.J.widget),
            self.temperature.widget,
            self.sweeps.widget,
            self.shown,
            self.result.widget,
        )
        self._fill()
        self._draw()  # an error here belongs to the cell

    def close(self) -> None:
        """Stop sampling."""
        self.worker.close()
        super().close()

    def _fill(self) -> None:
        """Show the numbers of the chosen qubit and coupler, which changes nothing."""
        self._filling = True
        self.h.value = round(float(self.grbm.linear[self.qubit.value]), 2)
        self.J.value = round(float(self.grbm.quadratic[self.coupler.value]), 2)
        self._filling = False

    def _set(self) -> None:
        if not self._filling:
            self.grbm.linear.data[self.qubit.value] = self.h.value
            self.grbm.quadratic.data[self.coupler.value] = self.J.value
            self._sample_soon()

    def _sample_soon(self) -> None:
        self.worker.submit(self._draw)

    @torch.no_grad()
    def _draw(self) -> None:
        beta, sweeps = 1 / self.temperature.value, self.sweeps.value
        sampler = GibbsSampler(self.grbm, self._CHAINS, beta=beta, seed=0, graph=self.graph)
        spins = sampler.sample(sweeps=sweeps)
        exact = enumerate_states(self.grbm, beta)
        levels = self.grbm(exact.states)
        truth = float(exact.probabilities @ levels.double())
        energies = self.grbm(spins)
        widths = {"width_ratios": (1.2, 1)}
        fig, (left, right) = new_figure(1, 2, figsize=(10, 4), layout=None, gridspec_kw=widths)
        fig.subplots_adjust(left=0.02, right=0.97, bottom=0.13, top=0.91, wspace=0.25)
        one = self.shown.value == "one chain"
        title = "One chain" if one else f"Mean spins of {self._CHAINS} chains"
        shown = spins[0] if one else spins.mean(0)
        draw_qpu(left, self.graph, self.grbm.quadratic, title=title, spins=shown)
        bins = np.histogram_bin_edges(levels.numpy(), 30).tolist()
        share = torch.full_like(energies, 1 / len(energies))
        right.hist(energies, bins, weights=share, color=BLUE, alpha=0.6, label="chains")
        right.hist(
            levels, bins, weights=exact.probabilities, histtype="step", color=INK, label="exact"
        )
        right.set(title="Energies", xlabel="energy (dimensionless)", ylabel="share")
        right.legend()
        error = float(energies.std()) / len(energies) ** 0.5
        self.message.say(
            f"temperature {self.temperature.value:.1f}, {sweeps} sweeps from random spins: mean "
            f"energy {float(energies.mean()):.2f} +- {error:.2f}, exact {truth:.2f}"
        )
        alt = f"Qubits coloured by spin, and energies of chains and exact. {self.message.text}."
        self.result.show(fig, alt=alt)
