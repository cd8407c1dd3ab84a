"""A key that others sign with is succeeded in two steps, so that nobody meets one that he does not know.

First the next key is written beside the present one, and every process accepts it; only when all do
does it become the present one, and the old one stays accepted for as long as what it signed may live.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fluentpro.vault.connection import Connection
from fluentpro.vault.documents import lacking, with_history
from fluentpro.vault.errors import Kind, VaultError
from fluentpro.vault.reference import NEXT, Pointer
from fluentpro.vault.rotate import generate, newest_of, write


@dataclass(frozen=True, slots=True)
class Step:
    """A version that was written, or stood there already."""

    version: int
    new: bool = True


def introduce(connection: Connection, pointer: Pointer) -> Step:
    """Write the next key beside the present one, unless one stands there from a try that was broken off."""
    document = newest_of(connection, pointer.location)
    present = str(document.values.get(pointer.key, ""))
    if document.values.get(pointer.key + NEXT):
        return Step(document.version, new=False)
    return Step(write(connection, pointer.location, {pointer.key + NEXT: generate(present)}))


def promote(connection: Connection, pointer: Pointer) -> Step:
    """Make the next key the present one."""
    document = newest_of(connection, pointer.location)
    following = document.values.get(pointer.key + NEXT)
    if not following:
        message = f"{pointer.location} has no key {pointer.key}{NEXT}: somebody else went on meanwhile"
        raise VaultError(Kind.MISSING, message, "look at what stands there, and run the command again")
    return Step(write(connection, pointer.location, {pointer.key: str(following)}, pointer.key + NEXT))


def fallbacks(connection: Connection, pointer: Pointer, age: float) -> Sequence[int]:
    """The earlier versions, replaced less than `age` s ago, whose key is still accepted; newest first."""
    document = with_history(connection, newest_of(connection, pointer.location), age)
    present = document.values.get(pointer.key)
    return [
        number for number, values in document.older.items() if values.get(pointer.key) not in (None, present)
    ]


def retire(connection: Connection, pointer: Pointer, versions: Sequence[int]) -> None:
    """Delete earlier versions, so that no process accepts their keys any more; they can be undeleted."""
    place = pointer.location
    try:
        connection.ask(
            f"the deletion of earlier versions of {place}",
            lambda client: client.adapter.post(
                f"/v1/{place.mount}/delete/{place.path}", json={"versions": list(versions)}
            ),
            expect=frozenset({200, 204}),
        )
    except VaultError as failure:
        if failure.kind is not Kind.DENIED:
            raise
        raise lacking(f"the deletion of versions of {place}", f"{place.mount}/delete/{place.path}") from None
