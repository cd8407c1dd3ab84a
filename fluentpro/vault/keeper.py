"""Keeps secrets current while the process runs: new versions, the token's life, credentials' leases."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from fluentpro.config.jitter import jitter
from fluentpro.config.store import Outcome, Result
from fluentpro.vault.documents import Document, has_ended, newest
from fluentpro.vault.errors import Kind, VaultError
from fluentpro.vault.reference import Location
from fluentpro.vault.secrets import Secrets

LONGEST_BACKOFF: Final = 60.0
"""Seconds between two looks at a secret that is denied, at most."""
LONGEST_WAIT: Final = 10.0
"""Seconds between two looks for a secret that nobody has written, or for a Vault that is down, at most."""
JOIN: Final = 5.0
"""Seconds that `stop` waits for the thread."""


@dataclass(slots=True)
class _Retired:
    """A credential that nothing new uses, and when to give it back."""

    document: Document
    at: float
    halfway: float
    """When to let go once more what was being made with it while it was replaced; 0.0 once done."""


@dataclass(slots=True)
class Keeper:
    """One thread that tends a process's secrets."""

    secrets: Secrets
    reload: Callable[[], object]
    """Called when a newer secret can be read: tries the sources again."""
    drain: Callable[[], float]
    """Seconds that a replaced credential may still be in use."""
    warn: Callable[[str, str], None] = lambda _event, _cause: None
    told: Callable[[], None] = lambda: None
    """Called after each turn: there may be news of the Vault, the token, the leases."""
    let_go: Callable[[], None] = lambda: None
    """Called between the moment when a credential is replaced and that when it is given back."""
    clock: Callable[[], float] = time.monotonic
    _stop: threading.Event = field(default_factory=threading.Event)
    _woken: threading.Event = field(default_factory=threading.Event)
    _doubted: bool = False
    _thread: threading.Thread | None = None
    _pid: int = 0
    _next_poll: float = 0.0
    _backoff: float = 0.0
    _again: float = 0.0
    """When to try again what was refused."""
    _tried: frozenset[Location] = frozenset()
    _said: dict[Location | None, str] = field(default_factory=dict)
    _later: dict[Location, tuple[float, float]] = field(default_factory=dict)
    """For each place that gave nothing: when to ask again, and the pause before that."""
    _retired: list[_Retired] = field(default_factory=list)

    def start(self) -> None:
        """Tend the secrets of this process in a thread; a second call does nothing."""
        if self._pid == os.getpid():
            return
        self._stop, self._woken, self._retired = threading.Event(), threading.Event(), []
        self._begin()
        self._pid = os.getpid()

    def stop(self) -> None:
        """End the thread, and give back what this process took; returns after 5 s at the latest."""
        if self._pid != os.getpid():
            return
        self._stop.set()
        self._woken.set()
        if self._thread:
            self._thread.join(JOIN)
        self._thread, self._pid = None, 0
        self._give_back(float("inf"))
        self.secrets.close()

    def revive(self) -> bool:
        """Start the thread of this process again if it died; False if that can't be done."""
        if self._pid != os.getpid() or self._stop.is_set() or (self._thread and self._thread.is_alive()):
            return True
        try:
            self._begin()
        except RuntimeError:  # no thread to be had
            return False
        self.warn("vault.keeper_restarted", "its thread had died")
        return True

    def _begin(self) -> None:
        thread = threading.Thread(target=self._run, name="vault-keeper", daemon=True)
        thread.start()
        self._thread = thread

    def acknowledge(self, outcome: Outcome[Any]) -> None:
        """A candidate serves: give back later what it replaced. It was refused: at once what it took."""
        now = self.clock()
        if outcome.result is Result.REFUSED:
            self._retired += [_Retired(document, now, 0.0) for document in self.secrets.discard()]
        else:
            delay = self.drain()
            replaced = self.secrets.commit()
            self._retired += [_Retired(document, now + delay, now + delay / 2) for document in replaced]

    def doubt(self) -> None:
        """Somebody was refused who used a credential: look soon whether the Vault took it back."""
        self._doubted = True
        self._woken.set()

    def catch_up(self, *, credentials: bool = True) -> None:
        """Ask once for what is newer, and take it; a Vault that does not answer changes nothing."""
        self._next_poll = 0.0
        try:
            if self._ask(credentials=credentials):
                self._take()
        except VaultError as failure:
            self._note(None, failure)

    def _run(self) -> None:
        for pause in self._turns():
            self._woken.wait(pause)
            self._woken.clear()

    def _turns(self) -> Iterator[float]:
        """Do what is due; yield the seconds until something else is."""
        while not self._stop.is_set():
            try:
                pause = self._turn()
                self.told()
                yield pause
            except Exception as error:  # noqa: BLE001 # the keeper outlives whatever befalls it
                self.warn("vault.keeper_failed", type(error).__name__)
                yield self._slower()

    def _turn(self) -> float:
        vault = self.secrets.vault
        if not vault.enabled or not self.secrets.known():
            return vault.poll_interval
        try:
            if self._ask() and (self.secrets.stale - self._tried or self.clock() >= self._again):
                self._take()
            self._give_back(self.clock())
            if not self.secrets.stale and None not in self.secrets.problems:
                self._backoff = 0.0
        except VaultError as failure:
            self._note(None, failure)
            self._next_poll = self.clock() + self._slower()
            return self._next_poll - self.clock()
        again = self._again if self.secrets.stale else float("inf")
        return max(min(self._next_poll, self._next_due(), again) - self.clock(), 0.01)

    def _take(self) -> None:
        """Have what is newer read. Where that is refused, or can't be read, it is tried ever more rarely."""
        secrets = self.secrets
        secrets.taking = True
        try:
            self.reload()
        finally:
            secrets.taking = False
            self._tried = frozenset(secrets.stale)
            self._again = self.clock() + self._slower(LONGEST_BACKOFF) if self._tried else 0.0
            secrets.refused = frozenset(
                place for place in self._tried if place in secrets.documents and place not in secrets.problems
            )
        self._prolong()

    def _prolong(self) -> None:
        """A credential that is due and can't be replaced has to last longer."""
        for place in tuple(self.secrets.stale):
            held = self.secrets.documents.get(place)
            if held and held.lease and held.lease.renew_at <= self.clock():
                try:
                    self.secrets.prolong(place)
                except VaultError as failure:
                    if failure.kind.passing:
                        raise
                    self._note(place, failure)

    def _ask(self, *, credentials: bool = True) -> bool:
        """Renew what is due and ask for newer versions; True if something waits to be read."""
        secrets, now = self.secrets, self.clock()
        secrets.connect()
        if secrets.token and secrets.token.due() <= now:
            secrets.renew()
        for place, document in secrets.documents.items():
            if credentials and document.lease and document.lease.renew_at <= now:
                secrets.stale.add(place)
        if now >= self._next_poll:
            self._next_poll = now + secrets.vault.poll_interval * jitter(0.9, 1.1)
            if self._doubted:
                self._doubted = False
                self._look_at_leases()
            self._poll(now)
        return bool(secrets.stale)

    def _look_at_leases(self) -> None:
        """A credential that the Vault took back is to be replaced at once."""
        connection = self.secrets.connect()
        for place, document in self.secrets.documents.items():
            if loan := document.loan:
                try:
                    if has_ended(connection, loan):
                        self.warn("vault.lease_ended", f"{place} was taken back before its time")
                        self.secrets.stale.add(place)
                except VaultError as failure:
                    if failure.kind.passing:
                        self._doubted = True
                        raise
                    self.secrets.replace_lost_token()

    def _poll(self, now: float) -> None:
        connection = self.secrets.connect()
        for place in self.secrets.known():
            again, pause = self._later.get(place, (0.0, 0.0))
            if (place.leased and not place.static) or now < again:
                continue
            try:
                mark = newest(connection, place)
            except VaultError as failure:
                self._failed(place, failure, now, pause)
                continue
            if self._later.pop(place, None):
                self._tried -= {place}
            self._answered(place)
            held = self.secrets.documents.get(place)
            if held is None or mark != held.mark:
                self.secrets.stale.add(place)

    def _failed(self, place: Location, failure: VaultError, now: float, pause: float) -> None:
        """A deleted secret is for the reload to refuse; others are asked for ever more rarely."""
        if failure.kind.passing:
            raise failure
        if failure.kind is Kind.MISSING:
            self._answered(place)
        else:
            self._note(place, failure)
        if failure.kind is Kind.DELETED:
            self.secrets.stale.add(place)
        elif failure.kind is Kind.DENIED and self.secrets.replace_lost_token():
            return
        longest = LONGEST_BACKOFF if failure.kind is Kind.DENIED else LONGEST_WAIT
        pause = min(max(pause * 2, self.secrets.vault.poll_interval * 2), longest)
        self._later[place] = (now + pause, pause)

    def _answered(self, place: Location) -> None:
        self.secrets.answered_at = time.time()
        self.secrets.problems.pop(None, None)
        self.secrets.problems.pop(place, None)

    def _note(self, place: Location | None, failure: VaultError) -> None:
        """Keep a failure for whoever asks; say it once, until it is over or another."""
        problems = self.secrets.problems
        self._said = {known: text for known, text in self._said.items() if known in problems}
        problems[place] = failure
        if self._said.get(place) != str(failure):
            self._said[place] = str(failure)
            self.warn("vault.failed", str(failure))

    def _give_back(self, now: float) -> None:
        halfway = [item for item in self._retired if item.halfway and item.halfway <= now]
        for item in halfway:
            item.halfway = 0.0
        if halfway:
            self.let_go()
        due = [item.document for item in self._retired if item.at <= now]
        self._retired = [item for item in self._retired if item.at > now]
        for document in due:
            if document.lease:
                try:
                    self.secrets.give_back(document.lease)
                except VaultError as failure:
                    self.warn("vault.lease_not_returned", str(failure))

    def _next_due(self) -> float:
        times = [
            document.lease.renew_at
            for place, document in self.secrets.documents.items()
            if document.lease and place not in self.secrets.stale
        ]
        times += [item.halfway or item.at for item in self._retired]
        if self.secrets.token:
            times.append(self.secrets.token.due())
        return min(times, default=float("inf"))

    def _slower(self, longest: float = LONGEST_WAIT) -> float:
        self._backoff = min(max(self._backoff * 2, self.secrets.vault.poll_interval), longest)
        return self._backoff * jitter(0.5, 1.0)
