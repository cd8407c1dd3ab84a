"""A process's configuration at work: the store, the thread that watches the sources, start and stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Generic

from fluentpro.config.errors import RejectedError
from fluentpro.config.layers import Sources
from fluentpro.config.snapshot import C
from fluentpro.config.store import Store
from fluentpro.config.thread import Loop
from fluentpro.config.watch import Pace, looks

JOIN: Final = 2.0
"""Seconds that `stop` waits for the thread."""
REST: Final = 1.0
"""Seconds before a watch that failed is tried again."""
RETRY: Final = 5.0
"""Seconds after which content that a check refused is tried again: what it asks of may be there now."""


@dataclass(slots=True)
class Runtime(Generic[C]):
    """Keeps a store in step with its sources while the process lives."""

    sources: Sources
    store: Store[C]
    pace: Callable[[C], Pace]
    """The pace that a configuration asks for."""
    warn: Callable[[str, str], None] = lambda _event, _cause: None
    """Told when the watch is degraded, mended or had to be restarted: an event's name and its cause."""
    polling: bool = False
    """The kernel gave us no watches: changes are found by looking."""
    looked_at: float | None = None
    """When the files were last looked at, in s of `time.monotonic`; None before the first time."""
    trouble: str = ""
    """Why the files could not be looked at last time: the type of the error."""
    _loop: Loop = field(init=False)

    def __post_init__(self) -> None:
        """Bind the thread to this very object."""
        self._loop = Loop("config-watch", self._run, JOIN, self._revived)

    def start(self) -> None:
        """Watch the sources in a thread of this process. A second call in the same process does nothing."""
        if not self.started:
            self.polling, self.looked_at, self.trouble = False, None, ""
            self._loop.start()

    def stop(self) -> None:
        """End the thread; returns when it has ended, or after 2 s."""
        self._loop.stop()

    @property
    def started(self) -> bool:
        """Whether this very process watches; a child of a process that does has to start anew."""
        return self._loop.started

    @property
    def due(self) -> bool:
        """Whether content that a check refused should be tried again."""
        status = self.store.status
        return isinstance(status.error, RejectedError) and self.store.clock() - status.tried_at >= RETRY

    def revive(self) -> bool:
        """Start the watch of this process again if its thread died; False if that can't be done."""
        return self._loop.revive()

    def _revived(self) -> None:
        self._warn("config.watch_restarted", "its thread had died")

    def _run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                self._follow(stop)
            except Exception as error:  # noqa: BLE001 # the watch outlives whatever befalls it
                trouble, before = type(error).__name__, self.trouble
                self.trouble = trouble
                if trouble != before:  # said once, not every second
                    self._warn("config.watch_restarted", trouble)
                stop.wait(REST)

    def _follow(self, stop: threading.Event) -> None:
        # The pace is a setting that takes a restart; a child that was forked later starts with its own.
        pace, trigger = self.pace(self.store.boot.config), "start"
        stamp, paths = self.sources.fingerprint, self.sources.paths
        for differ in looks(paths, stamp, stop, pace, self._watching):
            self.looked_at = time.monotonic()
            if differ:
                self.store.reload(trigger)
            elif self.due:
                self.store.reload("retry")
            trigger, self.trouble = "file", ""

    def _watching(self, error: Exception | None) -> None:
        if error and not self.polling:
            cause, _, _ = str(error).partition(" about ")  # the directories come next
            self._warn("config.watch_polling", cause)
        elif self.polling and not error:
            self._warn("config.watch_mended", "the kernel gives watches again")
        self.polling = error is not None

    def _warn(self, event: str, cause: str) -> None:
        with suppress(Exception):  # a log that fails must not end the watch
            self.warn(event, cause)
