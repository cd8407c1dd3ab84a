"""What a process does with what is announced: it looks up, for itself, what is said to have changed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fluentpro.config.diagnostics import Diagnostic
from fluentpro.config.errors import ConfigError
from fluentpro.config.jitter import jitter
from fluentpro.config.snapshot import Snapshot
from fluentpro.config.store import Store
from fluentpro.fleet.announcement import Announcement, Kind
from fluentpro.schema import Config

SPREAD: Final = 0.001
"""Seconds by which each further process spreads what all do after one announcement."""
LONGEST_SPREAD: Final = 1.0
FIRST_PAUSE: Final = 0.5
"""Seconds after which a database that did not tell the overrides is asked again; then up to twice as long."""
LONGEST_PAUSE: Final = 5.0
MOST_ERRORS: Final = 5
"""Findings that an acknowledgement names; the log of the process has all."""


@dataclass(slots=True)
class Pulls:
    """What a process can look up; each is told of by an announcement, and asked again now and then."""

    overrides: Callable[[], bool] = lambda: False
    """Read the operators' overrides; whether they differ from those that were known."""
    override_trouble: Callable[[], str] = lambda: ""
    """Why they could not be read last time; empty if they were."""
    override_ends: Callable[[], float | None] = lambda: None
    """Unix time in s at which the next override ends."""
    override_state: Callable[[], tuple[int, bool]] = lambda: (0, False)
    """The revision of the overrides that is known, and whether this process is its canary."""
    rehearse: Callable[[Mapping[str, Any]], Snapshot[Config]] | None = None
    """What the configuration would be with these overrides; raises a `ConfigError` where it is refused."""
    secret: Callable[[str, str], None] = lambda _place, _mark: None
    """Somebody says that a place in the Vault has a newer version; empty texts: ask for every place."""
    secrets: Callable[[], Mapping[str, str]] = dict
    """For each place in the Vault, the version in use."""
    fallbacks: Callable[[], Mapping[str, int]] = dict
    """How often each fallback key was needed since this was asked last."""
    turns: Callable[[], None] = lambda: None
    """The fleet grew or shrank: turns at a shared poll are other ones."""


@dataclass(slots=True)
class Follower:
    """Follows the announcements for one process."""

    store: Store[Config]
    pulls: Pulls
    reply: Callable[[str, Mapping[str, Any]], None] = lambda _ballot, _facts: None
    """Answers a ballot."""
    _again: float = float("inf")
    """When to read the overrides again, in s of `time.monotonic`, since they could not be read."""
    _pause: float = FIRST_PAUSE

    def take(self, said: Sequence[Announcement], by_us: str, others: int, stop: threading.Event) -> None:
        """Pull what was announced; what came together is pulled once."""
        kinds = {item.kind for item in said}
        pulled = kinds & {Kind.SECRET, Kind.RELOAD, Kind.OVERRIDE}
        if pulled and any(item.by != by_us for item in said):
            stop.wait(jitter(0, min(others * SPREAD, LONGEST_SPREAD)))  # Vault and database are one for all
        if Kind.RELOAD in kinds:
            self._reload([item for item in said if item.kind is Kind.RELOAD])
        elif Kind.OVERRIDE in kinds and self._read():
            self.store.reload("override")
        newer = {item.fact("place"): item.fact("mark") for item in said if item.kind is Kind.SECRET}
        for place, mark in newer.items():
            if place:
                self.pulls.secret(place, mark)
        for item in said:
            if item.kind is Kind.REHEARSE:
                self._rehearse(item)

    def reconcile(self, *, thoroughly: bool) -> None:
        """Look everything up: an announcement may have been lost. Thoroughly: the Vault's versions, too."""
        if thoroughly:
            self.pulls.secret("", "")
        if self._read() or self.store.boot.config.reload.enabled:
            self.store.reload("reconcile")

    def until_override_ends(self) -> float:
        """Seconds until the next override ends; infinite where none does."""
        ends = self.pulls.override_ends()
        return float("inf") if ends is None else max(ends - self.store.clock(), 0.0)

    def until_retry(self) -> float:
        """Seconds until the overrides are read again that could not be read; infinite where they were."""
        return max(self._again - time.monotonic(), 0.0)

    def retry(self) -> None:
        """Read the overrides again if that is due."""
        if time.monotonic() >= self._again and self._read():
            self.store.reload("override")

    def _read(self) -> bool:
        """Read the overrides; whether they differ. Who could not will try again, and the others meanwhile."""
        differ = self.pulls.overrides()
        if self.pulls.override_trouble():
            self._again = time.monotonic() + jitter(0.2, 1.0) * self._pause
            self._pause = min(self._pause * 2, LONGEST_PAUSE)
        else:
            self._again, self._pause = float("inf"), FIRST_PAUSE
        return differ

    def _reload(self, asked: Sequence[Announcement]) -> None:
        self._read()
        self.pulls.secret("", "")
        outcome = self.store.reload("request")
        for item in asked:
            self._vote(item, outcome.snapshot.digest, outcome.error)

    def _rehearse(self, asked: Announcement) -> None:
        given = asked.facts.get("entries")
        if self.pulls.rehearse is None:
            return
        try:
            made = self.pulls.rehearse(given if isinstance(given, dict) else {})
        except ConfigError as error:
            self._vote(asked, "", error)
        else:
            self._vote(asked, made.digest, None)

    def _vote(self, asked: Announcement, digest: str, error: ConfigError | None) -> None:
        if ballot := asked.fact("ballot"):
            why = reason(error.findings) if error else ""
            self.reply(ballot, {"accepts": error is None, "digest": digest, "error": why})


def reason(findings: Sequence[Diagnostic]) -> str:
    """Findings in one line, as the log has them: codes, keys, messages and origins, never a value."""
    shown = [f"{item.code} {item.key}: {item.message} ({item.origin})" for item in findings[:MOST_ERRORS]]
    more = len(findings) - len(shown)
    return "; ".join(shown) + (f"; and {more} more" if more > 0 else "")
