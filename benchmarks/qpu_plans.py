"""What docs/qpu.md says of a real Advantage2: QPU access time, and where models find a place.

    python benchmarks/qpu_plans.py [SOLVER.json]

The file says of a solver what D-Wave's client knows
(``DWaveSampler().solver.data.model_dump_json()``).  Without one your Leap account is asked, by
D-Wave's own settings (docs/qpu.md).  Times come from ``estimate_qpu_access_time`` of D-Wave's
client and the solver's timing data; nothing is submitted.  A minute or two.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from common import tables
from dwave.cloud.solver import StructuredSolver

from qdvae_helpers.errors import QdvaeError, SettingError
from qdvae_helpers.graphs import QPUGraph, densest_subgraph, ideal_graph
from qdvae_helpers.profiles import PROFILES
from qdvae_helpers.qpu.leap import close, connect
from qdvae_helpers.qpu.placement import compare, place
from qdvae_helpers.training import TrainConfig

_STEPS_OF_LESSON_05 = 1_200  # in the profile lesson


def solver_data(file: Path | None) -> Mapping:
    """What a file, or the account's own QPU, says of a solver; QdvaeError if nothing."""
    if file is None:
        qpu = connect("zephyr")
        close(qpu)
        return qpu.solver.data
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        return {**data, "properties": data["properties"]}
    except (OSError, ValueError, KeyError, TypeError):
        raise SettingError(f"{file} holds no solver's data: name a file that does.") from None


def times(data: Mapping) -> list[str]:
    """Rows of the table of costs."""
    solver = StructuredSolver(None, data)
    fast, lesson = PROFILES["fast"], PROFILES["lesson"]
    steps, pause = lesson.steps, TrainConfig.for_profile(lesson, "qpu").sample_every
    plans = {
        "one small problem": (48, 1, 200),
        "sixty digits, no classes": (256, 1, 60),
        "sixty digits, a class each": (256, 60, 1),
        "sixty digits of one label, 25 classes": (256, 25, 60 / 25),
        "a thousand digits, 250 classes": (256, 250, 1_000 / 250),
        "measuring the temperature, as a rule": (256, 2, 1_000),
        "training, profile fast, every step": (fast.n_spins, fast.steps, fast.num_samples),
        f"lesson 05, every {pause} steps": (
            lesson.n_spins,
            _STEPS_OF_LESSON_05 // pause,
            lesson.num_samples,
        ),
        f"lesson, every {pause} steps": (lesson.n_spins, steps // pause, lesson.num_samples),
        "the same with 10 classes": (
            lesson.n_spins,
            10 * steps // pause,
            lesson.num_samples / 10,
        ),
        "the same with 100 classes": (
            lesson.n_spins,
            100 * steps // pause,
            lesson.num_samples / 100,
        ),
        "lesson, every step": (lesson.n_spins, steps, lesson.num_samples),
        "clamped spins, a row": (256, 1, 1),
        "lesson 11: measuring the temperature": (48, 2 * 5, 1_000),
        "lesson 11: five spin glasses": (48, 5, 256),
    }
    rows = []
    for name, (qubits, calls, samples) in plans.items():
        seconds = calls * solver.estimate_qpu_access_time(qubits, num_reads=samples) / 1e6
        rows.append([name, str(qubits), f"{calls:,}", f"{samples:,g}", f"{seconds:.3g} s"])
    return tables.markdown(
        ["what", "qubits", "submissions", "samples each", "QPU access time"], rows
    )


def places(live: QPUGraph) -> list[str]:
    """Rows of the tables of drift: models of our ideal graph, and of the live one less a qubit."""
    rows = []

    def row(saved: QPUGraph, present: QPUGraph, grown_on: str) -> None:
        missing = len(compare(saved, present).qubits)
        found = "not needed" if not missing else "yes" if place(saved, present) else "no"
        rows.append([str(len(saved.nodes)), grown_on, str(missing), found])

    for n in (12, 48, 64, 128, 144, 160, 192, 256):
        row(densest_subgraph(ideal_graph(), n), live, "our ideal graph")
    for n in (64, 128, 192, 256):
        saved = densest_subgraph(live, n)
        lost = saved.nodes[n // 2]
        present = QPUGraph(
            tuple(q for q in live.nodes if q != lost),
            tuple(edge for edge in live.edges if lost not in edge),
            live.topology,
            live.shape,
        )
        row(saved, present, "that QPU, then one qubit lost")
    return tables.markdown(["qubits", "grown on", "qubits missing", "another place"], rows)


def main() -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("solver", nargs="?", type=Path, metavar="SOLVER.json")
    try:
        data = solver_data(parser.parse_args().solver)
    except QdvaeError as error:
        print(error)
        return 1
    properties = data["properties"]
    topology = properties["topology"]
    live = QPUGraph(
        tuple(properties["qubits"]),
        tuple(tuple(edge) for edge in properties["couplers"]),
        topology["type"],
        tuple(topology["shape"]),
    )
    print(f"{properties['chip_id']}: {live}\n")
    print("\n".join([*times(data), "", *places(live)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
