"""A changed database: tried before the swap, taken up by each thread with its next request."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from django.core.signals import request_started
from django.db import connections

from fluentpro.config.diagnostics import Diagnostic
from fluentpro.config.snapshot import Snapshot
from fluentpro.schema import Config

ALIAS = "default"


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
    """Let every thread open its next request's connection with the current settings."""
    connections.__dict__["settings"] = connections.configure_settings(None)
    _close_pool()


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
        from fluentpro.web.settings import derived

        name = derived(config)["DATABASES"][ALIAS]["NAME"]
        with closing(sqlite3.connect(name)) as connection:
            connection.execute("SELECT 1")
        return
    import psycopg

    with psycopg.connect(
        dbname=database.name,
        host=database.host,
        port=database.port,
        user=database.user,
        password=database.password.get_secret_value() if database.password else None,
        sslmode=database.sslmode,
        connect_timeout=database.connect_timeout,
    ) as connection:
        connection.execute("SELECT 1")


def _reason(error: Exception) -> str:
    state = getattr(error, "sqlstate", None)
    return f"{type(error).__name__}{f' (SQLSTATE {state})' if state else ''}"


def _close_pool() -> None:
    """Let the old pool's idle connections go; those in use are closed when they come back."""
    try:
        from django.db.backends.postgresql.base import DatabaseWrapper
    except ImportError:  # no psycopg: no pool
        return
    pools = DatabaseWrapper._connection_pools  # type: ignore[attr-defined]  # the stubs leave it out
    pool = pools.pop(ALIAS, None)
    if pool is not None:
        pool.close(timeout=0)
