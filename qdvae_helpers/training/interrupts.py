"""Ctrl-C that waits for the end of a step."""

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def deferred_interrupt() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C, or request to end, into an event: a step is never cut in half.

    A request to end (SIGTERM, or SIGHUP when a terminal closes) that nobody else handles ends the
    process after the block.  A second signal acts at once.  Outside the main thread signals cannot
    be caught.
    """
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    # None: the handler was not set by Python, so it cannot be put back.
    previous = {signal.SIGINT: signal.getsignal(signal.SIGINT) or signal.default_int_handler}
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has not all
        if number and signal.getsignal(number) not in (None, signal.SIG_IGN):  # nohup ignores one
            previous[number] = signal.getsignal(number)
    asked: list[int] = []

    def put_back() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)

    def note(signum: int, frame: object) -> None:
        asked.append(signum)
        event.set()
        put_back()

    for number in previous:
        signal.signal(number, note)
    try:
        yield event
    finally:
        put_back()
        if asked and previous[asked[0]] == signal.SIG_DFL:
            signal.raise_signal(asked[0])
