"""What a device accepts."""

import dimod
import networkx as nx
import pytest

from qdvae_helpers.errors import SamplerError
from qdvae_helpers.qpu.ranges import check_coupling_groups, check_ranges

RANGES = {"h_range": [-4.0, 4.0], "extended_j_range": [-2.0, 1.0]}


def test_all_inside_the_ranges_passes_their_ends_included():
    assert check_ranges({1: -4.0, 2: 4.0}, {(1, 2): 1.0, (2, 3): -2.0}, RANGES) is None
    assert check_ranges({}, {}, RANGES) is None


@pytest.mark.parametrize(
    ("h", "j", "said"),
    [
        ({1: 4.1, 2: -5.0, 3: 4.5}, {}, r"h = -5 is outside the device's range \[-4, 4\]"),
        ({1: 0.0}, {(1, 2): 1.1}, r"J = 1.1 is outside the device's range \[-2, 1\]"),
        ({1: 0.0}, {(1, 2): 1.1, (2, 3): -2.5}, "J = -2.5 .* lower the prefactor, or train"),
        ({1: float("nan")}, {}, "h = nan"),
    ],
)
def test_the_worst_value_is_named_with_its_range_and_a_remedy(h, j, said):
    with pytest.raises(SamplerError, match=said):
        check_ranges(h, j, RANGES)


def test_a_group_of_couplers_has_a_limit_of_its_own(live):
    whole = live.to_networkx()
    whole.graph.update(family="zephyr", rows=12, tile=4, labels="int")
    properties = {"per_group_coupling_range": [-3.0, 3.0]}

    def ferromagnet(j) -> dimod.BinaryQuadraticModel:
        return dimod.BinaryQuadraticModel.from_ising({}, dict.fromkeys(live.edges, j))

    with pytest.raises(SamplerError, match=r"group at qubit \d+ add up to .* lower the prefactor"):
        check_coupling_groups(ferromagnet(0.9), lambda: whole, properties)
    with pytest.raises(SamplerError, match=r"add up to -"):
        check_coupling_groups(ferromagnet(-0.9), lambda: whole, properties)
    assert check_coupling_groups(ferromagnet(0.9), lambda: whole, {}) is None  # no such limit


def test_the_whole_graph_is_not_asked_for_where_no_group_can_reach_the_limit(live):
    def refuse() -> nx.Graph:
        raise AssertionError("it takes a second on a real device")

    weak = dimod.BinaryQuadraticModel.from_ising({}, dict.fromkeys(live.edges, 0.01))
    properties = {"per_group_coupling_range": [-3.0, 3.0]}
    assert check_coupling_groups(weak, refuse, properties) is None
