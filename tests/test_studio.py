"""The studio without a browser: what it may read and write, its background work, its widgets."""

import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import ipywidgets
import nbformat
import pytest
import torch
from safetensors.torch import save_file

from qdvae_helpers import panels, studio
from qdvae_helpers.app import only_app_cells
from qdvae_helpers.background import LatestOnly, Progress, TrainingRun, TrainRequest
from qdvae_helpers.checkpoints import save_checkpoint
from qdvae_helpers.errors import CheckpointError, SettingError
from qdvae_helpers.model_store import ModelStore, valid_name
from qdvae_helpers.models import QDVAE
from qdvae_helpers.panels import Message, Number, Panel
from qdvae_helpers.studio import Studio, facts, table
from qdvae_helpers.training import RECIPE_SETTINGS
from qdvae_helpers.widgets import (
    Inpainting,
    KernelExplorer,
    LatentMap,
    LiveTraining,
    QPUExplorer,
    SpinBoard,
)

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_S = 60


@pytest.fixture(autouse=True)
def small_and_offline(monkeypatch, tmp_path):
    monkeypatch.setenv("QDVAE_PROFILE", "fast")
    monkeypatch.setenv("QDVAE_DOWNLOAD", "0")
    monkeypatch.setenv("QDVAE_DATA", str(tmp_path / "nothing"))


@pytest.fixture(autouse=True)
def no_panel_left_open():
    yield
    for panel in list(Panel._open.values()):
        panel.close()


@pytest.fixture
def store(tmp_path) -> ModelStore:
    return ModelStore(tmp_path / "models")


@pytest.fixture
def model12(graph12) -> QDVAE:
    return QDVAE(graph12, (16,)).eval()


@pytest.mark.parametrize("name", ["a", "first-try", " padded ", "x_1", "9lives", "a" * 64])
def test_good_names_pass(name):
    assert valid_name(name) == name.strip()


BAD_NAMES = ["", "../up", "a/b", "a\\b", "/etc/passwd", ".hidden", "a.part", "-rf", "a b"]
BAD_NAMES += ["a" * 65, "nul", "COM1", "naïve", "a\nb", "~root", "$HOME", "a\0b"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_other_names_are_refused_everywhere(name, store, model12):
    for use in (
        valid_name,
        store.require_free,
        store.unfinished_path,
        lambda n: store.finish(model12, n),
        lambda n: store.save_picture(b"", n),
        lambda n: TrainingRun(
            store, TrainRequest(n), on_progress=None, on_report=None, on_end=None
        ),
    ):
        with pytest.raises(SettingError, match="is no name for a file here"):
            use(name)
    for read in (store.load, store.header):
        with pytest.raises(CheckpointError, match="There is no model"):
            read(name)
    assert not store.folder.exists()


def test_the_store_lists_shipped_saved_and_unfinished_models(store, model12):
    assert store.names() == ["qdvae-256", "qdvae-256-sharp"]
    store.finish(model12, "mine")
    save_checkpoint(model12, store.unfinished_path("later"))
    assert store.names() == ["qdvae-256", "qdvae-256-sharp", "later (unfinished)", "mine"]
    assert store.unfinished() == ["later"]
    assert store.load("mine").n_spins == 12
    for taken in ("mine", "MINE", "later", "qdvae-256"):
        with pytest.raises(SettingError, match="already"):
            store.require_free(taken)
    store.finish(model12, "later")
    assert store.names() == ["qdvae-256", "qdvae-256-sharp", "later", "mine"]


def test_files_of_other_programs_are_not_offered_and_not_overwritten(store, model12):
    store.finish(model12, "mine")
    others = {"qcnn": {"a": torch.zeros(1)}, "notes": None}
    for name, tensors in others.items():
        path = store.folder / f"{name}.safetensors"
        path.write_bytes(b"\xff" * 9) if tensors is None else save_file(tensors, path)
    recording = {"qdvae": '{"format": "qdvae-recording/1"}'}
    save_file({"a": torch.zeros(1)}, store.folder / "drawn.safetensors", metadata=recording)
    assert store.names() == ["qdvae-256", "qdvae-256-sharp", "mine"]
    for name in ("qcnn", "QCNN", "notes", "drawn"):
        with pytest.raises(SettingError, match="already"):
            store.require_free(name)


def test_a_damaged_model_is_listed_and_called_damaged(store, model12):
    path = store.finish(model12, "torn")
    path.write_bytes(path.read_bytes()[:-100])
    assert "torn" in store.names()
    with pytest.raises(CheckpointError, match=r"torn\.safetensors is damaged"):
        store.load("torn")


def test_links_do_not_lead_out_of_the_folder(store, model12, tmp_path):
    outside = save_checkpoint(model12, tmp_path / "elsewhere" / "secret.safetensors")
    store.folder.mkdir()
    (store.folder / "secret.safetensors").symlink_to(outside)
    assert store.names() == ["qdvae-256", "qdvae-256-sharp"]
    with pytest.raises(SettingError, match="link out of the folder"):
        store.finish(model12, "secret")
    (store.folder / "pictures").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SettingError, match="link out of the folder"):
        store.save_picture(b"", "new")
    assert [file.name for file in (tmp_path / "elsewhere").iterdir()] == ["secret.safetensors"]


def test_pictures_are_written_once(store):
    path = store.save_picture(b"one", "p")
    assert path == store.folder / "pictures" / "p.png"
    with pytest.raises(SettingError, match="a picture 'p\\.png' already"):
        store.save_picture(b"two", "p")
    assert path.read_bytes() == b"one"


def test_only_the_newest_waiting_job_runs_and_errors_are_told():
    gate, done, errors = threading.Event(), [], []
    begun, ended = threading.Event(), threading.Event()
    worker = LatestOnly(errors.append, pause=0)

    def slow():
        begun.set()
        gate.wait(PATIENCE_S)
        done.append("slow")

    worker.submit(slow)
    assert begun.wait(PATIENCE_S)
    for k in range(5):
        worker.submit(lambda k=k: done.append(k))
    gate.set()
    worker.submit(lambda: (done.append("last"), ended.set(), 1 / 0))
    assert ended.wait(PATIENCE_S)
    worker.close()
    assert done[0] == "slow"
    assert done[-1] == "last"
    assert len(done) <= 3  # the first of the five may have begun before the last came
    assert [type(error) for error in errors] == [ZeroDivisionError]
    worker.submit(lambda: done.append("closed"))
    assert done[-1] == "last"


def follow(store, request, cancel_at=None) -> SimpleNamespace:
    """Run to the end; what was told on the way."""
    told = SimpleNamespace(progress=[], records=[], end=None)

    def on_progress(progress):
        told.progress.append(progress)
        if cancel_at is not None and progress.step >= cancel_at:
            run.cancel()

    def on_report(history, images):
        told.records = list(history)
        assert images.shape == (20, 1, 28, 28)
        if cancel_at is not None:
            run.cancel()

    run = TrainingRun(
        store,
        request,
        on_progress=on_progress,
        on_report=on_report,
        on_end=lambda *end: setattr(told, "end", end),
    )
    run.start()
    run.join(PATIENCE_S)
    assert not run.running
    return told


@pytest.mark.parametrize("sampler", ["gibbs", "annealer", "exact"])
def test_a_cancelled_and_resumed_run_ends_like_an_uninterrupted_one(sampler, store):
    request = TrainRequest("whole", epochs=2, n_spins=16, sampler=sampler)
    assert follow(store, request).end[0] == "finished"
    told = follow(store, replace(request, name="parts"), cancel_at=1)
    assert told.end == (
        "cancelled",
        "Stopped: parts keeps its last step and can be resumed.",
    )
    stopped = store.unfinished_header("parts")["info"]["step"]
    assert 0 < stopped < 30
    told = follow(store, "parts")
    assert told.end == ("finished", "Finished: saved as parts.")
    assert told.progress[0].step == stopped
    assert [record["step"] for record in told.records] == sorted(
        {record["step"] for record in told.records}
    )
    assert store.unfinished() == []
    whole, parts = (store.load(name).state_dict() for name in ("whole", "parts"))
    assert all(torch.equal(whole[key], parts[key]) for key in whole)


def test_fine_tuning_starts_from_the_saved_weights_and_keeps_the_graph(store):
    follow(store, TrainRequest("first", epochs=1, n_spins=16))
    before = (store.folder / "first.safetensors").read_bytes()
    request = TrainRequest("second", epochs=1, n_spins=64, start_from="first", recipe="iwae")
    assert follow(store, request).end[0] == "finished"
    settings = store.header("second")["info"]["train"]
    assert settings["spin_draws"] == RECIPE_SETTINGS["iwae"]["spin_draws"]
    assert store.load("second").graph == store.load("first").graph
    told = facts(store.header("second"))
    assert told["fine-tuned from"] == "first"
    assert told["epochs"] == "1.0"
    assert (store.folder / "first.safetensors").read_bytes() == before


def test_a_run_that_cannot_be_done_says_why(store):
    told = follow(store, TrainRequest("big", n_spins=96, sampler="exact"))
    assert told.end[0] == "failed"
    assert "exact sampling ends at" in told.end[1]
    assert store.names() == ["qdvae-256", "qdvae-256-sharp"]


def test_a_run_that_was_begun_elsewhere_is_not_resumed(store, model12):
    save_checkpoint(model12, store.unfinished_path("elsewhere"))
    told = follow(store, "elsewhere")
    assert told.end[0] == "failed"
    assert "elsewhere was not begun here" in told.end[1]
    assert store.unfinished() == ["elsewhere"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"n_spins": 8}, "choose 16 to 512"),
        ({"epochs": 0}, "choose 1"),
        ({"recipe": "x"}, "no los"),
        ({"kl_weight": -1.0}, "kl_weight=-1.0: choose 0 or more"),
        ({"kl_weight": float("inf")}, "kl_weight=inf: choose 0 or more"),
        ({"kl_weight": float("nan")}, "kl_weight=nan: choose 0 or more"),
        ({"sampler": "gibs"}, "no sampler 'gibs': choose one of gibbs, annealer"),
    ],
)
def test_impossible_requests_are_refused(changes, why):
    with pytest.raises(SettingError, match=why):
        TrainRequest("name", **changes)


def test_progress_in_words():
    assert str(Progress(0, 40, 20, None)) == "epoch 1 of 2, batch 1 of 20"
    assert str(Progress(25, 40, 20, 61.0)).endswith("batch 6 of 20, about 1 min 01 s left")
    assert str(Progress(40, 40, 20, 0.0)).startswith("epoch 2 of 2, batch 20 of 20")


def test_numbers_can_be_typed_and_slid():
    heard = []
    number = Number("x", 0.5, 0.0, 1.0, 0.1)
    number.on_change(lambda: heard.append(number.value))
    number.slider.value = 0.30000000000000004
    number.field.value = 0.7
    assert heard == [0.3, 0.7]
    assert number.slider.value == 0.7
    assert number.field.description == "x"


def test_messages_are_text_and_not_markup():
    message = Message()
    message.error("<script>alert(1)</script>")
    assert "<script>" not in message.widget.value
    assert 'role="alert"' in message.widget.value
    assert "<b>x" not in table({"<b>x": {"<i>": "<u>"}}, "<s>")


def test_errors_in_answers_reach_the_person_and_panels_close_their_predecessor():
    first = Panel()
    first.arrange()
    first.guarded(lambda: 1 / 0)()
    assert "ZeroDivisionError" in first.message.text
    second = Panel()
    assert first.closed
    assert not second.closed


def source(part) -> str:
    return part.widget.value


def test_the_latent_map_answers(digits):
    codes = torch.randn(300, 2)

    def decode(points):
        return torch.sigmoid(points.sum(1)).view(-1, 1, 1, 1).expand(-1, 1, 28, 28)

    def draw_map(ax, codes, labels, title):
        ax.scatter(*codes.T, c=labels)
        ax.set_title(title)

    panel = LatentMap({"a": (decode, codes), "b": (decode, 2 * codes)}, digits.labels, draw_map)
    before = source(panel.result)
    panel.x.slider.value = 1.0
    assert panel.message.text.startswith("(1.0, 0.0) on the map of the a")
    assert source(panel.result) != before
    panel.which.value = "b"
    assert "map of the b" in panel.message.text


def test_the_spin_board_answers(model12, digits):
    panel = SpinBoard(lambda x: model12.spins(model12.encode(x)), model12.decode, digits.images)
    before = source(panel.result)
    panel.boxes[3].value = not panel.boxes[3].value
    assert panel.message.text.startswith("1 spins flipped")
    assert source(panel.result) != before
    panel.number.value = 7
    assert panel.message.text.startswith("0 spins flipped; 0.0 pixels")


def test_the_kernel_explorer_sees_equal_and_shifted_samples():
    panel = KernelExplorer()
    assert "p-value 0.005" in panel.message.text
    panel.shift.value = 0.0
    assert float(panel.message.text.split("p-value ")[1].split()[0]) > 0.05
    panel.shift.value = 3.0
    panel.bandwidth.value = -10.0
    assert "bandwidth 0.000977" in panel.message.text


def test_the_qpu_explorer_samples_and_leaves_the_lessons_model_alone(grbm12, graph12):
    before = grbm12.quadratic.detach().clone()
    panel = QPUExplorer(grbm12, graph12)
    shown = source(panel.result)
    panel.J.value = -2.0
    panel.temperature.value = 0.5
    panel.worker.submit(panel._draw)
    panel.sweeps.value = 100
    panel._draw()
    assert panel.message.text.startswith("temperature 0.5, 100 sweeps")
    found, exact = (float(panel.message.text.split(w)[1].split()[0]) for w in ("energy", "exact"))
    assert found == pytest.approx(exact, abs=1.0)
    assert source(panel.result) != shown
    assert torch.equal(grbm12.quadratic, before)
    thread = panel.worker._thread
    panel.close()
    assert not thread.is_alive()


def test_a_panel_that_could_not_be_made_does_not_stand_in_the_way(grbm12, graph12):
    with pytest.raises(AttributeError):
        QPUExplorer(grbm12, None)
    QPUExplorer(grbm12, graph12)


def test_live_training_trains_and_cleans_up():
    panel = LiveTraining()
    folder = Path(panel._folder.name)
    panel.n_spins.value, panel.epochs.value = 16, 1
    panel.begin.click()
    panel.view.run.join(PATIENCE_S)
    assert panel.view.message.text == "Finished: saved as run-1."
    assert "generated digits" in source(panel.view.samples)
    panel.epochs.value = 20
    panel.begin.click()
    run = panel.view.run
    panel.close()
    assert not run.running
    assert not folder.exists()


def test_inpainting_walks_and_stops(model12, digits):
    calls, walked = [], threading.Event()

    def metropolis(score, spins, sweeps):
        assert score(spins).shape == (len(spins),)
        calls.append(len(calls))
        if len(calls) == 3:
            walked.set()
        return -spins

    panel = Inpainting(model12, digits, metropolis)
    before = source(panel.result)
    panel.walk.click()
    assert walked.wait(PATIENCE_S)
    panel.halt.click()
    panel.worker.close()
    assert not panel.walk.disabled
    assert source(panel.result) != before
    panel._paint(lambda row, column: False)
    assert "0 pixels known" in panel.message.text


def test_a_round_in_the_studio(store):
    dashboard = Studio(store)
    train = dashboard.train
    train.name.value, train.n_spins.value, train.epochs.value = "../x", 16, 1
    train.begin.click()
    assert "is no name for a file here" in train.message.text
    train.name.value = "mine"
    train.begin.click()
    train.view.run.join(PATIENCE_S)
    assert train.view.message.text == "Finished: saved as mine."
    assert "mine" in dashboard.generate.model.options

    generate = dashboard.generate
    generate.model.value, generate.count.value = "mine", 6
    assert "16 qubits" in generate.about.value
    generate.rounds.value = 2

    def generated(text):
        """Press the button; whether the message says this within a while."""
        said = threading.Event()
        generate.message.widget.observe(
            lambda change: said.set() if text in generate.message.text else None, "value"
        )
        generate.go.click()
        return said.wait(PATIENCE_S)

    assert generated("digits of mine")
    assert "then 2× through encoder and decoder" in generate.message.text

    # A model trained here has nothing to choose by; the one that ships has.
    generate.candidates.value = 3
    assert generated("no density ratio")
    generate.model.value = "qdvae-256"
    assert "candidates can be chosen among" in generate.about.value
    assert generated("each the choice of 3, then 2×")
    assert [type(tab.widget) for tab in (train, generate)] == [ipywidgets.VBox] * 2
    dashboard.close()
    assert not train.view.run.running


def test_a_comparison_repeats_itself(model12, digits):
    first, second = (studio.measures(model12, digits.rounded(), seed=3) for _ in range(2))
    assert first == second
    assert panels.read_aloud(digits.images[:5]).count(" ") == 4


def test_the_app_shows_the_studio_alone():
    notebook = nbformat.read(ROOT / "notebooks" / "08_studio.ipynb", 4)
    only_app_cells(None, notebook, "")
    kinds = [cell.cell_type for cell in notebook.cells]
    assert kinds == ["markdown", "code"]
    assert "Studio()" in notebook.cells[1].source
