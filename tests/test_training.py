"""Training: that it learns, and that nothing is lost when it stops."""

import signal
from types import SimpleNamespace

import pytest
import torch

from qdvae_helpers.checkpoints import (
    load_checkpoint,
    read_header,
    read_tensors,
    write_tensors,
)
from qdvae_helpers.errors import CheckpointError, SamplerError, SettingError, TrainingError
from qdvae_helpers.graphs import densest_subgraph
from qdvae_helpers.losses import mmd_loss, reconstruction_loss
from qdvae_helpers.models import QDVAE
from qdvae_helpers.profiles import PROFILES
from qdvae_helpers.samplers import GibbsSampler, make_sampler
from qdvae_helpers.training import RECIPES, TrainConfig, _Trainer, fit


@pytest.fixture(scope="module")
def graph(qpu):
    return densest_subgraph(qpu, 16)


def new_model(graph, seed=0):
    torch.manual_seed(seed)
    return QDVAE(graph, (32,))


def short(**changes):
    values = {"steps": 30, "batch_size": 50, "report_every": 10, "kl_warm_up": 5}
    return TrainConfig(**(values | changes))


def run(model, digits, config, **options):
    return fit(model, digits, config, progress=False, **options)


def same_parameters(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))


@pytest.mark.parametrize("recipe", ["elbo", "iwae", "mmd"])
def test_training_improves_reconstruction_and_moves_the_prior(recipe, graph, digits):
    model = new_model(graph)
    before = model.grbm.quadratic.detach().clone()
    draws = 4 if recipe == "iwae" else 1
    config = short(recipe=recipe, spin_draws=draws, steps=150)
    result = run(model, digits, config, validation=digits)
    assert result.finished
    assert not model.training
    first, last = result.history[0], result.history[-1]
    assert last["reconstruction"] < 0.8 * first["reconstruction"]
    assert last["validation"] < 0.8 * first["validation"]
    moved = (model.grbm.quadratic.detach() - before).square().mean().sqrt()
    assert moved > before.square().mean().sqrt()
    assert model.info["step"] == 150
    assert model.info["sampler"]["kind"] == "gibbs"
    assert "scikit-learn" in model.info["data"]


def test_the_coupling_penalty_keeps_couplings_small(graph, digits):
    plain, held = (
        run(new_model(graph), digits, short(steps=150, coupling_penalty=penalty))
        for penalty in (0.0, 100.0)
    )
    assert held.history[-1]["coupling_rms"] < 0.5 * plain.history[-1]["coupling_rms"]


def test_relaxed_spins_cool_to_the_final_temperature_and_back(graph, digits):
    model = new_model(graph)
    discretiser = model.dvae.latent_to_discrete
    seen = []
    config = short(final_tau=0.05, report_every=15)
    run(model, digits, config, on_report=lambda record: seen.append(discretiser.tau))
    assert seen[0] == pytest.approx(0.5 * (0.05 / 0.5) ** (14 / 30))  # half-way by ratios
    assert seen[1] == pytest.approx(0.5 * (0.05 / 0.5) ** (29 / 30))
    assert discretiser.tau == 0.5


def test_in_its_last_steps_only_the_decoder_learns_and_from_true_spins(graph, digits):
    """Nothing else moves, no prior spins are drawn, and true spins are rebuilt better."""
    images = digits.rounded()
    whole, both = new_model(graph), new_model(graph)
    for model in (whole, both):
        model.start_from_mean(images.images)
    settings = {"kl_weight": 0.2, "learning_rate": 5e-3}
    run(whole, images, short(steps=300, **settings))
    sampler = make_sampler(both.grbm, "gibbs", num_samples=512, sweeps=5, graph=graph)
    draw, calls = sampler.sample, []
    sampler.sample = lambda: calls.append(1) or draw()
    config = short(steps=500, decoder_steps=200, **settings)
    result = run(both, images, config, sampler=sampler)
    assert result.finished
    assert len(calls) == 300
    assert result.history[-1]["step"] == 500
    assert torch.equal(both.grbm.quadratic, whole.grbm.quadratic)
    assert same_parameters(both.dvae.encoder, whole.dvae.encoder)
    nats = []
    for model in (whole, both):
        torch.manual_seed(0)
        with torch.no_grad():
            spins = model.spins(model.encode(images.images)).unsqueeze(1)
            nats.append(float(reconstruction_loss(model.dvae.decoder(spins), images.images)))
    assert nats[1] < nats[0] - 1


def test_the_decoders_steps_cost_no_samples_and_leave_some_for_the_rest(graph, digits, monkeypatch):
    model = new_model(graph)
    sampler = make_sampler(model.grbm, "gibbs", num_samples=10, sweeps=1, graph=graph)
    sampler.plan = lambda calls: calls
    config = short(decoder_steps=10, sample_every=3)
    trainer = _Trainer(model, digits, config, None, sampler, None)
    found = []
    for trainer.step in (0, 10, 19, 20, 25):
        found.append(trainer.plan())
    assert found == [7, 3, 0, 0, 0]  # of 20 steps, every third draws
    # A budget that is used up stops a run that needs more samples, and no other.
    draw, calls = sampler.sample, []
    sampler.sample = lambda: calls.append(1) or draw()
    monkeypatch.setattr(GibbsSampler, "exhausted", property(lambda _: len(calls) >= 7))
    assert run(model, digits, config, sampler=sampler).finished
    calls.append(1)
    stopped = run(model, digits, config, sampler=sampler)
    assert (stopped.finished, model.info["step"]) == (False, 1)
    with pytest.raises(SettingError, match="decoder_steps=30 are the last of steps=30"):
        short(decoder_steps=30)


def test_the_same_seed_gives_the_same_model(graph, digits):
    models = [new_model(graph) for _ in range(2)]
    for model in models:
        run(model, digits, short())
    assert same_parameters(*models)


EVERYTHING_RANDOM = {"recipe": "mmd", "binarise": True, "spin_draws": 2, "sample_every": 3}
EVERYTHING_MOVES = {"recipe": "iwae", "spin_draws": 2, "final_tau": 0.1}
DECODER_LAST = {"decoder_steps": 8, "spin_draws": 2, "binarise": True}


@pytest.mark.parametrize(
    ("stop_at", "changes"),
    [
        (10, {}),
        (17, {}),
        (17, EVERYTHING_RANDOM),
        (17, EVERYTHING_MOVES),
        (17, DECODER_LAST),
        (22, DECODER_LAST),
        (25, DECODER_LAST),
    ],
)
def test_an_interrupted_run_ends_as_an_uninterrupted_one(
    stop_at, changes, graph, digits, tmp_path, capsys
):
    config = short(**changes)
    reference = new_model(graph)
    expected = run(reference, digits, config)

    path = tmp_path / "run.safetensors"
    steps = iter(range(1, 1000))
    stopped = run(
        new_model(graph),
        digits,
        config,
        checkpoint=path,
        should_stop=lambda: next(steps) == stop_at,
    )
    assert not stopped.finished
    assert f"Stopped at step {stop_at} of 30; saved to run.safetensors" in capsys.readouterr().out

    # another model, another sampler, other random numbers: everything comes from the file
    resumed = new_model(graph, seed=99)
    result = run(resumed, digits, config, checkpoint=path)
    assert result.finished
    assert same_parameters(resumed, reference)
    comparable = [
        [{k: v for k, v in r.items() if k != "seconds"} for r in h]
        for h in (result.history, expected.history)
    ]
    assert comparable[0] == comparable[1]
    assert [p.name for p in tmp_path.iterdir()] == ["run.safetensors"]  # no temporary files


def test_ctrl_c_finishes_the_step_saves_and_returns(graph, digits, tmp_path):
    path = tmp_path / "run.safetensors"
    before = signal.getsignal(signal.SIGINT)

    def press(record):
        if record["step"] == 10:
            signal.raise_signal(signal.SIGINT)

    result = run(new_model(graph), digits, short(), checkpoint=path, on_report=press)
    assert not result.finished
    assert signal.getsignal(signal.SIGINT) is before
    resumed = new_model(graph)
    assert run(resumed, digits, short(), checkpoint=path).finished
    reference = new_model(graph)
    run(reference, digits, short())
    assert same_parameters(resumed, reference)


def test_a_finished_run_is_not_trained_again(graph, digits, tmp_path):
    path = tmp_path / "run.safetensors"
    first = new_model(graph)
    run(first, digits, short(), checkpoint=path)
    again = new_model(graph, seed=5)
    result = run(again, digits, short(), checkpoint=path)
    assert result.finished
    assert len(result.history) == 3
    assert same_parameters(first, again)


def test_a_checkpoint_of_another_run_is_refused_by_name(qpu, graph, digits, tmp_path):
    path = tmp_path / "run.safetensors"
    run(new_model(graph), digits, short(), checkpoint=path)
    other_graph = densest_subgraph(qpu, 17)
    with pytest.raises(CheckpointError, match=r"run.safetensors was made for another graph"):
        run(new_model(other_graph), digits, short(), checkpoint=path)
    with pytest.raises(CheckpointError, match="other values of kl_weight, sampler, seed"):
        run(new_model(graph), digits, short(kl_weight=2.0, seed=1), checkpoint=path)
    with pytest.raises(CheckpointError, match="other values of hidden"):
        run(QDVAE(graph, (33,)), digits, short(), checkpoint=path)
    with pytest.raises(CheckpointError, match="other values of network:"):
        run(QDVAE(graph, (32,), network="convolutional"), digits, short(), checkpoint=path)


def test_a_run_of_before_there_was_a_choice_of_networks_goes_on(graph, digits, tmp_path):
    path = tmp_path / "run.safetensors"
    model = new_model(graph)
    run(model, digits, short(), checkpoint=path)
    header = read_header(path)
    del header["settings"]["network"]
    write_tensors(path, read_tensors(path, ""), header)
    assert load_checkpoint(path).settings["network"] == "dense"
    assert run(new_model(graph), digits, short(), checkpoint=path).finished


def test_a_checkpoint_from_another_number_of_chains_is_refused(graph, digits, tmp_path):
    path = tmp_path / "run.safetensors"
    run(new_model(graph), digits, short(), checkpoint=path)
    model = new_model(graph)
    sampler = make_sampler(model.grbm, num_samples=7, graph=graph)
    with pytest.raises(CheckpointError, match="other values of sampler"):
        run(model, digits, short(), checkpoint=path, sampler=sampler)


@pytest.mark.parametrize(
    ("kind", "broken_after", "noticed_at"),
    [
        ("gibbs", 12, 20),
        ("gibbs", 20, 20),  # by the last step before a report, whose loss was still a number
        ("annealer", 12, 12),  # a device refuses such weights: a SamplerError, which saves else
    ],
)
def test_a_diverged_run_stops_and_spares_its_last_good_checkpoint(
    kind, broken_after, noticed_at, graph, digits, tmp_path
):
    path = tmp_path / "run.safetensors"
    model = new_model(graph)
    options = {"num_sweeps": 20, "prefactor": 0.15} if kind == "annealer" else {}
    sampler = make_sampler(model.grbm, kind, num_samples=8, graph=graph, **options)
    steps = iter(range(1, 1000))

    def break_it():
        if next(steps) == broken_after:
            model.grbm.linear.data.fill_(float("nan"))
        return False

    message = f"loss is nan at step {noticed_at}: lower learning_rate"
    with pytest.raises(TrainingError, match=message):
        run(model, digits, short(), checkpoint=path, sampler=sampler, should_stop=break_it)
    assert read_header(path)["info"]["step"] == 10
    assert all(weights.isfinite().all() for weights in load_checkpoint(path).parameters())
    assert not model.training
    assert model.dvae.latent_to_discrete.generator is None


def test_the_plan_counts_the_calls_that_are_left(graph, digits):
    model = new_model(graph)
    sampler = make_sampler(model.grbm, graph=graph)
    sampler.plan = lambda calls: calls
    trainer = _Trainer(model, digits, short(steps=10, sample_every=3), None, sampler, None)
    calls = []
    for step in range(11):
        trainer.step = step
        calls.append(trainer.plan())
    assert calls == [4, 3, 3, 3, 2, 2, 2, 1, 1, 1, 0]  # at steps 0, 3, 6 and 9


def test_a_sampler_of_another_model_is_refused(graph, digits):
    other = make_sampler(new_model(graph).grbm, graph=graph)
    with pytest.raises(SamplerError, match="draws from another model"):
        run(new_model(graph), digits, short(), sampler=other)
    with pytest.raises(SamplerError, match="draws from another model"):
        new_model(graph).generate(3, sampler=other)


def test_after_training_torchs_seed_decides_the_spins(graph, digits):
    model = new_model(graph)
    run(model, digits, short(steps=2))
    logits = torch.zeros(4, 16)
    torch.manual_seed(1)
    first = model.spins(logits)
    torch.manual_seed(1)
    assert torch.equal(first, model.spins(logits))


def test_the_mmd_of_the_recipe_vanishes_where_encoder_and_prior_agree(qpu, digits):
    # Uniform spins on both sides; relaxed spins would score 0.1 here.
    model = QDVAE(densest_subgraph(qpu, 64), (32,))
    last_layer = model.dvae.encoder.net[-1]
    torch.nn.init.zeros_(last_layer.weight)
    torch.nn.init.zeros_(last_layer.bias)
    seen = []

    def spy(spins, prior_spins, kernel):
        seen.append(float(mmd_loss(spins, prior_spins, kernel).detach()))
        return mmd_loss(spins, prior_spins, kernel)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("qdvae_helpers.training.mmd_loss", spy)
        config = short(steps=1, batch_size=300, recipe="mmd", spin_draws=2)
        run(model, digits, config)
    assert abs(seen[0]) < 0.01


def test_other_samplers_train_as_well(graph, digits):
    model = new_model(graph)
    sampler = make_sampler(model.grbm, "annealer", num_samples=64, graph=graph, num_sweeps=50)
    result = run(model, digits, short(sample_every=5), sampler=sampler)
    assert result.finished
    assert model.info["sampler"]["kind"] == "annealer"


def test_a_checkpoint_of_another_sampler_is_refused(graph, digits, tmp_path):
    path = tmp_path / "run.safetensors"
    run(new_model(graph), digits, short(), checkpoint=path)
    model = new_model(graph)
    sampler = make_sampler(model.grbm, "exact", num_samples=64, graph=graph)
    with pytest.raises(CheckpointError, match="other values of sampler"):
        run(model, digits, short(), checkpoint=path, sampler=sampler)


def test_a_run_that_went_on_from_another_model_is_refused(graph, digits, tmp_path):
    path = tmp_path / "run.safetensors"
    model = new_model(graph)
    model.info = {"start": {"step": 10}}
    run(model, digits, short(), checkpoint=path, should_stop=lambda: True)
    again, other = new_model(graph), new_model(graph)
    again.info, other.info = {"start": {"step": 10}}, {"start": {"step": 20}}
    with pytest.raises(CheckpointError, match="other values of start"):
        run(other, digits, short(), checkpoint=path)
    assert run(again, digits, short(), checkpoint=path).finished


def test_wrong_settings_are_refused(graph, digits):
    with pytest.raises(SettingError, match="elbo, iwae, mmd"):
        TrainConfig(recipe="gan")
    with pytest.raises(SettingError, match="steps=0"):
        TrainConfig(steps=0)
    with pytest.raises(SettingError, match="seed=-1"):
        TrainConfig(seed=-1)
    with pytest.raises(SettingError, match="fewer than one batch of 1000"):
        run(new_model(graph), digits, short(batch_size=1000))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"kl_weight": -0.1}, "kl_weight=-0.1 must be 0 or more"),
        ({"kl_warm_up": -1}, "kl_warm_up=-1 must be 0 or more"),
        ({"recipe": "iwae"}, "spin_draws=2 or more"),
        ({"final_tau": 0.0}, "final_tau=0.0 must be more than 0"),
        ({"learning_rate": 0.0}, "learning_rate=0.0 must be more than 0"),
        ({"prior_learning_rate": -1e-3}, "prior_learning_rate=-0.001 must be more than 0"),
        ({"warm_up": -0.1}, "warm_up=-0.1 must be 0 or more"),
        ({"warm_up": 1.5}, "warm_up=1.5 is a fraction of the steps: choose 0 to 1"),
        ({"kl_weight": float("nan")}, "kl_weight=nan must be a finite number"),
        ({"learning_rate": float("inf")}, "learning_rate=inf must be a finite number"),
    ],
)
def test_numbers_out_of_their_range_are_refused(changes, why):
    with pytest.raises(SettingError, match=why):
        TrainConfig(**changes)


def test_numbers_at_the_ends_of_their_range_are_kept():
    TrainConfig(kl_weight=0.0, kl_warm_up=0, weight_decay=0.0, mmd_weight=0.0, warm_up=0.0)
    TrainConfig(warm_up=1.0)


@pytest.mark.parametrize("processes", [3, 100])  # of a batch of 50: unequal shares, empty ones
def test_processes_that_cannot_share_a_batch_evenly_are_refused(processes, graph, digits):
    fabric = SimpleNamespace(world_size=processes, global_rank=0)
    with pytest.raises(SettingError, match=f"{processes} processes cannot share a batch of 50"):
        run(new_model(graph), digits, short(), fabric=fabric)


def test_every_profile_gives_a_configuration():
    for profile in PROFILES.values():
        config = TrainConfig.for_profile(profile, seed=3)
        assert (config.steps, config.seed) == (profile.steps, 3)
        assert TrainConfig.for_profile(profile, seed=3, steps=profile.steps) == config
    assert (config.kl_warm_up, config.report_every) == (200, 1_715)


def test_recipes_bring_their_own_settings_unless_told_otherwise():
    configs = [TrainConfig.for_profile(PROFILES["lesson"], recipe=recipe) for recipe in RECIPES]
    assert [config.spin_draws for config in configs] == [1, 8, 1]
    assert [config.prior_learning_rate for config in configs] == [5e-3, 5e-3, 0.03]
    assert TrainConfig.for_profile(PROFILES["lesson"]) == configs[0]
    told = TrainConfig.for_profile(PROFILES["lesson"], recipe="mmd", prior_learning_rate=0.01)
    assert told.prior_learning_rate == 0.01


@pytest.mark.parametrize("steps", [1, 8, 100])
def test_a_short_run_reaches_the_whole_kl_weight_and_reports(steps, graph, digits):
    config = TrainConfig.for_profile(PROFILES["lesson"], steps=steps, kl_weight=2.0)
    assert config.report_every <= max(1, steps / 10)
    trainer = _Trainer(new_model(graph), digits, config, None, None, None)
    trainer.step = steps - 1
    assert trainer._kl_weight() == 2.0
    kept = TrainConfig.for_profile(PROFILES["lesson"], steps=steps, kl_warm_up=300, report_every=30)
    assert (kept.kl_warm_up, kept.report_every) == (300, 30)
