"""A revision of the overrides on its way through the fleet: to everyone at once, or to canaries first."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fluentpro.fleet.announcement import Announcement, Kind
from fluentpro.fleet.channel import Channel
from fluentpro.fleet.ledger import Ledger
from fluentpro.fleet.looks import looks
from fluentpro.fleet.registry import Process, State
from fluentpro.fleet.revision import Revision, Stage


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a revision has come."""

    total: int
    late: tuple[str, ...]
    """Whoever has not taken it up, with the reason; one line each."""
    seconds: float
    taken_back: bool = False
    """The canaries did not bear it, and everyone has again what was before."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """Brings revisions to the processes of one fleet."""

    channel: Channel
    by: str
    timeout: float
    """Seconds that each step may take."""

    def canaries(self, count: int) -> tuple[str, ...]:
        """Processes to try a change first: such as live and are in step, of each process type in turn."""
        well = [item for item in self.channel.processes() if item.state in (State.SYNCED, State.RESTART)]
        ranks: dict[str, int] = {}
        order: list[tuple[int, bool, str]] = []
        for item in well:
            ranks[item.role] = ranks.get(item.role, 0) + 1
            order.append((ranks[item.role], item.role != "web", item.process))
        return tuple(name for _, _, name in sorted(order)[:count])

    def everyone(self, revision: int) -> Reached:
        """Announce a revision, and wait until every process knows it."""
        return self._wait(revision, lambda item: _why(item, revision))

    def step(self, ledger: Ledger, revision: Revision) -> Reached:
        """Let a revision's canaries take it; go on with everyone once they are well, or take it back."""
        number = revision.number
        tried = self._wait(
            number, lambda item: _why_canary(item, number) if item.process in revision.canary else ""
        )
        missing = set(revision.canary) - {item.process for item in self.channel.processes()}
        late = (*tried.late, *(f"{name} is gone" for name in sorted(missing)))
        if late or not ledger.settle(number, Stage.EVERYONE):
            ledger.settle(number, Stage.TAKEN_BACK)
            self._announce(number)
            return Reached(len(revision.canary), late, tried.seconds, taken_back=True)
        reached = self.everyone(number)
        return Reached(reached.total, reached.late, tried.seconds + reached.seconds)

    def _announce(self, revision: int) -> None:
        self.channel.announce(Announcement(Kind.OVERRIDE, self.by, {"revision": revision}))

    def _wait(self, revision: int, why: Callable[[Process], str]) -> Reached:
        began = time.monotonic()
        self._announce(revision)
        processes: Sequence[Process] = ()
        late: tuple[str, ...] = ()
        for processes in looks(self.channel, began + self.timeout, every=0.25):
            waiting = [(item, text) for item in processes if (text := why(item))]
            late = tuple(f"{item.process} {text}" for item, text in waiting)
            if all(item.error and item.record.revision >= revision for item, _ in waiting):
                break  # everyone took it up, or refused it for good
        return Reached(len(processes), late, time.monotonic() - began)


def _why(item: Process, revision: int) -> str:
    """Why a process has not taken a revision up; empty if it has."""
    if item.record.revision >= revision and not item.error:
        return ""
    if item.error:
        return f"refused it: {item.error}"
    if item.state is State.STALE and item.age_seconds > 1:
        return f"gave no sign of life for {item.age_seconds:.0f} s"
    return f"knows revision {item.record.revision}"


def _why_canary(item: Process, revision: int) -> str:
    return _why(item, revision) or ("" if item.record.healthy else "is not healthy with it")
