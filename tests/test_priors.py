"""A prior with biases for each class, against sums over all strings."""

import math

import pytest
import torch
from dwave.plugins.torch.models import GraphRestrictedBoltzmannMachine
from small_models import SHARES, class_grbm

from qdvae_helpers.errors import CheckpointError, SettingError
from qdvae_helpers.evaluate import enumerate_states
from qdvae_helpers.priors import (
    ClassBoltzmannMachine,
    class_fields,
    class_shares,
    class_sums,
    energies_of,
    even_classes,
    in_groups,
    log_prior,
    n_classes,
    of_class,
    require_classes,
    require_labels,
    require_names,
    require_shares,
    row_weights,
    systematic,
    usual_classes,
    wanted_classes,
)


@pytest.fixture
def grbm(graph12) -> ClassBoltzmannMachine:
    return class_grbm(graph12)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def by_hand(grbm, spins, classes) -> torch.Tensor:
    """Energies, term by term."""
    found = []
    for s, y in zip(spins.tolist(), classes.tolist(), strict=True):
        fields = (grbm.linear + grbm.class_biases[y]).tolist()
        ends = zip(grbm.edge_idx_i.tolist(), grbm.edge_idx_j.tolist(), strict=True)
        pairs = zip(ends, grbm.quadratic.tolist(), strict=True)
        energy = sum(h * one for h, one in zip(fields, s, strict=True))
        found.append(energy + sum(j * s[a] * s[b] for (a, b), j in pairs))
    return torch.tensor(found)


# Energies and probabilities ----------------------------------------------------------------------


def test_a_new_prior_is_that_of_the_plugin_with_equal_classes(graph12):
    grbm = ClassBoltzmannMachine(graph12.nodes, graph12.edges, 4)
    assert n_classes(grbm) == 4
    assert not grbm.class_biases.any()
    assert class_shares(grbm).tolist() == [0.25] * 4
    assert "shares" in grbm.state_dict()
    assert [name for name, _ in grbm.named_parameters() if "class" in name] == ["class_biases"]


def test_energies_are_those_of_each_strings_own_class(grbm):
    spins = torch.where(torch.rand(30, 12) > 0.5, 1.0, -1.0)
    classes = torch.arange(30) % 3
    found = energies_of(grbm, spins, classes).detach()
    torch.testing.assert_close(found, by_hand(grbm, spins, classes), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(energies_of(grbm, spins), grbm(spins))  # of no class
    for y in range(3):
        alone = of_class(grbm, y)
        assert type(alone) is GraphRestrictedBoltzmannMachine
        assert (alone.nodes, alone.edges) == (grbm.nodes, grbm.edges)
        own = energies_of(grbm, spins, torch.full((30,), y))
        torch.testing.assert_close(alone(spins), own, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(class_fields(grbm)[y], alone.linear)


def test_one_class_as_a_model_of_its_own_is_a_copy(grbm):
    alone = of_class(grbm, 1)
    before = grbm.quadratic.detach().clone()
    alone.quadratic.data.zero_()
    alone.linear.data.zero_()
    assert torch.equal(grbm.quadratic, before)
    assert of_class(grbm.double(), 1).linear.dtype == torch.float64
    for bad in (3, -1, 0.5, None):
        with pytest.raises(CheckpointError, match="class="):
            of_class(grbm, bad, CheckpointError)


def test_the_prior_sums_to_one_over_all_strings_and_is_the_mixture(grbm):
    each = [enumerate_states(of_class(grbm, y)) for y in range(3)]
    log_z = torch.tensor([one.log_partition_function for one in each])
    states = each[0].states
    log_p = log_prior(grbm, states, log_z).detach().double()
    assert float(log_p.exp().sum()) == pytest.approx(1, abs=1e-5)
    mixture = sum(share * one.probabilities for share, one in zip(SHARES, each, strict=True))
    torch.testing.assert_close(log_p.exp(), mixture, rtol=1e-4, atol=1e-9)
    grbm.shares.copy_(torch.tensor([1.0, 0.0, 0.0]))  # a class that never occurs
    alone = log_prior(grbm, states, log_z).detach().double().exp()
    torch.testing.assert_close(alone, each[0].probabilities, rtol=1e-4, atol=1e-9)


def test_a_plain_prior_is_the_case_of_one_class(grbm12):
    exact = enumerate_states(grbm12)
    spins, zeros = exact.states, torch.zeros(2**12, dtype=torch.int64)
    assert n_classes(grbm12) == 1
    assert torch.equal(class_fields(grbm12), grbm12.linear.unsqueeze(0))
    assert class_shares(grbm12).tolist() == [1.0]
    assert torch.equal(energies_of(grbm12, spins, zeros), grbm12(spins))
    log_z = torch.tensor([exact.log_partition_function])
    p = log_prior(grbm12, spins, log_z).detach().double().exp()
    torch.testing.assert_close(p, exact.probabilities, rtol=1e-4, atol=1e-9)
    assert row_weights(zeros, grbm12) is None
    assert torch.equal(of_class(grbm12)(spins), grbm12(spins))
    with pytest.raises(SettingError):
        of_class(grbm12, 1)


# Which classes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 7, 10, 999])
def test_usual_classes_are_each_within_one_of_their_due(n, grbm, generator):
    for source in (None, generator):
        counts = torch.bincount(usual_classes(n, grbm, source), minlength=3)
        assert counts.sum() == n
        assert ((counts - n * torch.tensor(SHARES)).abs() < 1).all()
    assert usual_classes(n, grbm, generator, torch.tensor([1, 2])).min() >= 1


def test_usual_classes_are_on_average_exactly_as_frequent_as_the_shares(grbm, generator):
    total = sum(
        torch.bincount(usual_classes(3, grbm, generator), minlength=3) for _ in range(4_000)
    )
    assert ((total / 12_000 - torch.tensor(SHARES)).abs() < 0.015).all()


def test_even_classes_differ_by_one_at_most(grbm):
    assert even_classes(7, grbm).tolist() == [0, 1, 2, 0, 1, 2, 0]


def test_what_rounding_leaves_goes_to_a_class_with_a_share():
    shares = torch.tensor([0.5, 0.5 - 1e-16, 0.0], dtype=torch.float64)
    assert systematic(4, shares, 1.0).tolist() == [0, 1, 1, 1]
    assert systematic(4, shares, 0.0).tolist() == [0, 0, 1, 1]


def test_classes_that_never_occur_are_drawn_where_they_alone_may_be(grbm):
    grbm.shares.copy_(torch.tensor([1.0, 0.0, 0.0]))
    assert usual_classes(5, grbm).tolist() == [0] * 5
    assert sorted(usual_classes(4, grbm, among=torch.tensor([1, 2])).tolist()) == [1, 1, 2, 2]


def test_weights_make_uneven_rows_as_frequent_as_the_shares(grbm):
    classes = torch.tensor([0] * 10 + [1] * 20 + [2] * 70)
    weights = row_weights(classes, grbm)
    assert float(weights.mean()) == pytest.approx(1)
    sums = class_sums(weights.unsqueeze(1), classes, grbm).squeeze(1) / 100
    torch.testing.assert_close(sums, torch.tensor(SHARES))
    usual = row_weights(usual_classes(100, grbm), grbm)
    torch.testing.assert_close(usual, torch.ones(100))


def test_groups_name_each_class_and_its_rows():
    groups = list(in_groups(torch.tensor([2, 0, 2, 2])))
    assert [(y, rows.tolist()) for y, rows in groups] == [(0, [1]), (2, [0, 2, 3])]
    assert list(in_groups(torch.zeros(0, dtype=torch.int64))) == []


# Wishes ------------------------------------------------------------------------------------------

NAMES = ("cat", "dog", "cat")  # of which the first and the last are 5 : 2


def test_a_wish_is_a_name_or_its_number_or_one_each(grbm, generator):
    def wanted(wish, n=700):
        return wanted_classes(n, wish, NAMES, grbm, generator)

    for wish in ("dog", 1, torch.tensor([1] * 700), ["dog"] * 700, (1,) * 700):
        assert wanted(wish).tolist() == [1] * 700
    cats = wanted("cat")
    assert torch.bincount(cats).tolist() == [500, 0, 200]
    assert not torch.equal(cats, cats.sort().values)  # in random order
    mixed = wanted(["dog", 0, "dog", "cat"], 4)
    assert (mixed == 1).tolist() == [True, False, True, False]


def test_without_a_wish_classes_are_as_frequent_as_usual_in_random_order(grbm, grbm12, generator):
    found = wanted_classes(1_000, None, NAMES, grbm, generator)
    assert torch.bincount(found).tolist() == [500, 300, 200]
    assert not torch.equal(found, found.sort().values)
    assert wanted_classes(5, None, (), grbm12, generator) is None


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ("cow", "there is no 'cow' among cat, dog"),
        (2, "classes=2 is too many: choose 1 or fewer"),  # numbers are those of different names
        (-1, "classes=-1"),
        (0.5, "classes=0.5 must be a whole number"),
        (True, "classes=True"),
        (["cat"], "1 wishes for 3 images"),
        (["cat"] * 4, "4 wishes for 3 images"),
        (torch.tensor([0, 1]), "2 wishes for 3 images"),
        (torch.tensor([0.5, 1, 1]), "classes=0.5"),
        (["cat", None, "dog"], "classes=None"),
        ({"cat": 1}, "classes="),
        ("x" * 10_000, "there is no"),
    ],
)
def test_a_wish_that_nobody_knows_is_refused(wish, message, grbm, generator):
    with pytest.raises(SettingError) as caught:
        wanted_classes(3, wish, NAMES, grbm, generator)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_plain_prior_has_no_wishes(grbm12, generator):
    with pytest.raises(SettingError, match="no class can be wished for"):
        wanted_classes(3, 0, (), grbm12, generator)


# What is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [0, 1, 257, -1, 2.5, True, None, "3"])
def test_a_number_of_classes_that_is_none_is_refused(k, graph12):
    with pytest.raises(SettingError, match="n_classes="):
        ClassBoltzmannMachine(graph12.nodes, graph12.edges, k)


@pytest.mark.parametrize(
    "names", ["ab", None, 3, ["a"], ["a", ""], ["a", 3], ["x"] * 257, ["a", "b" * 101], {"a", "b"}]
)
def test_names_that_are_none_are_refused(names):
    with pytest.raises(SettingError, match="classes"):
        require_names(names)


def test_names_may_occur_more_than_once_and_none_are_needed():
    assert require_names(["a", "a", "b"]) == ("a", "a", "b")
    assert require_names(()) == ()


@pytest.mark.parametrize("shares", [(0.5, 0.6, 0.1), (0.5, 0.3), (1.2, -0.2), (math.nan, 1.0)])
def test_shares_that_are_none_are_refused(shares):
    with pytest.raises(SettingError, match="Shares"):
        require_shares(torch.tensor(shares))
    assert require_shares(torch.tensor(SHARES)) is not None


def test_images_without_a_label_or_of_another_one_are_refused(grbm):
    with pytest.raises(SettingError, match=r"2 of 3 images have no label.*images\.clustered"):
        require_labels(torch.tensor([-1, 2, -1]), grbm)
    with pytest.raises(SettingError, match="from 0 to 3"):
        require_labels(torch.tensor([0, 3]), grbm)
    for kind in (torch.uint8, torch.int32, torch.int64):
        found = require_classes("classes", torch.tensor([2, 0], dtype=kind), grbm, 2)
        assert found.dtype == torch.int64
        assert found.tolist() == [2, 0]
