"""Recording samples with the command: found again, not too large, not in the place of others."""

from dataclasses import replace

import pytest
import torch

from qdvae_helpers.checkpoints import load_pretrained, save_checkpoint
from qdvae_helpers.commands import main
from qdvae_helpers.commands import record as command
from qdvae_helpers.errors import OutputError
from qdvae_helpers.models import QDVAE
from qdvae_helpers.priors import usual_classes
from qdvae_helpers.qpu.recordings import (
    find_recordings,
    load_recording,
    model_hash,
    save_recording,
)
from qdvae_helpers.samplers import make_sampler


@pytest.fixture
def model(graph12) -> QDVAE:
    return QDVAE(graph12, (16,))


@pytest.fixture
def arguments(model, tmp_path) -> list[str]:
    """Record 40 strings of a small model; the name of the output comes last."""
    saved = save_checkpoint(model, tmp_path / "model.safetensors")
    return ["record", "--model", str(saved), "--samples", "40", "--output"]


@pytest.fixture
def nothing_is_drawn(monkeypatch):
    monkeypatch.setattr("qdvae_helpers.commands.record.make_sampler", None)  # a call would raise


def test_the_command_records_a_model_and_the_sampler_finds_it(
    model, arguments, graph12, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("QDVAE_RECORDINGS", str(tmp_path / "r"))
    output = tmp_path / "r" / "mine.safetensors"
    assert main([*arguments, str(output)]) == 0
    shown = capsys.readouterr().out
    assert "simulated QPU (classical annealing)" in shown
    assert "kB in mine.safetensors" in shown
    assert len(load_recording(output).spins) == 40
    assert find_recordings(model_hash(model.grbm, graph12)) == [output]
    sampler = make_sampler(model.grbm, "recorded", num_samples=8, graph=graph12)
    assert model.generate(8, sampler=sampler).shape == (8, 1, 28, 28)


def test_every_class_is_recorded_in_proportion_to_its_share(graph12, tmp_path):
    model = QDVAE(graph12, (16,), classes=("a", "b", "b"))
    model.grbm.shares.copy_(torch.tensor([0.0008, 0.3, 0.6992]))
    saved = save_checkpoint(model, tmp_path / "model.safetensors")
    output = tmp_path / "r.safetensors"
    assert main(["record", "--model", str(saved), "--output", str(output)]) == 0
    counts = torch.bincount(load_recording(output).classes)
    assert counts.tolist() == [1, 375, 874]
    assert command.usual_samples(QDVAE(graph12, (16,))) == 1_000
    shipped = load_pretrained()
    n = command.usual_samples(shipped)
    assert len(usual_classes(n, shipped.grbm).unique()) == 250


def test_another_seed_draws_other_samples(arguments, tmp_path):
    paths = [tmp_path / f"{name}.safetensors" for name in "abc"]
    for path, seed in zip(paths, ("1", "1", "2"), strict=True):
        assert main([*arguments, str(path), "--seed", seed]) == 0
    first, again, other = (load_recording(path).spins for path in paths)
    assert first.equal(again)
    assert not first.equal(other)


def test_what_cannot_be_recorded_is_said_before_anything_is_drawn(tmp_path, capsys):
    output = tmp_path / "mine.safetensors"
    for wrong, said in (
        (["--samples", "0"], "--samples 0: record 1 or more."),
        (["--model", "qdvae-7"], "No model 'qdvae-7' ships here"),
        (["--sampler", "qpu"], "No Leap token is set"),
    ):
        assert main(["record", *wrong, "--output", str(output)]) == 1
        assert said in capsys.readouterr().err
    assert not output.exists()


def test_too_large_a_recording_is_refused_before_it_is_drawn(nothing_is_drawn, tmp_path, capsys):
    output = tmp_path / "large.safetensors"
    assert main(["record", "--samples", "1000000", "--output", str(output)]) == 1
    assert "large.safetensors would hold 33.3 MB" in capsys.readouterr().err
    assert not output.exists()


def test_simulated_samples_are_replaced(arguments, tmp_path):
    output = tmp_path / "r.safetensors"
    for seed in ("1", "2"):
        assert main([*arguments, str(output), "--seed", seed]) == 0
    assert load_recording(output).provenance.parameters["seed"] == 2


@pytest.fixture
def from_a_real_qpu(arguments, tmp_path):
    path = tmp_path / "real.safetensors"
    assert main([*arguments, str(path)]) == 0
    return save_recording(replace(load_recording(path), simulated=False), path)


def test_nothing_else_is_replaced(from_a_real_qpu, arguments, tmp_path, request, capsys):
    (tmp_path / "notes.txt").write_text("dear diary")
    request.getfixturevalue("nothing_is_drawn")
    capsys.readouterr()
    for kept in (from_a_real_qpu, tmp_path / "model.safetensors", tmp_path / "notes.txt", tmp_path):
        before = kept.is_file() and kept.read_bytes()
        assert main([*arguments, str(kept)]) == 1
        said = capsys.readouterr().err
        assert "it is a folder" in said or (
            f"{kept.name} is there already" in said and "or give --overwrite" in said
        )
        assert before == (kept.is_file() and kept.read_bytes())


def test_any_file_is_replaced_where_that_is_asked_for(from_a_real_qpu, arguments, tmp_path):
    (tmp_path / "notes.safetensors").write_text("no recording")
    for path in (from_a_real_qpu, tmp_path / "notes.safetensors"):
        assert main([*arguments, str(path), "--overwrite"]) == 0
        assert load_recording(path).simulated


def test_the_model_itself_is_never_replaced(arguments, nothing_is_drawn, tmp_path, capsys):
    model = tmp_path / "model.safetensors"
    before = model.read_bytes()
    assert main([*arguments, str(model), "--overwrite"]) == 1
    assert "is what --output writes: name another file" in capsys.readouterr().err
    assert model.read_bytes() == before


@pytest.mark.parametrize(
    ("output", "noun"),
    [
        ("", "is a folder or empty"),
        ("..", "is a folder or empty"),
        ("README.md/x.safetensors", "a file stands where a folder should be"),
        ("recording.txt", "ends in .safetensors"),
        ("n" * 260 + ".safetensors", "name is too long"),
    ],
)
def test_a_bad_output_is_named_before_anything_is_drawn(
    output, noun, nothing_is_drawn, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "README.md").touch()
    assert main(["record", "--output", output]) == 1
    said = capsys.readouterr().err
    assert noun in said
    assert said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]


def test_samples_survive_a_disk_that_fills_while_they_are_drawn(
    arguments, tmp_path, monkeypatch, capsys
):
    output, elsewhere = tmp_path / "mine.safetensors", tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(elsewhere))
    save = command.save_recording

    def full(recording, path):
        if path == output:
            raise OutputError("mine.safetensors cannot be written: the disk is full.")
        return save(recording, path)

    monkeypatch.setattr(command, "save_recording", full)
    assert main([*arguments, str(output)]) == 1
    said = capsys.readouterr().err
    (saved,) = elsewhere.rglob("*.safetensors")
    assert "the disk is full" in said
    assert str(saved) in said
    assert len(load_recording(saved).spins) == 40
