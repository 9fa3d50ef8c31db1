"""A decoder that learns what rounds make of the prior's strings."""

import pytest
import torch

from qdvae_helpers.checkpoints import load_checkpoint, save_checkpoint
from qdvae_helpers.errors import SettingError
from qdvae_helpers.graphs import densest_subgraph
from qdvae_helpers.losses import reconstruction_loss
from qdvae_helpers.models import QDVAE
from qdvae_helpers.polish import main, polish
from qdvae_helpers.samplers import GibbsSampler
from qdvae_helpers.training import TrainConfig, fit

SHORT = {"batch_size": 32, "num_chains": 64, "sweeps": 2, "progress": False}


@pytest.fixture(scope="module")
def model(qpu, digits):
    """A small model that knows digits a little."""
    torch.manual_seed(0)
    model = QDVAE(densest_subgraph(qpu, 16), (64,))
    model.start_from_mean(digits.images)
    config = TrainConfig(steps=300, batch_size=64, report_every=300)
    sampler = GibbsSampler(model.grbm, 64, 2, graph=model.graph)
    fit(model, digits, config, sampler=sampler, progress=False)
    return model


@torch.no_grad()
def error_on_dreams(student: QDVAE, teacher: QDVAE, rounds: int) -> float:
    """What the student paints against what rounds of the teacher make of it, fresh strings."""
    dreams = GibbsSampler(teacher.grbm, 500, seed=99, graph=teacher.graph).fresh()
    wanted = teacher.refine(teacher.decode(dreams), rounds, seed=98)
    return float(reconstruction_loss(student.dvae.decoder(dreams).unsqueeze(1), wanted))


@torch.no_grad()
def error_on_images(model: QDVAE, digits) -> float:
    torch.manual_seed(1)
    codes = model.spins(model.encode(digits.images))
    return float(reconstruction_loss(model.dvae.decoder(codes).unsqueeze(1), digits.images))


def test_it_learns_the_rounds_and_keeps_the_images(model, digits):
    polished = polish(model, digits, steps=300, weight=2.0, learning_rate=3e-3, **SHORT)
    before, after = (error_on_dreams(m, model, 3) for m in (model, polished))
    assert after < before - 1
    assert error_on_images(polished, digits) < error_on_images(model, digits) + 1


def test_only_the_decoder_of_a_copy_changes(model, digits):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    polished = polish(model, digits, steps=2, **SHORT)
    for name, value in polished.state_dict().items():
        assert torch.equal(model.state_dict()[name], before[name])
        assert torch.equal(value, before[name]) != name.startswith("dvae._decoder"), name
    assert all(p.requires_grad for p in polished.parameters())
    assert model.dvae.latent_to_discrete.generator is None
    assert polished.dvae.latent_to_discrete.generator is None


def test_the_same_seed_gives_the_same_decoder(model, digits):
    weights = [
        list(polish(model, digits, steps=3, seed=seed, **SHORT).dvae.decoder.parameters())
        for seed in (0, 0, 1)
    ]
    assert all(torch.equal(a, b) for a, b in zip(weights[0], weights[1], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(weights[0], weights[2], strict=True))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"steps": 0}, "steps=0 must be 1 or more"),
        ({"rounds": 0}, "rounds=0 must be 1 or more"),
        ({"num_chains": 31}, "31 chains and 300 images"),
        ({"batch_size": 301, "num_chains": 400}, "a batch of 301"),
    ],
)
def test_wrong_settings_are_refused(model, digits, changes, why):
    with pytest.raises(SettingError, match=why):
        polish(model, digits, **(SHORT | changes))


def test_the_command_writes_a_model_that_says_how_it_was_polished(model, tmp_path, capsys):
    source, output = tmp_path / "m.safetensors", tmp_path / "polished.safetensors"
    save_checkpoint(model, source, {"data": "digits of scikit-learn"})
    assert main([str(source), "--output", str(output), "--steps", "1", "--rounds", "2"]) == 0
    info = load_checkpoint(output).info
    assert info["polish"]["rounds"] == 2
    assert info["polish"]["sampler"]["kind"] == "gibbs"
    assert info["data"] == "digits of scikit-learn"
    assert main([str(tmp_path / "nowhere"), "--output", str(output)]) == 1
    assert "There is no checkpoint nowhere" in capsys.readouterr().err


def test_the_command_wants_the_images_that_the_model_learned(model, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("QDVAE_DATA", str(tmp_path))
    source = tmp_path / "m.safetensors"
    save_checkpoint(model, source, {"data": "MNIST train, 60,000 images"})
    assert main([str(source), "--output", str(tmp_path / "p.safetensors")]) == 1
    assert "put it in place" in capsys.readouterr().err
    assert not (tmp_path / "p.safetensors").exists()
