"""What stands at a location: a key-value document with its version, or a credential with its lease."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from fluentpro.vault.connection import Connection
from fluentpro.vault.errors import Kind, VaultError
from fluentpro.vault.login import due
from fluentpro.vault.reference import Location


@dataclass(frozen=True, slots=True)
class Lease:
    """How long a credential lives."""

    id: str = field(repr=False)
    """Empty for a static role, whose password has a time to live and no lease."""
    seconds: float
    since: float
    """Monotonic time of the read in s."""
    pid: int
    """The process that took it; only that one may give it back."""
    renew_at: float
    """Monotonic time at which to take another, jitter included."""

    def remaining(self, now: float) -> float:
        """Seconds of life left."""
        return self.since + self.seconds - now


@dataclass(frozen=True, slots=True)
class Document:
    """What was read at a location. Its values are secret."""

    location: Location
    values: Mapping[str, Any] = field(repr=False)
    version: int = 0
    """The version in the key-value store; 0 for a credential."""
    rotated: str = ""
    """When Vault last changed a static role's password, in its own words."""
    lease: Lease | None = None
    since: float = 0.0
    """Unix time since when it is what it is, in s: when its version was written, or Vault made it."""
    older: Mapping[int, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    """The values of earlier versions that were replaced not too long ago, by version, newest first."""
    gone: tuple[int, ...] | None = None
    """The earlier versions that are deleted or destroyed; None where nobody asks for earlier ones."""

    @property
    def label(self) -> str:
        """Its version, for people; empty where each read brings a new one."""
        return str(self.version) if self.version else self.rotated

    @property
    def mark(self) -> str:
        """What tells this document from a newer one at its place; empty where each read brings a new one."""
        return _mark(self.label, self.gone)

    @property
    def loan(self) -> Lease | None:
        """The lease by which Vault ends it; None for a static role's password, which lives until changed."""
        return self.lease if self.lease and self.lease.id else None


def read(connection: Connection, location: Location, clock: float) -> Document:
    """The document at a location; a `VaultError` where there is none, with the policy that a denial lacks."""
    try:
        return (
            _credential(connection, location, clock) if location.leased else _document(connection, location)
        )
    except VaultError as failure:
        if failure.kind is Kind.DENIED:
            raise denied(location) from None
        raise


def newest(connection: Connection, location: Location, *, history: bool = False) -> str:
    """The mark of what stands at a location now; a `VaultError` of kind DELETED if that is deleted.

    With `history` it is another one, too, when an earlier version is deleted or brought back.
    """
    if location.static:
        return _credential(connection, location, 0.0).mark
    version, versions = _versions(connection, location)
    if _is_gone(versions.get(str(version), {})):
        raise _deleted(location, version)
    return _mark(str(version), _gone(versions, version) if history else None)


def with_history(connection: Connection, document: Document, age: float) -> Document:
    """The document with the values of those earlier versions that were replaced less than `age` s ago."""
    _, versions = _versions(connection, document.location)
    since = datetime.now(UTC) - timedelta(seconds=age)
    older: dict[int, Mapping[str, Any]] = {}
    for number in range(document.version - 1, 0, -1):
        replaced = _time(versions.get(str(number + 1), {}))
        if replaced is None or replaced < since:
            break
        if not _is_gone(versions.get(str(number), {})):
            older[number] = _version(connection, document.location, number)
    return replace(document, older=older, gone=_gone(versions, document.version))


def _mark(label: str, gone: tuple[int, ...] | None) -> str:
    return "-".join([label, *map(str, gone or ())])


def _gone(versions: Mapping[str, Mapping[str, Any]], below: int) -> tuple[int, ...]:
    """The versions before one that are deleted or destroyed."""
    return tuple(
        sorted(int(number) for number, state in versions.items() if _is_gone(state) and int(number) < below)
    )


def _versions(connection: Connection, location: Location) -> tuple[int, Mapping[str, Mapping[str, Any]]]:
    """The number of the newest version, and what is known of each that is still kept."""
    try:
        answer = connection.ask(
            f"the versions of {location}",
            lambda client: client.adapter.get(f"/v1/{location.mount}/metadata/{location.path}"),
        )
    except VaultError as failure:
        if failure.kind is Kind.DENIED:
            raise denied(location, "metadata") from None
        raise
    return int(answer.data.get("current_version", 0)), answer.data.get("versions") or {}


def _version(connection: Connection, location: Location, number: int) -> Mapping[str, Any]:
    answer = connection.ask(
        f"the read of version {number} of {location}",
        lambda client: client.adapter.get(
            f"/v1/{location.mount}/data/{location.path}", params={"version": number}
        ),
        expect=frozenset({200, 404}),  # it may have been deleted since we heard of it
    )
    values = answer.data.get("data")
    return values if isinstance(values, dict) else {}


def _time(state: Mapping[str, Any]) -> datetime | None:
    """When a version was written; None where its record is no longer kept."""
    return _moment(state.get("created_time"))


def _moment(text: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return None


def _unix(text: Any) -> float:
    """A moment in Vault's words as Unix time in s; 0.0 where it says none."""
    moment = _moment(text)
    return moment.timestamp() if moment else 0.0


def denied(location: Location, part: str = "data", verb: str = "read") -> VaultError:
    """The failure of a request that no policy allows, with the stanza that would."""
    path = location.api_path if part == "data" else f"{location.mount}/metadata/{location.path}"
    capabilities = '["read"]' if verb == "read" else '["create", "update"]'
    return lacking(f"the {verb} of {location}", path, capabilities)


def lacking(what: str, path: str, capabilities: str = '["update"]') -> VaultError:
    """The failure of a request for which there is no policy with this stanza; `what` names the request."""
    fix = f'give the role that asked a policy with:\npath "{path}" {{ capabilities = {capabilities} }}'
    return VaultError(Kind.DENIED, f"Vault denied {what}", fix)


def _document(connection: Connection, location: Location) -> Document:
    answer = connection.ask(
        f"the read of {location}",
        lambda client: client.adapter.get(f"/v1/{location.mount}/data/{location.path}"),
        expect=frozenset({200, 404}),
    )
    metadata = answer.data.get("metadata") or {}
    if answer.status == HTTPStatus.NOT_FOUND:
        if metadata:
            raise _deleted(location, int(metadata.get("version", 0)))
        raise _missing(location)
    values = answer.data.get("data")
    if not isinstance(values, dict):
        message = f"{location} is not a document of a key-value store, version 2"
        raise VaultError(Kind.MISSING, message, f"is {location.mount} mounted with version 2?")
    version, written = int(metadata.get("version", 0)), _unix(metadata.get("created_time"))
    return Document(location, values, version, since=written)


def _credential(connection: Connection, location: Location, clock: float) -> Document:
    answer = connection.ask(
        f"the read of {location}",
        lambda client: client.adapter.get(f"/v1/{location.mount}/{location.path}"),
        expect=frozenset({200, 400, 404}),
    )
    if answer.status != HTTPStatus.OK:
        message = f"Vault has no database role for {location}"
        raise VaultError(Kind.MISSING, message, "make it: fluentpro vault bootstrap")
    rotated = ""
    if location.static:
        rotated = str(answer.data.get("last_vault_rotation", ""))
        seconds = float(answer.data.get("ttl", 0))
        # Just past the rotation: before it, the Vault would give us the same password again.
        lease = Lease("", seconds, clock, os.getpid(), clock + seconds + 0.5)
    else:
        seconds = float(answer.body.get("lease_duration", 0))
        lease = Lease(str(answer.body.get("lease_id", "")), seconds, clock, os.getpid(), due(clock, seconds))
    return Document(location, answer.data, 0, rotated, lease, _unix(rotated) or time.time())


def renewed(connection: Connection, lease: Lease, clock: float) -> Lease:
    """The lease with the longer life that the Vault allows it; a `VaultError` where it has ended."""
    answer = connection.ask(
        "the renewal of a credential",
        lambda client: client.adapter.put("/v1/sys/leases/renew", json={"lease_id": lease.id}),
    )
    seconds = float(answer.body.get("lease_duration", 0))
    return replace(lease, seconds=seconds, since=clock, renew_at=due(clock, seconds))


def has_ended(connection: Connection, lease: Lease) -> bool:
    """Whether the Vault has taken a credential back before its time."""
    answer = connection.ask(
        "the look-up of a credential",
        lambda client: client.adapter.put("/v1/sys/leases/lookup", json={"lease_id": lease.id}),
        expect=frozenset({200, 400}),
    )
    return answer.status == HTTPStatus.BAD_REQUEST


def _is_gone(state: Mapping[str, Any]) -> bool:
    return bool(state.get("deletion_time") or state.get("destroyed"))


def _deleted(location: Location, version: int) -> VaultError:
    fix = (
        f"bring it back: bao kv undelete -mount={location.mount} -versions={version} {location.path};"
        "\nor write a new version"
    )
    return VaultError(Kind.DELETED, f"version {version} of {location} is deleted", fix)


def _missing(location: Location) -> VaultError:
    fix = f"write it: bao kv put -mount={location.mount} {location.path} <key>=<value>"
    return VaultError(Kind.MISSING, f"Vault has no {location}", fix)
