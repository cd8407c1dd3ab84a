"""One background checker per process: probes read what it knows, and never wait for a dependency."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from fluentpro.config.jitter import jitter
from fluentpro.config.thread import Loop, stop_all
from fluentpro.health.check import Check, Observation, Status, Verdict

JITTER = 0.1
"""Part of the interval by which the tries of many processes are spread."""
JOIN = 1.0
"""Seconds that `stop` waits for the threads; one that hangs in a dependency dies with the process."""
NAP = 1.0
"""Seconds after which a resting thread looks whether the interval was changed."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How checks are run."""

    interval: float = 5.0
    """Seconds between two tries."""
    timeout: float = 2.0
    """Seconds after which a try that has not answered counts as failed."""
    tolerance: int = 2
    """How many tries in a row must fail before the dependency counts as down."""

    def missed(self, seconds: float) -> int:
        """How many tries one that takes so long stands for: itself, and those that it holds up."""
        return 1 + int((seconds - self.timeout) / self.interval) if seconds > self.timeout else 0


@dataclass(slots=True)
class _Series:
    """One check, tried again and again by one thread: never two tries at once, however long one hangs."""

    check: Check
    timing: Callable[[], Timing]
    told: Callable[[Verdict], None]
    verdict: Verdict | None = None
    finished_at: float = 0.0
    began_at: float | None = None
    failures: int = 0

    def run(self, stop: threading.Event) -> None:
        self.began_at = None  # a thread that died in the middle of a try hangs in it no more
        while not stop.is_set():
            self.try_once()
            self.rest(stop)

    def rest(self, stop: threading.Event) -> None:
        """Wait for the next try. The interval is a live setting: it may become shorter meanwhile."""
        part = jitter(1 - JITTER, 1 + JITTER)
        while (left := self.finished_at + part * self.timing().interval - time.monotonic()) > 0:
            if stop.wait(min(left, NAP)):
                return

    def try_once(self) -> None:
        self.began_at = began = time.monotonic()
        try:
            seen = self.check.observe()
        except Exception as error:  # noqa: BLE001 # a check may fail in any way; its text could hold a secret
            seen = Observation(Status.FAIL, f"raised {type(error).__name__}")
        took = time.monotonic() - began
        timing = self.timing()
        if took > timing.timeout:
            seen = Observation(Status.FAIL, f"answered after {took:.1f} s, later than {timing.timeout:g} s")
        failed = seen.status is Status.FAIL
        self.failures = self.failures + max(1, timing.missed(took)) if failed else 0
        status = self._weigh(self.failures, timing) if failed else seen.status
        self.verdict = Verdict(self.check.name, status, self.check.required, seen.text, seen.facts, took)
        self.finished_at, self.began_at = time.monotonic(), None
        with suppress(Exception):  # whoever is told must not end the checks
            self.told(self.verdict)

    def read(self) -> Verdict:
        """What is known now. A try that hangs has failed at its deadline, and once more each interval."""
        now, began, known, timing = time.monotonic(), self.began_at, self.verdict, self.timing()
        age = now - self.finished_at if known else 0.0
        name, required = self.check.name, self.check.required
        if began is not None and (missed := timing.missed(now - began)):
            status, text = self._weigh(self.failures + missed, timing), f"no answer for {now - began:.1f} s"
            return Verdict(name, status, required, text, seconds=now - began, age=age)
        if known is None:
            return Verdict(name, Status.FAIL, required, "not tried yet")
        return replace(known, age=age)

    def _weigh(self, failures: int, timing: Timing) -> Status:
        """What failures in a row mean: down, or not yet. Whoever was never seen up is down."""
        up = self.verdict is not None and self.verdict.status is not Status.FAIL
        return Status.WARN if up and failures < timing.tolerance else Status.FAIL


@dataclass(slots=True)
class Checker:
    """Runs each check in a thread of its own; the number of threads never grows."""

    checks: Sequence[Check]
    timing: Callable[[], Timing]
    told: Callable[[Verdict], None] = lambda _verdict: None
    """Told of each verdict when its try ends."""
    _series: list[_Series] = field(default_factory=list)
    _loops: list[Loop] = field(default_factory=list)

    def start(self) -> None:
        """Start the checks in this process; a second call does nothing."""
        if not any(loop.started for loop in self._loops):
            self._series = [_Series(check, self.timing, self.told) for check in self.checks]
            self._loops = [Loop(f"health-{item.check.name}", item.run) for item in self._series]
        for loop in self._loops:
            loop.start()

    def stop(self) -> None:
        """End the threads; those that hang in their dependency are not waited for longer than 1 s."""
        stop_all(self._loops, JOIN)

    def revive(self) -> bool:
        """Start the threads of this process again that died; False if that can't be done."""
        alive = [loop.revive() for loop in self._loops]  # one that can't be started holds up no other
        return all(alive)

    def verdicts(self) -> tuple[Verdict, ...]:
        """What is known of each dependency now. Waits for nothing."""
        return tuple(item.read() for item in self._series)
