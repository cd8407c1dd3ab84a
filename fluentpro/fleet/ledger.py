"""The database's record of overrides and of applied configurations, read and written without Django.

One short connection for each question: a process asks rarely, the commands ask when Django can't start,
and gunicorn's master asks between two forks, when nothing may be open. Django makes the tables
(`fluentpro.web.overrides`).
"""

from __future__ import annotations

import json
import os
import re
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import quote

from fluentpro.fleet.revision import Applied, Revision, Stage, applied_of, revision_of
from fluentpro.schema.database import Database

LIMIT: Final = 2.0
"""Seconds that one question may take; libpq knows no shorter wait for a connection."""

_REVISIONS: Final = (
    "SELECT number, made_at, author, reason, CAST(change AS text), CAST(entries AS text), stage, "
    "CAST(canary AS text) FROM overrides_revision"
)
_APPLIED: Final = (
    'SELECT digest, environment, release, previous, "trigger", first_seen, '
    "CAST(changes AS text), CAST(settings AS text) FROM overrides_applied"
)
_DIGEST = re.compile(r"[0-9a-f]{4,64}")
_NO_TABLE: Final = "42P01"  # PostgreSQL's SQLSTATE for a relation that is not there

Execute: TypeAlias = Callable[[str, Sequence[Any]], tuple[list[tuple[Any, ...]], int]]
"""Runs one statement; its rows, and how many it changed."""


class LedgerError(Exception):
    """The database did not answer. The text is safe to show: the driver's own is not in it."""


class NoTableError(LedgerError):
    """There is no such database or table yet, and so nothing was ever overridden."""


class ConflictError(LedgerError):
    """Somebody else wrote a revision meanwhile."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """The record in one database. Every method raises `LedgerError` where that does not answer in time."""

    database: Database = field(repr=False)
    root: Path
    """From where SQLite's file is named."""
    limit: float = LIMIT
    """Seconds that each question may take."""

    def live(self) -> tuple[Revision, ...]:
        """The newest revision for everyone, and what canaries try since; from old to new."""
        newest = "SELECT COALESCE(MAX(number), 0) FROM overrides_revision WHERE stage = %s"
        where = f"WHERE number >= ({newest}) AND stage <> %s ORDER BY number"
        return self._revisions(where, Stage.EVERYONE, Stage.TAKEN_BACK)

    def newest(self) -> Revision | None:
        """The last revision, whomever it is for."""
        return next(iter(self.history(1)), None)

    def current(self) -> Revision | None:
        """The newest revision for everyone."""
        where = "WHERE stage = %s ORDER BY number DESC LIMIT 1"
        return next(iter(self._revisions(where, Stage.EVERYONE)), None)

    def revision(self, number: int) -> Revision | None:
        """The revision of that number."""
        return next(iter(self._revisions("WHERE number = %s", number)), None)

    def before(self, number: int) -> int:
        """The number of the newest revision for everyone that is older; 0 if there is none."""
        where = "WHERE stage = %s AND number < %s ORDER BY number DESC LIMIT 1"
        return next((item.number for item in self._revisions(where, Stage.EVERYONE, number)), 0)

    def history(self, limit: int = 20) -> tuple[Revision, ...]:
        """The last revisions, the newest first."""
        return self._revisions("ORDER BY number DESC LIMIT %s", limit)

    def append(self, revision: Revision) -> None:
        """Write a revision; `ConflictError` if there is one of that number."""
        columns = "number, made_at, author, reason, change, entries, stage, canary"
        with self._open() as execute:
            execute(
                f"INSERT INTO overrides_revision ({columns}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",  # noqa: S608 # names of ours
                (
                    revision.number,
                    revision.made_at,
                    revision.author,
                    revision.reason,
                    json.dumps(revision.change),
                    json.dumps(revision.entries()),
                    revision.stage.value,
                    json.dumps(revision.canary),
                ),
            )

    def settle(self, number: int, stage: Stage) -> bool:
        """Let a canary's revision be for everyone, or take it back; False if it is a canary's no more.

        It is for everyone only while no other came after it.
        """
        statement = "UPDATE overrides_revision SET stage = %s WHERE number = %s AND stage = %s"
        if stage is Stage.EVERYONE:
            statement += " AND number = (SELECT MAX(number) FROM overrides_revision)"
        with self._open() as execute:
            return execute(statement, (stage.value, number, Stage.CANARY.value))[1] == 1

    def record(self, applied: Applied) -> None:
        """Write down a configuration, unless it is known."""
        columns = 'digest, environment, release, previous, "trigger", first_seen, changes, settings'
        with self._open() as execute:
            execute(
                f"INSERT INTO overrides_applied ({columns}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s) "  # noqa: S608 # names of ours
                "ON CONFLICT DO NOTHING",
                (
                    applied.digest,
                    applied.environment,
                    applied.release,
                    applied.previous,
                    applied.trigger,
                    applied.first_seen,
                    json.dumps(applied.changes),
                    json.dumps(applied.settings),
                ),
            )

    def applied(self, digest: str) -> tuple[Applied, ...]:
        """The configurations whose digest begins so, with 4 characters or more; two at most."""
        if not _DIGEST.fullmatch(digest):
            return ()
        with self._open() as execute:
            rows, _ = execute(f"{_APPLIED} WHERE digest LIKE %s ORDER BY digest LIMIT 2", (f"{digest}%",))
        return tuple(applied_of(row) for row in rows)

    def _revisions(self, rest: str, *values: Any) -> tuple[Revision, ...]:
        with self._open() as execute:
            rows, _ = execute(f"{_REVISIONS} {rest}", values)
        return tuple(revision_of(row) for row in rows)

    @contextmanager
    def _open(self) -> Iterator[Execute]:
        if self.database.engine == "sqlite":
            with self._sqlite() as execute:
                yield execute
        else:
            with self._postgresql() as execute:
                yield execute

    @contextmanager
    def _sqlite(self) -> Iterator[Execute]:
        file = self.database.file(self.root)
        if not Path(file).exists():
            raise NoTableError("there is no database yet")
        try:
            address = f"file:{quote(file)}?mode=rw"
            made = sqlite3.connect(address, uri=True, timeout=self.limit, isolation_level=None)
            with closing(made) as connection:

                def execute(statement: str, values: Sequence[Any]) -> tuple[list[tuple[Any, ...]], int]:
                    cursor = connection.execute(statement.replace("%s", "?"), values)
                    return cursor.fetchall(), cursor.rowcount

                yield execute
        except sqlite3.IntegrityError:
            raise ConflictError(_TAKEN) from None
        except (sqlite3.Error, OSError) as error:
            if "no such table" in str(error):
                raise NoTableError(_NOT_MIGRATED) from None
            raise LedgerError(f"the database does not answer ({type(error).__name__})") from None

    @contextmanager
    def _postgresql(self) -> Iterator[Execute]:
        import psycopg  # 0.06 s, which SQLite need not wait for

        wait = min(self.database.connect_timeout, self.limit)
        try:
            made = psycopg.connect(**self.database.libpq() | {"connect_timeout": wait}, autocommit=True)
            with closing(made) as connection, _cut_after(self.limit, made.fileno()):

                def execute(statement: str, values: Sequence[Any]) -> tuple[list[tuple[Any, ...]], int]:
                    cursor = connection.execute(statement, values)
                    return cursor.fetchall() if cursor.description else [], cursor.rowcount

                yield execute
        except psycopg.errors.UniqueViolation:
            raise ConflictError(_TAKEN) from None
        except psycopg.Error as error:
            if error.sqlstate == _NO_TABLE:
                raise NoTableError(_NOT_MIGRATED) from None
            state = f", SQLSTATE {error.sqlstate}" if error.sqlstate else ""
            raise LedgerError(f"the database does not answer ({type(error).__name__}{state})") from None


_TAKEN: Final = "somebody else changed the overrides meanwhile, and nothing was written"
_NOT_MIGRATED: Final = "the database has no table of overrides"


@contextmanager
def _cut_after(seconds: float, descriptor: int) -> Iterator[None]:
    """Cut a connection that takes longer: a server that hangs answers no timeout of its own."""
    alarm = threading.Timer(seconds, _cut, (descriptor,))
    alarm.daemon, alarm.name = True, "ledger-limit"
    alarm.start()
    try:
        yield
    finally:
        alarm.cancel()
        alarm.join()  # else it could cut what the number stands for next


def _cut(descriptor: int) -> None:
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as connection:
        connection.shutdown(socket.SHUT_RDWR)
