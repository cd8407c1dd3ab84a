"""gunicorn's arbiter, which follows the configuration and survives what its workers don't."""

from __future__ import annotations

import signal
import time
from types import FrameType
from typing import TYPE_CHECKING, ClassVar, Final

from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer

from fluentpro.config.files import Fingerprint
from fluentpro.process import follow_overrides, runtime
from fluentpro.web import logs
from fluentpro.web.server.flag import draining
from fluentpro.web.server.worker import HINT, FollowingWorker

if TYPE_CHECKING:
    from fluentpro.vault.keeper import Keeper

REST: Final = 1.0
"""Seconds before a worker that could not start is tried again."""


class Master(Arbiter):
    """The arbiter, which follows the sources too: a worker that died is replaced on the current snapshot.

    It looks at the files when a worker says that they changed, and once a second; between two signals
    and without a thread, so that nothing of it is half done when it forks.
    """

    WORKERS: ClassVar[dict[int, FollowingWorker]]  # type: ignore[assignment]  # we have no others
    seen: Fingerprint | None = None
    drained_at: float | None = None
    rests_until = 0.0
    served = False
    """Whether a worker ever came up."""
    ending = False
    keeper: Keeper | None = None
    hinted = False

    def init_signals(self) -> None:
        """Hear the workers' hints as well."""
        super().init_signals()
        signal.signal(HINT, self.hear)

    def hear(self, sig: int, frame: FrameType | None) -> None:
        """A worker took up a change: look for it soon."""
        self.hinted = True
        self.wakeup()

    def signal(self, sig: int, frame: FrameType | None) -> None:
        """Queue a signal. From SIGTERM on no worker is ready; a second one ends at once."""
        if sig == signal.SIGTERM:
            sig = signal.SIGQUIT if draining else sig
            draining.hoist()
        super().signal(sig, frame)

    def handle_term(self) -> None:
        """Begin to drain; the end comes after `server.drain_delay`, for load balancers to notice."""
        delay = runtime().store.boot.config.server.drain_delay
        if delay == 0:
            raise StopIteration
        self.drained_at = time.monotonic() + delay

    def wait_for_signals(self, timeout: float | None = 1.0) -> list[int]:
        """Wait, but not beyond the end of draining."""
        if self.drained_at is not None:
            timeout = min(1.0, max(0.01, self.drained_at - time.monotonic()))
        return super().wait_for_signals(timeout)

    def stop(self, graceful: bool = True) -> None:
        """End the workers, and no longer mind how."""
        self.ending = True
        super().stop(graceful)

    def manage_workers(self) -> None:
        """Bring the snapshot up to date, then the number of workers."""
        if self.drained_at is not None and time.monotonic() >= self.drained_at:
            raise StopIteration
        self.follow()
        self._await_start()
        if time.monotonic() >= self.rests_until:
            super().manage_workers()

    def reap_workers(self) -> None:
        """Bury the dead. One that could not start ends the service only if none ever could."""
        try:
            super().reap_workers()
        except HaltServer:
            if self.ending:
                return
            if not self._has_served():
                raise
            logs.log.error("server.worker_failed", pause=REST)
            self.rests_until = time.monotonic() + REST
            self.reap_workers()  # it stopped at the first

    def follow(self) -> None:
        """Reload if a file differs from the last look, or if what was refused should be tried again."""
        process, hinted, self.hinted = runtime(), self.hinted, False
        follow_overrides(read=hinted)  # a worker that is forked while the database is down has them from here
        if not process.store.boot.config.reload.enabled:
            return
        now = process.sources.fingerprint()
        if now != self.seen or process.due:
            self.seen = now
            process.store.reload("file")
        if hinted and self.keeper:
            self.keeper.catch_up(credentials=False)  # each worker takes its own

    def _await_start(self) -> None:
        """Where there are more workers than wanted, wait: no old one goes before the new ones serve."""
        until = time.monotonic() + self.timeout
        while len(self.WORKERS) > self.num_workers and time.monotonic() < until:
            if all(worker.serving for worker in self.WORKERS.values()):
                return
            time.sleep(0.02)
            self.reap_workers()

    def _has_served(self) -> bool:
        self.served = self.served or any(worker.serving for worker in self.WORKERS.values())
        return self.served
