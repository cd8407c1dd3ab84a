"""Keeps secrets current while the process runs: new versions, the token's life, credentials' leases."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from fluentpro.config.jitter import jitter
from fluentpro.config.store import Outcome, Result
from fluentpro.config.thread import Loop
from fluentpro.vault.documents import Document, has_ended, newest
from fluentpro.vault.errors import Kind, VaultError
from fluentpro.vault.reference import Location
from fluentpro.vault.retired import Retired
from fluentpro.vault.secrets import Secrets

LONGEST_BACKOFF: Final = 60.0
"""Seconds between two looks at a secret that is denied, at most."""
LONGEST_WAIT: Final = 10.0
"""Seconds between two looks for a secret that nobody has written, or for a Vault that is down, at most."""
JOIN: Final = 5.0
"""Seconds that `stop` waits for the thread."""


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
    pace: Callable[[float], float] = lambda interval: interval * jitter(0.9, 1.1)
    """Seconds until the next look for newer versions, by the configured interval."""
    found: Callable[[Location, str], None] = lambda _place, _mark: None
    """Told once of each newer mark that a look finds at a place, before it is read."""
    held: Callable[[Document], bool] = lambda _document: True
    """Whether somebody still uses a replaced credential."""
    clock: Callable[[], float] = time.monotonic
    _loop: Loop = field(init=False)
    _retired: Retired = field(default_factory=Retired)
    _doubted: bool = False
    _announced: dict[Location, str] = field(default_factory=dict)
    """The places that others say have a newer version, with its mark, empty where they did not say it."""
    _found: dict[Location, str] = field(default_factory=dict)
    """The newer marks that were told of."""
    _next_poll: float = 0.0
    _next_doubt: float = 0.0
    """When a doubt may be looked into again: there is one for each connection that can't be made."""
    _quiet_until: float = 0.0
    """The Vault asked us to leave it alone until then."""
    _backoff: float = 0.0
    _again: float = 0.0
    """When to try again what was refused."""
    _tried: frozenset[Location] = frozenset()
    _said: dict[Location | None, str] = field(default_factory=dict)
    _later: dict[Location, tuple[float, float]] = field(default_factory=dict)
    """For each place that gave nothing: when to ask again, and the pause before that."""

    def __post_init__(self) -> None:
        """Bind the thread to this very object."""
        self._loop = Loop("vault-keeper", self._run, JOIN, self._revived)

    def start(self) -> None:
        """Tend the secrets of this process in a thread; a second call does nothing."""
        if not self._loop.started:
            self._retired.forget()
            self._loop.start()

    def stop(self) -> None:
        """End the thread, and give back what this process took; returns after 5 s at the latest."""
        if self._loop.started:
            self._loop.stop()
            self._give_back(float("inf"))
            self.secrets.close()

    def revive(self) -> bool:
        """Start the thread of this process again if it died; False if that can't be done."""
        return self._loop.revive()

    def _revived(self) -> None:
        self.warn("vault.keeper_restarted", "its thread had died")

    def acknowledge(self, outcome: Outcome[Any]) -> None:
        """A candidate serves: give back later what it replaced. It was refused: at once what it took."""
        now = self.clock()
        if outcome.result is Result.REFUSED:
            self._retired.add(self.secrets.discard(), now, 0.0)
        else:
            self._retired.add(self.secrets.commit(), now, self.drain())

    def doubt(self) -> None:
        """Somebody was refused who used a credential: look soon whether the Vault took it back."""
        self._doubted = True
        self._loop.wake()

    def look(self, place: Location, mark: str = "") -> None:
        """Somebody said that a place has a newer version: read it at once. Any thread may say so.

        Nothing is read where the mark is that of what is held, or nobody here refers to the place.
        """
        self._announced[place] = mark
        self._loop.wake()

    def ask(self) -> None:
        """Ask soon, at every place, for what is newer. Any thread may say so."""
        self._next_poll = 0.0
        self._loop.wake()

    def repace(self) -> None:
        """The pace is another one, and so is the moment of the next look. Any thread may say so.

        A look that was to come at an earlier turn is left to whoever has that turn now: else every
        process that joins would cost the Vault a look by each of the others.
        """
        now = self.clock()
        if self._next_poll > now:
            self._next_poll = now + self.pace(self.secrets.vault.poll_interval)
        self._loop.wake()

    def catch_up(self, *, credentials: bool = True) -> None:
        """Ask once for what is newer, and take it; a Vault that does not answer changes nothing."""
        if self._quiet_until > self.clock():
            return
        self._next_poll = 0.0
        try:
            if self._ask(credentials=credentials):
                self._take()
        except VaultError as failure:
            self._fail(failure)

    def _run(self, stop: threading.Event) -> None:
        for pause in self._turns(stop):
            self._loop.rest(pause)

    def _turns(self, stop: threading.Event) -> Iterator[float]:
        """Do what is due; yield the seconds until something else is."""
        while not stop.is_set():
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
        if (quiet := self._quiet_until - self.clock()) > 0:
            return quiet
        try:
            if self._ask() and (self.secrets.stale - self._tried or self.clock() >= self._again):
                self._take()
            self._give_back(self.clock())
            if not self.secrets.stale and None not in self.secrets.problems:
                self._backoff = 0.0
        except VaultError as failure:
            pause = max(self._slower(), self._fail(failure))
            self._next_poll = self.clock() + pause
            return pause
        again = self._again if self.secrets.stale else float("inf")
        if self._doubted:
            again = min(again, self._next_doubt)
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
            secrets.session.renew()
        for place, document in secrets.documents.items():
            if credentials and document.lease and document.lease.renew_at <= now:
                secrets.outdate(place)
        self._hear()
        if self._doubted and now >= self._next_doubt:
            self._doubted, self._next_doubt = False, now + secrets.vault.poll_interval
            self._look_at_leases()
            self._poll(now, [place for place in secrets.known() if place.static])
        if now >= self._next_poll:
            self._next_poll = now + self.pace(secrets.vault.poll_interval)
            self._poll(now, secrets.known())
        return bool(secrets.stale)

    def _hear(self) -> None:
        """Take what others said for true where it is news."""
        while self._announced:
            place, mark = self._announced.popitem()
            held = self.secrets.documents.get(place)
            news = not (mark and held and held.mark == mark)
            if news and place in self.secrets.known() and not place.own:
                self._tried -= {place}
                self.secrets.outdate(place)

    def _look_at_leases(self) -> None:
        """A credential that the Vault took back is to be replaced at once."""
        connection = self.secrets.connect()
        for place, document in self.secrets.documents.items():
            if loan := document.loan:
                try:
                    if has_ended(connection, loan):
                        self.warn("vault.lease_ended", f"{place} was taken back before its time")
                        self.secrets.outdate(place)
                except VaultError as failure:
                    if failure.kind.passing:
                        self._doubted = True
                        raise
                    self.secrets.session.replace_lost_token()

    def _poll(self, now: float, places: Sequence[Location]) -> None:
        connection = self.secrets.connect()
        for place in places:
            again, pause = self._later.get(place, (0.0, 0.0))
            if place.own or now < again:
                continue
            held = self.secrets.documents.get(place)
            try:
                mark = newest(connection, place, history=held is not None and held.gone is not None)
            except VaultError as failure:
                self._failed(place, failure, now, pause)
                continue
            if self._later.pop(place, None):
                self._tried -= {place}
            self._answered(place)
            if held is None or mark != held.mark:
                self._tell(place, mark)
                self.secrets.outdate(place)

    def _tell(self, place: Location, mark: str) -> None:
        if self._found.get(place) != mark:
            self._found[place] = mark
            with suppress(Exception):  # whoever is told must not end the look
                self.found(place, mark)

    def _failed(self, place: Location, failure: VaultError, now: float, pause: float) -> None:
        """A deleted secret is for the reload to refuse; others are asked for ever more rarely."""
        if failure.kind.passing:
            raise failure
        if failure.kind is Kind.MISSING:
            self._answered(place)
        else:
            self._note(place, failure)
        if failure.kind is Kind.DELETED:
            self.secrets.outdate(place)
        elif failure.kind is Kind.DENIED and self.secrets.session.replace_lost_token():
            return
        longest = LONGEST_BACKOFF if failure.kind is Kind.DENIED else LONGEST_WAIT
        pause = min(max(pause * 2, self.secrets.vault.poll_interval * 2), longest)
        self._later[place] = (now + pause, pause)

    def _answered(self, place: Location) -> None:
        self.secrets.answered_at = time.time()
        self.secrets.problems.pop(None, None)
        self.secrets.problems.pop(place, None)

    def _fail(self, failure: VaultError) -> float:
        """The Vault itself is in trouble; returns the seconds for which it asks to be left alone."""
        self._note(None, failure)
        patience = min(failure.retry_after, LONGEST_BACKOFF)
        if patience:
            self._quiet_until = self.clock() + patience
        return patience

    def _note(self, place: Location | None, failure: VaultError) -> None:
        """Keep a failure for whoever asks; say it once, until it is over or another."""
        problems = self.secrets.problems
        self._said = {known: text for known, text in self._said.items() if known in problems}
        problems[place] = failure
        text = (
            str(failure) if place else failure.kind.code
        )  # in an outage each request fails in its own words
        if self._said.get(place) != text:
            self._said[place] = text
            self.warn("vault.failed", str(failure))

    def _give_back(self, now: float) -> None:
        if self._retired.drain(now):
            self.let_go()
        for document in self._retired.free(now, self.held):
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
        times.append(self._retired.due(self.clock()))
        if self.secrets.token:
            times.append(self.secrets.token.due())
        return min(times, default=float("inf"))

    def _slower(self, longest: float = LONGEST_WAIT) -> float:
        self._backoff = min(max(self._backoff * 2, self.secrets.vault.poll_interval), longest)
        return self._backoff * jitter(0.5, 1.0)
