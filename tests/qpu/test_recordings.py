"""Files of recorded samples: whole, open, found, and not replaced by accident."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from qdvae_helpers.checkpoints import load_pretrained, save_checkpoint
from qdvae_helpers.errors import RecordingError
from qdvae_helpers.models import QDVAE
from qdvae_helpers.paths import DATA
from qdvae_helpers.provenance import Provenance
from qdvae_helpers.qpu.recordings import (
    Recording,
    find_recordings,
    load_recording,
    model_hash,
    read_recording_header,
    recording_folders,
    require_replaceable,
    require_room,
    save_recording,
)
from qdvae_helpers.samplers import estimate_beta


@pytest.fixture
def recording(grbm12, graph12) -> Recording:
    """Spins that somebody might have drawn."""
    spins = (2 * torch.randint(2, (120, 12)) - 1).to(torch.int8)
    made = Provenance("annealer", "drawn by hand", graph12.hash, {"seed": 0}, "2026-01-02T03:04:05")
    linear, quadratic = grbm12.linear.detach(), grbm12.quadratic.detach()
    return Recording(spins, linear.clone(), quadratic.clone(), graph12, made, simulated=True)


@pytest.fixture
def path(recording, tmp_path, monkeypatch) -> Path:
    """A recording in the folder where they are looked for."""
    monkeypatch.setenv("QDVAE_RECORDINGS", str(tmp_path))
    return save_recording(recording, tmp_path / "twelve.safetensors")


def test_a_recording_comes_back_as_it_was(path, recording, grbm12, graph12):
    loaded = load_recording(path)
    assert torch.equal(loaded.spins, recording.spins)
    assert torch.equal(loaded.linear, recording.linear)
    assert torch.equal(loaded.quadratic, recording.quadratic)
    assert loaded.graph == graph12
    assert loaded.provenance == recording.provenance
    assert loaded.simulated is True
    assert loaded.model_hash == model_hash(grbm12, graph12)


def test_any_safetensors_reader_and_any_json_reader_will_do(path, graph12):
    with safe_open(path, "np") as file:
        assert file.get_tensor("bits").shape == (120, 2)
        header = json.loads(file.metadata()["qdvae"])
    assert header["simulated"] is True
    assert header["graph"]["hash"] == graph12.hash
    assert path.stat().st_size < 6_000


def test_the_hash_changes_with_any_bias_coupling_or_qubit(grbm12, graph12):
    hashes = [model_hash(grbm12, graph12), model_hash(grbm12, graph12)]
    for values in (grbm12.linear.data, grbm12.quadratic.data):
        values[-1] += 1e-4
        hashes.append(model_hash(grbm12, graph12))
    hashes.append(model_hash(grbm12, replace(graph12, shape=(13, 4))))
    assert len(set(hashes)) == 4


def test_a_recording_has_a_size_limit(path, recording, graph12, tmp_path):
    with pytest.raises(RecordingError, match=r"the limit is 0\.0 MB: record fewer samples"):
        save_recording(recording, tmp_path / "s.safetensors", max_bytes=300)
    assert not (tmp_path / "s.safetensors").exists()
    # Known before anything is drawn: two bytes a string and four a bias or coupling.
    size = 120 * 2 + 4 * (12 + len(graph12.edges))
    assert require_room(graph12, 120, "r", max_bytes=size) is None
    with pytest.raises(RecordingError, match="r would hold"):
        require_room(graph12, 121, "r", max_bytes=size)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RecordingError, match=r"no recording absent\.safetensors"):
        load_recording(tmp_path / "absent.safetensors")


def test_damaged_and_foreign_files_are_named(path, tmp_path):
    bad = tmp_path / "bad.safetensors"
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        header = json.loads(file.metadata()["qdvae"])

    def written(tensors, header) -> Path:
        save_file(tensors, bad, metadata={"qdvae": json.dumps(header)})
        return bad

    bad.write_bytes(path.read_bytes()[:500])
    with pytest.raises(RecordingError, match=r"bad\.safetensors is damaged or no recording"):
        load_recording(bad)
    save_file({"a": torch.zeros(1)}, bad)
    with pytest.raises(RecordingError, match=r"bad\.safetensors is damaged or no recording"):
        load_recording(bad)
    with pytest.raises(RecordingError, match="format 'qdvae-recording/9'"):
        load_recording(written(tensors, header | {"format": "qdvae-recording/9"}))
    for changes in ({"reads": 121}, {"provenance": {"time": "now"}}, {"graph": {}}):
        with pytest.raises(RecordingError, match="damaged or no recording"):
            load_recording(written(tensors, header | changes))


@pytest.mark.parametrize("changed", ["bits", "linear", "quadratic", "source", "simulated", "made"])
def test_what_was_altered_is_refused(changed, path):
    """As in an accident; whoever alters a file on purpose can make a new hash."""
    tensors = load_file(path)
    header = read_recording_header(path)
    if changed in tensors:
        tensors[changed].view(-1)[-1] += 16  # one bit, one bias
    elif changed == "made":
        header["provenance"]["description"] = "Advantage2_system1.5, 120 reads"
    elif changed == "source":
        header["graph"]["source"] = "live graph of Advantage2_system1.5"
    else:
        header["simulated"] = False
    save_file(tensors, path, metadata={"qdvae": json.dumps(header)})
    with pytest.raises(RecordingError, match=r"twelve\.safetensors was altered"):
        load_recording(path)


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
    whole = read_recording_header(path)
    for name, provenance in (("timeless", {"kind": "gibbs"}), ("unproven", None)):
        metadata = {"qdvae": json.dumps(whole | {"provenance": provenance})}
        save_file({"a": torch.zeros(1)}, tmp_path / f"{name}.safetensors", metadata=metadata)
    altered = path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1])
    (tmp_path / "altered.safetensors").write_bytes(altered)  # found out before it is replayed
    os.mkfifo(tmp_path / "fifo.safetensors")
    (tmp_path / "lost.safetensors").symlink_to("nowhere")
    (tmp_path / "deep.safetensors").write_bytes(b"\xd0\x07" + bytes(6) + b"[" * 2_000)
    assert find_recordings(wanted) == [path]
    lines = capsys.readouterr().out.splitlines()
    damaged = ("altered", "cut", "deep", "empty", "fifo", "folder", "hollow", "lost", "newer")
    damaged += ("timeless", "unproven")
    for line, name in zip(lines, damaged, strict=True):
        assert line.startswith("Passed over: ")
        assert f"{name}.safetensors" in line


def test_those_of_a_real_qpu_come_first_and_of_these_the_newest(path, recording, grbm12, graph12):
    for name, simulated, time in (
        ("real", False, "2023-07-01"),
        ("older", True, "2024-05-01"),
        ("newest", True, "2125-01-01"),
        ("newer-real", False, "2024-07-01"),
    ):
        provenance = replace(recording.provenance, time=f"{time}T00:00:00+00:00")
        other = replace(recording, provenance=provenance, simulated=simulated)
        save_recording(other, path.with_stem(name))
    names = [found.stem for found in find_recordings(model_hash(grbm12, graph12))]
    assert names == ["newer-real", "real", "newest", "twelve", "older"]


def test_ones_own_folder_is_looked_into_before_that_of_the_repository(monkeypatch, tmp_path):
    shipped = DATA / "recordings"
    assert recording_folders() == [shipped]
    monkeypatch.setenv("QDVAE_RECORDINGS", str(tmp_path))
    assert recording_folders() == [tmp_path, shipped]


def test_only_simulated_samples_may_be_replaced(path, recording, graph12, tmp_path):
    assert require_replaceable(path) is None
    assert require_replaceable(tmp_path / "absent.safetensors") is None
    real = save_recording(replace(recording, simulated=False), tmp_path / "real.safetensors")
    model = save_checkpoint(QDVAE(graph12, (16,)), tmp_path / "model.safetensors")
    (tmp_path / "notes.txt").write_text("dear diary")
    for kept in (real, model, tmp_path / "notes.txt", tmp_path):
        with pytest.raises(RecordingError, match=f"{kept.name} is there already"):
            require_replaceable(kept)


@pytest.mark.parametrize(
    "change",
    [
        lambda r: {"spins": r.spins * 0},
        lambda r: {"spins": r.spins[:0]},
        lambda r: {"linear": r.linear * torch.nan},
        lambda r: {"quadratic": r.quadratic[1:]},
        lambda r: {"provenance": replace(r.provenance, description="\x1b[2J")},
        lambda r: {"provenance": replace(r.provenance, parameters={"beta": torch.inf})},
    ],
)
def test_what_could_not_be_read_again_is_not_written(change, path, recording):
    before = path.read_bytes()
    with pytest.raises(RecordingError, match="is not written"):
        save_recording(replace(recording, **change(recording)), path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_an_interrupted_write_keeps_the_old_recording(path, recording, monkeypatch):
    def interrupted(*arguments) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_recording(replace(recording, spins=-recording.spins), path)
    assert torch.equal(load_recording(path).spins, recording.spins)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_what_ships_fits_the_shipped_model_and_is_labelled():
    """After training the shipped model anew, `make recordings` has to run."""
    model = load_pretrained()
    (path,) = find_recordings(model_hash(model.grbm, model.graph))
    recording = load_recording(path)
    assert path.parent == DATA / "recordings"
    assert recording.simulated
    assert read_recording_header(path)["simulated"] is True
    assert "simulated" in path.name
    assert recording.provenance.kind == "annealer"
    assert len(recording.spins) >= 500
    beta, error = estimate_beta(model.grbm, recording.spins.float(), recording.classes)
    assert beta == pytest.approx(1, abs=0.1)
    assert error < 0.02
