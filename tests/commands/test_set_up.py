"""Command, studio and lesson set the same run up."""

import argparse
from functools import partial
from pathlib import Path

import nbformat
import pytest
import torch

from qdvae_helpers.commands import train as command
from qdvae_helpers.model_store import ModelStore
from qdvae_helpers.samplers import SimulatedQPU
from qdvae_helpers.training import RECIPES, PreparedRun, TrainConfig, TrainRequest
from qdvae_helpers.training.background import new_run

ROOT = Path(__file__).resolve().parent.parent.parent
_MUST_AGREE = ("recipe", "sample_every", "learning_rate", "prior_learning_rate", "spin_draws")


def prepared(*arguments: str) -> PreparedRun:
    """What ``qdvae train`` with these arguments would train."""
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.prepare(parser.parse_args(["--output", "m.safetensors", *arguments]))


def essence(model, config, sampler) -> dict:
    """What decides a run, whoever set it up; not how long it lasts."""
    parameters = sampler.provenance.parameters
    return {
        "spins": model.n_spins,
        "hidden": model.settings["hidden"],
        "graph": model.graph.hash,
        "sampler": sampler.kind,
        "num_samples": sampler.num_samples,
        "sweeps": parameters.get("sweeps"),
        "seed": parameters["seed"],
    } | {name: getattr(config, name) for name in _MUST_AGREE}


@pytest.fixture
def a_hasty_device(monkeypatch):
    """The simulated device anneals 20 times faster: nobody looks at its samples here."""
    hasty = partial(SimulatedQPU, num_sweeps=10)
    monkeypatch.setattr("qdvae_helpers.samplers.SimulatedQPU", hasty)


@pytest.fixture
def whole(monkeypatch, a_hasty_device):
    """The profile of the lessons."""
    monkeypatch.setenv("QDVAE_PROFILE", "lesson")


@pytest.mark.parametrize("kind", ["gibbs", "annealer"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_command_and_studio_agree(recipe, kind, whole, tmp_path):
    by_command = prepared("--recipe", recipe, "--sampler", kind)
    request = TrainRequest("mine", recipe=recipe, sampler=kind)
    by_studio = new_run(ModelStore(tmp_path), request)
    ours, theirs = (essence(run.model, run.config, run.sampler) for run in (by_command, by_studio))
    assert ours == theirs
    assert ours["sample_every"] == {"gibbs": 1, "annealer": 20}[kind]
    assert ours["spins"] == (48 if recipe == "mmd" else 256)
    assert by_command.train.source == by_studio.train.source
    assert by_command.held_out.source == by_studio.held_out.source


@pytest.mark.parametrize("kind", ["gibbs", "annealer"])
def test_lesson_and_command_agree(kind, whole, monkeypatch):
    monkeypatch.setenv("QDVAE_SAMPLER", kind)
    (path,) = (ROOT / "notebooks").glob("*_training_the_qdvae.ipynb")
    cells = [c for c in nbformat.read(path, 4).cells if "run-setup" in c.metadata.get("tags", [])]
    assert cells, f"{path.name}: give the cells that set its run up the tag run-setup"
    lesson = {"torch": torch, "TrainConfig": TrainConfig}  # imported in cells of their own
    for cell in cells:
        exec(cell.source, lesson)
    by_command = prepared("--profile", "lesson", "--steps", str(lesson["long_steps"]))
    ours = essence(by_command.model, by_command.config, by_command.sampler)
    assert essence(*(lesson[name] for name in ("model", "config", "sampler"))) == ours
    assert by_command.config == lesson["config"]
    assert by_command.train.source == lesson["train"].source


def test_the_command_learns_grey_images_where_asked():
    for images, few in (("rounded", True), ("grey", False)):
        run = prepared("--profile", "fast", "--images", images)
        for found in (run.train, run.held_out):
            assert (len(found.images.unique()) == 2) == few


def test_the_command_adds_bent_copies_where_asked():
    plain = prepared("--profile", "fast")
    bent = prepared("--profile", "fast", "--jitter", "2")
    assert len(bent.train) == 3 * len(plain.train)
    assert bent.train.images[: len(plain.train)].equal(plain.train.images)
    assert not bent.train.images[-len(plain.train) :].equal(plain.train.images)
