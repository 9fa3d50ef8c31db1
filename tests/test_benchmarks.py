"""The benchmarks can be started; their numbers take minutes to hours and are not made here."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest
import torch

from qdvae_helpers.errors import OutputError
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
        ("classes", ["--write"], "README.md cannot be written"),
        ("quality", ["--data", "fashion-mnist", "--write"], "README.md cannot be written"),
        ("classes", ["--data", "fashion-mnist", "--write"], "README.md cannot be written"),
        ("classes", ["--output", "there"], "there is there already"),
        ("gaussian", ["--write"], "README.md cannot be written"),
        ("widgets", ["--write"], "widgets.md cannot be written"),
        ("sizes", ["--write"], "sizes.md cannot be written"),
        ("rate", ["--write"], "rate.md cannot be written"),
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
    assert len(lines) <= 200  # longer tables lie in results/
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


@pytest.fixture
def small_rows(monkeypatch):
    """The module ``classes`` with networks for seconds."""
    import classes

    from qdvae_helpers.profiles import Profile

    small = Profile("small", None, None, 12, (16, 8), 4, 20, 20, 1, 2, 8)
    monkeypatch.setattr(classes, "PROFILE", small)
    return classes


def test_rows_of_classes_differ_in_what_they_name(small_rows, digits):
    classes = small_rows
    labels = {"classes": "labels", "n_classes": 10}
    plain, without, wider, apart = (
        classes.prepared(
            classes.Row(labels, row.change, row.wider, row.wrong_labels), digits, 4, seed=3
        )
        for row in list(classes.ROWS.values())[:4]
    )
    couplers = plain.model.grbm.n_edges
    numbers = [classes.parameters(run.model) for run in (plain, without, wider, apart)]
    assert numbers[1] == numbers[0] - couplers
    assert numbers[0] <= numbers[2] < numbers[0] + couplers + 200
    assert numbers[3] == numbers[0]
    assert not without.model.grbm.quadratic.any()
    same = without.model.dvae.state_dict()
    assert all(torch.equal(t, same[name]) for name, t in plain.model.dvae.state_dict().items())
    assert apart.sampler.grbm is apart.model.grbm
    assert set(apart.model.grbm.edges) != set(plain.model.grbm.edges)
    wrong = classes.prepared(classes.Row(labels, wrong_labels=True), digits, 4, seed=3)
    assert torch.equal(wrong.train.images, digits.images)
    assert not torch.equal(wrong.train.labels, plain.train.labels)
    without.fit(progress=False)
    assert not without.model.grbm.quadratic.any()
    assert without.model.grbm.class_biases.any()


def test_every_row_of_classes_is_trained_and_measured(small_rows, digits):
    classes = small_rows
    labels = {"classes": "labels", "n_classes": 10}
    measures = classes.Measures(
        digits.images.round(), [digits.images[:20], digits.images[20:40]], load_judge()
    )
    found = [
        classes.spin_row(classes.Row(labels, classes.random_pairs), digits, 4, 0, measures),
        classes.gaussian_row(10, digits, 4, 0, measures),
    ]
    for cells in found:
        assert len(cells) == len(classes.COLUMNS) - 1
        assert " ± " in cells[1]


def test_a_gaussian_prior_of_one_class_is_the_standard_normal_and_others_learn(digits):
    from common import gaussian_vae

    from qdvae_helpers.losses import gaussian_kl
    from qdvae_helpers.training import TrainConfig

    config = TrainConfig(steps=4, batch_size=20)
    _, plain = gaussian_vae.trained(digits.images, config, (8,))
    mean, log_variance = torch.randn(2, 5, gaussian_vae.N_LATENT)
    none = torch.zeros(5, dtype=torch.int64)
    own = plain.divergence(mean, log_variance, none).detach()
    assert float(own) == pytest.approx(float(gaussian_kl(mean, log_variance)), rel=1e-5)

    _, prior = gaussian_vae.trained(digits.images, config, (8,), digits.labels)
    classes = torch.tensor([3, 3, 7])
    normal = torch.distributions.Normal
    theirs = normal(prior.means[classes], (prior.log_variances[classes] / 2).exp())
    codes = normal(mean[:3], (log_variance[:3] / 2).exp())
    expected = torch.distributions.kl_divergence(codes, theirs).sum(1).mean().detach()
    found = prior.divergence(mean[:3], log_variance[:3], classes).detach()
    assert float(found) == pytest.approx(float(expected), rel=1e-4)
    assert prior.draw(classes, 0).shape == (3, gaussian_vae.N_LATENT)


def test_likelihoods_lie_between_both_estimates_of_log_z(graph12, digits):
    import likelihood

    for names in ((), ("a", "b")):
        torch.manual_seed(0)
        model = QDVAE(graph12, (16,), classes=names).eval()
        cells = likelihood.row_of(model, digits.images[:5].round(), 20, 50, 50)
        assert len(cells) == len(likelihood.COLUMNS) - 1
        assert int(cells[0]) == max(1, len(names))
        low, high, elbo = (float(cell.split(" ± ")[0]) for cell in cells[1:4])
        assert high - low == pytest.approx(float(cells[4]), abs=0.02)
        assert elbo < low


def test_the_gap_of_a_prior_is_measured_with_classes_and_without(graph12, digits):
    import prior_gap

    for names in ((), ("a", "b")):
        model = QDVAE(graph12, (16,), classes=names).eval()
        found = prior_gap.gap(model, digits.images[:40].round(), 40, levels=20)
        assert list(found)[:2] == ["log p of the encoder's strings", "log p of the prior's strings"]
        assert len(found) == 4


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


def test_one_lesson_measured_anew_changes_its_two_columns_alone(monkeypatch):
    import lessons

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert lessons.with_times(readme, {}) == readme
    name = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))[-1]
    changed = lessons.with_times(readme, {name: "9 s | 9.9 GB"}).splitlines()
    pairs = zip(changed, readme.splitlines(), strict=True)
    ((new, old),) = [(new, old) for new, old in pairs if new != old and old.startswith("|")]
    assert f"(notebooks/{name}.ipynb)" in old
    assert new.split(" | ")[:3] == old.split(" | ")[:3]
    assert new.split(" | ")[3:] == ["9 s", "9.9 GB |"]

    note = "memory, 0.2 GB of it CUDA libraries, which CPU builds of torch lack."
    assert note in lessons.with_times(readme, {name: "9 s | 9.9 GB"}, cuda=210)

    with pytest.raises(SystemExit, match="marks"):
        lessons.with_times("no table", {name: "9 s | 9.9 GB"})
    with pytest.raises(SystemExit, match="no row for 99_new"):
        lessons.with_times(readme, {"99_new": "9 s | 9.9 GB"})
    monkeypatch.setenv("QDVAE_PROFILE", "fast")
    with pytest.raises(SystemExit, match="another profile"):
        lessons.with_times(readme, {name: "9 s | 9.9 GB"})


def test_the_step_of_training_is_timed_in_turns_with_its_rivals(monkeypatch):
    import training

    from qdvae_helpers.profiles import Profile

    small = Profile("small", None, None, 8, (8,), 4, 16, 16, 2, 2, 8)
    monkeypatch.setattr(training, "PROFILE", small)
    times = training.seconds_of_a_step(8, 3, torch.device("cpu"))
    assert list(times)[:2] == ["step with prior and sampling", training.PLAIN]
    assert len(times) == 5
    assert all(seconds > 0 for seconds in times.values())


def test_loading_measures_a_statement_in_an_interpreter_of_its_own():
    import loading

    small, large = (loading.measure("", code, 1) for code in ("pass", "x = bytearray(10**8)"))
    assert large[1] - small[1] == pytest.approx(100, rel=0.2)  # megabytes
