"""Who is there and runs what: the record that each process keeps of itself, and how it is judged."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """How a process stands to the rest of the fleet."""

    SYNCED = "SYNCED"
    """It runs what the newest change made."""
    STALE = "STALE"
    """It runs something older, or gave no sign of life for a while."""
    REJECTED = "REJECTED"
    """It refused the newest change, and says why."""
    RESTART = "RESTART"
    """It runs the newest change, and some of it waits for a restart."""


@dataclass(frozen=True, slots=True)
class Record:
    """What a process says of itself. No value of a setting is in it."""

    process: str
    """Its name: host, process type and process id."""
    host: str
    role: str
    """The process type: web, realtime, worker."""
    pid: int
    digest: str
    since: float
    """Unix time in s at which it took up what it runs."""
    previous: str = ""
    """The digest that it ran before."""
    generation: int = 0
    error: str = ""
    """Why it refused the last change, without any value; empty if it did not."""
    pending_restart: tuple[str, ...] = ()
    canary: bool = False
    """It runs ahead of the others, on purpose."""
    healthy: bool = True
    """Whether its checks ran since it took up what it runs, and none that it needs failed."""
    revision: int = 0
    """The revision of the overrides that it knows."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """For each place in the Vault, the version that it uses."""

    def text(self) -> str:
        """As the registry holds it."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> Record | None:
        """From what the registry holds; None for what is none."""
        try:
            given = json.loads(text)
            known = {name: given[name] for name in cls.__dataclass_fields__ if name in given}
            return cls(**known | {"pending_restart": tuple(given.get("pending_restart", ()))})
        except (ValueError, TypeError, AttributeError):
            return None


@dataclass(frozen=True, slots=True)
class Process:
    """One process as the fleet sees it; the fields are a public contract."""

    process: str
    host: str
    role: str
    pid: int
    digest: str
    state: State
    error: str
    pending_restart: tuple[str, ...]
    age_seconds: float
    """Seconds since its last sign of life."""
    record: Record = field(repr=False)

    def facts(self) -> dict[str, Any]:
        """The public fields, fit for JSON."""
        return {
            "process": self.process,
            "host": self.host,
            "role": self.role,
            "pid": self.pid,
            "digest": self.digest,
            "state": self.state.value,
            "error": self.error,
            "pending_restart": list(self.pending_restart),
            "age_seconds": round(self.age_seconds, 1),
        }


def judge(records: Iterable[tuple[Record, float]], stale_after: float) -> tuple[Process, ...]:
    """Every process with its state, by process type and name; takes records with their age in s.

    What all should run is what the process runs that changed last; a canary does not count.
    """
    known = sorted(records, key=lambda item: (item[0].role, item[0].host, item[0].pid))
    target = newest([record for record, age in known if age <= stale_after])
    return tuple(
        Process(
            record.process,
            record.host,
            record.role,
            record.pid,
            record.digest,
            _state(record, age, stale_after, target),
            record.error,
            record.pending_restart,
            age,
            record,
        )
        for record, age in known
    )


def newest(records: Sequence[Record]) -> str:
    """The digest that was taken up last; empty where there is none."""
    changed = [record for record in records if not record.canary]
    return max(changed, key=lambda record: record.since).digest if changed else ""


def _state(record: Record, age: float, stale_after: float, target: str) -> State:
    if age > stale_after:
        return State.STALE
    if record.error:
        return State.REJECTED
    if record.digest != target and not record.canary:
        return State.STALE
    return State.RESTART if record.pending_restart else State.SYNCED
