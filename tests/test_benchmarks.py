"""The benchmarks can be started; their numbers take minutes to hours and are not made here."""

import importlib.util
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.mark.parametrize("path", sorted(BENCHMARKS.glob("*.py")), ids=lambda path: path.stem)
def test_every_benchmark_is_importable_and_explains_its_options(path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(BENCHMARKS)  # some share code
    spec = importlib.util.spec_from_file_location(f"benchmark_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(sys, "argv", [path.name, "--help"])
    with pytest.raises(SystemExit) as end:
        module.main()
    assert end.value.code == 0
    told = capsys.readouterr().out
    assert told.startswith(f"usage: {path.name}")
    assert " ".join(module.__doc__.split())[:40] in " ".join(told.split())


def test_one_lesson_measured_anew_leaves_the_other_rows_alone(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import lessons

    readme = (BENCHMARKS.parent / "README.md").read_text(encoding="utf-8")
    assert lessons.with_rows(readme, {}) == readme
    row = "| [07 · How good is it?](notebooks/07_how_good_is_it.ipynb) | 9 s | 9.9 GB |"
    changed = lessons.with_rows(readme, {"07_how_good_is_it": row}).splitlines()
    different = [new for new, old in zip(changed, readme.splitlines(), strict=True) if new != old]
    assert different == [row]

    with pytest.raises(SystemExit, match="marks"):
        lessons.with_rows("no table", {"07_how_good_is_it": row})
    monkeypatch.setenv("QDVAE_PROFILE", "fast")
    with pytest.raises(SystemExit, match="another profile"):
        lessons.with_rows(readme, {"07_how_good_is_it": row})
