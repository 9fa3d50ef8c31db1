"""Training: that it learns, stops when it must, and refuses what cannot go well."""

import signal
from types import SimpleNamespace

import pytest
import torch
from small_models import StubSampler, new_model, same_parameters

from qdvae_helpers.checkpoints import load_checkpoint, read_header
from qdvae_helpers.errors import OutputError, QPUError, SamplerError, SettingError, TrainingError
from qdvae_helpers.losses import reconstruction_loss
from qdvae_helpers.qpu import qpu_tally
from qdvae_helpers.samplers import make_sampler
from qdvae_helpers.training import fit


@pytest.mark.parametrize("name", ["folder", "file/x", "n" * 300, "nowhere-link"])
def test_a_checkpoint_that_cannot_be_written_is_refused_before_a_step(
    name, model, run, short, tmp_path
):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "nowhere-link").symlink_to("nowhere")
    before = new_model(model.graph)
    before.load_state_dict(model.state_dict())
    with pytest.raises(OutputError):
        run(model, short(), checkpoint=tmp_path / name)
    assert same_parameters(model, before)


@pytest.mark.parametrize("recipe", ["elbo", "iwae", "mmd"])
def test_training_improves_reconstruction_and_moves_the_prior(recipe, model, run, short, digits):
    before = model.grbm.quadratic.detach().clone()
    draws = 4 if recipe == "iwae" else 1
    result = run(model, short(recipe=recipe, spin_draws=draws, steps=150), validation=digits)
    assert result.finished
    assert not model.training
    assert all(weights.grad is None for weights in model.parameters())
    first, last = result.history[0], result.history[-1]
    assert last["reconstruction"] < 0.8 * first["reconstruction"]
    assert last["validation"] < 0.8 * first["validation"]
    moved = (model.grbm.quadratic.detach() - before).square().mean().sqrt()
    assert moved > before.square().mean().sqrt()
    assert model.info["step"] == 150
    assert model.info["sampler"]["kind"] == "gibbs"
    assert model.info["data"] == digits.source.to_dict()


def test_the_same_seed_gives_the_same_model_whatever_torchs_own_seed(graph16, run, short):
    models = [new_model(graph16) for _ in range(3)]
    for own, model in enumerate(models):
        torch.manual_seed(own)
        run(model, short(seed=own // 2, binarise=True))
    assert same_parameters(*models[:2])
    assert not same_parameters(*models[1:])


def test_in_its_last_steps_only_the_decoder_learns_and_from_true_spins(graph16, short, digits):
    """Nothing else moves, no prior spins are drawn, and true spins are rebuilt better."""
    images = digits.rounded()
    settings = {"learning_rate": 1e-2, "kl_weight": 0.2}
    models, nats = [], []
    for decoder_steps in (0, 150):
        model = new_model(graph16)
        model.start_from_mean(images.images)
        sampler = StubSampler(model)
        config = short(steps=150 + decoder_steps, decoder_steps=decoder_steps, **settings)
        result = fit(model, images, config, sampler=sampler, progress=False)
        assert result.history[-1]["step"] == config.steps
        assert sampler.calls == 150
        with torch.no_grad():
            _, _, pixels = model(images.images, 20, torch.Generator().manual_seed(0))
        nats.append(float(reconstruction_loss(pixels, images.images)))
        models.append(model)
    whole, both = models
    assert same_parameters(both.grbm, whole.grbm)
    assert same_parameters(both.dvae.encoder, whole.dvae.encoder)
    assert nats[1] < nats[0] - 3


@pytest.mark.parametrize(("every", "calls"), [(1, 30), (4, 8), (100, 1)])
def test_new_spins_are_drawn_every_so_many_steps(every, calls, model, run, short):
    sampler = StubSampler(model)
    run(model, short(sample_every=every), sampler=sampler)
    assert sampler.calls == calls


def test_reports_come_every_so_many_steps_and_at_the_end(model, run, short, capsys):
    told = []
    result = run(model, short(steps=25), on_report=told.append, progress=True)
    assert [report["step"] for report in result.history] == [10, 20, 25]
    assert told == result.history == model.info["history"]
    assert capsys.readouterr().out.count(" nats | entropy ") == 3


@pytest.mark.parametrize("kind", ["annealer", "exact"])
def test_other_samplers_train_as_well(kind, model, run, short, graph16):
    options = {"num_sweeps": 50, "prefactor": 0.15} if kind == "annealer" else {}
    sampler = make_sampler(model.grbm, kind, num_samples=64, graph=graph16, **options)
    assert run(model, short(sample_every=5), sampler=sampler).finished
    assert model.info["sampler"]["kind"] == kind


# Stopping ----------------------------------------------------------------------------------------


def test_ctrl_c_finishes_the_step_saves_and_returns(graph16, run, tmp_path):
    path = tmp_path / "run.safetensors"
    before = signal.getsignal(signal.SIGINT)

    def press(report):
        if report["step"] == 10:
            signal.raise_signal(signal.SIGINT)

    assert not run(new_model(graph16), checkpoint=path, on_report=press).finished
    assert signal.getsignal(signal.SIGINT) is before
    assert read_header(path)["info"]["step"] == 11
    resumed, reference = new_model(graph16), new_model(graph16)
    assert run(resumed, checkpoint=path).finished
    run(reference)
    assert same_parameters(resumed, reference)


def test_a_second_ctrl_c_interrupts_at_once(model, run):
    def press_twice(report):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(model, on_report=press_twice)
    assert not model.training


@pytest.mark.parametrize(
    ("budget", "finished", "step"), [(7, True, 30), (6, False, 16), (1, False, 1)]
)
def test_a_budget_that_is_used_up_ends_a_run_that_needs_more_and_no_other(
    budget, finished, step, model, run, short, capsys
):
    config = short(decoder_steps=10, sample_every=3)  # of 20 steps, every third draws
    sampler = StubSampler(model, budget)
    result = run(model, config, sampler=sampler, progress=True)
    assert (result.finished, model.info["step"]) == (finished, step)
    assert sampler.calls == budget
    assert sampler.asked == [7]  # what it will cost is said once, first
    said = f"Stopped at step {step} of 30 because the budget of QPU time is used up"
    assert (said in capsys.readouterr().out) != finished


def test_a_run_on_a_qpu_says_its_cost_stops_at_its_budget_and_goes_on_later(
    leap, make_live, home, run, short, tmp_path, monkeypatch, capsys
):
    path = tmp_path / "model.safetensors"

    def train():
        model = new_model(home)
        sampler = make_live(model.grbm)
        call = sampler.plan(1).call_s
        if len(leap.drawn) == 0:
            enough = 6.5 * leap.access_s + call
            monkeypatch.setenv("QDVAE_QPU_BUDGET_S", str(enough))
        return run(model, short(batch_size=20), sampler=sampler, checkpoint=path, progress=True)

    assert not train().finished
    shown = capsys.readouterr().out
    assert "30 calls of 20 reads" in shown
    assert "the budget of QPU time" in shown
    assert 6 <= read_header(path)["info"]["step"] <= 8
    assert qpu_tally().spent_s == pytest.approx(leap.charged_s)
    monkeypatch.setenv("QDVAE_QPU_BUDGET_S", "100")
    assert train().finished
    assert len(leap.drawn) == 30


# Faults ------------------------------------------------------------------------------------------


def test_a_device_that_fails_leaves_the_checkpoint_of_the_last_whole_step(graph16, run, tmp_path):
    path = tmp_path / "model.safetensors"

    class Failing(StubSampler):
        def sample(self):
            if self.calls == 15:
                raise QPUError("The device had enough.")
            return super().sample()

    model = new_model(graph16)
    with pytest.raises(QPUError, match="had enough"):
        run(model, sampler=Failing(model), checkpoint=path)
    assert read_header(path)["info"]["step"] == 15
    assert not model.training
    saved = load_checkpoint(path)
    assert same_parameters(saved, model)
    assert all(weights.isfinite().all() for weights in saved.parameters())
    again = new_model(graph16)
    assert run(again, sampler=StubSampler(again), checkpoint=path).finished


@pytest.mark.parametrize(
    ("kind", "broken_after", "noticed_at"),
    [
        ("gibbs", 12, 12),  # samplers refuse such weights: a SamplerError, which saves else
        ("gibbs", 20, 20),  # by the last step before a report, whose loss was still a number
        ("annealer", 12, 12),
    ],
)
def test_a_diverged_run_stops_and_spares_its_last_good_checkpoint(
    kind, broken_after, noticed_at, model, graph16, run, tmp_path
):
    path = tmp_path / "run.safetensors"
    options = {"num_sweeps": 20, "prefactor": 0.15} if kind == "annealer" else {}
    sampler = make_sampler(model.grbm, kind, num_samples=8, graph=graph16, **options)
    steps = iter(range(1, 1000))

    def break_it():
        if next(steps) == broken_after:
            model.grbm.linear.data.fill_(float("nan"))
        return False

    message = f"loss is nan at step {noticed_at}: lower learning_rate"
    with pytest.raises(TrainingError, match=message):
        run(model, checkpoint=path, sampler=sampler, should_stop=break_it)
    assert read_header(path)["info"]["step"] == 10
    assert all(weights.isfinite().all() for weights in load_checkpoint(path).parameters())
    assert not model.training


def test_a_sampler_of_another_model_is_refused(graph16, run):
    other = StubSampler(new_model(graph16))
    with pytest.raises(SamplerError):
        run(new_model(graph16), sampler=other)
    assert other.calls == 0


def test_fewer_images_than_a_batch_are_refused(model, run, short):
    with pytest.raises(SettingError, match="300 images are fewer than one batch of 1000"):
        run(model, short(batch_size=1000))


@pytest.mark.parametrize("processes", [3, 100])  # of a batch of 50: unequal shares, empty ones
def test_processes_that_cannot_share_a_batch_evenly_are_refused(processes, model, run):
    fabric = SimpleNamespace(world_size=processes, global_rank=0)
    with pytest.raises(SettingError, match=f"{processes} processes cannot share a batch of 50"):
        run(model, fabric=fabric)
