"""The widgets of the lessons: each moves what the static figure beside it shows.

They answer at once, or, where an answer takes longer, in a thread that always works on the latest
wish.  They change nothing of the lesson: models are copied or only read.
"""

import copy
import math
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import ipywidgets as widgets
import numpy as np
import torch
import torch.nn.functional as F
from dwave.plugins.torch.models import GraphRestrictedBoltzmannMachine
from dwave.plugins.torch.nn.modules.kernels import GaussianKernel
from matplotlib.axes import Axes
from PIL import Image, ImageDraw

from qdvae_helpers.background import LatestOnly, TrainRequest
from qdvae_helpers.data import ImageSet
from qdvae_helpers.evaluate import enumerate_states
from qdvae_helpers.graphs import QPUGraph
from qdvae_helpers.losses import mmd_loss
from qdvae_helpers.model_store import ModelStore
from qdvae_helpers.models import QDVAE
from qdvae_helpers.panels import Number, Panel, Picture, TrainingView, beside, button, choice
from qdvae_helpers.plots import (
    BLUE,
    GREY,
    ORANGE,
    VERMILLION,
    draw_qpu,
    image_grid,
    new_figure,
    to_image,
)
from qdvae_helpers.samplers import GibbsSampler


class LatentMap(Panel):
    """Lesson 01: a point on a map of codes, and the picture that the decoder makes of it.

    Args:
        maps: for each name a decoder of codes ``(B, 2)``, and the codes ``(N, 2)`` on the map.
        labels: ``(N,)`` the digits of these codes.
        draw_map: ``draw_map(ax, codes, labels, title)``, which draws the static figure, too.
    """

    _DRAWN = 500  # codes on the map

    def __init__(
        self,
        maps: dict[str, tuple[Callable, torch.Tensor]],
        labels: torch.Tensor,
        draw_map: Callable[[Axes, torch.Tensor, torch.Tensor, str], None],
    ) -> None:
        super().__init__()
        self.maps, self.labels, self.draw_map = maps, labels, draw_map
        reach = math.ceil(max(float(codes.abs().max()) for _, codes in maps.values()))
        self.which = choice("map", list(maps))
        self.x = Number("first number", 0.0, -reach, reach, 0.1)
        self.y = Number("second number", 0.0, -reach, reach, 0.1)
        self.result = Picture()
        self._grounds: dict[str, tuple] = {}
        for part in (self.x, self.y):
            part.on_change(self.guarded(self._draw))
        self.which.observe(lambda change: self.guarded(self._draw)(), "value")
        self.widget.add_class("qdvae-latent-map")
        self.arrange(self.which, self.x.widget, self.y.widget, self.result.widget)
        self._draw()  # an error here belongs to the cell

    @torch.no_grad()
    def _draw(self) -> None:
        name = self.which.value
        decode, codes = self.maps[name]
        if name not in self._grounds:  # the map itself stays: draw it once
            self._grounds[name] = self._ground(name, codes)
        ground, place, (left, top, right, bottom) = self._grounds[name]
        point = torch.tensor([[self.x.value, self.y.value]])
        distance, nearest = torch.cdist(point, codes)[0].min(0)
        decoded = (255 * (1 - decode(point)[0, 0])).byte().numpy()
        canvas = ground.copy()
        x, y = place(point[0].tolist())
        pen = ImageDraw.Draw(canvas)
        if left <= x <= right and top <= y <= bottom:
            pen.line([(x, top), (x, bottom)], fill="black", width=1)
            pen.line([(left, y), (right, y)], fill="black", width=1)
            pen.ellipse([x - 7, y - 7, x + 7, y + 7], outline=VERMILLION, width=3)
        size = canvas.height * 3 // 5
        wide = Image.new("RGB", (canvas.width + size + 40, canvas.height), "white")
        wide.paste(canvas, (0, 0))
        digit = Image.fromarray(decoded).resize((size, size), Image.Resampling.NEAREST)
        wide.paste(digit, (canvas.width + 20, canvas.height // 5))
        label = int(self.labels[nearest])
        self.message.say(
            f"({point[0, 0]:.1f}, {point[0, 1]:.1f}) on the map of the {name}: the nearest code "
            f"belongs to a {label}, {float(distance):.2f} away"
        )
        alt = f"The map of the {name} with a mark, and the decoded picture. {self.message.text}."
        self.result.show_image(wide, alt=alt)

    def _ground(self, name: str, codes: torch.Tensor) -> tuple[Image.Image, Callable, tuple]:
        """The map as an image, where on it a code lies, and the frame of its axes in pixels."""
        fig, ax = new_figure(figsize=(5.6, 4.4))
        self.draw_map(ax, codes[: self._DRAWN], self.labels[: self._DRAWN], name)
        image = to_image(fig)
        to_pixels = ax.transData.frozen()
        left, bottom, right, top = ax.bbox.extents
        frame = left, image.height - top, right, image.height - bottom

        def place(code: list[float]) -> tuple[float, float]:
            x, y = to_pixels.transform(code)
            return x, image.height - y

        return image, place, frame


class SpinBoard(Panel):
    """Lesson 02: spins as boxes to tick, and the picture that the decoder makes of them.

    Args:
        spins_of: images ``(B, 1, 28, 28)`` to spins ``(B, n)``.
        decode: spins ``(B, n)`` to images ``(B, 1, 28, 28)`` in [0, 1].
        images: ``(N, 1, 28, 28)`` to choose from.
    """

    def __init__(self, spins_of: Callable, decode: Callable, images: torch.Tensor) -> None:
        super().__init__()
        self.spins_of, self.decode, self.images = spins_of, decode, images
        self.number = Number("image", 0, 0, len(images) - 1)
        self.number.on_change(self.guarded(self._encode))
        with torch.no_grad():
            n = spins_of(images[:1]).shape[1]
        layout = {"width": "84px"}
        self.boxes = [
            widgets.Checkbox(description=f"spin {i}", indent=False, layout=layout) for i in range(n)
        ]
        for box in self.boxes:
            box.observe(lambda change: self.guarded(self._draw)(), "value")
        columns = {"grid_template_columns": "repeat(8, 88px)"}
        self.result = Picture()
        self.widget.add_class("qdvae-spin-board")
        self.arrange(
            self.number.widget,
            button("Encode again", self.guarded(self._encode)),
            self.result.widget,
            widgets.GridBox(self.boxes, layout=columns),
        )
        self._filling = False
        self._encode()  # an error here belongs to the cell

    @torch.no_grad()
    def _encode(self) -> None:
        image = self.images[self.number.value : self.number.value + 1]
        self._start = self.spins_of(image)[0]
        self._filling = True  # not one picture for each box
        for box, spin in zip(self.boxes, self._start.tolist(), strict=True):
            box.value = spin > 0
        self._filling = False
        self._draw()

    @torch.no_grad()
    def _draw(self) -> None:
        if self._filling:
            return
        spins = torch.tensor([1.0 if box.value else -1.0 for box in self.boxes])
        before, now = self.decode(torch.stack([self._start, spins]))[:, 0]
        flipped = int((spins != self._start).sum())
        moved = float((now - before).abs().sum())
        fig, axes = new_figure(1, 3, figsize=(7.6, 2.7), layout=None)
        fig.subplots_adjust(left=0.01, right=0.99, bottom=0.02, top=0.9, wspace=0.04)
        for ax, shown, title in ((axes[0], before, "encoder's spins"), (axes[1], now, "yours")):
            ax.imshow((1 - shown).numpy(), cmap="gray", vmin=0, vmax=1)
            ax.set_title(title)
        axes[2].imshow((now - before).numpy(), cmap="PuOr", vmin=-0.6, vmax=0.6)
        axes[2].set_title("change (purple: more ink)")
        for ax in axes:
            ax.set(xticks=[], yticks=[])
        self.message.say(f"{flipped} spins flipped; {moved:.1f} pixels of ink moved")
        alt = f"A decoded digit, the same with your spins, and the difference. {self.message.text}."
        self.result.show(fig, alt=alt)


class KernelExplorer(Panel):
    """Lesson 03: two samples that can be moved, a bandwidth, and what the MMD says.

    The random numbers behind the samples stay the same, so that only what you move changes.
    """

    _SPLITS = 199  # random splits behind a p-value

    def __init__(self) -> None:
        super().__init__()
        self.shift = Number("shift of y", 1.5, -4.0, 4.0, 0.1)
        self.spread = Number("spread of y", 1.0, 0.1, 3.0, 0.1)
        self.bandwidth = Number("log2 of bandwidth", 1.0, -10.0, 10.0, 0.5)
        self.size = Number("points a sample", 30, 5, 100)
        self.result = Picture()
        parts = (self.shift, self.spread, self.bandwidth, self.size)
        for part in parts:
            part.on_change(self.guarded(self._draw))
        self.widget.add_class("qdvae-kernel")
        self.arrange(*(part.widget for part in parts), self.result.widget)
        self._draw()  # an error here belongs to the cell

    def _draw(self) -> None:
        n, bandwidth = self.size.value, 2.0**self.bandwidth.value
        generator = torch.Generator().manual_seed(1)
        x, noise = torch.randn(2, 100, 1, generator=generator)[:, :n].sort(1).values
        y = self.shift.value + self.spread.value * noise
        kernel = GaussianKernel(1, bandwidth=bandwidth)
        pooled = torch.cat([x, y])
        gram = kernel(pooled, pooled)
        unbiased = float(mmd_loss(x, y, kernel))
        ranks = torch.rand(self._SPLITS, 2 * n, generator=generator).argsort(1)
        splits = torch.cat([torch.arange(2 * n).unsqueeze(0), ranks])
        weights = torch.where(splits < n, 1 / n, -1 / n)
        values = ((weights @ gram) * weights).sum(1)
        p = (1 + int((values[1:] >= values[0]).sum())) / (1 + self._SPLITS)
        fig, (left, right) = new_figure(1, 2, figsize=(9, 3.5), layout=None)
        fig.subplots_adjust(left=0.08, right=0.93, bottom=0.15, top=0.9, wspace=0.25)
        t = torch.linspace(-7, 7, 400)
        left.plot(t, torch.exp(-t.square() / bandwidth), color=GREY, label="kernel around 0")
        for points, colour, mark, height in ((x, BLUE, "o", -0.08), (y, ORANGE, "^", -0.2)):
            label = "x" if colour == BLUE else "y"
            left.plot(points, [height] * n, mark, color=colour, ms=5, alpha=0.7, label=label)
        left.set(title="Two samples", xlabel="value", ylabel="kernel value", xlim=(-7, 7))
        left.legend(frameon=False, fontsize=8, loc="upper left")
        drawn = right.imshow(gram.numpy(), cmap="viridis", vmin=0, vmax=1)
        right.axhline(n - 0.5, color="white")
        right.axvline(n - 0.5, color="white")
        right.set(title="Gram matrix", xlabel="point (number)", ylabel="point (number)")
        fig.colorbar(drawn, ax=right, label="kernel value")
        self.message.say(
            f"bandwidth {bandwidth:.3g}: squared MMD {unbiased:.4f} unbiased, "
            f"{float(values[0]):.4f} biased; p-value {p:.3f} of {self._SPLITS} random splits"
        )
        alt = f"Two samples under the kernel's bell, and their Gram matrix. {self.message.text}."
        self.result.show(fig, alt=alt)


class QPUExplorer(Panel):
    """Lesson 04: biases, couplings, a temperature, and the samples on a small part of a QPU graph.

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
            dropdown.observe(lambda change: self._fill(), "value")
        for number in (self.h, self.J):
            number.on_change(self.guarded(self._set))
        for number in (self.temperature, self.sweeps):
            number.on_change(self._sample_soon)
        self.shown.observe(lambda change: self._sample_soon(), "value")
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
        sampler = GibbsSampler(
            self.grbm, self._CHAINS, sweeps=max(1, sweeps), beta=beta, seed=0, graph=self.graph
        )
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
            levels, bins, weights=exact.probabilities, histtype="step", color="black", label="exact"
        )
        right.set(title="Energies", xlabel="energy (dimensionless)", ylabel="share")
        right.legend(frameon=False)
        error = float(energies.std()) / len(energies) ** 0.5
        self.message.say(
            f"temperature {self.temperature.value:.1f}, {sweeps} sweeps from random spins: mean "
            f"energy {float(energies.mean()):.2f} +- {error:.2f}, exact {truth:.2f}"
        )
        alt = f"Qubits coloured by spin, and energies of chains and exact. {self.message.text}."
        self.result.show(fig, alt=alt)


class LiveTraining(Panel):
    """Lesson 05: a short training run that you can spoil, with live curves and samples.

    Models go into a temporary folder, which is removed when the widget closes.
    """

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.view = TrainingView(ModelStore(Path(self._folder.name)), lambda: None)
        self.n_spins = Number("latent spins", 48, 16, 256)
        self.epochs = Number("epochs", 2, 1, 20)
        self.loss = choice("loss", ["elbo", "mmd"])
        self.kl_weight = Number("weight of the KL", 1.0, 0.0, 50.0, 0.5)
        self.seed = Number("seed", 0, 0, 9_999)
        self._runs = 0
        self.begin = button("Train", self.guarded(self._begin), button_style="primary")
        self.view.when_idle(self.begin)
        self.widget.add_class("qdvae-live")
        numbers = (self.n_spins, self.epochs, self.kl_weight, self.seed)
        self.arrange(
            self.loss,
            *(number.widget for number in numbers),
            beside(self.begin, self.view.cancel),
            *self.view.parts,
        )

    def _begin(self) -> None:
        self._runs += 1
        self.message.clear()
        self.view.start(
            TrainRequest(
                name=f"run-{self._runs}",
                epochs=self.epochs.value,
                n_spins=self.n_spins.value,
                recipe=self.loss.value,
                kl_weight=self.kl_weight.value,
                seed=self.seed.value,
            )
        )

    def close(self) -> None:
        """Stop training, and remove the models."""
        self.view.stop()
        self._folder.cleanup()
        super().close()


class Inpainting(Panel):
    """Lesson 06: spins that walk, held by the pixels that you know, at a temperature.

    Args:
        model: a trained one; only read.
        held_out: images to choose from.
        metropolis: ``metropolis(score, spins, sweeps)``, chains towards ``exp(score(spins))``; the
            lesson's own.
    """

    _CHAINS = 8
    _SIDE = 7  # squares of 4 by 4 pixels
    _MOST_SWEEPS = 200  # then a walk ends by itself

    def __init__(self, model: QDVAE, held_out: ImageSet, metropolis: Callable) -> None:
        super().__init__()
        self.model, self.held_out, self.metropolis = model, held_out, metropolis
        self.number = Number("held-out image", 0, 0, len(held_out.images) - 1)
        self.beta = Number("inverse temperature", 1.0, 0.1, 3.0, 0.1)
        self.walk = button("Walk", self.guarded(self._walk), button_style="primary")
        self.halt = button("Stop", self._stop, disabled=True)
        layout = {"width": "52px"}
        self.squares = [
            widgets.Checkbox(
                value=row < self._SIDE // 2 + 1,
                description=f"{'abcdefg'[column]}{row + 1}",
                indent=False,
                layout=layout,
            )
            for row in range(self._SIDE)
            for column in range(self._SIDE)
        ]
        brushes = [
            button(label, lambda rule=rule: self._paint(rule))
            for label, rule in (
                ("upper half", lambda row, column: row < 4),
                ("left half", lambda row, column: column < 4),
                ("everything", lambda row, column: True),
                ("nothing", lambda row, column: False),
            )
        ]
        self.result = Picture()
        self._filling = False
        self._halt = threading.Event()
        self._restart = True
        self._sweeps = 0
        self.worker = LatestOnly(self.message.error, pause=0.0)
        self.number.on_change(self._start_anew)
        for square in self.squares:
            square.observe(lambda change: self.guarded(self._draw_if_idle)(), "value")
        grid = {"grid_template_columns": f"repeat({self._SIDE}, 56px)"}
        self.widget.add_class("qdvae-inpainting")
        self.arrange(
            self.number.widget,
            self.beta.widget,
            beside(self.walk, self.halt),
            self.result.widget,
            widgets.HTML("Ticked squares are known (columns a to g, rows 1 to 7):"),
            beside(*brushes),
            widgets.GridBox(self.squares, layout=grid),
        )
        self._start_anew()  # an error here belongs to the cell

    def close(self) -> None:
        """Stop the walk."""
        self._halt.set()
        self.worker.close()
        super().close()

    def _stop(self) -> None:
        self._halt.set()

    def _known(self) -> torch.Tensor:
        """Which pixels are known, ``(28, 28)``."""
        ticked = torch.tensor([square.value for square in self.squares])
        squares = ticked.view(self._SIDE, self._SIDE)
        return squares.repeat_interleave(4, 0).repeat_interleave(4, 1)

    def _paint(self, rule: Callable[[int, int], bool]) -> None:
        self._filling = True
        for k, square in enumerate(self.squares):
            square.value = rule(*divmod(k, self._SIDE))
        self._filling = False
        self.guarded(self._draw_if_idle)()

    @torch.no_grad()
    def _start_anew(self) -> None:
        """Chains at fresh samples of the prior; a walk in progress goes on from there."""
        self._restart = True
        self._draw_if_idle()

    def _draw_if_idle(self) -> None:
        if not self._filling and self.walk.disabled is False:
            self._draw(self._first_spins() if self._restart else self._spins)

    @torch.no_grad()
    def _first_spins(self) -> torch.Tensor:
        self._restart, self._sweeps = False, 0
        seed = self.number.value
        chains = GibbsSampler(self.model.grbm, self._CHAINS, seed=seed, graph=self.model.graph)
        self._spins = chains.burn_in(300)
        return self._spins

    def _walk(self) -> None:
        self._halt.clear()
        self.walk.disabled, self.halt.disabled = True, False
        self.worker.submit(self._keep_walking)

    @torch.no_grad()
    def _keep_walking(self) -> None:
        """In the background: sweep after sweep, with what the controls say at that moment."""
        try:
            for _ in range(self._MOST_SWEEPS):
                if self._halt.is_set():
                    break
                spins = self._first_spins() if self._restart else self._spins
                known, beta = self._known(), self.beta.value
                image = self.held_out.images[self.number.value]
                targets = image[0, known].expand(self._CHAINS, -1)

                def score(s, known=known, beta=beta, targets=targets):
                    logits = self.model.dvae.decoder(s)[:, 0, known]
                    loss = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
                    return -beta * self.model.grbm(s) - loss.sum(1)

                self._spins = self.metropolis(score, spins, 1)
                self._sweeps += 1
                self._draw(self._spins)
        finally:
            self.walk.disabled, self.halt.disabled = False, True

    @torch.no_grad()
    def _draw(self, spins: torch.Tensor) -> None:
        image, known = self.held_out.images[self.number.value], self._known()
        decoded = self.model.decode(spins)
        wrong = (decoded - image).abs()[:, 0, known].sum(1).mean() if known.any() else 0.0
        shown = torch.cat([image.unsqueeze(0), torch.where(known, image, 0.25)[None], decoded])
        title = "True, known, and eight completions"
        self.message.say(
            f"{self._sweeps} sweeps at inverse temperature {self.beta.value:g}; {int(known.sum())} "
            f"pixels known, of which the completions miss {float(wrong):.1f} on average; mean "
            f"energy {self.model.grbm(spins).mean():.1f}"
        )
        alt = f"A digit, its known part, and completions of it. {self.message.text}."
        self.result.show(image_grid(shown, title=title, size=0.8), alt=alt)
