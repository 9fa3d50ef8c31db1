"""Recorded samples: what was drawn is what is replayed, for the very model it was drawn for."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from qdvae_helpers.errors import QPUError, RecordingError
from qdvae_helpers.qpu.recordings import load_recording, save_recording
from qdvae_helpers.samplers import RecordedSampler, make_sampler, record


@pytest.fixture
def path(grbm12, graph12, tmp_path, monkeypatch) -> Path:
    """A recording of 120 strings in the folder where they are looked for."""
    monkeypatch.setenv("QDVAE_RECORDINGS", str(tmp_path))
    options = {"num_samples": 60, "prefactor": 0.15, "num_sweeps": 100}
    sampler = make_sampler(grbm12, "annealer", graph=graph12, **options)
    return save_recording(record(sampler, 100), tmp_path / "twelve.safetensors")


def test_a_recording_holds_what_was_drawn_and_where_from(grbm12, graph12, tmp_path):
    options = {"num_samples": 60, "seed": 4, "prefactor": 0.15, "graph": graph12}
    sampler, twin = (make_sampler(grbm12, "annealer", **options) for _ in range(2))
    recording = load_recording(save_recording(record(sampler, 100), tmp_path / "r.safetensors"))
    assert torch.equal(recording.spins.float(), torch.cat([twin.sample(), twin.sample()]))
    assert torch.equal(recording.linear, grbm12.linear.detach())
    assert torch.equal(recording.quadratic, grbm12.quadratic.detach())
    assert recording.graph == graph12
    assert recording.simulated
    # A sampler says the time of asking: the next second may have begun since.
    assert recording.provenance == replace(sampler.provenance, time=recording.provenance.time)


def test_a_recording_names_the_prefactor_that_all_its_strings_were_drawn_with(grbm12, graph12):
    options = {"num_samples": 1_000, "graph": graph12, "prefactor": 0.25, "track_every": 1}
    sampler = make_sampler(grbm12, "annealer", num_sweeps=100, **options)
    recording = record(sampler, 2_000)
    assert recording.provenance.parameters["prefactor"] == sampler.prefactor == 0.25
    sampler.sample()
    assert sampler.prefactor != 0.25  # from here on the temperature is followed again


def test_gibbs_chains_are_recorded_fresh_at_every_call(grbm12, graph12):
    recorded, twin = (
        make_sampler(grbm12, "gibbs", num_samples=30, graph=graph12) for _ in range(2)
    )
    spins = record(recorded, 60).spins.float()
    assert torch.equal(spins, torch.cat([twin.fresh(), twin.fresh()]))


def test_every_string_is_replayed_once_in_the_seeds_order(path, grbm12, graph12):
    def build(seed):
        return make_sampler(grbm12, "recorded", num_samples=50, seed=seed, graph=graph12)

    sampler = build(1)
    replayed = torch.cat([sampler.sample(), sampler.sample()])
    order = torch.randperm(120, generator=torch.Generator().manual_seed(1))[:100]
    assert torch.equal(replayed, load_recording(path).spins[order].float())
    assert not torch.equal(build(2).sample(), replayed[:50])
    with pytest.raises(RecordingError, match="100 of them are used up, so 50 more"):
        sampler.sample()


@pytest.mark.usefixtures("path")
def test_captions_say_that_it_is_a_recording_of_a_simulation(grbm12, graph12):
    provenance = make_sampler(grbm12, "recorded", num_samples=9, graph=graph12).provenance
    assert provenance.kind == "recorded"
    assert str(provenance).startswith("recorded on 20")
    assert "simulated QPU (classical annealing)" in str(provenance)
    assert provenance.parameters["simulated"] is True
    assert provenance.parameters["recorded"]["kind"] == "annealer"


def test_a_recording_of_a_real_qpu_is_not_called_simulated(path, grbm12):
    real = replace(load_recording(path), simulated=False)  # as `record` makes of a QPU's
    sampler = RecordedSampler(grbm12, real)
    assert sampler.simulated is False
    assert sampler.provenance.parameters["simulated"] is False


def test_another_model_or_a_changing_one_is_refused(path, grbm12, graph12, capsys):
    sampler = make_sampler(grbm12, "recorded", num_samples=5, graph=graph12)
    grbm12.quadratic.data[3] += 1e-4
    for draw in (
        sampler.sample,
        lambda: make_sampler(grbm12, "recorded", graph=graph12),
        lambda: make_sampler(grbm12, "recorded", graph=graph12, path=path),
        lambda: RecordedSampler(grbm12, load_recording(path)),
    ):
        with pytest.raises(RecordingError, match="a prior in training cannot use them"):
            draw()


def test_what_a_recording_cannot_do_is_said(path, grbm12, graph12):
    sampler = make_sampler(grbm12, "recorded", num_samples=5, graph=graph12)
    with pytest.raises(RecordingError, match="a recording already"):
        record(sampler, 5)
    chains = make_sampler(grbm12, num_samples=5, graph=graph12)
    for bad in (-1, 0, 1.5, "9", float("nan")):
        with pytest.raises(RecordingError, match="num_samples="):
            record(chains, bad)
    with pytest.raises(RecordingError, match=r"needs graph=\.\.\."):
        make_sampler(grbm12, "recorded")


@pytest.mark.parametrize("numbers", [(-1, 0), (0, 0), (1.5, 0), (True, 0), ("9", 0), (9, None)])
def test_impossible_numbers_are_refused(numbers, path, grbm12):
    with pytest.raises(RecordingError, match="must be whole numbers"):
        RecordedSampler(grbm12, load_recording(path), numbers[0], seed=numbers[1])


def test_a_recording_that_fails_half_way_keeps_what_arrived(leap, make_live, home, capsys):
    leap.properties["num_reads_range"] = [1, 50]
    sampler = make_live(num_samples=100, retries=0)
    leap.faults["submit"].extend([None] * 3 + ["503"])
    recording = record(sampler, 200)
    assert not recording.simulated
    assert recording.spins.shape == (150, 12)
    assert torch.equal(recording.spins.float(), leap.true_spins(home))
    assert "Recording the 150 of 200 that arrived." in capsys.readouterr().out
    assert sampler.salvage() == []  # they are in the recording, and handed out nowhere else
    leap.faults["submit"].append("503")
    with pytest.raises(QPUError):
        record(make_live(num_samples=100, retries=0), 100)
