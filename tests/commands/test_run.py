"""Lessons without a browser: what is shown, kept, stored, and which Python runs them."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import psutil
import pytest

from qdvae_helpers.commands import main
from qdvae_helpers.commands import run as command
from qdvae_helpers.commands.run import execute, source_hash
from qdvae_helpers.errors import OutputError
from qdvae_helpers.outputs import hold


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setenv("QDVAE_PROFILE", "fast")


def notebook(folder: Path, *cells: str) -> Path:
    content = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    folder.mkdir(exist_ok=True)
    nbformat.write(content, folder / "x.ipynb")
    return folder / "x.ipynb"


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


def test_the_running_python_runs_lessons_whatever_kernels_a_user_has(tmp_path, monkeypatch, capsys):
    other = tmp_path / "jupyter" / "kernels" / "python3"
    other.mkdir(parents=True)
    spec = {"argv": ["/bin/false"], "display_name": "Another Python", "language": "python"}
    (other / "kernel.json").write_text(json.dumps(spec))
    for variable in ("JUPYTER_PATH", "JUPYTER_DATA_DIR"):
        monkeypatch.setenv(variable, str(tmp_path / "jupyter"))
    for name in ("python", "python3"):  # nor the one that a shell would find
        (tmp_path / "bin" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "bin" / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    monkeypatch.chdir(tmp_path)
    path = notebook(tmp_path, "import sys\nprint(sys.executable)")
    execute(path, tmp_path / "build", store=False)
    assert capsys.readouterr().out.strip() == sys.executable


@pytest.fixture
def house(tmp_path, monkeypatch) -> Path:
    """A repository with one lesson, which :func:`notebook` writes."""
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "notebooks"


def test_lessons_save_models_beside_the_results_and_start_without_old_ones(house, monkeypatch):
    monkeypatch.delenv("QDVAE_MODELS")
    models = house.parent / "build" / "run-models"
    code = "import os, pathlib\nfolder = pathlib.Path(os.environ['QDVAE_MODELS'])\n"
    code += f"assert folder == pathlib.Path({str(models)!r})\nassert not folder.exists()\n"
    notebook(house, code + "folder.mkdir(parents=True)")
    for _ in range(2):
        assert main(["run", "x"]) == 0
        assert models.is_dir()
    assert "QDVAE_MODELS" not in os.environ
    own = house.parent / "own"
    monkeypatch.setenv("QDVAE_MODELS", str(own))
    notebook(house, f"import os\nassert os.environ['QDVAE_MODELS'] == {str(own)!r}")
    assert main(["run", "notebooks/x.ipynb"]) == 0


def test_run_stores_only_the_lesson_profile_and_known_lessons(house, capsys):
    path = notebook(house, "1 + 1")
    before = path.read_text()
    assert main(["run", "--store", "x"]) == 2  # the profile is 'fast' here
    assert "must come from the profile lesson" in capsys.readouterr().err
    assert path.read_text() == before
    with pytest.raises(SystemExit) as end:
        main(["run", "99_nothing"])
    assert end.value.code == 2
    assert "no lesson '99_nothing'; there are x" in capsys.readouterr().err


def test_stored_outputs_say_what_made_them(house, monkeypatch):
    monkeypatch.setenv("QDVAE_PROFILE", "lesson")
    path = notebook(house, "print(1 + 1)")
    assert main(["run", "--store"]) == 0
    stored = nbformat.read(path, as_version=4)
    assert stored.cells[0].outputs[0].text == "2\n"
    wanted = {"profile": "lesson", "source_hash": source_hash(stored)}
    assert stored.metadata["qdvae"] == wanted


def test_run_stops_at_a_lesson_that_fails_or_whose_kernel_dies(house, capsys):
    notebook(house, "1 / 0")
    assert main(["run"]) == 1
    said = capsys.readouterr().err
    assert "ZeroDivisionError" in said
    assert f"Failed: see {Path('build', 'x.ipynb')}" in said
    notebook(house, "import os\nos._exit(1)")
    assert main(["run"]) == 1
    assert "often for want of memory: close other programs" in capsys.readouterr().err
    assert (house.parent / "build" / "x.ipynb").is_file()


def test_ctrl_c_keeps_what_was_reached(house, monkeypatch, capsys):
    def interrupted(*args, **options):
        raise KeyboardInterrupt

    notebook(house, "1 + 1")
    monkeypatch.setattr(command, "execute", interrupted)
    assert main(["run"]) == 130
    assert "Stopped in x; what it reached is in build." in capsys.readouterr().err


def test_the_source_hash_sees_code_and_not_outputs(tmp_path):
    path = notebook(tmp_path, "a = 1")
    first = nbformat.read(path, as_version=4)
    second = nbformat.read(path, as_version=4)
    second.cells[0].outputs = [nbformat.v4.new_output("stream", text="x")]
    assert source_hash(first) == source_hash(second)
    second.cells[0].source = "a = 2"
    assert source_hash(first) != source_hash(second)


def test_the_beginning_of_a_name_is_enough_where_only_one_lesson_has_it(house, capsys):
    notebook(house, "1 + 1")
    for name in ("05_one", "05_two"):
        (house / f"{name}.ipynb").write_text((house / "x.ipynb").read_text())
    assert command._lesson("x") == "x"
    assert command._lesson("05_t") == "05_two"
    with pytest.raises(SystemExit):
        main(["run", "05"])
    assert "'05' may be 05_one or 05_two" in capsys.readouterr().err


def test_results_that_cannot_be_written_are_refused_before_a_lesson_runs(
    house, monkeypatch, capsys
):
    path = notebook(house, "1 + 1")
    monkeypatch.setattr(command, "execute", None)  # a call would raise
    monkeypatch.delenv("QDVAE_MODELS")
    Path("README.md").write_text("mine")
    Path("build", "run-models").mkdir(parents=True)
    Path("build", "x.ipynb").write_text("mine")
    assert main(["run", "--build", "README.md"]) == 1
    assert "a file stands where a folder should be" in capsys.readouterr().err
    assert main(["run", "--build", "notebooks"]) == 1
    assert "where lessons lie" in capsys.readouterr().err
    assert main(["run"]) == 1
    assert "x.ipynb is there already" in capsys.readouterr().err
    Path("build", "x.ipynb").write_text(path.read_text())
    Path("build", "run-models", "thesis.txt").write_text("mine")
    assert main(["run"]) == 1
    assert "thesis.txt would be removed" in capsys.readouterr().err
    Path("build", "run-models", "thesis.txt").unlink()
    with hold(Path("build", "lessons")):
        assert main(["run"]) == 1
    assert "is being written by process" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="has no such signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_request_to_end_ends_the_kernel_and_keeps_what_was_reached(house, number):
    notebook(house, "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)")
    code = "import pathlib, sys\nfrom qdvae_helpers.commands import main, run\n"
    code += "run.ROOT = pathlib.Path()\nraise SystemExit(main(['run']))"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-c", code], **pipes)
    assert process.stdout.readline() == "--- x (profile fast)\n"
    kernel = psutil.Process(int(process.stdout.readline()))
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.endswith("\nStopped in x; what it reached is in build.\n")  # after the kernel's
    kernel.wait(timeout=60)
    done = nbformat.read(Path("build", "x.ipynb"), as_version=4)
    assert done.cells[0].outputs[0].text == f"{kernel.pid}\n"


def test_what_others_wrote_into_a_notebook_meanwhile_stays(tmp_path):
    path = notebook(tmp_path, "import pathlib\nprint(pathlib.Path('x.ipynb').write_text('theirs'))")
    with pytest.raises(OutputError, match="was changed while it ran"):
        execute(path, tmp_path / "build", store=True)
    assert path.read_text() == "theirs"
    assert (tmp_path / "build" / "x.ipynb").is_file()
