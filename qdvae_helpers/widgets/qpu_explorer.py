"""Lesson 04's widget: a small Boltzmann machine on a chip."""

import copy

import ipywidgets as widgets
import numpy as np
import torch
from dwave.plugins.torch.models import GraphRestrictedBoltzmannMachine

from qdvae_helpers.evaluate import enumerate_states
from qdvae_helpers.graphs import QPUGraph
from qdvae_helpers.plots import BLUE, INK, new_figure
from qdvae_helpers.samplers import GibbsSampler
from qdvae_helpers.widgets.chip import Chip
from qdvae_helpers.widgets.panels import Number, Panel, Picture, choice, halves, on_change
from qdvae_helpers.widgets.worker import LatestOnly


class QPUExplorer(Panel):
    """Biases, couplings, a temperature, and the samples on a small part of a QPU graph.

    A click on the chip chooses a qubit or a coupler, as the lists do.

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
        self.chip, self.result = Chip(graph), Picture()
        for name, dropdown in (("qubit", self.qubit), ("coupler", self.coupler)):
            widgets.link((self.chip, name), (dropdown, "value"))
        self._filling = False
        self.worker = LatestOnly(self.message.error, pause=0.02)
        for dropdown in (self.qubit, self.coupler):
            on_change(dropdown, self._fill)
        for number in (self.h, self.J):
            number.on_change(self.guarded(self._set))
        for control in (self.temperature.field, self.sweeps.field, self.shown):
            on_change(control, self._sample_soon)
        self.widget.add_class("qdvae-qpu")
        controls = [self.qubit, self.h.widget, self.coupler, self.J.widget]
        controls += [self.temperature.widget, self.sweeps.widget, self.shown]
        self.arrange(halves(controls, [self.chip, self.result.widget]))
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
        one = self.shown.value == "one chain"
        fig, ax = new_figure(figsize=(6.2, 2.7), layout=None)
        fig.subplots_adjust(left=0.11, right=0.95, bottom=0.2, top=0.97)
        bins = np.histogram_bin_edges(levels.numpy(), 30).tolist()
        share = torch.full_like(energies, 1 / len(energies))
        one_shape = {"histtype": "stepfilled", "color": BLUE, "alpha": 0.6, "label": "chains"}
        ax.hist(energies, bins, weights=share, **one_shape)
        ax.hist(
            levels, bins, weights=exact.probabilities, histtype="step", color=INK, label="exact"
        )
        ax.set(xlabel="energy (dimensionless)", ylabel="share")
        ax.legend()
        error = float(energies.std()) / len(energies) ** 0.5
        self.message.say(
            f"temperature {self.temperature.value:.1f}, {sweeps} sweeps from random spins: mean "
            f"energy {float(energies.mean()):.2f} +- {error:.2f}, exact {truth:.2f}"
        )
        shown = "one chain" if one else f"the mean of {self._CHAINS} chains"
        self.chip.show(
            spins[0] if one else spins.mean(0),
            self.grbm.linear,
            self.grbm.quadratic,
            alt=f"Qubits coloured by the spins of {shown}, couplers by their couplings.",
        )
        alt = f"How often chains have an energy, and how often exactly. {self.message.text}."
        self.result.show(fig, alt=alt)
