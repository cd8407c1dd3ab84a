"""How a change of the overrides reaches the processes of the fleet, and what is said of that."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import wraps
from typing import Any, Final

import click

from fluentpro.cli.fleet import channel_of
from fluentpro.cli.overriding import answering, at_desk, rehearsal
from fluentpro.config.diagnostics import EX_CONFIG, EX_TEMPFAIL
from fluentpro.config.display import visible
from fluentpro.fleet.announcement import Announcement, Kind
from fluentpro.fleet.changes import Desk, Plan, RefusedError, commit
from fluentpro.fleet.channel import Channel
from fluentpro.fleet.errors import FleetError
from fluentpro.fleet.looks import Vote, poll
from fluentpro.fleet.revision import Revision, Stage
from fluentpro.fleet.rollout import Reached, Rollout
from fluentpro.schema import Config

BY: Final = "fluentpro"
"""Who announces what an operator typed."""
ASK: Final = 3.0
"""Seconds for which the processes are asked before anything is written; whoever is silent is no refusal."""
LATER: Final = "each process finds it by itself, within the seconds of fleet.reconcile"
"""What happens where nobody can be told."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What an operator wants done with a change."""

    dry_run: bool
    as_json: bool
    timeout: float
    """Seconds that each step may take."""
    canary: int = 0
    """How many processes take it first."""
    force: bool = False
    """Write it although a process would refuse it."""


@dataclass(slots=True)
class Done:
    """What became of it."""

    votes: tuple[Vote, ...] = ()
    silent: tuple[str, ...] = ()
    """The processes that did not vote."""
    reached: Reached | None = None
    alone: str = ""
    """Why nobody was watched; empty if somebody was."""
    written: bool = False


def change(plan_it: Callable[[Desk[Config]], Plan], said: Callable[[Plan], str], wish: Wish) -> None:
    """Plan a change; then ask the fleet about it, or make it and watch it arrive. Ends the process."""
    with answering(as_json=wish.as_json), at_desk() as desk:
        plan = plan_it(desk)
        with _channel(desk) as channel:
            done = _rehearse(plan, channel, wish) if wish.dry_run else _make(plan, desk, channel, wish)
    if wish.as_json:
        click.echo(json.dumps({"written": done.written, **plan.as_dict(), **_facts(done)}, indent=2))
    elif wish.dry_run:
        for line in (said(plan), *rehearsal(plan), f"  {_watched(done, wish)}"):
            click.echo(line)
    elif done.written:
        click.echo("; ".join(filter(None, (said(plan), _watched(done, wish)))))
    _tell_failures(done, wish)


@contextmanager
def _channel(desk: Desk[Config]) -> Iterator[Channel | None]:
    """The channel to the fleet; None where there is none."""
    channel = channel_of(desk.candidate)
    try:
        yield channel
    finally:
        if channel:
            channel.close()


def _rehearse(plan: Plan, channel: Channel | None, wish: Wish) -> Done:
    if channel is None:
        return Done(alone="no fleet tells which processes live, so none was asked")
    try:
        return Done(*_votes(plan, channel, wish.timeout))
    except FleetError as error:
        return Done(alone=f"{error}, so no process was asked")


def _votes(
    plan: Plan, channel: Channel, timeout: float, *, living: bool = False
) -> tuple[tuple[Vote, ...], tuple[str, ...]]:
    facts = {"entries": {item.key: item.as_dict() for item in plan.overrides}}
    return poll(channel, Announcement(Kind.REHEARSE, BY, facts), time.monotonic() + timeout, living=living)


def _make(plan: Plan, desk: Desk[Config], channel: Channel | None, wish: Wish) -> Done:
    if channel is None:
        if wish.canary:
            raise RefusedError("no fleet tells which processes live", "leave out --canary")
        commit(plan, desk)
        return Done(alone=LATER, written=True)
    rollout, canaries = Rollout(channel, BY, wish.timeout), tuple[str, ...]()
    try:
        if wish.canary:
            canaries = _canaries(rollout, wish.canary)
        elif not wish.force:
            votes, _ = _votes(plan, channel, min(wish.timeout, ASK), living=True)
            if any(not vote.accepts for vote in votes):
                return Done(votes)
    except FleetError as error:
        if wish.canary:
            raise RefusedError(str(error), "leave out --canary, or try again") from None
    revision = commit(plan, desk, canary=canaries)
    try:
        return Done(reached=_bring(revision, desk, rollout), written=True)
    except FleetError as error:
        if canaries and desk.ledger.settle(revision.number, Stage.TAKEN_BACK):
            return Done(reached=Reached(len(canaries), (str(error),), 0.0, taken_back=True), written=True)
        return Done(alone=f"{error}; {LATER}", written=True)


def _canaries(rollout: Rollout, count: int) -> tuple[str, ...]:
    canaries = rollout.canaries(count)
    if len(canaries) < count:
        message = f"{len(canaries)} processes are in step, and {count} are wanted as canaries"
        raise RefusedError(message, "`fluentpro fleet` shows them")
    return canaries


def _bring(revision: Revision, desk: Desk[Config], rollout: Rollout) -> Reached:
    if revision.canary:
        return rollout.step(desk.ledger, revision)
    return rollout.everyone(revision.number)


def _facts(done: Done) -> dict[str, Any]:
    reached = done.reached
    return {
        "votes": [asdict(vote) for vote in done.votes],
        "silent": list(done.silent),
        "processes": reached.total if reached else len(done.votes) + len(done.silent),
        "late": list(reached.late) if reached else [],
        "taken_back": bool(reached and reached.taken_back),
        "seconds": round(reached.seconds, 3) if reached else None,
    }


def _watched(done: Done, wish: Wish) -> str:
    """What was seen of the processes, in words."""
    if done.alone:
        return done.alone
    if wish.dry_run:
        agree = sum(vote.accepts for vote in done.votes)
        return f"{agree} of {len(done.votes) + len(done.silent)} processes would accept it"
    if done.reached is None or done.reached.taken_back:
        return ""
    here = done.reached.total - len(done.reached.late)
    return f"{here} of {done.reached.total} processes have it after {done.reached.seconds:.2g} s"


def _tell_failures(done: Done, wish: Wish) -> None:
    reached = done.reached
    refused = [f"{vote.process} would refuse it: {vote.error}" for vote in done.votes if not vote.accepts]
    silent = [f"{name} did not answer" for name in done.silent]
    if refused or silent:
        message = "not every process would accept it"
        message += "" if wish.dry_run else "; nothing was written (--force writes it all the same)"
        _end(message, [*refused, *silent], EX_CONFIG if refused else EX_TEMPFAIL)
    elif reached and reached.taken_back:
        message = "taken back: a canary did not bear it, and everyone runs what was before"
        _end(message, reached.late, EX_CONFIG)
    elif reached and reached.late:
        _end(f"not every process has it after {wish.timeout:g} s", reached.late, EX_TEMPFAIL)


def _end(message: str, lines: Sequence[str], status: int) -> None:
    click.echo(f"fluentpro: {message}", err=True)
    for line in lines:
        click.echo(f"        {visible(line)}", err=True)
    raise SystemExit(status)


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that all verbs have which change overrides, handed over as one `wish`."""

    @wraps(command)
    def wishing(*, dry_run: bool, force: bool, timeout: float, as_json: bool, **more: Any) -> Any:
        return command(wish=Wish(dry_run, as_json, timeout, force=force), **more)

    wished: Callable[..., Any] = wishing
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON."),
        click.option(
            "--timeout", default=30.0, show_default=True, help="Seconds to wait for the processes, each step."
        ),
        click.option("--force", is_flag=True, help="Write it although a process would refuse it."),
        click.option(
            "--dry-run", is_flag=True, help="Tell what would change and who would refuse; write nothing."
        ),
        click.option("--reason", required=True, help="Why; the history keeps it."),
    ):
        wished = option(wished)
    return wished
