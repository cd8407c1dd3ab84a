"""The pool's connections on a real PostgreSQL: it is known as whom each was made."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg_pool import ConnectionPool

from fluentpro.web import database
from fluentpro.web.postgresql import Connection, held
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from fluentpro.stack.stack import Running


@pytest.fixture
def person(running_stack: Running) -> Iterator[dict[str, Any]]:
    """A user of the test's own, as libpq is told."""
    name, password = f"u_{token_hex(4)}", token_hex(16)
    server = running_stack.postgresql
    with server.connect() as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'".encode())
        yield {
            "host": "127.0.0.1",
            "port": server.port,
            "user": name,
            "password": password,
            "dbname": "postgres",
        }
        connection.execute(f"DROP ROLE {name}".encode())


def test_a_user_is_held_while_a_connection_is_open(person: dict[str, Any]) -> None:
    assert not held(person["user"])
    first, second = Connection.connect(**person), Connection.connect(make_conninfo(**person))
    assert held(person["user"])
    assert not held("somebody else")
    first.close()
    assert held(person["user"])
    second.close()
    assert not held(person["user"])


def test_a_connection_that_was_forgotten_or_cut_holds_nobody(
    person: dict[str, Any], running_stack: Running
) -> None:
    cut = Connection.connect(**person)
    with running_stack.postgresql.connect() as root:
        root.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (person["user"],)
        )
    with pytest.raises(psycopg.OperationalError):
        cut.execute("SELECT 1")
    assert not held(person["user"])
    forgotten = Connection.connect(**person)
    assert held(person["user"])
    forgotten.pgconn.finish()  # as the end of its process does, and nobody calls `close`
    del forgotten
    gc.collect()
    assert not held(person["user"])


def test_a_connection_that_is_being_made_holds_its_user(person: dict[str, Any]) -> None:
    """Of a server that takes its time: nobody has a connection yet, and somebody soon will."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        asked = person | {"port": silent.getsockname()[1], "connect_timeout": 2}

        def fail() -> None:
            with pytest.raises(psycopg.OperationalError):
                Connection.connect(**asked)

        thread = threading.Thread(target=fail)
        thread.start()
        eventually(lambda: held(person["user"]))
        thread.join()
    assert not held(person["user"])


def test_whoever_cannot_connect_makes_us_doubt_the_credential(person: dict[str, Any]) -> None:
    told: list[str] = []
    database.doubted.append(lambda: told.append("doubt"))
    try:
        with pytest.raises(psycopg.OperationalError):
            Connection.connect(**person | {"password": "wrong"})
    finally:
        database.doubted.pop()
    assert told == ["doubt"]
    assert not held(person["user"])


def test_a_pool_that_is_drained_lets_go_of_the_old_user(
    person: dict[str, Any], running_stack: Running
) -> None:
    now = dict(person)
    with ConnectionPool(
        lambda: make_conninfo(**now), connection_class=Connection, min_size=2, max_size=2, open=True
    ) as pool:
        pool.wait()
        server = running_stack.postgresql
        now |= {"user": "postgres", "password": server.password}
        with pool.connection() as busy:
            pool.drain()
            eventually(lambda: held("postgres"))
            assert held(person["user"]), "somebody is at work"
            busy.execute("SELECT 1")
        eventually(lambda: not held(person["user"]))
    eventually(lambda: not held("postgres"))


def test_another_process_s_connections_are_not_ours(
    person: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Connection.connect(**person):
        monkeypatch.setattr(os, "getpid", lambda: -1)
        assert not held(person["user"])
