"""The record in the database: SQLite and PostgreSQL answer alike, in time, and never with a traceback."""

from __future__ import annotations

import socket
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fluentpro.config.overrides import Override
from fluentpro.fleet.ledger import ConflictError, Ledger, LedgerError, NoTableError
from fluentpro.fleet.revision import Applied, Stage
from fluentpro.schema.database import Database
from tests.overrides.conftest import revision

if TYPE_CHECKING:
    from fluentpro.stack.stack import Running

BANNER = Override("site.banner", "Grüß Gott 👋", "anna", "a tour", 1, 2_000.5)
LIMIT = Override("api.rate_limit", ["a", None, 5.5, True], "ben", "", 2)


def test_a_revision_comes_back_as_it_was_written(ledger: Ledger) -> None:
    first = revision(1, BANNER, change={"verb": "set", "key": "site.banner"})
    second = revision(2, BANNER, LIMIT, author="ben", stage=Stage.CANARY, canary=("a-1", "b-2"))
    ledger.append(first)
    ledger.append(second)
    assert ledger.history() == (second, first)
    assert ledger.history(1) == (second,)
    assert (ledger.newest(), ledger.current()) == (second, first)
    assert (ledger.revision(1), ledger.revision(3)) == (first, None)
    assert ledger.live() == (first, second)


def test_nothing_was_written_yet(ledger: Ledger) -> None:
    assert (ledger.live(), ledger.history(), ledger.newest(), ledger.current()) == ((), (), None, None)
    assert ledger.before(5) == 0
    assert not ledger.settle(1, Stage.EVERYONE)


def test_a_number_is_given_once(ledger: Ledger) -> None:
    ledger.append(revision(1, BANNER))
    with pytest.raises(ConflictError, match="nothing was written"):
        ledger.append(revision(1, author="ben"))
    assert [item.author for item in ledger.history()] == ["anna"]


def test_of_many_at_the_same_time_one_gets_the_number(ledger: Ledger) -> None:
    ready = threading.Barrier(6)

    def write(number: int) -> bool:
        ready.wait(20)
        try:
            ledger.append(revision(1, author=f"author {number}"))
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(write, range(6))) == 1
    assert len(ledger.history()) == 1


def test_what_is_live_is_the_newest_for_everyone_and_the_canaries_since(ledger: Ledger) -> None:
    stages = [Stage.EVERYONE, Stage.CANARY, Stage.EVERYONE, Stage.TAKEN_BACK, Stage.CANARY]
    for number, stage in enumerate(stages, 1):
        ledger.append(revision(number, stage=stage))
    assert [item.number for item in ledger.live()] == [3, 5]
    assert ledger.before(3) == 1


def test_a_canary_is_settled_once(ledger: Ledger) -> None:
    ledger.append(revision(1, stage=Stage.CANARY, canary=("a",)))
    assert ledger.settle(1, Stage.EVERYONE)
    assert not ledger.settle(1, Stage.TAKEN_BACK)
    assert [item.stage for item in ledger.live()] == [Stage.EVERYONE]


def test_a_canary_that_others_overtook_is_not_for_everyone_any_more(ledger: Ledger) -> None:
    ledger.append(revision(1, stage=Stage.CANARY, canary=("a",)))
    ledger.append(revision(2))
    assert not ledger.settle(1, Stage.EVERYONE)
    assert ledger.settle(1, Stage.TAKEN_BACK)


def test_a_configuration_is_recorded_once_and_found_by_the_beginning_of_its_digest(ledger: Ledger) -> None:
    first = Applied(
        "abcd1234abcd1234", "testing", "1.0", "", "start", 12.5, [{"key": "a"}], {"a": {"value": 1}}
    )
    ledger.record(first)
    ledger.record(replace(first, trigger="file", first_seen=99.0))
    ledger.record(replace(first, digest="abcd99"))
    assert ledger.applied("abcd1234abcd1234") == (first,)
    assert ledger.applied("abcd1") == (first,)
    assert len(ledger.applied("abcd")) == 2
    assert ledger.applied("abc") == ledger.applied("%%%%") == ledger.applied("' OR 1") == ()


# ---- Databases that are not as they should be


def test_a_database_that_is_not_there_or_not_migrated_has_no_table(tmp_path: Path) -> None:
    with pytest.raises(NoTableError, match="no database yet"):
        Ledger(Database(), tmp_path).live()
    sqlite3.connect(tmp_path / "db.sqlite3").close()
    (tmp_path / "db.sqlite3").write_bytes(b"")
    with pytest.raises(NoTableError, match="no table"):
        Ledger(Database(), tmp_path).live()


def test_a_postgresql_that_is_not_migrated_has_no_table(postgresql: Database, tmp_path: Path) -> None:
    with pytest.raises(NoTableError, match="no table"):
        Ledger(postgresql.model_copy(update={"name": "template1"}), tmp_path).live()


def test_a_file_that_is_no_database_says_no_more_than_that(tmp_path: Path) -> None:
    (tmp_path / "db.sqlite3").write_bytes(b"canary " * 200)
    with pytest.raises(LedgerError, match=r"^the database does not answer \(DatabaseError\)$"):
        Ledger(Database(), tmp_path).live()


def test_a_wrong_password_is_no_part_of_the_message(postgresql: Database, tmp_path: Path) -> None:
    wrong = postgresql.model_copy(update={"user": "canary-user"})
    with pytest.raises(LedgerError) as caught:
        Ledger(wrong, tmp_path).live()
    assert str(caught.value) == "the database does not answer (OperationalError)"
    assert caught.value.__cause__ is None


def test_a_server_that_takes_the_connection_and_says_nothing_is_given_up(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as deaf:
        there = Database(engine="postgresql", name="x", host="127.0.0.1", port=deaf.getsockname()[1])
        assert within(6, lambda: Ledger(there, tmp_path).live())


def test_a_question_that_waits_for_a_lock_is_given_up(
    postgresql: Database, running_stack: Running, tmp_path: Path
) -> None:
    patient = Ledger(postgresql, tmp_path, limit=0.3)
    with running_stack.postgresql.connect(postgresql.name) as other, other.transaction():
        other.execute("LOCK TABLE overrides_revision IN ACCESS EXCLUSIVE MODE")
        assert within(6, patient.live)
    assert patient.live() == ()
    assert "ledger-limit" not in {thread.name for thread in threading.enumerate()}


def test_a_sqlite_that_somebody_holds_is_given_up(sqlite: Ledger) -> None:
    impatient = replace(sqlite, limit=0.1)
    with closing(sqlite3.connect(sqlite.root / "db.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert within(6, lambda: impatient.append(revision(1)))
    impatient.append(revision(1))


def within(seconds: float, ask: Callable[[], object]) -> bool:
    """Whether the answer is a refusal that came in time."""
    began = time.monotonic()
    with pytest.raises(LedgerError, match="does not answer"):
        ask()
    return time.monotonic() - began < seconds


# ---- Rows that nobody of us wrote


def test_whatever_a_row_holds_there_is_a_revision(sqlite: Ledger) -> None:
    rows = [
        (1, "then", 5, b"\xff", "5", "5", "all", "{}"),
        (2, 2.0, "x" * 10_000, "", '{"verb": []}', '{"site.banner": 5}', "everyone", '["a", 5]'),
        (3, 1e400, "a\n\x1b[31m", "", "[]", "[" * 200 + "]" * 200, "everyone", "[[[]]]"),
    ]
    with closing(sqlite3.connect(sqlite.root / "db.sqlite3", isolation_level=None)) as other:
        other.execute("PRAGMA ignore_check_constraints = ON")
        for row in rows:
            other.execute("INSERT INTO overrides_revision VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    third, second, first = sqlite.history()
    assert [item.fault for item in (*third.overrides, *first.overrides)] == [
        "what is stored is no JSON object"
    ] * 2
    assert [item.fault for item in second.overrides] == ["what is stored is no JSON object"]
    assert (first.stage, second.canary, first.change) == (Stage.TAKEN_BACK, ("a",), {})
