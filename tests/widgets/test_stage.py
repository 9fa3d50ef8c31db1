"""What Python hands to the stage: its file, its page, its still, and the widget's state."""

import json
import re
from importlib.resources import files
from xml.etree import ElementTree

import pytest
import torch
from matplotlib.colors import to_rgb
from safetensors.torch import load

from qdvae_helpers.checkpoints import load_pretrained, save_checkpoint
from qdvae_helpers.commands import main
from qdvae_helpers.data import ImageSet, held_out_sample
from qdvae_helpers.errors import DataError, SettingError
from qdvae_helpers.graphs import QPUGraph
from qdvae_helpers.models import QDVAE
from qdvae_helpers.plots.style import AGREE, SPIN_DOWN, SPIN_UP
from qdvae_helpers.widgets.stage import Stage, stage_bytes, stage_page, stage_picture
from qdvae_helpers.widgets.stage.data import places_of, quantised
from qdvae_helpers.widgets.stage.picture import _THEMES


def about(content: bytes) -> dict:
    """The JSON text of a stage file."""
    length = int.from_bytes(content[:8], "little")
    return json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["qdvae"])


def test_quantised_weights_are_within_half_a_scale():
    weight = torch.randn(7, 30, generator=torch.Generator().manual_seed(0)) * 3
    weight[2] = 0
    whole, scale = quantised(weight)
    assert whole.dtype == torch.int8
    assert bool(
        ((whole * scale.unsqueeze(1) - weight).abs() <= scale.unsqueeze(1) / 2 + 1e-7).all()
    )
    assert bool((whole[torch.arange(7) != 2].abs().amax(1) == 127).all())


def test_a_stage_file_holds_the_model(model12):
    content = stage_bytes(model12, held_out_sample(3))
    tensors = load(content)
    assert torch.equal(tensors["linear"], model12.grbm.linear)
    assert torch.equal(tensors["quadratic"], model12.grbm.quadratic)
    ends = [[model12.graph.nodes[i] for i in pair] for pair in tensors["edges"].tolist()]
    assert ends == [list(edge) for edge in model12.graph.edges]
    assert sorted(tensors["order"].tolist()) == list(range(12))
    assert bool(((tensors["places"] >= 0) & (tensors["places"] <= 1)).all())
    assert tensors["examples"].shape == (3, 1, 28, 28)
    assert about(content)["format"] == "qdvae-stage/1"
    assert "classically" in about(content)["caption"]
    weight = tensors["decoder.0.weight"] * tensors["decoder.0.scale"].unsqueeze(1)
    assert torch.allclose(weight, model12.dvae.decoder.net[0].weight, atol=0.02)


def test_labels_are_wishes_and_clusters_are_not():
    labels = about(stage_bytes(load_pretrained("qdvae-256-labels")))
    assert labels["wishes"] == list("0123456789")
    assert set(labels["examples"]) == set("0123456789")
    assert about(stage_bytes(load_pretrained("qdvae-256")))["wishes"] == []


def test_a_model_of_pictures_that_are_not_at_hand_has_no_examples(model12, monkeypatch):
    def missing(*arguments):
        raise DataError("The files are not here.")

    monkeypatch.setattr("qdvae_helpers.widgets.stage.data.held_out_sample", missing)
    content = stage_bytes(model12)
    assert about(content)["examples"] == []
    assert "examples" not in load(content)


@pytest.mark.parametrize("topology", ["chimera", "pegasus", "unknown"])
def test_other_graphs_have_places_too(topology):
    shapes = {"chimera": (2, 2, 4), "pegasus": (2,), "unknown": ()}
    edges = {
        "chimera": ((0, 4), (1, 4)),
        "pegasus": ((4, 31), (5, 31)),
        "unknown": ((0, 1), (1, 2)),
    }
    nodes = tuple(sorted({q for edge in edges[topology] for q in edge}))
    graph = QPUGraph(nodes, edges[topology], topology, shapes[topology])
    places = places_of(graph)
    assert places.shape == (3, 2)
    assert len({tuple(place) for place in places.tolist()}) == 3


def test_the_shipped_pages_are_below_three_megabytes():
    for name in ("qdvae-256", "qdvae-256-labels", "qdvae-fashion-256"):
        page = stage_page(stage_bytes(load_pretrained(name)))
        assert len(page.encode()) < 3e6, name
        assert not re.findall(r"@[A-Z]+@", page)
        assert not re.findall(r"""(?:src|href)=["']https?:""", page)


def test_a_title_cannot_be_markup(model12):
    assert "<script>alert" not in stage_page(stage_bytes(model12), "<script>alert(1)</script>")


@pytest.mark.parametrize("title", ["@MODEL@", "@MODULE@", "@TITLE@", "\\1"])
def test_a_title_is_no_place_for_another_part(title, model12):
    assert f"<title>{title}</title>" in stage_page(stage_bytes(model12), title)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_still_shows_every_qubit_and_another_digit(theme):
    model = load_pretrained("qdvae-256-labels")
    held_out = held_out_sample(50).rounded()
    seven = held_out.images[held_out.labels.tolist().index(7)]
    svg = stage_picture(model, seven, theme=theme, wish="3")
    root = ElementTree.fromstring(svg)
    tags = [element.tag.rpartition("}")[2] for element in root.iter()]
    assert tags.count("circle") == 2 * model.n_spins
    pictures = [e.get("href") for e in root.iter() if e.tag.endswith("}image")]
    assert len(set(pictures)) == 3
    assert "KL divergence" in svg
    assert len(svg) < 150_000


def test_export_stage_writes_once(tmp_path, capsys, model12):
    checkpoint = save_checkpoint(model12, tmp_path / "small.safetensors")
    page = tmp_path / "new" / "page.html"
    words = ["export-stage", str(checkpoint), "--title", "Mine & yours", "--output", str(page)]
    assert main(words) == 0
    assert "MB in page.html" in capsys.readouterr().out
    assert "<title>Mine &amp; yours</title>" in page.read_text()
    assert main(words) == 1
    assert "is there already" in capsys.readouterr().err
    assert main([*words, "--overwrite"]) == 0
    data = tmp_path / "data.safetensors"
    assert main(["export-stage", str(checkpoint), "--output", str(data)]) == 0
    assert about(data.read_bytes())["format"] == "qdvae-stage/1"


@pytest.mark.parametrize(
    ("name", "says"),
    [("page.txt", "ends in .html or .safetensors"), ("page", "ends in .html or .safetensors")],
)
def test_export_stage_refuses_other_names(name, says, tmp_path, capsys):
    assert main(["export-stage", "--output", str(tmp_path / name)]) == 1
    assert says in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_export_stage_refuses_a_model_that_is_not_there(tmp_path, capsys):
    assert main(["export-stage", "nobody", "--output", str(tmp_path / "page.html")]) == 1
    assert "nobody" in capsys.readouterr().err
    assert not (tmp_path / "page.html").exists()


def test_export_stage_takes_no_models_place(tmp_path, capsys, model12):
    checkpoint = save_checkpoint(model12, tmp_path / "small.safetensors")
    (tmp_path / "link.safetensors").symlink_to(checkpoint)
    before = checkpoint.read_bytes()
    for output in (checkpoint, tmp_path / "link.safetensors"):
        words = ["export-stage", str(checkpoint), "--output", str(output), "--overwrite"]
        assert main(words) == 1
        assert "is what --output writes: name another file" in capsys.readouterr().err
    assert checkpoint.read_bytes() == before


@pytest.mark.parametrize("name", ["n" * 300, "n" * 300 + ".safetensors", "a\0b", "\udcff"])
def test_names_that_no_file_can_have_are_no_models(name, tmp_path, capsys):
    for words in (["export-stage", name], ["record", "--model", name]):
        assert main([*words, "--output", str(tmp_path / "x.safetensors")]) == 1
        assert 0 < len(capsys.readouterr().err) < 600
    assert not list(tmp_path.iterdir())


def test_a_title_that_is_no_text_is_shown_as_far_as_it_is_one(tmp_path, model12):
    checkpoint = save_checkpoint(model12, tmp_path / "small.safetensors")
    words = ["export-stage", str(checkpoint), "--title", "a\udcffb"]
    assert main([*words, "--output", str(tmp_path / "page.html")]) == 0
    assert "<title>a?b</title>" in (tmp_path / "page.html").read_text("utf-8")


def test_the_widget_takes_a_picture_and_tells_of_spins(model12):
    stage = Stage(model12, mode="encode", seed=3)
    assert stage.image is None
    assert stage.spins is None
    image = held_out_sample(1).images[0]
    stage.image = image
    assert float((stage.image - image).abs().max()) <= 0.5 / 255 + 1e-6
    stage._spins = bytes([255, 1] * 6)  # as the page sends them: signed bytes
    assert stage.spins.tolist() == [-1, 1] * 6
    stage.close()


def test_the_widget_refuses_what_it_cannot_show(model12, graph12):
    with pytest.raises(SettingError, match="watch, encode, steer, compare"):
        Stage(model12, mode="dance")
    with pytest.raises(SettingError, match="model"):
        Stage("qdvae-256")
    with pytest.raises(SettingError, match="seed"):
        Stage(model12, seed=-1)
    stage = Stage(model12)
    with pytest.raises(SettingError, match="image"):
        stage.image = torch.full((1, 28, 28), float("nan"))
    with pytest.raises(SettingError, match="2 images, where one is shown"):
        stage.image = torch.zeros(2, 1, 28, 28)
    with pytest.raises(SettingError, match="image"):
        stage.image = [[0.0]]
    with pytest.raises(SettingError, match="wish"):
        stage.wish = "7"
    with pytest.raises(SettingError, match="temperature"):
        stage.temperature = 0.0
    stage.close()


def test_two_stages_share_nothing(graph12):
    one, two = (QDVAE(graph12, (8,)).eval() for _ in range(2))
    assert stage_bytes(one) != stage_bytes(two)
    assert stage_bytes(one) == stage_bytes(one)
    empty = ImageSet(torch.zeros(1, 1, 28, 28), torch.tensor([-1]), held_out_sample(1).source)
    assert about(stage_bytes(one, empty))["examples"] == ["a picture"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_spins_and_couplings_have_one_colour_wherever_they_stand(theme):
    """On the page of the stage, in its still, and in the figures of the lessons."""
    still = {name: to_rgb(_THEMES[theme][name]) for name in ("up", "down", "agree", "differ")}
    script = (files("qdvae_helpers.widgets.stage") / "stage.js").read_text("utf-8")
    entry = re.search(rf"^  {theme}: {{(.*?)}},$", script, re.MULTILINE | re.DOTALL)[1]
    found = dict(re.findall(r'(up|down|agree|differ): "([^"]+)"', entry))
    page = {
        name: to_rgb(text) if text[0] == "#" else tuple(int(n) / 255 for n in text.split(","))
        for name, text in found.items()
    }
    assert page == still
    if theme == "light":  # figures have one set for both grounds
        figures = {"up": SPIN_UP, "down": SPIN_DOWN, "agree": AGREE}
        assert {name: to_rgb(colour) for name, colour in figures.items()} == {
            name: still[name] for name in figures
        }


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_model_that_cannot_be_shown_is_refused(value, model12, graph12):
    model12.dvae.decoder.net[0].weight.data[0, 0] = value
    with pytest.raises(SettingError, match="no finite number"):
        stage_bytes(model12)
    far = QPUGraph((1, 2**40), ((1, 2**40),), "own", ())
    with pytest.raises(SettingError, match="number yours anew"):
        stage_bytes(QDVAE(far, (8,)))
    fine = QDVAE(graph12, (8,))
    for call in (
        lambda: stage_bytes(fine, torch.zeros(1, 1, 28, 28)),
        lambda: stage_picture(fine, None),
        lambda: stage_picture(fine, torch.zeros(1, 28, 28), theme="pink"),
    ):
        with pytest.raises(SettingError):
            call()
