"""D-Wave's own settings, judged before anything is sent: what is wrong is named as what it is."""

import contextlib
import ipaddress
import json
import logging
import os
import re
import ssl
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from dwave.cloud.config import load_config, validate_config_v1
from dwave.cloud.config.constants import DEFAULT_SOLVER_API_ENDPOINT
from requests.utils import get_environ_proxies, select_proxy

from qdvae_helpers.errors import QPUError
from qdvae_helpers.qpu.causes import OFFLINE

_TOKEN_LENGTHS = range(20, 201)  # those of Leap have 44 characters
_PROXY_KINDS = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")
_HOST = re.compile(r"([\w.-]+|\[[0-9a-fA-F:.]+\])(:\d*)?", re.ASCII)  # with a port or without


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


def read_settings(
    *, solver: str | Mapping | None = None, region: str | None = None
) -> dict[str, Any]:
    """What variables, file and arguments say of token, region, endpoint, proxy and solver.

    Raises:
        QPUError: names the setting that cannot be right; it never quotes one.
    """
    given = {"solver": solver, "region": region}
    for name, value in given.items():
        if isinstance(value, str) and not value.strip():
            raise _wrong(f"The argument {name} is blank", "name one, or leave it out")
    if region is not None and not isinstance(region, str):
        raise _wrong("The region is no text", "use a name such as region='na-west-1'")
    settings = _load(given)
    _judge_solver(settings.get("solver"))
    read = {"token": _judged_token(settings.get("token"))}
    if settings.get("region"):
        read["region"] = settings["region"].strip()
    for name in ("endpoint", "metadata_api_endpoint"):
        if settings.get(name):
            read[name] = _judged_endpoint(settings[name])
    if settings.get("proxy"):
        read["proxy"] = _judged_proxy(settings["proxy"], "proxy (DWAVE_API_PROXY)")
    endpoint = read.get("endpoint", DEFAULT_SOLVER_API_ENDPOINT)
    if proxy := select_proxy(endpoint, get_environ_proxies(endpoint)):
        scheme = urlsplit(endpoint).scheme.upper()
        _judged_proxy(proxy, f"proxy ({scheme}_PROXY or ALL_PROXY)")
    read["proxied"] = bool(proxy or read.get("proxy"))
    _judge_others(settings)
    if settings.get("solver"):
        read["solver"] = settings["solver"]
    return read


def _wrong(what: str, remedy: str) -> QPUError:
    return QPUError(f"{what}: {remedy}, {OFFLINE}.")


def _load(given: dict) -> dict[str, Any]:
    try:
        with _silenced("dwave.cloud.config.loaders"):  # it logs the token it reads
            return load_config(client="qpu", **given)
    except Exception as error:  # of many kinds; some quote the line with the token
        profile = isinstance(error, ValueError) and "profile" in str(error).lower()
    if profile:
        raise _wrong(
            "D-Wave's configuration file has no such profile",
            "check DWAVE_PROFILE with 'dwave config ls'",
        )
    raise _wrong(
        "D-Wave's configuration file cannot be read",
        "check the path in DWAVE_CONFIG_FILE, or write a new file with 'dwave config create'",
    )


def _judged_token(token: str | None) -> str:
    """The token without blanks around it; nothing of it may stand in an error."""
    if token is None:
        raise _wrong(
            "No Leap token is set", "set DWAVE_API_TOKEN, or run 'dwave config create' once"
        )
    token = token.strip()
    letters = re.sub(r"[\W_]", "", token).lower()
    faults = {
        "is blank": not token,
        "stands in quotation marks": bool(re.search("[\"'`´\u2018-\u201f\u00ab\u00bb]", token)),
        "has a space or a line break in it": bool(re.search(r"\s", token)),
        "is a placeholder": token[:1] in "<[{($%"
        or bool(re.search("token|your|paste|secret", letters)),
        "has characters that no token has": not re.fullmatch(r"[A-Za-z0-9._~+/=-]*", token),
        "repeats itself as only placeholders do": len(set(letters)) < 8,  # hexadecimal ones: 16
        "is too short or too long for one": len(token) not in _TOKEN_LENGTHS,
    }
    for fault, found in faults.items():
        if found:
            raise _wrong(
                f"The Leap token (DWAVE_API_TOKEN, or 'token' in D-Wave's file) {fault}",
                "copy it again from your Leap dashboard, and nothing else",
            )
    return token


def _parts(address: str) -> SplitResult:
    """Scheme, host and the rest of an address; a ValueError for none.

    Only ASCII: a letter of another alphabet that looks alike would name another host.
    """
    parts = urlsplit(address)
    odd = re.search(r"[^!-~]|[<>\"'\\^`{|}]", address)
    if odd or parts.port == 0 or not _HOST.fullmatch(parts.netloc.rpartition("@")[2]):
        raise ValueError
    parts.hostname.encode("idna")  # a UnicodeError, so a ValueError, for parts that are too long
    return parts


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _judged_endpoint(endpoint: str) -> str:
    endpoint = endpoint.strip()
    try:
        parts = _parts(endpoint)
        known = parts.scheme in ("http", "https") and not (parts.query or parts.fragment)
        fault = "" if known and "@" not in parts.netloc else "is no address of that kind"
        if not fault and parts.scheme == "http" and not _is_this_machine(parts.hostname):
            fault = "would send your token where everybody on the way can read it"
    except ValueError:
        fault = "is no address"
    if fault:
        raise _wrong(
            f"The endpoint (DWAVE_API_ENDPOINT, or 'endpoint' in D-Wave's file) {fault}",
            f"it looks like {DEFAULT_SOLVER_API_ENDPOINT}; leave it unset for that one",
        )
    return endpoint


def _judged_proxy(proxy: str, name: str) -> str:
    proxy = proxy.strip()
    try:
        right = _parts(proxy if "://" in proxy else f"http://{proxy}").scheme in _PROXY_KINDS
    except ValueError:
        right = False
    if not right:
        raise _wrong(f"The {name} is no address", "it looks like http://proxy.example.org:8080")
    return proxy


def _judge_solver(solver: str | Mapping | None) -> None:
    """A name, or features as a mapping or its JSON."""
    right = solver is None or isinstance(solver, Mapping | str)
    if isinstance(solver, str):
        right = bool(solver.strip())
        if solver.strip().startswith(("{", "[", '"', "'")):
            try:
                solver = json.loads(solver)
                right = isinstance(solver, Mapping)
            except (ValueError, RecursionError):
                right = False
    if isinstance(solver, Mapping):
        right = bool(solver) and all(isinstance(name, str) and name for name in solver)
    if not right:
        raise _wrong(
            "The solver (DWAVE_API_SOLVER, 'solver' in D-Wave's file, or the argument) is neither "
            "a name nor features",
            'write a name, or features such as {"num_active_qubits__gt": 4000}',
        )


def _judge_others(settings: dict) -> None:
    """Times, switches and certificates, which the client takes from its file and variables."""
    name = ""
    try:
        config = validate_config_v1(settings)
        for name in ("request_timeout", "polling_timeout"):
            limits = getattr(config, name)
            for limit in limits if isinstance(limits, tuple) else (limits,):
                if limit is not None and not 0 < limit < 1e7:
                    raise ValueError
        name = ""
    except Exception as error:  # also for a time such as "1+", which it tries to read as Python
        if hasattr(error, "errors"):  # pydantic's, for each setting that it cannot take
            name = ".".join(map(str, error.errors()[0]["loc"]))
        name = name or "request_timeout"
    if name:
        raise _wrong(
            f"The setting {name} in D-Wave's configuration file has a value that it cannot have",
            "mend it with 'dwave config create', or take it out",
        )
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    if bundle and not config.permissive_ssl:
        where = {"capath" if os.path.isdir(bundle) else "cafile": bundle}
        try:
            ssl.create_default_context(**where)
        except (OSError, ValueError):  # ssl.SSLError is one of them
            name = "REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE"
    if name:
        raise _wrong(
            f"The file of certificates ({name}) cannot be read",
            "name a file of certificates in PEM format, or unset it",
        )
