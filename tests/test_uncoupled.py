"""Graphs without couplers, with lonely qubits, and of a single one: models like any other.

A prior without couplings is the control of many a question, so it has to work everywhere.
"""

import math

import pytest
import torch
from small_models import StubSampler, z_scores

from qdvae_helpers.checkpoints import load_checkpoint, save_checkpoint
from qdvae_helpers.commands import main
from qdvae_helpers.errors import GraphError, SamplerError, SettingError
from qdvae_helpers.evaluate import enumerate_states, moment_gap
from qdvae_helpers.graphs import QPUGraph
from qdvae_helpers.likelihood import binarise, log_likelihood, log_partition_function
from qdvae_helpers.models import QDVAE
from qdvae_helpers.profiles import PROFILES
from qdvae_helpers.samplers import GibbsSampler, SimulatedQPU, estimate_beta, make_sampler
from qdvae_helpers.training import prepare_run

KINDS = ("no couplers", "lonely qubits", "one qubit")


@pytest.fixture(scope="module")
def graphs(qpu) -> dict[str, QPUGraph]:
    whole = qpu.to_networkx()
    apart: list[int] = []
    for node in qpu.nodes:
        if len(apart) < 6 and not any(whole.has_edge(node, other) for other in apart):
            apart.append(node)
    pair = qpu.edges[0]
    far = [node for node in reversed(qpu.nodes) if not any(whole.has_edge(node, p) for p in pair)]
    chosen = {KINDS[0]: apart, KINDS[1]: [*pair, *far[:3:2]], KINDS[2]: apart[:1]}
    return {name: qpu.subgraph(nodes) for name, nodes in chosen.items()}


@pytest.fixture(params=KINDS)
def model(request, graphs) -> QDVAE:
    """With fields of both signs, and the one coupling there may be."""
    model = QDVAE(graphs[request.param], (16,))
    model.grbm.linear.data = torch.linspace(-0.7, 0.8, model.n_spins)
    model.grbm.quadratic.data.fill_(0.5)
    return model.eval()


@pytest.mark.parametrize("kind", ["gibbs", "exact"])
def test_samplers_agree_with_enumeration(kind, model):
    sampler = make_sampler(model.grbm, kind, num_samples=20_000, seed=1, graph=model.graph)
    for draw in (sampler.sample, sampler.fresh, sampler.more):
        assert z_scores(model.grbm, draw()).abs().max() < 4.5
    assert sampler.doubt() == ""
    assert sampler.problem_on_chip()[1].shape == (model.grbm.n_edges,)
    assert str(sampler.provenance)


def test_a_device_is_measured_without_couplings_too(model):
    sampler = make_sampler(model.grbm, "annealer", num_samples=4_000, graph=model.graph)
    true = sampler.device.substitute_kwargs["beta_range"][1]
    assert 1 / sampler.prefactor == pytest.approx(true, rel=0.15)
    beta, error = estimate_beta(model.grbm, sampler.sample())
    assert abs(beta - 1) < 0.1 + 4 * error


def test_clamped_spins_stay(model):
    given = torch.full((7, model.n_spins), math.nan)
    given[:, 0] = 1
    spins = GibbsSampler(model.grbm, 5, graph=model.graph).sample(given)
    assert spins.shape == (7, model.n_spins)
    assert (spins[:, 0] == 1).all()


def test_the_partition_function_agrees_with_its_product(model):
    truth = enumerate_states(model.grbm).log_partition_function
    if model.grbm.n_edges == 0:
        assert truth == pytest.approx(float((2 * model.grbm.linear.cosh()).log().sum()))
    exact = make_sampler(model.grbm, "exact", graph=model.graph).log_partition_function()
    assert exact == pytest.approx(truth, abs=1e-4)
    value, error = log_partition_function(model.grbm, graph=model.graph, levels=200)
    assert value == pytest.approx(truth, abs=5 * error + 1e-4)


@pytest.mark.parametrize(
    ("model", "recipe", "kind"),
    zip(KINDS, ("elbo", "iwae", "mmd"), ("gibbs", "exact", "annealer"), strict=True),
    indirect=["model"],
)
def test_such_a_model_is_trained_stopped_and_resumed(recipe, kind, model, digits, tmp_path):
    def run():
        options = {"profile": PROFILES["fast"], "graph": model.graph, "recipe": recipe}
        options |= {"steps": 4, "batch_size": 30, "report_every": 2, "sampler": kind}
        return prepare_run(digits, digits.first(50), **options)

    file, first, second = tmp_path / "run.safetensors", run(), run()
    whole = run().fit(progress=False).history
    first.fit(progress=False, checkpoint=file, should_stop=lambda: True)
    resumed = second.fit(progress=False, checkpoint=file).history
    for report in whole + resumed:
        report.pop("seconds")
        assert all(math.isfinite(number) for number in report.values())
        assert model.grbm.n_edges or report["coupling_rms"] == report["moment_gap"] == 0
    assert resumed == whole


def test_such_a_model_generates_and_survives_its_file(model, digits, tmp_path):
    save_checkpoint(model, tmp_path / "model.safetensors")
    loaded = load_checkpoint(tmp_path / "model.safetensors").eval()
    assert torch.equal(loaded.generate(3, seed=1), model.generate(3, seed=1))
    spins = enumerate_states(loaded.grbm).states
    torch.testing.assert_close(loaded.grbm(spins), model.grbm(spins))
    assert log_likelihood(model, binarise(digits.images[:1]), 1.0, draws=3).error == math.inf


def test_a_gap_without_couplers_is_none(graphs):
    model = QDVAE(graphs["no couplers"], (8,))
    spins = StubSampler(model).sample()
    assert moment_gap(model.grbm, spins, spins) == 0


def test_without_qubits_there_is_no_model(digits):
    empty = QPUGraph((), ())
    with pytest.raises(SettingError, match="qubits=0 must be 1 or more"):
        QDVAE(empty)
    with pytest.raises(SamplerError, match="without qubits"):
        SimulatedQPU(empty)
    with pytest.raises(SettingError, match="n_spins=0 must be 1 or more"):
        prepare_run(digits, n_spins=0)
    with pytest.raises((SettingError, GraphError)):
        prepare_run(digits, graph=empty)


def test_the_command_trains_one_spin(tmp_path):
    file = tmp_path / "one.safetensors"
    given = ["train", "--profile", "fast", "--spins", "1", "--steps", "2", "--output", str(file)]
    assert main(given) == 0
    assert load_checkpoint(file).n_spins == 1
