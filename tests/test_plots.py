"""Figures carry their provenance in full, and a text for those who cannot see them."""

import base64
import io

import matplotlib.pyplot as plt
import pytest
import torch
from PIL import Image

from qdvae_helpers import plots
from qdvae_helpers.errors import GraphError
from qdvae_helpers.graphs import QPUGraph

CAPTION = (
    "MNIST train, 60,000 images; Gibbs sampling on a classical computer, 512 chains, graph "
    "0123456789abcdef; seed 0"
)


@pytest.fixture(autouse=True)
def no_open_figures():
    yield
    plt.close("all")


@pytest.fixture
def shown(monkeypatch):
    """What ``show`` hands to the notebook."""
    bundles = []
    monkeypatch.setattr(plots, "display", lambda bundle, raw: bundles.append(bundle))
    return bundles


@pytest.mark.parametrize("columns", [10, 12, 20])
def test_the_caption_lies_inside_the_figure(columns, shown):
    fig = plots.image_grid(torch.rand(20, 1, 28, 28), columns=columns, title="Twenty")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plt, "close", lambda fig: None)
        plots.show(fig, alt="Twenty images of noise.", caption=CAPTION)
    box = fig._supxlabel.get_window_extent()
    assert fig.bbox.x0 <= box.x0
    assert box.x1 <= fig.bbox.x1
    assert "0123456789abcdef" in fig._supxlabel.get_text().replace("\n", " ")


def test_the_alternative_text_is_in_the_html_and_safe(shown):
    fig = plots.image_grid(torch.rand(2, 1, 28, 28), title="Two")
    plots.show(fig, alt='A "quoted" <tag>.', caption="noise")
    (bundle,) = shown
    assert not plt.get_fignums()
    assert 'alt="A &quot;quoted&quot; &lt;tag&gt;."' in bundle["text/html"]
    assert set(bundle) == {"text/html", "image/png", "text/plain"}


def test_a_colour_scale_keeps_its_colours(shown, graph12):
    values = torch.linspace(-1, 1, len(graph12.edges))
    fig = plots.qpu_figure(graph12, values, title="Twelve qubits")
    plots.show(fig, alt="Twelve qubits and their couplings.", caption="made up")
    (bundle,) = shown
    picture = Image.open(io.BytesIO(base64.b64decode(bundle["image/png"])))
    assert picture.mode == "RGB"


def test_ink_is_dark_and_rows_are_filled_in_order():
    images = torch.zeros(3, 1, 4, 4)
    images[2] = 1
    fig = plots.image_grid(images, columns=2, title="Three")
    (picture,) = fig.axes[0].get_images()
    canvas = picture.get_array()
    assert canvas.shape == (12, 12)
    assert canvas[7:11, 1:5].max() == 0
    assert canvas[:6].min() == 1


def test_a_graph_figure_draws_every_coupler_in_its_colour(graph12):
    values = torch.linspace(-1, 1, len(graph12.edges))
    fig = plots.qpu_figure(graph12, values, title="Twelve qubits")
    (lines,) = fig.axes[0].collections[:1]
    assert len(lines.get_segments()) == len(graph12.edges)
    assert torch.equal(torch.tensor(lines.get_array()), values)
    with pytest.raises(GraphError, match="Only Zephyr"):
        plots.qpu_figure(QPUGraph((1, 2), ((1, 2),), "unnamed", ()), title="x")


def test_a_circuit_is_scaled_to_its_width_with_its_text():
    import pennylane as qml

    def long_circuit(angles):
        for angle in angles:
            qml.RX(angle, wires=0)
            qml.CNOT([0, 1])

    short = plots.circuit_figure(long_circuit, [0.1], title="short")
    long = plots.circuit_figure(long_circuit, [0.1] * 12, title="long", width=6.0)
    assert short.get_figwidth() < 6.0
    assert long.get_figwidth() == pytest.approx(6.0)
    sizes = [min(text.get_fontsize() for text in fig.axes[0].texts) for fig in (short, long)]
    assert sizes[1] < sizes[0]
