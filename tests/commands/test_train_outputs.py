"""Outputs of the command ``train``: tried first, kept from others, whole whatever happens."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from qdvae_helpers.checkpoints import load_checkpoint
from qdvae_helpers.commands import main, train
from qdvae_helpers.errors import OutputError
from qdvae_helpers.outputs import hold

ROOT = Path(__file__).resolve().parent.parent.parent
COMMAND = [sys.executable, "-m", "qdvae_helpers", "train", "--profile", "fast", "--spins", "12"]
COMMAND += ["--device", "cpu", "--batch", "16", "--output"]


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch) -> Path:
    """Works in a folder of its own, in the profile fast."""
    monkeypatch.setenv("QDVAE_PROFILE", "fast")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str, steps: int = 2) -> int:
    """Train a small model with these options."""
    given = ["--spins", "12", "--device", "cpu", "--steps", str(steps), "--batch", "16"]
    return main(["train", *given, *arguments])


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("arguments", "noun"),
    [
        (["--output", ""], "is a folder or empty"),
        (["--output", ".."], "is a folder or empty"),
        (["--output", "folder.safetensors"], "it is a folder"),
        (["--output", "file/x.safetensors"], "a file stands where a folder should be"),
        (["--output", "nowhere/../x.safetensors"], "its folder does not exist"),
        (["--output", "n" * 250 + ".safetensors"], "name is too long"),
        (["--output", "n" * 240 + ".safetensors"], "name is too long"),  # with ".part"
        (["--output", "/proc/x.safetensors"], "/proc/x.safetensors cannot be written"),
        (["--output", "/dev/null"], "special file"),
        (["--output", "pipe.safetensors"], "special file"),
        (["--output", "model.pt"], "a name that ends in .safetensors"),
        (["--output", "x.part.safetensors"], "names of unfinished runs"),
        (["--output", "foreign.safetensors"], "is there already"),
        (["--output", "foreign.safetensors", "--overwrite", "--graph", "x"], "graph"),
        (["--output", "x.safetensors", "--metrics", "x.safetensors"], "--metrics x.safetensors is"),
        (["--output", "x.safetensors", "--metrics", "x.part.safetensors"], "what --output writes"),
        (["--output", "link.safetensors", "--start-from", "foreign.safetensors"], "--start-from"),
        (["--output", "x.safetensors", "--graph", "./x.safetensors"], "--graph x.safetensors is"),
        (["--output", "x.safetensors", "--metrics", "file"], "is there already"),
        (["--output", "x.safetensors", "--metrics", "list.jsonl"], "is there already"),
        (["--output", "x.safetensors", "--metrics", "graph.json"], "is there already"),
        (["--output", "x.safetensors", "--metrics", "pipe.safetensors"], "special file"),
        (["--output", "x.safetensors", "--metrics", "held.jsonl"], "held.jsonl is being written"),
        (["--output", "x.safetensors", "--metrics", "cut.jsonl"], "is there already"),
        (["--output", "x.safetensors", "--metrics", "folder.safetensors"], "it is a folder"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="has other special files")
def test_a_bad_output_is_named_before_the_training(arguments, noun, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(train, "prepare_run", None)  # a call would raise
    Path("folder.safetensors").mkdir()
    Path("file").write_text("mine\n")
    Path("list.jsonl").write_text('{"step": 1}\n[]\n')
    Path("graph.json").write_text('{"nodes": []}\n')
    Path("cut.jsonl").write_text('{"step": 1}\n{"st')
    Path("foreign.safetensors").write_text("mine")
    Path("link.safetensors").symlink_to("foreign.safetensors")
    os.mkfifo("pipe.safetensors")
    before = names(tmp_path)
    chosen = {"--graph", "--start-from"} & set(arguments)
    with hold("held.jsonl"):
        assert (main(["train", *arguments]) if chosen else run(*arguments)) == 1
    told = capsys.readouterr()
    assert noun in told.err
    assert told.err.count("\n") == 1
    assert told.out == ""
    assert names(tmp_path) == before
    assert Path("foreign.safetensors").read_text() == "mine"


def test_a_model_is_replaced_only_where_that_is_asked_for(capsys):
    assert run("--output", "x.safetensors") == 0
    first = Path("x.safetensors").read_bytes()
    assert run("--output", "x.safetensors", "--seed", "1") == 1
    assert "x.safetensors is there already" in capsys.readouterr().err
    assert Path("x.safetensors").read_bytes() == first
    assert run("--output", "x.safetensors", "--seed", "1", "--overwrite") == 0
    assert load_checkpoint("x.safetensors").info["train"]["seed"] == 1
    assert names(Path()) == {"x.safetensors"}


def test_a_variable_of_another_launcher_changes_nothing(monkeypatch, capsys):
    monkeypatch.setenv("RANK", "1")
    Path("x.safetensors").write_text("mine")
    assert run("--output", "x.safetensors") == 1
    assert "is there already" in capsys.readouterr().err


def test_a_disk_that_is_full_at_the_very_end_costs_no_training(monkeypatch, capsys):
    def full(*arguments):
        raise OutputError("x.safetensors cannot be written: the disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(train, "save_checkpoint", full)
        assert run("--output", "x.safetensors") == 1
    assert "trained model is in x.part.safetensors" in capsys.readouterr().err
    assert run("--output", "x.safetensors") == 0
    assert "step " not in capsys.readouterr().out
    assert names(Path()) == {"x.safetensors"}


def test_names_with_points_do_not_share_an_unfinished_run(monkeypatch):
    parts = []
    monkeypatch.setattr(train, "_train", lambda prepared, options, part, fabric: parts.append(part))
    for name in ("run.1.safetensors", "run.2.safetensors"):
        run("--output", name)
    assert parts == [Path("run.1.part.safetensors"), Path("run.2.part.safetensors")]


def test_of_two_runs_with_one_output_the_second_is_refused(capsys):
    with hold("x.safetensors"):
        assert run("--output", "x.safetensors") == 1
    assert f"is being written by process {os.getpid()}" in capsys.readouterr().err
    assert run("--output", "x.safetensors") == 0


def test_what_was_killed_at_the_very_end_is_finished(capsys):
    assert run("--output", "x.safetensors") == 0
    before = Path("x.safetensors").read_bytes()
    shutil.copy("x.safetensors", "x.part.safetensors")
    assert run("--output", "x.safetensors") == 0
    assert "was finished already" in capsys.readouterr().out
    assert Path("x.safetensors").read_bytes() == before
    assert names(Path()) == {"x.safetensors"}


def test_reports_are_appended_whole_lines_only(monkeypatch, capsys):
    log = Path("log.jsonl")
    log.write_text('{"step": 0}\n')
    assert run("--output", "x.safetensors", "--metrics", "log.jsonl") == 0
    steps = [json.loads(line)["step"] for line in log.read_text().splitlines()]
    assert steps == [0, 1, 2]

    def half(report: dict) -> str:
        with log.open("a") as file:
            file.write('{"st')
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(train, "json", SimpleNamespace(dumps=half, loads=json.loads))
    assert run("--output", "y.safetensors", "--metrics", "log.jsonl") == 1
    assert "log.jsonl cannot be written: the disk is full" in capsys.readouterr().err
    assert [json.loads(line)["step"] for line in log.read_text().splitlines()] == steps


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--batch", "0"], "--batch 0 must be 1 or more"),
        (["--draws", "0"], "--draws 0 must be 1 or more"),
        (["--batch", "100000"], "smaller --batch"),
        (["--learning-rate", "nan"], "--learning-rate nan must be"),
        (["--decoder-steps", "5"], "--decoder-steps 5 are the last of --steps 2: leave steps for"),
        (["--recipe", "iwae", "--draws", "1"], "choose --draws 2 or more, or recipe elbo"),
        (["--recipe", "mmd", "--kl-weight", "2"], "--kl-weight does nothing with --recipe mmd"),
    ],
)
def test_messages_name_options_as_they_are_typed(arguments, said, capsys):
    given = ["--spins", "12", "--device", "cpu", "--steps", "2", "--output", "x.safetensors"]
    assert main(["train", *given, *arguments]) == 1
    assert said in capsys.readouterr().err


def test_a_full_disk_loses_nothing(small_disk, tmp_path, monkeypatch, capsys):
    output, filler = small_disk / "x.safetensors", small_disk / "filler"
    filler.write_bytes(bytes(20_000_000))
    assert run("--output", str(output)) == 1  # room is asked for before
    assert "x.safetensors cannot be written: the disk is full" in capsys.readouterr().err
    filler.unlink()

    def fill(report: dict) -> str:
        if report["step"] == 2:  # saved already
            shutil.copy(small_disk / "x.part.safetensors", tmp_path / "good")
            with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                while file.write(bytes(1 << 16)) == 1 << 16:
                    pass
        return "{}"

    with monkeypatch.context() as patch:
        patch.setattr(train, "json", SimpleNamespace(dumps=fill))
        assert run("--output", str(output), "--metrics", str(tmp_path / "log"), steps=4) == 1
    said = capsys.readouterr().err
    assert "x.part.safetensors cannot be written: the disk is full" in said
    assert "the same command goes on from there" in said
    assert names(small_disk) == {"filler", "x.part.safetensors"}
    assert (small_disk / "x.part.safetensors").read_bytes() == (tmp_path / "good").read_bytes()
    filler.unlink()
    assert run("--output", str(output), steps=4) == 0
    assert "Continuing at step 2" in capsys.readouterr().out
    assert run("--output", "whole.safetensors", steps=4) == 0
    one, other = (load_checkpoint(path).state_dict() for path in (output, "whole.safetensors"))
    assert all(one[name].equal(other[name]) for name in one)
    assert names(small_disk) == {"x.safetensors"}


@pytest.mark.skipif(sys.platform == "win32", reason="has no such signals")
def test_a_request_to_end_saves_like_ctrl_c_and_the_same_command_goes_on():
    command = [*COMMAND, "x.safetensors", "--steps", "1400"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    for number in ("SIGHUP", "SIGTERM"):
        process = subprocess.Popen(command, **pipes)
        seen = process.stdout.readline()
        while not (line := process.stdout.readline()).startswith("step "):  # it trains
            assert line, process.stderr.read()
            seen += line
        process.send_signal(getattr(signal, number))
        out, err = process.communicate(timeout=120)
        assert process.returncode == 3, err
        assert "saved to x.part.safetensors" in out
        assert names(Path()) == {"x.part.safetensors"}
    assert "Continuing at step" in seen


@pytest.mark.skipif(sys.platform == "win32", reason="other pipes")
def test_a_closed_pipe_ends_training_quietly_and_saved():
    command = [*COMMAND, "x.safetensors", "--steps", "200"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.readline()
    process.stdout.close()
    err = process.stderr.read()
    assert process.wait() == 141, err
    process.stderr.close()
    assert "Error" not in err
    assert load_checkpoint("x.part.safetensors").info["step"] > 0
    assert names(Path()) == {"x.part.safetensors"}


@pytest.mark.skipif(sys.platform == "win32", reason="kills processes")
def test_killed_at_random_moments_it_ends_with_the_same_weights_and_leaves_nothing():
    """A short version; ``python benchmarks/kills.py`` kills fifty times."""
    command = [sys.executable, str(ROOT / "benchmarks" / "kills.py"), "--kills", "4"]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "kills: 4\n" in done.stdout
    assert "files left: 0\nweights equal: True" in done.stdout
