"""What docs/qpu.md says of a real Advantage2: QPU access time, and where models find a place.

    python benchmarks/qpu_plans.py [RECORD.json]

The file is a solver's record as D-Wave's client has it (``DWaveSampler().solver.data``); by default
the one in ``$QDVAE_DATA/qpu``.  Times come from ``estimate_qpu_access_time`` of D-Wave's client and
the solver's timing data; nothing is submitted.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from dwave.cloud.solver import StructuredSolver

from qdvae_helpers.graphs import QPUGraph, densest_subgraph, working_graph
from qdvae_helpers.placement import compare, place
from qdvae_helpers.profiles import PROFILES

_DEFAULT = Path(os.environ.get("QDVAE_DATA", "data")) / "qpu" / "advantage2_system1.5.json"


def times(record: dict) -> list[str]:
    """Rows of the table of costs."""
    solver = StructuredSolver(None, record)
    fast, lesson = PROFILES["fast"], PROFILES["lesson"]
    plans = {
        "one small problem": (48, 1, 200),
        "sixty digits": (256, 1, 60),
        "measuring the temperature, as a rule": (256, 2, 1_000),
        "training, profile fast": (fast.n_spins, fast.steps, fast.num_chains),
        "training, profile lesson": (lesson.n_spins, lesson.steps, lesson.num_chains),
        "the same, new spins every 20 steps": (lesson.n_spins, lesson.steps // 20, 512),
        "clamped spins, a row": (256, 1, 1),
    }
    rows = [
        "| what | qubits | submissions | reads | QPU access time |",
        "|---|---|---|---|---|",
    ]
    for name, (qubits, calls, reads) in plans.items():
        seconds = calls * solver.estimate_qpu_access_time(qubits, num_reads=reads) / 1e6
        rows.append(f"| {name} | {qubits} | {calls:,} | {reads:,} | {seconds:.3g} s |")
    return rows


def places(live: QPUGraph) -> list[str]:
    """Rows of the tables of drift: models of our ideal graph, and of the live one less a qubit."""
    rows = ["| qubits | grown on | qubits missing | another place |", "|---|---|---|---|"]

    def row(saved: QPUGraph, present: QPUGraph, grown_on: str) -> None:
        missing = len(compare(saved, present).qubits)
        found = "not needed" if not missing else "yes" if place(saved, present) else "no"
        rows.append(f"| {len(saved.nodes)} | {grown_on} | {missing} | {found} |")

    for n in (12, 48, 64, 128, 144, 160, 192, 256):
        row(densest_subgraph(working_graph("ideal"), n), live, "our ideal graph")
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
    return rows


def main() -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("record", nargs="?", type=Path, default=_DEFAULT)
    options = parser.parse_args()
    try:
        record = json.loads(options.record.read_text(encoding="utf-8"))
        properties = record["properties"]
    except (OSError, KeyError):
        print(f"{options.record} is no record of a solver: name one.")
        return 1
    topology = properties["topology"]
    live = QPUGraph(
        tuple(properties["qubits"]),
        tuple(tuple(edge) for edge in properties["couplers"]),
        topology["type"],
        tuple(topology["shape"]),
    )
    print(f"{properties['chip_id']}: {live}\n")
    print("\n".join([*times(record), "", *places(live)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
