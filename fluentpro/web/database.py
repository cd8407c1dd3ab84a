"""A changed database: tried before the swap, taken up by each thread with its next request."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from asgiref.local import Local
from django.core.signals import request_started
from django.db import connections

from fluentpro.config.diagnostics import Diagnostic
from fluentpro.config.snapshot import Snapshot
from fluentpro.process import runtime
from fluentpro.schema import Config

if TYPE_CHECKING:
    from fluentpro.vault.documents import Document

ALIAS = "default"
NEXT = "default, to be"
"""Under this name a pool is made that will take the other's place."""
SETTLE = 1.0
"""Seconds in which somebody who was sent to the old pool may still be on the way."""
LOOK = 0.05
"""Seconds between two looks whether anybody waits for a connection."""

_inherited: list[object] = []
doubted: list[Callable[[], None]] = []
"""Told when a connection can't be made: is its credential still good?"""


def check(old: Snapshot[Config] | None, new: Snapshot[Config]) -> Sequence[Diagnostic]:
    """Try changed database settings with a real connection; say no if it can't be made."""
    if old is None or old.config.database == new.config.database:
        return ()
    database = new.config.database
    if database.engine != old.config.database.engine:
        return ()  # swapped, and pending until the restart
    try:
        _connect(new.config)
    except Exception as error:  # noqa: BLE001 # whatever the driver raises; its text may hold the password
        winner = new.candidate.winner(("database", "host")) or new.candidate.winner(("database", "name"))
        message = f"no connection with the changed settings: {_reason(error)}"
        fix = "correct them; the connections of the last good configuration stay in use"
        return (Diagnostic("CFG501", "database", message, winner.origin.hidden() if winner else None, fix),)
    return ()


def renew() -> None:
    """Let every thread open its next request's connection with the current settings.

    Whoever waits for a connection of the old pool gets one; those in use are closed when they come back.
    """
    connections.__dict__["settings"] = connections.configure_settings(None)
    pools = _pools()
    old, new = pools.get(ALIAS), _new_pool()
    if new is not None:
        pools[ALIAS] = new  # there before anybody with old settings can make one
    elif old is not None:
        del pools[ALIAS]
    if old is not None:
        Thread(target=_close, args=(old,), name="database-pool", daemon=True).start()


def forget() -> None:
    """Leave alone, in a child, its parent's connections: they are kept, and never used or closed."""
    pools = _pools()
    _inherited.extend((connections._connections, *pools.values()))  # type: ignore[attr-defined]  # the stubs leave it out
    connections._connections = Local(connections.thread_critical)  # type: ignore[attr-defined]  # as above
    pools.clear()


def drain() -> None:
    """Let the pool's connections go, each when nobody uses it: new ones have the new settings."""
    if pool := _pools().get(ALIAS):
        pool.drain()


def held(document: Document) -> bool:
    """Whether a connection may still be in use as the user of a credential; only of a pool's we know."""
    user = document.values.get("username")
    if not connections.settings[ALIAS].get("OPTIONS", {}).get("pool") or not user:
        return True
    from fluentpro.web import postgresql

    return postgresql.held(str(user))


def doubt() -> None:
    """A connection can't be made."""
    for tell in doubted:
        tell()


def follow(**_: Any) -> None:
    """Drop this thread's connection if it was made from settings that have changed since."""
    mine = connections._connections  # type: ignore[attr-defined]  # `connections[ALIAS]` would make one
    held = getattr(mine, ALIAS, None)
    if held is not None and held.settings_dict is not connections.settings[ALIAS]:
        held.close()
        del connections[ALIAS]


request_started.connect(follow)


def _connect(config: Config) -> None:
    database = config.database
    if database.engine == "sqlite":
        file = database.file(runtime().sources.root)
        # It is not made by asking for it: whoever wants another database makes and migrates it first.
        address = file if file == ":memory:" else f"file:{quote(file)}?mode=rw"
        with closing(sqlite3.connect(address, uri=True)) as connection:
            connection.execute("PRAGMA schema_version")  # reads the file's first page
        return
    import psycopg

    from fluentpro.web.settings import libpq

    with psycopg.connect(**libpq(database)) as tried:
        tried.execute("SELECT 1")


def _reason(error: Exception) -> str:
    state = getattr(error, "sqlstate", None)
    return f"{type(error).__name__}{f' (SQLSTATE {state})' if state else ''}"


def _new_pool() -> Any:
    """A pool for the current settings, not open yet; None where they want none."""
    wrapper: Any = connections.create_connection(ALIAS)
    wrapper.alias = NEXT  # else we would be given the pool that is there
    pool = getattr(wrapper, "pool", None)  # SQLite has none
    _pools().pop(NEXT, None)
    return pool


def _close(pool: Any) -> None:
    """Close a pool that nobody is sent to any more, once nobody waits for a connection of it."""
    until = time.monotonic() + pool.timeout  # whoever waits gives up by then
    time.sleep(SETTLE)
    while pool.get_stats().get("requests_waiting") and time.monotonic() < until:
        time.sleep(LOOK)
    pool.close()


def _pools() -> dict[str, Any]:
    """Django's pools, by alias; none where there is no psycopg."""
    try:
        from django.db.backends.postgresql.base import DatabaseWrapper
    except ImportError:
        return {}
    pools: dict[str, Any] = DatabaseWrapper._connection_pools  # type: ignore[attr-defined]  # the stubs leave it out
    return pools
