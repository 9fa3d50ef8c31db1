"""What a training run tells."""

import pytest
import torch
from small_models import new_model, random_grbm, true_beta

from qdvae_helpers.data import held_out_sample
from qdvae_helpers.evaluate import dead_spins, moment_gap
from qdvae_helpers.graphs import densest_subgraph
from qdvae_helpers.losses import encoder_entropy, reconstruction_loss
from qdvae_helpers.samplers import make_sampler
from qdvae_helpers.training import format_report
from qdvae_helpers.training.reports import make_report, probe

KEYS = {
    "reconstruction",
    "validation",
    "entropy",
    "dead_spins",
    "coupling_rms",
    "moment_gap",
    "energy_decorrelation",
}


def test_the_probe_is_the_same_random_thousand_every_time():
    images = held_out_sample(1_200)
    probed = probe(images, binarised=False, device=torch.device("cpu"))
    assert probed.shape == (1_000, 1, 28, 28)
    assert torch.equal(probed, images.sample(1_000).images)
    assert not torch.equal(probed, images.images[:1_000])
    drawn = [probe(images, binarised=True, device=torch.device("cpu")) for _ in range(2)]
    assert torch.equal(drawn[0], drawn[1])
    assert set(drawn[0].unique().tolist()) == {0.0, 1.0}


def test_the_probe_of_a_few_images_is_all_of_them(digits):
    probed = probe(digits, binarised=False, device=torch.device("cpu"))
    assert sorted(probed.sum((1, 2, 3)).tolist()) == sorted(digits.images.sum((1, 2, 3)).tolist())


def test_a_report_measures_the_held_out_images_where_there_are_any(model, digits):
    spins = [2.0 * torch.randint(2, (50, 16)) - 1 for _ in range(2)]

    def report(held_out):
        return make_report(
            model.train(),
            trained_on=digits.images[:100],
            held_out=held_out,
            prior_spins=spins[0],
            previous_spins=spins[1],
            generator=torch.Generator().manual_seed(0),
        )

    both, alone = report(digits.images[100:]), report(None)
    assert not model.training
    assert both.keys() == KEYS
    assert alone.keys() == KEYS - {"validation"}
    assert both["reconstruction"] == alone["reconstruction"]
    with torch.no_grad():
        generator = torch.Generator().manual_seed(0)
        _, _, pixels = model(digits.images[:100], generator=generator)
        logits, _, held_out_pixels = model(digits.images[100:], generator=generator)
    of_trained = reconstruction_loss(pixels, digits.images[:100])
    of_held_out = reconstruction_loss(held_out_pixels, digits.images[100:])
    assert both["reconstruction"] == pytest.approx(float(of_trained))
    assert both["validation"] == pytest.approx(float(of_held_out))
    assert both["entropy"] == pytest.approx(float(encoder_entropy(logits)))
    assert both["dead_spins"] == dead_spins(logits)
    assert both["moment_gap"] == moment_gap(model.grbm, logits, spins[0])
    assert both["coupling_rms"] == pytest.approx(float(model.grbm.quadratic.detach().std()), 0.1)


def test_a_report_is_one_line(model, run, digits):
    (report,) = run(model, validation=digits, should_stop=None).history[:1]
    line = format_report(report)
    assert "\n" not in line
    assert line.startswith("step     10 |")
    assert f"(held out {report['validation']:6.1f})" in line
    del report["validation"]
    assert "held out" not in format_report(report)


def test_a_samplers_own_numbers_are_in_the_report(qpu, run, short):
    graph = densest_subgraph(qpu, 24)
    model = new_model(graph)
    model.grbm.quadratic.data = random_grbm(graph, 2).quadratic.data
    options = {"num_samples": 300, "num_sweeps": 200, "track_every": 2}
    sampler = make_sampler(model.grbm, "annealer", graph=graph, **options)
    (_, last) = run(model, short(steps=6, report_every=3), sampler=sampler).history
    assert last["device_beta"] == sampler.diagnostics()["device_beta"]
    assert last["device_beta"] == pytest.approx(true_beta(sampler.device), rel=0.15)
    assert len(sampler.temperatures) == 3
