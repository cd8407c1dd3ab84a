"""Files -> "something changed": inotify on their directories, and a look at the files behind it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from watchfiles import watch

from fluentpro.config.files import Fingerprint

POLLING: Final = 0.5
"""Seconds between two looks where the kernel gives us no watches."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast changes are taken up, in s."""

    settle: float = 0.005
    """Quiet time after the last write before we look."""
    longest: float = 0.05
    """Longest time that writes which never pause are gathered: bounds the rate of reloads."""
    reconcile: float = 5.0
    """Time after which we look at the files even if nobody said a thing."""


def changes(
    paths: Callable[[], Sequence[Path]],
    stamp: Callable[[], Fingerprint],
    stop: threading.Event,
    pace: Pace,
    degraded: Callable[[OSError], None],
) -> Iterator[None]:
    """Yield once for each time that the files differ from the time before, until `stop` is set.

    Directories are watched, not files: a watch on a file sees only its first replacement. The stamp
    decides; an event is a hint, and an event that was lost is made up for by the next look.
    """
    seen = stamp()
    for _ in _looks(paths, stop, pace, degraded):
        now = stamp()
        if now != seen:
            seen = now
            yield


def _looks(
    paths: Callable[[], Sequence[Path]],
    stop: threading.Event,
    pace: Pace,
    degraded: Callable[[OSError], None],
) -> Iterator[None]:
    """Yield each time a look at the files is worth while."""
    told = False
    while not stop.is_set():
        folders = _folders(paths())
        try:
            for _ in watch(
                *folders,
                watch_filter=None,
                debounce=_ms(pace.longest),
                step=_ms(pace.settle),
                rust_timeout=_ms(pace.reconcile),
                yield_on_timeout=True,
                stop_event=stop,
                raise_interrupt=False,
                recursive=False,
            ):
                yield
                if _folders(paths()) != folders:
                    break  # a directory was made, moved or swapped: watch the new ones
        except OSError as error:
            if not told:
                told = True
                degraded(error)
            until = time.monotonic() + max(pace.reconcile, POLLING)
            while time.monotonic() < until and not stop.wait(min(POLLING, pace.reconcile)):
                yield
        else:
            yield


def _folders(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The directories to watch: where each file stands, and where its links lead to."""
    found: set[Path] = set()
    for path in paths:
        for folder in (path.parent, path.parent.resolve(), path.resolve().parent):
            if folder.is_dir():
                found.add(folder)
    return tuple(sorted(found))


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
