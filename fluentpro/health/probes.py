"""The three questions that an orchestrator asks, answered from what is already known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fluentpro.health.check import Status, Verdict, worst


@dataclass(slots=True)
class Probes:
    """Liveness, readiness and startup of this process."""

    verdicts: Callable[[], Sequence[Verdict]]
    revive: Callable[[], bool]
    """Starts threads of ours again that died; False if that can't be done."""
    draining: Callable[[], bool] = lambda: False
    """Whether the process was told to end: not ready from then on, alive until it does."""
    _started: bool = False

    def live(self) -> Status:
        """Fail only where a restart helps: a thread of ours can't be revived. Touches no dependency."""
        return Status.PASS if self.revive() else Status.FAIL

    def ready(self) -> Status:
        """Fail where no request should be sent here now."""
        if self.draining():
            return Status.FAIL
        threads = Status.PASS if self.revive() else Status.WARN
        return worst(threads, *(verdict.ready for verdict in self.verdicts()))

    def startup(self) -> Status:
        """Pass once it was ready when somebody asked. Whoever runs the checks should ask each time."""
        if not self._started:
            self._started = self.ready() is not Status.FAIL
        return Status.PASS if self._started else Status.FAIL
