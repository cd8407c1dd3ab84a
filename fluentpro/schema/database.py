"""The database: SQLite embedded on a developer's machine, PostgreSQL elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from fluentpro.config.fields import Effect, Table, setting
from fluentpro.schema.types import HostOrSocket, Name, Port, Seconds, Secret, WholeSeconds


class Database(Table):
    """Where the data is, and how connections to it are kept."""

    engine: Literal["sqlite", "postgresql"] = setting(
        "sqlite",
        meaning='The kind of database: "sqlite" (a file) or "postgresql" (a server).',
        effect=Effect.RESTART,  # another backend class, another SQL dialect
    )
    name: Name = setting(
        "db.sqlite3",
        meaning="The name of the database; for SQLite its file, from the project's root.",
        effect=Effect.REBIND,
    )
    host: HostOrSocket | None = setting(
        None,
        meaning="The host of the PostgreSQL server, or the folder of its socket.",
        effect=Effect.REBIND,
    )
    port: Port = setting(5432, meaning="The TCP port of the PostgreSQL server.", effect=Effect.REBIND)
    user: Name | None = setting(None, meaning="The user to connect as.", effect=Effect.REBIND)
    password: Secret | None = setting(None, meaning="The password of that user.", effect=Effect.REBIND)
    sslmode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] = setting(
        "prefer",
        meaning="How far the connection insists on TLS and on the server's certificate.",
        effect=Effect.REBIND,
    )
    connect_timeout: int = setting(
        5,
        meaning="How long to wait for a new connection.",
        unit="s",
        effect=Effect.REBIND,
        ge=1,
        le=300,
    )
    pool_min: int = setting(
        0,
        meaning="How many connections each process keeps open at least.",
        unit="connections",
        effect=Effect.REBIND,
        ge=0,
        le=1000,
    )
    pool_max: int = setting(
        0,
        meaning="How many connections each process opens at most; 0 means no pool.",
        unit="connections",
        effect=Effect.REBIND,
        ge=0,
        le=1000,
    )
    pool_timeout: Seconds = setting(
        5.0,
        meaning="How long a request waits for a connection of the pool to come free.",
        unit="s",
        effect=Effect.REBIND,
    )
    conn_max_age: WholeSeconds = setting(
        0,
        meaning="How long a connection outside a pool is used again; 0 closes it after each request.",
        unit="s",
        effect=Effect.REBIND,
    )
    conn_health_checks: bool = setting(
        True,
        meaning="Try a connection before it is used again.",
        effect=Effect.REBIND,
    )

    def file(self, root: Path) -> str:
        """Where SQLite keeps the database; `:memory:` is a place of its own."""
        return self.name if self.name == ":memory:" else str(root / self.name)

    def libpq(self) -> dict[str, Any]:
        """What libpq needs to connect, the password in the clear; what is not set is left to libpq."""
        given = {
            "dbname": self.name,
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password.get_secret_value() if self.password else None,
            "sslmode": self.sslmode,
            "connect_timeout": self.connect_timeout,
        }
        return {name: value for name, value in given.items() if value is not None}
