"""Answers that take longer than a moment, in a thread beside the notebook.

Widgets answer in the kernel's main thread, so nothing slow may run there.  A thread is enough:
torch lets go of Python's lock while it computes.
"""

import threading
from collections.abc import Callable


class LatestOnly:
    """Runs jobs in one background thread, only the newest of those that wait.

    Args:
        on_error: called with an exception that a job raised, in the background thread.
        pause: seconds to wait before a job starts, in which a newer one may take its place.
    """

    def __init__(self, on_error: Callable[[Exception], None], pause: float = 0.1) -> None:
        self._on_error = on_error
        self._pause = pause
        self._waiting: Callable[[], None] | None = None
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None

    def submit(self, job: Callable[[], None]) -> None:
        """Run ``job`` soon, in place of one that has not begun; after :meth:`close`, never."""
        with self._changed:
            if self._closed:
                return
            self._waiting = job
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def close(self, timeout: float = 10.0) -> None:
        """Drop what waits, and wait for the job in progress.

        Args:
            timeout: seconds to wait at most.
        """
        with self._changed:
            self._closed = True
            self._waiting = None
            self._changed.notify_all()
        if self._thread not in (None, threading.current_thread()):
            self._thread.join(timeout)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._waiting is not None)
                if self._changed.wait_for(lambda: self._closed, self._pause):
                    return
                job, self._waiting = self._waiting, None
            try:
                job()
            except Exception as error:
                self._on_error(error)
