"""Exact sampling by tree decomposition, against a list of all states."""

import random

import pytest
import torch
from small_models import random_grbm, z_scores

from qdvae_helpers.errors import SamplerError
from qdvae_helpers.evaluate import enumerate_states
from qdvae_helpers.graphs import densest_subgraph
from qdvae_helpers.samplers import make_sampler


@pytest.mark.parametrize("beta", [1.0, 0.4])
def test_samples_and_partition_function_agree_with_enumeration(beta, grbm12, graph12):
    sampler = make_sampler(grbm12, "exact", num_samples=10_000, graph=graph12, beta=beta)
    assert z_scores(grbm12, sampler.sample(), beta).abs().max() < 4.5
    truth = enumerate_states(grbm12, beta).log_partition_function
    before = sampler.state_dict()
    assert sampler.log_partition_function() == pytest.approx(truth, abs=1e-4)
    assert sampler.state_dict() == before


def test_pythons_random_numbers_neither_matter_nor_change(qpu):
    """The heuristic that orders the spins breaks its ties with them."""
    graph = densest_subgraph(qpu, 40)
    grbm = random_grbm(graph, seed=0)
    drawn = []
    for seed in range(3):
        random.seed(seed)
        before = random.getstate()
        drawn.append(make_sampler(grbm, "exact", num_samples=10, graph=graph).sample())
        assert random.getstate() == before
    assert torch.equal(drawn[0], drawn[1])
    assert torch.equal(drawn[0], drawn[2])


def test_a_graph_too_large_is_refused(qpu):
    graph = densest_subgraph(qpu, 128)
    with pytest.raises(SamplerError, match="treewidth"):
        make_sampler(random_grbm(graph, 0), "exact", graph=graph)
