"""Requests while the configuration is reloaded again and again, against the same load without reloads.

Requests come at a steady rate; a latency counts from the moment the request was due. Stretches with and
without reloads take turns, and the 99th percentiles of neighbours make a pair. The target is for as many
workers as there are cores (8 at most). Where 8 are more than the cores, it is tried with 8 as well: all
of them reload at once, on too few cores, and the latencies are shown without a target.

A failed request is one without a 200. A mixed read is an answer whose banner and digest do not belong
together, in the body or between body and header.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks.support import projects, servers
from benchmarks.support.load import Sample, load
from benchmarks.support.projects import Project
from benchmarks.support.servers import Server
from benchmarks.support.table import Row, at_most, ms, percentile, ratio

CORES = len(os.sched_getaffinity(0))
CROWD = 8
"""Workers of the second try."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How much is measured."""

    stretches: Mapping[int, int] = field(default_factory=lambda: {CROWD: 5, min(CORES, CROWD): 10})
    """For each number of workers, so many pairs of stretches, with reloads and without."""
    reloads: int = 10
    """In each stretch that has them."""
    period: float = 0.5
    """Seconds between two reloads."""
    rate: float = 150.0
    """Requests a second."""


QUICK = Counts(stretches={CROWD: 2, min(CORES, CROWD): 2}, reloads=4)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time under load, with reloads or without."""

    began: float
    ended: float

    def latencies(self, samples: Sequence[Sample]) -> list[float]:
        """The latencies in s of the requests that were due in it."""
        return [item.seconds for item in samples if self.began <= item.due < self.ended]


def measure(counts: Counts) -> Iterator[Row]:
    """Measure with each number of workers, the smallest first."""
    with projects.folder() as folder:
        project = projects.fluentpro(folder / "fluentpro")
        for workers, pairs in sorted(counts.stretches.items()):
            yield from _try(project, workers, pairs, counts)


def _try(project: Project, workers: int, pairs: int, counts: Counts) -> Iterator[Row]:
    """Put one server under load, and reload in every other stretch."""
    calm: list[Stretch] = []
    busy: list[Stretch] = []
    with servers.fluentpro(project, workers) as server, load(server, counts.rate) as traffic:
        _stretch(server, project, counts, reloads=2)  # warms up
        for number in range(pairs):
            for series in (calm, busy) if number % 2 else (busy, calm):
                series.append(_stretch(server, project, counts, counts.reloads if series is busy else 0))
        samples = traffic.stop()
    failed, torn = sum(item.failed for item in samples), mixed(samples)
    what = (
        f"{len(samples)} requests at {counts.rate:g}/s to {workers} workers, {counts.reloads * pairs} reloads"
    )
    yield Row(f"{what}: failed", str(failed), "", None, "0", failed == 0)
    yield Row(f"{what}: mixed reads", str(torn), "", None, "0", torn == 0)
    what = f"latency of {workers} workers with a reload every {counts.period:g} s"
    for percent, limit in ((99, 1.1 if workers <= CORES else None), (50, None)):
        with_reloads, without = (
            [percentile(stretch.latencies(samples), percent) for stretch in series] for series in (busy, calm)
        )
        ours, rival = (f"p{percent} {ms(median(series))}" for series in (with_reloads, without))
        measured = ratio(with_reloads, without)
        row = Row(f"{what}: p{percent}", ours, f"{rival} without", measured)
        yield at_most(row.what, limit, row.ours, row.rival, measured) if limit else row


def mixed(samples: Sequence[Sample]) -> int:
    """How many answers were not made from one configuration.

    A banner belongs to one digest and a digest to one banner, whichever pair was seen most.
    """
    answered = [item for item in samples if not item.failed]
    pairs = Counter((item.banner, item.digest) for item in answered)
    by_banner: dict[str, str] = {}
    by_digest: dict[str, str] = {}
    for (banner, digest), _ in pairs.most_common():
        by_banner.setdefault(banner, digest)
        by_digest.setdefault(digest, banner)
    return sum(
        by_banner[item.banner] != item.digest
        or by_digest[item.digest] != item.banner
        or item.header != item.digest
        for item in answered
    )


def _stretch(server: Server, project: Project, counts: Counts, reloads: int) -> Stretch:
    """Let so much time pass as the reloads take, or would."""
    length = counts.reloads * counts.period
    time.sleep(counts.period)  # what the stretch before left behind is no longer seen
    server.forget_applied()
    began = time.monotonic()
    for number in range(reloads):
        project.save(f"banner {time.monotonic_ns()}")
        time.sleep(max(began + (number + 1) * counts.period - time.monotonic(), 0))
    time.sleep(max(began + length - time.monotonic(), 0))
    applied = server.applied.qsize()
    if applied < reloads * server.workers:
        raise RuntimeError(f"{applied} of {reloads * server.workers} reloads were applied:\n{server.said()}")
    return Stretch(began, began + length)
