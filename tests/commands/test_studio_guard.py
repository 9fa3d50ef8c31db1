"""Which requests may pass to the app, by what they say of themselves."""

import re

import pytest

pytest.importorskip("tornado")
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from qdvae_helpers.commands.studio_guard import Guard, is_loopback, plain_page

HOST, SELF = "localhost:8866", "http://localhost:8866"
CHANNELS = "/api/kernels/1-2-3-4-5/channels"
TYPED, OWN, FOREIGN, SAME_SITE = (
    {"Sec-Fetch-Site": site} for site in ("none", "same-origin", "cross-site", "same-site")
)


def asked(method="GET", path="/", host=HOST, cookie=None, **headers):
    """A request."""
    lines = HTTPHeaders({name.replace("_", "-"): value for name, value in headers.items()})
    lines["Host"] = host
    if cookie:
        lines["Cookie"] = cookie
    line = RequestStartLine(method, path, "HTTP/1.1")
    return HTTPServerRequest(start_line=line, headers=lines)


def ask(guard, **request):
    """What the guard answers: passed, door, refused, or where it sends."""
    answer = guard.match(asked(**request))
    if answer is None:
        return "passed"
    said = answer["target_kwargs"]
    if "to" in said:
        return said
    return "door" if "link" in said else "refused"


@pytest.mark.parametrize(
    ("answer", "request_"),
    [
        ("passed", TYPED),  # a bookmark or a typed address
        ("passed", OWN),
        ("passed", OWN | {"path": "/?theme=dark"}),
        ("passed", TYPED | {"host": "127.0.0.1:8866"}),
        ("passed", TYPED | {"host": "[::1]:8866"}),
        ("passed", TYPED | {"host": "LOCALHOST"}),
        ("passed", {"path": "/voila/static/voila.js"}),  # of an old browser
        ("passed", OWN | {"path": CHANNELS, "Upgrade": "websocket", "Origin": SELF}),
        ("passed", {"path": CHANNELS, "Upgrade": "websocket", "Origin": SELF}),
        ("passed", {"method": "POST", "path": "/voila/api/shutdown/1", "Origin": SELF}),
        ("door", FOREIGN | {"Sec-Fetch-Mode": "navigate"}),
        ("door", SAME_SITE),  # another port of this machine is another program
        ("door", {}),  # no browser, or one so old that it does not say who sends it
        ("door", {"path": "/?ticket=forged"}),
        ("door", {"Sec-Fetch-Site": "none, same-origin"}),
        ("refused", FOREIGN | {"path": "/voila/static/voila.js"}),
        ("refused", FOREIGN | {"Origin": "https://evil.example"}),
        ("refused", {"Origin": "https://evil.example"}),
        ("refused", {"Origin": "null"}),
        ("refused", {"Origin": "http://localhost:8888"}),
        ("refused", {"Origin": "http://localhost:8866.evil.example"}),
        ("refused", {"Origin": "http://evil.example@localhost:8866"}),
        ("refused", {"Origin": "http://[broken"}),
        ("refused", {"Origin": f"{SELF},{SELF}"}),
        ("refused", {"path": CHANNELS, "Upgrade": "websocket"}),
        ("refused", FOREIGN | {"path": CHANNELS, "Upgrade": "websocket", "Origin": SELF}),
        ("refused", {"path": CHANNELS, "Upgrade": "websocket", "Origin": "http://evil.example"}),
        ("refused", {"method": "POST"}),
        ("refused", TYPED | {"method": "POST", "path": "/api/kernels"}),
        ("refused", {"method": "POST", "path": "/api/kernels", "Origin": "https://evil.example"}),
        ("refused", {"method": "DELETE", "path": "/api/kernels/1-2-3-4-5"}),
        ("refused", {"method": "POST", "path": "/voila/api/shutdown/1", "Origin": "null"}),
        ("refused", TYPED | {"host": ""}),
        ("refused", TYPED | {"host": "evil.example"}),
        ("refused", TYPED | {"host": "evil.example:8866", "Origin": "http://evil.example:8866"}),
        ("refused", TYPED | {"host": "localhost.evil.example"}),
        ("refused", TYPED | {"host": "localhost:80:80"}),
        ("refused", TYPED | {"host": "192.168.0.7"}),
        ("refused", TYPED | {"host": "[::1"}),
        *(
            ("refused", TYPED | {"host": host})
            for host in ("0.0.0.0", "localhost.", "127.1", "0x7f000001", "[::ffff:127.0.0.1]")
        ),
        ("refused", TYPED | {"host": "evil.example", "X-Forwarded-Host": HOST}),
        ("refused", {"method": "OPTIONS", "path": CHANNELS, "Origin": "http://evil.example"}),
    ],
    ids=str,
)
def test_a_studio_for_this_machine_alone(answer, request_):
    assert ask(Guard("/", "localhost"), **request_) == answer


def test_the_doors_link_opens_it_and_leads_nowhere_else():
    guard = Guard("/", "localhost")
    link, _ = guard.match(asked(path="/?theme=dark&ticket=x"))["target_kwargs"]["link"]
    assert re.fullmatch(r"\?theme=dark&ticket=[\w-]{32}", link)
    assert ask(guard, path=f"/{link}") == "passed"
    assert ask(guard, path=f"/{link}", **FOREIGN) == "door"
    assert ask(Guard("/", "localhost"), path=f"/{link}") == "door"


@pytest.mark.parametrize(
    ("address", "names"), [("0.0.0.0", ()), ("", ()), ("::", ()), ("localhost", ("hub.example",))]
)
def test_whoever_comes_from_elsewhere_needs_the_token(address, names):
    guard = Guard("/", address, names)
    host = names[0] if names else "192.168.0.7:8866"
    for path in (
        "/",
        "/voila/static/voila.js",
        "/?token=",
        "/?token=é",
        f"/?token={guard.token[1:]}",
    ):
        assert ask(guard, path=path, host=host, **TYPED) == "refused", path
    entered = ask(guard, path=f"/?token={guard.token}&theme=dark", host=host, **TYPED)
    assert entered["to"] == "?theme=dark"
    name, ticket = entered["cookie"]
    assert guard.token not in ticket
    cookie = f"{name}={ticket}"
    assert ask(guard, host=host, cookie=cookie) == "passed"
    assert ask(guard, host=host, cookie=cookie, **FOREIGN) == "door"
    assert ask(guard, host=host, cookie=f"{name}={guard.token}") == "refused"
    assert ask(guard, host=host, cookie=f"{name}-={ticket}") == "refused"
    assert ask(guard, host="evil.example", cookie=cookie) == "refused"
    socket = {"path": CHANNELS, "host": host, "Upgrade": "websocket", "Origin": f"https://{host}"}
    assert ask(guard, cookie=cookie, **socket) == "passed"
    assert ask(guard, **socket) == "refused"


def test_a_link_with_the_token_in_another_page_asks_first():
    guard = Guard("/", "0.0.0.0")
    request = asked(path=f"/?token={guard.token}", host="192.168.0.7", **FOREIGN)
    assert guard.match(request)["target_kwargs"]["link"][0] == f"?token={guard.token}"


def test_a_proxys_name_may_be_an_origin():
    guard = Guard("/", "localhost", ["Hub.example"])
    assert re.fullmatch(guard.origins, "https://hub.example:444")
    assert not re.fullmatch(guard.origins, "https://hub.example.evil")
    assert Guard("/", "127.0.0.1").origins is None
    assert Guard("/", "127.0.0.1").token is None


def test_loopback():
    assert all(is_loopback(address) for address in ("localhost", "127.0.0.1", "127.9.9.9", "::1"))
    assert not any(is_loopback(a) for a in ("", "0.0.0.0", "::", "192.168.0.7", "*", "box"))


def test_what_a_request_says_is_text_in_the_page():
    page = plain_page("<b>", "<script>", ('"><script>', "<i>"))
    assert not re.search(r"<b>|<script>|<i>", page)
