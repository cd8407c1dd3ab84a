"""A file is saved -> the last of 8 workers serves it, against SIGHUP to a plain project behind gunicorn.

Ours: the clock starts at the rename that saves the file. When each worker has logged the change, every
one of them is asked over a kept-alive connection of its own; the clock stops when all their answers show
the new banner. Nobody asks before, so that the measurement does not compete with what it measures.

The rival's: the clock starts at the same rename, SIGHUP follows at once. It stops when the last old
worker has ended and a request has been answered with the new banner: from then on every answer shows it.
Its new workers need not all be up by then.

Under load, requests come at a steady rate over kept-alive connections spread evenly over the workers.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from queue import Empty
from statistics import median

from benchmarks.support import projects, servers
from benchmarks.support.connections import Connection
from benchmarks.support.load import load
from benchmarks.support.projects import Project
from benchmarks.support.servers import ABOUT, Server, wait_for_end
from benchmarks.support.table import Row, at_least, ms, percentile, ratio, spread

PATIENCE = 30.0
"""Seconds after which a change that has not arrived never will."""
PAUSE = (0.05, 0.25)
"""Seconds between two saves: at random, so that they meet every phase of whatever is periodic."""
TARGETS = {False: 0.060, True: 0.100}
"""Seconds for the 99th percentile, idle and under load."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How much is measured."""

    workers: int = 8
    rounds: int = 8
    """Each is one SIGHUP and so many saves, idle and again under load."""
    saves: int = 25
    rate: float = 150.0
    """Requests a second, under load."""


QUICK = Counts(rounds=2, saves=5)


def measure(counts: Counts) -> Iterator[Row]:
    """Run both servers, and in each round measure ours and then the rival, idle and then under load."""
    with projects.folder() as folder, ExitStack() as stack:
        ours = projects.fluentpro(folder / "fluentpro")
        plain = projects.plain(folder / "plain", ours)
        mine = stack.enter_context(servers.fluentpro(ours, counts.workers))
        theirs = stack.enter_context(servers.gunicorn(plain, counts.workers))
        connections = mine.cover()
        for connection in connections:
            stack.enter_context(connection)
        _close(theirs.cover())  # until all of its workers are up
        _round(mine, ours, connections, 3)  # warms up
        for loaded in (False, True):
            saves: list[list[float]] = []
            signals: list[float] = []
            for _ in range(counts.rounds):
                with _traffic(mine, counts.rate if loaded else 0):
                    saves.append(_round(mine, ours, connections, counts.saves))
                with _traffic(theirs, counts.rate if loaded else 0):
                    signals.append(restart(theirs, plain))
                _close(theirs.cover())  # until the last of its workers is up again
            yield from _rows(loaded, counts.workers, saves, signals)


def follow(server: Server, project: Project, connections: Sequence[Connection]) -> float:
    """Save a new banner; seconds until every worker has answered with it."""
    server.forget_applied()
    banner = _new_banner()
    began = project.save(banner)
    wait_until_applied(server)
    old = list(connections)
    while old:
        if time.monotonic() - began > PATIENCE:
            raise TimeoutError(f"{len(old)} workers do not serve the change:\n{server.said()}")
        for connection in old:
            connection.send(ABOUT)
        answers = [(connection, connection.receive()) for connection in old]
        old = [connection for connection, answer in answers if answer.json()["banner"] != banner]
    return time.monotonic() - began


def wait_until_applied(server: Server) -> None:
    """Wait until as many lines as there are workers say that a change was applied."""
    for seen in range(server.workers):
        try:
            server.applied.get(timeout=PATIENCE)
        except Empty:
            raise TimeoutError(f"only {seen} workers applied the change:\n{server.said()}") from None


def restart(server: Server, project: Project) -> float:
    """Save a new banner and send SIGHUP; seconds until no answer shows the old one any more."""
    old, banner = server.pids(), _new_banner()
    began = project.save(banner)
    os.kill(server.process.pid, signal.SIGHUP)
    return replaced(server, old, banner, began)


def replaced(server: Server, old: Sequence[int], banner: str, began: float) -> float:
    """Wait until the old workers have ended and an answer shows the banner; seconds since `began`."""
    wait_for_end(old, PATIENCE)
    while True:
        with Connection(server.port) as connection:
            if connection.ask(ABOUT).json()["banner"] == banner:
                return time.monotonic() - began
        if time.monotonic() - began > PATIENCE:
            raise TimeoutError(f"the new workers do not serve the change:\n{server.said()}")


def _round(server: Server, project: Project, connections: Sequence[Connection], saves: int) -> list[float]:
    took = []
    for _ in range(saves):
        time.sleep(random.uniform(*PAUSE))
        took.append(follow(server, project, connections))
    return took


@contextmanager
def _traffic(server: Server, rate: float) -> Iterator[None]:
    """Load on the server, once it flows; none for a rate of 0."""
    with load(server, rate) if rate else nullcontext() as traffic:
        if traffic:
            time.sleep(0.3)
        yield
        if traffic:
            traffic.stop()


def _rows(loaded: bool, workers: int, saves: list[list[float]], signals: list[float]) -> Iterator[Row]:
    state = "under load" if loaded else "idle"
    what = f"file saved -> last of {workers} workers serves it, {state}"
    every = [took for took_in_round in saves for took in took_in_round]
    p99, target = percentile(every, 99), TARGETS[loaded]
    yield Row(f"{what}: p99", spread(every), "", None, f"p99 under {ms(target)}", p99 < target)
    usual = [median(took_in_round) for took_in_round in saves]
    rival = f"{spread(signals)} SIGHUP"
    yield at_least(what, 8, f"p50 {ms(median(every))}", rival, ratio(signals, usual))


def _close(connections: Sequence[Connection]) -> None:
    for connection in connections:
        connection.close()


def _new_banner() -> str:
    return f"banner {time.monotonic_ns()}"
