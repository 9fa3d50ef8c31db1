"""What a file says of itself, what is measured anew, and how both are shown."""

import pytest
import torch

from qdvae_helpers.checkpoints import PRETRAINED_DIR, read_header, save_checkpoint
from qdvae_helpers.data import Source, held_out_sample
from qdvae_helpers.models import QDVAE
from qdvae_helpers.studio import facts, journey_figure, measures
from qdvae_helpers.studio.tables import table


@pytest.fixture
def model12(graph12) -> QDVAE:
    return QDVAE(graph12, (16,)).eval()


def test_a_file_tells_data_and_epochs_from_its_source(model12, digits, tmp_path):
    model12.info = {
        "data": digits.rounded().source.to_dict(),
        "train": {"recipe": "mmd", "steps": 90, "batch_size": 100, "seed": 4},
        "step": 45,
        "studio": {"start_from": "another"},
        "history": [{"step": 45, "seconds": 1.0, "dead_spins": 3, "coupling_rms": 0.12345}],
    }
    said = facts(read_header(save_checkpoint(model12, tmp_path / "x.safetensors")))
    assert said["trained on"] == str(digits.rounded().source)
    assert said["epochs"] == f"{4_500 / len(digits):.1f}"
    assert said["steps"] == "45 of 90, 100 images each"
    assert said["graph"].startswith("12 qubits")
    assert said["fine-tuned from"] == "another"
    assert said["size of couplings"] == "0.123 (rms)"


def test_a_file_that_tells_nothing_of_its_making_is_shown_all_the_same(model12, tmp_path):
    said = facts(read_header(save_checkpoint(model12, tmp_path / "x.safetensors")))
    assert said["trained on"] == "unknown"
    assert "epochs" not in said


@pytest.mark.parametrize("name", ["qdvae-256", "qdvae-256-labels"])
def test_the_shipped_models_say_what_they_were_trained_on(name):
    said = facts(read_header(PRETRAINED_DIR / f"{name}.safetensors"))
    assert said["trained on"].startswith("MNIST train, 60,000 images")
    assert float(said["epochs"]) > 10
    assert "250 clusters" in said["classes"]


def test_classes_and_their_shares_are_told_in_one_line(graph12, tmp_path):
    def told(names, transform=None, shares=None):
        model = QDVAE(graph12, (16,), classes=names)
        if transform:
            source = Source("mnist", "train", 60).then(transform)
            model.info = {"data": source.to_dict()}
        return facts(read_header(save_checkpoint(model, tmp_path / "x.safetensors")), shares)[
            "classes"
        ]

    assert told(()) == "none: one prior for all images"
    shares = torch.tensor([0.1, 0.2, 0.7])
    clusters = told(tuple("012"), "in 3 clusters (seed 0)", shares)
    assert clusters == "3 clusters, each 10 to 70 % of the images"
    assert told(tuple("012"), "in 3 clusters within labels (seed 0)") == "3 labels (0, 1, 2)"
    labels = told(("hat", "hat", "shoe"), None, shares)
    assert labels == "2 labels (hat, shoe) in 3 clusters, each label 30 to 70 % of the images"


def test_a_comparison_repeats_itself(monkeypatch, model12):
    monkeypatch.setenv("QDVAE_PROFILE", "fast")
    held_out = held_out_sample(100).rounded()
    first, second = (measures(model12, held_out, seed=3) for _ in range(2))
    assert first == second
    assert "Fréchet distance of 64" in first
    assert measures(model12, held_out, seed=4) != first


def test_tables_hold_text_and_not_markup():
    shown = table({"<b>x": {"row": "<u>"}, "y": {"<i>": "1"}}, "<s>")
    for markup in ("<b>x", "<i>", "<u>", "<s>"):
        assert markup not in shown
    assert shown.count("–") == 2  # each column lacks one row


def test_the_journey_shows_the_image_its_spins_and_the_image_again(model12, digits):
    fig = journey_figure(model12, digits.images[:1])
    assert sum(patch.get_height() for patch in fig.axes[1].patches) == model12.n_spins
    spins = fig.axes[2].collections[-1].get_array()
    assert f"spins: {int((spins > 0).sum())} of 12 are +1" in fig.axes[2].get_title()
    assert len(spins) == 12
