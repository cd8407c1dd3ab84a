"""From the thread that swaps a snapshot to every open WebSocket's task, and neither waits for the other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from fluentpro.config.snapshot import Snapshot
from fluentpro.schema import Config
from fluentpro.web import metrics


@dataclass(slots=True)
class Changes:
    """The open WebSockets of this process, each with an event that says: look again."""

    ending: bool = False
    """The process ends: no WebSocket is opened any more, and those that are open say goodbye."""
    _loop: asyncio.AbstractEventLoop | None = None
    _events: set[asyncio.Event] = field(default_factory=set)

    def announce(self, _old: Snapshot[Config], _new: Snapshot[Config]) -> None:
        """Say, in any thread, that the snapshot was swapped. Returns at once."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._wake)

    @contextmanager
    def followed(self) -> Iterator[asyncio.Event]:
        """An event of one WebSocket, set after each swap; several swaps may be one to it."""
        self._loop, event = asyncio.get_running_loop(), asyncio.Event()
        self._events.add(event)
        metrics.WEBSOCKETS.inc()
        try:
            yield event
        finally:
            self._events.discard(event)
            metrics.WEBSOCKETS.dec()

    def end(self) -> None:
        """Let every WebSocket say goodbye. Called in the loop."""
        self.ending = True
        self._wake()

    def _wake(self) -> None:
        for event in self._events:
            event.set()


changes = Changes()
