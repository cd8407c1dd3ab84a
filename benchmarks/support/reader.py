"""A process that reads settings again and again and says how long a read took: `... KIND`.

It waits for a line `NAME COUNT` on its standard input and answers with ns of processor time a read.
"""

from __future__ import annotations

import subprocess
import sys
import time
import timeit
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from benchmarks.support.projects import Project

UNROLLED = 50
"""Reads in one turn of the loop, so that the loop itself costs nothing to speak of."""
THROUGH_DJANGO = "settings.ALLOWED_HOSTS"


@dataclass(frozen=True, slots=True)
class Read:
    """An expression to time, with the names it uses, and what it stands in."""

    expression: str
    names: dict[str, Any]
    within: Callable[[], AbstractContextManager[Any]] = nullcontext

    def measure(self, count: int) -> float:
        """The ns of this thread's processor time that one read takes."""
        timer = timeit.Timer("; ".join([self.expression] * UNROLLED), "", time.thread_time_ns, self.names)
        with self.within():
            return timer.timeit(max(count // UNROLLED, 1)) / (max(count // UNROLLED, 1) * UNROLLED)


def through_django() -> dict[str, Read]:
    """Django with whichever settings module the environment names."""
    import django

    django.setup()
    from django.conf import settings

    return {"django": Read(THROUGH_DJANGO, {"settings": settings})}


def through_fluentpro() -> dict[str, Read]:
    """FluentPro's settings through Django, from the snapshot in hand, and through `current`."""
    from fluentpro.config.pin import pin
    from fluentpro.process import boot, current

    snapshot = boot()
    reads = through_django()
    from fluentpro.web import bridge

    bridge.fill()
    names = {"config": snapshot.config, "current": current}
    return reads | {
        "in hand": Read("config.site.banner", names),
        "current": Read("current().site.banner", names),
        "current, pinned": Read("current().site.banner", names, lambda: pin(snapshot)),
    }


KINDS = {"plain": through_django, "dynaconf": through_django, "fluentpro": through_fluentpro}


class Reader:
    """The same process as its parent sees it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def measure(self, name: str, count: int) -> float:
        """The ns that one read takes."""
        assert self._process.stdin  # noqa: S101 # it was started with pipes
        assert self._process.stdout  # noqa: S101
        self._process.stdin.write(f"{name} {count}\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())


@contextmanager
def reader(kind: str, project: Project) -> Iterator[Reader]:
    """Start the process in a project."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.support.reader", kind],
        cwd=project.folder,
        env=project.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:  # leaving closes its input, which ends it
        yield Reader(process)


def main() -> None:
    """Answer until the input ends."""
    reads = KINDS[sys.argv[1]]()
    for line in sys.stdin:
        name, _, count = line.strip().rpartition(" ")
        print(reads[name].measure(int(count)), flush=True)


if __name__ == "__main__":
    main()
