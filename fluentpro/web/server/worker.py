"""gunicorn's workers: one process that serves, with threads or with a loop."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from types import FrameType
from typing import Any, Final

from gunicorn.workers.base import Worker
from gunicorn.workers.gasgi import ASGIWorker
from gunicorn.workers.gthread import ThreadWorker

from fluentpro.config.store import Outcome, Result
from fluentpro.process import runtime
from fluentpro.web import slots
from fluentpro.web.server.flag import Flag, draining

HINT: Final = signal.SIGURG
"""From a worker to its master: the files changed. Whoever does not expect it ignores it."""
ENDS: Final = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
"""What ends a worker."""
LAST_WORD: Final = 0.1
"""Seconds for the goodbyes to leave, where nobody is waited for."""


class FollowingWorker(Worker):
    """Follows the sources, tells the master of what it finds, and knows when the service is draining."""

    slot = 0
    """Its number among the living: the smallest that is free."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.serving = Flag()

    def load_wsgi(self) -> None:
        """Make the application, in this process alone; no signal ends it in the middle of an import."""
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
        # What is made here lives as long as the process. Not looking for garbage meanwhile makes the start
        # 40 ms shorter; never looking at it again spares requests pauses of 45 ms.
        gc.disable()
        try:
            slots.share(lambda: self.slot)
            # The master may have read it for a check, when the configuration was another.
            sys.modules.pop("fluentpro.web.settings", None)
            super().load_wsgi()
            from fluentpro.web.health import probes

            probes.draining = lambda: bool(draining)
            runtime().store.acknowledge.append(self.hint)
            self.serving.hoist()
        finally:
            gc.freeze()
            gc.enable()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS)

    def run(self) -> None:
        """Serve; in the end, let no thread of ours outlive the interpreter, and wait for no client."""
        try:
            super().run()
        finally:
            from fluentpro.web import wiring

            wiring.stop()
            if self.has_clients() and sys.exc_info()[0] in (None, SystemExit):
                logging.shutdown()
                os._exit(0)  # else Python would wait for each thread, and it for the rest of a request

    def has_clients(self) -> bool:
        """Whether connections were still open when it ended."""
        raise NotImplementedError

    def hint(self, outcome: Outcome[Any]) -> None:
        """Let the master look at the files now."""
        if outcome.result is not Result.UNCHANGED and os.getppid() == self.ppid:
            os.kill(self.ppid, HINT)


class WebWorker(FollowingWorker, ThreadWorker):
    """Serves HTTP, each request in a thread."""

    def has_clients(self) -> bool:
        """Whether a connection is open."""
        return bool(self.nr_conns)

    def set_accept_enabled(self, enabled: bool | None) -> None:
        """Take connections or not; at the end, let them be refused instead of waiting for nobody."""
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                listener.close()

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """End at once. It is heard once: a second end in the middle of the first would be an error."""
        for each in ENDS:
            signal.signal(each, lambda *_: None)  # SIG_IGN complains of what is on its way already
        super().handle_quit(sig, frame)


class RealtimeWorker(FollowingWorker, ASGIWorker):
    """Serves HTTP and WebSockets, in one loop."""

    left = 0
    """Connections that were cut off in the end."""

    def has_clients(self) -> bool:
        """Whether connections were cut off."""
        return bool(self.left)

    async def _shutdown(self) -> None:
        """Let every WebSocket say goodbye, while it waits for them as for each other connection."""
        from fluentpro.web.realtime.changes import changes

        changes.end()
        if self._quick_shutdown and self.nr_conns:  # type: ignore[attr-defined]  # the stubs leave it out
            await asyncio.sleep(LAST_WORD)
        await super()._shutdown()  # type: ignore[misc]  # as above
        self.left = self.nr_conns
