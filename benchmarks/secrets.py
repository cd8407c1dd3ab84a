"""A secret is written in Vault by somebody else -> the last of 8 workers uses it, against an agent.

PostgreSQL, Valkey and OpenBao are real. The secret is the operations token, a key-value document that is
written straight over the Vault's API, at moments that meet every phase of the polling. The clock starts
before the write is sent. Ours: when each worker has logged the change, every one of them is asked over a
kept-alive connection of its own; the clock stops when all of them let the new token in.

The rival's: `bao agent` renders the token to a file, looking every second, and sends SIGHUP to a plain
project behind gunicorn that reads the file when it starts. The clock stops when the last old worker has
ended and a request has been answered with the new token. Both services run all the time; the agent goes
on rendering while ours is measured, and sends no signal then.

Database credentials: the lease of the users that Vault makes is cut to a few seconds, so that every worker
takes a new user again and again, while people who are logged in read pages of the admin site, each with
several queries through the pool. Users left are those beyond one a worker, once the workers have taken
users with a long lease and the old ones' drain is over. That these were given back, and did not just expire,
shows in how long the longest was there. Not counted is who was there before: a command that ended leaves
its user to the lease. The same with an agent and SIGHUP is left out: it is the restart above, once more.

Requests at rest are counted by the processes themselves, and extrapolated to an hour.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.propagation import PATIENCE, replaced, wait_until_applied
from benchmarks.support import projects, servers
from benchmarks.support.connections import Connection
from benchmarks.support.load import Sample, load
from benchmarks.support.projects import Project
from benchmarks.support.servers import Server
from benchmarks.support.table import Row, at_least, ms, percentile, ratio, spread
from benchmarks.support.vault import Vault, agent, has_told, vault

HEALTH = "/health"
METRICS = "/metrics"
PAGE = "/admin/"
DENIED = 401
FAST = 0.25
"""Seconds of `vault.poll_interval` against the agent."""
USUAL = 1.0
"""Seconds of `vault.poll_interval` by default."""
SLACK = 0.15
"""Seconds beyond the polling period for the 99th percentile."""
POOL = 4
"""Connections in the pool of each process, at most."""
LONG_LEASE = 3600
"""Seconds that a database user lives when credentials do not change."""
LOOK = 0.05
"""Seconds between two looks at the database's users."""
REQUESTS = "fluentpro_vault_requests_total "

SESSION = """
import django
django.setup(set_prefix=False)
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
user = User.objects.create(username="somebody", is_staff=True, is_superuser=True)
session = SessionStore()
session[SESSION_KEY] = str(user.pk)
session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
session[HASH_SESSION_KEY] = user.get_session_auth_hash()
session.save()
print(session.session_key)
"""


@dataclass(frozen=True, slots=True)
class Counts:
    """How much is measured."""

    workers: int = 8
    rounds: int = 5
    """Each is one restart by the agent and so many writes at the fast period."""
    writes: int = 8
    usual: int = 40
    """Writes at the usual period."""
    rest: float = 10.0
    """Seconds in which requests at rest are counted."""
    rotations: int = 20
    """Database users that take another's place."""
    clients: int = 4
    """Worker processes that use the database."""
    rate: float = 40.0
    """Requests a second, while they do."""
    lease: int = 5
    """Seconds that a database user lives, while they change."""
    drain: float = 1.0
    """Seconds that a replaced one stays (`vault.drain_delay`)."""


QUICK = Counts(rounds=2, writes=3, usual=5, rest=3.0, rotations=3)


@dataclass(slots=True)
class Watch:
    """What was seen of the database's users and their connections."""

    of: Vault
    before: set[str]
    """The users who were there before."""
    seen: dict[str, tuple[float, float]] = field(default_factory=dict)
    """When each other user was seen first and last (monotonic, s)."""
    most: int = 0
    """Connections that all of them had at once."""

    def look(self) -> set[str]:
        """The users who are there now, and were not before."""
        now, users = time.monotonic(), self.of.users() - self.before
        for name in users:
            self.seen[name] = (self.seen.get(name, (now, now))[0], now)
        self.most = max(self.most, self.of.connections())
        return users


def measure(counts: Counts) -> Iterator[Row]:
    """Measure against the agent, then at the usual period and at rest, then with database credentials."""
    with projects.folder() as folder, vault(folder / "stack") as safe:
        project = projects.fluentpro(folder / "fluentpro", **safe.variables)
        yield from _against_agent(folder, safe, project, counts)
        yield from _by_default(safe, project, counts)
        yield from _credentials(safe, project, counts)


def follow(server: Server, safe: Vault, connections: Sequence[Connection]) -> float:
    """Write a new secret; seconds until every worker uses it."""
    server.forget_applied()
    began = safe.write()
    wait_until_applied(server)
    old = list(connections)
    while old:
        if time.monotonic() - began > PATIENCE:
            raise TimeoutError(f"{len(old)} workers do not use the new secret:\n{server.said()}")
        for connection in old:
            connection.send(HEALTH, safe.bearer)
        answers = [(connection, connection.receive()) for connection in old]
        old = [connection for connection, answer in answers if answer.status == DENIED]
    return time.monotonic() - began


def _against_agent(folder: Path, safe: Vault, project: Project, counts: Counts) -> Iterator[Row]:
    """Both services run, and are measured in turn."""
    plain = projects.plain(folder / "plain", project)
    with ExitStack() as stack:
        pid_file = stack.enter_context(agent(safe, folder / "agent", plain.edited))
        theirs = stack.enter_context(servers.gunicorn(plain, counts.workers))
        mine = stack.enter_context(servers.fluentpro(project, counts.workers, variables=_polling(FAST)))
        connections = mine.cover()
        for connection in connections:
            stack.enter_context(connection)
        _wait_until_up(theirs)
        _writes(mine, safe, connections, 2, FAST)  # warms up
        _render(pid_file, safe)
        pid_file.write_text(str(theirs.process.pid), encoding="ascii")
        ours: list[list[float]] = []
        rival: list[float] = []
        for _ in range(counts.rounds):
            time.sleep(random.uniform(0, 1))
            old = theirs.pids()
            began = safe.write()
            rival.append(replaced(theirs, old, safe.token, began))
            _render(pid_file, safe)
            _wait_until_up(theirs)
            pid_file.unlink()
            ours.append(_writes(mine, safe, connections, counts.writes, FAST))
            _render(pid_file, safe)
            pid_file.write_text(str(theirs.process.pid), encoding="ascii")
    usual = [percentile(took, 50) for took in ours]
    every = spread([took for took_in_round in ours for took in took_in_round])
    what = f"secret written in Vault -> last of {counts.workers} workers uses it, period {FAST:g} s"
    yield at_least(what, 4, every, f"{spread(rival)} agent at 1 s and SIGHUP", ratio(rival, usual))


def _by_default(safe: Vault, project: Project, counts: Counts) -> Iterator[Row]:
    """The default period: how long a secret takes, and what it costs when nothing happens."""
    with servers.fluentpro(project, counts.workers, variables=_polling(USUAL)) as mine, ExitStack() as stack:
        connections = mine.cover()
        for connection in connections:
            stack.enter_context(connection)
        _writes(mine, safe, connections, 1, USUAL)  # warms up
        took = _writes(mine, safe, connections, counts.usual, USUAL)
        first, began = _requests(safe, connections[0])
        time.sleep(counts.rest)
        last, ended = _requests(safe, connections[0])
    p99, target = percentile(took, 99), USUAL + SLACK
    what = f"secret written in Vault -> last of {counts.workers} workers uses it, period {USUAL:g} s: p99"
    yield Row(what, spread(took), "", None, f"p99 under {ms(target)}", p99 < target)
    hourly = (last - first) / (ended - began) / counts.workers * 3600
    yield Row(f"Vault requests per process and hour at rest, {counts.workers} processes", f"{hourly:.0f}")


def _credentials(safe: Vault, project: Project, counts: Counts) -> Iterator[Row]:
    """Database users come and go under load."""
    cookie = {"Cookie": f"sessionid={project.answer(SESSION)}"}
    variables = {
        "FLUENTPRO_VAULT__DRAIN_DELAY": str(counts.drain),
        "FLUENTPRO_DATABASE__POOL_MIN": "1",
        "FLUENTPRO_DATABASE__POOL_MAX": str(POOL),
    }
    watch = Watch(safe, safe.users())
    safe.lease(counts.lease)
    try:
        with servers.fluentpro(project, counts.clients, variables=variables) as server:
            _wait_until_up(server)
            with load(server, counts.rate, path=PAGE, headers=cookie) as traffic:
                made = _rotate(watch, counts.rotations, PATIENCE + counts.rotations * counts.lease)
                samples = traffic.stop()
            safe.lease(LONG_LEASE)
            time.sleep(counts.lease + counts.drain)  # each worker has a user that stays by then, and no other
            left = len(watch.look()) - len(server.pids())
    finally:
        safe.lease(LONG_LEASE)
    lives = [last - first for name, (first, last) in watch.seen.items() if name in made]
    yield from _judge(samples, watch, lives, left, counts)


def _judge(
    samples: Sequence[Sample], watch: Watch, lives: Sequence[float], left: int, counts: Counts
) -> Iterator[Row]:
    """The rows: what failed, what was left, what was open."""
    failed = sum(item.failed for item in samples)
    what = f"{len(lives)} database credentials replaced in {counts.clients} workers"
    requests = f"{len(samples)} requests at {counts.rate:g}/s that read the database"
    yield Row(f"{what}, {requests}: failed", str(failed), "", None, "0", failed == 0)
    life = f"the longest was there {max(lives):.1f} s of {counts.lease} s"
    yield Row(f"{what}: old users left after the drain", f"{left} ({life})", "", None, "0", left == 0)
    limit = counts.clients * (POOL + 1)  # a changed credential is tried with a connection of its own
    yield Row(
        f"{what}: connections, most", str(watch.most), "", None, f"at most {limit}", watch.most <= limit
    )


def _rotate(watch: Watch, rotations: int, within: float) -> set[str]:
    """Look until so many new users have come and gone again; who they are."""
    first, deadline = watch.look(), time.monotonic() + within
    there = first
    while len(made := watch.seen.keys() - first - there) < rotations:
        if time.monotonic() > deadline:
            raise TimeoutError(f"only {len(made)} database credentials were replaced in {within:g} s")
        time.sleep(LOOK)
        there = watch.look()
    return made


def _writes(
    server: Server, safe: Vault, connections: Sequence[Connection], writes: int, period: float
) -> list[float]:
    took = []
    for _ in range(writes):
        time.sleep(random.uniform(0, period))
        took.append(follow(server, safe, connections))
    return took


def _requests(safe: Vault, connection: Connection) -> tuple[float, float]:
    """How many requests all processes have sent to the Vault, and when that was asked (monotonic, s)."""
    asked = time.monotonic()
    page = connection.ask(METRICS, safe.bearer).body.decode()
    lines = [line for line in page.splitlines() if line.startswith(REQUESTS)]
    return float(lines[0].removeprefix(REQUESTS)), asked


def _render(pid_file: Path, safe: Vault) -> None:
    """Wait until the agent has rendered the newest token, and will send no signal for it."""
    deadline = time.monotonic() + PATIENCE
    while not has_told(pid_file, safe.token):
        if time.monotonic() > deadline:
            raise TimeoutError("the agent does not render the newest secret")
        time.sleep(0.02)


def _wait_until_up(server: Server) -> None:
    """Wait until every worker serves."""
    for connection in server.cover():
        connection.close()


def _polling(seconds: float) -> dict[str, str]:
    return {"FLUENTPRO_VAULT__POLL_INTERVAL": str(seconds)}
