"""What is said on the stream: hints at a change, which each process then looks up for itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What a hint is about."""

    SECRET = "secret"  # noqa: S105 # the name of a kind
    """A secret has a newer version: `place` and `mark`, never a value."""
    OVERRIDE = "override"
    """The operators' overrides have a newer revision: `revision`."""
    RELOAD = "reload"
    """Somebody wants every process to try all of its sources; `ballot` names where to say the outcome."""
    REHEARSE = "rehearse"
    """Would a process accept these overrides? `ballot` names where to answer; `entries` are no secrets."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """One hint."""

    kind: Kind
    by: str
    """The process or person that says it."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    id: str = ""
    """Its place in the stream, once it is there."""

    def fields(self) -> dict[str, str]:
        """As the stream holds it."""
        return {"kind": self.kind.value, "by": self.by, "facts": json.dumps(dict(self.facts))}

    @classmethod
    def parse(cls, number: str, fields: Mapping[str, str]) -> Announcement | None:
        """From what the stream holds; None where a later release says what this one does not know."""
        try:
            facts = json.loads(fields.get("facts", "{}"))
            return cls(Kind(fields["kind"]), fields.get("by", ""), facts, number)
        except (KeyError, ValueError):
            return None

    def fact(self, name: str) -> str:
        """One fact as a text; empty where it is not there."""
        given = self.facts.get(name) if isinstance(self.facts, dict) else None
        return "" if given is None else str(given)
