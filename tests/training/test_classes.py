"""Training a prior with classes: set up, learned, stopped, resumed, gone on from, refused."""

import math

import pytest
import torch
from hostile import content_of, write
from small_models import new_model, same_parameters

from qdvae_helpers.checkpoints import load_checkpoint, read_header, save_checkpoint
from qdvae_helpers.data import LABEL_NAMES, ImageSet
from qdvae_helpers.errors import CheckpointError, SamplerError, SettingError
from qdvae_helpers.evaluate import enumerate_states
from qdvae_helpers.models import QDVAE
from qdvae_helpers.priors import ClassBoltzmannMachine, n_classes, of_class
from qdvae_helpers.profiles import PROFILES
from qdvae_helpers.samplers import GibbsSampler, make_sampler
from qdvae_helpers.training import RECIPES, TrainConfig, fit, in_classes, prepare_run
from qdvae_helpers.training.objective import Objective
from qdvae_helpers.training.prepare import CLASS_SETTINGS, in_classes_of

FAST = PROFILES["fast"]


@pytest.fixture
def prepare(digits, graph16):
    """Sets up a short run on a few digits, by default with clusters."""

    def prepare(images=digits, **options):
        usual = {"profile": FAST, "steps": 30, "batch_size": 50, "report_every": 15}
        if "start_from" not in options:
            usual |= {"classes": "clusters", "graph": graph16}
        return prepare_run(images, **usual | options)

    return prepare


@pytest.fixture
def odd(digits):
    """The digits, those below three only."""
    chosen = digits.labels < 3
    return ImageSet(digits.images[chosen], digits.labels[chosen], digits.source)


# Set up ------------------------------------------------------------------------------------------


def test_clusters_become_the_classes_of_a_new_prior(prepare, digits):
    run = prepare(n_classes=7)
    expected, _ = digits.clustered(7)
    assert torch.equal(run.train.labels, expected.labels)
    assert run.train.source.clustered
    assert isinstance(run.model.grbm, ClassBoltzmannMachine)
    assert run.model.class_names == tuple("0123456")
    counts = torch.bincount(expected.labels)
    torch.testing.assert_close(run.model.grbm.shares, counts / counts.sum())
    assert prepare().model.class_names == tuple("0123456789")  # as the profile says


def test_labels_are_divided_and_keep_their_names(prepare, digits):
    run = prepare(classes="labels", n_classes=25)
    assert run.model.wishes == LABEL_NAMES["mnist"]
    assert run.model.class_names == tuple(d for d in "0123456789" for _ in range(2))
    owners = torch.arange(20) // 2
    assert torch.equal(owners[run.train.labels], digits.labels)
    assert not run.train.source.clustered
    counts = torch.bincount(run.train.labels)
    torch.testing.assert_close(run.model.grbm.shares, counts / 300)


def test_labels_of_ones_own_are_called_by_their_numbers(prepare, digits):
    own = ImageSet.from_array(digits.images, 1_000_000_000 * (1 + digits.labels % 2), "mine")
    run = prepare(own, classes="labels", n_classes=4)
    assert run.model.wishes == ("1000000000", "2000000000")
    beyond = ImageSet(digits.images, digits.labels + 40, digits.source)  # not MNIST's any more
    assert prepare(beyond, classes="labels").model.wishes == tuple(map(str, range(40, 50)))


def test_without_classes_a_run_is_as_before(prepare, digits, graph16):
    run = prepare(classes="none")
    assert n_classes(run.model.grbm) == 1
    assert run.train is digits
    assert run.model.class_names == run.model.wishes == ()
    assert "classes" not in run.model.settings
    assert run.config.prior_learning_rate == TrainConfig.prior_learning_rate


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_has_its_own_settings_where_there_are_classes(recipe, prepare):
    config = prepare(recipe=recipe, batch_size=50).config
    wanted = CLASS_SETTINGS[recipe] | {"batch_size": 50}
    assert {name: getattr(config, name) for name in wanted} == wanted
    assert prepare(recipe=recipe, prior_learning_rate=0.5).config.prior_learning_rate == 0.5


def test_with_classes_the_recipe_mmd_is_given_all_spins(digits):
    run = prepare_run(digits, profile=FAST, recipe="mmd", classes="clusters", batch_size=50)
    assert run.model.n_spins == 64


REFUSED = [
    ({"classes": "digits"}, "classes='digits' must be one of none, clusters, labels"),
    ({"classes": None}, "must be one of"),
    ({"classes": "none", "n_classes": 5}, "n_classes does nothing with classes='none'"),
    ({"n_classes": 0}, "n_classes=0 must be 2 or more"),
    ({"n_classes": 1}, "n_classes=1 must be 2 or more"),
    ({"n_classes": 257}, "n_classes=257 is too many"),
    ({"n_classes": 2.5}, "n_classes=2.5 must be a whole number"),
    ({"n_classes": 65}, "64 samples of the prior per step.* of 65 classes"),
    ({"n_classes": 20, "processes": 4}, "16 samples of the prior per step.* of 20 classes"),
    ({"classes": "labels", "n_classes": 9}, "n_classes=9 for 10 labels"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_what_cannot_go_well_is_refused_before_any_work(options, message, prepare, monkeypatch):
    def work(*args, **kwargs):
        raise AssertionError("images were clustered")

    monkeypatch.setattr(ImageSet, "clustered", work)
    with pytest.raises(SettingError, match=message):
        prepare(**options)


def test_images_without_labels_are_refused_by_name(prepare, digits):
    some = digits.labels.clone()
    some[:2] = -1
    images = ImageSet(digits.images, some, digits.source)
    with pytest.raises(SettingError, match=r"'labels', and 2 of 300 images have no label.*clust"):
        prepare(images, classes="labels")
    assert len(prepare(images).model.class_names) == 10  # clusters need none


def test_training_refuses_images_without_the_models_classes(prepare, digits, short):
    model = prepare(n_classes=5).model
    for labels, message in (
        (torch.full((300,), -1), r"300 of 300 images have no label.*images\.clustered"),
        (digits.labels, "from 0 to 9, where this prior has the classes 0 to 4"),
    ):
        images = ImageSet(digits.images, labels, digits.source)
        with pytest.raises(SettingError, match=message):
            fit(model, images, short(steps=1), progress=False)
    few = GibbsSampler(model.grbm, 4, graph=model.graph)
    clustered, _ = digits.clustered(5)
    with pytest.raises(SamplerError, match="4 samples cannot hold one of each of 5 classes"):
        fit(model, clustered, short(steps=1), sampler=few, progress=False)


# Learned -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", RECIPES)
def test_thirty_steps_learn_and_a_stopped_run_ends_bit_for_bit_alike(recipe, prepare, tmp_path):
    path = tmp_path / "run.safetensors"
    whole = prepare(recipe=recipe, n_classes=5, report_every=5)
    history = whole.fit(progress=False).history
    gain = 0.3 if recipe == "mmd" else 5  # which begins by bringing both kinds of spins together
    assert history[-1]["reconstruction"] < history[0]["reconstruction"] - gain
    assert whole.model.grbm.class_biases.abs().min() > 0
    assert all(math.isfinite(value) for report in history for value in report.values())
    assert torch.bincount(whole.sampler.classes).tolist() == [13, 13, 13, 13, 12]

    steps = iter(range(1, 100))
    first = prepare(recipe=recipe, n_classes=5, report_every=5)
    stopped = first.fit(progress=False, checkpoint=path, should_stop=lambda: next(steps) == 17)
    assert not stopped.finished
    second = prepare(recipe=recipe, n_classes=5, report_every=5)
    second.sampler.classes = second.sampler.classes.flip(0)  # all of it comes from the file
    assert second.fit(progress=False, checkpoint=path).finished
    assert same_parameters(second.model, whole.model)
    assert torch.equal(second.sampler.sample(), whole.sampler.sample())


@pytest.mark.parametrize("kind", ["exact", "annealer"])
def test_other_samplers_train_and_resume_with_classes(kind, prepare, graph16, tmp_path):
    def start():
        run = prepare(n_classes=3, sample_every=5, steps=12)
        options = {"num_sweeps": 20, "prefactor": 0.15} if kind == "annealer" else {}
        sampler = make_sampler(run.model.grbm, kind, num_samples=30, graph=graph16, **options)
        return run, {"sampler": sampler, "progress": False}

    whole, options = start()
    whole.fit(**options)
    path, steps = tmp_path / "run.safetensors", iter(range(1, 100))
    first, options = start()
    first.fit(checkpoint=path, should_stop=lambda: next(steps) == 7, **options)
    second, options = start()
    assert second.fit(checkpoint=path, **options).finished
    assert same_parameters(second.model, whole.model)


def test_training_with_classes_moves_the_prior_towards_each_class(prepare, digits):
    """Shares are uneven and chains even: the weights must make up for it."""
    run = prepare(n_classes=4, steps=250, report_every=250, prior_learning_rate=0.02)
    run.fit(progress=False)
    model, train = run.model, run.train
    with torch.no_grad():
        means = torch.tanh(model.encode(train.images) / 2)
    chains = GibbsSampler(model.grbm, 4_000, sweeps=100, graph=model.graph)
    chains.classes = torch.arange(4_000) % 4
    spins = chains.fresh()
    for y in range(4):
        ours = means[train.labels == y].mean(0)
        gaps = [
            float((ours - spins[chains.classes == c].mean(0)).square().mean()) for c in range(4)
        ]
        assert min(gaps) == gaps[y]  # its own class is the nearest


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_step_repeats_bit_for_bit_with_two_threads(recipe, prepare):
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        run = prepare(recipe=recipe, n_classes=5, classes="clusters")
        objective = Objective(run.model, run.config)
        generator = torch.Generator()
        run.sampler.spread_evenly()
        spins, classes = run.sampler.sample(), run.train.labels[:200]
        found = []
        for _ in range(10):
            run.model.zero_grad(set_to_none=True)
            loss = objective(
                run.train.images[:200],
                spins,
                1.0,
                generator.manual_seed(1),
                classes,
                run.sampler.classes,
            )
            loss.backward()
            found.append([loss.detach(), *(p.grad.clone() for p in run.model.parameters())])
        for again in found[1:]:
            assert all(torch.equal(a, b) for a, b in zip(found[0], again, strict=True))
    finally:
        torch.set_num_threads(threads)


# Files -------------------------------------------------------------------------------------------


@pytest.fixture
def stopped(prepare, tmp_path):
    """A run with three classes that was stopped after 7 of 12 steps, and what would resume it."""
    path, steps = tmp_path / "run.safetensors", iter(range(1, 100))
    options = {"n_classes": 3, "steps": 12, "report_every": 5}
    run = prepare(**options)
    run.fit(progress=False, checkpoint=path, should_stop=lambda: next(steps) == 7)
    return path, lambda **more: prepare(**options | more)


@pytest.mark.parametrize(
    "options", [{"n_classes": 4}, {"classes": "none", "n_classes": None}, {"classes": "labels"}]
)
def test_a_run_of_other_classes_is_refused_by_name(options, stopped, odd):
    path, again = stopped
    if options.get("classes") == "labels":
        options = options | {"images": odd}
    run = again(**options)
    before = [weights.clone() for weights in run.model.parameters()]
    with pytest.raises(CheckpointError, match=r"run\.safetensors was made with other values of"):
        run.fit(progress=False, checkpoint=path)
    assert all(torch.equal(a, b) for a, b in zip(before, run.model.parameters(), strict=True))


SPOILT = {
    "a class that is none": {"extra.process0.sampler.classes": torch.full((64,), 3)},
    "a class below zero": {"extra.process0.sampler.classes": torch.full((64,), -1)},
    "fewer classes": {"extra.process0.sampler.classes": torch.zeros(63, dtype=torch.int64)},
    "classes of floats": {"extra.process0.sampler.classes": torch.zeros(64)},
    "no classes": {"extra.process0.sampler.classes": None},
    "no biases": {"model.grbm.class_biases": None},
    "other biases": {"model.grbm.class_biases": torch.zeros(4, 16)},
    "no shares": {"model.grbm.shares": None},
    "shares below zero": {"model.grbm.shares": torch.tensor([-0.5, 0.5, 1.0])},
    "shares of more than one": {"model.grbm.shares": torch.ones(3)},
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_spoilt_run_changes_nothing(name, stopped):
    path, again = stopped
    header, tensors = content_of(path)
    tensors = {k: v for k, v in (tensors | SPOILT[name]).items() if v is not None}
    write(path, (header, tensors))
    run = again()
    fresh = again().model
    chains = {key: value.clone() for key, value in run.sampler.state_dict().items()}
    with pytest.raises(CheckpointError, match=r"run\.safetensors"):
        run.fit(progress=False, checkpoint=path)
    assert same_parameters(run.model, fresh)
    assert torch.equal(run.model.grbm.shares, fresh.grbm.shares)
    changed = {k for k, v in run.sampler.state_dict().items() if not torch.equal(v, chains[k])}
    assert changed <= {"classes"}  # spread evenly before the file is read


# Gone on from ------------------------------------------------------------------------------------


def test_a_model_with_clusters_goes_on_with_the_most_probable_ones(prepare, digits, tmp_path):
    run = prepare(n_classes=10, steps=120, report_every=120)  # as many as there are labels
    run.fit(progress=False)
    model = load_checkpoint(save_checkpoint(run.model, tmp_path / "m.safetensors"))
    later = prepare(start_from=model, steps=2, report_every=2)
    assert later.model is model
    assert later.config.kl_warm_up == 1
    assert str(later.train.source).endswith("in the classes of the model")
    assert (later.train.labels == run.train.labels).float().mean() > 0.6
    assert later.fit(progress=False).finished
    # Once more: the record of where the classes come from goes on, too.
    info = read_header(save_checkpoint(later.model, tmp_path / "n.safetensors"))["info"]
    third = load_checkpoint(tmp_path / "n.safetensors")
    third.info = {"start": info | {"start": {"data": run.train.source.to_dict()}}}
    found = in_classes_of(third, digits)
    assert not torch.equal(found.labels, digits.labels)


def test_the_classes_are_those_of_the_highest_probability(prepare, digits):
    run = prepare(n_classes=4, steps=60, report_every=60)
    run.fit(progress=False)
    grbm = run.model.grbm
    log_z = [enumerate_states(of_class(grbm, y)).log_partition_function for y in range(4)]
    with torch.no_grad():
        means = torch.tanh(run.model.encode(digits.images) / 2)
        scores = torch.stack(
            [grbm.shares[y].log() - of_class(grbm, y)(means) - log_z[y] for y in range(4)], 1
        )
    agree = (in_classes_of(run.model, digits).labels == scores.argmax(1)).float().mean()
    assert agree > 0.97  # log Z is estimated there


@pytest.mark.parametrize("k", [10, 20])
def test_a_model_with_labels_goes_on_within_the_labels(k, prepare, digits, odd):
    run = prepare(classes="labels", n_classes=k, steps=4, report_every=4)
    run.fit(progress=False)
    owners = torch.tensor([int(name) for name in run.model.class_names])
    for images in (digits, odd):  # some labels are enough
        found = in_classes_of(run.model, images)
        assert torch.equal(owners[found.labels], images.labels)
    later = prepare(odd, start_from=run.model, steps=2, report_every=2)
    assert later.fit(progress=False).finished


def test_a_model_with_labels_needs_images_with_these_labels(prepare, digits, odd):
    model = prepare(odd, classes="labels", n_classes=6).model
    with pytest.raises(SettingError, match="knows the labels 0, 1, 2: train it further"):
        prepare(start_from=model)
    bare = ImageSet(digits.images, torch.full((300,), -1), digits.source)
    with pytest.raises(SettingError, match="knows the labels 0, 1, 2"):
        prepare(bare, start_from=model)


def test_what_a_trained_model_knows_is_not_asked_again(prepare, graph16):
    model = prepare(n_classes=3).model
    with pytest.raises(SettingError, match="keeps its own classes"):
        prepare(start_from=model, classes="clusters")
    plain = prepare(start_from=new_model(graph16))
    assert plain.model.class_names == ()
    many = QDVAE(graph16, (8,), classes=[str(i) for i in range(65)])
    with pytest.raises(SettingError, match=r"64 samples of the prior per step.* of 65 classes"):
        prepare(start_from=many)
    with pytest.raises(SettingError, match="start_from"):
        prepare(start_from=3)


def test_in_classes_names_what_it_made(digits):
    assert in_classes(digits, "none", 0) == (digits, ())
    train, names = in_classes(digits, "labels", 30)
    assert len(names) == int(train.labels.max()) + 1 == 30
