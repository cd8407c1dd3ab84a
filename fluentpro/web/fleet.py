"""This process's place in the fleet: what it pulls when something is announced, and what it announces."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from fluentpro import __version__
from fluentpro.config.snapshot import Snapshot
from fluentpro.config.store import Listener
from fluentpro.fleet.announcement import Kind
from fluentpro.fleet.applied import record
from fluentpro.fleet.channel import Channel
from fluentpro.fleet.follower import Follower, Pulls
from fluentpro.fleet.ledger import Ledger, LedgerError
from fluentpro.fleet.member import Member
from fluentpro.fleet.overrides import Overrides
from fluentpro.process import overrides, rehearse, runtime
from fluentpro.schema import Config
from fluentpro.web import logs, signing

if TYPE_CHECKING:
    from fluentpro.vault.keeper import Keeper

member: Member | None = None
"""The one of this process, once it has joined."""


def channel(config: Config, environment: str) -> Channel | None:
    """The channel that a configuration names; None where it names none."""
    return Channel.open(config.fleet, config.redis, environment, __version__)


def join(role: str, keeper: Keeper | None, healthy: Callable[[], bool]) -> None:
    """Make this process a member of its fleet, in step with its secrets and overrides."""
    global member  # noqa: PLW0603 # one member per process is what this module is for
    store, pulls = runtime().store, Pulls(rehearse=rehearse, fallbacks=signing.uses)
    environment = store.snapshot.environment
    member = made = Member(
        Follower(store, pulls),
        role,
        lambda config: channel(config, environment),
        logs.warn,
        healthy,
        _applied,
    )
    if given := overrides():
        given.process = made.name
        pulls = _with_overrides(pulls, given)
    if keeper:
        pulls = _with_secrets(pulls, keeper)
        keeper.pace = made.pace
        keeper.found = lambda place, mark: made.announce(Kind.SECRET, place=str(place), mark=mark)
    made.follower.pulls = pulls
    store.acknowledge.append(made.acknowledge)
    store.listeners.append(Listener("fleet", made.rebind))
    made.start()


def leave() -> None:
    """Leave the fleet."""
    if member:
        member.stop()


def _with_overrides(pulls: Pulls, given: Overrides) -> Pulls:
    def refresh() -> bool:
        return given.refresh(runtime().store.snapshot.config.database) or given.stale

    return replace(
        pulls,
        overrides=refresh,
        override_trouble=lambda: given.problem,
        override_ends=given.next_end,
        override_state=lambda: (given.revision, given.canary),
    )


def _with_secrets(pulls: Pulls, keeper: Keeper) -> Pulls:
    def look(place: str, mark: str) -> None:
        if not place:
            keeper.ask()
        for known in keeper.secrets.known():
            if place == str(known):
                keeper.look(known, mark)

    return replace(pulls, secret=look, secrets=lambda: _marks(keeper), turns=keeper.repace)


def _marks(keeper: Keeper) -> Mapping[str, str]:
    documents = keeper.secrets.documents
    return {str(place): held.mark for place, held in documents.items() if held.mark}


def _applied(new: Snapshot[Config], old: Snapshot[Config] | None, trigger: str) -> None:
    """Write down what this digest stands for, whoever comes first."""
    with suppress(LedgerError):  # another process, or the next start, writes it down
        record(Ledger(new.config.database, runtime().sources.root), new, old, trigger)
