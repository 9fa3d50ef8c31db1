"""The dashboard without a browser."""

import threading

import numpy as np
import pytest
from fake_leap import TOKEN
from PIL import Image
from waiting import PATIENCE_S, said

from qdvae_helpers.checkpoints import PRETRAINED_DIR
from qdvae_helpers.commands.studio_opening import STILL
from qdvae_helpers.idx_files import FASHION_MNIST_SHA256, find_fashion
from qdvae_helpers.model_store import ModelStore
from qdvae_helpers.models import QDVAE
from qdvae_helpers.studio import Studio
from qdvae_helpers.studio.figures import opening_still


@pytest.fixture
def dashboard(monkeypatch, tmp_path):
    monkeypatch.setenv("QDVAE_PROFILE", "fast")
    made = Studio(ModelStore(tmp_path / "models"))
    yield made
    made.close()


def test_train_stop_and_generate(dashboard):
    train = dashboard.train
    train.name.value, train.n_spins.value, train.epochs.value = "../x", 16, 1
    train.begin.click()
    assert "is no name for a file here" in train.message.text
    assert train.view.bar.layout.display == "none"  # nothing runs
    train.resume.click()
    assert "No run was stopped half-way" in train.message.text
    train.name.value = "mine"
    done = said(train.view.message, "Finished: saved as mine.")
    train.begin.click()
    assert done.wait(PATIENCE_S)
    assert not train.begin.disabled
    for listed in (train.start_from, dashboard.generate.model, *dashboard.compare.models):
        assert "mine" in listed.options
    assert train.view.bar.value == 1
    assert train.view.bar.layout.display == "flex"
    dashboard.generate.model.value = "mine"
    assert "1 epoch</summary>" in dashboard.generate.about.value
    assert "Held-out digits, and reconstructed, at step" in train.view.pairs.widget.value
    assert "Loss of the step, KL" in train.view.curves.alt

    train.what.value = train.what.options[1]
    train.name.value, train.start_from.value = "tuned", "mine"
    assert train.n_spins.widget.layout.display == "none"
    assert train.n_spins.field.disabled
    done = said(train.view.message, "tuned keeps its last step")
    train.begin.click()
    assert train.begin.disabled
    train.begin.click()
    assert "A run is in training" in train.message.text
    train.view.cancel.click()
    assert done.wait(PATIENCE_S)
    assert train.resumable.options == ("tuned",)
    assert not train.begin.disabled

    generate = dashboard.generate
    generate.model.value, generate.count.value = "tuned (unfinished)", 6
    assert "16 qubits" in generate.about.value
    assert "fine-tuned from" in generate.about.value
    assert generate.wish.disabled
    assert "learned no labels" in generate.wish.description
    done = said(generate.message, "6 digits of tuned")
    generate.go.click()
    assert done.wait(PATIENCE_S)
    assert "wished for" not in generate.message.text


def test_a_run_with_labels_is_stopped_resumed_tuned_and_can_be_wished_of(dashboard):
    train, generate = dashboard.train, dashboard.generate
    assert train.n_classes.field.disabled
    train.classes.value = "labels"
    assert train.n_classes.value == 10
    train.name.value, train.n_spins.value, train.epochs.value = "ten", 16, 100
    done = said(train.view.message, "ten keeps its last step")
    drawn = threading.Event()
    train.view.samples.widget.observe(lambda change: drawn.set(), "value")
    train.begin.click()
    assert drawn.wait(PATIENCE_S)
    train.view.cancel.click()
    assert done.wait(PATIENCE_S)
    done = said(train.view.message, "ten: epoch")
    train.resume.click()
    assert done.wait(PATIENCE_S)
    done = said(train.view.message, "ten keeps its last step")
    train.view.cancel.click()
    assert done.wait(PATIENCE_S)

    generate.model.value, generate.count.value = "ten (unfinished)", 4
    assert generate.wish.options == ("any", *"0123456789")
    assert "10 labels (0, 1, 2, 3, 4, 5, 6, 7, 8, 9), each label" in generate.about.value
    generate.wish.value = "7"
    done = said(generate.message, "4 digits of ten (unfinished), wished for: 7, seed 1")
    generate.go.click()
    assert done.wait(PATIENCE_S)
    assert "4 generated digits, wished for: 7; a classifier" in generate.result.widget.value

    train.what.value = train.what.options[1]
    train.start_from.value = "ten (unfinished)"
    assert train.classes.disabled
    assert train.n_classes.field.disabled
    train.name.value, train.epochs.value = "tuned", 1
    done = said(train.view.message, "Finished: saved as tuned.")
    train.begin.click()
    assert done.wait(PATIENCE_S)
    assert generate.wish.value == "7"  # a run that ends takes no wish back
    generate.model.value = "tuned"
    assert generate.wish.options == ("any", *"0123456789")


def test_the_studio_generates_at_once_when_it_is_shown(dashboard, monkeypatch):
    generate = dashboard.generate
    assert dashboard.shown.get_title(0) == "Generate"
    assert generate.result.widget.value == ""
    done = said(generate.message, "40 digits of qdvae-256, seed 1")
    monkeypatch.setattr("qdvae_helpers.widgets.panels.display", lambda widget: None)
    dashboard._ipython_display_()
    assert done.wait(PATIENCE_S)
    assert "10 held-out digits: " in generate.originals.widget.value
    assert "through encoder, spins and decoder" in generate.copies.widget.value
    assert "40 generated digits" in generate.result.widget.value


def test_the_page_begins_with_what_the_studio_generates_first():
    still = np.asarray(Image.open(STILL)).astype(float)
    made = np.asarray(opening_still()).astype(float)
    assert still.shape == made.shape
    assert np.abs(still - made).mean() < 3  # else store it anew, see opening_still


def test_the_accounts_solvers_can_be_chosen_from(leap, dashboard):
    sampler = dashboard.train.sampler
    assert sampler.solver.layout.display == "none"
    listed = said(sampler.message, "1 solver of your account")
    sampler.list.value = "qpu"
    assert listed.wait(PATIENCE_S)
    assert sampler.solver.layout.display is None
    assert sampler.options == {}
    sampler.solver.value = "Advantage2_test"
    assert sampler.solver.label == f"Advantage2_test (zephyr, {len(leap.graph.nodes):,} qubits)"
    assert sampler.options == {"solver": "Advantage2_test"}
    sampler.list.value = "gibbs"
    assert sampler.options == {}


def test_why_there_are_no_solvers_is_told_without_the_token(leap, dashboard):
    sampler = dashboard.train.sampler
    leap.faults["solvers"].extend(["401"] * 9)
    refused = said(sampler.message, "Leap refuses the token")
    sampler.list.value = "qpu"
    assert refused.wait(PATIENCE_S)
    assert sampler.solver.label == "that of D-Wave's settings, or the largest"
    assert TOKEN not in sampler.message.widget.value


def test_without_a_token_one_line_says_how_to_set_one(dashboard):
    sampler = dashboard.generate.sampler
    told = said(sampler.message, "No Leap token is set: set DWAVE_API_TOKEN")
    sampler.list.value = "qpu"
    assert told.wait(PATIENCE_S)


def test_clusters_are_nothing_to_wish_for(dashboard):
    train, generate = dashboard.train, dashboard.generate
    train.classes.value = "clusters"
    train.name.value, train.n_spins.value, train.epochs.value = "found", 16, 1
    done = said(train.view.message, "Finished: saved as found.")
    train.begin.click()
    assert done.wait(PATIENCE_S)
    for name, clusters in (("found", 10), ("qdvae-256", 250)):
        generate.model.value = name
        assert f"{clusters} clusters, each" in generate.about.value
        assert generate.wish.disabled
        assert generate.wish.options == ("any",)


def test_data_that_are_not_at_hand_are_named(dashboard, monkeypatch, tmp_path):
    monkeypatch.setenv("QDVAE_DATA", str(tmp_path))
    monkeypatch.setenv("QDVAE_DOWNLOAD", "0")
    train = dashboard.train
    train.data.value, train.name.value = "fashion-mnist", "clothes"
    done = said(train.view.message, "Fashion-MNIST is not here")
    train.begin.click()
    assert done.wait(PATIENCE_S)
    assert "Not possible" in train.view.message.widget.value


def test_one_bad_file_is_named_and_spoils_nothing(dashboard):
    folder, generate, inside = dashboard.store.folder, dashboard.generate, dashboard.inside
    listed = threading.Event()
    generate.model.observe(lambda change: listed.set() if "good" in change.new else None, "options")
    folder.mkdir()
    (folder / "<b>.safetensors").write_bytes(b"no name for a model")
    whole = (PRETRAINED_DIR / "qdvae-256.safetensors").read_bytes()
    (folder / "bad.safetensors").write_bytes(whole[:10_000])
    (folder / "good.safetensors").write_bytes(whole)
    assert listed.wait(PATIENCE_S)  # files that another window or program has made are seen
    dashboard.train.view.stop()
    dashboard.models_changed()
    assert generate.model.options == ("qdvae-256", "qdvae-256-labels", "qdvae-fashion-256", "good")
    assert "bad.safetensors" in dashboard.unreadable.value
    assert "<b>" not in dashboard.unreadable.value
    generate.model.value = inside.model.value = "good"
    (folder / "good.safetensors").write_bytes(b"replaced while it is shown")
    done = said(generate.message, "good.safetensors")
    generate.go.click()
    assert done.wait(PATIENCE_S)
    (folder / "good.safetensors").unlink()
    done = said(inside.message, "There is no model 'good' here")
    inside.image.value = 17
    assert done.wait(PATIENCE_S)
    assert "should not have happened" not in generate.message.text + inside.message.text
    (folder / "bad.safetensors").unlink()
    dashboard.models_changed()
    assert generate.model.value == "qdvae-256"
    assert dashboard.unreadable.value == ""


def test_a_wish_of_a_shipped_model_and_its_picture(dashboard):
    generate = dashboard.generate
    generate.file_name.value = "kept"
    generate.model.value, generate.wish.value = "qdvae-256-labels", "3"
    generate.count.value = 4
    done = said(generate.message, "4 digits of qdvae-256-labels, wished for: 3, seed 1")
    generate.go.click()
    assert done.wait(PATIENCE_S)
    assert (
        "4 generated digits, wished for: 3; a classifier reads them as 3"
        in generate.result.widget.value
    )
    grey = generate.result.widget.value
    generate.sharpen.value = True
    assert generate.result.widget.value != grey
    generate.save.click()
    picture = dashboard.store.folder / "pictures" / "kept.png"
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("view", "alt"),
    [
        ("reconstructions", "Ten digits, "),
        ("model diagram", "256 spins at their qubits"),
        ("loss curves", "Training curves of qdvae-256, steps"),
    ],
)
def test_each_view_into_a_model_is_drawn(dashboard, view, alt):
    inside = dashboard.inside
    inside.view.value = view
    done = said(inside.message, f"{view} of qdvae-256")
    inside.image.value = 17
    assert done.wait(PATIENCE_S)
    (shown,) = inside.place.children
    assert alt in (shown.alt if view == "loss curves" else shown.value)


def test_two_models_are_compared(dashboard):
    compare = dashboard.compare
    compare.models[1].value = "qdvae-256-labels"
    done = said(compare.message, "compared")
    compare.go.click()
    assert done.wait(PATIENCE_S)
    assert "right: qdvae-256-labels" in compare.result.value
    # What was measured comes first, then what the files say of other things.
    assert "Measured now on the same held-out images; then" in compare.result.value
    rows = compare.result.value.split("<tbody>")[1]
    assert "Lower is better for reconstruction" in compare.result.value
    assert rows.index("Fréchet") < rows.index("trained on")
    assert rows.count("reconstruction, held out") == 1
    assert all("30 generated digits" in picture.widget.value for picture in compare.pictures)


def test_models_of_two_data_sets_are_compared_on_their_own_images(dashboard, graph12):
    other = QDVAE(graph12, (16,))
    other.info = {"data": {"data_set": "fashion-mnist", "split": "train", "count": 5}}
    other.info["data"] |= {"transforms": [], "drawn": None}
    dashboard.store.finish(other, "clothes")
    dashboard.models_changed()
    compare = dashboard.compare
    compare.models[1].value = "clothes"
    done = said(compare.message, "compared")
    if not all(map(find_fashion, FASHION_MNIST_SHA256)):
        done = said(compare.message, "Fashion-MNIST")
    compare.go.click()
    assert done.wait(PATIENCE_S)
    if compare.message.text == "compared":
        assert "learned different images (mnist and fashion-mnist)" in compare.result.value
        alts = [picture.widget.value for picture in compare.pictures]
        assert ["a classifier reads" in alt for alt in alts] == [True, False]


def test_latents_follow_the_loss_until_somebody_types_a_number(dashboard):
    train = dashboard.train
    assert train.n_spins.value == 64
    train.loss.value = "mmd"
    assert train.n_spins.value == 48
    assert train.kl_weight.field.disabled
    train.loss.value = "iwae"
    assert train.n_spins.value == 64
    assert not train.kl_weight.field.disabled
    train.loss.value, train.classes.value = "mmd", "clusters"
    assert train.n_spins.value == 64  # classes let the prior follow
    train.n_spins.value = 100
    train.loss.value = "mmd"
    assert train.n_spins.value == 100
