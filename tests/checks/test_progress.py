"""A learner's progress is kept where they asked for it, and nowhere else."""

import json

import pytest

from qdvae_helpers import checks
from qdvae_helpers.checks import solved


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def right(bit):
    return 2 * bit - 1


def test_nothing_is_written_unless_asked(folder, capsys):
    checks.spin_of_bit(right)
    checks.progress()
    assert "progress(keep=True)" in capsys.readouterr().out
    assert list(folder.iterdir()) == []


def test_what_is_solved_is_kept_and_shown(folder, capsys):
    checks.progress(keep=True)
    checks.spin_of_bit(right)
    checks.spin_of_bit(abs)
    checks.flip(abs)
    assert list(json.loads((folder / "progress.json").read_text())) == ["spin_of_bit"]
    capsys.readouterr()
    checks.progress(keep=True)
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("lesson 00: 1 of 4 solved, still open: couplers_of_each, eight")
    assert said[1] == "lesson 01: 0 of 7 solved"
    assert len(list(folder.iterdir())) == 1


def test_our_own_solutions_do_not_count(folder, monkeypatch):
    checks.progress(keep=True)
    monkeypatch.setattr(solved, "_is_solution", lambda: True)
    checks.spin_of_bit(right)
    assert json.loads((folder / "progress.json").read_text()) == {}


@pytest.mark.parametrize("bad", ["{", "[]", "[" * 50_000, '{"flip": 3}', " " * 100_001, "\ud800"])
def test_a_damaged_file_is_told_and_left_as_it_is(folder, capsys, bad):
    held = bad.encode("utf-8", "surrogatepass")
    (folder / "progress.json").write_bytes(held)
    checks.spin_of_bit(right)
    assert capsys.readouterr().out == "Correct.\n"
    checks.progress()
    assert "progress.json cannot be used" in capsys.readouterr().out
    assert (folder / "progress.json").read_bytes() == held


def test_every_check_belongs_to_a_lesson():
    named = [name for names in solved._exercises().values() for name in names]
    assert len(named) == len(set(named)) >= 40
    assert set(named) >= {"unbiased_mmd", "kl_from_three_terms", "through_chain"}


def test_a_folder_in_its_place_is_told(folder, capsys):
    (folder / "progress.json").mkdir()
    checks.spin_of_bit(right)
    assert capsys.readouterr().out == "Correct.\n"
    checks.progress(keep=True)
    assert "progress.json cannot be used (it is a folder" in capsys.readouterr().out
