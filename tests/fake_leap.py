"""A stand-in for Leap below HTTP: the real client talks to it and cannot tell.

It answers the requests of ``dwave-cloud-client`` with samples of the simulated QPU, remembers what
it truly drew, whatever became of the reply, and spoils single replies on demand.
"""

import base64
import itertools
import json
import re
import struct
import zlib
from collections import deque

import numpy as np
import requests
import torch
from dwave.cloud.testing.mocks import qpu_problem_timing_data, structured_solver_data

from qdvae_helpers.graphs import QPUGraph
from qdvae_helpers.samplers import SimulatedQPU

ENDPOINT = "https://leap.test/sapi/v2/"
TOKEN = "DEV-" + "0123456789abcdef" * 2 + "fedcba98"  # has the form of a real one
ACCESS_TIME_US = 12_345.0
TIMING = {"qpu_access_time": ACCESS_TIME_US, "qpu_programming_time": 10_000.0}
#: The service accepts the problem, and the reply does not say so.
LOST_REPLIES = {"reply lost", "reset", "accepted, 502", "malformed", "empty"} | {
    "no id", "odd id", "no status", "a text", "nothing"
}  # fmt: skip
# So long that a thread which the machine lets wait for seconds is not taken for a lost problem.
PATIENCE = {"backoff_s": 0.001, "ask_again_s": 120.0, "timeout_s": 600.0}


def properties(graph: QPUGraph) -> dict:
    """Those of a small solver, in the manner of an Advantage2."""
    names = ("num_reads", "answer_mode", "auto_scale", "annealing_time", "label")
    return {
        "category": "qpu",
        "tags": [],
        "topology": {"type": graph.topology, "shape": list(graph.shape)},
        "supported_problem_types": ["qubo", "ising"],
        "parameters": dict.fromkeys(names, ""),
        "h_range": [-6.0, 6.0],
        "j_range": [-1.0, 1.0],
        "extended_j_range": [-2.0, 1.0],
        "per_group_coupling_range": [-13.0, 10.0],
        "num_reads_range": [1, 10_000],
        "annealing_time_range": [0.5, 2000.0],
        "default_annealing_time": 20.0,
        "default_readout_thermalization": 0.0,
        "default_programming_thermalization": 1000.0,
        "problem_run_duration_range": [0.0, 1_000_000.0],
        "quota_conversion_rate": 1,
        "problem_timing_data": qpu_problem_timing_data(),
    }


def _packed(kind: str, values) -> str:
    return base64.b64encode(struct.pack(f"<{len(values)}{kind}", *values)).decode()


#: What stands in the place of a part of an answer.
ODD_ANSWERS = {
    "NaN energies": {"energies": _packed("d", [float("nan")] * 20)},
    "negative counts": {"num_occurrences": _packed("i", [-1] * 20)},
    "huge counts": {"num_occurrences": _packed("i", [2**31 - 1] * 20)},
    "no qubits": {"active_variables": ""},
    "a chip without end": {"num_variables": 10**12},
    "no chip": {"num_variables": None},
    "reads without end": {"energies": "A" * 200_000},
    "no energies": {"energies": None},
    "another format": {"format": "unheard-of"},
}


class FakeLeap:
    """The service; ``faults[stage]`` holds what goes wrong next at a stage.

    The stages are solvers, submit, list (of problems by their label), poll and load.

    Args:
        mock: a started ``requests_mock`` mocker.
        graph: the working graph of its only QPU.
        seed: of the simulated device behind it.
    """

    access_s = ACCESS_TIME_US / 1e6  # what a submission costs

    def __init__(self, mock, graph: QPUGraph, *, seed: int = 0, **changes) -> None:
        self.graph = graph
        self.device = SimulatedQPU(graph, seed=seed, num_sweeps=100)
        self.properties = properties(graph) | changes
        self.faults = {stage: deque() for stage in ("solvers", "submit", "list", "poll", "load")}
        self.drawn: dict[str, dict] = {}  # what it accepted: problem id -> problem and samples
        self.forgotten: set[str] = set()  # problems that the client no longer asks after
        self.list_lags = 0  # how many lists still lack what was accepted
        self.timing: dict | None = None  # instead of the true times
        self.queue_without_end = False
        self.cancelled: list[str] = []
        self.requests: list[str] = []
        self._ids = itertools.count(1)
        mock.get(requests_mock_any(r"solvers/remote/"), content=self._solvers)
        mock.post(requests_mock_any(r"problems/$"), content=self._submit)
        mock.get(requests_mock_any(r"problems/\?id="), content=self._poll)
        mock.get(requests_mock_any(r"problems/\?label="), content=self._list)
        mock.get(requests_mock_any(r"problems/[^/?]+/$"), content=self._load)
        mock.delete(requests_mock_any(r"problems/$"), content=self._cancel)

    # Replies ----------------------------------------------------------------------------------

    def _reply(self, context, kind: str, content) -> bytes:
        context.headers["Content-Type"] = f"application/vnd.dwave.sapi.{kind}+json; version=3.0.0"
        return json.dumps(content).encode()

    def _fault(self, stage: str, context) -> str | None:
        """The next fault of this stage; those that any request may have are played here."""
        fault = self.faults[stage].popleft() if self.faults[stage] else None
        if fault == "timeout":
            raise requests.exceptions.ReadTimeout("too slow")
        if fault == "no network":
            raise requests.exceptions.ConnectionError(f"no route, headers X-Auth-Token: {TOKEN}")
        if fault is not None and fault.isdigit():
            context.status_code = int(fault)
        return fault

    def _solvers(self, request, context) -> bytes:
        self.requests.append("solvers")
        fault = self._fault("solvers", context)
        if fault is not None and fault.isdigit():
            return json.dumps({"error_code": int(fault), "error_msg": f"no, {TOKEN}"}).encode()
        solver = structured_solver_data(
            name="Advantage2_test",
            graph_id="01test",
            properties=dict(self.properties),
            qubits=list(self.graph.nodes),
            couplers=[list(edge) for edge in self.graph.edges],
            num_qubits=4800,
        )
        solver["properties"] |= self.properties
        if fault == "malformed":
            return b"<html>"
        if asked := request.url.split("?")[0].rpartition("/remote/")[2].strip("/"):  # by its name
            if asked == "Advantage2_test":
                return self._reply(context, "solver-definition", solver)
            context.status_code = 404
            return json.dumps({"error_code": 404, "error_msg": "no such solver"}).encode()
        return self._reply(context, "solver-definition-list", [] if fault == "none" else [solver])

    def _submit(self, request, context) -> bytes:
        self.requests.append("submit")
        assert request.headers["X-Auth-Token"] == TOKEN
        if self.faults["submit"] and self.faults["submit"][0] in LOST_REPLIES:
            return self._lose_reply(self.faults["submit"].popleft(), request, context)
        fault = self._fault("submit", context)
        if fault is not None and fault.isdigit():
            return json.dumps({"error_code": int(fault), "error_msg": f"no, {TOKEN}"}).encode()
        if fault in ("failed", "offline"):
            said = {"failed": f"bad h, {TOKEN}", "offline": "Solver is offline"}[fault]
            status = {"id": "f", "status": "FAILED", "error_message": said}
            return self._reply(context, "problems", [status])
        found = [self._status(name) for name in self._accept(request)]
        return self._reply(context, "problems", found)

    def _lose_reply(self, fault: str, request, context) -> bytes:
        """It accepts the problem, and the client does not hear so."""
        (status,) = [self._status(name) for name in self._accept(request)]
        if fault == "reply lost":
            raise requests.exceptions.ReadTimeout("too slow")
        if fault == "reset":
            raise requests.exceptions.ConnectionError("Connection aborted")
        if fault == "accepted, 502":
            context.status_code = 502
            return b"<html>"
        if fault == "malformed":
            context.headers["Content-Type"] = "text/html"
            return b"<html>"
        spoilt = {
            "empty": [],
            "no id": [{**status, "id": None}],
            "odd id": [{**status, "id": 7}],
            "no status": [{"id": status["id"]}],
            "a text": ["x"],
            "nothing": None,
        }
        return self._reply(context, "problems", spoilt[fault])

    def _list(self, request, context) -> bytes:
        self.requests.append("list")
        fault = self._fault("list", context)
        if fault is not None and fault.isdigit():
            return b"a fault"
        if fault == "malformed":
            return self._reply(context, "problems", {"neither": "list"})
        (label,) = request.qs["label"]
        found = [name for name, drawn in self.drawn.items() if label in (drawn["label"] or "")]
        if self.list_lags:
            self.list_lags -= 1
            found = []
        statuses = [self._status(name, "COMPLETED") for name in found]
        return self._reply(context, "problems", statuses)

    def _poll(self, request, context) -> bytes:
        self.requests.append("poll")
        fault = self._fault("poll", context)
        if fault is not None and fault.isdigit():
            return b"a fault"
        if fault == "malformed":
            return self._reply(context, "problems", {"neither": "list"})
        names = request.url.split("id=")[1].split("&")[0].split(",")
        waiting = self.queue_without_end or fault == "still waiting"
        done = "PENDING" if waiting else "COMPLETED"
        found = [self._status(name, done) for name in names]
        if fault == "empty":  # the client drops what it hears nothing of
            self.forgotten.update(names)
            found = []
        return self._reply(context, "problems", found)

    def _load(self, request, context) -> bytes:
        self.requests.append("load")
        fault = self._fault("load", context)
        if fault is not None and fault.isdigit():
            return b"a fault"
        name = request.path.rstrip("/").split("/")[-1]
        if self.queue_without_end:
            return self._reply(context, "problem", self._status(name))
        answer = self._answer(name, fault)
        status = self._status(name, "COMPLETED") | {"answer": answer}
        if fault == "no answer":
            del status["answer"]
        return self._reply(context, "problem", status)

    def _cancel(self, request, context) -> bytes:
        self.requests.append("cancel")
        self.cancelled += json.loads(request.body)
        return self._reply(context, "problems", [])

    def _status(self, name: str, status: str = "PENDING") -> dict:
        identity = {"name": "Advantage2_test", "version": {"graph_id": "01test"}}
        return {
            "id": name,
            "type": "ising",
            "status": status,
            "solver": identity,
            "submitted_on": "2026-01-01T00:00:00Z",
            "label": self.drawn[name]["label"],
        } | ({"solved_on": "2026-01-01T00:00:01Z"} if status == "COMPLETED" else {})

    # Problems and answers ---------------------------------------------------------------------

    def _accept(self, request) -> list[str]:
        body = zlib.decompress(request.body)
        return [self._run(problem) for problem in json.loads(body)]

    def _run(self, problem: dict) -> str:
        lin = np.frombuffer(base64.b64decode(problem["data"]["lin"]), "<f8")
        h = {q: b for q, b in zip(self.graph.nodes, lin, strict=True) if not np.isnan(b)}
        # In the order of the solver's own list, as the client encodes them.
        listed = self.properties.get("couplers", self.graph.edges)
        couplers = [(u, v) for u, v in listed if u in h and v in h]
        quad = np.frombuffer(base64.b64decode(problem["data"]["quad"]), "<f8")
        J = dict(zip(couplers, quad, strict=True))
        reads = problem["params"].get("num_reads", 1)  # as Leap does
        drawn = self.device.sample_ising(h, J, num_reads=reads, answer_mode="raw")
        order = [drawn.variables.index(q) for q in sorted(h)]
        name = f"problem-{next(self._ids)}"
        self.drawn[name] = {
            "h": h,
            "J": J,
            "params": problem["params"],
            "label": problem.get("label"),
            "qubits": sorted(h),
            "spins": drawn.record.sample[:, order],
            "energies": drawn.record.energy,
        }
        return name

    def _answer(self, name: str, fault: str | None) -> dict:
        drawn = self.drawn[name]
        spins, energies, qubits = drawn["spins"], drawn["energies"], drawn["qubits"]
        if fault == "fewer":
            spins, energies = spins[:-1], energies[:-1]
        if fault == "flipped":
            spins = spins.copy()
            spins[:, 0] *= -1
        if fault == "other qubits":
            qubits = [q + 1 for q in qubits]
        bits = base64.b64encode(np.packbits(spins > 0, axis=1).tobytes()).decode()
        if fault == "cut off":
            bits = bits[: len(bits) // 2 // 4 * 4 - 4]
        count = len(energies)
        return {
            "format": "qp",
            "active_variables": _packed("i", qubits),
            "energies": "A" if fault == "garbled" else _packed("d", energies),
            "solutions": bits,
            "num_occurrences": _packed("i", [1] * count),
            "num_variables": 4800,
            "timing": self.timing or TIMING,
        } | ODD_ANSWERS.get(fault, {})

    @property
    def charged_s(self) -> float:
        """What the service really counts."""
        return len(self.drawn) * self.access_s

    def true_spins(self, graph: QPUGraph, *names: str) -> torch.Tensor:
        """What it drew for these problems, all if none is named, in the order of the nodes."""
        found = []
        for name in names or self.drawn:
            drawn = self.drawn[name]
            order = [drawn["qubits"].index(q) for q in graph.nodes]
            found.append(torch.tensor(drawn["spins"][:, order]).float())
        return torch.cat(found)


def without(graph: QPUGraph, qubits=(), couplers=()) -> QPUGraph:
    """What is left of a working graph where these are broken."""
    kept = graph.subgraph(set(graph.nodes) - set(qubits))
    edges = tuple(edge for edge in kept.edges if edge not in set(couplers))
    return QPUGraph(kept.nodes, edges, graph.topology, graph.shape, "drifted")


def requests_mock_any(pattern: str):
    """A matcher for addresses below the endpoint."""
    return re.compile(re.escape(ENDPOINT) + pattern)
