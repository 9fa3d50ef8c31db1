"""The commands that work without a notebook, and the profiles."""

import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
import torch

from qdvae_helpers import graphs, training
from qdvae_helpers.checkpoints import load_checkpoint
from qdvae_helpers.errors import SettingError
from qdvae_helpers.profiles import PROFILES, current_profile
from qdvae_helpers.run import execute, source_hash
from qdvae_helpers.run import main as run_main
from qdvae_helpers.train import main as train_main


@pytest.fixture(autouse=True)
def small_and_offline(monkeypatch, tmp_path):
    monkeypatch.setenv("QDVAE_PROFILE", "fast")
    monkeypatch.setenv("QDVAE_DOWNLOAD", "0")
    monkeypatch.setenv("QDVAE_DATA", str(tmp_path / "nothing"))


def test_profiles_are_chosen_by_name(monkeypatch):
    assert current_profile() is PROFILES["fast"]
    monkeypatch.setenv("QDVAE_PROFILE", "")
    assert current_profile() is PROFILES["lesson"]
    monkeypatch.setenv("QDVAE_PROFILE", "quick")
    with pytest.raises(SettingError, match="'quick' is not a profile: choose one of fast, lesson"):
        current_profile()


def test_train_writes_a_model_a_log_and_cleans_up(tmp_path):
    output, log = tmp_path / "model.safetensors", tmp_path / "logs" / "log.jsonl"
    arguments = ["--output", str(output), "--metrics", str(log), "--steps", "8", "--spins", "12"]
    assert train_main([*arguments, "--device", "cpu"]) == 0
    model = load_checkpoint(output)
    assert model.n_spins == 12
    assert model.info["profile"] == "fast"
    assert model.info["step"] == 8
    assert json.loads(log.read_text().splitlines()[-1])["step"] == 8
    assert {p.name for p in tmp_path.iterdir()} == {"model.safetensors", "logs"}


def small_training(tmp_path, *arguments):
    """A model that the command trained in two steps, on its graph file where one is named."""
    output = tmp_path / "model.safetensors"
    common = ["--output", str(output), "--steps", "2", "--device", "cpu"]
    where = [] if "--graph" in arguments else ["--spins", "12"]
    assert train_main([*common, *where, *arguments]) == 0
    return load_checkpoint(output)


def test_train_goes_on_from_a_model_with_another_recipe(tmp_path):
    first = tmp_path / "first.safetensors"
    assert train_main(["--output", str(first), "--steps", "2", "--spins", "12"]) == 0
    second = tmp_path / "second.safetensors"
    arguments = ["--recipe", "iwae", "--draws", "3", "--final-tau", "0.2", "--steps", "2"]
    go_on = ["--output", str(second), "--start-from", str(first), *arguments]
    assert train_main(go_on) == 0
    old, new = load_checkpoint(first), load_checkpoint(second)
    assert new.graph == old.graph
    assert new.info["start"]["train"] == old.info["train"]
    assert new.info["train"]["recipe"] == "iwae"
    assert new.info["train"]["spin_draws"] == 3
    assert new.info["train"]["final_tau"] == 0.2
    pairs = list(zip(old.parameters(), new.parameters(), strict=True))
    # two small steps away from the first model, which another start would not be
    assert all(not torch.equal(a, b) and (a - b).abs().max() < 0.02 for a, b in pairs)


def test_train_builds_the_network_and_takes_the_numbers_that_were_asked_for(tmp_path, capsys):
    output = tmp_path / "model.safetensors"
    numbers = ["--learning-rate", "0.003", "--prior-learning-rate", "0.004"]
    numbers += ["--batch", "32", "--sweeps", "2"]
    model = small_training(tmp_path, "--network", "convolutional", *numbers)
    assert model.settings["network"] == "convolutional"
    assert model.info["train"]["learning_rate"] == 0.003
    assert model.info["train"]["prior_learning_rate"] == 0.004
    assert model.info["train"]["batch_size"] == 32
    assert model.info["sampler"]["parameters"]["sweeps"] == 2
    go_on = ["--output", str(tmp_path / "on.safetensors"), "--start-from", str(output)]
    assert train_main([*go_on, "--steps", "1", "--network", "dense"]) == 1
    assert "model.safetensors has a convolutional network" in capsys.readouterr().err
    assert train_main([*go_on, "--steps", "1"]) == 0
    assert load_checkpoint(tmp_path / "on.safetensors").settings["network"] == "convolutional"


def test_the_mmd_recipe_takes_fewer_spins_unless_told_otherwise(tmp_path):
    for arguments, n_spins in (([], 48), (["--spins", "14"], 14)):
        output = tmp_path / f"{n_spins}.safetensors"
        train_main(["--recipe", "mmd", "--steps", "1", "--output", str(output), *arguments])
        assert load_checkpoint(output).n_spins == n_spins


def test_train_takes_the_graph_that_docs_scaling_writes(tmp_path):
    guide = (Path(__file__).parent.parent / "docs" / "scaling.md").read_text(encoding="utf-8")
    line = re.search(r"`(save_graph\(.+\))`", guide)[1]
    path = tmp_path / "mine.json"
    line = line.replace('"live"', '"ideal"').replace("256", "14").replace("mine.json", str(path))
    exec(line, vars(graphs))
    model = small_training(tmp_path, "--graph", str(path))
    assert model.graph == graphs.load_graph(path)
    assert model.n_spins == 14


def test_train_learns_grey_images_where_asked(tmp_path, monkeypatch):
    seen = {}

    def fit(model, images, config, **options):
        for name, given in (("train", images), ("validation", options["validation"])):
            seen[name] = given.images.unique()
        return training.fit(model, images, config, **options)

    monkeypatch.setattr("qdvae_helpers.train.fit", fit)
    small_training(tmp_path)
    assert all(set(values.tolist()) == {0.0, 1.0} for values in seen.values())
    small_training(tmp_path, "--images", "grey")
    assert all(len(values) > 10 for values in seen.values())


def test_train_weighs_the_divergence_as_asked(tmp_path):
    plain, heavy = (
        small_training(tmp_path, *arguments) for arguments in ((), ("--kl-weight", "50"))
    )
    assert plain.info["train"]["kl_weight"] == 1.0
    assert heavy.info["train"]["kl_weight"] == 50.0
    pairs = zip(plain.parameters(), heavy.parameters(), strict=True)
    assert not all(torch.equal(a, b) for a, b in pairs)


def test_train_fits_the_ratio_where_asked(tmp_path, monkeypatch, capsys):
    def interrupted(*args, **options):
        raise KeyboardInterrupt

    output = tmp_path / "model.safetensors"
    with monkeypatch.context() as patch:
        patch.setattr("qdvae_helpers.train.fit_density_ratio", interrupted)
        options = ["--steps", "2", "--spins", "12", "--device", "cpu", "--ratio-steps", "3"]
        assert train_main([*options, "--output", str(output)]) == 3
    first = capsys.readouterr().out
    assert "begins here again" in first
    assert not output.exists()
    model = small_training(tmp_path, "--ratio-steps", "3")
    # The trained model was there already: no step was taken again.
    assert "reconstruction" in first
    assert "reconstruction" not in capsys.readouterr().out
    assert model.info["step"] == 2
    assert model.info["ratio"]["steps"] == 3
    assert math.isfinite(model.info["ratio"]["divergence"])
    assert model.generate(2, seed=0, candidates=2).shape == (2, 1, 28, 28)
    assert [file.name for file in tmp_path.iterdir()] == [output.name]


@pytest.mark.skipif(sys.platform == "win32", reason="no Ctrl-C for a child process there")
def test_an_interrupted_train_command_continues(tmp_path):
    output = tmp_path / "model.safetensors"
    command = [sys.executable, "-m", "qdvae_helpers.train", "--output", str(output)]
    command += ["--steps", "4000", "--spins", "12", "--device", "cpu"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    for line in process.stdout:
        if line.startswith("step"):  # the first report is out: now interrupt as Ctrl-C does
            process.send_signal(signal.SIGINT)
            break
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "saved to model.part.safetensors" in rest
    assert not output.exists()
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Continuing at step" in again.stdout
    assert output.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--spins", "9999"], "between 1 and 4594"),
        (["--require-mnist"], "MNIST is required here"),
        (["--steps", "0"], "steps=0 must be 1 or more"),
        (["--kl-weight", "-1"], "kl_weight=-1.0 must be 0 or more"),
        (["--sampler", "qpuu"], "There is no sampler 'qpuu'"),
        (["--sampler", "annealer", "--sweeps", "3"], "--sweeps is for the sampler gibbs"),
        (["--jitter", "-1"], "--jitter -1: choose 0 or more"),
        (["--ratio-steps", "-1"], "--ratio-steps -1: choose 0 or more"),
        (["--device", "tpu"], "There is no device 'tpu'"),
        (["--graph", "nowhere.json"], "Cannot read the graph nowhere.json"),
    ],
)
def test_wrong_arguments_end_with_one_clear_line(arguments, message, tmp_path, capsys):
    assert train_main(["--output", str(tmp_path / "m.safetensors"), *arguments]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "m.safetensors").exists()


def notebook(tmp_path, *cells) -> Path:
    content = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    nbformat.write(content, tmp_path / "x.ipynb")
    return tmp_path / "x.ipynb"


def test_run_shows_progress_and_keeps_results(tmp_path, capsys):
    code = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"
    path = notebook(tmp_path, "print('hello from the kernel')", code)
    before = path.read_text()
    execute(path, tmp_path / "build", store=False)
    assert "hello from the kernel" in capsys.readouterr().out
    assert (tmp_path / "build" / "x.png").read_bytes().startswith(b"\x89PNG")
    done = nbformat.read(tmp_path / "build" / "x.ipynb", as_version=4)
    assert done.cells[0].outputs[0].text == "hello from the kernel\n"
    assert path.read_text() == before


def test_run_keeps_what_a_failing_notebook_reached(tmp_path):
    path = notebook(tmp_path, "print('first')", "1 / 0")
    with pytest.raises(Exception, match="ZeroDivisionError"):
        execute(path, tmp_path / "build", store=False)
    assert "first" in (tmp_path / "build" / "x.ipynb").read_text()


def test_a_failed_store_leaves_the_old_notebook(tmp_path, monkeypatch):
    path = notebook(tmp_path, "1 + 1")
    before = path.read_text()
    whole = nbformat.write

    def half(content, fp):
        if Path(fp).is_relative_to(tmp_path / "build"):
            return whole(content, fp)
        Path(fp).write_text("{")
        raise OSError("disk full")

    monkeypatch.setattr("nbformat.write", half)
    with pytest.raises(OSError, match="disk full"):
        execute(path, tmp_path / "build", store=True)
    assert path.read_text() == before
    assert not list(tmp_path.glob(".saving-*"))


def test_run_stores_only_the_lesson_profile_and_known_lessons():
    with pytest.raises(SystemExit):
        run_main(["--store", "05_training_the_qdvae"])  # the profile is 'fast' here
    with pytest.raises(SystemExit):
        run_main(["99_nothing"])


def test_run_says_what_to_do_when_a_kernel_dies(monkeypatch, tmp_path, capsys):
    notebook(tmp_path, "import os\nos._exit(1)")
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "x.ipynb").rename(tmp_path / "notebooks" / "x.ipynb")
    monkeypatch.setattr("qdvae_helpers.run._ROOT", tmp_path)
    assert run_main(["x", "--build", str(tmp_path / "build")]) == 1
    assert "often for want of memory: close other programs" in capsys.readouterr().err
    assert (tmp_path / "build" / "x.ipynb").is_file()


def test_the_source_hash_sees_code_and_not_outputs(tmp_path):
    path = notebook(tmp_path, "a = 1")
    first = nbformat.read(path, as_version=4)
    second = nbformat.read(path, as_version=4)
    second.cells[0].outputs = [nbformat.v4.new_output("stream", text="x")]
    assert source_hash(first) == source_hash(second)
    second.cells[0].source = "a = 2"
    assert source_hash(first) != source_hash(second)


@pytest.mark.skipif(sys.platform != "linux", reason="finds the processes in /proc")
def test_two_processes_train_together_and_survive_the_loss_of_one(tmp_path):
    """``torchrun`` starts all anew when one dies, and they continue from the last checkpoint."""
    pytest.importorskip("lightning_fabric")
    output, metrics = tmp_path / "two.safetensors", tmp_path / "two.jsonl"
    launcher = "-m torch.distributed.run --standalone --nproc-per-node 2 --max-restarts 3 -m"
    training = f"qdvae_helpers.train --device cpu --spins 12 --steps 400 --output {output}"
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
    assert train_main(["--output", str(tmp_path / "m.safetensors")]) == 1
    assert "TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1" in capsys.readouterr().err
