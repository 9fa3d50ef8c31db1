"""The dashboard without a browser."""

import threading

import pytest
from waiting import PATIENCE_S, said

from qdvae_helpers.checkpoints import PRETRAINED_DIR
from qdvae_helpers.model_store import ModelStore
from qdvae_helpers.studio import Studio


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
    train.resume.click()
    assert "No run was stopped half-way" in train.message.text
    train.name.value = "mine"
    done = said(train.view.message, "Finished: saved as mine.")
    train.begin.click()
    assert done.wait(PATIENCE_S)
    assert not train.begin.disabled
    for listed in (train.start_from, dashboard.generate.model, *dashboard.compare.models):
        assert "mine" in listed.options

    train.name.value, train.start_from.value = "tuned", "mine"
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
    generate.rounds.value = 2
    done = said(generate.message, "6 digits of tuned")
    generate.go.click()
    assert done.wait(PATIENCE_S)
    assert "then 2× through encoder and decoder" in generate.message.text

    # A model trained here has nothing to choose by.
    generate.candidates.value = 3
    done = said(generate.message, "no density ratio")
    generate.go.click()
    assert done.wait(PATIENCE_S)


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
    assert generate.model.options == ("qdvae-256", "qdvae-256-sharp", "good")
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


def test_candidates_of_a_shipped_model_and_its_picture(dashboard):
    generate = dashboard.generate
    generate.file_name.value = "kept"
    generate.count.value, generate.candidates.value, generate.rounds.value = 4, 3, 2
    done = said(generate.message, "each the choice of 3, then 2×")
    generate.go.click()
    assert done.wait(PATIENCE_S)
    assert "4 generated digits" in generate.result.widget.value
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
        ("loss curves", "Training curves of qdvae-256"),
    ],
)
def test_each_view_into_a_model_is_drawn(dashboard, view, alt):
    inside = dashboard.inside
    inside.view.value = view
    done = said(inside.message, f"{view} of qdvae-256")
    inside.image.value = 17
    assert done.wait(PATIENCE_S)
    assert alt in inside.result.widget.value


def test_two_models_are_compared(dashboard):
    compare = dashboard.compare
    compare.models[1].value = "qdvae-256-sharp"
    done = said(compare.message, "compared")
    compare.go.click()
    assert done.wait(PATIENCE_S)
    assert "right: qdvae-256-sharp" in compare.result.value
    # What was measured comes first, then what the files say of other things.
    rows = compare.result.value.split("<tbody>")[1]
    assert rows.index("Fréchet") < rows.index("trained on")
    assert rows.count("reconstruction, held out") == 1
    assert all("thirty generated" in picture.widget.value for picture in compare.pictures)


def test_latents_follow_the_loss_until_somebody_types_a_number(dashboard):
    train = dashboard.train
    assert train.n_spins.value == 64
    train.loss.value = "mmd"
    assert train.n_spins.value == 48
    assert train.kl_weight.field.disabled
    train.loss.value = "iwae"
    assert train.n_spins.value == 64
    assert not train.kl_weight.field.disabled
    train.n_spins.value = 100
    train.loss.value = "mmd"
    assert train.n_spins.value == 100
