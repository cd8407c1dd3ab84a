"""This process in its fleet: it listens, pulls what changed, says what it runs and that it lives."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from fluentpro.config.jitter import jitter
from fluentpro.config.snapshot import Snapshot
from fluentpro.config.store import Outcome, Result
from fluentpro.config.thread import Loop, stop_all
from fluentpro.fleet.announcement import Announcement, Kind
from fluentpro.fleet.channel import Channel
from fluentpro.fleet.errors import FleetError
from fluentpro.fleet.follower import Follower, reason
from fluentpro.fleet.registry import Record
from fluentpro.fleet.share import Share
from fluentpro.schema import Config

FIRST_PAUSE: Final = 0.1
"""Seconds before a server that failed is tried again; each further pause is up to twice as long."""
LONGEST_PAUSE: Final = 5.0
LATER: Final = 1.0
"""Seconds, at most, by which `applied` is told after a change: by then the others have taken it up."""
JOIN: Final = 2.0
"""Seconds that `stop` waits for the threads."""


@dataclass(slots=True)
class Member:
    """Keeps one process in step with the others."""

    follower: Follower
    role: str
    open: Callable[[Config], Channel | None]
    """Makes the channel that a configuration names; None where it names none."""
    warn: Callable[[str, str], None] = lambda _event, _cause: None
    healthy: Callable[[], bool] = lambda: True
    """Whether this process's checks ran since its last change, and none that it needs failed."""
    applied: Callable[[Snapshot[Config], Snapshot[Config] | None, str], None] = lambda _new, _old, _why: None
    """Told, outside of every reload, of each snapshot that this process took up: with the one before it,
    and the trigger.
    """
    name: str = ""
    """What the process is called in the fleet: by default host, process type and process id."""
    share: Share | None = None
    """This process's part of what the fleet shares; None while the fleet can't be reached."""
    trouble: str = ""
    """Why the server of the fleet can't be asked; empty while it can."""
    joined: float = 0.0
    _channel: Channel | None = None
    _said: deque[Outcome[Config]] = field(default_factory=deque)
    _applied: list[Outcome[Config]] = field(default_factory=list)
    """What was taken up at the last turn, and `applied` is told of at the next."""
    _previous: str = ""
    _place: str = ""
    """Where this process is in the stream of announcements; empty before it reached it."""
    _pause: float = FIRST_PAUSE
    _reconciled: float = 0.0
    _behind: int = 0
    """How many signs of life in a row showed that another process runs something newer."""
    _looked: str = ""
    """The newest digest of others for which everything was looked up."""
    _target: str = ""
    """The digest that a process of the fleet took up last."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _listening: Loop = field(init=False)
    _beating: Loop = field(init=False)

    def __post_init__(self) -> None:
        """Take a name, and bind the threads to this very object."""
        self.name = self.name or f"{socket.gethostname()}/{self.role}/{os.getpid()}"
        self.follower.reply = self._reply
        self._listening = Loop("fleet-listen", self._listen, JOIN, self._say_revived)
        self._beating = Loop("fleet-beat", self._beat, JOIN, self._say_revived)

    def start(self) -> None:
        """Join the fleet with two threads of this process; a second call does nothing."""
        if self._listening.started:
            return
        self.joined, self._channel, self.share = time.time(), None, None
        self._lock, self._said, self._applied = threading.Lock(), deque(), []
        self._listening.start()
        self._beating.start()

    def stop(self) -> None:
        """Leave the fleet; returns when the threads have ended, or after 2 s."""
        if not (self._listening.started or self._beating.started):
            return
        self._beating.halt()
        self._listening.halt()
        if channel := self._channel:
            with suppress(FleetError):
                channel.leave(self.name)
            channel.close()
        stop_all((self._listening, self._beating), JOIN)

    def revive(self) -> bool:
        """Start again whichever thread died; False if that can't be done."""
        return self._listening.revive() and self._beating.revive()

    def acknowledge(self, outcome: Outcome[Config]) -> None:
        """A reload ended: say so soon, from a thread that may wait for the server."""
        if outcome.result is Result.UNCHANGED and not outcome.restored:
            return
        self._said.append(outcome)
        self._beating.wake()

    def announce(self, kind: Kind, **facts: Any) -> None:
        """Give the others a hint; a server that can't be asked is no failure: they look by themselves."""
        channel = self._reach()
        if channel:
            try:
                channel.announce(Announcement(kind, self.name, facts))
            except FleetError as error:
                self._lost(error)

    def pace(self, period: float) -> float:
        """Seconds until this process should poll what all share, where somebody should every `period` s."""
        settings = self.follower.store.boot.config
        if not settings.fleet.enabled or self._reach() is None:
            return period * jitter(0.9, 1.1)
        if self.share is None:
            return settings.vault.poll_interval_alone * jitter(0.5, 1.5)
        return self.share.wait(period)

    def rebind(self, old: Snapshot[Config], new: Snapshot[Config]) -> None:
        """Take up a changed address or password of the server."""
        if (old.config.redis, old.config.fleet) != (new.config.redis, new.config.fleet):
            with self._lock:
                before, self._channel = self._channel, None
            if before:
                before.close()
            self._beating.wake()

    def record(self) -> Record:
        """What this process says of itself."""
        status = self.follower.store.status
        revision, canary = self.follower.pulls.override_state()
        return Record(
            self.name,
            socket.gethostname(),
            self.role,
            os.getpid(),
            status.snapshot.digest,
            status.snapshot.loaded_at,
            self._previous,
            status.snapshot.generation,
            reason(status.error.findings) if status.error else "",
            status.pending_restart,
            canary,
            self.healthy(),
            revision,
            dict(self.follower.pulls.secrets()),
        )

    # ---- Listening

    def _listen(self, stop: threading.Event) -> None:
        self._place, self._pause, self._reconciled = "", FIRST_PAUSE, time.monotonic()
        self._outlive(self._follow, stop)

    def _outlive(self, work: Callable[[threading.Event], None], stop: threading.Event) -> None:
        """Go on with some work, whatever befalls it."""
        while not stop.is_set():
            try:
                work(stop)
            except Exception as error:  # noqa: BLE001 # as it says; the error's text could hold a secret
                with suppress(Exception):  # a log that fails must not end it either
                    self.warn("fleet.failed", type(error).__name__)
                stop.wait(LONGEST_PAUSE)

    def _follow(self, stop: threading.Event) -> None:
        while not stop.is_set():
            settings = self.follower.store.boot.config.fleet
            due = self._reconciled + settings.reconcile * jitter(0.9, 1.1) - time.monotonic()
            ends = min(self.follower.until_override_ends(), self.follower.until_retry())
            said = self._hear(stop, max(min(due, ends, settings.heartbeat), 0.0))
            if stop.is_set():
                return
            if said:
                self.follower.take(said, self.name, self.share.count if self.share else 1, stop)
            if self.follower.until_override_ends() <= 0:
                self.follower.store.reload("expiry")
            self.follower.retry()
            behind = self._behind > 1
            if behind or time.monotonic() - self._reconciled >= settings.reconcile:
                self._reconciled = time.monotonic()
                if behind:
                    self._looked, self._behind = self._target, 0
                self.follower.reconcile(thoroughly=behind)

    def _hear(self, stop: threading.Event, wait: float) -> Sequence[Announcement]:
        """What is announced within so many seconds."""
        channel = self._reach()
        if channel is None:
            stop.wait(wait)
            return ()
        try:
            if not self._place:
                self._place, self._reconciled = channel.newest(), 0.0  # what was said before is looked up
                return ()
            self._place, said = channel.listen(self._place, wait)
            self._pause = FIRST_PAUSE
        except FleetError as error:
            if not stop.is_set():
                self._lost(error)
                self._place = ""  # on return, everything is looked up
                stop.wait(self._pause * jitter(0.5, 1.0))
                self._pause = min(self._pause * 2, LONGEST_PAUSE)
            return ()
        return said

    # ---- Saying

    def _beat(self, stop: threading.Event) -> None:
        self._tidy()
        self.applied(self.follower.store.snapshot, None, "start")
        self._outlive(self._live, stop)

    def _live(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self._say()
            if not stop.is_set():
                pause = self.follower.store.boot.config.fleet.heartbeat * jitter(0.9, 1.0)
                self._beating.rest(min(pause, LATER * jitter(0.5, 1.0)) if self._applied else pause)

    def _say(self) -> None:
        outcomes = [self._said.popleft() for _ in range(len(self._said))]
        channel, said = self._reach(), [self._facts(outcome) for outcome in outcomes]
        if channel:
            try:
                self._feel(channel)  # first: whoever hears the acknowledgement reads the registry
                for facts in said:
                    channel.acknowledge(facts)
                if uses := self.follower.pulls.fallbacks():
                    channel.count("fallbacks", uses)
            except FleetError as error:
                self._lost(error)
                self._said.extendleft(outcomes[-1:])  # where it stands is to be heard at last
        told, self._applied = self._applied, [item for item in outcomes if item.result is Result.APPLIED]
        for outcome in told:
            self.applied(outcome.snapshot, outcome.previous, outcome.trigger)

    def _feel(self, channel: Channel) -> None:
        """Give a sign of life, and learn of the others."""
        pulse = channel.beat(self.record(), self.joined)
        now = Share(pulse.count, pulse.rank, pulse.clock - time.monotonic())
        before, self.share = self.share, now
        self._target = pulse.target
        behind = pulse.target not in ("", self.follower.store.snapshot.digest, self._looked)
        self._behind = self._behind + 1 if behind else 0
        if self.trouble:
            self.trouble = ""
            self.warn("fleet.joined", "the server of the fleet answers again")
        if before is None or (before.count, before.rank) != (now.count, now.rank):
            self.follower.pulls.turns()

    def _facts(self, outcome: Outcome[Config]) -> dict[str, str]:
        if outcome.result is Result.APPLIED:
            self._previous = _digest(outcome.previous)
        return {
            "process": self.name,
            "role": self.role,
            "outcome": "NACK" if outcome.result is Result.REFUSED else "ACK",
            "digest": outcome.snapshot.digest,
            "previous": _digest(outcome.previous),
            "trigger": outcome.trigger,
            "seconds": f"{outcome.seconds:.4f}",
            "error": reason(outcome.error.findings) if outcome.error else "",
        }

    def _tidy(self) -> None:
        """Take processes of this host off the registry that were killed and could not say farewell."""
        channel = self._reach()
        if channel is None:
            return
        with suppress(FleetError):
            mine = [record for record, _ in channel.records() if record.host == socket.gethostname()]
            if gone := [record.process for record in mine if not _lives(record.pid)]:
                channel.leave(*gone)

    def _reply(self, ballot: str, facts: Mapping[str, Any]) -> None:
        if channel := self._reach():
            with suppress(FleetError):  # whoever asked sees that this vote is missing
                channel.vote(ballot, {"process": self.name, **facts})

    def _reach(self) -> Channel | None:
        with self._lock:
            if self._channel is None:
                self._channel = self.open(self.follower.store.snapshot.config)
            return self._channel

    def _say_revived(self) -> None:
        self.warn("fleet.restarted", "a thread had died")

    def _lost(self, error: FleetError) -> None:
        said, self.trouble, self.share = self.trouble, str(error), None
        if not said:
            self.warn("fleet.lost", str(error))
            self.follower.pulls.turns()


def _digest(snapshot: Snapshot[Config] | None) -> str:
    return snapshot.digest if snapshot else ""


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
