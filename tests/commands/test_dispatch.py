"""One entry point: the commands, their help, their exit statuses, and what they need to start."""

import errno
import os
import signal
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import nbformat
import pytest

from qdvae_helpers.commands import COMMANDS, main
from qdvae_helpers.errors import SettingError

ROOT = Path(__file__).resolve().parent.parent.parent
#: What a command's help must say: its groups, its units, its defaults.
SAID = {
    "run": ["output:", "folder for results; default: build"],
    "train": [
        "what to learn:",
        "the model (one of these):",
        "how long and how fast:",
        "the sampler of the prior:",
        "output:",
        "mnist or fashion-mnist; default: mnist",
        "of the MMD (mmd); default: 200, 30 with classes",
        "the prior's: none, clusters or labels; default: none",
        "how many; default: 10 fast, else 100",
        "gradient steps; default: 60 fast, 3200 lesson, 16000",
        "images per step; default: 100 fast, else 256",
        "spin strings per image; default: 1, 8 iwae",
        "one per qubit; default: 64 fast, else 256; at most 48",
        "peak, of the prior; default: 0.005, 0.03 mmd",
        "Gibbs sweeps per step; default: 3 fast, else 10",
    ],
    "studio": ["of the server; default: 8866"],
    "record": ["what to draw:", "output:", "spin strings to record; default: 1000"],
    "export-stage": ["default: qdvae-256-labels", "page (.html) or data (.safetensors) to write"],
    "doctor": ["LOOK"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_commands_help_is_short_and_says_units_and_defaults(name, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    assert end.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) < 60
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith(f"usage: qdvae {name} ")
    for words in SAID[name]:
        assert words in "\n".join(lines), words


@pytest.fixture
def without_torch(tmp_path):
    """Runs ``python -m qdvae_helpers`` where torch is broken; counts how often it is tried."""
    trace = tmp_path / "tries"
    (tmp_path / "torch.py").write_text(
        f"open({str(trace)!r}, 'a').write('x')\n"
        f"raise OSError('libtorch.so: cannot open {tmp_path}{os.sep}libtorch.so')\n"
    )

    def run(*arguments: str) -> tuple[subprocess.CompletedProcess, int]:
        done = subprocess.run(
            [sys.executable, "-m", "qdvae_helpers", *arguments],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(tmp_path), "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        return done, len(trace.read_text()) if trace.exists() else 0

    return run


def test_the_help_lists_all_commands_and_never_asks_for_torch(without_torch):
    done, tries = without_torch("--help")
    assert (done.returncode, tries) == (0, 0)
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    for name, says in COMMANDS.items():
        assert lines.count(f"{name} {says}") == 1


def test_the_doctor_examines_a_machine_without_a_working_torch(without_torch, tmp_path):
    done, tries = without_torch("doctor")
    assert done.returncode == 1, done.stderr
    assert tries == 1
    rows = {line[6:19].strip(): line for line in done.stdout.splitlines() if line[0] != " "}
    assert rows["torch"].startswith("LOOK")
    assert "libtorch.so" in rows["torch"]
    assert all("it needs torch" in rows[name] for name in ("model", "sampler", "own models"))
    assert all(rows[name].startswith("ok") for name in ("Python", "packages", "MNIST", "profile"))
    assert str(tmp_path) not in done.stdout


def test_without_a_command_there_is_help_and_an_unknown_one_is_refused(capsys):
    assert main([]) == 2
    assert "usage: qdvae" in capsys.readouterr().out
    for wrong in ("machine", "--"):
        with pytest.raises(SystemExit) as end:
            main([wrong, "train"])
        assert end.value.code == 2
        assert "usage: qdvae" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [(SettingError("Mend this."), 1, "Mend this.\n"), (KeyboardInterrupt(), 130, "\nStopped.\n")],
)
def test_an_error_is_one_line_and_ctrl_c_no_traceback(error, status, said, monkeypatch, capsys):
    def fail():
        raise error

    monkeypatch.setattr("qdvae_helpers.commands.doctor.check_machine", fail)
    assert main(["doctor"]) == status
    assert capsys.readouterr().err == said


@pytest.mark.skipif(sys.platform == "win32", reason="has no such signals")
def test_ctrl_c_during_the_imports_is_no_traceback(tmp_path):
    (tmp_path / "torch.py").write_text(
        "print('imported', flush=True)\nimport time\n"
        "try:\n    time.sleep(60)\nexcept BaseException as error:\n    raise ImportError from error"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "qdvae_helpers", "train", "--output", "x.safetensors"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT)))},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "imported\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "\nStopped.\n")


@pytest.mark.parametrize(
    ("number", "status", "said"),
    [(errno.EPIPE, 141, ""), (errno.ENOSPC, 1, "What is printed cannot be written: No space")],
)
def test_output_that_nobody_can_read_ends_quietly(number, status, said):
    """In a process of its own, since it closes its output."""
    code = "from qdvae_helpers import commands\nfrom qdvae_helpers.commands import doctor\n"
    code += f"def fail(options): raise OSError({number}, 'No space')\n"
    code += "doctor.run = fail\nraise SystemExit(commands.main(['doctor']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == status
    assert done.stderr.startswith(said)
    assert "Traceback" not in done.stderr


def test_a_name_that_the_terminal_cannot_show_is_no_error():
    code = "from qdvae_helpers import commands\nfrom qdvae_helpers.commands import doctor\n"
    code += "doctor.run = lambda options: print('\\u00e9\\udcff')\n"
    code += "raise SystemExit(commands.main(['doctor']))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "\\xe9\\udcff\n"), done.stderr


def test_the_script_that_pip_installs_is_this_one():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert EntryPoint("qdvae", project["scripts"]["qdvae"], "").load() is main


def test_the_studio_serves_the_dashboard_without_the_lesson(monkeypatch):
    app = pytest.importorskip("voila.app", reason="the studio needs Voila (extra studio)")
    served = {}

    def launch(argv, config):
        served["argv"], served["hook"] = argv, config.VoilaConfiguration.prelaunch_hook

    monkeypatch.setattr(app.Voila, "launch_instance", launch)
    assert main(["studio", "--port", "8899", "--no-browser", "--", "--debug"]) == 0
    lesson, *options = served["argv"]
    assert options == ["--debug", "--port=8899", "--no-browser"]
    notebook = nbformat.read(lesson, 4)
    served["hook"](None, notebook, "")
    assert [cell.cell_type for cell in notebook.cells] == ["markdown", "code"]
    assert "Studio()" in notebook.cells[1].source


def test_the_studio_says_what_it_lacks(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "voila.app", None)
    monkeypatch.delitem(sys.modules, "qdvae_helpers.commands.studio_app", raising=False)
    assert main(["studio"]) == 1
    assert "The studio needs Voila: pip install" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_without_the_repository_every_command_says_so(name, monkeypatch, tmp_path, capsys):
    """A wheel, or an installation without ``-e``, has the helpers alone."""
    monkeypatch.setattr("qdvae_helpers.commands.ROOT", tmp_path)
    needed = {"train": ["--output", "m.safetensors"], "record": ["--output", "r.safetensors"]}
    assert main([name, *needed.get(name, [])]) == 1
    assert "Clone it, and in its folder: python -m pip install" in capsys.readouterr().err
