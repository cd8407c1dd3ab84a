"""What a check is, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """The words of application/health+json, from best to worst."""

    PASS = "pass"  # noqa: S105 # a word of the format, no password
    WARN = "warn"
    FAIL = "fail"


_SEVERITY = {status: rank for rank, status in enumerate(Status)}


def worst(*statuses: Status) -> Status:
    """The worst of some statuses; pass where there are none."""
    return max(statuses, key=_SEVERITY.__getitem__, default=Status.PASS)


@dataclass(frozen=True, slots=True)
class Observation:
    """What one try of a dependency saw. Its text is fit to be shown to an operator."""

    status: Status
    text: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """More of it as JSON-ready data."""


@dataclass(frozen=True, slots=True)
class Check:
    """One dependency: how to try it, and whether we can be ready without it."""

    name: str
    observe: Callable[[], Observation]
    """May block and may raise: it runs in a thread of its own."""
    required: bool = True
    """A failure makes the process not ready; else it is a warning."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of a dependency now."""

    name: str
    status: Status
    required: bool = True
    text: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    """How long the last finished try took."""
    age: float = 0.0
    """Seconds since the last finished try."""

    @property
    def ready(self) -> Status:
        """What it means for readiness."""
        if self.status is Status.FAIL and not self.required:
            return Status.WARN
        return self.status

    def as_dict(self) -> dict[str, Any]:
        """The verdict as JSON-ready data."""
        return {
            "status": self.status.value,
            "required": self.required,
            "observation": self.text,
            "seconds": round(self.seconds, 4),
            "age_seconds": round(self.age, 1),
            **self.facts,
        }
