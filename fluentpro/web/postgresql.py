"""The connections of PostgreSQL's pool."""

from __future__ import annotations

from typing import Any

import psycopg

from fluentpro.web import database


class Connection(psycopg.Connection[Any]):
    """A connection; one that can't be made is told, for its credential may have been taken back."""

    @classmethod
    def connect(cls, conninfo: str = "", **options: Any) -> Connection:
        """Connect, or raise psycopg's OperationalError."""
        try:
            return super().connect(conninfo, **options)
        except psycopg.OperationalError:
            database.doubt()
            raise
