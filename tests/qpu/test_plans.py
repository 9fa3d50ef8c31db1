"""The table of costs, made for the QPU of one's own account."""

import importlib.util
import sys
from pathlib import Path

import pytest

from qdvae_helpers.errors import QPUError, SettingError

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def plans(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    spec = importlib.util.spec_from_file_location("qpu_plans", BENCHMARKS / "qpu_plans.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_is_made_from_the_account_or_its_file_and_sends_nothing(leap, plans, tmp_path):
    data = plans.solver_data(None)
    file = tmp_path / "solver.json"
    file.write_text(data.model_dump_json(), encoding="utf-8")
    rows = plans.times(data)
    assert rows == plans.times(plans.solver_data(file))
    assert len(rows) > 10
    assert set(leap.requests) == {"solvers"}


def test_without_an_account_or_a_proper_file_it_says_so(plans, monkeypatch, tmp_path, capsys):
    with pytest.raises(QPUError, match="No Leap token"):
        plans.solver_data(None)
    file = tmp_path / "solver.json"
    for text in ("[]", "{}", "none"):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(SettingError, match="holds no solver's data"):
            plans.solver_data(file)
    monkeypatch.setattr(sys, "argv", ["qpu_plans.py", str(file)])
    assert plans.main() == 1
    assert "holds no solver's data" in capsys.readouterr().out
