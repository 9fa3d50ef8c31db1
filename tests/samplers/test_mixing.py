"""Chains that have not mixed say so, and those that have are silent.

Total variation from the exact distribution, which these small graphs allow, is the judge.
"""

import warnings

import pytest
import torch
from small_models import StubSampler, new_model, random_grbm

from qdvae_helpers.checkpoints import load_pretrained
from qdvae_helpers.errors import MixingWarning
from qdvae_helpers.evaluate import enumerate_states
from qdvae_helpers.graphs import densest_subgraph
from qdvae_helpers.samplers import GibbsSampler
from qdvae_helpers.samplers.mixing import HARDLY_MIXED
from qdvae_helpers.training import TrainConfig, fit, format_report

SIZES, CHAINS, SWEEPS = (12, 13, 14, 15, 16), 1_000, 1_000


def total_variation(exact, spins: torch.Tensor) -> float:
    """Between the exact distribution and the frequencies of these strings."""
    numbers = ((spins > 0).long() << torch.arange(spins.shape[1])).sum(1)
    share = torch.bincount(numbers, minlength=len(exact.probabilities)).double() / len(spins)
    return float((share - exact.probabilities).abs().sum() / 2)


@pytest.fixture(scope="module")
def ten(qpu):
    """Ten strongly coupled random graphs: excess of the total variation, and how well they mix."""
    found = []
    for k in range(10):
        graph = densest_subgraph(qpu, SIZES[k % 5])
        grbm = random_grbm(graph, seed=k, scale=1.5)
        exact = enumerate_states(grbm)
        generator = torch.Generator().manual_seed(k)
        rows = torch.multinomial(exact.probabilities, CHAINS, True, generator=generator)
        noise = total_variation(exact, exact.states[rows])
        chains = GibbsSampler(grbm, CHAINS, SWEEPS, seed=1, graph=graph)
        excess = total_variation(exact, chains.sample()) - noise
        told = chains.mixing(), bool(chains.doubt())
        annealed = total_variation(exact, chains.restart(500)) - noise
        found.append((excess, *told, annealed))
    return found


def test_it_warns_on_every_graph_where_persistent_chains_err_and_nowhere_else(ten):
    far = [case for case in ten if case[0] > 0.05]
    near = [case for case in ten if case[0] < 0.03]
    assert (len(far), len(near)) == (6, 4)
    assert all(warned for _, _, warned, _ in far)
    assert sum(warned for _, _, warned, _ in near) <= 1  # slow, and yet in time


def test_on_these_graphs_annealed_chains_are_right_and_silent(ten, qpu):
    assert max(annealed for *_, annealed in ten) < 0.03
    graph = densest_subgraph(qpu, 12)
    chains = GibbsSampler(random_grbm(graph, 5, 1.5), 200, graph=graph)
    chains.sample()
    assert chains.doubt()
    chains.fresh()
    assert chains.doubt() == ""
    chains.more()  # further strings of each chain are from its valley
    assert chains.doubt()


@pytest.mark.parametrize(("scale", "seed"), [(0.0, 0), (0.2, 1), (0.2, 2), (0.4, 3), (0.4, 4)])
def test_weakly_coupled_chains_are_never_doubted(scale, seed, qpu):
    graph = densest_subgraph(qpu, 64 if seed % 2 else 14)
    chains = GibbsSampler(random_grbm(graph, seed, scale), 64 + 150 * seed, seed=seed, graph=graph)
    chains.sample()
    assert chains.mixing() > HARDLY_MIXED
    assert chains.doubt() == ""


def test_a_look_at_the_chains_leaves_them_and_their_numbers_alone(qpu):
    graph = densest_subgraph(qpu, 64)
    looked, twin = (GibbsSampler(random_grbm(graph, 1), 100, graph=graph) for _ in range(2))
    for _ in range(2):
        assert looked.mixing() == looked.mixing()
        assert torch.equal(looked.sample(), twin.sample())
    later = GibbsSampler(random_grbm(graph, 1), 100, graph=graph)
    later.load_state_dict(twin.state_dict())
    assert later.diagnostics() == looked.diagnostics()  # a resumed run reports the same


def test_few_chains_do_not_tell(qpu, graph12):
    grbm = random_grbm(graph12, 5, 1.5)
    assert GibbsSampler(grbm, 63, graph=graph12).diagnostics() == {}
    assert GibbsSampler(grbm, 64, graph=graph12).diagnostics().keys() == {"mixing"}
    grbm.linear.data.fill_(-50)  # every spin always up
    chains = GibbsSampler(grbm, 64, graph=graph12)
    chains.sample()
    assert chains.mixing() == 1


def test_few_families_are_doubted(qpu):
    graph = densest_subgraph(qpu, 256)
    chains = GibbsSampler(random_grbm(graph, 0, 2.0), 300, graph=graph)
    chains.restart(60)
    assert "descend from about" in chains.doubt()
    chains.anneal(12, resample=False)
    assert chains.families is None


# --- where it is said ---


def frozen(graph):
    """A model whose chains stay where they are."""
    model = new_model(graph)
    model.grbm.quadratic.data.fill_(-3.0)
    return model


@pytest.fixture
def config() -> TrainConfig:
    return TrainConfig(steps=3, batch_size=10, report_every=1, prior_learning_rate=1e-9)


def test_training_with_such_chains_says_so_once_and_in_every_report(
    graph12, digits, config, capsys
):
    with pytest.warns(MixingWarning, match=r"restart\(\).*prior_learning_rate") as caught:
        result = fit(frozen(graph12), digits, config)
    assert len([w for w in caught if w.category is MixingWarning]) == 1
    assert caught[0].filename == __file__
    assert all(0 <= report["mixing"] < HARDLY_MIXED for report in result.history)
    assert capsys.readouterr().out.count("| hardly mixing 0.") == 3
    with warnings.catch_warnings():
        warnings.simplefilter("error", MixingWarning)  # who asks for silence reads the reports
        (*_, last) = fit(frozen(graph12), digits, config, progress=False).history
    assert last["mixing"] < HARDLY_MIXED


def test_training_with_others_is_silent(graph12, digits, config):
    with warnings.catch_warnings():
        warnings.simplefilter("error", MixingWarning)
        (*_, last) = fit(new_model(graph12), digits, config, progress=False).history
    assert last["mixing"] > 0.9
    assert "mixing" not in format_report(last)


def test_generating_from_doubtful_strings_says_so(graph12):
    model = frozen(graph12)

    class Doubtful(StubSampler):
        def doubt(self) -> str:
            return "These spins are made up."

    for draw in (model.generate, model.prior_strings):
        with pytest.warns(MixingWarning, match="made up") as caught:
            draw(3, Doubtful(model))
        assert caught[0].filename == __file__


@pytest.mark.parametrize("name", ["qdvae-256", "qdvae-256-labels"])
def test_the_shipped_models_are_not_doubted(name):
    model = load_pretrained(name)
    with warnings.catch_warnings():
        warnings.simplefilter("error", MixingWarning)
        for n in (1, 40):
            model.generate(n, seed=n)
        model.prior_strings(70, seed=1)
