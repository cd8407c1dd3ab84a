"""The table of results: a row for each thing measured, against a rival, against a target."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

HEADER = ("what", "ours", "rival", "ratio: median (least to most)", "target", "met")


@dataclass(frozen=True, slots=True)
class Ratio:
    """How two things measured in pairs compare: the median of the pairs' ratios, and their range."""

    median: float
    least: float
    most: float
    pairs: int

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.least:.2f} to {self.most:.2f}), {self.pairs} pairs"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table, ready to be shown."""

    what: str
    ours: str
    rival: str = ""
    ratio: Ratio | None = None
    target: str = ""
    met: bool | None = None
    """None where there is no target."""

    def cells(self) -> tuple[str, ...]:
        """The texts of the columns."""
        verdict = {True: "yes", False: "NO", None: ""}[self.met]
        return (self.what, self.ours, self.rival, str(self.ratio or ""), self.target, verdict)


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Ratio:
    """The ratio of two series whose items were measured side by side."""
    each = [above / below for above, below in zip(numerators, denominators, strict=True)]
    return Ratio(statistics.median(each), min(each), max(each), len(each))


def at_most(what: str, limit: float, ours: str, rival: str, measured: Ratio, *, noise: float = 0.0) -> Row:
    """A row whose ratio, ours to the rival's, shall not pass a limit by more than the noise."""
    target = f"at most {limit:.1f} x" + (f" (noise: {noise:.2f})" if noise else "")
    return Row(what, ours, rival, measured, target, measured.median <= limit + noise)


def at_least(what: str, limit: float, ours: str, rival: str, measured: Ratio) -> Row:
    """A row whose ratio, the rival's to ours, shall reach a limit: how much faster we are."""
    return Row(what, ours, rival, measured, f"at least {limit:g} x faster", measured.median >= limit)


def percentile(values: Iterable[float], percent: float) -> float:
    """The least value that so many percent of all do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(math.ceil(len(ordered) * percent / 100), 1) - 1]


def ms(seconds: float) -> str:
    """A time in ms."""
    return f"{seconds * 1000:.3g} ms" if seconds < 0.1 else f"{seconds * 1000:.0f} ms"


def spread(seconds: Sequence[float]) -> str:
    """The median, the 99th percentile and the greatest of some times in s."""
    return f"p50 {ms(percentile(seconds, 50))}, p99 {ms(percentile(seconds, 99))}, most {ms(max(seconds))}"


def as_text(rows: Sequence[Row]) -> str:
    """The rows in columns, for a terminal."""
    table = [HEADER, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in table]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def as_markdown(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [HEADER, tuple("---" for _ in HEADER), *(row.cells() for row in rows)]
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |\n" for line in lines)
