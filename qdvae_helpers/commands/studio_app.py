"""The studio as an app: Voila behind a guard, with kernels that end with their pages.

Only ``qdvae studio`` imports this.  It needs Voila, and no torch, which would only cost memory.
"""

import asyncio
import re
import threading
import time
import webbrowser
from typing import Any

from jupyter_server.base.call_context import CallContext
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.routing import Rule
from tornado.web import HTTPError
from traitlets import Int, List, Unicode
from voila.app import Voila
from voila.tornado.handler import TornadoVoilaHandler

from qdvae_helpers.commands.studio_guard import Answer, Guard, SafeHeaders, plain_page
from qdvae_helpers.commands.studio_opening import with_opening
from qdvae_helpers.errors import SettingError

_CONFIG = '<script id="jupyter-config-data"'  # begins what Voila's page says of its kernel
# A page that slept for long, or whose server ended, would show buttons that do nothing.
_WATCH = """<div id="qdvae-gone" role="alert" hidden style="position: fixed; inset: auto 0 0 0;
  z-index: 9999; padding: 1rem; text-align: center; font: 1.05rem/1.5 system-ui, sans-serif;
  background: #ffffff; color: #212121; border-top: 6px solid #D55E00"><span></span>
<button onclick="location.reload()" style="font: inherit; margin-left: 1rem">Reload</button></div>
<script>
setInterval(async () => {
  const bar = document.getElementById("qdvae-gone");
  const data = document.getElementById("jupyter-config-data");
  const {baseUrl, kernelId} = JSON.parse(data.textContent);
  const answer = await fetch(`${baseUrl}api/kernels/${kernelId}`, {cache: "no-store"})
    .catch(() => ({status: 0}));
  bar.hidden = answer.status === 200;
  bar.firstChild.textContent = [403, 404].includes(answer.status)
    ? "The Python process of this page has ended. A run in training goes on."
    : "The studio does not answer: it was ended, or the connection is broken.";
}, 3000);
</script>
"""
_FOREIGN = re.compile(r'<link [^>]*href="https?://[^>]*>')
_FULL = 503  # HTTP status
_ROOM_S = 5  # a page that is reloaded at the limit waits so long for the end of its old kernel


class Page(TornadoVoilaHandler):
    """The app's page; knows when nobody waits for its cells any more."""

    left = False  # by us or by the browser
    gone = False  # by the browser alone, before all was sent

    async def prepare(self) -> None:
        """Give the page the cookie without which its word of farewell is refused."""
        await super().prepare()
        _ = self.xsrf_token

    def write(self, chunk: Any) -> None:
        """Without icons of another host, which nobody here uses; with a still while the kernel
        starts, and an eye on the kernel.
        """
        if isinstance(chunk, str):
            chunk = with_opening(_FOREIGN.sub("", chunk)).replace(_CONFIG, _WATCH + _CONFIG)
        super().write(chunk)

    def on_finish(self) -> None:
        """All cells have been executed and sent."""
        self.left = True
        super().on_finish()

    def on_connection_close(self) -> None:
        """The browser is gone, or the program that asked."""
        self.left = self.gone = True
        super().on_connection_close()

    def write_error(self, status_code: int, **more: Any) -> None:
        """In words where there is no room for one more kernel."""
        if status_code != _FULL:
            super().write_error(status_code, **more)
            return
        self.set_header("Content-Type", "text/html; charset=UTF-8")
        self.set_header("Retry-After", str(PageKernels.cull_idle_timeout.default_value))
        limit = self.kernel_manager.pages_limit
        text = (
            f"{limit} pages of the studio are open, and this machine holds no more: each is a "
            "Python process with models of its own. Close one, and try again after a moment. "
            "(Who started the studio can allow more with --pages.)"
        )
        self.finish(plain_page("The studio is full", text, (self.request.path, "Try again")))


class PageKernels(AsyncMappingKernelManager):
    """Kernels that live as long as their pages, and no more than ``pages_limit`` of them.

    Jupyter's own culling asks when a kernel last did something: it would end the kernel of an
    idle page whose connection breaks for a moment, and never one that goes on without a page.
    """

    pages_limit = Int(8, config=True, help="the most pages that may be open at once")
    cull_idle_timeout = Int(12, config=True, help="seconds without its page before a kernel ends")
    connect_timeout = Int(30, config=True, help="seconds that a page has for its first connection")
    cull_interval = Int(1, config=True, help="seconds between two looks")

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self._pages: dict[str, Page] = {}  # of every kernel, also of those that still start
        self._seen: dict[str, float] = {}  # when a kernel's page was last there
        self._met: set[str] = set()  # kernels whose pages have connected

    async def start_kernel(self, **more: Any) -> str:
        """A kernel for a page; refuses with status 503 while there are too many."""
        page, until = CallContext.get(CallContext.JUPYTER_HANDLER), time.monotonic() + _ROOM_S
        while len(self._pages) >= self.pages_limit:
            if time.monotonic() > until or page.gone:
                raise HTTPError(_FULL, "as many pages are open as may be")
            await asyncio.sleep(0.2)
        kernel_id = self.new_kernel_id(**more)
        self._pages[kernel_id] = page
        try:
            return await super().start_kernel(kernel_id=kernel_id, **more)
        finally:
            if kernel_id not in self:
                self._forget(kernel_id)

    def remove_kernel(self, kernel_id: str) -> Any:
        """Called at each kernel's end."""
        self._forget(kernel_id)
        return super().remove_kernel(kernel_id)

    async def cull_kernel_if_idle(self, kernel_id: str) -> None:
        """End a kernel whose page has been gone for a while, and forget one that has died."""
        page, now = self._pages[kernel_id], time.monotonic()
        if connected := self._kernel_connections.get(kernel_id):
            self._met.add(kernel_id)
        patience = self.cull_idle_timeout if kernel_id in self._met else self.connect_timeout
        if connected or not page.left:
            self._seen[kernel_id] = now
        waited = now - self._seen.setdefault(kernel_id, now)
        if page.gone or waited >= patience or not await self.is_alive(kernel_id):
            self.log.info("The page of kernel %s is gone.", kernel_id)
            await self.shutdown_kernel(kernel_id, now=page.gone)  # by force if cells are at work

    def _forget(self, kernel_id: str) -> None:
        self._pages.pop(kernel_id, None)
        self._seen.pop(kernel_id, None)
        self._met.discard(kernel_id)


class StudioApp(Voila):
    """Voila, with every request looked at before it passes."""

    host_names = List(Unicode(), help="further names under which people reach the app").tag(
        config=True
    )

    def initialize(self, argv: list[str] | None = None) -> None:
        """Voila's, without options that would go round the limit of pages."""
        super().initialize(argv)
        chosen = self.voila_configuration
        if chosen.preheat_kernel or chosen.multi_kernel_manager_class is not PageKernels:
            raise SettingError(
                "The studio counts the kernels of its pages, so it starts none before and has no "
                "other manager: leave out preheat_kernel and multi_kernel_manager_class."
            )

    def init_settings(self) -> dict[str, Any]:
        """Voila's settings, and ours."""
        page = f"/{(self.server_url or self.base_url).strip('/')}/".replace("//", "/")
        self.guard = Guard(page, self.ip, self.host_names)
        return super().init_settings() | {
            "allow_origin_pat": self.guard.origins,
            # Addresses may hold the token.
            "log_function": lambda handler: self.log.debug(
                "%d %s %s", handler.get_status(), handler.request.method, handler.request.path
            ),
            # A browser whose network is gone says nothing: ask it, in milliseconds.
            "ws_ping_interval": 5_000,
            "ws_ping_timeout": 15_000,
        }

    def init_handlers(self) -> list:
        """Voila's handlers, and our page in place of its own."""
        handlers = super().init_handlers()
        return [
            (path, Page if handler is TornadoVoilaHandler else handler, *more)
            for path, handler, *more in handlers
        ]

    def listen(self) -> None:
        """Put the guard before all handlers, and begin."""
        self.app.add_transform(SafeHeaders)
        self.app.default_router.rules.insert(0, Rule(self.guard, Answer))
        super().listen()

    @property
    def display_url(self) -> str:
        """The address to open."""
        token = f"?token={self.guard.token}" if self.guard.token else ""
        return f"{super().display_url}{token}"

    def _url(self, ip: str) -> str:
        return super()._url(f"[{ip}]" if ":" in ip else ip)

    def launch_browser(self) -> None:
        """Open the page; Voila's own way would look like a visit sent by another page.

        With a token nothing is opened: an address in a command line can be read by others.
        """
        if self.guard.token is None:
            target = self.connection_url
            threading.Thread(target=webbrowser.open, args=(target,), daemon=True).start()
