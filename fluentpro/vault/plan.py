"""What has to be in a Vault before FluentPro can use it: the data of `secrets/`, for some environments."""

from __future__ import annotations

import secrets
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

PROCESSES: Final = ("web", "realtime", "worker")
"""The process types that log in by AppRole; `operator` is the role of people's tools."""
MOUNT: Final = "kv"
DATABASE: Final = "database"


@dataclass(frozen=True, slots=True)
class Item:
    """A thing in Vault: where it is, and what has to be true of it."""

    subject: str
    """For people: `policy fluentpro-production-web`."""
    path: str
    """Where Vault's API reads and writes it."""
    wanted: Mapping[str, Any]
    fixed: bool = False
    """It can't be changed once it is there."""
    written: Callable[[], Mapping[str, Any]] = field(default=dict, repr=False)
    """What is only written, never read back: asked for when the item has to be made."""
    then: str = ""
    """The path to write to once it is made."""
    anew: bool = False
    """It has to be made again, whatever Vault has there: the other side has lost its part."""


@dataclass(frozen=True, slots=True)
class Generated:
    """The values that a secret has to have; one that is there already stays."""

    path: str
    """Below the mount `kv`: `fluentpro/production/django`."""
    make: Mapping[str, Callable[[], str]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Database:
    """The PostgreSQL of one environment, as Vault reaches it."""

    environment: str
    host: str
    port: int
    name: str
    password: Callable[[], str] = field(repr=False)
    """Of the user who makes users; asked for if Vault has to be told, and changed by Vault at once."""
    sslmode: str = "require"
    anew: bool = False
    """The server was made anew since Vault was told, and knows none of the passwords that Vault has."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that has to be in a Vault, in the order in which it is made."""

    items: tuple[Item, ...]
    generated: tuple[Generated, ...]


def role_name(environment: str, process: str) -> str:
    """The name of a process type's AppRole role, and of a policy: `fluentpro-production-web`."""
    return f"fluentpro-{environment}-{process}"


def read_plan(folder: Path, environments: Sequence[str], databases: Sequence[Database] = ()) -> Plan:
    """What `secrets/` says, for these environments; databases that are not given are left out.

    Raises `OSError` where a file can't be read, and `tomllib.TOMLDecodeError`.
    """
    items = [*_mounts(with_database=bool(databases))]
    generated: list[Generated] = []
    for environment in environments:
        items += _policies(folder, environment)
        items += _roles(folder, environment)
        generated += _generated(folder, environment)
    for database in databases:
        items += _database(folder, database)
    return Plan(tuple(items), tuple(generated))


def _mounts(*, with_database: bool) -> Iterator[Item]:
    engine = {"type": "kv", "options": {"version": "2"}}
    yield Item(f"secrets engine {MOUNT}/", f"sys/mounts/{MOUNT}", engine, fixed=True)
    yield Item("login method approle/", "sys/auth/approle", {"type": "approle"}, fixed=True)
    if with_database:
        wanted = {"type": "database"}
        yield Item(f"secrets engine {DATABASE}/", f"sys/mounts/{DATABASE}", wanted, fixed=True)


def _policies(folder: Path, environment: str) -> Iterator[Item]:
    for file in sorted((folder / "policies").glob("*.hcl")):
        name = role_name(environment, file.stem)
        text = file.read_text(encoding="utf-8").replace("{env}", environment)
        yield Item(f"policy {name}", f"sys/policies/acl/{name}", {"policy": text})


def _roles(folder: Path, environment: str) -> Iterator[Item]:
    for file in sorted((folder / "roles").glob("*.toml")):
        name, data = role_name(environment, file.stem), _parsed(file)
        policies = [role_name(environment, policy) for policy in data.pop("policies")]
        # Vault's default policy is for everybody; ours say all that is needed.
        wanted = {"token_policies": policies, "token_no_default_policy": True, "bind_secret_id": True} | data
        yield Item(f"role {name}", f"auth/approle/role/{name}", wanted)


def _generated(folder: Path, environment: str) -> Iterator[Generated]:
    for table, keys in _parsed(folder / "generated.toml").items():
        make = {key: _random(size) for key, size in keys.items()}
        yield Generated(f"fluentpro/{environment}/{table}", make)


def _database(folder: Path, database: Database) -> Iterator[Item]:
    data, name = _parsed(folder / "database.toml"), f"fluentpro-{database.environment}"
    static = f"{name}-static"  # one name can't be both
    address = f"{database.host}:{database.port}/{database.name}?sslmode={database.sslmode}"
    connection = {
        "connection_url": f"postgresql://{{{{username}}}}:{{{{password}}}}@{address}",
        "username": data["connection"]["username"],
        "password_authentication": "scram-sha-256",  # the server never sees the password itself
    }
    plugin = {"plugin_name": "postgresql-database-plugin", "allowed_roles": [name, static]}
    yield Item(
        f"database connection {name}",
        f"{DATABASE}/config/{name}",
        plugin | {"connection_details": connection},
        written=lambda: {"password": database.password()},
        then=f"{DATABASE}/rotate-root/{name}",
        anew=database.anew,
    )
    own = {"db_name": name}
    yield Item(f"database role {name}", f"{DATABASE}/roles/{name}", own | data["dynamic"])
    yield Item(
        f"static database role {static}",
        f"{DATABASE}/static-roles/{static}",
        own | data["static"],
        then=f"{DATABASE}/rotate-role/{static}",
        anew=database.anew,
    )


def _parsed(file: Path) -> dict[str, Any]:
    return tomllib.loads(file.read_text(encoding="utf-8"))


def _random(size: int) -> Callable[[], str]:
    return lambda: secrets.token_urlsafe(size)
