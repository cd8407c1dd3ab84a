"""What the database records: a revision of the overrides, and a configuration that was applied."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fluentpro.config.overrides import Override, parse


class Stage(StrEnum):
    """For whom a revision is."""

    EVERYONE = "everyone"
    CANARY = "canary"
    """For the processes of its canary list alone, until it is for everyone or taken back."""
    TAKEN_BACK = "taken back"


@dataclass(frozen=True, slots=True)
class Revision:
    """The whole state of the overrides after one change of them."""

    number: int
    made_at: float
    """Unix time in s."""
    author: str
    reason: str
    change: dict[str, Any]
    """What it did: verb, key, old and new value as they are shown."""
    overrides: tuple[Override, ...]
    stage: Stage = Stage.EVERYONE
    canary: tuple[str, ...] = ()
    """The processes that take it first."""

    def entries(self) -> dict[str, Any]:
        """The overrides as they are stored."""
        return {item.key: item.as_dict() for item in self.overrides}

    def as_dict(self) -> dict[str, Any]:
        """All there is to say of it as JSON-ready data."""
        return {
            "number": self.number,
            "made_at": self.made_at,
            "author": self.author,
            "reason": self.reason,
            "change": self.change,
            "stage": self.stage.value,
            "canary": list(self.canary),
            "entries": self.entries(),
        }


@dataclass(frozen=True, slots=True)
class Applied:
    """A configuration that was in use, without its secrets."""

    digest: str
    environment: str
    release: str
    previous: str
    """The digest that served before it; empty for a first one."""
    trigger: str
    first_seen: float
    """Unix time in s."""
    changes: list[dict[str, Any]]
    settings: dict[str, Any]
    """Each key's value and origin, a secret as its mark."""


def revision_of(row: Sequence[Any]) -> Revision:
    """A row's revision, whatever is in it: what can't be used says so, and hides nothing."""
    number, made_at, author, reason, change, entries, stage, canary = row
    known, first = _loaded(change), _loaded(canary)
    return Revision(
        int(number),
        _number(made_at),
        str(author),
        str(reason),
        known if isinstance(known, dict) else {},
        parse(_loaded(entries)),
        Stage(stage) if stage in set(Stage) else Stage.TAKEN_BACK,
        tuple(item for item in first if isinstance(item, str)) if isinstance(first, list) else (),
    )


def applied_of(row: Sequence[Any]) -> Applied:
    """A row's configuration."""
    *names, first_seen, changes, settings = row
    digest, environment, release, previous, trigger = map(str, names)
    differ, known = _loaded(changes), _loaded(settings)
    return Applied(
        digest,
        environment,
        release,
        previous,
        trigger,
        _number(first_seen),
        [item for item in differ if isinstance(item, dict)] if isinstance(differ, list) else [],
        known if isinstance(known, dict) else {},
    )


def _loaded(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return None


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
