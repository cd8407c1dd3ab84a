"""One background checker per process: probes read what it knows, and never wait for a dependency."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from fluentpro.health.check import Check, Observation, Status, Verdict

JITTER = 0.1
"""Part of the interval by which the tries of many processes are spread."""
JOIN = 1.0
"""Seconds that `stop` waits for a thread; one that hangs in a dependency is left to die with the process."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How checks are run."""

    interval: float = 5.0
    """Seconds between two tries."""
    timeout: float = 2.0
    """Seconds after which a try that has not answered counts as failed."""
    tolerance: int = 2
    """How many tries in a row must fail before the dependency counts as down."""


@dataclass(slots=True)
class _Loop:
    """One check, tried again and again by one thread: never two tries at once, however long one hangs."""

    check: Check
    timing: Callable[[], Timing]
    stop: threading.Event
    thread: threading.Thread | None = None
    verdict: Verdict | None = None
    finished_at: float = 0.0
    began_at: float | None = None
    failures: int = 0

    def run(self) -> None:
        while not self.stop.is_set():
            self.try_once()
            interval = self.timing().interval
            self.stop.wait(interval * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311 # spreads load

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
        self.failures = self.failures + 1 if seen.status is Status.FAIL else 0
        self.verdict = self._judge(seen, took, timing)
        self.finished_at, self.began_at = time.monotonic(), None

    def _judge(self, seen: Observation, took: float, timing: Timing) -> Verdict:
        status = seen.status
        if 0 < self.failures < timing.tolerance and self.verdict is not None:
            status = Status.WARN if self.verdict.status is not Status.FAIL else Status.FAIL
        return Verdict(self.check.name, status, self.check.required, seen.text, seen.facts, took)

    def read(self) -> Verdict:
        """What is known now; a try that hangs counts as failed from its deadline on."""
        now, began, known = time.monotonic(), self.began_at, self.verdict
        age = now - self.finished_at if known else 0.0
        if began is not None and now - began > self.timing().timeout:
            text = f"no answer for {now - began:.1f} s"
            return Verdict(
                self.check.name, Status.FAIL, self.check.required, text, seconds=now - began, age=age
            )
        if known is None:
            return Verdict(self.check.name, Status.FAIL, self.check.required, "not tried yet")
        return replace(known, age=age)


@dataclass(slots=True)
class Checker:
    """Runs each check in a thread of its own; the number of threads never grows."""

    checks: Sequence[Check]
    timing: Callable[[], Timing]
    _loops: list[_Loop] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _pid: int = 0

    def start(self) -> None:
        """Start the checks in this process; a second call does nothing."""
        if self._pid == os.getpid():
            return
        self._pid, self._stop = os.getpid(), threading.Event()
        self._loops = [_Loop(check, self.timing, self._stop) for check in self.checks]
        for loop in self._loops:
            loop.thread = threading.Thread(target=loop.run, name=f"health-{loop.check.name}", daemon=True)
            loop.thread.start()

    def stop(self) -> None:
        """End the threads; one that hangs in its dependency is not waited for longer than 1 s."""
        self._stop.set()
        for loop in self._loops:
            if loop.thread:
                loop.thread.join(JOIN)
        self._pid = 0

    @property
    def alive(self) -> bool:
        """Whether every thread runs, if they were started in this process."""
        if self._pid != os.getpid():
            return True
        return all(loop.thread and loop.thread.is_alive() for loop in self._loops)

    def verdicts(self) -> tuple[Verdict, ...]:
        """What is known of each dependency now. Waits for nothing."""
        return tuple(loop.read() for loop in self._loops)
