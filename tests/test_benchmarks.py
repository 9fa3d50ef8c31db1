"""The benchmarks can be started; their numbers take minutes to hours and are not made here."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch

from qdvae_helpers.models import QDVAE

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


def test_controls_of_quality_keep_what_they_say(monkeypatch, graph12, digits):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import quality

    spins = torch.randn(50, 12).sign()
    shuffled = quality.shuffled(spins, seed=1)
    assert torch.equal(shuffled.sum(0), spins.sum(0))
    assert not torch.equal(shuffled, spins)

    model = QDVAE(graph12, (16,)).eval()
    before = {name: t.clone() for name, t in model.state_dict().items()}
    control = quality.without_couplings(model, digits.images, steps=2)
    assert all(torch.equal(t, before[name]) for name, t in model.state_dict().items())
    assert not control.grbm.quadratic.any()
    with torch.no_grad():
        means = torch.tanh(model.encode(digits.images) / 2).mean(0)
    assert torch.tanh(-control.grbm.linear).tolist() == pytest.approx(means.tolist(), abs=1e-4)
    plain = quality.generated_images(model, 6, 0, 2, None)
    assert list(plain) == ["", ", spins shuffled", ", 3 rounds"]
    model.ratio = control.ratio
    found = quality.generated_images(model, 6, 0, 2, control)
    assert {", chosen", ", chosen, 3 rounds", ", no couplings, chosen"} <= set(found)
    assert torch.equal(found[""], model.generate(6, seed=0))
    assert torch.equal(found[", chosen"], model.generate(6, seed=0, candidates=2))


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
