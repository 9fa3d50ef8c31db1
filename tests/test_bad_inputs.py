"""Images, options, models and strings that are not what is asked for: refused, and named."""

import math
from dataclasses import replace

import pytest
import torch
from small_models import new_model
from things import Things

from qdvae_helpers.checkpoints import load_checkpoint
from qdvae_helpers.data import ImageSet, Source, load_images
from qdvae_helpers.errors import (
    DataError,
    QdvaeError,
    SamplerError,
    SettingError,
    TrainingError,
)
from qdvae_helpers.evaluate import (
    dead_spins,
    energy_decorrelation,
    enumerate_states,
    moment_gap,
    quality,
)
from qdvae_helpers.gates import (
    fit_seeds,
    qcnn_probabilities,
    readout_expectation,
    remove_contradictions,
)
from qdvae_helpers.graphs import densest_subgraph, load_graph
from qdvae_helpers.inspection import inspect_problem
from qdvae_helpers.judge import load_judge, resize
from qdvae_helpers.likelihood import binarise, log_likelihood
from qdvae_helpers.losses import (
    encoder_entropy,
    gaussian_kl,
    kl_loss,
    mean_energy,
    mmd_loss,
    nll_loss,
    reconstruction_loss,
    spin_kernel,
)
from qdvae_helpers.models import QDVAE
from qdvae_helpers.plots import (
    draw_picture,
    history_figure,
    image_grid,
    image_rows,
    new_figure,
    qpu_figure,
)
from qdvae_helpers.plots.output import to_image
from qdvae_helpers.samplers import (
    ExactSampler,
    GibbsSampler,
    estimate_beta,
    make_sampler,
    record,
)
from qdvae_helpers.training import TrainConfig, fit, prepare_run

NAN, INF = math.nan, math.inf


@pytest.fixture(scope="module")
def x(graph12, digits):
    """What the calls of the tables need, made once."""
    torch.manual_seed(0)
    return Things(graph12, digits)


# --- options that do not exist ---


@pytest.mark.parametrize("kind", ["gibbs", "exact", "annealer", "recorded", "qpu"])
def test_an_unknown_option_of_a_sampler_is_answered_with_those_there_are(kind, x):
    known = {"gibbs": "beta, sweeps", "exact": "beta", "annealer": "noise, num_sweeps, prefactor"}
    known |= {"recorded": "path", "qpu": "annealing_time"}
    with pytest.raises(SettingError, match="no option swepes: choose from") as error:
        make_sampler(x.grbm, kind, graph=x.graph, swepes=3)
    assert known[kind] in str(error.value)


def test_an_unknown_option_of_a_run_is_answered_with_those_there_are(x):
    with pytest.raises(SettingError, match=r"TrainConfig has no option stpes: .*steps"):
        x.prepared(stpes=3)
    with pytest.raises(SettingError, match=r"fit has no option checkpiont: .*checkpoint"):
        x.prepared().fit(checkpiont="a.safetensors")


# --- images ---


@pytest.mark.parametrize("value", [NAN, INF, -INF, -0.02, 1.02, 255.0, -1.0])
@pytest.mark.parametrize(
    "call",
    [
        lambda x, images: x.set_of(images),
        lambda x, images: ImageSet.from_array(images),
        lambda x, images: x.model.reconstruct(images),
        lambda x, images: x.model.refine(images, 1),
        lambda x, images: x.model.start_from_mean(images),
        lambda x, images: binarise(images),
        lambda x, images: log_likelihood(x.model, images, 1.0),
        lambda x, images: reconstruction_loss(x.pixels, images),
        lambda x, images: image_grid(images, title=""),
        lambda x, images: image_rows({"a": images}),
        lambda x, images: draw_picture(new_figure()[1], images[3]),
        lambda x, images: load_judge().classify(images),
        lambda x, images: quality(images, x.images, load_judge()),
        lambda x, images: resize(images, 32),
    ],
)
def test_images_outside_the_range_are_refused(call, value, x):
    with pytest.raises(SettingError, match=r"must lie in \[0, 1\]"):
        call(x, x.images_with(value))


@pytest.mark.parametrize(
    ("built", "said"),
    [
        (lambda x: x.set_of(x.images[0]), r"\(N, 1, 28, 28\)"),
        (lambda x: x.set_of(x.images[:, 0]), r"\(N, 1, 28, 28\)"),
        (lambda x: x.set_of(x.images[:0]), "too few"),
        (lambda x: x.set_of(x.images.numpy()), "must be a tensor"),
        (lambda x: x.set_of((x.images * 255).byte()), "floats"),
        (lambda x: x.set_of(x.images.double()), "float32"),
        (lambda x: x.set_of(labels=torch.zeros(19, dtype=torch.int64)), "labels of shape"),
        (lambda x: x.set_of(labels=torch.zeros(20)), "int64"),
        (lambda x: x.set_of(labels=[0] * 20), "labels must be a tensor"),
        (lambda x: x.set_of(labels=torch.zeros(20, device="meta")), "labels must be a plain"),
        (lambda x: x.set_of(source="MNIST"), "Source"),
        (lambda x: replace(x.digits, images=x.digits.images - 1), "must lie"),
    ],
)
def test_a_set_of_images_is_judged_where_it_is_built(built, said, x):
    with pytest.raises(SettingError, match=said):
        built(x)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("what", ["sparse", "nested", "meta", "float8"])
@pytest.mark.parametrize(
    "call",
    [
        lambda x, images: x.set_of(images),
        lambda x, images: ImageSet.from_array(images),
        lambda x, images: x.model.encode(images),
        lambda x, images: binarise(images),
        lambda x, images: reconstruction_loss(x.pixels, images),
    ],
)
def test_tensors_of_other_storage_are_refused(call, what, x):
    odd = {
        "sparse": lambda t: t.to_sparse(),
        "nested": lambda t: torch.nested.nested_tensor(list(t)),
        "meta": lambda t: t.to("meta"),
        "float8": lambda t: t.to(torch.float8_e5m2),
    }
    with pytest.raises(SettingError, match=r"plain tensor|too few digits"):
        call(x, odd[what](x.images))


def test_images_with_gradients_or_shared_memory_are_a_set_like_others(x):
    for images in (x.images.clone().requires_grad_(), x.images[:1].expand(20, -1, -1, -1)):
        own = x.set_of(images)
        assert own.fingerprint() == x.set_of(images.detach().clone()).fingerprint()
        assert not own.images.requires_grad


@pytest.mark.parametrize("odd", [None, 3, [], {}, "no such one"])
def test_data_sets_and_folders_of_other_kinds_are_refused(odd):
    for call in (
        lambda: load_images(odd),
        lambda: load_images("mnist", odd),
        lambda: ImageSet.from_folder(odd),
    ):
        with pytest.raises(QdvaeError, match="There is no"):
            call()


def test_images_that_were_changed_afterwards_are_noticed_before_training(x):
    config = TrainConfig(steps=1, batch_size=5)
    for which in ("train", "validation"):
        own = x.set_of(x.images.clone())
        own.images.mul_(255)
        sets = {"train": x.digits, "validation": x.digits} | {which: own}
        with pytest.raises(SettingError, match="Divide values up to 255 by 255"):
            fit(x.model, config=config, progress=False, **sets)


@pytest.mark.parametrize(
    "changes",
    [
        {"count": "many"}, {"count": 0}, {"count": 1.5}, {"data_set": 3}, {"split": None},
        {"transforms": (1,)}, {"transforms": "inverted"}, {"drawn": (1,)}, {"drawn": (10, -1)},
        {"drawn": "ab"},
    ],
)  # fmt: skip
def test_a_source_of_other_kinds_is_refused(changes):
    with pytest.raises(DataError):
        Source(**{"data_set": "own", "split": "", "count": 3} | changes)


# --- fields and couplings ---


@pytest.mark.parametrize("value", [NAN, INF, -INF, 1e35])
@pytest.mark.parametrize(("what", "said"), [("linear", "field h"), ("quadratic", "coupling J")])
@pytest.mark.parametrize("kind", ["gibbs", "exact", "annealer"])
def test_fields_and_couplings_that_are_no_numbers_are_named(kind, what, said, value, graph12):
    grbm = new_model(graph12).grbm
    options = {"prefactor": 0.2, "num_sweeps": 10} if kind == "annealer" else {}
    sampler = make_sampler(grbm, kind, num_samples=3, graph=graph12, **options)
    getattr(grbm, what).data[4] = value
    place = graph12.nodes[4] if what == "linear" else graph12.edges[4]
    draws = [sampler.sample, sampler.fresh, sampler.more]
    if kind == "exact":
        draws.append(sampler.log_partition_function)
    for draw in draws:
        with pytest.raises(SamplerError) as error:
            draw()
        assert said in str(error.value)
        assert str(place) in str(error.value)


def test_a_temperature_that_is_changed_later_is_judged_as_well(x):
    for sampler in (GibbsSampler(x.grbm, 5), ExactSampler(x.grbm, 5)):
        sampler.beta = NAN
        for draw in (sampler.sample, sampler.fresh):
            with pytest.raises(SamplerError, match="beta=nan"):
                draw()


def test_at_infinite_temperature_all_strings_are_alike(x):
    for sampler in (GibbsSampler(x.grbm, 9_000, beta=0), ExactSampler(x.grbm, 9_000, beta=0)):
        assert sampler.sample().mean(0).abs().max() < 0.05


# --- losses and measures ---

NO_ROWS = {
    "no rows": lambda t: t[:0],
    "too long": lambda t: torch.cat([t, t], -1),
    "one axis": lambda t: t[0],
    "no floats": lambda t: t.long(),
    "no tensor": lambda t: t.tolist(),
}


@pytest.mark.parametrize("wrong", NO_ROWS)
@pytest.mark.parametrize(
    "call",
    [
        lambda x, rows: mean_energy(x.grbm, rows),
        lambda x, rows: kl_loss(rows, x.grbm, x.spins),
        lambda x, rows: kl_loss(x.logits, x.grbm, rows),
        lambda x, rows: nll_loss(x.grbm, x.spins, rows),
        lambda x, rows: moment_gap(x.grbm, rows, x.spins),
        lambda x, rows: moment_gap(x.grbm, x.logits, rows),
        lambda x, rows: energy_decorrelation(x.grbm, x.spins, rows),
        lambda x, rows: estimate_beta(x.grbm, rows),
        lambda x, rows: mmd_loss(x.spins, rows, spin_kernel(12)),
    ],
)
def test_strings_of_another_shape_or_none_are_refused(call, wrong, x):
    with pytest.raises(SettingError, match=r"where floats of shape|too few|must be a tensor"):
        call(x, NO_ROWS[wrong](x.spins))


@pytest.mark.parametrize(
    "call",
    [
        lambda x: encoder_entropy(x.logits[:0]),
        lambda x: dead_spins(x.logits[:0]),
        lambda x: mmd_loss(x.spins[:1], x.spins, spin_kernel(12)),
        lambda x: energy_decorrelation(x.grbm, x.spins, x.spins[1:]),
        lambda x: gaussian_kl(x.logits, x.logits[1:]),
        lambda x: gaussian_kl(x.logits[:0], x.logits[:0]),
        lambda x: reconstruction_loss(x.pixels[1:], x.images),
        lambda x: reconstruction_loss(x.pixels[:0], x.images[:0]),
        lambda x: reconstruction_loss(x.pixels[:, 0], x.images),
        lambda x: log_likelihood(x.model, x.images, 1.0),  # grey
        lambda x: log_likelihood(x.model, x.images[:0], 1.0),
        lambda x: x.model.encode(x.images[0]),
        lambda x: x.model.encode((x.images * 255).byte()),
        lambda x: x.model.encode(x.images.flatten(1)),
        lambda x: x.model.decode(x.spins[:, :5]),
        lambda x: x.model.decode(torch.tensor(1.0)),
        lambda x: x.vae.encode(x.images[0]),
        lambda x: x.vae.decode(x.spins),
        lambda x: x.prepared(recipe="mmd", batch_size=1),
        lambda x: fit("model", x.digits, TrainConfig()),
        lambda x: fit(x.model, x.images, TrainConfig()),
        lambda x: fit(x.model, x.digits, {"steps": 3}),
        lambda x: fit(x.model, x.digits, TrainConfig(), validation=x.images),
        lambda x: fit(x.model, x.digits, TrainConfig(), sampler=x.grbm),
        lambda x: prepare_run(x.images),
        lambda x: prepare_run(x.digits, x.images),
        lambda x: x.model.generate(3, sampler=x.grbm),
        lambda x: QDVAE("graph"),
        lambda x: make_sampler("grbm"),
        lambda x: make_sampler(x.grbm, graph="graph"),
        lambda x: x.gibbs.sample([1.0, -1.0]),
        lambda x: x.gibbs.sample(x.spins[:0]),
        lambda x: enumerate_states(None),
        lambda x: readout_expectation(x.spins, torch.zeros(4), torch.zeros(4)),
        lambda x: qcnn_probabilities(torch.zeros(2, 256), torch.zeros(357)),
        lambda x: qcnn_probabilities(torch.ones(2, 255), torch.zeros(357)),
        lambda x: qcnn_probabilities(torch.ones(2, 256), torch.zeros(9)),
        lambda x: remove_contradictions(x.spins, torch.arange(20)),  # digits
        lambda x: remove_contradictions(x.spins, torch.ones(3) > 0),
        lambda x: remove_contradictions(x.spins.tolist(), torch.ones(20) > 0),
        lambda x: readout_expectation([[1.0]], [1.0], [1.0]),
        lambda x: qcnn_probabilities([1.0], [1.0]),
        lambda x: moment_gap(x.classes, x.spins, x.spins, torch.full((20,), 3)),
        lambda x: moment_gap(x.classes, x.spins, x.spins, torch.zeros(3, dtype=torch.int64)),
        lambda x: energy_decorrelation(x.classes, x.spins, x.spins, torch.full((20,), -1)),
        lambda x: mean_energy(x.grbm, x.spins, weights=torch.ones(1)),
        lambda x: mmd_loss(x.spins, x.spins, spin_kernel(12), *[torch.full((20,), 10**12)] * 2),
        lambda x: reconstruction_loss(x.pixels.long(), x.images),
        lambda x: x.bound(spins=x.spins.long().unsqueeze(1)),
        lambda x: quality(x.images, x.images, None),
        lambda x: load_judge(None),
        lambda x: load_judge("n" * 300),
        lambda x: load_judge().classify(x.images[0]),
        lambda x: load_judge().classify(x.images[:, :, :3, :3]),
        lambda x: image_grid(x.images[:, 0], title=""),
        lambda x: image_grid(x.images[:0], title=""),
        lambda x: image_grid((x.images * 255).byte(), title=""),
        lambda x: image_grid(x.images.expand(-1, 3, -1, -1), title=""),
        lambda x: image_rows({}),
        lambda x: image_rows({"a": x.images[:3], "b": x.images[:5]}),
        lambda x: draw_picture(new_figure()[1], x.images),
        lambda x: history_figure([]),
        lambda x: qpu_figure("graph", title=""),
        lambda x: qpu_figure(x.graph, torch.ones(3), title=""),
        lambda x: qpu_figure(x.graph, torch.full((len(x.graph.edges),), NAN), title=""),
        lambda x: qpu_figure(x.graph, spins=torch.ones(3), title=""),
        lambda x: record(None, 3),
        lambda x: inspect_problem(x.grbm),
        lambda x: densest_subgraph(x.graph.to_networkx(), 3),
        lambda x: load_graph(None),
        lambda x: load_checkpoint(None),
        lambda x: QDVAE(x.graph, (100_000, 100_000)),
        lambda x: x.digits.first(1).clustered(1),
        lambda x: fit_seeds(None, torch.zeros(2, 3), 0, epochs=1, batch_size=2),
        lambda x: fit_seeds(None, torch.zeros(2, 3), 5, epochs=0, batch_size=2),
        lambda x: fit_seeds(None, torch.zeros(2, 3), 5, epochs=1, batch_size=0.5),
    ],
)
def test_other_things_than_those_asked_for_are_refused(call, x):
    with pytest.raises(QdvaeError):
        call(x)


def test_strings_of_another_precision_have_the_same_energy(x):
    for precise in (x.spins.double(), x.spins.half()):
        assert torch.equal(mean_energy(x.grbm, precise), mean_energy(x.grbm, x.spins))
        assert torch.equal(kl_loss(x.logits, x.grbm, precise), kl_loss(x.logits, x.grbm, x.spins))
    assert torch.equal(x.bound(spins=x.spins.double().unsqueeze(1)), x.bound())
    judge = load_judge()
    assert torch.equal(judge.classify(x.images.double()), judge.classify(x.images))


def test_training_that_left_all_numbers_is_said():
    with pytest.raises(TrainingError, match="learning_rate"):
        fit_seeds(lambda w, _: w.square().sum(1), torch.ones(2, 3), 5,
                  epochs=1, batch_size=2, learning_rate=1e38)  # fmt: skip


@pytest.mark.parametrize("name", ["$\\foo$", "cost $5 \\x$", "$\\frac$", "$", "$n^2$", "\\"])
def test_any_name_can_stand_in_a_picture(name, x):
    to_image(image_rows({name: x.images[:3]}, title=name, columns=[name] * 3))


def test_what_is_no_number_stays_none(x):
    """Losses do not look at values on every step; they hide nothing either."""
    bad = torch.full_like(x.spins, NAN)
    for loss in (mean_energy(x.grbm, bad), kl_loss(bad, x.grbm, x.spins), encoder_entropy(bad)):
        assert not loss.isfinite()
    assert math.isnan(moment_gap(x.grbm, bad, x.spins))
