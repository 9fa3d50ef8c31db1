"""Reaching Leap, D-Wave's cloud service, within a time and without a trace of the token."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

import requests
from dwave.cloud import Client
from dwave.cloud.api.exceptions import RequestError
from dwave.system import DWaveSampler

from qdvae_helpers.arguments import require_number
from qdvae_helpers.errors import QPUError
from qdvae_helpers.qpu.causes import OFFLINE, WrongAnswerError, explain, redact
from qdvae_helpers.qpu.settings import read_settings
from qdvae_helpers.qpu.solvers import guard_answers, judge_properties

_CLOSING_S = 2.0
_LONGEST_LIST = 1 << 27  # bytes; the description of one QPU takes about two million

Result = TypeVar("Result")


def within(
    seconds: float, work: Callable[[], Result], late: Callable[[Result], object] | None = None
) -> Result:
    """What ``work()`` gives or raises, or a TimeoutError; ``late`` gets what comes after that.

    The thread that is left over then holds up nothing, not even the end of the process.
    """
    future: Future = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    def dispose(done: Future) -> None:
        with contextlib.suppress(BaseException):
            late(done.result())

    threading.Thread(target=run, daemon=True).start()
    try:
        return future.result(seconds)
    except BaseException:
        if late is not None:
            future.add_done_callback(dispose)
        raise


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
        if name.startswith(("dwave", "urllib3", "requests")):
            logging.getLogger(name).addFilter(_TokenFilter(token))


class _Connection(DWaveSampler):
    """``DWaveSampler`` that reads no list without end, judges its solver, and fails without rest.

    Args:
        until: when the list of solvers must be here, on the monotonic clock.
        config: see ``DWaveSampler``.
    """

    def __init__(self, until: float, **config) -> None:
        self._until = until
        super().__init__(**config)

    def _get_solver(self, **options):
        hooks = self.client.solvers_session.session.hooks["response"]
        hooks.insert(0, self._read)
        try:
            try:
                solver = super()._get_solver(**options)
            except (RequestError, requests.RequestException, TimeoutError, WrongAnswerError):
                raise
            except Exception as error:  # raw ones of the client's, over what it did not expect
                self._name_what_is_odd()
                raise _UnreadableError from error
            judge_properties(solver.name, solver.properties)
            guard_answers(solver)
            return solver
        except BaseException:
            end(self.client)
            raise
        finally:
            hooks.remove(self._read)

    def _name_what_is_odd(self) -> None:
        """A QPUError that names the property, if it is one that the client stumbled over."""
        listed = []
        with contextlib.suppress(ValueError):  # what is no list of solvers has no properties
            listed = self.client.solvers_session.list_solvers(filter="all,-status,-avg_load")
        for data in listed:
            properties = data.get("properties")
            kind = properties.get("category") if isinstance(properties, dict) else None
            if kind not in ("hybrid", "software"):
                name = getattr(data.get("identity"), "name", "without a name")
                judge_properties(name, properties)

    def _read(self, response: requests.Response, **_) -> None:
        """Read a reply as long as it may be, before the client reads it as long as it is."""
        if response.is_redirect:
            target = urljoin(response.url, response.headers["Location"])
            if urlsplit(target).netloc != urlsplit(response.url).netloc:
                raise WrongAnswerError("it sends the request, and your token, to another host")
        body = bytearray()
        for part in response.iter_content(1 << 16):
            body += part
            if time.monotonic() > self._until:
                raise TimeoutError
            if len(body) > _LONGEST_LIST:
                raise WrongAnswerError("a list without end")
        response._content = bytes(body)


class _UnreadableError(Exception):
    """The list of solvers cannot be understood or searched."""


def connect(
    topology: str | None = None,
    *,
    solver: str | Mapping | None = None,
    region: str | None = None,
    deadline_s: float = 60.0,
) -> DWaveSampler:
    """Connect to a QPU of your Leap account by D-Wave's own settings; costs no QPU time.

    Args:
        topology: wanted where neither argument nor setting names a solver, for example ``zephyr``:
            a model can only live on its own kind of graph.
        solver: name of a solver, or a mapping of features as in ``dwave.cloud`` (``get_solvers``).
        region: Leap region.
        deadline_s: seconds for all of it, however slowly or often somebody answers.

    Raises:
        QPUError: says why not, and what to do.
    """
    deadline_s = require_number("deadline_s", deadline_s, above=0, most=1e6, error=QPUError)
    until = time.monotonic() + deadline_s
    try:
        qpu, failure = within(
            deadline_s,
            lambda: _reach(topology, solver, region, until),
            lambda late: late[0] and end(late[0].client),
        )
    except TimeoutError:
        qpu = None
        failure = (
            f"Leap was not reached within {deadline_s:g} s: check connection and proxy, try later, "
            f"{OFFLINE}."
        )
    if qpu is None:
        # Outside of ``except``, and nothing here knows the token: a foreign error holds it.
        raise QPUError(failure)
    return qpu


def account_solvers(deadline_s: float = 60.0) -> list[tuple[str, str]]:
    """The QPUs that your Leap account may use now, largest first; costs no QPU time.

    Args:
        deadline_s: see :func:`connect`.

    Returns:
        For each its name, and a line that tells its topology and number of qubits.

    Raises:
        QPUError: see :func:`connect`.
    """
    until = time.monotonic() + deadline_s
    # The largest one, whatever the settings name: a name that is gone must not hide the others.
    qpu = connect(solver={"qpu": True, "order_by": "-num_active_qubits"}, deadline_s=deadline_s)
    try:
        left = max(1.0, until - time.monotonic())
        solvers = within(left, lambda: qpu.client.get_solvers(order_by="-num_active_qubits"))
        return [
            (
                one.name,
                f"{one.name} ({one.properties['topology']['type']}, "
                f"{one.num_active_qubits:,} qubits)",
            )
            for one in solvers
        ]
    except Exception:  # the list was here a moment ago
        failure = WrongAnswerError("a list of solvers that cannot be read")
    finally:
        end(qpu.client)
    raise QPUError(explain(failure))


def _reach(topology, solver, region, until: float) -> tuple[DWaveSampler | None, str]:
    """The connection, or why there is none."""
    token, about = None, {}
    try:
        settings = read_settings(solver=solver, region=region)
        _guard_logs(token := settings["token"])
        about = {"proxied": settings.pop("proxied"), "endpoint": "endpoint" in settings}
        searched = settings.get("solver") is not None
        if not searched and topology is not None:
            settings["solver"] = {"topology__type": topology, "order_by": "-num_active_qubits"}
        # The client's own defaults would try for more than ten minutes where packets get lost.
        defaults = {"request_timeout": 30, "http_retry_total": 3}
        # "Other" faults include a TLS connection that breaks after a problem was sent.
        return _Connection(until, defaults=defaults, http_retry_other=0, **settings), ""
    except QPUError as error:
        return None, str(error)
    except _UnreadableError:
        if not searched:
            error = WrongAnswerError("a list of solvers that cannot be read")
            return None, explain(error, **about)
        return None, (
            "No solver can be looked for by these features: check the solver "
            f"(DWAVE_API_SOLVER, 'solver' in D-Wave's file, or the argument), {OFFLINE}."
        )
    except TimeoutError:
        raise
    except Exception as error:  # the client raises many kinds
        return None, redact(explain(error, **about), token)


def end(client: Client) -> None:
    """End a client; its ``close`` may wait for ever, this waits a moment."""
    with contextlib.suppress(Exception):
        within(_CLOSING_S, lambda: client.close(wait=False))


def close(qpu: DWaveSampler) -> None:
    """End a connection, within a moment."""
    end(qpu.client)


def graph_id(qpu: DWaveSampler) -> str | None:
    """The service's own name for the present working graph, where it gives one."""
    return getattr(getattr(qpu.solver.identity, "version", None), "graph_id", None)
