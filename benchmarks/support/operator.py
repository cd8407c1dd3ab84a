"""What an operator does to a fleet: overrides, new secrets, and a look at who has them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from pydantic import SecretStr

from benchmarks.support.projects import Project
from benchmarks.support.vault import Vault
from fluentpro import __version__
from fluentpro.config.overrides import none_given
from fluentpro.fleet.announcement import Announcement, Kind
from fluentpro.fleet.changes import By, Desk, Plan, commit, propose_set, propose_unset
from fluentpro.fleet.channel import Channel
from fluentpro.fleet.ledger import Ledger
from fluentpro.fleet.looks import looks
from fluentpro.fleet.registry import Process, State
from fluentpro.process import VALIDATOR, Backend, sources
from fluentpro.schema import Config
from fluentpro.schema.database import Database
from fluentpro.stack.postgresql import SUPERUSER
from fluentpro.stack.stack import DATABASE
from fluentpro.vault.connection import Address, Connection
from fluentpro.vault.reference import Location

BANNER = "site.banner"
NAME = "a benchmark"
PATIENCE = 30.0
"""Seconds after which a fleet that is not in step never will be."""


@dataclass(frozen=True, slots=True)
class Operator:
    """Somebody who may change everything."""

    desk: Desk[Config] = field(repr=False)
    channel: Channel
    connection: Connection = field(repr=False)
    """To the Vault."""

    def override(self, banner: str) -> float:
        """Set the banner; the moment (monotonic, s) before the revision was written."""
        return self._commit(propose_set(self.desk, BANNER, banner, By(NAME, "to be measured")))

    def release(self) -> float:
        """Let the file's banner count again; the moment before that was written."""
        return self._commit(propose_unset(self.desk, BANNER, By(NAME, "to be measured")))

    def announce_secret(self, place: Location, version: int) -> None:
        """Say that a document has a newer version."""
        self._announce(Kind.SECRET, place=str(place), mark=str(version))

    def wait_for(self, count: int, *, in_step: bool = True) -> None:
        """Wait until so many processes are members, and all are in step."""
        self._wait(count, lambda item: not in_step or item.state in (State.SYNCED, State.RESTART))

    def wait_for_secret(self, place: Location, version: int, count: int) -> None:
        """Wait until so many processes say that they use a version."""
        self._wait(count, lambda item: item.record.secrets.get(str(place)) == str(version))

    def _commit(self, plan: Plan) -> float:
        began = time.monotonic()
        revision = commit(plan, self.desk)
        self._announce(Kind.OVERRIDE, revision=revision.number)
        return began

    def _announce(self, kind: Kind, **facts: object) -> None:
        self.channel.announce(Announcement(kind, NAME, facts))

    def _wait(self, count: int, done: Callable[[Process], bool]) -> None:
        there = 0
        for processes in looks(self.channel, time.monotonic() + PATIENCE, every=0.1):
            there = sum(map(done, processes))
            if there == len(processes) == count:
                return
        raise TimeoutError(f"{there} of {count} processes of the fleet are as they should be")


@contextmanager
def operator(project: Project, safe: Vault) -> Iterator[Operator]:
    """An operator of a project whose secrets are in that Vault."""
    where = replace(sources(project.environ, project.folder), overrides=none_given)
    candidate = where.load()
    if isinstance(where.resolve, Backend) and (known := where.resolve.secrets):
        known.commit()
        known.close()  # gives back the database user that came with the load
    config = VALIDATOR.validate(candidate).config
    channel = Channel.open(config.fleet, config.redis, candidate.environment, __version__)
    if channel is None:
        raise RuntimeError("the project has no fleet")
    desk = Desk(candidate, Ledger(database(safe), project.folder), Config, VALIDATOR.validate)
    try:
        yield Operator(desk, channel, root(safe))
    finally:
        channel.close()


def database(safe: Vault) -> Database:
    """The stack's database, as its owner reaches it."""
    server = safe.up.postgresql
    return Database(
        engine="postgresql",
        host="127.0.0.1",
        port=server.port,
        name=DATABASE,
        user=SUPERUSER,
        password=SecretStr(server.password),
        sslmode="disable",
    )


def root(safe: Vault) -> Connection:
    """A connection to the Vault that may do everything."""
    keys = safe.up.openbao.keys
    return Connection(Address(safe.up.openbao.url), keys.root if keys else "")
