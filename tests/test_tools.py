"""The commands that make teaching material and the offline bundle."""

import re
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
import torch

from qdvae_helpers.data import held_out_sample, load_images
from qdvae_helpers.judge import JUDGES, load_judge

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import answers  # noqa: E402
import bundle  # noqa: E402
import lesson_minutes  # noqa: E402
import stage_pictures  # noqa: E402
import student  # noqa: E402
import train_judge  # noqa: E402

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def lesson(request) -> tuple[str, nbformat.NotebookNode]:
    return request.param.stem, nbformat.read(request.param, as_version=4)


def test_a_class_copy_has_no_solution_and_still_fits_together(lesson):
    _, notebook = lesson
    whole = nbformat.writes(notebook)
    copy = student.class_copy(notebook)
    nbformat.validate(copy)
    assert nbformat.writes(notebook) == whole
    code = "\n".join(cell.source for cell in copy.cells if cell.cell_type == "code")
    for cell in notebook.cells:
        if "solution" in cell.metadata.get("tags", []):
            assert cell.source not in code
    used = set(re.findall(r"\b(\w+_solution)\b", code))
    taken = dict(re.findall(r"^(\w+_solution) = (?!.*_solution)(\w+)$", code, re.MULTILINE))
    assert used == set(taken)
    for name in taken.values():  # the learner's own, from the stub above
        assert re.search(rf"^(def |class )?{name}\b( =|\(|:)", code, re.MULTILINE), name
    assert "<details>" not in copy.cells[-1].source
    questions = [line for line in copy.cells[-1].source.splitlines() if line.endswith("?")]
    assert len(questions) >= 3


def test_a_class_copy_takes_the_answer_under_the_name_that_the_stub_gave_it():
    assert student._learners("fit_solution", ["fit", "fit_twice"]) == "fit"
    assert student._learners("fit_solution", ["loss", "fit_by_hand"]) == "fit_by_hand"
    for asked in (["loss"], ["fit_by_hand", "fit_twice"]):
        with pytest.raises(ValueError, match="fit_solution: no stub, or more than one"):
            student._learners("fit_solution", asked)


def test_the_class_copy_is_written_with_what_it_links_to(tmp_path):
    """No link leads to a file that a class does not have; those to sources are kept."""
    assert student.main(["--output", str(tmp_path)]) == 0
    assert (tmp_path / "benchmarks" / "README.md").exists()
    pages = {path: path.read_text("utf-8") for path in tmp_path.rglob("*.md")}
    for path in (tmp_path / "notebooks").iterdir():
        cells = nbformat.read(path, as_version=4).cells
        pages[path] = "\n".join(c.source for c in cells if c.cell_type == "markdown")
    assert len(pages) > 30
    for path, text in pages.items():
        for target in re.findall(r"\]\(([^)#\s]+)", text):
            assert "://" in target or (path.parent / target).exists(), (path.name, target)


def test_a_class_copy_changes_nothing_of_others(tmp_path, capsys):
    page = tmp_path / "mine" / "notes.md"
    page.parent.mkdir()
    page.write_text("[a link](nowhere.md)")
    (tmp_path / "file").touch()
    (tmp_path / "copy" / "notebooks").mkdir(parents=True)
    (tmp_path / "copy" / "notebooks" / NOTEBOOKS[0].name).write_text("a learner's answers")
    for folder, said in (
        (page.parent, "holds notes.md, which is none of ours"),
        (ROOT, "which is none of ours"),
        (tmp_path / "file", "is a file"),
        (tmp_path / "copy", "holds a copy already: name a new folder, or give --overwrite"),
    ):
        with pytest.raises(SystemExit):
            student.main(["--output", str(folder)])
        assert said in capsys.readouterr().err
    assert page.read_text() == "[a link](nowhere.md)"
    assert [file.name for file in page.parent.iterdir()] == ["notes.md"]
    jupyters = tmp_path / "copy" / "notebooks" / ".ipynb_checkpoints" / "a-checkpoint.ipynb"
    jupyters.parent.mkdir()
    jupyters.touch()
    student.require_own(tmp_path / "copy", overwrite=True)


def test_minutes_follow_from_the_lesson_itself(lesson):
    stem, notebook = lesson
    size = lesson_minutes.size_of(notebook)
    assert size.cells <= lesson_minutes.MOST_CELLS
    assert size.reading <= lesson_minutes.MOST_READING
    assert len(size.exercises) >= 3
    readme = (ROOT / "README.md").read_text("utf-8")
    assert lesson_minutes.computing_minutes(readme)[stem] <= lesson_minutes.MOST_COMPUTING


def test_minutes_are_the_same_wherever_they_stand():
    """If not: ``make minutes``."""
    assert not lesson_minutes.rewritten()


def test_how_a_lesson_is_counted():
    def cell(kind, source, **meta):
        return {"cell_type": kind, "source": source, "metadata": meta}

    cells = [
        cell("markdown", "one two [three](some/where.md)\n<details>not counted</details> - 4"),
        cell("markdown", "### Exercise 1 (warm-up, 7 minutes): five words"),
        cell("code", "a = 1\n\nb = 2\n"),
        cell("code", "hidden = 1", jupyter={"source_hidden": True}),
    ]
    size = lesson_minutes.size_of({"cells": cells})
    assert (size.cells, size.words, size.lines, size.exercises) == (4, 11, 2, (7,))
    assert size.reading == 5
    said = lesson_minutes.time_line(size, 2)
    assert said.endswith(
        "5 minutes to read, about 2 minutes of computing, 7 minutes for one exercise"
    )


def test_every_exercise_gets_its_own_task_hint_and_answer(lesson):
    _, notebook = lesson
    found = answers.exercises(notebook)
    stubs = [c for c in notebook.cells if "exercise" in c.metadata.get("tags", [])]
    assert len(found) == len(stubs)
    assert [e["title"].split()[1] for e in found] == [str(k + 1) for k in range(len(found))]
    for exercise in found:
        assert "..." in exercise["stub"]
        assert "..." not in exercise["solution"]
        assert "<" not in exercise["hint"].split("$")[0]
        assert len(exercise["task"]) > 40
        assert "Exercise" not in exercise["task"]


def test_the_bundle_has_the_tracked_files_and_scripts_that_need_no_index(tmp_path):
    bundle.copy_repository(tmp_path)
    copied = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    assert {"pyproject.toml", "constraints.txt", "binder/environment.yml"} <= copied
    assert "data/MNIST/train-images-idx3-ubyte.xz" in copied
    assert not any(name.startswith((".git/", "build/", ".venv/")) for name in copied)
    script = tmp_path / "setup.sh"
    script.write_text(bundle._SH.format(dotted="3.9"))
    subprocess.run(["sh", "-n", script], check=True)
    assert "--no-index --find-links wheels" in script.read_text()
    assert "PIP_NO_INDEX=1" in bundle._BAT


def test_the_bundle_is_one_file_with_a_class_copy_and_a_script_to_run(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(bundle, "download_wheels", lambda target, index: target.mkdir())
    monkeypatch.setattr("sys.argv", ["bundle.py", "--output", str(tmp_path / "all.tar")])
    assert bundle.main() == 0
    assert "./setup.sh" in capsys.readouterr().out
    with tarfile.open(tmp_path / "all.tar") as archive:
        modes = {member.name: member.mode for member in archive}
    assert modes["qdvae-tutorials/setup.sh"] & 0o111
    for path in NOTEBOOKS:
        assert f"qdvae-tutorials/notebooks/{path.name}" in modes
        assert f"qdvae-tutorials/class/notebooks/{path.name}" in modes
    assert "qdvae-tutorials/class/docs/instructor-guide.md" not in modes
    assert list(tmp_path.iterdir()) == [tmp_path / "all.tar"]


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script")
def test_the_bundles_script_refuses_another_python(tmp_path):
    script = tmp_path / "setup.sh"
    script.write_text(bundle._SH.format(dotted="3.9"))
    done = subprocess.run(
        ["sh", script], env={"PYTHON": sys.executable}, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "These wheels are for Python 3.9" in done.stderr
    assert not (tmp_path / ".venv").exists()


@pytest.fixture
def few_images(monkeypatch):
    """Data sets with little in them: digits, under either name."""
    few = {"train": load_images("mnist", "train", limit=2_000), "test": held_out_sample(200)}

    def load(name: str, split: str):
        source = replace(few[split].source, data_set=name)
        return replace(few[split], source=source)

    monkeypatch.setattr(train_judge, "load_images", load)
    monkeypatch.setattr(train_judge, "_EPOCHS", {"mnist": 4, "fashion-mnist": 4})
    return few


@pytest.mark.parametrize("data", ["mnist", "fashion-mnist"])
def test_a_judge_is_trained_and_can_be_loaded_again(
    data, few_images, monkeypatch, tmp_path, capsys
):
    output = tmp_path / "judge.safetensors"
    monkeypatch.setattr("sys.argv", ["train_judge.py", "--data", data, "--output", str(output)])
    assert train_judge.main() == 0
    found = dict(re.findall(r"(\S+ \S+): accuracy (0\.\d+)", capsys.readouterr().out))
    assert set(found) == {f"{n}x{n} {kind}" for n in (28, 32) for kind in ("grey", "rounded")}
    again = train_judge.accuracies(load_judge(output), few_images["test"])
    assert {name: f"{accuracy:.4f}" for name, accuracy in again.items()} == found
    assert again["28x28 grey"] > 0.3  # of 40 steps; a guess is right in one case of ten


@pytest.mark.parametrize("data", list(JUDGES))
def test_a_judge_that_ships_is_not_replaced_unasked(data, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["train_judge.py", "--data", data])
    with pytest.raises(SystemExit):
        train_judge.main()
    assert f"{JUDGES[data].name} is there already" in capsys.readouterr().err


def test_varied_images_are_the_same_things_in_other_places():
    torch.manual_seed(0)
    images = torch.zeros(40, 1, 28, 28)
    images[:, :, 10:13, 4:9] = 0.7
    for varied, mirrored in ((train_judge.varied_digits, 0), (train_judge.varied_garments, 1)):
        seen = [varied(images, step) for step in range(8)]
        assert {len(view[0, 0]) for view in seen} == {28, 32}
        assert any(view.max() == 1 for view in seen)  # rounded
        grey = seen[0]
        assert grey.flatten(1).sum(1).tolist() == pytest.approx([0.7 * 15] * 40)
        on_the_right = int((grey[..., 14:].flatten(1).sum(1) > 5).sum())
        assert (0 < on_the_right < 40) == bool(mirrored)


def test_the_stills_show_the_model_that_ships():
    """After `make pretrained` comes `make stills`."""
    for theme in ("light", "dark"):
        still = (stage_pictures.IMAGES / f"stage-{theme}.svg").read_text(encoding="utf-8")
        assert still.endswith(stage_pictures.mark())
