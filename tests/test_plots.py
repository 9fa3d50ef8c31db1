"""Figures can be read on light and dark pages, and carry provenance and a text in their place."""

import base64
import html
import io
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from PIL import Image

from qdvae_helpers import plots
from qdvae_helpers.errors import GraphError
from qdvae_helpers.graphs import QPUGraph

CAPTION = (
    "MNIST train, 60,000 images; Gibbs sampling on a classical computer, 512 chains, graph "
    "0123456789abcdef; seed 0"
)
LIGHT, DARK = "#ffffff", "#111111"


@pytest.fixture(autouse=True)
def no_open_figures():
    yield
    plt.close("all")


@pytest.fixture
def shown(monkeypatch):
    """What ``show`` hands to the notebook."""
    bundles = []

    def keep(bundle, raw, metadata):
        bundles.append((bundle, metadata))

    monkeypatch.setattr("qdvae_helpers.plots.output.display", keep)
    return bundles


def png_of(bundle: dict) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(bundle["image/png"])))


def contrast(one: str, other: str) -> float:
    """As WCAG 2 defines it."""

    def luminance(colour: str) -> float:
        parts = np.array(to_rgb(colour))
        linear = np.where(parts <= 0.03928, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ (0.2126, 0.7152, 0.0722))

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_text_and_lines_can_be_seen_on_light_and_on_dark_pages():
    assert contrast(plots.INK, LIGHT) >= 4.5
    assert contrast(plots.INK, DARK) >= 4
    lines = [plots.BLUE, plots.ORANGE, plots.GREEN, plots.VERMILLION, plots.PURPLE, plots.GREY]
    for colour in (*lines, *plots.DIGITS, plots.AGREE, plots.DIFFER, plots.SPIN_UP):
        assert min(contrast(colour, LIGHT), contrast(colour, DARK)) >= 3, colour
    assert plt.rcParams["text.color"] == plots.INK
    assert len(set(plots.DIGITS)) == 10


def test_spins_and_couplings_share_no_colour():
    spins = plots.SPINS(np.linspace(0, 1, 20))[:, :3]
    strong = plots.COUPLINGS(np.array([0.0, 1.0]))[:, :3]
    assert np.abs(spins[:, None] - strong[None]).sum(-1).min() > 0.3
    assert plots.COUPLINGS(0.5)[3] < 0.02  # none is not seen, on any page
    assert contrast(tuple(plots.SPINS(0.5)[:3]), LIGHT) > 1.5  # an undecided spin is


def test_the_caption_is_text_below_the_picture(shown):
    fig = plots.image_grid(torch.rand(20, 1, 28, 28), title="Twenty")
    plots.show(fig, alt="Twenty images of noise.", caption=CAPTION)
    ((bundle, _),) = shown
    (below,) = re.findall(r"<figcaption[^>]*>(.*?)</figcaption>", bundle["text/html"])
    assert html.unescape(re.sub("<[^>]+>", "", below)) == CAPTION
    assert not any(CAPTION[:12] in text.get_text() for text in fig.texts)


def test_the_alternative_text_is_in_the_html_and_safe(shown):
    fig = plots.image_grid(torch.rand(2, 1, 28, 28), title="Two")
    plots.show(fig, alt='A "quoted" <tag>.', caption="noise <b>")
    ((bundle, _),) = shown
    assert not plt.get_fignums()
    assert 'alt="A &quot;quoted&quot; &lt;tag&gt;."' in bundle["text/html"]
    assert "noise &lt;b&gt;" in bundle["text/html"]
    assert set(bundle) == {"text/html", "image/png", "text/plain"}


def test_a_figure_is_sharp_and_has_no_ground_of_its_own(shown):
    fig, ax = plots.new_figure(figsize=(6, 3))
    ax.plot([1, 2, 3])
    plots.show(fig, alt="A line.", caption="made up")
    ((bundle, metadata),) = shown
    picture = png_of(bundle)
    assert picture.size == (1200, 600)
    assert 'width="600"' in bundle["text/html"]
    assert metadata["image/png"] == {"width": 600, "height": 300}
    alpha = np.asarray(picture.convert("RGBA"))[..., 3]
    assert (alpha == 0).mean() > 0.8
    assert alpha.max() > 250


def test_shades_keep_their_colours_and_lines_take_a_palette(shown, graph12):
    values = torch.linspace(-1, 1, len(graph12.edges))
    fig, ax = plots.new_figure(figsize=(3, 3))
    drawn = ax.imshow(torch.rand(30, 30))
    fig.colorbar(drawn, ax=ax)
    plots.show(fig, alt="Shades, with a scale.", caption="made up")
    plots.show(plots.qpu_figure(graph12, values, title="Lines"), alt="Lines.", caption="made up")
    assert [png_of(bundle).mode for bundle, _ in shown] == ["RGBA", "P"]


def test_ink_is_dark_on_framed_paper_and_rows_are_filled_in_order():
    images = torch.zeros(3, 1, 28, 28)
    images[2] = 1
    fig = plots.image_grid(images, columns=2, title="Three")
    (picture,) = fig.axes[0].get_images()
    canvas = np.asarray(picture.get_array())
    assert canvas.shape == (240, 240, 4)
    assert canvas[130:230, 10:110, :3].max() == 0  # the third image
    assert canvas[10:110, 10:230, :3].min() < 255  # frames between the first two
    assert canvas[10:110, 10:110].min() == 255
    assert canvas[125:, 125:].max() == 0  # nothing, and no paper, where a fourth would be
    alone = plots.grid_image(images, columns=2, size=0.6).convert("RGBA")
    assert np.array_equal(np.asarray(alone), canvas)


def test_pixels_of_pictures_are_not_mixed():
    images = (torch.rand(10, 1, 28, 28) > 0.5).float()
    image = plots.to_image(plots.image_grid(images, columns=5, title="Ten"))
    opaque = np.asarray(image)[140:, :][..., :3].reshape(-1, 3)
    grey, counts = np.unique(opaque, axis=0, return_counts=True)
    black_or_white = counts[(grey == 0).all(1) | (grey == 255).all(1)].sum()
    assert black_or_white > 0.85 * len(opaque)


def test_rows_and_columns_have_their_labels_inside_the_figure():
    images = torch.rand(4, 1, 28, 28)
    named = {"held out": images, "a longer name of a row": images}
    title = "A title that is far longer than the four small pictures in a row below it"
    fig = plots.image_rows(named, title=title, columns=["a", "two\nlines", 3, 4])
    plots.to_image(fig)
    (ax,) = fig.axes
    texts = [*ax.texts, *fig.texts]
    assert {text.get_text() for text in texts} == {*named, "a", "two\nlines", "3", "4", title}
    for text in texts:
        box = text.get_window_extent()
        assert box.x0 >= 0, text
        assert box.y0 >= 0, text
        assert box.x1 <= fig.bbox.x1, text
        assert box.y1 <= fig.bbox.y1, text
    heights = [text.get_position()[1] for text in ax.texts[:2]]
    assert heights[0] < heights[1]  # an image's axis points down


def test_a_graph_figure_draws_every_coupler_in_its_colour_the_strongest_last(graph12):
    values = torch.linspace(-1, 0.9, len(graph12.edges))
    fig = plots.qpu_figure(graph12, values, title="Twelve qubits")
    (lines,) = fig.axes[0].collections[:1]
    assert len(lines.get_segments()) == len(graph12.edges)
    drawn = torch.tensor(lines.get_array())
    assert torch.equal(drawn.sort().values, values.sort().values)
    assert torch.equal(drawn.abs(), drawn.abs().sort().values)
    assert lines.get_clim() == (-1, 1)
    with pytest.raises(GraphError, match="Only Zephyr"):
        plots.qpu_figure(QPUGraph((1, 2), ((1, 2),), "unnamed", ()), title="x")


def test_spins_fill_the_qubits_in_their_two_colours(graph12):
    spins = torch.tensor([1.0, -1.0] * 6)
    fig = plots.qpu_figure(graph12, title="Twelve spins", spins=spins)
    fig.draw_without_rendering()
    faces = fig.axes[0].collections[1].get_facecolors()[:, :3]
    for face, spin in zip(faces, spins, strict=True):
        expected = to_rgb(plots.SPIN_UP if spin > 0 else plots.SPIN_DOWN)
        assert face == pytest.approx(expected, abs=0.01)


def test_rows_of_dots_come_in_order_with_every_value():
    values = {"first": torch.tensor([0.1, 0.2]), "second": [0.3]}
    colours = {"second": plots.GREEN}
    fig, ax = plots.dot_rows(values, title="Dots", xlabel="accuracy", colours=colours)
    fig.draw_without_rendering()
    ticks = dict(
        zip([label.get_text() for label in ax.get_yticklabels()], ax.get_yticks(), strict=True)
    )
    assert ticks["first"] > ticks["second"]
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    assert [list(line.get_xdata()) for line in dots] == [pytest.approx([0.1, 0.2]), [0.3]]
    assert [line.get_ydata()[0] for line in dots] == [ticks["first"], ticks["second"]]
    assert [line.get_color() for line in dots] == [plots.BLUE, plots.GREEN]


def test_a_circuit_is_scaled_to_its_width_with_its_text_and_not_black():
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
    assert {line.get_color() for line in long.axes[0].lines} == {plots.INK}
