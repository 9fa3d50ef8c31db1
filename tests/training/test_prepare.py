"""One way to set a run up: what it chooses where nobody says."""

import pytest
import torch
from small_models import new_model, same_parameters

from qdvae_helpers.data import ImageSet
from qdvae_helpers.errors import GraphError, SettingError
from qdvae_helpers.graphs import densest_subgraph
from qdvae_helpers.profiles import PROFILES
from qdvae_helpers.training import default_spins, prepare_run, seed_of_process, usual_images
from qdvae_helpers.training.reports import probe

FAST, LESSON = PROFILES["fast"], PROFILES["lesson"]


@pytest.fixture
def prepare(digits):
    """Sets up a run on a few digits, in the profile ``fast``."""
    return lambda **options: prepare_run(digits, **{"profile": FAST} | options)


def test_what_is_not_said_follows_the_profile(prepare, digits, qpu):
    run = prepare()
    assert run.model.graph == densest_subgraph(qpu, 64)
    assert run.model.settings["hidden"] == [128]
    assert run.train is digits
    assert run.held_out is None
    assert (run.config.recipe, run.config.steps, run.config.batch_size) == ("elbo", 60, 100)
    assert run.config.sample_every == 1
    assert run.sampler.kind == "gibbs"
    assert run.sampler.grbm is run.model.grbm
    assert run.sampler.graph is run.model.graph
    parameters = run.sampler.provenance.parameters
    assert (parameters["num_samples"], parameters["sweeps"], parameters["seed"]) == (64, 3, 0)


def test_the_environment_names_profile_and_sampler(digits, graph12, monkeypatch):
    monkeypatch.setenv("QDVAE_PROFILE", "fast")
    monkeypatch.setenv("QDVAE_SAMPLER", "exact")
    run = prepare_run(digits, graph=graph12)
    assert run.config.steps == FAST.steps
    assert run.sampler.kind == "exact"


def test_a_new_decoder_answers_with_the_mean_image(prepare, digits, graph12):
    model = prepare(graph=graph12).model
    with torch.no_grad():
        answer = model.decode(torch.zeros(1, 12))
    assert (answer - digits.images.mean(0)).abs().mean() < 0.05


@pytest.mark.parametrize(
    ("recipe", "profile", "n_spins"),
    [("elbo", LESSON, 256), ("iwae", LESSON, 256), ("mmd", LESSON, 48), ("mmd", FAST, 48)],
)
def test_the_recipe_mmd_takes_fewer_spins(recipe, profile, n_spins):
    assert default_spins(recipe, profile) == n_spins


def test_the_recipe_decides_spins_and_rates_unless_they_are_given(prepare, graph12):
    run = prepare(recipe="mmd")
    assert run.model.n_spins == 48
    assert run.config.prior_learning_rate == 0.03
    run = prepare(recipe="mmd", n_spins=14, prior_learning_rate=0.01)
    assert run.model.n_spins == 14
    assert run.config.prior_learning_rate == 0.01
    run = prepare(recipe="iwae", graph=graph12, steps=7, binarise=True)
    assert run.model.graph == graph12
    assert (run.config.spin_draws, run.config.steps, run.config.binarise) == (8, 7, True)


@pytest.mark.parametrize("kind", ["annealer", "exact"])
def test_a_device_is_asked_at_every_twentieth_step(kind, prepare, graph12):
    run = prepare(sampler=kind, graph=graph12)
    assert run.sampler.kind == kind
    assert run.config.sample_every == 20
    assert prepare(sampler=kind, graph=graph12, sample_every=2).config.sample_every == 2


def test_a_model_for_a_qpu_lives_on_its_present_graph(prepare, leap, live):
    run = prepare(sampler="qpu", n_spins=12)
    assert run.model.graph == densest_subgraph(live, 12)
    assert run.model.graph.source.startswith("live graph of Advantage2_test")
    assert run.config.sample_every == 20
    assert run.sampler.plan(3).reads == 64
    run.sampler.close()


def test_without_an_account_a_model_for_a_qpu_gets_no_ideal_graph_in_its_place(prepare):
    with pytest.raises(GraphError):
        prepare(sampler="qpu")


@pytest.mark.parametrize("kind", ["annealer", "exact", "qpu"])
def test_sweeps_are_for_gibbs_chains_alone(kind, prepare, graph12):
    with pytest.raises(SettingError, match=f"Sweeps are for the sampler gibbs, not {kind}"):
        prepare(sampler=kind, graph=graph12, sweeps=5)
    assert prepare(graph=graph12, sweeps=5).sampler.sweeps == 5


def test_the_seed_decides_everything_and_torchs_own_is_left_alone(prepare, graph12):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, same, other = (prepare(graph=graph12, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert same_parameters(one.model, same.model)
    assert not same_parameters(one.model, other.model)
    assert (one.config.seed, other.config.seed) == (1, 2)
    assert other.sampler.provenance.parameters["seed"] == 2


def test_going_on_keeps_graph_and_weights_and_the_full_divergence(prepare, graph12, digits):
    start = new_model(graph12)
    weights = new_model(graph12)
    run = prepare(start_from=start, n_spins=64)
    assert run.model is start
    assert same_parameters(start, weights)
    assert run.config.kl_warm_up == 1
    assert prepare(start_from=start, kl_warm_up=7).config.kl_warm_up == 7
    assert prepare(graph=graph12).config.kl_warm_up == 12


def test_processes_share_the_samples_and_have_seeds_of_their_own(prepare, graph12):
    runs = [prepare(graph=graph12, seed=3, rank=rank, processes=4) for rank in (0, 2)]
    assert same_parameters(runs[0].model, runs[1].model)
    said = [run.sampler.provenance.parameters for run in runs]
    assert [parameters["num_samples"] for parameters in said] == [16, 16]
    assert [parameters["seed"] for parameters in said] == [3, seed_of_process(3, 2)]


def test_a_prepared_run_trains_and_reports_on_its_held_out_images(prepare, digits, graph12):
    told = []
    run = prepare(held_out=digits, graph=graph12, steps=4, report_every=2)
    result = run.fit(on_report=told.append, progress=False)
    assert result.finished
    assert [report["step"] for report in told] == [2, 4]
    assert all("validation" in report for report in told)
    assert run.model.info["sampler"]["parameters"]["sweeps"] == 3


def test_the_usual_images_are_mnists_grey_and_a_random_part_of_the_test_set():
    train, held_out = usual_images(200, 100)
    assert (len(train), len(held_out)) == (200, 100)
    assert (train.source.split, held_out.source.split) == ("train", "test")
    assert held_out.source.drawn == (10_000, 0)
    assert len(train.images.unique()) > 2
    assert len(usual_images(1, None)[1]) == 10_000


def test_what_does_not_exist_or_does_not_go_together_is_refused(prepare, graph12):
    with pytest.raises(
        SettingError, match="TrainConfig has no option step: choose from batch_size"
    ):
        prepare(graph=graph12, step=3)
    model = prepare(graph=graph12).model
    with pytest.raises(SettingError, match="keeps its own graph"):
        prepare(graph=graph12, start_from=model)


def test_reports_on_training_images_leave_bent_copies_out(digits):
    seen = probe(digits.jittered(2), False, "cpu")
    assert len(seen) == len(digits)
    originals = {image.numpy().tobytes() for image in digits.images}
    assert all(image.numpy().tobytes() in originals for image in seen)


def test_images_that_are_all_alike_have_no_clusters(graph12):
    alike = ImageSet.from_array(torch.zeros(50, 28, 28))
    with pytest.raises(SettingError, match="too alike to make clusters"):
        prepare_run(alike, graph=graph12, profile=PROFILES["fast"], classes="clusters")


def test_other_things_than_profiles_and_functions_are_refused(graph12, digits):
    with pytest.raises(SettingError, match="profile must be of the kind Profile"):
        prepare_run(digits, graph=graph12, profile="fast")
    prepared = prepare_run(digits, graph=graph12, profile=PROFILES["fast"], steps=1)
    for name in ("on_report", "should_stop"):
        with pytest.raises(SettingError, match=f"{name}='x' must be a function"):
            prepared.fit(**{name: "x"})
