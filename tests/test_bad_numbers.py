"""Numbers that are none, out of range or of another kind: refused with the noun they belong to.

The table asks for the word; the properties ask every call for an answer or an error of ours.
"""

import contextlib
import math
import os

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from things import FAST, Things

from qdvae_helpers.data import held_out_sample, load_images
from qdvae_helpers.errors import QdvaeError
from qdvae_helpers.evaluate import enumerate_states
from qdvae_helpers.gates import fit_seeds
from qdvae_helpers.judge import resize
from qdvae_helpers.likelihood import (
    class_partition_functions,
    log_likelihood,
    log_partition_function,
)
from qdvae_helpers.losses import (
    spin_kernel,
)
from qdvae_helpers.models import QDVAE, GaussianVAE
from qdvae_helpers.networks import SpinDiscretiser
from qdvae_helpers.plots import image_grid, qpu_figure
from qdvae_helpers.samplers import (
    DeviceSampler,
    ExactSampler,
    GibbsSampler,
    SimulatedQPU,
    make_sampler,
)
from qdvae_helpers.seeding import seeded
from qdvae_helpers.training import TrainConfig, pick_device, prepare_run

NAN, INF, HUGE = math.nan, math.inf, 2**63


@pytest.fixture(scope="module")
def x(graph12, digits):
    """What the calls of the tables need, made once."""
    torch.manual_seed(0)
    return Things(graph12, digits)


CALLS = {
    # training
    "steps": lambda x, v: TrainConfig(steps=v),
    "batch_size": lambda x, v: TrainConfig(batch_size=v),
    "spin_draws": lambda x, v: TrainConfig(spin_draws=v),
    "sample_every": lambda x, v: TrainConfig(sample_every=v),
    "report_every": lambda x, v: TrainConfig(report_every=v),
    "decoder_steps": lambda x, v: TrainConfig(decoder_steps=v),
    "kl_warm_up": lambda x, v: TrainConfig(kl_warm_up=v),
    "learning_rate": lambda x, v: TrainConfig(learning_rate=v),
    "prior_learning_rate": lambda x, v: TrainConfig(prior_learning_rate=v),
    "weight_decay": lambda x, v: TrainConfig(weight_decay=v),
    "warm_up": lambda x, v: TrainConfig(warm_up=v),
    "kl_weight": lambda x, v: TrainConfig(kl_weight=v),
    "mmd_weight": lambda x, v: TrainConfig(mmd_weight=v),
    "binarise": lambda x, v: TrainConfig(binarise=v),
    "recipe": lambda x, v: TrainConfig(recipe=v),
    "seed": lambda x, v: TrainConfig(seed=v),
    "sampler": lambda x, v: TrainConfig.for_profile(FAST, v),
    "profile": lambda x, v: TrainConfig.for_profile(v),
    "n_spins": lambda x, v: prepare_run(x.digits, profile=FAST, n_spins=v),
    "processes": lambda x, v: x.prepared(processes=v),
    "rank": lambda x, v: x.prepared(rank=v),
    "sweeps": lambda x, v: x.prepared(sweeps=v),
    "n_classes": lambda x, v: x.prepared(classes="clusters", n_classes=v),
    "classes": lambda x, v: x.prepared(classes=v),
    "device": lambda x, v: pick_device(v),
    # samplers
    "num_samples": lambda x, v: make_sampler(x.grbm, "gibbs", num_samples=v),
    "num_samples of exact": lambda x, v: ExactSampler(x.grbm, v),
    "num_samples of a device": lambda x, v: DeviceSampler(x.grbm, x.device, v, prefactor=0.2),
    "seed of a sampler": lambda x, v: make_sampler(x.grbm, "exact", seed=v),
    "sweeps of Gibbs": lambda x, v: GibbsSampler(x.grbm, 5, sweeps=v),
    "sweeps of a call": lambda x, v: x.gibbs.sample(sweeps=v),
    "sweeps of a restart": lambda x, v: x.gibbs.restart(v),
    "levels": lambda x, v: x.gibbs.anneal(v),
    "levels of heating": lambda x, v: x.gibbs.heat(v),
    "class": lambda x, v: ExactSampler(x.grbm, 5).log_partition_function(v),
    "beta": lambda x, v: GibbsSampler(x.grbm, 5, beta=v),
    "beta of exact": lambda x, v: ExactSampler(x.grbm, 5, beta=v).sample(),
    "beta of all states": lambda x, v: enumerate_states(x.grbm, v),
    "prefactor": lambda x, v: x.device_sampler(prefactor=v),
    "track_every": lambda x, v: x.device_sampler(track_every=v),
    "num_reads": lambda x, v: x.device_sampler().calibrate(num_reads=v),
    "noise": lambda x, v: SimulatedQPU(x.graph, noise=v),
    "num_sweeps": lambda x, v: SimulatedQPU(x.graph, num_sweeps=v),
    "seed of a device": lambda x, v: SimulatedQPU(x.graph, seed=v),
    # models
    "n": lambda x, v: x.model.generate(v, x.stub, 0),
    "seed of pictures": lambda x, v: x.model.generate(2, x.stub, v),
    "columns": lambda x, v: image_grid(x.images, v, title=""),
    "size of a picture": lambda x, v: image_grid(x.images, size=v, title=""),
    "limit of a colour": lambda x, v: qpu_figure(
        x.graph, torch.ones(len(x.graph.edges)), limit=v, title=""
    ),
    "pixels": lambda x, v: resize(x.images, v),
    "kl_weight of a bound": lambda x, v: x.bound(kl_weight=v),
    "learning_rate of seeds": lambda x, v: fit_seeds(
        lambda w, rows: w.square().sum(1),
        torch.ones(2, 3),
        5,
        epochs=1,
        batch_size=5,
        learning_rate=v,
    ),
    "rounds of refining": lambda x, v: x.model.refine(x.images, v),
    "tau": lambda x, v: QDVAE(x.graph, (8,), tau=v),
    "hidden": lambda x, v: QDVAE(x.graph, v),
    "width": lambda x, v: QDVAE(x.graph, (v,)),
    "n_latent": lambda x, v: GaussianVAE(v, (8,)),
    "n of a VAE": lambda x, v: x.vae.generate(v),
    "n_samples": lambda x, v: SpinDiscretiser(0.5, False)(x.logits, v),
    # images
    "number of images": lambda x, v: x.digits.first(v),
    "images drawn": lambda x, v: x.digits.sample(v),
    "seed of a sample": lambda x, v: x.digits.sample(2, v),
    "images held out": lambda x, v: held_out_sample(v),
    "limit": lambda x, v: load_images(limit=v),
    "clusters": lambda x, v: x.digits.first(9).clustered(v),
    "seed of clusters": lambda x, v: x.digits.first(9).clustered(2, v),
    "copies": lambda x, v: x.digits.first(2).jittered(v),
    "seed in a block": lambda x, v: contextlib.ExitStack().enter_context(seeded(v)),
    # measures
    "num_samples of log Z": lambda x, v: log_partition_function(x.grbm, num_samples=v, levels=2),
    "levels of log Z": lambda x, v: log_partition_function(x.grbm, num_samples=9, levels=v),
    "samples of each log Z": lambda x, v: class_partition_functions(
        x.grbm, num_samples=v, levels=2
    ),
    "levels of each log Z": lambda x, v: class_partition_functions(x.grbm, num_samples=9, levels=v),
    "draws": lambda x, v: log_likelihood(x.model, x.images.round(), 1.0, draws=v),
    "log_z": lambda x, v: log_likelihood(x.model, x.images.round(), v, draws=2),
    "n_spins of a kernel": lambda x, v: spin_kernel(v),
}

NO_COUNT = (0, -1, 1.5, NAN, INF, -(10**40), "3", [], True, 1 + 0j, b"1")
FROM_ZERO = (-1, 1.5, NAN, "3", [], True)
NO_NUMBER = (NAN, INF, -INF, -1.0, "0.1", [], True, 1j, 10**400, torch.ones(2))
NO_SEED = (-1, HUGE, 1.5, NAN, "3", True, [1], np.int64(-1))

WORDS = {  # what the message names -> the calls, and what they refuse
    "steps": (["steps"], (*NO_COUNT, None)),
    "batch_size": (["batch_size"], (*NO_COUNT, None, 10**7)),
    "spin_draws": (["spin_draws"], (*NO_COUNT, 10**8)),
    "sample_every": (["sample_every"], NO_COUNT),
    "report_every": (["report_every"], NO_COUNT),
    "decoder_steps": (["decoder_steps"], (*FROM_ZERO, 4_000)),
    "kl_warm_up": (["kl_warm_up"], FROM_ZERO),
    "learning_rate": (["learning_rate", "prior_learning_rate"], (*NO_NUMBER, 0, None)),
    "weight_decay": (["weight_decay"], NO_NUMBER),
    "warm_up": (["warm_up"], (*NO_NUMBER, 1.01)),
    "kl_weight": (["kl_weight"], NO_NUMBER),
    "mmd_weight": (["mmd_weight"], NO_NUMBER),
    "binarise": (["binarise"], (0, 1, "yes", None)),
    "recipe": (["recipe"], ("elbow", None, 3, [])),
    "sampler": (["sampler"], ("nonsense", 3, [])),
    "profile": (["profile"], ("fast", None, 3)),
    "n_spins": (["n_spins", "n_spins of a kernel"], NO_COUNT),
    "processes": (["processes"], (*NO_COUNT, 10_000)),
    "rank": (["rank"], (*FROM_ZERO, 1)),
    "device": (["device"], ("cpu:x", "cpu:7", "cuda:99", "meta", "tpu", "", 1.5, None)),
    "num_samples": (
        [
            "num_samples",
            "num_samples of exact",
            "num_samples of a device",
            "num_samples of log Z",
            "samples of each log Z",
        ],
        (*NO_COUNT, None, 10**9),
    ),
    "seed": (
        [
            "seed",
            "seed of a sampler",
            "seed of a device",
            "seed of a sample",
            "seed in a block",
            "seed of clusters",
        ],
        NO_SEED,
    ),
    "seed=": (["seed of pictures"], NO_SEED),
    "sweeps": (["sweeps", "sweeps of Gibbs", "sweeps of a restart"], NO_COUNT),
    "sweeps=": (["sweeps of a call"], FROM_ZERO),
    "levels": (
        ["levels", "levels of log Z", "levels of heating", "levels of each log Z"],
        NO_COUNT,
    ),
    "beta": (["beta", "beta of exact"], (*NO_NUMBER, None, 1e308)),
    "beta=": (["beta of all states"], (NAN, INF, "1", None)),
    "prefactor": (["prefactor"], (*NO_NUMBER, 0)),
    "track_every": (["track_every"], FROM_ZERO),
    "num_reads": (["num_reads"], NO_COUNT),
    "noise": (["noise"], NO_NUMBER),
    "num_sweeps": (["num_sweeps"], NO_COUNT),
    "n=": (["n", "n of a VAE"], (*NO_COUNT, None, 10**9)),
    "columns": (["columns"], NO_COUNT),
    "size": (["size of a picture"], (*NO_NUMBER, 0, 1e6)),
    "limit": (["limit of a colour"], (*NO_NUMBER, 0)),
    "pixels": (["pixels"], (*NO_COUNT, None, 10**9)),
    "kl_weight=": (["kl_weight of a bound"], NO_NUMBER),
    "learning_rate=": (["learning_rate of seeds"], (*NO_NUMBER, 0)),
    "rounds": (["rounds of refining"], FROM_ZERO),
    "tau": (["tau"], (*NO_NUMBER, 0)),
    "hidden": (["hidden", "width"], (0, -1, 1.5, "8", None, 10**9)),
    "n_latent": (["n_latent"], NO_COUNT),
    "n_samples": (["n_samples"], NO_COUNT),
    "number of images": (
        ["number of images", "images held out", "limit", "images drawn"],
        NO_COUNT,
    ),
    "n_classes": (["n_classes"], (*NO_COUNT, 1, 257)),
    "classes=": (["classes"], (0, "digits", None, [], True)),
    "class=": (["class"], (*FROM_ZERO, 1, None)),
    "k=": (["clusters"], (*NO_COUNT, None, 257)),
    "copies": (["copies"], (*FROM_ZERO, 1_001)),
    "draws": (["draws"], (*NO_COUNT, 10**9)),
    "log_z": (["log_z"], (NAN, INF, "1", None)),
}
CASES = [(word, name) for word, (names, _) in WORDS.items() for name in names]


def test_every_call_of_the_table_has_bad_numbers():
    assert {name for names, _ in WORDS.values() for name in names} == set(CALLS)


@pytest.mark.parametrize(("word", "name"), CASES)
def test_a_bad_number_is_named(word, name, x):
    for bad in WORDS[word][1]:
        with pytest.raises(QdvaeError) as error:
            CALLS[name](x, bad)
        assert word in str(error.value)
        assert len(str(error.value)) < 500


MANY = int(os.environ.get("QDVAE_EXAMPLES", "0"))  # CONTRIBUTING.md
SLOW = {"images held out"}
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.integers(max_value=-1),
    st.integers(min_value=2**63),
    st.floats(allow_nan=True),
    st.text(max_size=5),
    st.complex_numbers(),
    st.lists(st.integers(-2, 2), max_size=2),
    st.sampled_from(
        [np.int64(2), np.float32(0.5), torch.tensor(2), torch.tensor(0.5), np.zeros(2)]
    ),
)


@pytest.mark.parametrize("name", [n for n in CALLS if n not in SLOW])
@settings(max_examples=MANY or 4, deadline=None, derandomize=not MANY, database=None,
          suppress_health_check=list(HealthCheck))  # fmt: skip
@given(value=ANYTHING)
def test_any_value_gets_an_answer_or_an_error_of_ours(name, value, x):
    with contextlib.suppress(QdvaeError):
        CALLS[name](x, value)


@pytest.mark.parametrize("whole", [np.int64(7), np.uint8(7), torch.tensor(7)])
def test_whole_numbers_of_numpy_and_torch_are_taken_and_become_pythons(whole, x):
    config = TrainConfig(steps=whole, seed=whole)
    assert type(config.steps) is type(config.seed) is int
    assert config == TrainConfig(steps=7, seed=7)
    assert len(x.digits.first(whole)) == 7
    assert GibbsSampler(x.grbm, whole, seed=whole).sample().shape == (7, 12)


def test_the_largest_seed_serves_everywhere(x):
    seed = HUGE - 1
    history = x.prepared(seed=seed, steps=2, batch_size=50).fit(progress=False).history
    assert history[-1]["step"] == 2
    assert len(x.digits.sample(3, seed)) == len(x.model.generate(3, seed=seed)) == 3
    for kind in ("gibbs", "exact", "annealer"):
        sampler = make_sampler(x.grbm, kind, num_samples=3, seed=seed, graph=x.graph)
        assert sampler.sample().shape == (3, 12)
