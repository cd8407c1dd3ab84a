"""What one fleet of processes costs, and how fast it follows: overrides, secrets, a rotating secret key.

PostgreSQL, Valkey and OpenBao are real. An override is planned first; then the clock starts, the revision
is written to the database, and announced. A secret is written straight over the Vault's API, the clock
starts before that; it is announced as `fluentpro rotate` does, or found by the processes, who share the
polling. When each of the workers has logged the change, every one of them is asked over a kept-alive
connection of its own; the clock stops when all answer with it.

Processes that are simulated are members of a fleet with all that talks to others: threads, connections to
Valkey, a revision of the overrides read from PostgreSQL by each, a turn at asking the Vault. They serve
nothing, and those of one operating system's process share each snapshot, which is validated once. All of
them run here, and with many of them the time until all have acknowledged is that of this machine's
processor, not of the protocol: "busy" says how much of all cores is used meanwhile. Commands are
counted by Valkey; those inside the heartbeat's script are left out.

Changes under load: files saved, overrides set and unset take turns, in as many workers as there are
cores; else as in the reloads.

The secret key is replaced while people look around, each page at another one of 4 processes, and others
sign in meanwhile. The Vault answers each process later than the one before, so that they take up each
step at different moments. Ours are the two steps of `fluentpro rotate secret-key`: the second waits until
the fleet says that everyone took the first. The rival is the one step of Django's documentation, in the
very same processes: the new key signs at once, and the old one is a fallback. A session is lost when a
process sends its owner back to the login.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from statistics import median

from benchmarks.propagation import PATIENCE, wait_until_applied
from benchmarks.reloads import CORES, Stretch, mixed
from benchmarks.secrets import DENIED, HEALTH
from benchmarks.support import crowd, people, projects, servers
from benchmarks.support.connections import NOTHING, Answer, Connection
from benchmarks.support.load import load
from benchmarks.support.operator import Operator, operator
from benchmarks.support.projects import Project
from benchmarks.support.servers import ABOUT, Server
from benchmarks.support.table import Row, at_most, ms, percentile, ratio, spread
from benchmarks.support.vault import DOCUMENT, Vault, vault
from fluentpro.vault.reference import Location

PLACE = Location("kv", DOCUMENT)
PERIOD = 1.0
"""Seconds of `vault.poll_interval`, by default."""
TARGETS = {"override": 0.100, "rotate": 0.150, "others": PERIOD + 0.150}
"""Seconds for the 99th percentiles."""
PAUSE = (0.05, 0.25)
"""Seconds between two changes."""
FLEET = {"FLUENTPRO_FLEET__ENABLED": "true", "FLUENTPRO_VAULT__POLL_INTERVAL": str(PERIOD)}


@dataclass(frozen=True, slots=True)
class Counts:
    """How much is measured."""

    workers: int = 8
    overrides: int = 50
    """Idle, and again under load."""
    rotations: int = 40
    """Secrets that are announced."""
    secrets: int = 12
    """Secrets that nobody announces."""
    rate: float = 150.0
    """Requests a second, under load."""
    pairs: int = 10
    """Stretches under load with changes, and as many without."""
    changes: int = 10
    """In each stretch that has them."""
    period: float = 0.3
    """Seconds between two of these."""
    crowd: crowd.Counts = field(default_factory=crowd.Counts)
    people: people.Counts = field(default_factory=people.Counts)


QUICK = Counts(
    overrides=8, rotations=6, secrets=3, pairs=2, changes=6, crowd=crowd.QUICK, people=people.QUICK
)


def measure(counts: Counts) -> Iterator[Row]:
    """Measure 8 workers, the simulated ones, changes under load, and sign-ins; one stack for all."""
    with projects.folder() as folder, vault(folder / "stack") as safe:
        project = projects.fluentpro(folder / "fluentpro", **safe.variables, **FLEET)
        with operator(project, safe) as person:
            yield from _last_of_all(safe, project, person, counts)
            yield from _under_load(project, person, counts)
            yield from people.measure(safe, project, person, counts.people)
        yield from crowd.measure(_bare(folder, safe), safe, counts.crowd)


def _bare(folder: Path, safe: Vault) -> Project:
    """A project for processes that are simulated: they meet in the same Valkey, and read no secret."""
    kept = {name: text for name, text in safe.variables.items() if "VAULT" not in name}
    return projects.fluentpro(folder / "crowd", **kept, **crowd.login(safe), **FLEET)


# ---- Until the last of all workers has it


def follow(
    server: Server,
    connections: Sequence[Connection],
    began: float,
    new: Callable[[Answer], bool],
    ask: str = ABOUT,
    headers: Callable[[], dict[str, str]] = dict,
) -> float:
    """Seconds from `began` until every worker has answered with what is new."""
    wait_until_applied(server)
    old = list(connections)
    while old:
        if time.monotonic() - began > PATIENCE:
            raise TimeoutError(f"{len(old)} workers do not serve the change:\n{server.said()}")
        for connection in old:
            connection.send(ask, headers() or NOTHING)
        answers = [(connection, connection.receive()) for connection in old]
        old = [connection for connection, answer in answers if not new(answer)]
    return time.monotonic() - began


def _last_of_all(safe: Vault, project: Project, person: Operator, counts: Counts) -> Iterator[Row]:
    with servers.fluentpro(project, counts.workers) as server, ExitStack() as stack:
        connections = [stack.enter_context(item) for item in server.cover()]
        person.wait_for(counts.workers)

        def override() -> float:
            server.forget_applied()
            banner = f"banner {time.monotonic_ns()}"
            return follow(
                server, connections, person.override(banner), lambda answer: answer.json()["banner"] == banner
            )

        def secret(*, announced: bool) -> float:
            server.forget_applied()
            began = safe.write()
            if announced:
                person.announce_secret(PLACE, safe.version)
            return follow(
                server,
                connections,
                began,
                lambda answer: answer.status != DENIED,
                HEALTH,
                lambda: dict(safe.bearer),
            )

        _some(override, 3)  # warms up
        of = f"last of {counts.workers} workers"
        for state, rate in (("idle", 0.0), ("under load", counts.rate)):
            with _traffic(server, rate):
                took = _some(override, counts.overrides)
            yield _row(f"override set -> {of} serves it, {state}", took, "override")
        person.release()
        _some(lambda: secret(announced=True), 2)
        took = _some(lambda: secret(announced=True), counts.rotations)
        yield _row(f"secret written and announced, as by rotate -> {of} uses it", took, "rotate")
        took = _some(lambda: secret(announced=False), counts.secrets, (0, PERIOD))
        what = f"secret written by anybody else -> {of} uses it, shared period {PERIOD:g} s"
        yield _row(what, took, "others")


def _some(change: Callable[[], float], count: int, pause: tuple[float, float] = PAUSE) -> list[float]:
    """Do something again and again, at random moments; the seconds that each took."""
    took = []
    for _ in range(count):
        time.sleep(random.uniform(*pause))
        took.append(change())
    return took


def _row(what: str, took: Sequence[float], name: str) -> Row:
    target, p99 = TARGETS[name], percentile(took, 99)
    return Row(f"{what}: p99", spread(took), "", None, f"p99 under {ms(target)}", p99 < target)


@contextmanager
def _traffic(server: Server, rate: float) -> Iterator[None]:
    """Load on the server, once it flows; none for a rate of 0."""
    with load(server, rate) if rate else nullcontext() as traffic:
        if traffic:
            time.sleep(0.3)
        yield
        if traffic:
            traffic.stop()


# ---- Changes under load


def _under_load(project: Project, person: Operator, counts: Counts) -> Iterator[Row]:
    """Changes in every other stretch; how many requests failed or were mixed, and how slow they were."""
    calm: list[Stretch] = []
    busy: list[Stretch] = []
    workers, changes = min(CORES, counts.workers), _changes(project, person)
    with servers.fluentpro(project, workers) as server:
        person.wait_for(workers)
        with load(server, counts.rate) as traffic:
            _stretch(server, changes, 3, counts)  # warms up
            for number in range(counts.pairs):
                for series in (calm, busy) if number % 2 else (busy, calm):
                    series.append(_stretch(server, changes, counts.changes if series is busy else 0, counts))
            samples = traffic.stop()
    failed, torn = sum(item.failed for item in samples), mixed(samples)
    number = counts.changes * counts.pairs
    what = (
        f"{len(samples)} requests at {counts.rate:g}/s to {workers} workers, {number} reloads and overrides"
    )
    yield Row(f"{what}: failed", str(failed), "", None, "0", failed == 0)
    yield Row(f"{what}: mixed reads", str(torn), "", None, "0", torn == 0)
    what = f"latency of {workers} workers with a reload or an override every {counts.period:g} s"
    for percent in (99, 50):
        with_changes, without = (
            [percentile(stretch.latencies(samples), percent) for stretch in series] for series in (busy, calm)
        )
        ours, rival = (f"p{percent} {ms(median(series))}" for series in (with_changes, without))
        measured = ratio(with_changes, without)
        row = Row(f"{what}: p{percent}", ours, f"{rival} without", measured)
        yield at_most(row.what, 1.1, row.ours, row.rival, measured) if percent == 99 else row


def _changes(project: Project, person: Operator) -> Iterator[Callable[[], object]]:
    """A file saved, an override set and unset, in turn: each changes the banner that is served."""
    return cycle(
        (
            lambda: project.save(f"file {time.monotonic_ns()}"),
            lambda: person.override(f"override {time.monotonic_ns()}"),
            person.release,
        )
    )


def _stretch(server: Server, changes: Iterator[Callable[[], object]], count: int, counts: Counts) -> Stretch:
    """Let so much time pass as the changes take, or would."""
    length = counts.changes * counts.period
    time.sleep(counts.period)  # what the stretch before left behind is no longer seen
    server.forget_applied()
    began = time.monotonic()
    for number in range(count):
        next(changes)()
        time.sleep(max(began + (number + 1) * counts.period - time.monotonic(), 0))
    time.sleep(max(began + length - time.monotonic(), 0))
    due = began + length + PATIENCE
    while server.applied.qsize() < count * server.workers and time.monotonic() < due:
        time.sleep(0.01)
    if server.applied.qsize() < count * server.workers:
        raise RuntimeError(f"{server.applied.qsize()} of {count * server.workers} changes were applied")
    return Stretch(began, began + length)
