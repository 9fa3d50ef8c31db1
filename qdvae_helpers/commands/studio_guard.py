"""What stands before the app: which requests may pass, and the pages that the others get.

A visit to the app's page starts a Python process.  Any page on the web can send a browser there,
or call a name of its own for this machine (DNS rebinding), so each request is looked at first.
"""

import hmac
import html
import ipaddress
import re
import secrets
import socket
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from tornado.httputil import HTTPServerRequest
from tornado.routing import Matcher
from tornado.web import OutputTransform, RequestHandler

_LOCAL = ("localhost", "127.0.0.1", "::1")
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^\s:,@/\[\]]+))(?::\d{1,5})?")

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">
<style>
body {{ font: 1.05rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 12vh auto;
  padding: 0 1.5rem; color: #212121; background: #ffffff }}
main {{ border-left: 6px solid #0072B2; padding-left: 1.2rem }}
h1 {{ font-size: 1.5rem; line-height: 1.25 }}
a {{ display: inline-block; padding: .45rem 1.1rem; border-radius: 3px; background: #0072B2;
  color: #ffffff; text-decoration: none }}
a:focus-visible {{ outline: 3px solid #E69F00; outline-offset: 2px }}
@media (prefers-color-scheme: dark) {{ body {{ color: #e0e0e0; background: #111111 }} }}
</style></head>
<body><main><h1>{title}</h1><p>{text}</p>{link}</main></body></html>
"""


def plain_page(title: str, text: str, link: tuple[str, str] | None = None) -> str:
    """A page without scripts, in light and dark.

    Args:
        title, text: what happened, and what to do.
        link: where to go on, and the words on the button.
    """
    button = '<p><a href="{}">{}</a></p>'.format(*map(html.escape, link)) if link else ""
    return _PAGE.format(title=html.escape(title), text=html.escape(text), link=button)


def is_loopback(address: str) -> bool:
    """Whether a server at this address can be reached from this machine alone."""
    number = _number(address)
    return address == "localhost" or (number is not None and number.is_loopback)


class Guard(Matcher):
    """Matches the requests that must not pass, with the answer that :class:`Answer` gives.

    Args:
        page: path of the page that starts kernels.
        address: where the server listens.
        names: further names under which people reach it, for example a proxy's.

    Attributes:
        token: what a visitor must know; ``None`` where only this machine reaches the server.
    """

    def __init__(self, page: str, address: str, names: Iterable[str] = ()) -> None:
        self.page = page
        self.names = {name.strip("[]").lower() for name in names}
        self._anywhere = not is_loopback(address)
        if self._anywhere:
            self.names.add(socket.gethostname().lower())
        self._known = {*_LOCAL, *self.names, address.lower()} - {""}
        self.token = secrets.token_urlsafe(24) if self._anywhere or self.names else None
        self._ticket = secrets.token_urlsafe(24)  # in a link or cookie that only our pages hand out

    @property
    def origins(self) -> str | None:
        """Jupyter's pattern of origins that may talk to it although its own name is another."""
        names = "|".join(re.escape(name) for name in sorted(self.names))
        return rf"https?://({names})(:\d+)?" if names else None

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """``None`` lets the request pass."""
        answer = self._answer(request)
        return None if answer is None else {"target_kwargs": answer}

    def _answer(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        headers = request.headers
        host = headers.get("Host", "").lower()
        if not self._knows(host):
            return _refused(
                f"The studio is not known as {host[:80]!r}: open it as localhost, or start it with "
                "--allow-host and this name if it is reached through a proxy of yours."
            )
        site, origin = headers.get("Sec-Fetch-Site"), headers.get("Origin")
        ours = site in (None, "same-origin", "none")
        if origin is not None:
            ours = ours and self._is_ours(origin, host)
        elif request.method not in ("GET", "HEAD") or "Upgrade" in headers:
            ours = site == "same-origin"  # browsers name the origin of whatever changes something
        query = parse_qsl(request.query, keep_blank_values=True)
        opens = request.method == "GET" and request.path == self.page and "Upgrade" not in headers
        if not ours and opens and origin is None:
            return self._door(query)
        if not ours:
            return _refused("Another page or program asked: open the studio by its address.")
        given = dict(query)
        if self.token is None:
            # A browser so old that it does not say who sends it there, or no browser at all.
            stranger = opens and site is None and not _same(given.get("ticket"), self._ticket)
            return self._door(query) if stranger else None
        if opens and _same(given.get("token"), self.token):
            to = self._address(query, "token")
            return {"status": HTTPStatus.FOUND, "to": to, "cookie": self._cookie(request)}
        name, _ = self._cookie(request)
        if name in request.cookies and _same(request.cookies[name].value, self._ticket):
            return None
        return _refused(
            "A token is needed: use the address that was printed where the studio was started."
        )

    def _knows(self, host: str) -> bool:
        match = _HOST.fullmatch(host)
        name = match and (match[1] or match[2])
        if not name:
            return False
        # A number cannot be made to mean another machine, as a name can.
        return name in self._known or (self._anywhere and _number(name) is not None)

    def _is_ours(self, origin: str, host: str) -> bool:
        try:
            parts = urlsplit(origin.lower())
            return parts.scheme in ("http", "https") and (
                parts.netloc == host or parts.hostname in self.names
            )
        except ValueError:
            return False

    def _cookie(self, request: HTTPServerRequest) -> tuple[str, str]:
        port = request.headers.get("Host", "").rpartition(":")[2]  # cookies do not know ports
        return f"qdvae-studio-{port if port.isdigit() else 80}", self._ticket

    @staticmethod
    def _address(query: list[tuple[str, str]], without: str, **more: str) -> str:
        """Of the same page, relative: a proxy may serve it elsewhere."""
        kept = [pair for pair in query if pair[0] != without]
        return f"?{urlencode([*kept, *more.items()])}" if kept or more else "./"

    def _door(self, query: list[tuple[str, str]]) -> dict[str, Any]:
        ticket = {} if self.token else {"ticket": self._ticket}
        return {
            "status": HTTPStatus.FORBIDDEN,
            "title": "Open the studio?",
            "text": "Another page led here, or a program that does not say where it comes from. "
            "The studio starts a Python process for each visit, so it waits for your word.",
            "link": (self._address(query, "ticket", **ticket), "Open the studio"),
        }


class Answer(RequestHandler):
    """Answers a request that may not pass, whatever its method."""

    def initialize(
        self,
        status: HTTPStatus,
        title: str = "",
        text: str = "",
        link: tuple[str, str] | None = None,
        to: str = "",
        cookie: tuple[str, str] | None = None,
    ) -> None:
        """What to say; or where ``to`` go on, with which ``cookie``."""
        self._status, self._to, self._cookie = status, to, cookie
        self._page = plain_page(title, text, link)

    def prepare(self) -> None:
        """Answer, before a method is looked for."""
        self.set_status(self._status)
        self.set_header("Cache-Control", "no-store")
        if self._cookie:
            self.set_cookie(*self._cookie, httponly=True, samesite="Strict")
        if self._to:
            self.set_header("Location", self._to)
        self.finish(None if self._to else self._page)


class SafeHeaders(OutputTransform):
    """Headers of every answer: no frames, no other host, nothing told to other pages.

    Scripts and styles may stand in the page, and scripts may be made there: Voila's and
    JupyterLab's do.
    """

    def __init__(self, request: HTTPServerRequest) -> None:
        host = request.headers.get("Host", "")
        sockets = f"ws://{host} wss://{host}" if _HOST.fullmatch(host.lower()) else ""
        self._headers = {
            "Content-Security-Policy": "default-src 'self' data: blob: 'unsafe-inline' "
            f"'unsafe-eval'; connect-src 'self' data: blob: {sockets}; object-src 'none'; "
            "base-uri 'self'; form-action 'self'; frame-ancestors 'none'",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
        }

    def transform_first_chunk(
        self, status_code: int, headers: Any, chunk: bytes, finishing: bool
    ) -> tuple[int, Any, bytes]:
        """Add them."""
        headers.update(self._headers)
        return status_code, headers, chunk


def _refused(text: str) -> dict[str, Any]:
    return {"status": HTTPStatus.FORBIDDEN, "title": "Not from here", "text": text}


def _same(given: str | None, secret: str) -> bool:
    """Compared in a time that tells nothing."""
    return given is not None and hmac.compare_digest(given.encode(), secret.encode())


def _number(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(address)
    except ValueError:
        return None
