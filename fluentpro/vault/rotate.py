"""A new version of a secret, written with check-and-set: nobody's change is overwritten unseen."""

from __future__ import annotations

import secrets as chance
from collections.abc import Mapping
from typing import Final

from fluentpro.vault.connection import Connection
from fluentpro.vault.documents import Document, denied, lacking, read
from fluentpro.vault.errors import Kind, VaultError
from fluentpro.vault.reference import Location

SHORTEST: Final = 32
"""Characters of a generated value, at least; a longer one is replaced by one as long."""


def generate(old: str = "") -> str:
    """A random text, as long as the one it replaces and 32 characters at least (6 bits each)."""
    length = max(len(old), SHORTEST)
    return chance.token_urlsafe(length)[:length]


def generated(connection: Connection, location: Location, keys: tuple[str, ...] = ()) -> Mapping[str, str]:
    """New values for the keys of a document, or for all of them where none is named."""
    newest = newest_of(connection, location)
    known = newest.values
    if not newest.version and not keys:
        raise VaultError(Kind.MISSING, f"Vault has no {location}", "write its first version: name each --key")
    unknown = [key for key in keys if key not in known]
    if unknown and newest.version:
        message = f"{location} has no key {', '.join(unknown)}"
        raise VaultError(Kind.MISSING, message, f"its keys: {', '.join(sorted(known))}")
    return {key: generate(str(known.get(key, ""))) for key in keys or known}


def write(connection: Connection, location: Location, values: Mapping[str, str], *without: str) -> int:
    """The number of the new version: the newest one, or none, with these values changed, or left out.

    Raises a `VaultError` where somebody wrote another version meanwhile: nothing is written then.
    """
    newest = newest_of(connection, location)
    kept = {key: value for key, value in newest.values.items() if key not in without}
    body = {"data": kept | dict(values), "options": {"cas": newest.version}}
    try:
        answer = connection.ask(
            f"the write of {location}",
            lambda client: client.adapter.post(f"/v1/{location.mount}/data/{location.path}", json=body),
            expect=frozenset({200, 400}),
        )
    except VaultError as failure:
        if failure.kind is Kind.DENIED:
            raise denied(location, verb="write") from None
        raise
    if "version" not in answer.data:
        message = f"{location} has changed since version {newest.version} was read; nothing was written"
        raise VaultError(Kind.OVERLOADED, message, "look at what changed, and run the command again")
    return int(answer.data["version"])


def newest_of(connection: Connection, location: Location) -> Document:
    """The newest version of a document; version 0, without a value, where there was never one."""
    try:
        return read(connection, location, 0.0)
    except VaultError as failure:
        if failure.kind is not Kind.MISSING:
            raise
        return Document(location, {})


def rotate_static(connection: Connection, location: Location) -> None:
    """Let Vault change the password of a static database role now."""
    if not location.static:
        message = f"{location} is no static role: each process takes a credential of its own and replaces it"
        raise VaultError(Kind.UNCONFIGURED, message, "nothing is to be done; see the leases in /health")
    role = location.path.removeprefix("static-creds/")
    try:
        connection.ask(
            f"the rotation of {location}",
            lambda client: client.adapter.post(f"/v1/{location.mount}/rotate-role/{role}"),
        )
    except VaultError as failure:
        if failure.kind is Kind.DENIED:
            raise lacking(f"the rotation of {location}", f"{location.mount}/rotate-role/{role}") from None
        raise
