"""What a solver says of itself and answers is judged before it is believed."""

import pytest
from fake_leap import ODD_ANSWERS, TOKEN, properties

from qdvae_helpers.errors import GraphError, QPUError, SamplerError
from qdvae_helpers.qpu import qpu_tally
from qdvae_helpers.qpu.leap import close, connect
from qdvae_helpers.qpu.solvers import is_access_time, is_number, judge_properties
from qdvae_helpers.samplers import working_graph
from qdvae_helpers.samplers.live import live_graph

NAN, INF = float("nan"), float("inf")
PAIRS = [None, [], [1.0], [1.0, 2.0, 3.0], ["a", "b"], [None, 1.0], "ab", 5, {}, [1.0, -1.0]]
RANGES = [
    "h_range",
    "extended_j_range",
    "num_reads_range",
    "annealing_time_range",
    "problem_run_duration_range",
]
ODD = {name: [*PAIRS, [0.0, 0.0], [True, False]] for name in RANGES}
ODD |= {
    "per_group_coupling_range": PAIRS,
    "category": [None, "", "hybrid", 5, ["qpu"]],
    "topology": [None, {}, "zephyr", [], {"type": "zephyr"}, {"type": None, "shape": [12, 4]}]
    + [{"type": "zephyr", "shape": shape} for shape in (None, 12, ["a"], [0], [1.5], [-1], "12")],
    "qubits": [None, [], {}, "12", [None], ["1"], [1.5], [-1], [1, 1], [True], 5],
    "couplers": [None, {}, "12", [None], [[1]], [[1, 2, 3]], [["a", "b"]], [[1, 1]], [[-1, 2]], 5],
    "default_annealing_time": [None, "20", 0, -1.0, []],
    "default_readout_thermalization": [None, "0", -1.0],
    "default_programming_thermalization": [None, "0", -1.0],
    "quota_conversion_rate": [None, 0, -1, "1"],
    "parameters": [None, [], "num_reads"],
    "supported_problem_types": [None, [], ["qubo"], "ising"],
    "problem_timing_data": [None, [], "x", {}, {"version": "9"}],
}
TIMING = [
    "version",
    "typical_programming_time",
    "default_annealing_time",
    "default_programming_thermalization",
    "readout_time_model",
    "readout_time_model_parameters",
    "qpu_delay_time_per_sample",
]
OPTIONAL = {"quota_conversion_rate", "per_group_coupling_range"}
CASES = [(name, value) for name, values in ODD.items() for value in values]


@pytest.mark.parametrize("missing", sorted(set(ODD) - OPTIONAL))
def test_a_property_that_is_missing_is_named(live, missing):
    said = properties(live) | {"qubits": list(live.nodes), "couplers": list(live.edges)}
    judge_properties("Q", said)
    del said[missing]
    with pytest.raises(QPUError, match=f"The solver Q .*'{missing}' is missing"):
        judge_properties("Q", said)


@pytest.mark.parametrize("row", range(len(CASES)))
def test_a_property_that_is_odd_is_named_with_its_solver(leap, row):
    name, value = CASES[row]
    leap.properties[name] = value
    with pytest.raises(QPUError) as caught:
        connect(solver={"name__regex": ".*"})
    said = str(caught.value)
    # The client passes over what it takes for no QPU, so a category is not always heard of.
    elsewhere = name in ("category", "supported_problem_types") and "No QPU of the wanted" in said
    assert elsewhere or (f"'{name}'" in said and "Advantage2_test" in said), said
    assert "stay offline" in said
    assert TOKEN not in said
    assert caught.value.__cause__ is caught.value.__context__ is None


@pytest.mark.parametrize("field", TIMING)
@pytest.mark.parametrize("value", [None, "x", -1e12, []], ids=repr)
def test_timing_data_without_sense_are_refused(leap, field, value):
    leap.properties["problem_timing_data"] |= {field: value}
    with pytest.raises(QPUError, match=r"'problem_timing_data'.* cost cannot be foreseen"):
        connect("zephyr")


def test_couplers_of_qubits_that_are_none_are_named(leap):
    leap.properties["couplers"] = [[leap.graph.nodes[0], 10**6]]
    with pytest.raises(QPUError, match="'couplers' names qubits that are none"):
        connect("zephyr")


def test_graphs_of_odd_solvers_are_no_graphs(leap, capsys):
    leap.properties["topology"] = None
    with pytest.raises(GraphError, match=r"zephyr|topology|No QPU"):
        live_graph()
    assert "ideal" in working_graph("auto").source
    assert "Continuing with the ideal graph." in capsys.readouterr().out


def test_values_that_json_cannot_hold_are_no_numbers():
    for value in (NAN, INF, -INF, True, "1", None, [1], 1j):
        assert not is_number(value)
        assert not is_access_time(value)
    assert is_number(0)
    assert is_access_time(1)
    assert not is_access_time(0)
    assert not is_access_time(-1)
    assert not is_access_time(1e12)


# Answers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", sorted(ODD_ANSWERS))
def test_an_odd_answer_is_fetched_again_and_at_last_refused(leap, submitter, send, fault):
    one = submitter(retries=2)
    leap.faults["load"].append(fault)
    send(one)
    leap.faults["load"].extend([fault] * 3)
    with pytest.raises(QPUError, match=r"no proper answer .*\(Problem problem-2; it is counted"):
        send(one)
    assert len(leap.drawn) == 2
    assert qpu_tally().spent_s >= leap.charged_s


# Numbers of a call -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "numbers",
    [{"gauges": value} for value in (-1, 1.5, "2", None, NAN, 10**9, True)]
    + [{"annealing_time": value} for value in (NAN, INF, "20", -1, 0, [20], True)]
    + [{"search_s": value} for value in (0, -1, NAN, "10", 1.5)]
    + [{"deadline_s": value} for value in (0, NAN, "60")]
    + [{"timeout_s": 0}, {"retries": -1}, {"backoff_s": NAN}, {"ask_again_s": "x"}]
    + [{"num_samples": value} for value in (0, -1, 1.5, "9")],
    ids=str,
)
def test_numbers_that_cannot_be_are_refused_before_anything_is_sent(leap, make_live, numbers):
    (name,) = numbers
    with pytest.raises(SamplerError, match=name):
        make_live(**numbers)
    assert "submit" not in leap.requests


def test_an_annealing_time_that_no_read_fits_is_refused(leap, device):
    leap.properties["problem_run_duration_range"] = [0.0, 1_500.0]
    with pytest.raises(SamplerError, match="annealing_time"):
        device(annealing_time=2000.0).batches(10)


def test_a_good_solver_passes_in_spite_of_properties_that_nobody_knows(leap):
    leap.properties |= {"new": None, "per_group_coupling_range": [-13.0, 10.0]}
    close(connect("zephyr"))
