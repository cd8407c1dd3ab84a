"""The values behind the references: read once, kept while nothing says they changed."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

from fluentpro.config.diagnostics import Diagnostic
from fluentpro.config.fields import Path
from fluentpro.config.references import Reference, Resolution, unresolved
from fluentpro.schema.vault import Vault
from fluentpro.vault.connection import Connection
from fluentpro.vault.documents import Document, Lease, read, renewed, with_history
from fluentpro.vault.errors import Kind, VaultError
from fluentpro.vault.login import Token
from fluentpro.vault.reference import Location, Pointer, parse
from fluentpro.vault.resolution import Collected, malformed, said_once
from fluentpro.vault.session import Session, configured

AT_ONCE: Final = 8
"""Documents that are read side by side."""
PAUSE: Final = 0.5
"""Seconds between two tries of a Vault that a starting process waits for."""


@dataclass(slots=True)
class Secrets:
    """The secrets of this process. A forked child keeps what was read, and makes a connection of its own."""

    environ: Mapping[str, str]
    remember: Callable[[Mapping[str, Any]], float] = lambda _raw: 0.0
    """For how many seconds, by a merged configuration, a replaced value stays a previous one."""
    progress: Callable[[str], None] = lambda text: print(text, file=sys.stderr, flush=True)  # noqa: T201
    """Told what a starting process waits for."""
    clock: Callable[[], float] = time.monotonic
    session: Session = field(init=False)
    documents: dict[Location, Document] = field(default_factory=dict, repr=False)
    """What the snapshot that serves was made from."""
    fresh: dict[Location, Document] = field(default_factory=dict, repr=False)
    """What was read since, for a candidate that is not accepted yet."""
    stale: set[Location] = field(default_factory=set)
    """What is to be read again."""
    taking: bool = False
    """Whether a reload takes new credentials. Others go on with those in use: an edit of a file shall not
    make a database user, and not be refused because a new credential does not work.
    """
    refused: frozenset[Location] = frozenset()
    """The places whose newest credential was not accepted."""
    absent: dict[Location, VaultError] = field(default_factory=dict)
    """Where there is nothing, and nobody needs it: asked for again when the keeper finds something."""
    problems: dict[Location | None, VaultError] = field(default_factory=dict)
    """The last failure at each location; None is the Vault itself."""
    answered_at: float = 0.0
    """Unix time of the last answer in s."""
    _wanted: frozenset[Location] = frozenset()
    """The places that the last candidate refers to."""

    def __post_init__(self) -> None:
        """Bind the session to this very object."""
        self.session = Session(self.environ, self.clock, replaced=self._token_replaced)

    @property
    def vault(self) -> Vault:
        """The Vault that is used."""
        return self.session.vault

    @property
    def token(self) -> Token | None:
        """What we are logged in with; None before the first login."""
        return self.session.token

    def connect(self) -> Connection:
        """This process's connection, logged in; a `VaultError` where that can't be."""
        return self.session.connect()

    def count_requests(self) -> int:
        """How many requests were sent since this was asked last."""
        return self.session.count_requests()

    def __call__(
        self, references: Sequence[Reference], raw: Mapping[str, Any], environment: str
    ) -> Resolution:
        """Resolve references for a candidate; a document that is known and not stale is not read again."""
        vault = configured(raw, self.environ)
        if isinstance(vault, Diagnostic):
            return Resolution(None, (vault,))
        if not (vault.enabled or self.session.settled):
            return unresolved(references, raw, environment)
        findings: list[Diagnostic] = []
        pointers: dict[Path, Pointer] = {}
        for reference in references:
            pointer = parse(reference.text, environment)
            if pointer is None:
                findings.append(malformed(reference))
            else:
                pointers[reference.setting.path] = pointer
        with self.session.lock:
            self.session.adopt(vault)
            remembered = {pointer.location for pointer in pointers.values() if pointer.previous}
            wanted = {pointer.location: pointer.location in remembered for pointer in pointers.values()}
            self._wanted = frozenset(wanted)
            failures = self._refresh(wanted, self.remember(raw))
            known = self.documents | self.fresh
        layer = Collected(known, failures)
        for reference in references:
            if reference.setting.path in pointers:
                findings.extend(layer.take(reference, pointers[reference.setting.path]))
        return Resolution(layer.layer(), tuple(said_once(findings)))

    def known(self) -> tuple[Location, ...]:
        """Every place that was asked for, whether there was something or not."""
        return (*self.documents, *self.absent)

    def commit(self) -> list[Document]:
        """The candidate serves: keep what it was made from; returns the credentials that it replaced.

        What nothing refers to any more is forgotten with them.
        """
        with self.session.lock:
            self.session.settle()
            old, new = self.documents, self.documents | self.fresh
            # Replaced, never changed: others are reading it.
            self.documents = {place: held for place, held in new.items() if place in self._wanted}
            self.stale = (self.stale - self.fresh.keys()) & self._wanted
            self.absent = {place: why for place, why in self.absent.items() if place in self._wanted}
            for place in self.problems.keys() - self._wanted - {None}:
                self.problems.pop(place, None)
            self.fresh = {}
            replaced = (held for place, held in old.items() if self.documents.get(place) is not held)
            return [document for document in replaced if document.loan]

    def discard(self) -> list[Document]:
        """The candidate was refused: forget what was read for it; returns the credentials in it."""
        with self.session.lock:
            dropped = list(self.fresh.values())
            self.fresh = {}
            return [document for document in dropped if document.loan]

    def outdate(self, *places: Location) -> None:
        """What stands there is to be read again."""
        with self.session.lock:
            self.stale |= set(places)

    def _token_replaced(self) -> None:
        """The credentials that hang on the old one are taken anew."""
        self.outdate(*(place for place, held in self.documents.items() if held.loan))

    def prolong(self, place: Location) -> None:
        """Give the credential that is in use a longer life, as far as the Vault allows."""
        with self.session.lock:
            held, now = self.documents.get(place), self.clock()
            if held is None or held.lease is None or not held.lease.id:
                return
            longer = renewed(self.connect(), held.lease, now)
            if longer.remaining(now) > held.lease.remaining(now):
                self.documents = self.documents | {place: replace(held, lease=longer)}

    def close(self) -> None:
        """Give back what this process took for itself: its credentials, and its token if it logged in.

        A second call does nothing.
        """
        with self.session.lock:
            if not self.session.connected:
                return
            mine = os.getpid()
            leases = [held.lease for held in self.documents.values() if held.lease and held.lease.pid == mine]
            with suppress(VaultError):  # what can't be given back ends by itself
                for lease in leases:
                    self.give_back(lease)
            self.session.end()

    def give_back(self, lease: Lease) -> None:
        """End a credential's life, if it was this process that took it."""
        if lease.id and lease.pid == os.getpid():
            self.connect().ask(
                "the return of a credential",
                lambda client: client.sys.revoke_lease(lease.id),  # type: ignore[no-untyped-call]
            )

    def after_fork(self) -> None:
        """A child: the parent's connection and lock are not ours."""
        self.session.after_fork()

    def _refresh(self, wanted: Mapping[Location, bool], age: float) -> dict[Location, VaultError]:
        """Read what is wanted and not known, or stale; a starting process waits for a Vault to come."""
        until = self.clock() + (0 if self.session.settled else self.vault.startup_wait)
        failures: dict[Location, VaultError] = {}
        told = ""
        while True:
            failures = self._read_unread(wanted, age)
            if self.documents and any(failure.kind is Kind.DENIED for failure in failures.values()):
                with suppress(VaultError):  # the denial stands
                    if self.session.replace_lost_token():
                        failures = self._read_unread(wanted, age)
            waiting = [failure for failure in failures.values() if failure.kind.passing]
            if not waiting or self.clock() >= until:
                break
            if waiting[0].message != told:
                told = waiting[0].message
                self.progress(f"fluentpro: waiting up to {self.vault.startup_wait:g} s for Vault: {told}")
            pause = max(PAUSE, *(failure.retry_after for failure in waiting))
            time.sleep(min(pause, max(until - self.clock(), 0.01)))
        if waiting:
            self.problems[None] = waiting[0]
        for place, failure in failures.items():
            if failure.kind is Kind.MISSING:
                self.absent[place] = failure
                self.stale.discard(place)
            else:
                self.problems[place] = failure
        return failures | {place: self.absent[place] for place in wanted if place in self.absent}

    def _read_unread(self, wanted: Mapping[Location, bool], age: float) -> dict[Location, VaultError]:
        unread = [place for place in sorted(wanted) if self._unread(place, history=wanted[place] and age > 0)]
        return self._read({place: wanted[place] for place in unread}, age)

    def _unread(self, place: Location, *, history: bool) -> bool:
        known = self.fresh.get(place) or self.documents.get(place)
        if known and known.version and history and known.gone is None:
            return True
        if place in self.fresh or (known and place.own and not self.taking):
            return False
        return place in self.stale or not (known or place in self.absent)

    def _read(self, places: Mapping[Location, bool], age: float) -> dict[Location, VaultError]:
        if not places:
            return {}
        try:
            connection = self.connect()
        except VaultError as failure:
            self.problems[None] = failure
            return dict.fromkeys(places, failure)
        failures: dict[Location, VaultError] = {}
        now = self.clock()
        with ThreadPoolExecutor(min(AT_ONCE, len(places)), thread_name_prefix="vault-read") as pool:
            tries = {
                place: pool.submit(_read_whole, connection, place, now, age if history else 0)
                for place, history in places.items()
            }
            for place, future in tries.items():
                try:
                    self.fresh[place] = future.result()
                    self.absent.pop(place, None)
                    self.answered_at = time.time()
                    self.problems.pop(None, None)
                    self.problems.pop(place, None)
                except VaultError as failure:
                    failures[place] = failure
        return failures


def _read_whole(connection: Connection, place: Location, now: float, age: float) -> Document:
    document = read(connection, place, now)
    return with_history(connection, document, age) if age and document.version else document
