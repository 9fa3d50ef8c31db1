"""Double precision, as torch's default or a model's own: right answers; half: refused."""

import pytest
import torch
from small_models import new_model, random_grbm, z_scores

from qdvae_helpers.errors import SamplerError, SettingError
from qdvae_helpers.evaluate import energy_decorrelation, enumerate_states, moment_gap
from qdvae_helpers.likelihood import binarise, log_likelihood, log_partition_function
from qdvae_helpers.losses import kl_loss, mmd_loss, spin_kernel
from qdvae_helpers.models import GaussianVAE
from qdvae_helpers.profiles import PROFILES
from qdvae_helpers.samplers import make_sampler
from qdvae_helpers.training import TrainConfig, fit, prepare_run

KINDS = ("gibbs", "exact", "annealer")


@pytest.fixture(params=["the default", "the model's own"])
def double(request):
    """A function that makes something double in one of two ways; the default is put back."""
    if request.param == "the default":
        torch.set_default_dtype(torch.float64)
        yield lambda make: make()
    else:
        yield lambda make: make().double()
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_samplers_draw_from_the_very_model(kind, double, graph12):
    grbm = double(lambda: random_grbm(graph12, 3))
    assert grbm.linear.dtype == torch.float64
    sampler = make_sampler(grbm, kind, num_samples=5_000, seed=2, graph=graph12)
    spins = sampler.sample() if kind == "annealer" else sampler.fresh()
    assert spins.dtype == torch.float64
    limit = 12 if kind == "annealer" else 4.5  # whose temperature is known within some percent
    assert z_scores(grbm, spins).abs().max() < limit
    assert 0 <= moment_gap(grbm, spins, spins) < 1
    assert energy_decorrelation(grbm, spins, spins) < 1e-6
    truth = enumerate_states(grbm).log_partition_function
    assert log_partition_function(grbm, levels=200).value == pytest.approx(truth, abs=0.1)


def test_models_encode_decode_and_generate_as_in_single_precision(double, graph12, digits):
    torch.set_default_dtype(torch.float32)
    single = new_model(graph12).eval()
    model = double(lambda: new_model(graph12)).eval()
    model.load_state_dict(single.state_dict())
    images = digits.images[:20]
    torch.testing.assert_close(model.encode(images).float(), single.encode(images))
    assert model.generate(4, seed=3).shape == (4, 1, 28, 28)
    assert model.reconstruct(images).shape == images.shape
    assert model.refine(model.generate(2, seed=1), 1).isfinite().all()
    estimate = log_likelihood(model, binarise(images), 1.0, draws=5, seed=1)
    assert estimate.value == pytest.approx(
        log_likelihood(single, binarise(images), 1.0, draws=5, seed=1).value, abs=5
    )
    logits = model.encode(images)
    spins = model.spins(logits)
    assert kl_loss(logits, model.grbm, spins).isfinite()
    assert mmd_loss(spins, spins.roll(1, 0), spin_kernel(12).to(spins.dtype)).isfinite()
    vae = double(lambda: GaussianVAE(3, (8,)))
    assert vae.reconstruct(images).shape == vae.generate(20, seed=1).shape


def test_a_default_of_double_precision_does_not_reach_training(digits, graph12):
    options = {"profile": PROFILES["fast"], "graph": graph12, "steps": 3, "batch_size": 50}
    torch.set_default_dtype(torch.float64)
    try:
        for recipe in ("elbo", "iwae", "mmd"):
            run = prepare_run(digits, digits.first(50), recipe=recipe, **options)
            assert {p.dtype for p in run.model.parameters()} == {torch.float32}
            (*_, last) = run.fit(progress=False).history
            assert 150 < last["validation"] < 600
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_training_in_other_precisions_is_refused_at_once(dtype, digits, graph12):
    with pytest.raises(SettingError, match=r"call model\.float\(\) first"):
        fit(new_model(graph12).to(dtype), digits, TrainConfig(steps=1, batch_size=5))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("kind", KINDS)
def test_samplers_refuse_half_precision(kind, dtype, graph12):
    with pytest.raises(SamplerError, match=r"grbm\.float\(\)"):
        make_sampler(random_grbm(graph12, 3).to(dtype), kind, graph=graph12).sample()
