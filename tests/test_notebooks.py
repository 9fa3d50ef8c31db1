"""What every committed notebook must be, checked without running it."""

import json
import re
from pathlib import Path

import nbformat
import pytest

from qdvae_helpers.commands.run import source_hash

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request) -> Path:
    return request.param


@pytest.fixture
def raw(path) -> dict:
    """The file as it is: nbformat would repair some faults in silence."""
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture
def code(raw) -> list[dict]:
    """The lesson's own code: Colab's set-up cell, which does nothing elsewhere, is left out."""
    cells = [cell for cell in raw["cells"] if cell["cell_type"] == "code"]
    return [cell for cell in cells if "launch" not in cell["metadata"].get("tags", [])]


@pytest.fixture
def prose(raw) -> str:
    return "\n".join("".join(c["source"]) for c in raw["cells"] if c["cell_type"] == "markdown")


def test_there_are_lessons():
    assert NOTEBOOKS


def test_the_file_is_valid_and_its_cells_have_unique_ids(path, raw):
    ids = [cell.get("id") for cell in raw["cells"]]
    assert all(ids)
    assert len(set(ids)) == len(ids)
    nbformat.validate(nbformat.read(path, as_version=4))
    assert "widgets" not in raw["metadata"]


def test_outputs_are_those_of_one_run_of_the_present_code(path, raw, code):
    counts = [cell["execution_count"] for cell in code]
    first = counts[0]  # Colab's cell may have come before it, or have been added after the run
    assert first in (1, 2)
    assert counts == list(range(first, first + len(counts)))
    stored = raw["metadata"]["qdvae"]
    assert stored["profile"] == "lesson"
    now = source_hash(nbformat.read(path, as_version=4))
    assert stored["source_hash"] == now, "code changed since: run `make notebooks`"
    text = json.dumps([cell["outputs"] for cell in code])
    assert "MNIST" in text


def test_no_cell_failed_or_warned(code):
    for cell in code:
        for output in cell["outputs"]:
            assert output["output_type"] != "error"
            assert output.get("name") != "stderr", output


def test_every_figure_has_alternative_text(code):
    figures = 0
    for cell in code:
        for output in cell["outputs"]:
            if "image/png" in output.get("data", {}):
                figures += 1
                tag = "".join(output["data"]["text/html"])
                assert re.search(r'<img alt="[^"]{15,}"', tag)
    assert figures


def test_captions_name_their_images_by_the_typed_source(code):
    """The header of a file holds plain values: ``trained_on`` makes a caption of them."""
    sources = "\n".join("".join(cell["source"]) for cell in code)
    assert not re.search(r"""\[["']data["']\]""", sources)


def test_cells_are_short(code):
    assert max(len("".join(cell["source"]).splitlines()) for cell in code) <= 30


def test_the_lesson_opens_with_aims_and_closes_with_takeaways(raw):
    first, last = ("".join(raw["cells"][i]["source"]) for i in (0, -1))
    assert first.startswith("# ")
    for part in ("After it you can", "You need", "Time:"):
        assert part in first
    assert "What to take away" in last
    assert last.count("<details>") >= 3


def test_exercises_fail_helpfully_and_their_solutions_pass(raw):
    """The stored verdicts carry nbval's tag, so every run of the notebooks compares them."""
    cells = raw["cells"]

    def tags(cell) -> list[str]:
        return cell["metadata"].get("tags", [])

    def said(cell) -> str:
        assert "nbval-check-output" in tags(cell)
        return "".join("".join(output["text"]) for output in cell["outputs"])

    stubs = [i for i, cell in enumerate(cells) if "exercise" in tags(cell)]
    solutions = [i for i, cell in enumerate(cells) if "solution" in tags(cell)]
    assert len(stubs) == len(solutions) >= 3
    for stub, solution in zip(stubs, solutions, strict=True):
        between = cells[stub + 1 : solution]
        assert "..." in "".join(cells[stub]["source"])
        assert any("Hint" in "".join(cell["source"]) for cell in between)
        checks = [cell for cell in between if cell["cell_type"] == "code"]
        assert [said(check).startswith("Not yet: ") for check in checks] == [True]
        assert said(cells[solution]) == "Correct.\n"
        assert cells[solution]["metadata"]["jupyter"]["source_hidden"] is True


def test_exercises_state_their_level_and_minutes(raw, prose):
    levels = re.findall(r"Exercise (\d) \((warm-up|core|stretch), \d+ minutes\)", prose)
    assert [int(number) for number, _ in levels] == list(range(1, len(levels) + 1))
    assert levels[0][1] == "warm-up"
    assert levels[-1][1] == "stretch"
    stubs = [c for c in raw["cells"] if "exercise" in c["metadata"].get("tags", [])]
    assert len(stubs) == len(levels)


def test_held_out_images_are_a_random_part_of_the_test_set(raw):
    """The first so many are by tidier writers: ``held_out_sample`` draws."""
    code = "\n".join("".join(c["source"]) for c in raw["cells"] if c["cell_type"] == "code")
    assert not re.search(r"""load_images\([^)]*["']test["'][^)]*limit""", code)


def test_the_glossary_is_at_hand(prose):
    assert "](../docs/glossary.md)" in prose


def test_local_links_lead_somewhere(path, prose):
    for target in re.findall(r"\]\(([^)#\s]+)", prose):
        if "://" not in target:
            assert (path.parent / target).exists(), target


def test_no_path_of_the_authors_machine_is_shown(raw):
    text = json.dumps(raw)
    for trace in (str(ROOT), str(Path.home()) + "/", "site-packages"):
        assert trace not in text


def test_the_map_of_the_first_lesson_agrees_with_the_lessons():
    """Its minutes are those that each lesson's first cell names, within ten."""
    cells = json.loads((ROOT / "notebooks" / "00_start_here.ipynb").read_text("utf-8"))["cells"]
    (text,) = ("".join(c["source"]) for c in cells if "## The map" in "".join(c["source"]))
    rows = re.findall(r"^\| \[\d\d [^]]+\]\((\S+)\) \|.*\| (\d+) \|$", text, re.MULTILINE)
    assert [name for name, _ in rows] == sorted(name for name, _ in rows)
    present = {path.name for path in NOTEBOOKS}
    assert present <= {"00_start_here.ipynb"} | {name for name, _ in rows}
    for name, minutes in rows:
        if name not in present:
            continue  # the test of links complains
        first = json.loads((ROOT / "notebooks" / name).read_text("utf-8"))["cells"][0]
        time = re.search(r"^\*\*Time:\*\*.*$", "".join(first["source"]), re.MULTILINE)[0]
        if "exercise" not in time:
            continue  # the map counts them in
        total = sum(map(int, re.findall(r"(\d+) minutes?", time)))
        assert abs(total - int(minutes)) <= 10, f"{name}: {total} minutes"
