"""Many simulated processes of a fleet, and what they ask of Valkey and of the Vault.

`python -m ...` reads what it shall be from the first line of its input, says `ready` when its members have
started, answers every further line with the requests that it sent to the Vault and with how many of its
members know how many there are, and ends with its input.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import redis

from benchmarks.support.operator import Operator, operator
from benchmarks.support.projects import CHECKOUT, Project
from benchmarks.support.table import Row, ms, ratio
from benchmarks.support.vault import DOCUMENT, Vault
from fluentpro import __version__
from fluentpro.config.overrides import Override, none_given, overlaid
from fluentpro.config.snapshot import Candidate, Snapshot
from fluentpro.config.store import Store
from fluentpro.fleet.channel import Channel
from fluentpro.fleet.follower import Follower, Pulls
from fluentpro.fleet.ledger import Ledger
from fluentpro.fleet.member import Member
from fluentpro.fleet.overrides import Overrides
from fluentpro.process import VALIDATOR, sources
from fluentpro.schema import Config
from fluentpro.stack.postgresql import SUPERUSER
from fluentpro.vault.connection import Address, Connection
from fluentpro.vault.documents import newest
from fluentpro.vault.reference import Location

PLACE = Location("kv", DOCUMENT)
START = 120.0
"""Seconds that all members may take to join."""
NEAR = 0.2
"""Part by which the requests of a large fleet may differ from those of a small one."""
SENT = ("eval", "xread", "xadd")
"""What members send to Valkey at rest and for a change; each `xadd` is followed by an `expire`."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How much is measured."""

    few: int = 8
    many: int = 800
    each: int = 200
    """Members in one process of the operating system, at most."""
    changes: int = 2
    rest: float = 10.0
    """Seconds in which commands and requests at rest are counted."""


QUICK = Counts(many=160, each=80, changes=1, rest=4.0)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a fleet of some size was seen to do."""

    members: int
    seconds: Sequence[float]
    """From each change until all had acknowledged it."""
    commands: float
    """To Valkey, for each change and member."""
    commands_at_rest: float
    """A second, of all members."""
    requests: float
    """To the Vault at rest, a second, of all members."""
    busy: float
    """The part of all cores that was used while the changes arrived."""


def login(safe: Vault) -> Mapping[str, str]:
    """Variables with the passwords that a simulated process would otherwise take from the Vault."""
    return {
        "FLUENTPRO_DATABASE__USER": SUPERUSER,
        "FLUENTPRO_DATABASE__PASSWORD": safe.up.postgresql.password,
        "FLUENTPRO_REDIS__PASSWORD": safe.up.valkey.password,
    }


def measure(project: Project, safe: Vault, counts: Counts) -> Iterator[Row]:
    """Measure a small fleet and a large one."""
    few, many = (_fleet(project, safe, size, counts) for size in (counts.few, counts.many))
    small = f"{few.members} processes"
    what = f"{many.members} simulated processes"
    ours = f"{max(many.seconds):.2f} s at most of {len(many.seconds)}, busy {many.busy:.0%}"
    rival = f"{ms(max(few.seconds))}, busy {few.busy:.0%} ({small})"
    yield Row(f"override set -> all of {what} have acknowledged it", ours, rival)
    yield Row(
        f"commands to Valkey for a change, each of {what}", f"{many.commands:.1f}", _of(few.commands, small)
    )
    each = few.commands_at_rest / few.members
    ours = f"{many.commands_at_rest / many.members:.2f}"
    yield Row(f"commands to Valkey a second at rest, each of {what}", ours, _of(each, small, 2))
    measured = ratio([many.requests], [few.requests])
    near, target = abs(measured.median - 1) <= NEAR, f"the same, within {NEAR:.0%}"
    ours, rival = f"{many.requests:.2f}", _of(few.requests, small, 2)
    yield Row(f"requests to the Vault a second at rest, all of {what}", ours, rival, measured, target, near)


def _of(value: float, whose: str, digits: int = 1) -> str:
    return f"{value:.{digits}f} ({whose})"


def _fleet(project: Project, safe: Vault, size: int, counts: Counts) -> Seen:
    """Have so many members join a fleet of their own, rest, and follow changes."""
    own = replace(project, environ={**project.environ, "FLUENTPRO_FLEET__RELEASE": f"crowd of {size}"})
    with operator(own, safe) as person, _members(own, safe, size, counts) as parts:
        _wait_until_all_know(parts, size)
        sent, asked, began = _sent(safe), _requests(parts), time.monotonic()
        time.sleep(counts.rest)
        passed = time.monotonic() - began
        at_rest, requests = (_sent(safe) - sent) / passed, (_requests(parts) - asked) / passed
        sent, began, used = _sent(safe), time.monotonic(), _used()
        seconds = [_change(person, f"change {number} for {size}", size) for number in range(counts.changes)]
        passed = time.monotonic() - began
        busy = (_used() - used) / passed / (os.cpu_count() or 1)
        commands = (_sent(safe) - sent - at_rest * passed) / counts.changes / size
    return Seen(size, seconds, commands, at_rest, requests, busy)


def _change(person: Operator, banner: str, size: int) -> float:
    """Seconds until so many members have acknowledged a change."""
    place, who = person.channel.newest("acknowledgements"), set[str]()
    began = person.override(banner)
    while len(who) < size:
        if time.monotonic() - began > START:
            raise TimeoutError(f"{size - len(who)} of {size} members did not acknowledge the change")
        place, said = person.channel.acknowledged(place, 1.0)
        who |= {facts["process"] for facts in said if facts["outcome"] == "ACK"}
    return time.monotonic() - began


def _wait_until_all_know(parts: Sequence[subprocess.Popen[str]], size: int) -> None:
    """Wait until every member knows of every other."""
    until = time.monotonic() + START
    while (known := sum(number for _, number in _ask(parts, size))) != size:
        if time.monotonic() > until:
            raise TimeoutError(f"{known} of {size} members know of all others")
        time.sleep(0.1)


def _sent(safe: Vault) -> int:
    """How many commands members have sent to Valkey."""
    server = redis.Redis(port=safe.up.valkey.port, password=safe.up.valkey.password)
    with server:
        stats = cast("dict[str, dict[str, Any]]", server.info("commandstats"))
    calls = {name: int(stats.get(f"cmdstat_{name}", {}).get("calls", 0)) for name in SENT}
    return sum(calls.values()) + calls["xadd"]


def _used() -> float:
    """Seconds for which cores of this machine were busy."""
    first = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0]
    user, nice, system, _idle, _wait, *rest = map(int, first.split()[1:])
    return (user + nice + system + sum(rest[:2])) / os.sysconf("SC_CLK_TCK")


# ---- The members, from outside


@contextmanager
def _members(
    project: Project, safe: Vault, size: int, counts: Counts
) -> Iterator[Sequence[subprocess.Popen[str]]]:
    """So many members in as many processes as it takes."""
    with ExitStack() as stack:
        parts = []
        for first in range(0, size, counts.each):
            keys = safe.up.openbao.keys
            part = Part(
                dict(project.environ),
                str(project.folder),
                f"{size}-{first}",
                min(counts.each, size - first),
                safe.up.openbao.url,
                keys.root if keys else "",
            )
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "benchmarks.support.crowd"],
                    cwd=CHECKOUT,
                    env=dict(project.environ),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            stack.callback(_close, process)
            _tell(process, json.dumps(asdict(part)))
            parts.append(process)
        for process in parts:
            if _answer(process) != "ready":
                raise RuntimeError("members of the fleet did not start")
        yield parts


def _requests(parts: Sequence[subprocess.Popen[str]]) -> int:
    return sum(requests for requests, _ in _ask(parts, 0))


def _ask(parts: Sequence[subprocess.Popen[str]], size: int) -> list[tuple[int, int]]:
    """From each part, the requests that it sent, and how many of its members know of `size` members."""
    for process in parts:
        _tell(process, str(size))
    answers = [_answer(process).split() for process in parts]
    return [(int(requests), int(known)) for requests, known in answers]


def _tell(process: subprocess.Popen[str], line: str) -> None:
    if process.stdin:
        process.stdin.write(f"{line}\n")
        process.stdin.flush()


def _answer(process: subprocess.Popen[str]) -> str:
    return process.stdout.readline().strip() if process.stdout else ""


def _close(process: subprocess.Popen[str]) -> None:
    if process.stdin:
        process.stdin.close()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()


# ---- The members, from inside


@dataclass(frozen=True, slots=True)
class Part:
    """What one process of the operating system shall be."""

    environ: dict[str, str] = field(repr=False)
    root: str
    name: str
    count: int
    vault: str
    token: str = field(repr=False)


@dataclass(slots=True)
class Shared:
    """The snapshots of all members of one process: each is validated once."""

    bare: Candidate
    _made: dict[tuple[Override, ...], Candidate] = field(default_factory=dict)
    _valid: dict[int, Snapshot[Config]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def candidate(self, overrides: Overrides) -> Candidate:
        """The candidate with a member's overrides."""
        given = tuple(overrides(self.bare.values))
        with self._lock:
            if given not in self._made:
                self._made[given] = overlaid(self.bare, given, Config)
            return self._made[given]

    def validate(self, candidate: Candidate) -> Snapshot[Config]:
        """Its snapshot."""
        with self._lock:
            if id(candidate) not in self._valid:
                self._valid[id(candidate)] = VALIDATOR.validate(candidate)
            return self._valid[id(candidate)]


@dataclass(slots=True)
class Polls:
    """One thread that takes the turns of all members of this process at asking the Vault."""

    connection: Connection
    period: float
    due: dict[str, tuple[float, Member]] = field(default_factory=dict)
    woken: threading.Event = field(default_factory=threading.Event)

    def repace(self, member: Member) -> None:
        """The fleet grew or shrank: turns are other ones."""
        self.due[member.name] = (time.monotonic() + member.pace(self.period), member)
        self.woken.set()

    def run(self) -> None:
        """Ask whenever it is somebody's turn."""
        while True:
            at, member = min(self.due.copy().values(), key=lambda item: item[0], default=(float("inf"), None))
            wait = at - time.monotonic()
            if member is None or wait > 0:
                self.woken.wait(min(wait, 1.0))
                self.woken.clear()
                continue
            self.due[member.name] = (time.monotonic() + member.pace(self.period), member)
            newest(self.connection, PLACE)


def _join(part: Part) -> tuple[list[Member], Polls]:
    where = replace(sources(part.environ, Path(part.root)), overrides=none_given)
    shared = Shared(where.load())
    config = VALIDATOR.validate(shared.bare).config
    polls = Polls(Connection(Address(part.vault), part.token), config.vault.poll_interval)
    known = Overrides(lambda database: Ledger(database, where.root))
    known.refresh(config.database)
    members = []
    for number in range(part.count):
        own = replace(known)
        own.after_fork()
        members.append(_member(f"crowd/web/{part.name}-{number}", shared, own, polls))
        members[-1].start()
    threading.Thread(target=polls.run, name="polls", daemon=True).start()
    return members, polls


def _member(name: str, shared: Shared, own: Overrides, polls: Polls) -> Member:
    """A member that does what a web worker's does, but for its secrets."""
    store = Store(lambda: shared.candidate(own), shared.validate)
    store.start()
    follower = Follower(store, Pulls())
    member = Member(
        follower,
        "web",
        lambda config: Channel.open(config.fleet, config.redis, "testing", __version__),
        name=name,
    )
    own.process = name
    follower.pulls = Pulls(
        overrides=lambda: own.refresh(store.snapshot.config.database) or own.stale,
        override_trouble=lambda: own.problem,
        override_ends=own.next_end,
        override_state=lambda: (own.revision, own.canary),
        turns=lambda: polls.repace(member),
    )
    store.acknowledge.append(member.acknowledge)
    return member


def main() -> None:
    """Run until the input ends."""
    members, polls = _join(Part(**json.loads(sys.stdin.readline())))
    print("ready", flush=True)
    for size in sys.stdin:
        known = sum(item.share is not None and item.share.count == int(size) for item in members)
        print(polls.connection.requests, known, flush=True)
    os._exit(0)  # the threads of many members would take their time, and nobody else is in this fleet


if __name__ == "__main__":
    main()
