"""The benchmark of quality: what it measures, and the tables that it writes."""

from pathlib import Path

import pytest
import torch

from qdvae_helpers.evaluate import quality as score
from qdvae_helpers.judge import load_judge
from qdvae_helpers.models import QDVAE

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture(autouse=True)
def folder_on_path(monkeypatch):
    """Benchmarks find each other as when they are started by name."""
    monkeypatch.syspath_prepend(BENCHMARKS)


def test_what_is_shuffled_keeps_the_means_of_its_class_and_nothing_else():
    import quality

    spins, classes = torch.randn(60, 12).sign(), torch.arange(60) % 2
    for given in (None, classes):
        shuffled = quality.shuffled(spins, given, seed=1)
        assert torch.equal(shuffled.sum(0), spins.sum(0))
        assert not torch.equal(shuffled, spins)
    assert torch.equal(shuffled[classes == 1].sum(0), spins[classes == 1].sum(0))


def test_exact_shares_are_those_of_all_images(digits):
    import quality

    one, other = quality.in_exact_shares(digits, 150, 2)
    assert abs(len(one) - 150) <= 5
    assert not torch.equal(one, other)
    rows = [int((digits.images == image).flatten(1).all(1).nonzero()[0]) for image in one]
    assert (
        digits.labels[rows].bincount().tolist() == (digits.labels.bincount() / 2).round().tolist()
    )


def test_quality_scores_what_generate_gives(graph12):
    import quality

    for names in ((), ("a", "b", "b")):
        model = QDVAE(graph12, (16,), classes=names).eval()
        found = quality.generated_images(model, 6, 3)
        assert list(found) == ["", ", spins shuffled"]
        assert torch.equal(found[""], model.generate(6, seed=3))


def test_only_a_model_of_labels_is_asked_for_them(graph12, digits):
    import quality

    def model_of(classes: str):
        images, _ = digits.clustered(1, within_labels=classes == "labels")
        model = QDVAE(graph12, (16,), classes=tuple(map(str, range(10))))
        model.info["data"] = images.source.to_dict()
        return model.eval()

    assert quality.knows_labels(model_of("labels"), "mnist")
    assert not quality.knows_labels(model_of("clusters"), "mnist")
    assert not quality.knows_labels(QDVAE(graph12, (16,)), "mnist")

    models = {"by label": model_of("labels"), "by cluster": model_of("clusters")}
    lines = quality.table_of_wishes(models, 20, 1, load_judge(), digits, digits)
    rows = [line.strip("| ").split(" | ") for line in lines[3:]]
    assert [row[0] for row in rows] == ["held-out images, by their labels", "`by label`"]
    assert float(rows[0][1]) > 0.9
    assert all(0 <= float(share) <= 1 for row in rows for share in row[1:])
    assert not quality.table_of_wishes({"m": models["by cluster"]}, 20, 1, None, digits, digits)


def test_a_sure_judge_recognises_real_digits_and_no_grey(digits):
    import quality

    judge = load_judge()
    assert quality.recognised(digits.images[:100], judge) > 0.8
    assert quality.recognised(torch.full((10, 1, 28, 28), 0.5), judge) in (0.0, 1.0)  # all alike


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

    def scored(frechet: float):
        both = [quality.Quality(frechet + d, 1.0, 0.5, 0.5, 0.5, 0.1) for d in (-1, 1)]
        return quality.average(both, [0.8, 0.9])

    sets = dict.fromkeys(quality.FLOORS, 5.0) | {"reference a": 105.0, "reference b": 205.0}
    sets |= {"m": 15.0, "m, spins shuffled": 405.0, "m, encoder's strings": 10.0}
    scores = {view: {k: scored(v) for k, v in sets.items()} for view in quality.VIEWS}
    short = quality.short_table(scores, ["m"])
    assert short[0] == (
        "| view | floor | reference | model | as drawn | encoder's strings | shuffled in classes "
        "| recognised: drawn, encoder's |"
    )
    assert short[2] == (
        "| 28 grey | 5.0 ± 1.4 | 105.0 | `m` | 15.0 ± 1.4 | 10.0 ± 1.4 | 405.0 ± 1.4 "
        "| 0.850, 0.850 |"
    )
    assert len(quality.whole_table(scores)) == 2 + len(sets) * len(quality.VIEWS)
    alone = quality.average([quality.Quality(3.0, 1.0, 0.5, 0.5, 0.5, 0.1)], [0.8])
    assert alone.distance == "3.0"  # one draw has no spread
