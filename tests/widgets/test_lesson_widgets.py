"""The widgets of the lessons: a changed control changes what is shown."""

import threading
import time

import pytest
import torch
from waiting import PATIENCE_S, said

from qdvae_helpers.models import QDVAE
from qdvae_helpers.priors import energies_of
from qdvae_helpers.widgets import (
    Inpainting,
    KernelExplorer,
    LatentMap,
    LiveTraining,
    QPUExplorer,
    SpinBoard,
)
from qdvae_helpers.widgets.panels import Picture


def source(picture: Picture) -> str:
    return picture.widget.value


def test_the_latent_map_answers(digits):
    codes = torch.randn(300, 2)

    def decode(points):
        return torch.sigmoid(points.sum(1)).view(-1, 1, 1, 1).expand(-1, 1, 28, 28)

    def draw_map(ax, codes, labels, title):
        ax.scatter(*codes.T, c=labels)
        ax.set_title(title)

    panel = LatentMap({"a": (decode, codes), "b": (decode, 2 * codes)}, digits.labels, draw_map)
    before = source(panel.result)
    panel.x.slider.value = 1.0
    assert panel.message.text.startswith("(1.0, 0.0) on the map of the a")
    assert source(panel.result) != before
    panel.which.value = "b"
    assert "map of the b" in panel.message.text


def test_the_spin_board_answers(model12, digits):
    panel = SpinBoard(lambda x: model12.spins(model12.encode(x)), model12.decode, digits.images)
    before = source(panel.result)
    values = list(panel.board.values)
    values[3] = not values[3]
    panel.board.values = values
    assert panel.message.text.startswith("1 spin flipped")
    assert source(panel.result) != before
    panel.number.value = 7
    assert panel.message.text.startswith("0 spins flipped; 0.0 pixels")
    assert panel.board.values == panel.board.before
    assert (panel.board.rows, panel.board.columns) == (2, 6)  # no row is unfinished


def test_the_kernel_explorer_sees_equal_and_shifted_samples():
    panel = KernelExplorer()
    assert "p-value 0.005" in panel.message.text
    panel.shift.value = 0.0
    assert float(panel.message.text.split("p-value ")[1].split()[0]) > 0.05
    panel.shift.value = 3.0
    panel.bandwidth.value = -10.0
    assert "bandwidth 0.000977" in panel.message.text


def test_the_qpu_explorer_samples_and_leaves_the_lessons_model_alone(grbm12, graph12):
    before, threads = grbm12.quadratic.detach().clone(), threading.active_count()
    panel = QPUExplorer(grbm12, graph12)
    shown = source(panel.result)
    drawn = said(panel.message, "temperature 0.5, 100 sweeps")
    panel.J.value = -2.0
    panel.temperature.value = 0.5
    panel.sweeps.value = 100
    assert drawn.wait(PATIENCE_S)
    panel.close()
    assert threading.active_count() == threads
    found, exact = (float(panel.message.text.split(w)[1].split()[0]) for w in ("energy", "exact"))
    assert found == pytest.approx(exact, abs=1.0)
    assert source(panel.result) != shown
    assert torch.equal(grbm12.quadratic, before)
    assert float(panel.grbm.quadratic[0]) == -2.0


def test_a_click_on_the_chip_chooses_and_changes_nothing(grbm12, graph12):
    panel = QPUExplorer(grbm12, graph12)
    drawn = panel.message.text
    panel.chip.set_state({"qubit": 3})  # a click on the page
    panel.chip.set_state({"coupler": 5})
    assert (panel.qubit.value, panel.coupler.value) == (3, 5)
    assert panel.h.value == pytest.approx(float(grbm12.linear[3]), abs=0.01)
    assert panel.J.value == pytest.approx(float(grbm12.quadratic[5]), abs=0.01)
    panel.qubit.value = 1
    assert panel.chip.qubit == 1
    panel.close()
    assert panel.message.text == drawn
    assert torch.equal(panel.grbm.linear, grbm12.linear)
    assert torch.equal(panel.grbm.quadratic, grbm12.quadratic)
    assert [sorted(pair) for pair in panel.chip.edges] == [
        sorted(graph12.nodes.index(q) for q in edge) for edge in graph12.edges
    ]


def test_live_training_trains_and_cleans_up():
    panel = LiveTraining()
    folder = panel.view.store.folder
    panel.n_spins.value, panel.epochs.value = 16, 1
    panel.begin.click()
    panel.view.run.join(PATIENCE_S)
    assert panel.view.message.text == "Finished: saved as run-1."
    assert (folder / "run-1.safetensors").is_file()
    assert "generated digits" in source(panel.view.samples)
    assert "held-out images" in panel.view.curves.alt
    panel.epochs.value = 20
    panel.begin.click()
    run = panel.view.run
    panel.begin.click()
    assert panel.message.text.startswith("A run is in progress")
    panel.close()
    assert not run.running
    assert not folder.exists()


def test_inpainting_heeds_a_wish_and_each_walks_class(graph12, digits):
    model = QDVAE(graph12, (16,), classes=("hat", "hat", "shoe")).eval()
    model.grbm.class_biases.data.normal_()
    scored = []

    def metropolis(score, spins, sweeps):
        scored.append((spins, score(spins)))
        walked.set()
        return spins

    panel = Inpainting(model, digits, metropolis)
    (nothing,) = (brush for brush in panel.brushes if brush.description == "nothing")
    nothing.click()
    assert panel.wish.options == ("any", "hat", "shoe")
    for wish, classes in (("any", {0, 1, 2}), ("shoe", {2}), ("hat", {0, 1})):
        walked = threading.Event()
        panel.wish.value = wish
        assert set(panel._classes.tolist()) == classes
        panel.walk.click()
        assert walked.wait(PATIENCE_S)
        panel.halt.click()
        spins, scores = scored[-1]
        assert torch.allclose(scores, -energies_of(model.grbm, spins, panel._classes))
        while panel.walk.disabled:
            time.sleep(0.01)
    panel.close()


def test_inpainting_walks_and_stops(model12, digits):
    calls, walked = [], threading.Event()

    def metropolis(score, spins, sweeps):
        assert score(spins).shape == (len(spins),)
        calls.append(len(calls))
        if len(calls) == 3:
            walked.set()
        return -spins

    panel = Inpainting(model12, digits, metropolis)
    before = source(panel.result)
    panel.walk.click()
    assert walked.wait(PATIENCE_S)
    panel.halt.click()
    panel.worker.close()
    assert not panel.walk.disabled
    assert source(panel.result) != before
    (nothing,) = (brush for brush in panel.brushes if brush.description == "nothing")
    nothing.click()
    assert "0 pixels known" in panel.message.text
    panel.board.values = [True] + [False] * 195
    assert "4 pixels known" in panel.message.text
    assert bytes(panel.board.picture) == bytes((255 * digits.images[0]).byte().flatten().tolist())
    panel.number.value = 3
    assert bytes(panel.board.picture) == bytes((255 * digits.images[3]).byte().flatten().tolist())
