"""A readiness probe against an empty Django view, and while the database hangs.

Each is asked in turn over a kept-alive connection to a server with one worker. The view is plain Django
behind gunicorn, with FluentPro's middleware except its own, and once with none at all. The database that
hangs is a PostgreSQL whose port takes connections and never says a word.
"""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from statistics import median

from benchmarks.support import projects, servers
from benchmarks.support.connections import Connection
from benchmarks.support.table import Ratio, Row, at_most, ms, percentile, ratio

NOISE = 0.05
"""By how much two servers that do the very same thing may differ."""
PATIENCE = 20.0
"""Seconds that a server's first checks may take."""
READY = "/health/ready"
EMPTY = "/empty"


@dataclass(frozen=True, slots=True)
class Counts:
    """How much is measured."""

    rounds: int = 25
    requests: int = 100
    """In each round, to each server."""


QUICK = Counts(rounds=5, requests=20)


def measure(counts: Counts) -> Iterator[Row]:
    """Ask the four in turn, round after round, in changing order."""
    with projects.folder() as folder, ExitStack() as stack:
        healthy = projects.fluentpro(folder / "fluentpro")
        plain = projects.plain(folder / "plain", healthy)
        silent = stack.enter_context(closing(socket.create_server(("127.0.0.1", 0), backlog=64)))
        hanging = projects.fluentpro(folder / "hanging")
        database = {
            "FLUENTPRO_DATABASE__ENGINE": "postgresql",
            "FLUENTPRO_DATABASE__HOST": "127.0.0.1",
            "FLUENTPRO_DATABASE__PORT": str(silent.getsockname()[1]),
            "FLUENTPRO_DATABASE__NAME": "fluentpro",
            "FLUENTPRO_DATABASE__USER": "fluentpro",
            "FLUENTPRO_DATABASE__PASSWORD": "never asked for",
        }
        running = {
            "ready": servers.fluentpro(healthy, 1),
            "hanging": servers.fluentpro(hanging, 1, variables=database),
            "empty": servers.gunicorn(plain, 1),
            "bare": servers.gunicorn(plain, 1, variables={"PLAIN_WITHOUT_MIDDLEWARE": "1"}),
        }
        connections = {
            name: stack.enter_context(Connection(stack.enter_context(server).port))
            for name, server in running.items()
        }
        paths = {"ready": (READY, 200), "hanging": (READY, 503), "empty": (EMPTY, 200), "bare": (EMPTY, 200)}
        for name, (path, status) in paths.items():
            _wait(connections[name], path, status)
        latencies: dict[str, list[list[float]]] = {name: [] for name in running}
        for number in range(counts.rounds + 1):
            for name in random.sample(sorted(running), len(running)):
                took = _ask(connections[name], *paths[name], counts.requests)
                if number:  # the first round warms up
                    latencies[name].append(took)
    yield from _rows(latencies)


def _wait(connection: Connection, path: str, status: int) -> None:
    """Wait until the first checks are done, and the answer is what it shall be."""
    deadline = time.monotonic() + PATIENCE
    while (answer := connection.ask(path)).status != status:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{path} goes on answering {answer.status}, not {status}")
        time.sleep(0.05)


def _ask(connection: Connection, path: str, status: int, requests: int) -> list[float]:
    """The seconds that each request took, one after the other."""
    took = []
    for _ in range(requests):
        began = time.perf_counter()
        answer = connection.ask(path)
        took.append(time.perf_counter() - began)
        if answer.status != status:
            raise RuntimeError(f"{path} answered {answer.status}, not {status}")
    return took


def _rows(latencies: dict[str, list[list[float]]]) -> Iterator[Row]:
    usual = {name: [median(took) for took in rounds] for name, rounds in latencies.items()}

    def shown(name: str) -> str:
        every = [took for rounds in latencies[name] for took in rounds]
        return f"p50 {ms(median(every))}, p99 {ms(percentile(every, 99))}"

    def against(above: str, below: str) -> Ratio:
        return ratio(usual[above], usual[below])

    what = "a readiness probe"
    yield at_most(
        what, 1.0, shown("ready"), f"{shown('empty')} an empty view", against("ready", "empty"), noise=NOISE
    )
    rival = f"{shown('bare')} an empty view without any middleware"
    yield Row(f"for comparison: {what}", shown("ready"), rival, against("ready", "bare"))
    what, rival = f"{what} while the database hangs", f"{shown('ready')} while it answers"
    yield at_most(what, 1.1, shown("hanging"), rival, against("hanging", "ready"))
