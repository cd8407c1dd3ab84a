"""Load, validate, check, swap, notify: the one place where a process's configuration changes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Generic, TypeAlias

from fluentpro.config.diagnostics import Diagnostic
from fluentpro.config.errors import ConfigError
from fluentpro.config.fields import Effect
from fluentpro.config.snapshot import C, Candidate, Change, Snapshot, diff


class Result(StrEnum):
    """What became of one try of the sources."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


Check: TypeAlias = Callable[[Snapshot[C] | None, Snapshot[C]], Sequence[Diagnostic]]
"""May say no, before the swap: takes the old snapshot and the new one, returns what is wrong with the new."""


@dataclass(frozen=True, slots=True)
class Listener(Generic[C]):
    """Reacts after the swap; it can't veto, and its failure is reported under its name."""

    name: str
    react: Callable[[Snapshot[C], Snapshot[C]], None]
    """Takes the old snapshot and the new one."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A listener that raised: its name and the type of its error (the text could hold a secret)."""

    listener: str
    error: str


@dataclass(frozen=True, slots=True)
class Outcome(Generic[C]):
    """The acknowledgement of one reload."""

    result: Result
    snapshot: Snapshot[C]
    """The one that serves now."""
    trigger: str
    seconds: float = 0.0
    changes: tuple[Change, ...] = ()
    error: ConfigError | None = None
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True, slots=True)
class Status(Generic[C]):
    """What a process says of its configuration."""

    snapshot: Snapshot[C]
    pending_restart: tuple[str, ...] = ()
    """Keys that were swapped and that something still reads from the start."""
    error: ConfigError | None = None
    """Why the last try was refused; None if it was not."""
    failures: tuple[Failure, ...] = ()
    tried_at: float = 0.0
    """Unix time of the last try in s."""


@dataclass(slots=True)
class Store(Generic[C]):
    """The current snapshot of a process. Reading it takes no lock."""

    load: Callable[[], Candidate]
    validate: Callable[[Candidate], Snapshot[C]]
    checks: list[Check[C]] = field(default_factory=list)
    listeners: list[Listener[C]] = field(default_factory=list)
    acknowledge: list[Callable[[Outcome[C]], None]] = field(default_factory=list)
    """Told of every outcome: the log, the metrics, later the fleet."""
    clock: Callable[[], float] = time.time
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _snapshot: Snapshot[C] | None = None
    _boot: Snapshot[C] | None = None
    _status: Status[C] | None = None

    @property
    def snapshot(self) -> Snapshot[C]:
        """The snapshot that serves. `start` comes first."""
        if self._snapshot is None:
            raise RuntimeError("the configuration was read before it was started")
        return self._snapshot

    @property
    def boot(self) -> Snapshot[C]:
        """The snapshot this process started with: what its `restart` settings still are."""
        return self._boot or self.snapshot

    @property
    def status(self) -> Status[C]:
        """What there is to say of the configuration now."""
        return self._status or Status(self.snapshot)

    def start(self) -> Snapshot[C]:
        """Make the first snapshot, or raise a `ConfigError` with everything that is wrong."""
        with self._lock:
            if self._snapshot is None:
                self._boot = self._snapshot = self._make(None)
                self._status = Status(self._snapshot, tried_at=self.clock())
            return self._snapshot

    def rebase(self) -> None:
        """Take the current snapshot for the one this process started with: a fresh child did."""
        self._lock = threading.Lock()  # the parent's may have been held at the fork
        self._boot = self._snapshot
        if self._status and self._snapshot:
            self._status = replace(self._status, pending_restart=(), failures=())

    def reload(self, trigger: str = "request") -> Outcome[C]:
        """Try the sources again; keep the last good snapshot if they fail."""
        with self._lock:
            started, old = time.perf_counter(), self.snapshot
            try:
                new = self._make(old)
            except ConfigError as error:
                outcome = Outcome(Result.REFUSED, old, trigger, error=error)
            else:
                if new.digest == old.digest:
                    outcome = Outcome(Result.UNCHANGED, old, trigger)
                else:
                    self._snapshot = new  # The swap. Readers hold no lock.
                    changes = diff(old.config, new.config)
                    outcome = Outcome(
                        Result.APPLIED, new, trigger, changes=changes, failures=self._notify(old, new)
                    )
            outcome = replace(outcome, seconds=time.perf_counter() - started)
            self._status = self._judge(outcome)
        for tell in self.acknowledge:
            with suppress(Exception):  # a full disk under the log must not stop a reload
                tell(outcome)
        return outcome

    def _make(self, old: Snapshot[C] | None) -> Snapshot[C]:
        new = self.validate(self.load())
        generation = old.generation + 1 if old else 1
        new = replace(new, generation=generation, loaded_at=self.clock())
        if old is None or new.digest != old.digest:
            findings = [finding for check in self.checks for finding in check(old, new)]
            if findings:
                raise ConfigError(new.environment, findings)
        return new

    def _notify(self, old: Snapshot[C], new: Snapshot[C]) -> tuple[Failure, ...]:
        failures: list[Failure] = []
        for listener in self.listeners:
            try:
                listener.react(old, new)
            except Exception as error:  # noqa: BLE001 # whatever a listener raises, the others still run
                failures.append(Failure(listener.name, type(error).__name__))
        return tuple(failures)

    def _judge(self, outcome: Outcome[C]) -> Status[C]:
        pending = tuple(
            change.key
            for change in diff(self.boot.config, outcome.snapshot.config)
            if change.effect is Effect.RESTART
        )
        failures = outcome.failures if outcome.result is Result.APPLIED else self.status.failures
        return Status(outcome.snapshot, pending, outcome.error, failures, self.clock())
