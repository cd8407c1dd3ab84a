"""A process's configuration at work: the store, the thread that watches the sources, start and stop."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic

from fluentpro.config.layers import Sources
from fluentpro.config.snapshot import C
from fluentpro.config.store import Store
from fluentpro.config.watch import Pace, changes

JOIN: float = 5.0
"""Seconds that `stop` waits for the thread."""


@dataclass(slots=True)
class Runtime(Generic[C]):
    """Keeps a store in step with its sources while the process lives."""

    sources: Sources
    store: Store[C]
    pace: Callable[[C], Pace]
    """The pace that a configuration asks for."""
    warn: Callable[[str, str], None] = lambda _event, _cause: None
    """Told when the watch is degraded or had to be restarted: an event's name and its cause."""
    polling: bool = False
    """The kernel gave us no watches: changes are found by looking."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _pid: int = 0

    def start(self) -> None:
        """Watch the sources in a thread of this process. A second call in the same process does nothing."""
        if self._pid == os.getpid():
            return
        self._pid, self._stop = os.getpid(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="config-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; returns when it has ended, or after 5 s."""
        self._stop.set()
        if self._thread and self._pid == os.getpid():
            self._thread.join(JOIN)
        self._thread, self._pid = None, 0

    @property
    def started(self) -> bool:
        """Whether this very process watches; a child of a process that does has to start anew."""
        return self._pid == os.getpid()

    @property
    def alive(self) -> bool:
        """Whether the watch of this process runs, if it was started."""
        return not self.started or bool(self._thread and self._thread.is_alive())

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._follow()
            except Exception as error:  # noqa: BLE001 # the watch outlives whatever befalls it
                self.warn("config.watch_restarted", type(error).__name__)
                self._stop.wait(1.0)

    def _follow(self) -> None:
        self.store.reload("start")  # what changed between the first reading and this watch
        pace = self.pace(self.store.snapshot.config)
        for _ in changes(self.sources.paths, self.sources.fingerprint, self._stop, pace, self._degraded):
            self.store.reload("file")

    def _degraded(self, error: OSError) -> None:
        self.polling = True
        self.warn("config.watch_polling", error.strerror or type(error).__name__)
