"""A thread of this very process that does one thing until it is told to stop."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Loop:
    """A named daemon thread, started once in a process. A forked child has none, and may start its own."""

    name: str
    run: Callable[[threading.Event], None]
    """What the thread does. It returns soon after the event is set."""
    join_seconds: float = 2.0
    """Seconds that `stop` waits for the thread to end."""
    revived: Callable[[], None] = lambda: None
    """Told that the thread had died and was started again."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _woken: threading.Event = field(default_factory=threading.Event)
    _starting: threading.Lock = field(default_factory=threading.Lock)
    _thread: threading.Thread | None = None
    _pid: int = 0

    @property
    def started(self) -> bool:
        """Whether this very process started it, and has not stopped it."""
        return self._pid == os.getpid()

    @property
    def alive(self) -> bool:
        """Whether the thread of this process runs."""
        return self.started and self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Start the thread, or raise RuntimeError if there is none to be had; a second call does nothing."""
        if self.started:
            return
        # A parent's may be held or waited for by threads that are not in this process.
        self._stop, self._woken, self._starting = threading.Event(), threading.Event(), threading.Lock()
        self._begin()
        self._pid = os.getpid()

    def halt(self) -> None:
        """Tell the thread to end, and wait for nothing."""
        if self.started:
            self._stop.set()
            self._woken.set()

    def stop(self, within: float | None = None) -> None:
        """End the thread; returns when it has ended, or after `within` s, by default `join_seconds`."""
        if not self.started:
            return
        self.halt()
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join(self.join_seconds if within is None else max(within, 0.0))
        self._thread, self._pid = None, 0

    def revive(self) -> bool:
        """Start the thread of this process again if it died; False if that can't be done."""
        if not self.started:
            return True
        with self._starting:
            if self._stop.is_set() or self.alive:
                return True
            try:
                self._begin()
            except RuntimeError:  # no thread to be had
                return False
        self.revived()
        return True

    def wake(self) -> None:
        """End the rest that the thread takes, or the next one if it takes none. Any thread may ask."""
        self._woken.set()

    def rest(self, seconds: float) -> None:
        """For the thread itself: wait, until somebody wakes or stops it at the latest."""
        self._woken.wait(seconds)
        self._woken.clear()

    def _begin(self) -> None:
        thread = threading.Thread(target=self.run, args=(self._stop,), name=self.name, daemon=True)
        thread.start()
        self._thread = thread


def stop_all(loops: Sequence[Loop], within: float) -> None:
    """End threads side by side; returns when all have ended, or after `within` s."""
    until = time.monotonic() + within
    for loop in loops:
        loop.halt()
    for loop in loops:
        loop.stop(until - time.monotonic())
