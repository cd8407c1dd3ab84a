"""The connections of PostgreSQL's pool: as whom each was made, and which can't be made."""

from __future__ import annotations

import os
from typing import Any, Final
from weakref import WeakValueDictionary

import psycopg
from psycopg.conninfo import conninfo_to_dict

from fluentpro.web import database

_open: Final[WeakValueDictionary[int, Connection]] = WeakValueDictionary()
_making: Final[set[tuple[str, object]]] = set()
"""The users as whom connections are being made."""


class Connection(psycopg.Connection[Any]):
    """A connection that knows its user. One that can't be made is told: its credential may be gone."""

    made_as: tuple[int, str] = (0, "")
    """The process that made it, and as whom."""

    @classmethod
    def connect(cls, conninfo: str = "", **options: Any) -> Connection:
        """Connect, or raise psycopg's OperationalError."""
        user = str(options.get("user") or conninfo_to_dict(conninfo).get("user") or "")
        making = (user, object())
        _making.add(making)
        try:
            made = super().connect(conninfo, **options)
            made.made_as = (os.getpid(), user)
            _open[id(made)] = made
        except psycopg.OperationalError:
            database.doubt()
            raise
        finally:
            _making.discard(making)
        return made


def held(user: str) -> bool:
    """Whether a connection of this process is open as a user, or being made. Takes no lock."""
    if any(name == user for name, _ in tuple(_making)):
        return True
    known = (reference() for reference in _open.valuerefs())
    mine = (os.getpid(), user)
    return any(item is not None and item.made_as == mine and not item.closed for item in known)
