"""A worker: one process that takes tasks from the queue, and its children, which run them."""

from __future__ import annotations

import os
import signal
import socket
import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import structlog
from billiard.process import current_process
from celery.bootsteps import StartStopStep
from celery.exceptions import CPendingDeprecationWarning, SecurityWarning
from celery.signals import (
    task_prerun,
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
)
from celery.worker import state
from django.core.cache import cache

from fluentpro.process import runtime
from fluentpro.worker.probes import Server
from fluentpro.worker.queue import app
from fluentpro.worker.schedule import Schedule

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

BEAT: Final = 2.0
"""Seconds between two signs of life in the cache."""
ALIVE_FOR: Final = 10
"""Seconds for which one counts."""

log = structlog.stdlib.get_logger("fluentpro")


@dataclass(frozen=True, slots=True)
class Parts:
    """What the floor above gives to the processes of a worker."""

    start: Callable[[bool], None]
    """Follows the configuration in this process, and tries its dependencies or does not."""
    stop: Callable[[], None]
    revive: Callable[[], bool]
    settle: Callable[[int], None]
    """Makes a child with this number, from 1, at home: its own metrics, and no connection of its parent's."""
    application: WSGIApplication
    alive: str
    """The key in the cache that is there while some worker takes tasks."""
    tasks: Sequence[str]
    """The modules that have them."""


class Pulse(StartStopStep):
    """A step of the consumer: while it takes tasks, its loop gives a sign of life."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self.timer: Any = None

    def start(self, parent: Any) -> None:
        """Begin, with each connection that is made."""
        app.beat()
        self.timer = parent.timer.call_repeatedly(BEAT, app.beat)

    def stop(self, parent: Any) -> None:
        """The connection is gone."""
        if self.timer:
            parent.timer.cancel(self.timer)
            self.timer = None


@dataclass(slots=True)
class Worker:
    """The process that takes tasks. One is made in a process, and runs once."""

    host: str
    port: int
    grace: float
    """Seconds that tasks may take to end, once the worker is asked to."""
    parts: Parts
    draining: bool = False
    _server: Server | None = None
    _schedule: Schedule | None = None
    _pid: int = field(default_factory=os.getpid)

    def run(self) -> int:
        """Take and run tasks until a signal ends it; the exit status."""
        for heard, react in (
            (worker_ready, self._begin),
            (worker_process_init, self._begin_child),
            (worker_process_shutdown, self._end_child),
            (task_prerun, self._revive),
        ):
            heard.connect(react, weak=False)
        app.steps["consumer"].add(Pulse)
        app.beat = self._beat
        # Of tasks that outlive their connection, which we want, and of root, who runs no pickles here.
        warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)
        warnings.filterwarnings("ignore", category=SecurityWarning)
        name = f"worker-{os.getpid()}@{socket.gethostname()}"
        worker = app.Worker(
            hostname=name,
            include=list(self.parts.tasks),
            pool_cls="prefork",
            optimization="fair",
            loglevel=runtime().store.snapshot.config.logging.level,
            quiet=True,
            without_gossip=True,
            without_heartbeat=True,  # Celery's own would hold up the loop where Redis is not reached
            without_mingle=True,
        )
        try:
            worker.start()
        finally:
            self._end()
        return 0 if self.draining else int(worker.exitcode or 0)

    def _begin(self, sender: Any, **_: Any) -> None:
        """The children are there and the queue is reached: from here on there are threads."""
        app.consumer = sender
        self.parts.start(True)
        signal.signal(signal.SIGTERM, self._drain)
        signal.signal(signal.SIGINT, self._drain)
        signal.signal(signal.SIGHUP, self._hang_up)
        self._server = Server(self.host, self.port, self.parts.application)
        self._server.start()
        self._schedule = Schedule(app)
        self._schedule.start()
        log.info("worker.ready", host=self.host, port=self.port, concurrency=sender.pool.num_processes)

    def _hang_up(self, *_: Any) -> None:
        """Answer SIGHUP, beside the loop that takes tasks: a reload may have to ask a Vault."""
        threading.Thread(target=runtime().store.reload, args=("SIGHUP",), daemon=True).start()

    def _drain(self, *_: Any) -> None:
        """Take no more tasks, and end those that run on beyond the grace; the second time, at once."""
        if self.draining:
            self._cut_off()
            return
        self.draining = True
        state.should_stop = os.EX_OK  # type: ignore[assignment]  # the stubs know its first value only
        late = threading.Timer(self.grace, self._cut_off)
        late.daemon = True
        late.start()

    def _cut_off(self) -> None:
        os.kill(self._pid, signal.SIGQUIT)  # Celery's word for it

    def _end(self) -> None:
        if self._schedule:
            self._schedule.stop()
        if self._server:
            self._server.stop()
        self.parts.stop()

    def _beat(self) -> None:
        try:
            cache.set(self.parts.alive, 1, ALIVE_FOR)
        except Exception as error:  # noqa: BLE001 # whatever Redis raises; the health check says it
            log.debug("worker.heartbeat_failed", cause=type(error).__name__)

    def _begin_child(self, **_: Any) -> None:
        """A child, just forked: it has none of its parent's threads and begins its own."""
        index: int = current_process().index  # type: ignore[attr-defined]  # billiard gives it to its pool's
        self.parts.settle(index + 1)
        app.consumer = None
        self.parts.start(False)

    def _end_child(self, **_: Any) -> None:
        self.parts.stop()

    def _revive(self, **_: Any) -> None:
        """Nobody probes a child: each task looks whether its threads live."""
        if os.getpid() != self._pid:
            self.parts.revive()
