"""A training run beside the notebook: followed, cancelled, resumed, and failed in words."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from small_models import new_model, same_parameters

from qdvae_helpers.errors import OutputError, SettingError
from qdvae_helpers.model_store import ModelStore
from qdvae_helpers.outputs import hold
from qdvae_helpers.samplers import LiveSampler
from qdvae_helpers.training import RECIPE_SETTINGS, Progress, TrainingRun, TrainRequest
from qdvae_helpers.training.background import new_run

PATIENCE_S = 60  # on a busy machine; nothing is timed


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setenv("QDVAE_PROFILE", "fast")


@pytest.fixture
def store(tmp_path) -> ModelStore:
    return ModelStore(tmp_path / "models")


def follow(store, request, cancel_at=None) -> SimpleNamespace:
    """Run to the end; what was told on the way."""
    told = SimpleNamespace(progress=[], reports=[], pictures=[], ends=[])

    def on_progress(progress):
        told.progress.append(progress)
        if cancel_at is not None and progress.step >= cancel_at:
            run.cancel()

    def on_report(history, images, pairs):
        told.reports = list(history)
        told.pictures.append(images)
        assert pairs.shape == (2, 10, 1, 28, 28)
        if cancel_at is not None:
            run.cancel()

    run = TrainingRun(
        store,
        request,
        on_progress=on_progress,
        on_report=on_report,
        on_end=lambda *end: told.ends.append(end),
    )
    run.start()
    run.join(PATIENCE_S)
    assert not run.running
    (told.end,) = told.ends  # told once
    return told


@pytest.mark.parametrize("sampler", ["gibbs", "annealer", "exact"])
def test_a_cancelled_and_resumed_run_ends_like_an_uninterrupted_one(sampler, store):
    request = TrainRequest("whole", epochs=2, n_spins=16, sampler=sampler)
    assert follow(store, request).end == ("finished", "Finished: saved as whole.")
    told = follow(store, replace(request, name="parts"), cancel_at=1)
    assert told.end == ("cancelled", "Stopped: parts keeps its last step and can be resumed.")
    assert store.unfinished() == ["parts"]
    stopped = store.unfinished_header("parts")["info"]["step"]
    assert 0 < stopped < 40
    told = follow(store, "parts")
    assert told.end == ("finished", "Finished: saved as parts.")
    assert told.progress[0].step == stopped
    assert told.progress[-1].step == 40
    steps = [report["step"] for report in told.reports]
    assert steps == list(range(2, 41, 2))
    assert {images.shape for images in told.pictures} == {(20, 1, 28, 28)}
    assert store.unfinished() == []
    assert same_parameters(store.load("whole"), store.load("parts"))


def test_a_request_becomes_the_run_that_it_describes(store):
    request = TrainRequest("mine", epochs=3, n_spins=16, recipe="iwae", kl_weight=0.5, seed=4)
    run = new_run(store, request)
    assert run.config.steps == 3 * 20  # of 2,000 images, in batches of 100
    assert (run.config.kl_weight, run.config.seed) == (0.5, 4)
    assert run.config.spin_draws == RECIPE_SETTINGS["iwae"]["spin_draws"]
    assert run.model.info["studio"]["epochs"] == 3
    assert set(run.train.images.unique().tolist()) == {0.0, 1.0}
    assert (len(run.train), len(run.held_out)) == (2_000, 500)
    assert new_run(store, TrainRequest("m", recipe="mmd")).model.n_spins == 48
    assert new_run(store, TrainRequest("e")).model.n_spins == 64


def test_fine_tuning_starts_from_the_saved_weights_and_keeps_the_graph(store):
    follow(store, TrainRequest("first", epochs=1, n_spins=16))
    before = (store.folder / "first.safetensors").read_bytes()
    request = TrainRequest("second", epochs=1, n_spins=64, start_from="first")
    start = new_run(store, request).model
    assert same_parameters(start, store.load("first"))
    assert follow(store, request).end[0] == "finished"
    second = store.load("second")
    assert second.graph == start.graph
    assert not same_parameters(second, start)
    assert second.info["studio"]["start_from"] == "first"
    assert second.info["train"]["kl_warm_up"] == 1
    assert (store.folder / "first.safetensors").read_bytes() == before


def test_a_run_that_cannot_be_done_says_why(store):
    end, said = follow(store, TrainRequest("big", n_spins=96, sampler="exact")).end
    assert end == "failed"
    assert "exact sampling ends at" in said
    assert store.unfinished() == []


def test_a_run_that_was_begun_elsewhere_is_not_resumed(store):
    run = new_run(store, TrainRequest("elsewhere", n_spins=16))
    del run.model.info["studio"]
    part = store.unfinished_path("elsewhere")
    run.fit(checkpoint=part, should_stop=lambda: True, progress=False)
    end, said = follow(store, "elsewhere").end
    assert end == "failed"
    assert "elsewhere was not begun here" in said
    assert store.unfinished() == ["elsewhere"]


def test_a_model_that_is_written_elsewhere_is_not_trained_twice(store):
    ways = {"on_progress": None, "on_report": None, "on_end": None}
    run = TrainingRun(store, TrainRequest("mine", n_spins=16), **ways)
    with (
        hold(store.folder / "mine.safetensors"),
        pytest.raises(OutputError, match=r"mine\.safetensors is being written by process"),
    ):
        run.start()
    assert not run.running


def test_an_error_that_nobody_foresaw_is_told_as_such(store, monkeypatch):
    def broken(*arguments, **options):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("qdvae_helpers.training.background.prepare_run", broken)
    end, said = follow(store, TrainRequest("x", n_spins=16)).end
    assert (end, said) == ("failed", "This should not have happened (ZeroDivisionError): by zero")


def test_the_connection_is_closed_whatever_ends_the_run(leap, store, monkeypatch):
    closed, close = [], LiveSampler.close
    monkeypatch.setattr(LiveSampler, "close", lambda self: closed.append(close(self)))
    request = TrainRequest("on-a-qpu", epochs=1, n_spins=16, sampler="qpu")
    assert follow(store, request, cancel_at=1).end[0] == "cancelled"
    assert len(closed) == 1
    leap.faults["submit"].append("401")
    assert follow(store, replace(request, name="other")).end[0] == "failed"
    leap.faults["submit"].extend([None] * 2 + ["401"])  # after the temperature was measured
    end, said = follow(store, replace(request, name="third")).end
    assert (end, len(closed)) == ("failed", 2)
    assert "401" in said


def test_a_taken_name_is_refused_before_anything_begins(store, graph12):
    store.finish(new_model(graph12), "mine")
    with pytest.raises(SettingError, match="already"):
        TrainingRun(store, TrainRequest("mine"), on_progress=None, on_report=None, on_end=None)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"n_spins": 8}, "choose 16 to 512"),
        ({"n_spins": 513}, "choose 16 to 512"),
        ({"epochs": 0}, "choose 1 to 1000"),
        ({"recipe": "x"}, "no recipe 'x'"),
        ({"kl_weight": -1.0}, "kl_weight=-1.0 must be 0 or more"),
        ({"kl_weight": float("inf")}, "kl_weight=inf must be a finite number"),
        ({"kl_weight": float("nan")}, "kl_weight=nan must be a finite number"),
        ({"sampler": "gibs"}, "no sampler 'gibs'"),
        ({"seed": -1}, "seed=-1 must be 0 or more"),
    ],
)
def test_impossible_requests_are_refused(changes, why):
    with pytest.raises(SettingError, match=why):
        TrainRequest("name", **changes)


def test_progress_in_words():
    assert str(Progress(0, 40, 20, None)) == "epoch 1 of 2, batch 1 of 20"
    assert str(Progress(25, 40, 20, 61.0)).endswith("batch 6 of 20, about 1 min 01 s left")
    assert str(Progress(40, 40, 20, 0.0)).startswith("epoch 2 of 2, batch 20 of 20")


@pytest.mark.parametrize(("after", "known"), [(0.0, True), (1e9, False)])
def test_the_time_left_is_told_once_it_is_known(store, monkeypatch, after, known):
    monkeypatch.setattr("qdvae_helpers.training.background._KNOWN_AFTER_S", after)
    told = follow(store, TrainRequest("short", epochs=1, n_spins=16))
    assert told.progress[0].seconds_left is None
    assert (told.progress[-1].seconds_left is not None) == known


def test_a_solver_has_a_name():
    with pytest.raises(SettingError, match="name of the solver is blank"):
        TrainRequest("mine", solver=" ")
