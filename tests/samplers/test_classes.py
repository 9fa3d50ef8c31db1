"""A prior with several classes: every sampler draws each class from its own distribution.

Exact means are known on 12 spins.  The classes differ so much that swapped ones are noticed.
"""

import pytest
import torch
from fake_leap import ACCESS_TIME_US
from hostile import content_of, write
from small_models import class_grbm, random_grbm, true_beta, z_scores

from qdvae_helpers.errors import BudgetError, QPUError, RecordingError, SamplerError
from qdvae_helpers.priors import ClassBoltzmannMachine, of_class
from qdvae_helpers.qpu import qpu_tally
from qdvae_helpers.qpu.recordings import load_recording, save_recording
from qdvae_helpers.samplers import (
    DeviceSampler,
    GibbsSampler,
    RecordedSampler,
    SimulatedQPU,
    estimate_beta,
    make_sampler,
    record,
)
from qdvae_helpers.samplers.mixing import HARDLY_MIXED

FREE = ("gibbs", "gibbs fresh", "exact", "annealer", "recorded")
N = 6_000


@pytest.fixture
def grbm(home) -> ClassBoltzmannMachine:
    return class_grbm(home)


def worst(grbm, spins, classes, given=None) -> float:
    """The largest deviation of a moment within a class, in standard errors."""
    assert len(spins) == len(classes)
    scores = [z_scores(of_class(grbm, y), spins[classes == y], given=given) for y in range(3)]
    return float(torch.cat(scores).abs().max())


@pytest.fixture
def drawn(grbm, home, tmp_path):
    """A sampler of this name, and what it draws."""

    def draw(name, n=N, classes=None, graph=home):
        kind, options = name.split()[0], {}
        if kind == "annealer":
            device = SimulatedQPU(graph, num_sweeps=500)
            sampler = DeviceSampler(grbm, device, n, prefactor=1 / true_beta(device), graph=graph)
        elif kind == "recorded":
            source = make_sampler(grbm, "exact", num_samples=2 * n, seed=4, graph=graph)
            path = save_recording(record(source, 2 * n), tmp_path / "r.safetensors")
            sampler = make_sampler(grbm, "recorded", num_samples=n, graph=graph, path=path)
        else:
            options = {"sweeps": 100} if kind == "gibbs" else {}
            sampler = make_sampler(grbm, kind, num_samples=n, seed=2, graph=graph, **options)
        if classes is not None:
            sampler.classes = classes
        return sampler, sampler.fresh() if name.endswith("fresh") else sampler.sample()

    return draw


# What is drawn -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FREE)
def test_each_class_has_its_own_moments_and_swapped_classes_are_noticed(name, drawn, grbm):
    sampler, spins = drawn(name)
    assert torch.bincount(sampler.classes).tolist() == [3_000, 1_800, 1_200]
    assert worst(grbm, spins, sampler.classes) < 4.5
    assert worst(grbm, spins, (sampler.classes + 1) % 3) > 8


def test_a_real_qpu_is_asked_once_a_class_and_draws_the_same(leap, make_live, grbm, home):
    leap.device.substitute_kwargs["num_sweeps"] = 500
    options = {"prefactor": 1 / true_beta(leap.device), "track_every": 0}
    sampler = make_live(grbm, home, num_samples=2_000, **options)
    spins = sampler.sample()
    reads = [problem["params"]["num_reads"] for problem in leap.drawn.values()]
    assert reads == torch.bincount(sampler.classes).tolist() == [1_000, 600, 400]
    assert worst(grbm, spins, sampler.classes) < 4.5
    assert worst(grbm, spins, (sampler.classes + 1) % 3) > 8
    assert torch.equal(spins, leap.true_spins(home))  # ascending classes, so in this order


@pytest.mark.parametrize("name", FREE)
def test_other_classes_are_drawn_where_they_are_asked_for(name, drawn, grbm):
    asked = torch.tensor([2, 0, 1]).repeat(800)
    sampler, spins = drawn(name, 2_400, classes=asked)
    assert torch.equal(sampler.classes, asked)
    assert worst(grbm, spins, asked) < 4.5
    assert worst(grbm, spins, (asked + 1) % 3) > 8


@pytest.mark.parametrize("kind", ["gibbs", "exact", "annealer"])
def test_one_class_alone_is_drawn_like_a_plain_model_of_it(kind, grbm, home):
    options = {"num_samples": 3_000, "seed": 5, "graph": home}
    if kind == "annealer":
        device = SimulatedQPU(home, seed=5)
        options |= {"prefactor": 1 / true_beta(device), "num_sweeps": 500}
    sampler = make_sampler(grbm, kind, **options)
    sampler.classes = torch.full((3_000,), 2)
    assert z_scores(of_class(grbm, 2), sampler.sample()).abs().max() < 4.5


def test_clamped_strings_have_classes_too(grbm, home):
    given = torch.full((12,), float("nan"))
    given[:7] = torch.tensor([1.0, -1.0, 1.0, 1.0, -1.0, 1.0, -1.0])
    classes = torch.tensor([1, 2, 0]).repeat(3_000)
    chains = GibbsSampler(grbm, 10, graph=home)
    spins = chains.sample(given.repeat(9_000, 1), classes=classes, sweeps=100)
    device = SimulatedQPU(home, num_sweeps=100)
    on_device = DeviceSampler(grbm, device, prefactor=1 / true_beta(device), graph=home)
    read = on_device.sample(given.repeat(300, 1), classes=classes[:300])
    for found in (spins, read):
        own = classes[: len(found)]
        assert (found[:, :7] == given[:7]).all()
        assert worst(grbm, found, own, given) < 4.5
    assert worst(grbm, spins, (classes + 1) % 3, given) > 8
    usual = chains.sample(given.repeat(10, 1))  # as frequent as the shares say
    assert usual.shape == (10, 12)
    for sampler in (chains, on_device):
        with pytest.raises(SamplerError, match=r"set sampler\.classes"):
            sampler.sample(classes=classes)
        with pytest.raises(SamplerError, match="3 classes for 2 rows"):
            sampler.sample(given.repeat(2, 1), classes=classes[:3])


@pytest.mark.parametrize("kind", ["gibbs", "exact", "annealer"])
def test_a_plain_model_has_no_classes_and_is_drawn_as_before(kind, home_grbm, home):
    options = {"prefactor": 0.15, "num_sweeps": 50} if kind == "annealer" else {}
    sampler, twin = (
        make_sampler(home_grbm, kind, num_samples=20, graph=home, **options) for _ in range(2)
    )
    assert sampler.classes is None
    sampler.classes = torch.zeros(20, dtype=torch.int64)  # the one there is
    assert sampler.classes is None
    assert torch.equal(sampler.sample(), twin.sample())
    assert "classes" not in sampler.state_dict()
    assert "classes" not in sampler.provenance.parameters


# What is asked for -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (torch.zeros(7, dtype=torch.int64), "7 classes for 8 rows"),
        (torch.full((8,), 3), "from 3 to 3, where this prior has the classes 0 to 2"),
        (torch.full((8,), -1), "from -1 to -1"),
        (torch.zeros(8), "whole numbers"),
        (torch.zeros(8, 1, dtype=torch.int64), "whole numbers"),
        ([0] * 8, "whole numbers"),
        (None, "whole numbers"),
    ],
)
def test_classes_that_are_none_are_refused_and_the_old_ones_stay(bad, message, grbm, home):
    sampler = make_sampler(grbm, num_samples=8, graph=home)
    before = sampler.classes.clone()
    with pytest.raises(SamplerError, match=message):
        sampler.classes = bad
    assert torch.equal(sampler.classes, before)


def test_training_needs_a_string_of_each_class(grbm, home):
    sampler = make_sampler(grbm, num_samples=8, graph=home)
    sampler.spread_evenly()
    assert sampler.classes.tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    with pytest.raises(SamplerError, match="2 samples cannot hold one of each of 3 classes"):
        make_sampler(grbm, num_samples=2, graph=home).spread_evenly()


@pytest.mark.parametrize("kind", ["gibbs", "exact", "annealer"])
def test_a_state_goes_on_with_the_same_classes(kind, grbm, home):
    options = {"prefactor": 0.15, "num_sweeps": 50} if kind == "annealer" else {}
    first, second = (
        make_sampler(grbm, kind, num_samples=20, graph=home, **options) for _ in range(2)
    )
    first.classes = torch.tensor([2, 1] * 10)
    first.sample()
    state = {name: value.clone() for name, value in first.state_dict().items()}
    second.load_state_dict(state)
    assert torch.equal(second.classes, first.classes)
    assert torch.equal(second.sample(), first.sample())
    with pytest.raises(SamplerError, match="0 to 2"):
        second.load_state_dict(state | {"classes": torch.full((20,), 7)})
    assert first.provenance.parameters["classes"] == 3


def test_a_class_bias_that_is_no_number_is_named(grbm, home):
    grbm.class_biases.data[1, 5] = float("nan")
    for kind in ("gibbs", "exact"):
        with pytest.raises(SamplerError, match="class 1"):
            make_sampler(grbm, kind, num_samples=9, graph=home).sample()


# Temperature and mixing --------------------------------------------------------------------------


def test_the_temperature_is_measured_with_the_classes_of_the_strings(grbm, home):
    sampler = make_sampler(grbm, "exact", num_samples=N, graph=home, beta=0.8)
    spins = sampler.sample()
    beta, error = estimate_beta(grbm, spins, sampler.classes)
    assert abs(beta - 0.8) < 4 * error + 0.01
    wrong, _ = estimate_beta(grbm, spins, (sampler.classes + 1) % 3)
    assert abs(wrong - 0.8) > 8 * error
    device = SimulatedQPU(home, num_sweeps=500)
    options = {"prefactor": 1.3 / true_beta(device), "track_every": 1, "graph": home}
    tracked = DeviceSampler(grbm, device, 2_000, **options)
    for _ in range(10):
        tracked.sample()
    assert 1 / tracked.prefactor == pytest.approx(true_beta(device), rel=0.05)


def test_what_a_class_says_of_a_spin_need_not_be_forgotten(grbm, home):
    grbm.quadratic.data.mul_(0.1)
    grbm.class_biases.data.mul_(3)
    chains = GibbsSampler(grbm, 300, graph=home)
    chains.classes = torch.arange(300) % 3
    chains.sample()
    assert chains.mixing() > 0.7
    grbm.quadratic.data.fill_(-3.0)
    grbm.linear.data.zero_()
    grbm.class_biases.data.zero_()
    chains = GibbsSampler(grbm, 300, graph=home)
    chains.sample()
    assert chains.mixing() < HARDLY_MIXED
    chains.fresh()
    assert chains.doubt() == ""


# On a device -------------------------------------------------------------------------------------


def test_every_class_is_counted_in_plan_and_budget(leap, make_live, grbm, home, monkeypatch):
    sampler = make_live(grbm, home, num_samples=100)
    one = [sampler.device.estimate_s(reads) for reads in (50, 30, 20)]
    assert sampler.plan(7).total_s == pytest.approx(7 * sum(one))
    sampler.classes = torch.full((100,), 1)
    assert sampler.plan(1).total_s == pytest.approx(sampler.device.estimate_s(100))
    sampler.classes = torch.arange(100) % 3
    sampler.sample()
    assert len(leap.drawn) == 3
    assert qpu_tally().spent_s == pytest.approx(3 * ACCESS_TIME_US / 1e6)
    left = 0.9 * sampler.plan(1).total_s
    monkeypatch.setenv("QDVAE_QPU_BUDGET_S", str(qpu_tally().spent_s + left))
    assert sampler.exhausted
    sampler.classes = torch.full((100,), 2)
    assert not sampler.exhausted  # one submission is affordable
    with pytest.raises(BudgetError):
        make_live(grbm, home, num_samples=100)


def test_a_class_that_the_device_refuses_costs_nothing(leap, make_live, grbm, home):
    grbm.class_biases.data[2, 0] = 1_000.0
    with pytest.raises(SamplerError, match="outside the device's range"):
        make_live(grbm, home).sample()
    assert not leap.drawn


def test_a_call_that_breaks_off_keeps_the_classes_that_arrived(leap, make_live, grbm, home):
    leap.properties["num_reads_range"] = [1, 40]
    sampler = make_live(grbm, home, num_samples=100, retries=0)
    leap.faults["submit"].extend([None, None, None, "503"])  # 25 + 25, 30, and not 20
    with pytest.raises(QPUError, match="80 of the 100 reads"):
        sampler.sample()
    spins = sampler.sample()  # sends the rest
    assert torch.equal(spins, leap.true_spins(home))
    assert len(leap.drawn) == 4

    leap.faults["submit"].extend([None, None, None, "503"])
    with pytest.raises(QPUError):
        sampler.sample()
    kept = sampler.salvage()
    assert [(len(spins), classes.unique().tolist()) for spins, classes in kept] == [
        (25, [0]),
        (25, [0]),
        (30, [1]),
    ]
    assert torch.equal(
        torch.cat([spins for spins, _ in kept]), leap.true_spins(home, *list(leap.drawn)[4:])
    )
    assert sampler.salvage() == []


def test_a_recording_that_breaks_off_knows_the_class_of_each_string(
    leap, make_live, grbm, home, tmp_path
):
    sampler = make_live(grbm, home, num_samples=100, retries=0)
    leap.faults["submit"].extend([None] * 4 + ["503"])
    recording = record(sampler, 200)
    assert torch.bincount(recording.classes).tolist() == [100, 30, 20]
    assert torch.equal(recording.spins.float(), leap.true_spins(home))
    again = load_recording(save_recording(recording, tmp_path / "r.safetensors"))
    assert torch.equal(again.classes, recording.classes)
    replayed = RecordedSampler(grbm, again, 20, graph=home)
    replayed.classes = torch.full((20,), 2)
    of_class_2 = recording.spins[recording.classes == 2]
    found = {tuple(row) for row in replayed.sample().tolist()}
    assert found == {tuple(row) for row in of_class_2.float().tolist()}


# Recordings --------------------------------------------------------------------------------------


@pytest.fixture
def path(grbm, home, tmp_path):
    """A recording of 100 strings, 50, 30 and 20 of the classes."""
    sampler = make_sampler(grbm, "exact", num_samples=100, graph=home)
    return save_recording(record(sampler, 100), tmp_path / "three.safetensors")


def test_a_recording_keeps_biases_shares_and_classes(path, grbm):
    found = load_recording(path)
    assert torch.equal(found.class_biases, grbm.class_biases.detach())
    assert torch.equal(found.shares, grbm.shares)
    assert torch.bincount(found.classes).tolist() == [50, 30, 20]


def test_every_string_of_a_class_is_replayed_once(path, grbm, home):
    recording = load_recording(path)
    sampler = RecordedSampler(grbm, recording, 50, seed=1, graph=home)
    drawn = torch.cat([sampler.sample(), sampler.sample()])
    classes = sampler.classes.repeat(2)
    for y in range(3):
        ours, theirs = drawn[classes == y], recording.spins[recording.classes == y].float()
        assert sorted(ours.tolist()) == sorted(theirs.tolist())
    with pytest.raises(RecordingError, match="holds 50 strings of class 0, and 50 of them are"):
        sampler.sample()
    again = RecordedSampler(grbm, recording, 50, seed=1, graph=home)
    again.sample()
    third = RecordedSampler(grbm, recording, 50, seed=1, graph=home)
    third.load_state_dict(again.state_dict())
    assert torch.equal(third.sample(), drawn[50:])


@pytest.mark.parametrize("what", ["class_biases", "shares", "linear"])
def test_a_recording_of_another_prior_is_refused(what, path, grbm, home):
    sampler = RecordedSampler(grbm, load_recording(path), 10, graph=home)
    getattr(grbm, what).data.view(-1)[1] += 0.01
    with pytest.raises(RecordingError, match="a prior in training cannot use them"):
        sampler.sample()
    with pytest.raises(RecordingError):
        RecordedSampler(grbm, load_recording(path), 10, graph=home)


def test_a_recording_with_classes_is_none_of_a_plain_model_and_the_other_way(path, grbm, home):
    plain = random_grbm(home, 3)
    with pytest.raises(RecordingError):
        RecordedSampler(plain, load_recording(path), 10, graph=home)
    of_plain = record(make_sampler(plain, num_samples=20, graph=home), 20)
    with pytest.raises(RecordingError):
        RecordedSampler(grbm, of_plain, 10, graph=home)


SPOILT = {
    "a class that is none": lambda t: t["classes"].fill_(3),
    "another class": lambda t: t["classes"][:1].add_(1),
    "other biases": lambda t: t["class_biases"].add_(0.1),
    "other shares": lambda t: t["shares"].copy_(torch.tensor([0.2, 0.3, 0.5])),
    "no classes": lambda t: t.pop("classes"),
    "no biases of classes": lambda t: t.pop("class_biases"),
    "no shares": lambda t: t.pop("shares"),
    "nothing of classes": lambda t: [t.pop(n) for n in ("classes", "class_biases", "shares")],
    "fewer classes": lambda t: t.update(classes=t["classes"][:-1].clone()),
    "one class": lambda t: t.update(shares=torch.ones(1), class_biases=torch.zeros(1, 12)),
    "a class too many": lambda t: t.update(shares=torch.full((257,), 1 / 257)),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_spoilt_recording_is_refused_by_name(name, path):
    header, tensors = content_of(path)
    SPOILT[name](tensors)
    with pytest.raises(RecordingError, match=r"three\.safetensors"):
        load_recording(write(path, (header, tensors)))
