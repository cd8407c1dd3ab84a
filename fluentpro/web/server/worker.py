"""gunicorn's threaded worker: one process that serves."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any, Final

from gunicorn.workers.gthread import ThreadWorker

from fluentpro.config.store import Outcome, Result
from fluentpro.process import runtime
from fluentpro.web.server.flag import Flag, draining

HINT: Final = signal.SIGURG
"""From a worker to its master: the files changed. Whoever does not expect it ignores it."""
ENDS: Final = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
"""What ends a worker."""
METRICS_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Names the folder that the workers share; prometheus_client reads it."""


class FollowingWorker(ThreadWorker):
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
            _share_metrics(self.slot)
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
            from fluentpro.web import wsgi

            wsgi.stop()
            if self.nr_conns and sys.exc_info()[0] in (None, SystemExit):
                logging.shutdown()
                os._exit(0)  # else Python would wait for each thread, and it for the rest of a request

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

    def hint(self, outcome: Outcome[Any]) -> None:
        """Let the master look at the files now."""
        if outcome.result is not Result.UNCHANGED and os.getppid() == self.ppid:
            os.kill(self.ppid, HINT)


def _share_metrics(slot: int) -> None:
    """Keep this process's metrics in the files of its slot: a successor goes on counting in them.

    One set of files for each process id would grow for ever, and every scrape reads all of them.
    """
    from prometheus_client import values

    Path(os.environ[METRICS_FOLDER]).mkdir(mode=0o700, exist_ok=True)  # somebody may have tidied up
    values.ValueClass = values.MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]
