"""Reaching Leap, D-Wave's cloud service, and saying what stands in the way (see docs/qpu.md).

The token stays out of errors and logs.
"""

import contextlib
import logging
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from dwave.cloud import exceptions as cloud
from dwave.cloud.api.exceptions import (
    RequestTimeout,
    ResourceAccessForbiddenError,
    ResourceAuthenticationError,
)
from dwave.cloud.config import load_config
from dwave.cloud.config.exceptions import ConfigFileError
from dwave.system import DWaveSampler
from requests.exceptions import RequestException

from qdvae_helpers.errors import QPUError

_CLOSING_S = 2.0
OFFLINE = "or stay offline with QDVAE_SAMPLER=annealer"


def explain(error: Exception) -> str:
    """One sentence on what went wrong, and what to do; it must still go through :func:`redact`."""
    return f"{_cause_and_remedy(error)}, {OFFLINE}."


def _cause_and_remedy(error: Exception) -> str:
    code = getattr(error, "error_code", None)
    text = str(error)
    if isinstance(error, ValueError) and "token not defined" in text:
        return "No Leap token is set: set DWAVE_API_TOKEN, or run 'dwave config create' once"
    if isinstance(error, ConfigFileError):
        return (
            "D-Wave's configuration file cannot be read: check the path in DWAVE_CONFIG_FILE, or "
            "write a new file with 'dwave config create'"
        )
    if isinstance(error, ResourceAuthenticationError) or code == 401:
        return (
            "Leap refuses the token (401), so it is wrong or expired: copy the present one from "
            "your Leap dashboard into DWAVE_API_TOKEN"
        )
    if isinstance(error, ResourceAccessForbiddenError) or code == 403:
        return (
            "Your Leap account may not use this solver (403): choose another solver "
            "(DWAVE_API_SOLVER) or region (DWAVE_API_REGION)"
        )
    if isinstance(error, cloud.SolverNotFoundError) or code == 404:
        return (
            "No QPU of the wanted kind is online for this account, perhaps for maintenance: see "
            "'dwave solvers --list', try another region (DWAVE_API_REGION) or a later time"
        )
    if isinstance(error, cloud.SolverOfflineError):
        return (
            "The QPU is offline, probably for maintenance: try again later or choose another "
            "solver (DWAVE_API_SOLVER)"
        )
    if code == 429:
        return (
            "Leap refuses more requests for now (429): wait some minutes, check the time left on "
            "your Leap dashboard"
        )
    if isinstance(error, cloud.PollingTimeout | TimeoutError):
        return (
            "The QPU did not answer in time; its queue may be long: try again later, allow more "
            "time (timeout_s=...)"
        )
    if isinstance(error, RequestTimeout):
        return "The network does not reach Leap in time: check connection and proxy"
    if isinstance(code, int) and code >= 500:
        return f"Leap has a fault of its own ({code}): try again later"
    if isinstance(error, cloud.ProblemStructureError):
        return "The QPU's graph has changed since the connection was made: make the sampler anew"
    if isinstance(error, cloud.CanceledFutureError):
        return "The problem was cancelled before it ran: send it again"
    if isinstance(error, cloud.InvalidAPIResponseError | WrongAnswerError):
        detail = f" ({text})" if isinstance(error, WrongAnswerError) else ""
        return (
            f"What came back is no proper answer of a QPU{detail}: a proxy may interfere, or the "
            "service has a fault; try again later"
        )
    if isinstance(error, cloud.SolverFailureError):
        return f"The QPU refused the problem ({text}): change what it names"
    if isinstance(error, RequestException) and code is None:
        return "The network does not reach Leap: check connection and proxy"
    if isinstance(error, ValueError) and "profile" in text.lower():
        return (
            "D-Wave's configuration file has no such profile: check DWAVE_PROFILE with 'dwave "
            "config ls'"
        )
    return f"No live QPU could be reached ({type(error).__name__})"


class WrongAnswerError(Exception):
    """An answer that is not one to the problem that was sent."""


def redact(text: str, token: str | None) -> str:
    """The text without the token, should it be in there."""
    return text.replace(token, "<token>") if token else text


@dataclass(frozen=True)  # equal ones are added to a logger once
class _TokenFilter:
    """Keeps the token out of the client's log, where debugging levels would write it."""

    token: str = field(repr=False)

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage(), self.token), ()
        if record.exc_info:
            text = logging.Formatter().formatException(record.exc_info)
            record.exc_text, record.exc_info = redact(text, self.token), None
        return True


def _guard_logs(token: str) -> None:
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("dwave."):
            logging.getLogger(name).addFilter(_TokenFilter(token))


@contextlib.contextmanager
def _silenced(name: str) -> Iterator[None]:
    logger = logging.getLogger(name)

    def drop(record: logging.LogRecord) -> bool:
        return False

    logger.addFilter(drop)  # one of its own: two threads may connect at once
    try:
        yield
    finally:
        logger.removeFilter(drop)


def connect(
    topology: str | None = None, *, solver: str | Mapping | None = None, region: str | None = None
) -> DWaveSampler:
    """Connect to a QPU of your Leap account by D-Wave's own settings; costs no QPU time.

    Args:
        topology: wanted where neither argument nor setting names a solver, for example ``zephyr``:
            a model can only live on its own kind of graph.
        solver: name of a solver, or a mapping of features as in ``dwave.cloud`` (``get_solvers``).
        region: Leap region.

    Raises:
        QPUError: says why not, and what to do.
    """
    token = failure = None
    try:
        with _silenced("dwave.cloud.config.loaders"):  # it logs the token it reads
            settings = load_config(client="qpu")
        if token := settings.get("token"):
            _guard_logs(token)
        options = {} if region is None else {"region": region}
        if solver is None and not settings.get("solver") and topology is not None:
            solver = {"topology__type": topology, "order_by": "-num_active_qubits"}
        if solver is not None:
            options["solver"] = dict(solver) if isinstance(solver, Mapping) else solver
        # The client's own defaults would try for more than ten minutes where packets get lost.
        return DWaveSampler(defaults={"request_timeout": 30, "http_retry_total": 3}, **options)
    except Exception as error:  # the client raises many kinds
        failure = redact(explain(error), token)
    raise QPUError(failure)  # outside of ``except``: the foreign error holds the request's headers


def close(qpu: DWaveSampler) -> None:
    """End a connection; the client's ``close`` may wait for ever, this one waits a moment."""
    closing = threading.Thread(target=qpu.client.close, kwargs={"wait": False}, daemon=True)
    closing.start()
    closing.join(_CLOSING_S)


def graph_id(qpu: DWaveSampler) -> str | None:
    """The service's own name for the present working graph, where it gives one."""
    return getattr(getattr(qpu.solver.identity, "version", None), "graph_id", None)
