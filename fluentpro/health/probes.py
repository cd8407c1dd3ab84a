"""The three questions that an orchestrator asks, answered from what is already known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fluentpro.health.check import Status, Verdict, worst


@dataclass(slots=True)
class Probes:
    """Liveness, readiness and startup of this process."""

    verdicts: Callable[[], Sequence[Verdict]]
    threads_alive: Callable[[], bool]
    draining: bool = False
    """Set on SIGTERM: not ready at once, alive until the end."""
    _started: bool = False

    def live(self) -> Status:
        """Fail only where a restart would help: a thread of ours is dead. Touches no dependency."""
        return Status.PASS if self.threads_alive() else Status.FAIL

    def ready(self) -> Status:
        """Fail where no request should be sent here now."""
        if self.draining:
            return Status.FAIL
        threads = Status.PASS if self.threads_alive() else Status.WARN
        return worst(threads, *(verdict.ready for verdict in self.verdicts()))

    def startup(self) -> Status:
        """Pass from the first moment of readiness on."""
        if not self._started:
            self._started = self.ready() is not Status.FAIL
        return Status.PASS if self._started else Status.FAIL
