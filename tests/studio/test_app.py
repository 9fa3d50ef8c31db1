"""The app with a real server: forged requests, two pages at once, and pages that are gone."""

import http.client
import os
import re
import signal
import time
from collections.abc import Iterator
from types import SimpleNamespace
from urllib.parse import urlsplit

import psutil
import pytest

pytest.importorskip("voila", reason="the app's tests need Voila (extra studio)")
pytest.importorskip("playwright", reason="the browser tests need pytest-playwright (extra dev)")
from browser_pages import browser_type_launch_args, patience, served, type_number  # noqa: F401
from playwright.sync_api import Error, expect

from qdvae_helpers.commands import main
from qdvae_helpers.commands.studio_app import StudioApp
from qdvae_helpers.outputs import holder

PATIENCE_S = 120  # on a busy machine; nothing is timed
QUICK = ["--", "--PageKernels.cull_idle_timeout=2"]


def processes(word: str) -> list[psutil.Process]:
    """Those below this one whose command line has the word; runs have left their parents."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if word in " ".join(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def browsers() -> list[psutil.Process]:
    """Chromium's main processes, without those that they have started."""
    return [p for p in processes("chromium") if "--type=" not in " ".join(p.cmdline())]


def kernels() -> int:
    return len(processes("ipykernel"))


def wait_for_kernels(number: int) -> None:
    until = time.monotonic() + PATIENCE_S
    while kernels() != number:
        assert time.monotonic() < until, f"{kernels()} kernels"
        time.sleep(0.2)


def reload_at_once(page) -> None:
    """Reload without waiting for what was asked for before.

    While Chromium exchanges one page for the next, it has for a moment none to reload.
    """
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            page.reload(wait_until="commit")
            return
        except Error as error:
            if "Not attached to an active page" not in str(error) or time.monotonic() > until:
                raise


def ask(address: str, method="GET", path="/", **headers) -> http.client.HTTPResponse:
    """One plain request with exactly these headers."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=PATIENCE_S)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    response = connection.getresponse()
    response.page = response.read().decode()
    connection.close()
    return response


@pytest.fixture(scope="module")
def app(tmp_path_factory) -> Iterator[SimpleNamespace]:
    """The app with room for two pages, and the folder in which it may write."""
    folder = tmp_path_factory.mktemp("app")
    command = ["qdvae_helpers", "studio", "--pages=2", *QUICK]
    with served(command, folder, "is running at") as address:
        yield SimpleNamespace(address=address, folder=folder)


@pytest.fixture
def mortal(tmp_path) -> Iterator[SimpleNamespace]:
    """Another one, for a test that ends it: pytest may run that before those of ``app``."""
    command = ["qdvae_helpers", "studio", "--pages=2", *QUICK]
    with served(command, tmp_path, "is running at") as address:
        yield SimpleNamespace(address=address, folder=tmp_path)


@pytest.fixture(scope="module")
def closed(tmp_path_factory) -> Iterator[SimpleNamespace]:
    """The app behind a proxy's name, and the token that was printed."""
    folder = tmp_path_factory.mktemp("closed")
    command = ["qdvae_helpers", "studio", "--allow-host=hub.example", *QUICK]
    command += ["--PageKernels.connect_timeout=2"]
    with served(command, folder, "?token=") as address:
        log = (folder / "server.log").read_text()
        (token,) = re.findall(r"\?token=([\w-]+)", log)
        yield SimpleNamespace(address=address, token=token, log=folder / "server.log")


NONE = {"Sec_Fetch_Site": "none"}
WEBSOCKET = {
    "path": "/api/kernels/1-2-3-4-5/channels",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec_WebSocket_Version": "13",
    "Sec_WebSocket_Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


@pytest.mark.parametrize(
    ("status", "request_"),
    [
        (403, {}),
        (403, {"Sec_Fetch_Site": "cross-site"}),
        (403, {"Sec_Fetch_Site": "same-site"}),
        (403, {"Origin": "https://evil.example"}),
        (403, {"Origin": "null"}),
        (403, NONE | {"Host": "evil.example"}),
        (403, NONE | {"Host": "rebound.evil.example:{port}"}),
        (403, NONE | {"Host": "localhost.evil.example"}),
        (400, NONE | {"Host": "evil.example@localhost"}),
        (400, NONE | {"Host": None}),
        (403, {"method": "POST", "path": "/api/kernels"}),
        (403, {"method": "POST", "path": "/api/kernels", "Origin": "https://evil.example"}),
        (403, {"method": "DELETE", "path": "/api/kernels/1-2-3-4-5", "Sec_Fetch_Site": "none"}),
        (403, {"method": "POST", "path": "/voila/api/shutdown/1-2-3-4-5"}),
        (405, {"method": "BREW"}),
        (404, NONE | {"path": "http://localhost:{port}/"}),
        (403, {"path": "/voila/static/voila.js", "Sec_Fetch_Site": "cross-site"}),
        (403, WEBSOCKET),
        (403, WEBSOCKET | {"Origin": "https://evil.example"}),
        (404, WEBSOCKET | {"Origin": "http://localhost:{port}"}),  # passes; no such kernel
        (200, {"path": "/voila/static/voila.js"}),
    ],
    ids=str,
)
def test_forged_requests_start_nothing(app, status, request_):
    port = urlsplit(app.address).port
    asked = {"Host": "localhost:{port}"} | request_
    asked["path"] = asked.get("path", "/").replace("{port}", str(port))
    headers = {k: v.replace("{port}", str(port)) for k, v in asked.items() if v is not None}
    answer = ask(app.address, **headers)
    assert answer.status == status
    assert kernels() == 0
    if status in (403, 405):
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_token_opens_a_session_and_stands_in_no_log(closed):
    hub = NONE | {"Host": "hub.example"}
    assert ask(closed.address, **hub).status == 403
    assert ask(closed.address, path="/?token=guess", **hub).status == 403
    entered = ask(closed.address, path=f"/?token={closed.token}", **hub)
    assert (entered.status, entered.headers["Location"]) == (302, "./")
    cookie = entered.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    hub |= {"Cookie": cookie.split(";")[0]}
    static = {"path": "/voila/static/voila.js"}
    assert ask(closed.address, **static, **hub).status == 200
    assert ask(closed.address, **static, Host="hub.example").status == 403
    socket = WEBSOCKET | hub | {"Origin": "https://hub.example", "Sec_Fetch_Site": "same-origin"}
    assert ask(closed.address, **socket).status == 404
    ask(closed.address, path=f"/missing?token={closed.token}", **hub)
    assert closed.log.read_text().count(closed.token) == 1
    assert kernels() == 0
    # A visitor who never connects to the kernel, as curl does.
    assert "The studio" in ask(closed.address, **hub).page
    wait_for_kernels(0)
    assert "The page of kernel" in closed.log.read_text()


@pytest.mark.parametrize(
    "option",
    [
        "--preheat_kernel=True",
        "--VoilaConfiguration.preheat_kernel=True",
        "--VoilaConfiguration.multi_kernel_manager_class="
        "jupyter_server.services.kernels.kernelmanager.AsyncMappingKernelManager",
    ],
)
def test_no_option_goes_round_the_limit_of_pages(option, capsys, monkeypatch):
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert main(["studio", "--no-browser", "--", option]) != 0
    assert "The studio counts the kernels of its pages" in capsys.readouterr().err
    StudioApp.clear_instance()


@pytest.mark.usefixtures("patience")
def test_two_pages_watch_one_run_and_no_kernel_outlives_its_page(
    mortal, page, context, launch_browser
):
    """Pages are closed and reloaded in mid-training; a browser, a kernel, the server are ended."""
    context.set_default_timeout(1_000 * PATIENCE_S)
    train = page.locator(".qdvae-train")
    progress = train.locator(".qdvae-progress")
    page.goto(f"data:text/html,<a href='{mortal.address}'>from another page</a>")
    page.get_by_text("from another page").click()
    expect(page.get_by_role("heading", name="Open the studio?")).to_be_visible()
    assert kernels() == 0
    page.get_by_role("link", name="Open the studio").click()
    page.get_by_role("tab", name="Train").click()
    train.get_by_label("name to save under").fill("long")
    train.get_by_label("loss", exact=True).select_option(
        "Importance-weighted bound, 8 draws (slower)"
    )
    type_number(train, "epochs", 100)
    train.get_by_role("button", name="Train", exact=True).click()

    before = set(browsers())
    doomed = launch_browser()
    (program,) = set(browsers()) - before
    other = doomed.new_page()
    other.set_default_timeout(1_000 * PATIENCE_S)
    other.goto(mortal.address)
    other.get_by_role("tab", name="Train").click()
    watched = other.locator(".qdvae-train")
    expect(watched.locator(".qdvae-progress")).to_contain_text(re.compile("long: epoch [1-9]"))
    expect(watched.locator("img")).to_have_count(2)
    expect(watched.get_by_role("button", name="Train", exact=True)).to_be_disabled()
    lock = mortal.folder / "models" / "studio-run"
    run = holder(lock)

    third = context.new_page()
    assert third.goto(mortal.address).status == 503
    expect(third.get_by_role("heading", name="The studio is full")).to_be_visible()
    third.close()

    page.reload()
    page.get_by_role("tab", name="Train").click()
    expect(progress).to_contain_text(re.compile("long: epoch [1-9]"))
    expect(train.locator("img")).to_have_count(2)
    assert holder(lock)["pid"] == run["pid"]
    os.kill(program.pid, signal.SIGKILL)
    wait_for_kernels(1)
    third = context.new_page()
    third.goto(mortal.address)
    third.get_by_role("tab", name="Train").click()
    third.locator(".qdvae-train").get_by_role("button", name="Cancel").click()
    expect(progress).to_contain_text("Stopped: long keeps its last step")
    expect(train.get_by_label("stopped runs")).to_have_value("long")
    assert holder(lock) is None
    third.close(run_before_unload=False)
    wait_for_kernels(1)

    # A page that has lost its kernel says so, and comes back, however often it is asked.
    gone = page.locator("#qdvae-gone")
    expect(gone).to_be_hidden()
    processes("ipykernel")[0].kill()
    expect(gone).to_contain_text("The Python process of this page has ended.")
    wait_for_kernels(0)
    gone.get_by_role("button", name="Reload").click()
    expect(gone).to_be_hidden()
    for _ in range(3):
        reload_at_once(page)
    page.get_by_role("tab", name="Train").click()
    train.get_by_role("button", name="Resume").click()
    expect(progress).to_contain_text(re.compile("long: epoch [1-9]"))
    wait_for_kernels(1)
    page.close(run_before_unload=True)
    wait_for_kernels(0)

    # The server ends: so do the kernels, and the run is saved.
    page = context.new_page()
    page.goto(mortal.address)
    page.get_by_role("tab", name="Train").click()
    expect(page.locator(".qdvae-progress")).to_contain_text(re.compile("long: epoch [1-9]"))
    port = urlsplit(mortal.address).port
    processes(f"--port={port}")[0].send_signal(signal.SIGINT)
    expect(page.locator("#qdvae-gone")).to_contain_text("The studio does not answer")
    wait_for_kernels(0)
    until = time.monotonic() + PATIENCE_S
    while os.listdir(lock.parent) != ["long.part.safetensors"]:
        assert time.monotonic() < until, os.listdir(lock.parent)
        time.sleep(0.2)
