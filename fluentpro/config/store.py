"""Load, validate, check, swap, notify: the one place where a process's configuration changes."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Generic, TypeAlias

from fluentpro.config.diagnostics import Diagnostic
from fluentpro.config.errors import ConfigError, RejectedError
from fluentpro.config.fields import Effect
from fluentpro.config.snapshot import C, Candidate, Change, Snapshot, diff

FORK_WAIT: Final = 5.0
"""Seconds that a fork waits for a reload to end."""


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
    """Whoever raised when told of a swap or an outcome: the name and the type of the error.

    Not the error's text: it could hold a secret.
    """

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
    previous: Snapshot[C] | None = None
    """The one that served before."""
    changes: tuple[Change, ...] = ()
    error: ConfigError | None = None
    failures: tuple[Failure, ...] = ()
    repeated: bool = False
    """Refused like the try before it: the same content, for the same reasons."""
    restored: bool = False
    """The try before it was refused, and now the sources say again what serves."""


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
    """Told of every outcome, in order: the log, the metrics, the fleet."""
    clock: Callable[[], float] = time.time
    _lock: threading.RLock = field(default_factory=threading.RLock)
    """Held for a whole reload. Reentrant, so that a check may fork."""
    _snapshot: Snapshot[C] | None = None
    _boot: Snapshot[C] | None = None
    _status: Status[C] | None = None
    _refused: tuple[Any, ...] | None = field(default=None, repr=False)
    """What the last try was refused with and for; None if it was not."""

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
                try:
                    self._boot = self._snapshot = self._make(self.load(), None)
                except ConfigError:
                    raise
                except Exception as error:  # noqa: BLE001 # no content of a file may end in a traceback
                    raise _fault("this process", error) from None
                self._status = Status(self._snapshot, tried_at=self.clock())
            return self._snapshot

    def reload(self, trigger: str = "request") -> Outcome[C]:
        """Try the sources again; keep the last good snapshot if they fail."""
        with self._lock:
            started, before = time.perf_counter(), self.snapshot
            outcome = self._try(trigger)
            outcome = replace(outcome, seconds=time.perf_counter() - started, previous=before)
            self._status = self._judge(outcome)
            for tell in self.acknowledge:
                try:
                    tell(outcome)
                except Exception as error:  # noqa: BLE001 # a full disk under the log must not stop a reload
                    failure = Failure(getattr(tell, "__qualname__", "acknowledge"), type(error).__name__)
                    known = (item for item in self._status.failures if item != failure)
                    self._status = replace(self._status, failures=(*known, failure))
        return outcome

    def rehearse(self, change: Callable[[Candidate], Candidate]) -> Snapshot[C]:
        """What would serve if the candidate in use were changed so; a `ConfigError` where it is refused.

        Nothing is read from the sources, and nothing is swapped.
        """
        with self._lock:
            return self._make(change(self.snapshot.candidate), self.snapshot)

    def hold(self) -> None:
        """Wait until no reload is under way, and let none begin: a fork must not copy half of one."""
        self._lock.acquire(timeout=FORK_WAIT)

    def release(self) -> None:
        """Undo `hold`."""
        with suppress(RuntimeError):  # `hold` waited in vain
            self._lock.release()

    def rebase(self, *inherited: str, **read: object) -> None:
        """Take the current snapshot for the one this process started with: a fresh child did.

        The tables `inherited` were read by the parent, and stay what they were when it started; the
        tables in `read` are in use as they are given here.
        """
        self._lock = threading.RLock()  # the parent's may have been held at the fork
        boot, now = self._boot, self._snapshot
        if boot is None or now is None:
            return
        kept = {name: getattr(boot.config, name) for name in inherited} | read
        self._boot = replace(now, config=now.config.model_copy(update=kept))
        self._status = replace(self.status, failures=(), pending_restart=self._pending(now))

    def _try(self, trigger: str) -> Outcome[C]:
        old, refused, candidate = self.snapshot, self._refused, None
        self._refused = None
        try:
            candidate = self.load()
            new = self._make(candidate, old)
        except Exception as error:  # noqa: BLE001 # no content of a file may stop the watch
            reason = error if isinstance(error, ConfigError) else _fault(old.environment, error)
            reason.__traceback__ = None  # it is kept, and would keep every local variable on its way
            self._refused = (reason.findings, candidate.values if candidate else None)
            return Outcome(Result.REFUSED, old, trigger, error=reason, repeated=self._refused == refused)
        if _same(old, new):
            return Outcome(Result.UNCHANGED, old, trigger, restored=refused is not None)
        self._snapshot = new  # The swap. Readers hold no lock.
        changes = diff(old.config, new.config)
        return Outcome(Result.APPLIED, new, trigger, changes=changes, failures=self._notify(old, new))

    def _make(self, candidate: Candidate, old: Snapshot[C] | None) -> Snapshot[C]:
        new = self.validate(candidate)
        generation = old.generation + 1 if old else 1
        new = replace(new, generation=generation, loaded_at=self.clock())
        if old is None or not _same(old, new):
            findings = [finding for check in self.checks for finding in check(old, new)]
            if findings:
                raise RejectedError(new.environment, findings)
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
        failures = outcome.failures if outcome.result is Result.APPLIED else self.status.failures
        pending = self._pending(outcome.snapshot)
        return Status(outcome.snapshot, pending, outcome.error, failures, self.clock())

    def _pending(self, now: Snapshot[C]) -> tuple[str, ...]:
        changes = diff(self.boot.config, now.config)
        return tuple(change.key for change in changes if change.effect is Effect.RESTART)


def _same(old: Snapshot[C], new: Snapshot[C]) -> bool:
    """Whether a swap would change nothing. Two of equal digest may hold different credentials of one role."""
    return new.digest == old.digest and new.config == old.config


def _fault(environment: str, error: Exception) -> ConfigError:
    """An error that nobody foresaw, as a finding: type and place; its text could hold a secret."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    message = f"a fault in FluentPro itself: {type(error).__name__} at {place}"
    fix = "report it; until it is mended, take back the last change"
    return ConfigError(environment, [Diagnostic("CFG199", "", message, fix=fix)])
