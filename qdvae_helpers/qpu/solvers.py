"""What a solver says of itself and answers, judged before it is believed."""

import math
import numbers
from collections.abc import Callable
from typing import Any

from dwave.cloud.solver import StructuredSolver

from qdvae_helpers.errors import QPUError
from qdvae_helpers.qpu.causes import OFFLINE, WrongAnswerError

LONGEST_US = 3.6e9  # an hour: no single problem runs as long on a QPU


def is_number(value: Any, low: float = -math.inf, high: float = math.inf) -> bool:
    """Whether it is a finite number of this range, and neither a truth value nor a text."""
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return real and math.isfinite(value) and low <= value <= high


def is_access_time(microseconds: Any) -> bool:
    """Whether it can be the QPU access time of a problem."""
    return is_number(microseconds, 0, LONGEST_US) and microseconds > 0


def _is_whole(value: Any, low: int) -> bool:
    return isinstance(value, int) and is_number(value, low)


def _is_range(value: Any, low: float = -math.inf) -> bool:
    pair = isinstance(value, list | tuple) and len(value) == 2
    return pair and all(is_number(end, low) for end in value) and value[0] < value[1]


def _is_bias_range(value: Any) -> bool:
    return _is_range(value) and value[0] <= 0 <= value[1]


def _is_topology(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("shape"), list | tuple):
        return False
    kind, shape = value.get("type"), value["shape"]
    return isinstance(kind, str) and bool(kind) and all(_is_whole(size, 1) for size in shape)


def _are_qubits(value: Any) -> bool:
    if not isinstance(value, list | tuple) or not all(_is_whole(qubit, 0) for qubit in value):
        return False
    return 0 < len(value) == len(set(value))


def _are_couplers(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(
        isinstance(pair, list | tuple) and len(pair) == 2 and _are_qubits(pair) for pair in value
    )


# What every use of a QPU needs; the J range may have either name.
_NEEDED: dict[str, Callable[[Any], bool]] = {
    "topology": _is_topology,
    "qubits": _are_qubits,
    "couplers": _are_couplers,
    "h_range": _is_bias_range,
    "num_reads_range": lambda value: _is_range(value, 0) and all(_is_whole(n, 0) for n in value),
    "parameters": lambda value: isinstance(value, dict),
    "supported_problem_types": lambda value: isinstance(value, list) and "ising" in value,
}
# What older solvers may lack, and what only some calls ask for.
_OPTIONAL: dict[str, Callable[[Any], bool]] = {
    "category": lambda value: value == "qpu",
    "j_range": _is_bias_range,
    "extended_j_range": _is_bias_range,
    "per_group_coupling_range": _is_bias_range,
    "annealing_time_range": lambda value: _is_range(value, 0),
    "problem_run_duration_range": lambda value: _is_range(value, 0),
    "default_annealing_time": lambda value: is_number(value, 0) and value > 0,
    "default_readout_thermalization": lambda value: is_number(value, 0),
    "default_programming_thermalization": lambda value: is_number(value, 0),
    "quota_conversion_rate": lambda value: is_number(value, 0) and value > 0,
}


def judge_properties(name: str, properties: Any) -> None:
    """Refuse a QPU whose properties are not those of one.

    Raises:
        QPUError: names the property and the solver.
    """
    properties = properties if isinstance(properties, dict) else {}
    for key in _NEEDED:
        if key not in properties:
            raise _odd(name, key, "is missing")
    for key, right in (_NEEDED | _OPTIONAL).items():
        if key in properties and not right(properties[key]):
            raise _odd(name, key, "is not what it should be")
    if not {"j_range", "extended_j_range"} & set(properties):
        raise _odd(name, "extended_j_range", "is missing")
    if not {qubit for pair in properties["couplers"] for qubit in pair} <= set(
        properties["qubits"]
    ):
        raise _odd(name, "couplers", "names qubits that are none")


def _odd(name: str, key: str, how: str) -> QPUError:
    return QPUError(
        f"The solver {name} cannot be used, since its property '{key}' {how}: choose another "
        f"solver (DWAVE_API_SOLVER) or try again later, {OFFLINE}."
    )


def asked_of(solver: StructuredSolver, name: str) -> Any:
    """A property that not every solver has, or a QPUError that names it."""
    if name not in solver.properties:
        raise _odd(solver.name, name, "is missing")
    return solver.properties[name]


def most_reads(solver: StructuredSolver, **options) -> int:
    """Most reads of one submission with these options, or a QPUError that says what is missing."""
    try:
        return solver.max_num_reads(**options)
    except KeyError as error:
        missing = error.args[0]
    raise _odd(solver.name, missing, "is missing")


def estimated_s(solver: StructuredSolver, num_qubits: int, num_reads: int, **options) -> float:
    """Seconds of QPU access time of one submission, from the solver's own timing data."""
    asked_of(solver, "problem_timing_data")
    estimate, fault = None, "does not say how long problems take"
    try:
        estimate = solver.estimate_qpu_access_time(num_qubits, num_reads, **options)
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        if isinstance(error.__context__, KeyError):  # the client looked for a part of it
            fault = f"lacks '{error.__context__.args[0]}'"
    if not is_access_time(estimate):
        raise _odd(solver.name, "problem_timing_data", f"{fault}, so cost cannot be foreseen")
    return float(estimate) / 1e6


def guard_answers(solver: StructuredSolver) -> None:
    """Refuse answers that would fill the memory, before they are decoded."""
    decode = solver.decode_response
    reads, qubits = solver.properties["num_reads_range"][1], max(solver.properties["qubits"])

    def decode_response(message: dict, *arguments, **options):
        answer = message.get("answer") or {}
        size, energies = answer.get("num_variables"), answer.get("energies")
        # Base64 of doubles; a chip may count qubits that it never had.
        if not is_number(size, 1, 10 * qubits + 10_000) or not isinstance(energies, str):
            raise WrongAnswerError("another number of qubits")
        if len(energies) > 11 * reads + 16:
            raise WrongAnswerError("another number of reads")
        return decode(message, *arguments, **options)

    solver.decode_response = decode_response
