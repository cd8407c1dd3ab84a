"""A change of the overrides: planned, so that it is known what it does, then written as a revision.

The command and the API both come here. Nothing is written until `commit`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Generic

from fluentpro.config.diagnostics import errors
from fluentpro.config.environment import convert
from fluentpro.config.errors import ConfigError
from fluentpro.config.fields import settings_of
from fluentpro.config.overrides import Override, overlaid
from fluentpro.config.snapshot import C, Candidate, Change, Snapshot, diff
from fluentpro.fleet.ledger import ConflictError, Ledger
from fluentpro.fleet.overrides import ended
from fluentpro.fleet.revision import Revision, Stage

LONGEST: Final = 500
"""Characters of a reason."""
LONGEST_NAME: Final = 100
"""Characters of an author's name."""


class RefusedError(Exception):
    """A change that makes no sense as it was asked for: why, and what would."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.fix = fix


@dataclass(frozen=True, slots=True)
class By:
    """Who changes something, why, and until when."""

    author: str
    reason: str
    until: float | None = None
    """Unix time in s at which a value that is set ends; None for no end."""


@dataclass(frozen=True, slots=True)
class Desk(Generic[C]):
    """What a change is planned with."""

    candidate: Candidate
    """A configuration of now, with whatever overrides."""
    ledger: Ledger
    schema: type[C]
    validate: Callable[[Candidate], Snapshot[C]]
    clock: Callable[[], float] = time.time


@dataclass(frozen=True, slots=True)
class Plan:
    """A change that would be accepted here, and what it does."""

    verb: str
    """`set`, `unset` or `rollback`."""
    key: str
    """The setting; empty for a rollback."""
    by: By
    number: int
    """The revision that it becomes; somebody else's may come first."""
    overrides: tuple[Override, ...] = field(repr=False)
    """Every override after it."""
    changes: tuple[Change, ...]
    """What differs then from what is in force for everyone now, fit to be shown."""
    digest: str | None
    """The configuration's after it; None where it is not valid for other reasons."""
    previous_digest: str | None
    to: int | None = None
    """The revision that a rollback goes back to."""
    canary: int | None = None
    """The revision that is with its canaries, and that this one takes back."""

    @property
    def change(self) -> dict[str, Any]:
        """What it does as JSON-ready data, to be kept."""
        said = {"key": self.key} if self.key else {"to": self.to}
        return {"verb": self.verb, **said, "changes": [as_dict(item) for item in self.changes]}

    def as_dict(self) -> dict[str, Any]:
        """All there is to say of it as JSON-ready data."""
        return {
            "revision": self.number,
            **self.change,
            "author": self.by.author,
            "reason": self.by.reason,
            "until": self.by.until,
            "digest": self.digest,
            "previous_digest": self.previous_digest,
        }


def propose_set(desk: Desk[C], key: str, text: str, by: By) -> Plan:
    """Plan to give a setting a value; the text is read as an environment variable's is.

    Raises `ConfigError` with everything that would be wrong then, `RefusedError`, or `LedgerError`.
    """
    _check(desk, by, text)
    number, base = _base(desk)
    path = tuple(key.split("."))
    known = settings_of(desk.schema).get(path)
    asked = Override(key, convert(text, known) if known else text, by.author, by.reason, until=by.until)
    others = tuple(item for item in base if item.key != key)
    new = desk.validate(overlaid(desk.candidate, (*others, asked), desk.schema))
    old = _valid(desk, base)
    after = (*others, replace(asked, since=number))
    return Plan("set", key, by, number, after, _diff(old, new), new.digest, _digest(old))


def propose_unset(desk: Desk[C], key: str, by: By) -> Plan:
    """Plan to let the layers below count again. It may heal a configuration that is not valid.

    Raises as `propose_set` does, with what is not wrong already.
    """
    _check(desk, by)
    number, base = _base(desk)
    after = tuple(item for item in base if item.key != key)
    if len(after) == len(base):
        raise RefusedError(f"{key} is not overridden", f"`fluentpro explain {key}` tells who gives its value")
    old, new = _before_and_after(desk, base, after)
    return Plan("unset", key, by, number, after, _diff(old, new), _digest(new), _digest(old))


def propose_rollback(desk: Desk[C], to: int | None, by: By) -> Plan:
    """Plan to have the overrides of an earlier revision again, without those that have ended.

    None is the one before the newest, 0 is no override at all. It takes back what is with its canaries.
    Raises as `propose_unset` does.
    """
    _check(desk, by)
    newest, current = desk.ledger.newest(), desk.ledger.current()
    canary = newest.number if newest and newest.stage is Stage.CANARY else None
    if newest is None:
        raise RefusedError("there is no revision to go back to", "`fluentpro set` makes the first")
    if to is None:
        to = _before(desk.ledger, newest)
    there = desk.ledger.revision(to) if to else None
    if to and there is None:
        raise RefusedError(
            f"there is no revision {to}", f"`fluentpro history` lists them, 1 to {newest.number}"
        )
    base = _in_force(current, desk)
    after = _in_force(there, desk)
    if after == base and canary is None:
        raise RefusedError(f"the overrides of revision {to} are in force already", "`fluentpro history`")
    old, new = _before_and_after(desk, base, after)
    differ, digests = _diff(old, new), (_digest(new), _digest(old))
    return Plan("rollback", "", by, newest.number + 1, after, differ, *digests, to=to, canary=canary)


def commit(plan: Plan, desk: Desk[C], *, canary: Sequence[str] = ()) -> Revision:
    """Write a plan as the next revision; `ConflictError` if somebody wrote one since it was made.

    `canary` are the processes that take it first: then it is for them alone, until `Ledger.settle`.
    """
    stage = Stage.CANARY if canary else Stage.EVERYONE
    by, now = plan.by, desk.clock()
    made = Revision(plan.number, now, by.author, by.reason, plan.change, plan.overrides, stage, tuple(canary))
    try:
        desk.ledger.append(made)
    except ConflictError:
        if winner := desk.ledger.revision(plan.number):
            message = f"{winner.author} made revision {winner.number} meanwhile, and nothing was written"
            raise ConflictError(message) from None
        raise
    if plan.canary is not None:
        desk.ledger.settle(plan.canary, Stage.TAKEN_BACK)
    return made


def as_dict(change: Change) -> dict[str, Any]:
    """One changed setting as JSON-ready data."""
    return {"key": change.key, "effect": change.effect.value, "old": change.old, "new": change.new}


def _base(desk: Desk[C]) -> tuple[int, tuple[Override, ...]]:
    """The number of the next revision, and the overrides that it changes."""
    newest = desk.ledger.newest()
    if newest and newest.stage is Stage.CANARY:
        raise RefusedError(
            f"revision {newest.number} by {newest.author} is with its canaries",
            "wait until it is for everyone, or take it back with `fluentpro rollback`",
        )
    return (newest.number if newest else 0) + 1, _in_force(desk.ledger.current(), desk)


def _in_force(revision: Revision | None, desk: Desk[C]) -> tuple[Override, ...]:
    now = desk.clock()
    return tuple(item for item in revision.overrides if not ended(item, now)) if revision else ()


def _before(ledger: Ledger, newest: Revision) -> int:
    """The newest revision for everyone that is older than the newest one."""
    if newest.stage is not Stage.EVERYONE:
        current = ledger.current()
        return current.number if current else 0
    return ledger.before(newest.number)


def _check(desk: Desk[C], by: By, text: str = "") -> None:
    for name, given, longest in (("author", by.author, LONGEST_NAME), ("reason", by.reason, LONGEST)):
        if not given.strip() or len(given) > longest:
            raise RefusedError(f"the {name} is empty or too long", f"give 1 to {longest} characters")
    if any(char == "\0" or "\ud800" <= char <= "\udfff" for char in text + by.author + by.reason):
        raise RefusedError("a character in it can't be stored", "leave out NUL and halves of characters")
    if by.until is not None and by.until <= desk.clock():
        raise RefusedError("its end is past already", "give an end that is to come")


def _valid(desk: Desk[C], overrides: Iterable[Override]) -> Snapshot[C] | None:
    try:
        return desk.validate(overlaid(desk.candidate, overrides, desk.schema))
    except ConfigError:
        return None


def _before_and_after(
    desk: Desk[C], base: Iterable[Override], after: Iterable[Override]
) -> tuple[Snapshot[C] | None, Snapshot[C] | None]:
    """The snapshots without and with a change; raises what would be wrong and is not wrong already."""
    old, wrong = None, frozenset[tuple[str, str]]()
    try:
        old = desk.validate(overlaid(desk.candidate, base, desk.schema))
    except ConfigError as error:
        wrong = frozenset((item.code, item.key) for item in error.findings)
    try:
        return old, desk.validate(overlaid(desk.candidate, after, desk.schema))
    except ConfigError as error:
        new = [item for item in errors(error.findings) if (item.code, item.key) not in wrong]
        if new:
            raise ConfigError(error.environment, new) from None
        return old, None


def _diff(old: Snapshot[C] | None, new: Snapshot[C] | None) -> tuple[Change, ...]:
    return diff(old.config, new.config) if old and new else ()


def _digest(snapshot: Snapshot[C] | None) -> str | None:
    return snapshot.digest if snapshot else None
