"""Looking at the whole fleet while something changes in it, and asking all of it at once."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from secrets import token_hex
from typing import Final

from fluentpro.fleet.announcement import Announcement
from fluentpro.fleet.channel import Channel
from fluentpro.fleet.registry import Process, State

EVERY: Final = 1.0
"""Seconds after which the fleet is looked at where nobody said anything."""
REST: Final = 0.01
"""Seconds from one acknowledgement to the look: others come close behind it."""


def looks(channel: Channel, until: float, every: float = EVERY) -> Iterator[tuple[Process, ...]]:
    """All processes now, and again each time some acknowledge a change, until a moment of `time.monotonic`.

    A last look is given when the time is up.
    """
    place = channel.newest("acknowledgements")
    while True:
        yield channel.processes()
        if time.monotonic() >= until:
            return
        place, said = channel.acknowledged(place, max(min(until - time.monotonic(), every), 0.001))
        if said:
            time.sleep(REST)


def lagging(processes: Sequence[Process], digest: str) -> tuple[Process, ...]:
    """The processes that do not run a digest, or do not live; a digest may be cut short."""
    return tuple(
        item for item in processes if not item.digest.startswith(digest) or item.state is State.STALE
    )


@dataclass(frozen=True, slots=True)
class Vote:
    """A process's answer to a ballot."""

    process: str
    accepts: bool
    digest: str
    """What it would run, or runs now."""
    error: str
    """Why it does not accept, without any value."""


def poll(
    channel: Channel, asking: Announcement, until: float, *, living: bool = False
) -> tuple[tuple[Vote, ...], tuple[str, ...]]:
    """Ask every process, or those alone that give signs of life, until a moment of `time.monotonic`.

    Returns the votes, and who did not answer.
    """
    ballot = token_hex(8)
    limit = channel.limits.stale if living else float("inf")
    asked = {item.process for item in channel.processes() if item.age_seconds <= limit}
    channel.announce(replace(asking, facts={**asking.facts, "ballot": ballot}))
    votes: dict[str, Vote] = {}
    while asked - votes.keys() and (left := until - time.monotonic()) > 0:
        for given in channel.votes(ballot, left):
            vote = Vote(**{name: given.get(name, "") for name in ("process", "accepts", "digest", "error")})
            votes[vote.process] = vote
    return tuple(votes.values()), tuple(sorted(asked - votes.keys()))
