"""The benchmarks can be started; their numbers take minutes to hours and are not made here."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest
import torch

from qdvae_helpers.errors import OutputError
from qdvae_helpers.evaluate import quality as score
from qdvae_helpers.judge import load_judge
from qdvae_helpers.models import QDVAE

ROOT = Path(__file__).resolve().parent.parent
BENCHMARKS = ROOT / "benchmarks"
FILES = sorted(BENCHMARKS.rglob("*.py"))
COMMANDS = [path for path in FILES if path.parent == BENCHMARKS]
README = (BENCHMARKS / "README.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def folder_on_path(monkeypatch):
    """Benchmarks find each other as when they are started by name."""
    monkeypatch.syspath_prepend(BENCHMARKS)


def load(path: Path):
    """The module in a file; its name is of no other."""
    spec = importlib.util.spec_from_file_location(f"benchmark_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(BENCHMARKS)))
def test_every_file_can_be_imported_and_says_what_it_is(path):
    assert load(path).__doc__


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: path.stem)
def test_every_benchmark_explains_its_options_and_is_on_the_page(path, monkeypatch, capsys):
    module = load(path)
    monkeypatch.setattr(sys, "argv", [path.name, "--help"])
    with pytest.raises(SystemExit) as end:
        module.main()
    assert end.value.code == 0
    told = capsys.readouterr().out
    assert told.startswith(f"usage: {path.name}")
    assert " ".join(module.__doc__.split())[:40] in " ".join(told.split())
    assert f"`{path.name}" in README


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: path.stem)
def test_what_a_benchmark_writes_has_its_place(path):
    """Without marks the table of an hour's work would find none."""
    from common import tables

    code = path.read_text(encoding="utf-8")
    in_readme, in_results = (
        set(re.findall(rf'tables\.{function}\("(\w+)"', code))
        for function in ("to_readme", "to_results")
    )
    assert in_readme | in_results <= {path.stem}
    for name in in_readme:
        assert tables.section(README, name)[0].strip()
    for name in in_results:
        assert f"(results/{name}.md)" in README


@pytest.mark.parametrize(
    ("name", "arguments", "noun"),
    [
        ("gaussian", ["--steps", "20"], "--steps 20: choose more than 20"),
        ("gaussian", ["--write"], "README.md cannot be written"),
        ("widgets", ["--write"], "widgets.md cannot be written"),
        ("sizes", ["--write"], "sizes.md cannot be written"),
        ("lessons", ["--write"], "README.md cannot be written"),
        ("quality", ["--output", "there"], "there is there already"),
        ("quality", ["--output", "there/x"], "a file stands where a folder should be"),
    ],
)
def test_what_cannot_be_written_is_said_before_anything_is_measured(
    name, arguments, noun, monkeypatch, tmp_path, capsys
):
    from common import tables

    def full(path, **options):
        raise OutputError(f"{path} cannot be written: the disk is full.")

    monkeypatch.chdir(tmp_path)
    Path("there").touch()
    module = load(BENCHMARKS / f"{name}.py")
    monkeypatch.setattr(sys, "argv", [name + ".py", *arguments])
    if "--write" in arguments:
        monkeypatch.setattr(tables, "require_output", full)
    with pytest.raises(SystemExit) as end:
        module.main()
    assert end.value.code == 2
    assert noun in capsys.readouterr().err
    assert Path("there").stat().st_size == 0


def test_the_page_can_be_taken_in():
    lines = README.splitlines()
    assert len(lines) <= 160
    assert max(map(len, lines)) <= 140


def test_a_table_replaces_the_one_between_its_marks_and_nothing_else():
    from common import tables

    text = "before\n<!-- a -->\nold\n<!-- /a -->\nbetween\n<!-- b -->\nkept\n<!-- /b -->\nafter"
    table = tables.markdown(["x", "y"], [["1", "2"]])
    assert table == ["| x | y |", "|---|---|", "| 1 | 2 |"]
    changed = tables.with_section(text, "a", table)
    assert changed == text.replace("old", "\n".join(table))
    assert tables.with_section(changed, "a", ["old"]) == text
    with pytest.raises(SystemExit, match="no marks <!-- c -->"):
        tables.with_section(text, "c", table)


def test_images_are_shown_to_a_model_as_it_learned_them(graph12, digits):
    from common.models import as_learned

    model = QDVAE(graph12, (16,))
    model.info["data"] = digits.jittered(1).rounded().source.to_dict()
    assert torch.equal(as_learned(model, digits).images, digits.images.round())
    model.info["data"] = digits.source.to_dict()
    assert as_learned(model, digits) is digits


def test_controls_of_quality_keep_what_they_say(graph12, digits):
    import quality

    spins = torch.randn(50, 12).sign()
    shuffled = quality.shuffled(spins, seed=1)
    assert torch.equal(shuffled.sum(0), spins.sum(0))
    assert not torch.equal(shuffled, spins)

    model = QDVAE(graph12, (16,)).eval()
    before = {name: t.clone() for name, t in model.state_dict().items()}
    control = quality.without_couplings(model, digits.images, steps=2)
    assert model.ratio is None
    assert all(torch.equal(t, before[name]) for name, t in model.state_dict().items())
    assert not control.grbm.quadratic.any()
    with torch.no_grad():
        means = torch.tanh(model.encode(digits.images) / 2).mean(0)
    assert torch.tanh(-control.grbm.linear).tolist() == pytest.approx(means.tolist(), abs=1e-4)

    plain = quality.generated_images(model, 6, 0, [2], None)
    assert list(plain) == ["", ", spins shuffled", ", 3 rounds"]
    model.ratio = control.ratio
    found = quality.generated_images(model, 6, 0, [2, 3], control)
    assert set(found) - set(plain) == {
        ", chosen of 2",
        ", chosen of 3",
        ", chosen of 3, 3 rounds",
        ", no couplings, chosen of 3",
    }
    assert torch.equal(found[""], model.generate(6, seed=0))
    assert torch.equal(found[", chosen of 2"], model.generate(6, seed=0, candidates=2))


def test_a_judge_that_remembers_the_real_images_gives_the_same_scores(digits):
    import quality

    judge = load_judge()
    real, generated = digits.images[:40].clone(), digits.images[40:60].clone()
    remembering = quality.Remembering(judge, real)
    expected = score(generated, real, judge)
    for _ in range(2):  # the second time from memory
        assert score(generated, real, remembering) == expected
    assert len(remembering.seen) == 1


def test_the_tables_of_quality_follow_their_scores():
    import quality

    def scored(frechet: float) -> tuple:
        return quality.average([score_of(frechet - 1), score_of(frechet + 1)])

    def score_of(frechet: float):
        return quality.Quality(frechet, 1.0, 0.5, 0.5, 0.5, 0.1)

    sets = {"floor: training images": 5.0, "reference a": 105.0, "reference b": 205.0, "m": 15.0}
    sets |= {"m, spins shuffled": 405.0, "m, chosen of 4": 10.0, "m, chosen of 2": 12.0}
    scores = {view: {k: scored(v) for k, v in sets.items()} for view in quality.VIEWS}
    assert quality.share(15.0, scores["28 grey"]) == pytest.approx(0.1)
    short = quality.short_table(scores, ["m"], 4)
    assert short[0] == (
        "| view | floor | reference | model | as drawn (share) | chosen of 4 (share) | shuffled |"
    )
    assert short[2] == "| 28 grey | 5.0 | 105.0 | `m` | 15.0 (0.100) | 10.0 (0.050) | 405.0 |"
    by_candidates = quality.table_of_candidates(scores, ["m"], [2, 4])
    assert [line.split(" | ")[1] for line in by_candidates[3:]] == [
        "15.0 ± 1.4",
        "12.0 ± 1.4",
        "10.0 ± 1.4",
    ]
    assert len(quality.whole_table(scores)) == 2 + len(sets) * len(quality.VIEWS)


def test_the_variants_of_couplings_differ_in_the_couplings_alone(graph12):
    import couplings

    with_them, without, wider = (
        couplings.build(kind, graph12, (16, 8), seed=3) for kind in couplings.KINDS
    )
    assert with_them.grbm.quadratic.any()
    for model in (without, wider):
        assert not model.grbm.quadratic.any()
        assert not model.grbm.quadratic.requires_grad
    same = without.dvae.state_dict()
    assert all(torch.equal(t, same[name]) for name, t in with_them.dvae.state_dict().items())
    numbers = couplings.parameters
    assert numbers(without) == numbers(with_them) - graph12.to_networkx().number_of_edges()
    assert numbers(with_them) <= numbers(wider)


def test_the_rivals_of_the_sampler_benchmark_agree_on_small_models(graph12):
    import sampler

    model = sampler.random_grbm(graph12, 0.3)
    for name, draw in sampler.peers(model, graph12, 500, 20, seed=1).items():
        error, perfect = sampler.rmse(model, draw())
        assert error < 3 * perfect, name


def test_one_lesson_measured_anew_leaves_the_other_rows_alone(monkeypatch):
    import lessons

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert lessons.with_rows(readme, {}) == readme
    name = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))[-1]
    row = f"| [Last](notebooks/{name}.ipynb) | 9 s | 9.9 GB |"
    changed = lessons.with_rows(readme, {name: row}).splitlines()
    different = [new for new, old in zip(changed, readme.splitlines(), strict=True) if new != old]
    assert different == [row]

    with pytest.raises(SystemExit, match="marks"):
        lessons.with_rows("no table", {name: row})
    monkeypatch.setenv("QDVAE_PROFILE", "fast")
    with pytest.raises(SystemExit, match="another profile"):
        lessons.with_rows(readme, {name: row})


def test_the_step_of_training_is_timed_in_turns_with_its_rivals(monkeypatch):
    import training

    from qdvae_helpers.profiles import Profile

    small = Profile("small", None, None, 8, (8,), 4, 16, 16, 2, 8)
    monkeypatch.setattr(training, "PROFILE", small)
    times = training.seconds_of_a_step(8, 3, torch.device("cpu"))
    assert list(times)[:2] == ["step with prior and sampling", training.PLAIN]
    assert len(times) == 5
    assert all(seconds > 0 for seconds in times.values())


def test_loading_measures_a_statement_in_an_interpreter_of_its_own():
    import loading

    small, large = (loading.measure("", code, 1) for code in ("pass", "x = bytearray(10**8)"))
    assert large[1] - small[1] == pytest.approx(100, rel=0.2)  # megabytes
