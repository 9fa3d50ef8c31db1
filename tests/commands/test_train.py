"""Training without a notebook: what the options do, what is written, how a run goes on."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests_mock
import torch
from fake_leap import ENDPOINT, TOKEN, FakeLeap

from qdvae_helpers import graphs, samplers
from qdvae_helpers.checkpoints import load_checkpoint
from qdvae_helpers.commands import main
from qdvae_helpers.data import LABEL_NAMES, load_images
from qdvae_helpers.errors import DataError
from qdvae_helpers.models import QDVAE
from qdvae_helpers.training.prepare import in_classes_of

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setenv("QDVAE_PROFILE", "fast")


@pytest.fixture
def train(tmp_path):
    """Trains a small model, as a rule in two steps, and loads it; or returns another status."""

    def run(*arguments: str, status: int = 0, output: str = "model") -> QDVAE | None:
        path = tmp_path / f"{output}.safetensors"
        given = {"--steps": "2", "--device": "cpu", "--spins": "12", "--output": str(path)}
        if {"--graph", "--start-from"} & set(arguments):
            del given["--spins"]
        defaults = [text for pair in given.items() if pair[0] not in arguments for text in pair]
        assert main(["train", *defaults, *arguments]) == status
        return None if status else load_checkpoint(path)

    return run


def test_train_writes_a_model_a_log_and_cleans_up(train, tmp_path, capsys):
    log = tmp_path / "logs" / "log.jsonl"
    model = train("--metrics", str(log), "--steps", "8")
    assert model.n_spins == 12
    assert model.info["profile"] == "fast"
    assert model.info["step"] == 8
    assert json.loads(log.read_text().splitlines()[-1])["step"] == 8
    assert {p.name for p in tmp_path.iterdir()} == {"model.safetensors", "logs"}
    shown = capsys.readouterr().out
    assert shown.startswith("MNIST train, 2,000 images, rounded to black and white; ")
    assert f"Wrote {tmp_path / 'model.safetensors'}" in shown


def test_a_profile_is_chosen_without_touching_the_environment(train, monkeypatch):
    monkeypatch.setenv("QDVAE_PROFILE", "lesson")
    assert train("--profile", "fast").info["profile"] == "fast"
    assert os.environ["QDVAE_PROFILE"] == "lesson"


@pytest.mark.parametrize("kind", ["gibbs", "annealer", "exact"])
def test_every_sampler_trains(train, kind):
    model = train("--sampler", kind, "--steps", "3")
    assert model.info["sampler"]["kind"] == kind
    assert model.info["train"]["sample_every"] == (1 if kind == "gibbs" else 20)


def test_recorded_samples_cannot_train(train, capsys):
    train("--sampler", "recorded", status=1)
    assert "a prior in training cannot use them" in capsys.readouterr().err


def test_a_real_qpu_is_asked_at_every_20th_step(train, qpu, monkeypatch, capsys):
    monkeypatch.setenv("DWAVE_API_TOKEN", TOKEN)
    monkeypatch.setenv("DWAVE_API_ENDPOINT", ENDPOINT)
    monkeypatch.setenv("QDVAE_QPU_BUDGET_S", "100")
    closed = []
    close = samplers.LiveSampler.close
    monkeypatch.setattr(
        samplers.LiveSampler, "close", lambda self: (closed.append(self), close(self))
    )
    with requests_mock.Mocker() as mock:
        leap = FakeLeap(mock, graphs.densest_subgraph(qpu, 40))
        model = train("--sampler", "qpu", "--steps", "22")
    assert "2 calls of 64 reads" in capsys.readouterr().out
    assert set(model.graph.nodes) < set(leap.graph.nodes)
    of_training = [p for p in leap.drawn.values() if p["params"]["num_reads"] == 64]
    assert model.info["sampler"]["kind"] == "qpu"
    assert len(of_training) >= 2
    assert closed


def test_train_goes_on_from_a_model_with_another_recipe(train, tmp_path):
    old = train(output="first")
    start = str(tmp_path / "first.safetensors")
    new = train("--start-from", start, "--recipe", "iwae", "--draws", "3", output="second")
    assert new.graph == old.graph
    assert new.info["start"]["train"] == old.info["train"]
    assert new.info["train"]["recipe"] == "iwae"
    assert new.info["train"]["spin_draws"] == 3
    assert new.info["train"]["kl_warm_up"] == 1
    pairs = list(zip(old.parameters(), new.parameters(), strict=True))
    # two small steps away from the first model, which another start would not be
    assert all(not torch.equal(a, b) and (a - b).abs().max() < 0.02 for a, b in pairs)


def test_train_takes_the_numbers_that_were_asked_for(train):
    numbers = ["--learning-rate", "0.003", "--prior-learning-rate", "0.004", "--seed", "5"]
    numbers += ["--batch", "32", "--sweeps", "2", "--kl-weight", "0.5", "--decoder-steps", "1"]
    made = train(*numbers).info
    wanted = {"learning_rate": 0.003, "prior_learning_rate": 0.004, "batch_size": 32, "seed": 5}
    wanted |= {"kl_weight": 0.5, "decoder_steps": 1, "steps": 2, "recipe": "elbo"}
    assert made["train"] == made["train"] | wanted
    assert made["sampler"]["parameters"]["sweeps"] == 2
    assert made["sampler"]["parameters"]["seed"] == 5


def test_the_mmd_recipe_takes_fewer_spins_unless_told_otherwise(tmp_path):
    for arguments, n_spins in (([], 48), (["--spins", "14"], 14)):
        output = tmp_path / f"{n_spins}.safetensors"
        common = ["train", "--recipe", "mmd", "--steps", "1", "--output", str(output)]
        assert main([*common, *arguments]) == 0
        assert load_checkpoint(output).n_spins == n_spins


def test_train_takes_the_graph_that_docs_scaling_writes(train, tmp_path):
    guide = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    line = re.search(r"`(save_graph\(.+\))`", guide)[1]
    path = tmp_path / "mine.json"
    line = line.replace('"live"', '"ideal"').replace("256", "14").replace("mine.json", str(path))
    exec(line, {**vars(graphs), "working_graph": samplers.working_graph})
    model = train("--graph", str(path))
    assert model.graph == graphs.load_graph(path)
    assert model.n_spins == 14


# With classes ------------------------------------------------------------------------------------


def test_train_learns_clusters_or_labels_where_asked(train, capsys):
    model = train("--classes", "clusters", "--n-classes", "6", "--steps", "4")
    assert model.class_names == tuple("012345")
    assert model.grbm.class_biases.any()
    assert "rounded to black and white, in 6 clusters (seed 0); " in capsys.readouterr().out
    model = train("--classes", "labels", "--n-classes", "20", output="labels")
    assert model.class_names == tuple(digit for digit in "0123456789" for _ in range(2))
    assert model.info["train"]["prior_learning_rate"] == 0.02
    assert model.generate(2, seed=0, classes=["7", "8"]).shape == (2, 1, 28, 28)
    assert len(train("--classes", "clusters", output="usual").class_names) == 10
    mmd = train("--recipe", "mmd", "--classes", "clusters", "--mmd-weight", "7", output="mmd")
    assert mmd.info["train"]["mmd_weight"] == 7


def test_train_knows_the_names_of_fashion_mnists_labels(train):
    try:
        load_images("fashion-mnist", limit=1)
    except DataError:
        pytest.skip("Fashion-MNIST is not here")
    model = train("--data", "fashion-mnist", "--images", "grey", "--classes", "labels")
    assert model.wishes == LABEL_NAMES["fashion-mnist"]
    assert str(model.trained_on).startswith("Fashion-MNIST train, 2,000 images, in 10 clusters")
    assert model.generate(1, seed=0, classes="bag").shape == (1, 1, 28, 28)


@pytest.mark.parametrize("classes", ["clusters", "labels"])
def test_a_model_with_classes_is_trained_further_and_keeps_them(classes, train, tmp_path, capsys):
    old = train("--classes", classes, "--n-classes", "10", output="first")
    further = ("--start-from", str(tmp_path / "first.safetensors"))
    train(*further, "--classes", classes, status=1, output="second")
    assert "A trained model keeps its own classes" in capsys.readouterr().err
    new = train(*further, output="second")
    assert new.class_names == old.class_names
    assert torch.equal(new.grbm.shares, old.grbm.shares)
    assert not torch.equal(new.grbm.class_biases, old.grbm.class_biases)
    assert new.trained_on.transforms[-1] == "in the classes of the model"
    third = train("--start-from", str(tmp_path / "second.safetensors"), output="third")
    # What the classes were is remembered: digits of one label are in classes of that label.
    digits = load_images("mnist", limit=300).rounded()
    found = in_classes_of(third, digits).labels
    assert torch.equal(found, digits.labels) == (classes == "labels")


def test_grey_pixels_are_drawn_anew_where_asked(train):
    for images, binarise in (("binarised", True), ("grey", False), ("rounded", False)):
        model = train("--images", images, output=images)
        assert model.info["train"]["binarise"] is binarise
        assert model.trained_on.black_and_white == (images == "rounded")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--n-classes", "3"], "--n-classes does nothing with --classes 'none'"),
        (["--classes", "clusters", "--n-classes", "1"], "--n-classes 1: choose 2 or more"),
        (["--classes", "clusters", "--n-classes", "300"], "--n-classes 300 is too many"),
        (["--classes", "clusters", "--n-classes", "65"], "64 samples of the prior per step"),
        (["--classes", "labels", "--n-classes", "9"], "--n-classes 9 for 10 labels"),
        (["--mmd-weight", "1"], "--mmd-weight does nothing with --recipe elbo"),
        (["--spins", "9999"], "between 1 and 4594"),
        (["--spins", "0"], "--spins 0: choose 1 or more"),
        (["--steps", "0"], "--steps 0 must be 1 or more"),
        (["--kl-weight", "-1"], "--kl-weight -1.0 must be 0 or more"),
        (["--sampler", "qpuu"], "There is no sampler 'qpuu'"),
        (["--sampler", "annealer", "--sweeps", "3"], "Sweeps are for the sampler gibbs"),
        (["--sweeps", "0"], "--sweeps 0: choose 1 or more"),
        (["--jitter", "-1"], "--jitter -1: choose 0 or more"),
        (["--device", "tpu"], "There is no device 'tpu'"),
        (["--graph", "nowhere.json"], "There is no graph nowhere.json"),
        (["--start-from", "nowhere.safetensors"], "There is no checkpoint nowhere.safetensors"),
    ],
)
def test_wrong_arguments_end_with_one_clear_line(arguments, message, tmp_path, capsys):
    output = tmp_path / "m.safetensors"
    assert main(["train", "--output", str(output), *arguments]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not output.exists()


@pytest.mark.parametrize(
    "gone",
    [["--network", "dense"], ["--final-tau", "0.2"], ["--require-mnist"], ["--ratio-steps", "3"]],
)
def test_options_that_are_gone_are_refused(gone, capsys):
    with pytest.raises(SystemExit) as end:
        main(["train", "--output", "m.safetensors", *gone])
    assert end.value.code == 2
    assert f"unrecognized arguments: {' '.join(gone)}" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="finds the processes in /proc")
def test_two_processes_train_together_and_survive_the_loss_of_one(tmp_path):
    """``torchrun`` starts all anew when one dies, and they continue from the last checkpoint."""
    pytest.importorskip("lightning_fabric")
    output, metrics = tmp_path / "two.safetensors", tmp_path / "two.jsonl"
    launcher = "-m torch.distributed.run --standalone --nproc-per-node 2 --max-restarts 3 -m"
    training = f"qdvae_helpers train --device cpu --spins 12 --steps 400 --output {output}"
    training += " --decoder-steps 100"
    command = [sys.executable, *launcher.split(), *training.split(), "--metrics", str(metrics)]
    process = subprocess.Popen(
        command,
        env=os.environ | {"OMP_NUM_THREADS": "1", "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        deadline = time.monotonic() + 240
        while not output.with_suffix(".part.safetensors").exists():
            assert process.poll() is None, process.stdout.read()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(children[-1]), signal.SIGKILL)
        text, _ = process.communicate(timeout=240)
    finally:
        process.kill()
    assert process.returncode == 0, text
    assert "Continuing at step" in text
    assert load_checkpoint(output).info["processes"] == 2
    assert json.loads(metrics.read_text().splitlines()[-1])["step"] == 400


def test_a_restart_that_could_hang_is_refused(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "True")
    monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", "3")
    assert main(["train", "--output", str(tmp_path / "m.safetensors")]) == 1
    assert "TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1" in capsys.readouterr().err
