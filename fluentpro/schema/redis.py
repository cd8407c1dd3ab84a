"""Redis or Valkey: the cache, Celery's broker, the WebSocket channels, the fleet's streams."""

from __future__ import annotations

from typing import Annotated, TypeAlias
from urllib.parse import quote, urlsplit

from pydantic import Field

from fluentpro.config.fields import Effect, Table, setting
from fluentpro.schema.types import Name, RedisUrl, Seconds, Secret, WholeSeconds

Number: TypeAlias = Annotated[int, Field(ge=0, le=255)]
"""The number of a database inside one server; most servers have 0 to 15."""


class Redis(Table):
    """One server, with a database of its own for each use."""

    url: RedisUrl | None = setting(
        None,
        meaning="The address of the server; without one, each process caches in its own memory.",
        effect=Effect.REBIND,
    )
    password: Secret | None = setting(
        None,
        meaning="The password of the server, kept out of the address.",
        effect=Effect.REBIND,
    )
    cache_db: Number = setting(0, meaning="The database of the cache.", effect=Effect.REBIND)
    broker_db: Number = setting(
        1, meaning="The database of Celery's queue and results.", effect=Effect.RESTART
    )
    channels_db: Number = setting(2, meaning="The database of the WebSocket channels.", effect=Effect.RESTART)
    streams_db: Number = setting(
        3, meaning="The database of the fleet's announcements.", effect=Effect.RESTART
    )
    cache_timeout: WholeSeconds = setting(
        300,
        meaning="How long the cache keeps a value that sets no time of its own.",
        unit="s",
        effect=Effect.REBIND,
        overridable=True,
    )
    key_prefix: Name = setting(
        "fluentpro",
        meaning="What every key begins with, so that several services can share a server.",
        effect=Effect.REBIND,
        pattern=r"^[A-Za-z0-9_.:-]+$",
    )
    connect_timeout: Seconds = setting(
        1.0, meaning="How long to wait for a connection.", unit="s", effect=Effect.REBIND
    )
    socket_timeout: Seconds = setting(
        2.0, meaning="How long to wait for an answer.", unit="s", effect=Effect.REBIND
    )

    def location(self, database: int) -> str | None:
        """The whole address of one database, password included; None without a server."""
        if self.url is None:
            return None
        parts = urlsplit(self.url)
        netloc = parts.netloc
        if self.password is not None:
            user, _, host = netloc.rpartition("@")
            netloc = f"{user.partition(':')[0]}:{quote(self.password.get_secret_value(), safe='')}@{host}"
        if parts.scheme == "unix":
            return f"unix://{netloc}{parts.path}?db={database}"
        return f"{parts.scheme}://{netloc}/{database}"
