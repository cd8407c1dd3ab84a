"""A secret is written in Vault by somebody else -> the last of 8 workers uses it, against an agent.

PostgreSQL, Valkey and OpenBao are real. The secret is the operations token, a key-value document that is
written straight over the Vault's API, at moments that meet every phase of the polling. The clock starts
before the write is sent. Ours: when each worker has logged the change, every one of them is asked over a
kept-alive connection of its own; the clock stops when all of them let the new token in.

The rival's: `bao agent` renders the token to a file, looking every second, and sends SIGHUP to a plain
project behind gunicorn that reads the file when it starts. The clock stops when the last old worker has
ended and a request has been answered with the new token. Both services run all the time; the agent goes
on rendering while ours is measured, and sends no signal then.

Requests at rest are counted by the processes themselves, and extrapolated to an hour.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.propagation import PATIENCE, replaced, wait_until_applied
from benchmarks.support import projects, servers
from benchmarks.support.connections import Connection
from benchmarks.support.projects import Project
from benchmarks.support.servers import Server
from benchmarks.support.table import Row, at_least, ms, percentile, ratio, spread
from benchmarks.support.vault import Vault, agent, has_told, vault

HEALTH = "/health"
METRICS = "/metrics"
DENIED = 401
FAST = 0.25
"""Seconds of `vault.poll_interval` against the agent."""
USUAL = 1.0
"""Seconds of `vault.poll_interval` by default."""
SLACK = 0.15
"""Seconds beyond the polling period for the 99th percentile."""
REQUESTS = "fluentpro_vault_requests_total "


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


QUICK = Counts(rounds=2, writes=3, usual=5, rest=3.0)


def measure(counts: Counts) -> Iterator[Row]:
    """Measure against the agent, then at the usual period and at rest."""
    with projects.folder() as folder, vault(folder / "stack") as safe:
        project = projects.fluentpro(folder / "fluentpro", **safe.variables)
        yield from _against_agent(folder, safe, project, counts)
        yield from _by_default(safe, project, counts)


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
        wait_until_up(theirs)
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
            wait_until_up(theirs)
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


def wait_until_up(server: Server) -> None:
    """Wait until every worker serves."""
    for connection in server.cover():
        connection.close()


def _polling(seconds: float) -> dict[str, str]:
    return {"FLUENTPRO_VAULT__POLL_INTERVAL": str(seconds)}
