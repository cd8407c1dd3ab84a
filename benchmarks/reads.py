"""Reading a setting: through Django, from the snapshot in hand, through `current()`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median

from benchmarks.support import projects
from benchmarks.support.reader import THROUGH_DJANGO, Reader, reader
from benchmarks.support.table import Ratio, Row, at_most, ratio

NOISE = 0.03
"""By how much two processes that do the very same thing may differ."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How much is measured."""

    rounds: int = 25
    reads: int = 100_000
    """In each round, of each kind."""


QUICK = Counts(rounds=5, reads=20_000)


def measure(counts: Counts) -> Iterator[Row]:
    """Time each kind of read in turn, round after round, each in a process of its own."""
    with projects.folder() as folder, ExitStack() as stack:
        ours = projects.fluentpro(folder / "fluentpro")
        plain = projects.plain(folder / "plain", ours)
        django = stack.enter_context(reader("plain", plain))
        again = stack.enter_context(reader("plain", plain))
        extension = stack.enter_context(reader("dynaconf", projects.dynaconf(folder / "dynaconf")))
        bridged = stack.enter_context(reader("fluentpro", ours))
        kinds: dict[str, tuple[Reader, str]] = {
            "plain": (django, "django"),
            "plain again": (again, "django"),
            "dynaconf": (extension, "django"),
            "bridged": (bridged, "django"),
            "in hand": (bridged, "in hand"),
            "current": (bridged, "current"),
            "current, pinned": (bridged, "current, pinned"),
        }
        series: dict[str, list[float]] = {kind: [] for kind in kinds}
        for number in range(counts.rounds + 1):
            for kind, (process, name) in kinds.items():
                took = process.measure(name, counts.reads)
                if number:  # the first round warms up
                    series[kind].append(took)
    yield from _rows(series)


def _rows(series: dict[str, list[float]]) -> Iterator[Row]:
    def shown(kind: str) -> str:
        return f"{median(series[kind]):.0f} ns"

    def against_plain(kind: str) -> Ratio:
        return ratio(series[kind], series["plain"])

    def row(what: str, kind: str, limit: float, noise: float = 0.0) -> Row:
        rival = f"{shown('plain')} plain Django"
        return at_most(what, limit, shown(kind), rival, against_plain(kind), noise=noise)

    yield row(f"read {THROUGH_DJANGO}, kept by the bridge", "bridged", 1.0, NOISE)
    for kind, label in (("dynaconf", "dynaconf's Django extension"), ("plain again", "plain Django")):
        text = f"for comparison: the same read in {label}"
        yield Row(text, shown(kind), f"{shown('plain')} plain Django", against_plain(kind))
    yield row("read config.site.banner, snapshot in hand", "in hand", 0.3)
    yield row("read current().site.banner, no pin", "current", 0.8)
    yield row("read current().site.banner in a pin", "current, pinned", 0.8)
