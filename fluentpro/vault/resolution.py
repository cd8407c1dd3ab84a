"""Documents -> a layer of values, each with the place and the version it comes from; or why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fluentpro.config.diagnostics import Diagnostic
from fluentpro.config.environment import convert
from fluentpro.config.fields import Path
from fluentpro.config.origins import Origin
from fluentpro.config.references import Reference
from fluentpro.config.snapshot import Layer
from fluentpro.vault.documents import Document
from fluentpro.vault.errors import Kind, VaultError
from fluentpro.vault.reference import NEXT, Location, Pointer


@dataclass(frozen=True, slots=True)
class _Origins:
    """Where resolved values come from: `vault kv/fluentpro/production/auth0#client_secret@7`."""

    sources: Mapping[Path, Origin]

    def value(self, path: Path) -> Origin:
        return self.sources.get(path, Origin("vault"))

    key = value


class Collected:
    """The values found so far, as they will stand in a layer."""

    def __init__(self, known: Mapping[Location, Document], failures: Mapping[Location, VaultError]) -> None:
        self._known = known
        self._failures = failures
        self._values: dict[Path, Any] = {}
        self._sources: dict[Path, Origin] = {}
        self._own: set[Path] = set()

    def layer(self) -> Layer | None:
        """The layer, if there is anything in it."""
        if not self._values:
            return None
        return Layer("vault", self._values, _Origins(self._sources), frozenset(self._own))

    def take(self, reference: Reference, pointer: Pointer) -> Sequence[Diagnostic]:
        """Take the value of a reference; say why where there is none."""
        failure = self._failures.get(pointer.location)
        document = self._known.get(pointer.location)
        if failure and (document is None or failure.kind is Kind.DELETED):
            return _said(reference, failure)
        if document is None:  # not reached: the connection failed before
            return ()
        if pointer.previous:
            value: Any = others(document, pointer.key)
        elif pointer.key in document.values:
            value = _text(document.values[pointer.key], reference)
        else:
            place = pointer.location
            message = f"{place} has no key {pointer.key}"
            fix = f"add it: bao kv patch -mount={place.mount} {place.path} {pointer.key}=<value>"
            return _said(reference, VaultError(Kind.MISSING, message, fix))
        if value is None:
            error = VaultError(Kind.NO_TEXT, f"{pointer} is not a text", "store it as a text")
            return _said(reference, error)
        path = reference.setting.path
        if document.loan:
            self._own.add(path)
        self._values[path], self._sources[path] = value, _origin(pointer, document)
        return ()


def others(document: Document, key: str) -> tuple[str, ...]:
    """The values of a key that count beside the present one: the next, then earlier ones, newest first."""
    given = (document.values.get(key + NEXT), *(values.get(key) for values in document.older.values()))
    present = document.values.get(key)
    return tuple(dict.fromkeys(str(value) for value in given if value and value != present))


def _origin(pointer: Pointer, document: Document) -> Origin:
    version = f"@{document.label}" if document.label else ""
    return Origin(f"vault {pointer}{version}", version=document.label, since=document.since)


def _text(value: Any, reference: Reference) -> Any:
    """A stored value as its setting takes it; None if it is neither a text nor a list of texts."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return convert(str(value), reference.setting)
    return None


def _said(reference: Reference, failure: VaultError) -> Sequence[Diagnostic]:
    """A failure at the place of the reference; nothing where the setting can do without a value.

    A feature that is switched on makes its secrets required: a rule says so, at the same place.
    """
    if failure.kind is Kind.MISSING and not reference.setting.required:
        return ()
    return (
        Diagnostic(
            failure.kind.code,
            reference.setting.key,
            failure.message,
            reference.origin,
            failure.fix,
            status=failure.kind.status,
        ),
    )


def said_once(findings: Sequence[Diagnostic]) -> Sequence[Diagnostic]:
    """One finding where the Vault itself is the trouble, with all the settings that wait for it."""
    said: dict[tuple[str, str], list[Diagnostic]] = {}
    for item in findings:
        said.setdefault((item.code, item.message), []).append(item)
    return [
        group[0] if len(group) == 1 else replace(group[0], key=", ".join(item.key for item in group))
        for group in said.values()
    ]


def malformed(reference: Reference) -> Diagnostic:
    """The finding on a reference that is none."""
    return Diagnostic(
        Kind.MALFORMED.code,
        reference.setting.key,
        "not a reference",
        reference.origin,
        'write "@vault <mount>/<path>#<key>", such as "@vault kv/fluentpro/{env}/auth0#client_secret"',
    )
