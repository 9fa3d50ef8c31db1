"""What a solver says of itself and answers is judged before it is believed."""

import pytest
from fake_leap import ODD_ANSWERS, TOKEN, properties

from qdvae_helpers.errors import GraphError, QPUError, SamplerError
from qdvae_helpers.qpu import qpu_tally
from qdvae_helpers.qpu.leap import connect
from qdvae_helpers.qpu.solvers import (
    estimated_s,
    is_access_time,
    is_number,
    judge_properties,
)
from qdvae_helpers.samplers import working_graph
from qdvae_helpers.samplers.live import live_graph

NAN, INF = float("nan"), float("inf")
PAIRS = [None, [], [1.0], [1.0, 2.0, 3.0], ["a", "b"], [None, 1.0], "ab", 5, {}, [1.0, -1.0]]
BIASES = ["h_range", "j_range", "extended_j_range", "per_group_coupling_range"]
RANGES = ["num_reads_range", "annealing_time_range", "problem_run_duration_range"]
# The first of each is also tried on the client, which has its own ways to stumble.
ODD = dict.fromkeys(BIASES, PAIRS) | {name: [*PAIRS, [0.0, 0.0], [True, False]] for name in RANGES}
ODD |= {
    "category": [None, "", "hybrid", 5, ["qpu"]],
    "topology": [None, {}, "zephyr", [], {"type": "zephyr"}, {"type": None, "shape": [12, 4]}]
    + [{"type": "zephyr", "shape": shape} for shape in (None, 12, ["a"], [0], [1.5], [-1], "12")],
    "qubits": [None, [], {}, "12", [None], ["1"], [1.5], [-1], [1, 1], [True], 5],
    "couplers": [None, {}, "12", [None], [[1]], [[1, 2, 3]], [["a", "b"]], [[1, 1]], [[-1, 2]], 5],
    "default_annealing_time": ["20", None, 0, -1.0, [], NAN, INF],
    "default_readout_thermalization": [None, "0", -1.0],
    "default_programming_thermalization": [None, "0", -1.0],
    "quota_conversion_rate": [None, 0, -1, "1"],
    "parameters": [None, [], "num_reads"],
    "supported_problem_types": [None, [], ["qubo"], "ising"],
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
# Asked for only where an annealing time is given, and in this order.
LATER = [
    ("annealing_time_range", [0.5, 2000.0]),
    ("problem_run_duration_range", [0.0, 1e6]),
    ("default_annealing_time", 20.0),
    ("default_readout_thermalization", 0.0),
    ("default_programming_thermalization", 1000.0),
]
NEEDED = {"topology", "qubits", "couplers", "h_range", "num_reads_range", "parameters"} | {
    "supported_problem_types"
}


@pytest.fixture
def said(live) -> dict:
    """What a good solver says of itself."""
    return properties(live) | {"qubits": list(live.nodes), "couplers": list(live.edges)}


@pytest.mark.parametrize("missing", sorted(NEEDED))
def test_what_every_use_needs_and_is_missing_is_named(said, missing):
    judge_properties("Q", said)
    del said[missing]
    with pytest.raises(QPUError, match=f"The solver Q .*'{missing}' is missing"):
        judge_properties("Q", said)


def test_one_of_both_ranges_of_j_is_enough(said):
    del said["extended_j_range"]
    judge_properties("Q", said)
    del said["j_range"]
    with pytest.raises(QPUError, match="'extended_j_range' is missing"):
        judge_properties("Q", said)


@pytest.mark.parametrize("name", sorted(ODD))
def test_a_property_that_is_odd_is_named_with_its_solver(leap, said, name):
    for value in ODD[name]:
        with pytest.raises(QPUError, match=f"solver Q .*'{name}' is not what it should be"):
            judge_properties("Q", said | {name: value})
    leap.properties[name] = ODD[name][0]
    with pytest.raises(QPUError) as caught:
        connect(solver={"name__regex": ".*"})
    message = str(caught.value)
    # The client passes over what it takes for no QPU, so a category is not always heard of.
    elsewhere = name == "category" and "No QPU of the wanted" in message
    assert elsewhere or (f"'{name}'" in message and "Advantage2_test" in message), message
    assert "stay offline" in message
    assert TOKEN not in message
    assert caught.value.__cause__ is caught.value.__context__ is None


def test_an_old_solver_draws_until_something_that_it_lacks_is_asked_for(
    leap, connection, device, send
):
    for name in (*dict(LATER), "extended_j_range", "category"):
        del leap.properties[name]
    assert len(send(device())) == 20
    assert device(gauges=2).properties["extended_j_range"] == [-1.0, 1.0]
    for name, value in LATER:
        with pytest.raises(QPUError, match=f"'{name}' is missing"):
            device(annealing_time=20.0).batches(20)
        for shown in (connection().properties, connection().solver.properties):
            shown[name] = value
    assert len(send(device(annealing_time=20.0))) == 20


def test_a_graph_costs_nothing_so_that_no_cost_need_be_foreseen(leap, make_live):
    del leap.properties["problem_timing_data"]
    assert live_graph().hash == leap.graph.hash
    with pytest.raises(QPUError, match="'problem_timing_data' is missing"):
        make_live()
    assert "submit" not in leap.requests


def test_timing_data_without_sense_are_refused_where_a_cost_is_foreseen(leap, connection):
    solver, good = connection().solver, leap.properties["problem_timing_data"]
    for field in TIMING:
        for value in (None, "x", -1e12, [], NAN):
            solver.properties["problem_timing_data"] = good | {field: value}
            with pytest.raises(QPUError, match="'problem_timing_data' does not say how long"):
                estimated_s(solver, 12, 20)
        solver.properties["problem_timing_data"] = {
            name: value for name, value in good.items() if name != field
        }
        with pytest.raises(QPUError, match=f"'problem_timing_data' lacks '{field}'"):
            estimated_s(solver, 12, 20)
    for value in (None, [], "x", {"version": "9"}):
        solver.properties["problem_timing_data"] = value
        with pytest.raises(QPUError, match=r"'problem_timing_data' .* cost cannot be foreseen"):
            estimated_s(solver, 12, 20)


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


def test_a_good_solver_passes_in_spite_of_properties_that_nobody_knows(said):
    judge_properties("Q", said | {"new": None})
