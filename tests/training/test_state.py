"""A run in a file: it goes on as if it had never stopped, or is refused by name."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from small_models import StubSampler, new_model, same_parameters

from qdvae_helpers.checkpoints import read_header, save_checkpoint
from qdvae_helpers.errors import CheckpointError
from qdvae_helpers.graphs import densest_subgraph
from qdvae_helpers.models import QDVAE
from qdvae_helpers.samplers import make_sampler
from qdvae_helpers.training import fit

EVERYTHING_RANDOM = {"recipe": "mmd", "binarise": True, "spin_draws": 2, "sample_every": 3}
IMPORTANCE_WEIGHTED = {"recipe": "iwae", "spin_draws": 2}
DECODER_LAST = {"decoder_steps": 8, "spin_draws": 2, "binarise": True}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.safetensors"


@pytest.mark.parametrize(
    ("stop_at", "changes"),
    [
        (1, {}),
        (10, {}),
        (17, {}),
        (17, EVERYTHING_RANDOM),
        (17, IMPORTANCE_WEIGHTED),
        (17, DECODER_LAST),
        (22, DECODER_LAST),
        (25, DECODER_LAST),
    ],
)
def test_an_interrupted_run_ends_as_an_uninterrupted_one(
    stop_at, changes, graph16, run, short, digits, path, capsys
):
    config = short(**changes)
    reference = new_model(graph16)
    expected = run(reference, config, validation=digits)

    steps = iter(range(1, 1000))
    stopped = run(
        new_model(graph16),
        config,
        validation=digits,
        checkpoint=path,
        should_stop=lambda: next(steps) == stop_at,
    )
    assert not stopped.finished
    assert f"Stopped at step {stop_at} of 30; saved to run.safetensors" in capsys.readouterr().out
    assert read_header(path)["info"]["step"] == stop_at

    # another model, another sampler, other random numbers: everything comes from the file
    resumed = new_model(graph16, seed=99)
    result = run(resumed, config, validation=digits, checkpoint=path)
    assert result.finished
    assert same_parameters(resumed, reference)
    without_times = [
        [{k: v for k, v in report.items() if k != "seconds"} for report in history]
        for history in (result.history, expected.history)
    ]
    assert without_times[0] == without_times[1]
    assert len(result.history) == 3
    assert [file.name for file in path.parent.iterdir()] == [path.name]  # no temporary files


def test_a_run_says_where_it_goes_on(graph16, run, path, capsys):
    run(new_model(graph16), checkpoint=path, should_stop=lambda: True)
    run(new_model(graph16), checkpoint=path, progress=True)
    assert "Continuing at step 1 from run.safetensors." in capsys.readouterr().out


def test_a_finished_run_is_not_trained_again(graph16, run, path):
    first, again = new_model(graph16), new_model(graph16, seed=5)
    run(first, checkpoint=path)
    sampler = make_sampler(again.grbm, num_samples=512, sweeps=5, graph=graph16)
    result = run(again, checkpoint=path, sampler=sampler)
    assert result.finished
    assert len(result.history) == 3
    assert same_parameters(first, again)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"kl_weight": 2.0, "seed": 1}, "kl_weight, sampler, seed"),  # the chains' seed, too
        ({"steps": 40}, "steps"),
        ({"decoder_steps": 3}, "decoder_steps"),
    ],
)
def test_other_settings_are_refused_by_name(changes, named, graph16, run, short, path):
    run(new_model(graph16), checkpoint=path, should_stop=lambda: True)
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match=f"run.safetensors .* other values of {named}:"):
        run(new_model(graph16), short(**changes), checkpoint=path)
    assert path.read_bytes() == before


def test_another_graph_network_data_or_sampler_is_refused_by_name(qpu, graph16, run, digits, path):
    def resume(model, **options):
        return run(model, checkpoint=path, **options)

    resume(new_model(graph16), should_stop=lambda: True)
    with pytest.raises(CheckpointError, match=r"run.safetensors was made for another graph"):
        resume(new_model(densest_subgraph(qpu, 17)))
    with pytest.raises(CheckpointError, match="other values of hidden:"):
        resume(QDVAE(graph16, (33,)))
    model = new_model(graph16)
    few = make_sampler(model.grbm, num_samples=7, graph=graph16)
    exact = make_sampler(model.grbm, "exact", num_samples=512, graph=graph16)
    for sampler in (few, exact, StubSampler(model)):
        with pytest.raises(CheckpointError, match="other values of sampler:"):
            resume(model, sampler=sampler)
    assert resume(model).finished  # all that was refused has changed nothing


def test_other_images_are_refused_by_name(graph16, run, digits, short, path):
    run(new_model(graph16), checkpoint=path, should_stop=lambda: True)
    with pytest.raises(CheckpointError, match="other values of data:"):
        fit(new_model(graph16), digits.rounded(), short(), checkpoint=path, progress=False)


def test_other_images_from_the_same_source_are_refused(graph16, digits, short, path):
    def learn(images, **options):
        return fit(new_model(graph16), images, short(), checkpoint=path, progress=False, **options)

    bent = digits.jittered(1)
    learn(bent, should_stop=lambda: True)
    before = path.read_bytes()
    changed = bent.images.clone()
    changed[-1, 0, 0, 0] = 0.5
    others = [1 - bent.images, bent.images.flip(0), digits.jittered(1, seed=2).images, changed]
    for images in others:
        with pytest.raises(
            CheckpointError, match="other images than these, though both are called"
        ):
            learn(replace(bent, images=images))
    assert path.read_bytes() == before
    assert learn(digits.jittered(1)).finished


def test_what_a_sampler_measured_may_differ(graph16, run, short, path):
    """The prefactor of a device comes from the file; a measurement never repeats exactly."""
    config = short(sample_every=5)

    def annealed(prefactor, **options):
        model = new_model(graph16)
        sampler = make_sampler(
            model.grbm, "annealer", num_samples=8, graph=graph16, num_sweeps=20, prefactor=prefactor
        )
        return sampler, run(model, config, sampler=sampler, checkpoint=path, **options)

    annealed(0.15, should_stop=lambda: True)
    sampler, result = annealed(0.16)
    assert result.finished
    assert sampler.prefactor == 0.15


def test_a_run_that_went_on_from_another_model_is_refused(graph16, run, path):
    def going_on_from(step, **options):
        model = new_model(graph16)
        model.info = {"start": {"step": step}}
        return run(model, checkpoint=path, **options)

    going_on_from(10, should_stop=lambda: True)
    with pytest.raises(CheckpointError, match="other values of start"):
        going_on_from(20)
    assert going_on_from(10).finished


def test_a_file_without_a_run_is_refused(graph16, run, path):
    model = new_model(graph16)
    save_checkpoint(model, path)
    with pytest.raises(CheckpointError, match="holds no training run"):
        run(new_model(graph16), checkpoint=path)
    run(model)
    save_checkpoint(model, path)  # finished, and saved as a model alone
    with pytest.raises(CheckpointError, match="without its training state"):
        run(new_model(graph16), checkpoint=path)


def test_the_file_holds_weights_moments_chains_and_random_numbers(graph16, run, path):
    model = new_model(graph16)
    run(model, checkpoint=path, should_stop=lambda: True)
    tensors = load_file(path)
    names = {name[6:] for name in tensors if name.startswith("extra.")}
    own = {"generator", "prior_spins", "sampler.bits", "sampler.calls", "sampler.generator"}
    assert {f"process0.{name}" for name in own} | {"seconds"} <= names
    moments = {f"optimizer.{i}" for i, _ in enumerate(model.parameters())}
    assert {name.rpartition(".")[0] for name in names if name.startswith("optimizer")} == moments
    weights = model.state_dict().items()
    assert all(torch.equal(tensors[f"model.{name}"], value) for name, value in weights)
