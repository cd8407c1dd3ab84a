"""Database users that Vault makes are replaced under load, against an agent that restarts the service.

PostgreSQL and OpenBao are real. The lease of the users is cut to a few seconds, so that each is replaced
again and again, while people who are logged in read pages of the admin site, each with several queries
through a pool. Ours: every worker takes a user of its own, and replaces it by itself.

The rival: `bao agent` renders a user and its password to a file before their lease ends, and sends SIGHUP
to a plain project behind gunicorn, which reads the file when it starts; the same pages, pool and load, for
as long. All its workers share one user, so fewer are replaced in the same time.

A request has failed that got anything but its page. Users left are those beyond one a worker (the rival:
beyond one), once users with a long lease are there and the old ones' time is over; that ours were given
back, and did not just expire, shows in how long the longest was there. Not counted is who was there
before: a command that ended leaves its user to the lease.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.propagation import PATIENCE
from benchmarks.secrets import wait_until_up
from benchmarks.support import projects, servers
from benchmarks.support.connections import Connection
from benchmarks.support.load import Sample, load
from benchmarks.support.projects import ENVIRONMENT, Project
from benchmarks.support.servers import Server
from benchmarks.support.table import Row, ms, percentile
from benchmarks.support.vault import Vault, agent, vault

PAGE = "/admin/"
SHOWN = 200
POOL = 4
"""Connections in the pool of each process, at most."""
LONG_LEASE = 3600
"""Seconds that a database user lives when credentials do not change."""
LOOK = 0.05
"""Seconds between two looks at the database's users."""
CREDENTIALS = f"database/creds/fluentpro-{ENVIRONMENT}"
RENDERED = (
    f'{{{{ with secret "{CREDENTIALS}" }}}}'
    '{"USER": "{{ .Data.username }}", "PASSWORD": "{{ .Data.password }}"}{{ end }}'
)
"""What the agent writes, as Django's settings take it."""

SESSION = """
import django
django.setup(set_prefix=False)
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
user, _ = User.objects.get_or_create(username="somebody", is_staff=True, is_superuser=True)
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

    rotations: int = 20
    """Database users of ours that take another's place."""
    clients: int = 4
    """Worker processes that use the database."""
    rate: float = 40.0
    """Requests a second, while they do."""
    lease: int = 8
    """Seconds that a database user lives, while they change."""
    drain: float = 1.0
    """Seconds that a replaced one stays (`vault.drain_delay`)."""


QUICK = Counts(rotations=4, clients=2)


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of one of the two."""

    samples: Sequence[Sample] = field(repr=False)
    lives: Sequence[float]
    """Seconds that each user was there that came and went."""
    left: int
    """Users who were there at the end, and should not have been."""
    most: int
    """Connections at once."""

    @property
    def failed(self) -> int:
        """Requests that did not get their page."""
        return sum(item.failed for item in self.samples)

    @property
    def slow(self) -> float:
        """The 99th percentile of the time that a request took, in s."""
        return percentile([item.seconds for item in self.samples], 99)


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


@dataclass(frozen=True, slots=True)
class Change:
    """What happens while pages are read."""

    cookie: Mapping[str, str]
    """That of whoever reads them."""
    rotations: int
    users: int
    """Who are there when nothing changes any more."""
    while_it_runs: Callable[[Server], AbstractContextManager[None]] = lambda _server: nullcontext()


def measure(counts: Counts) -> Iterator[Row]:
    """Measure ours, then the agent's."""
    with projects.folder() as folder, vault(folder / "stack") as safe:
        project = projects.fluentpro(folder / "fluentpro", **safe.variables)
        ours = _ours(safe, project, counts)
        rival = _rival(folder, safe, project, counts)
    yield from _judge(ours, rival, counts)


def _ours(safe: Vault, project: Project, counts: Counts) -> Seen:
    variables = {
        "FLUENTPRO_VAULT__DRAIN_DELAY": str(counts.drain),
        "FLUENTPRO_DATABASE__POOL_MIN": "1",
        "FLUENTPRO_DATABASE__POOL_MAX": str(POOL),
    }
    cookie = _cookie(project)
    watch = Watch(safe, safe.users())
    safe.lease(counts.lease)
    try:
        with servers.fluentpro(project, counts.clients, variables=variables) as server:
            wait_until_up(server)
            change = Change(cookie, counts.rotations, counts.clients)
            return _under_load(watch, server, counts, change)
    finally:
        safe.lease(LONG_LEASE)


def _rival(folder: Path, safe: Vault, project: Project, counts: Counts) -> Seen:
    """A user for all workers: as many rotations as each worker of ours has."""
    plain = projects.plain(folder / "plain", project)
    rendered = folder / "database.json"
    rendered.write_text(json.dumps(safe.user(CREDENTIALS)), encoding="utf-8")
    cookie = _cookie(project)
    watch = Watch(safe, safe.users())
    variables = {"PLAIN_DATABASE": str(rendered), "PLAIN_POOL": str(POOL)}
    rotations = max(counts.rotations // counts.clients, 1)

    @contextmanager
    def changing(server: Server) -> Iterator[None]:
        with agent(safe, folder / "agent", rendered, RENDERED) as pid_file:
            pid_file.write_text(str(server.process.pid), encoding="ascii")
            yield

    try:
        with servers.gunicorn(plain, counts.clients, variables=variables) as server:
            wait_until_up(server)
            safe.lease(counts.lease)
            return _under_load(watch, server, counts, Change(cookie, rotations, 1, changing))
    finally:
        safe.lease(LONG_LEASE)


def _under_load(
    watch: Watch,
    server: Server,
    counts: Counts,
    change: Change,
) -> Seen:
    with Connection(server.port) as connection:
        if connection.ask(PAGE, change.cookie).status != SHOWN:
            raise RuntimeError(f"the page is not to be had before anything changes:\n{server.said()}")
    with load(server, counts.rate, path=PAGE, headers=change.cookie) as traffic, change.while_it_runs(server):
        made = _rotate(watch, change.rotations, PATIENCE + change.rotations * counts.lease)
        samples = traffic.stop()
        watch.of.lease(LONG_LEASE)
        time.sleep(counts.lease + counts.drain)  # by then whoever is to stay is there, and no other
        left = len(watch.look()) - change.users
    lives = [last - first for name, (first, last) in watch.seen.items() if name in made]
    return Seen(samples, lives, left, watch.most)


def _judge(ours: Seen, rival: Seen, counts: Counts) -> Iterator[Row]:
    """The rows: what failed, what was slow, what was left, what was open."""
    what = f"{len(ours.lives)} database credentials replaced in {counts.clients} workers"
    name = f"agent and SIGHUP, {len(rival.lives)} replaced"
    load = f"{len(ours.samples)} requests at {counts.rate:g}/s that read the database"
    theirs = f"{rival.failed} of {len(rival.samples)} ({name})"
    yield Row(f"{what}, {load}: failed", str(ours.failed), theirs, None, "0", ours.failed == 0)
    yield Row(f"{what}: p99 of a request", ms(ours.slow), f"{ms(rival.slow)} ({name})")
    life = f"the longest was there {max(ours.lives):.1f} s of {counts.lease} s"
    theirs = f"{rival.left} (the longest {max(rival.lives):.1f} s)"
    yield Row(f"{what}: old users left", f"{ours.left} ({life})", theirs, None, "0", ours.left == 0)
    limit = counts.clients * (POOL + 1)  # a changed credential is tried with a connection of its own
    most, met = f"at most {limit}", ours.most <= limit
    yield Row(f"{what}: connections, most", str(ours.most), str(rival.most), None, most, met)


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


def _cookie(project: Project) -> dict[str, str]:
    """That of a person who is logged in."""
    return {"Cookie": f"sessionid={project.answer(SESSION)}"}
