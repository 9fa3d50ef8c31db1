"""Recorded samples: what was drawn is what is replayed, for the very model it was drawn for."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import random_grbm
from safetensors import safe_open
from safetensors.torch import save_file

from qdvae_helpers import record as command
from qdvae_helpers.checkpoints import load_pretrained, save_checkpoint
from qdvae_helpers.errors import RecordingError
from qdvae_helpers.graphs import densest_subgraph
from qdvae_helpers.models import QDVAE
from qdvae_helpers.recordings import (
    RecordedSampler,
    find_recordings,
    load_recording,
    model_hash,
    record,
    save_recording,
)
from qdvae_helpers.samplers import estimate_beta, make_sampler

SHIPPED = Path(__file__).resolve().parent.parent / "data" / "recordings"


@pytest.fixture
def path(grbm12, graph12, tmp_path, monkeypatch) -> Path:
    """A recording of 100 strings in the folder where they are looked for."""
    monkeypatch.setenv("QDVAE_RECORDINGS", str(tmp_path))
    sampler = make_sampler(grbm12, "annealer", num_samples=60, graph=graph12)
    return save_recording(record(sampler, 100), tmp_path / "twelve.safetensors")


def test_a_recording_holds_what_was_drawn_and_where_from(grbm12, graph12, tmp_path):
    sampler = make_sampler(grbm12, "annealer", num_samples=60, seed=4, graph=graph12)
    twin = make_sampler(grbm12, "annealer", num_samples=60, seed=4, graph=graph12)
    path = save_recording(record(sampler, 100), tmp_path / "r.safetensors")
    recording = load_recording(path)
    assert torch.equal(recording.spins, torch.cat([twin.sample(), twin.sample()]))
    assert recording.graph == graph12
    assert recording.simulated
    # A sampler says the time of asking: the next second may have begun since.
    assert recording.provenance == replace(sampler.provenance, time=recording.provenance.time)
    assert recording.provenance.kind == "annealer"
    assert path.stat().st_size < 6_000
    # Open: any safetensors reader and any JSON reader will do.
    with safe_open(path, "np") as file:
        assert file.get_tensor("bits").shape == (120, 2)
        header = json.loads(file.metadata()["qdvae"])
    assert header["simulated"] is True
    assert header["graph"]["hash"] == graph12.hash


def test_a_recording_names_the_prefactor_that_its_strings_were_drawn_with(grbm12, graph12):
    options = {"num_samples": 1_000, "graph": graph12, "prefactor": 0.25, "track_every": 1}
    sampler = make_sampler(grbm12, "annealer", **options)
    recording = record(sampler, 2_000)
    assert recording.provenance.parameters["prefactor"] == sampler.prefactor == 0.25
    sampler.sample()
    assert sampler.prefactor != 0.25  # from here on the temperature is followed again


def test_every_string_is_replayed_once_in_the_seeds_order(path, grbm12, graph12):
    def build(seed):
        return make_sampler(grbm12, "recorded", num_samples=50, seed=seed, graph=graph12)

    sampler = build(1)
    first, second = sampler.sample(), sampler.sample()
    stored = load_recording(path).spins

    def rows(spins):
        return sorted(map(tuple, spins.tolist()))

    order = torch.randperm(120, generator=torch.Generator().manual_seed(1))[:100]
    assert rows(torch.cat([first, second])) == rows(stored[order])
    assert torch.equal(build(1).sample(), first)
    assert not torch.equal(build(2).sample(), first)
    with pytest.raises(RecordingError, match="100 of them are used up, so 50 more"):
        sampler.sample()
    again = build(1)
    again.sample()
    restored = build(1)
    restored.load_state_dict(again.state_dict())
    assert torch.equal(restored.sample(), second)


def test_captions_say_that_it_is_a_recording_of_a_simulation(path, grbm12, graph12):
    provenance = make_sampler(grbm12, "recorded", num_samples=9, graph=graph12).provenance
    assert provenance.kind == "recorded"
    assert str(provenance).startswith("recorded on 20")
    assert "simulated QPU (classical annealing)" in str(provenance)
    assert provenance.parameters["recorded"]["kind"] == "annealer"


def test_another_model_or_a_changing_one_is_refused(path, grbm12, graph12, capsys):
    sampler = make_sampler(grbm12, "recorded", num_samples=5, graph=graph12)
    grbm12.quadratic.data[3] += 1e-4
    for draw in (sampler.sample, lambda: make_sampler(grbm12, "recorded", graph=graph12)):
        with pytest.raises(RecordingError, match="a prior in training cannot use them"):
            draw()
    with pytest.raises(RecordingError, match="very biases"):
        RecordedSampler(grbm12, load_recording(path))
    fallen_back = make_sampler(grbm12, "recorded", graph=graph12, or_else="gibbs")
    assert fallen_back.kind == "gibbs"
    assert "Continuing with the sampler 'gibbs'." in capsys.readouterr().out


def test_a_lesson_that_trains_falls_back_aloud(graph12, monkeypatch, capsys):
    """Lesson 05 asks for the sampler that QDVAE_SAMPLER names, for a prior it is about to train."""
    monkeypatch.setenv("QDVAE_SAMPLER", "recorded")
    sampler = make_sampler(QDVAE(graph12, (16,)).grbm, num_samples=4, graph=graph12)
    assert sampler.kind == "gibbs"
    shown = capsys.readouterr().out
    assert "a prior in training cannot use them" in shown
    assert "Continuing with the sampler 'gibbs'." in shown


def test_what_a_recording_cannot_do_is_said(path, grbm12, graph12):
    sampler = make_sampler(grbm12, "recorded", num_samples=5, graph=graph12)
    with pytest.raises(RecordingError, match="cannot clamp"):
        sampler.sample(torch.ones(1, 12))
    with pytest.raises(RecordingError, match="a recording already"):
        record(sampler, 5)
    with pytest.raises(RecordingError, match=r"needs graph=\.\.\."):
        make_sampler(grbm12, "recorded")


def test_a_recording_has_a_size_limit(path, tmp_path):
    with pytest.raises(RecordingError, match=r"the limit is 0\.0 MB: record fewer reads"):
        save_recording(load_recording(path), tmp_path / "s.safetensors", max_bytes=300)
    assert not (tmp_path / "s.safetensors").exists()


def test_damaged_and_foreign_files_are_named(path, tmp_path):
    with pytest.raises(RecordingError, match=r"no recording absent\.safetensors"):
        load_recording(tmp_path / "absent.safetensors")
    whole = path.read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[:500])
    with pytest.raises(RecordingError, match=r"cut\.safetensors is damaged"):
        load_recording(tmp_path / "cut.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(RecordingError, match="damaged or no recording"):
        load_recording(tmp_path / "other.safetensors")
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
    tensors["linear"][0] += 1
    save_file(tensors, tmp_path / "altered.safetensors", metadata=metadata)
    with pytest.raises(RecordingError, match="was altered"):
        load_recording(tmp_path / "altered.safetensors")
    header = json.loads(metadata["qdvae"]) | {"format": "qdvae-recording/9"}
    save_file(tensors, tmp_path / "new.safetensors", metadata={"qdvae": json.dumps(header)})
    with pytest.raises(RecordingError, match="format 'qdvae-recording/9'"):
        load_recording(tmp_path / "new.safetensors")


def test_files_that_are_no_recordings_do_not_block_those_that_are(
    path, grbm12, graph12, tmp_path, capsys
):
    wanted = model_hash(grbm12, graph12)
    save_checkpoint(QDVAE(graph12, (16,)), tmp_path / "model.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    assert find_recordings(wanted) == [path]
    assert capsys.readouterr().out == ""
    (tmp_path / "cut.safetensors").write_bytes(path.read_bytes()[:500])
    (tmp_path / "empty.safetensors").touch()
    (tmp_path / "folder.safetensors").mkdir()
    header = {"format": "qdvae-recording/9"}
    newer = {"qdvae": json.dumps(header)}
    save_file({"a": torch.zeros(1)}, tmp_path / "newer.safetensors", metadata=newer)
    hollow = {"qdvae": json.dumps(header | {"format": "qdvae-recording/1"})}
    save_file({"a": torch.zeros(1)}, tmp_path / "hollow.safetensors", metadata=hollow)
    assert find_recordings(wanted) == [path]
    lines = capsys.readouterr().out.splitlines()
    for line, name in zip(lines, ("cut", "empty", "folder", "hollow", "newer"), strict=True):
        assert line.startswith("Passed over: ")
        assert f"{name}.safetensors" in line
    assert make_sampler(grbm12, "recorded", num_samples=5, graph=graph12).sample().shape == (5, 12)


def test_the_command_records_a_model_and_the_sampler_finds_it(
    graph12, tmp_path, monkeypatch, capsys
):
    model = QDVAE(graph12, (16,))
    saved = save_checkpoint(model, tmp_path / "model.safetensors")
    monkeypatch.setenv("QDVAE_RECORDINGS", str(tmp_path / "r"))
    output = tmp_path / "r" / "mine.safetensors"
    arguments = ["--model", str(saved), "--reads", "40", "--output", str(output)]
    assert command.main(arguments) == 0
    assert "simulated QPU (classical annealing), 40 reads" in capsys.readouterr().out
    assert find_recordings(model_hash(model.grbm, graph12)) == [output]
    sampler = make_sampler(model.grbm, "recorded", num_samples=8, graph=graph12)
    assert model.generate(8, sampler=sampler).shape == (8, 1, 28, 28)
    assert command.main(["--sampler", "qpu", "--output", str(output)]) == 1
    assert "No Leap token is set" in capsys.readouterr().err


def test_what_ships_fits_the_shipped_model_and_is_labelled():
    """After training the shipped model anew, `make recordings` has to run."""
    model = load_pretrained()
    (path,) = find_recordings(model_hash(model.grbm, model.graph))
    recording = load_recording(path)
    assert path.parent == SHIPPED
    assert recording.simulated
    assert "simulated" in path.name
    assert recording.provenance.kind == "annealer"
    assert len(recording.spins) >= 500
    beta, error = estimate_beta(model.grbm, recording.spins)
    assert beta == pytest.approx(1, abs=0.1)
    assert error < 0.02


def test_a_recording_of_a_real_qpu_comes_first(qpu, tmp_path, monkeypatch):
    graph = densest_subgraph(qpu, 8)
    grbm = random_grbm(graph, 0)
    made = record(make_sampler(grbm, "annealer", num_samples=5, prefactor=0.15, graph=graph), 5)
    real = made.__class__(**{**vars(made), "simulated": False})  # as `record` makes of a QPU's
    save_recording(made, tmp_path / "a.safetensors")
    save_recording(real, tmp_path / "b.safetensors")
    monkeypatch.setenv("QDVAE_RECORDINGS", str(tmp_path))
    names = [path.name for path in find_recordings(model_hash(grbm, graph))]
    assert names == ["b.safetensors", "a.safetensors"]


def test_the_newest_recording_comes_first(path, grbm12, graph12):
    made = load_recording(path)
    for name, time in (("older", "2024-05-01"), ("newest", "2125-01-01"), ("oldest", "2023-12-31")):
        provenance = replace(made.provenance, time=f"{time}T00:00:00+00:00")
        save_recording(replace(made, provenance=provenance), path.with_stem(name))
    names = [found.stem for found in find_recordings(model_hash(grbm12, graph12))]
    assert names == ["newest", "twelve", "older", "oldest"]


def test_too_large_a_recording_is_refused_before_it_is_drawn(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "make_sampler", None)  # calling it would raise
    output = tmp_path / "large.safetensors"
    assert command.main(["--reads", "1000000", "--output", str(output)]) == 1
    assert "large.safetensors would hold 32.0 MB" in capsys.readouterr().err
    assert not output.exists()


def test_only_simulated_samples_are_replaced(path, graph12, tmp_path, monkeypatch, capsys):
    model = save_checkpoint(QDVAE(graph12, (16,)), tmp_path / "model.safetensors")
    arguments = ["--model", str(model), "--reads", "10", "--output"]
    assert command.main([*arguments, str(path)]) == 0
    made = load_recording(path)
    assert len(made.spins) == 10
    save_recording(replace(made, simulated=False), path)
    (tmp_path / "notes.txt").write_text("dear diary")
    monkeypatch.setattr(command, "make_sampler", None)  # calling it would raise
    capsys.readouterr()
    for kept in (path, model, tmp_path / "notes.txt", tmp_path):
        before = kept.is_file() and kept.read_bytes()
        assert command.main([*arguments, str(kept)]) == 1
        said = capsys.readouterr().err
        assert f"{kept.name} is there already" in said
        assert "name another file with --output" in said
        assert before == (kept.is_file() and kept.read_bytes())


def test_an_interrupted_write_keeps_the_old_recording(path, monkeypatch):
    before = load_recording(path)

    def interrupted(*arguments) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("qdvae_helpers.checkpoints.os.replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_recording(before, path)
    assert torch.equal(load_recording(path).spins, before.spins)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
