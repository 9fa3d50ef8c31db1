"""What stands in the way of a QPU, in a sentence with its remedy (see docs/qpu.md)."""

import ssl
from collections.abc import Iterator

from dwave.cloud import exceptions as cloud
from dwave.cloud.api.exceptions import (
    RequestTimeout,
    ResourceAccessForbiddenError,
    ResourceAuthenticationError,
)
from requests import exceptions as web
from requests.packages import urllib3  # the one that requests uses, whichever that is

OFFLINE = "or stay offline with QDVAE_SAMPLER=annealer"


class WrongAnswerError(Exception):
    """An answer that is not one to what was asked."""


def redact(text: str, token: str | None) -> str:
    """The text without the token, should it be in there."""
    return text.replace(token, "<token>") if token else text


def all_errors(error: BaseException) -> Iterator[BaseException]:
    """The error with those that led to it, also where one only hands them on as arguments."""
    waiting, seen = [error], set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        linked = [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
        waiting += [other for other in linked if isinstance(other, BaseException)]


def never_sent(error: Exception) -> bool:
    """Whether no connection came about, so that no request can have reached anybody."""
    before = (
        urllib3.exceptions.ConnectTimeoutError,  # a refused connection and an unknown host, too
        urllib3.exceptions.ProxyError,
        ssl.SSLCertVerificationError,
        web.InvalidURL,
        web.InvalidHeader,
    )
    return any(isinstance(one, before) for one in all_errors(error))


def explain(error: Exception, *, proxied: bool = False, endpoint: bool = False) -> str:
    """What went wrong, and what to do; it must still go through :func:`redact`.

    ``proxied`` and ``endpoint``: whether the settings name a proxy, or an endpoint of their own.
    """
    return f"{_cause_and_remedy(error, proxied, endpoint)}, {OFFLINE}."


def _cause_and_remedy(error: Exception, proxied: bool, endpoint: bool) -> str:
    code = getattr(error, "error_code", None)
    text = str(error)
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
    if isinstance(error, cloud.SolverNotFoundError):
        return (
            "No QPU of the wanted kind is online for this account, perhaps for maintenance: see "
            "'dwave solvers --list', try another solver (DWAVE_API_SOLVER), another region "
            "(DWAVE_API_REGION) or a later time"
        )
    if code == 404:
        return f"Leap has no such address or problem (404): {_CHECK_ENDPOINT}"
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
    if code == 407:
        return _PROXY
    if isinstance(code, int) and 400 <= code < 500:
        return (
            f"Leap refuses the request ({code}): see your Leap dashboard for the time and the "
            "rights that this account has"
        )
    if isinstance(code, int) and code >= 500:
        return f"Leap has a fault of its own ({code}): try again later"
    if isinstance(error, cloud.ProblemStructureError):
        return "The QPU's graph has changed since the connection was made: make a new sampler"
    if isinstance(error, cloud.CanceledFutureError):
        return "The problem was cancelled before it ran: send it again"
    if isinstance(error, cloud.InvalidAPIResponseError | WrongAnswerError):
        detail = f" ({text})" if isinstance(error, WrongAnswerError) else ""
        also = f", {_CHECK_ENDPOINT}" if endpoint else ""
        return (
            f"What came back is no proper answer of a QPU{detail}: a proxy may interfere, or the "
            f"service has a fault; try again later{also}"
        )
    if isinstance(error, cloud.SolverFailureError):
        return f"The QPU refused the problem ({text}): change what it names"
    if code is None and (known := _network(error, proxied, endpoint)):
        return known
    if isinstance(error, ValueError) and "Region" in text:
        return (
            "Leap has no such region: see 'dwave config create' for those there are, and set or "
            "unset DWAVE_API_REGION"
        )
    return f"No live QPU could be reached ({type(error).__name__})"


_CHECK_ENDPOINT = "check the endpoint (DWAVE_API_ENDPOINT), or leave it unset"
_PROXY = (
    "The proxy does not pass requests on to Leap: check DWAVE_API_PROXY, HTTPS_PROXY and HTTP_PROXY"
)


def _network(error: Exception, proxied: bool, endpoint: bool) -> str | None:
    """What failed on the way to Leap; ``None`` for what did not fail there."""
    errors = list(all_errors(error))
    text = " ".join(map(str, errors)).lower()
    if isinstance(error, web.InvalidHeader | UnicodeError):
        return "A header cannot be sent: check DWAVE_API_HEADERS, or leave it unset"
    if any(isinstance(one, urllib3.exceptions.ProxyError | web.ProxyError) for one in errors) or (
        isinstance(error, web.InvalidProxyURL) or "socks" in text
    ):
        return _PROXY
    if "certificate" in text or "pem lib" in text:
        return (
            "The certificate of the service (or the file of certificates it is checked with) is "
            "not accepted: check the clock, REQUESTS_CA_BUNDLE and the endpoint; a proxy that "
            "reads along needs its own certificate in that file"
        )
    if isinstance(error, web.TooManyRedirects | web.InvalidURL | web.InvalidSchema):
        return f"The endpoint leads nowhere: {_CHECK_ENDPOINT}"
    if proxied and isinstance(error, web.RequestException):
        return _PROXY
    if any(isinstance(one, ssl.SSLError | urllib3.exceptions.SSLError) for one in errors):
        return f"The endpoint does not speak TLS (https) as it should: {_CHECK_ENDPOINT}"
    if isinstance(error, web.RequestException):
        late = " in time" if isinstance(error, RequestTimeout) else ""
        also = ", and the endpoint that is set (DWAVE_API_ENDPOINT)" if endpoint else ""
        return f"The network does not reach Leap{late}: check connection and proxy{also}"
    return None
