"""Files -> "something changed": inotify on their directories, and a look at the files behind it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

# What `watchfiles.watch` is made of, one floor below it: `watch` does not say when its watches are in
# place, and what changed between the first look and that moment would go unseen.
from watchfiles._rust_notify import RustNotify, WatchfilesRustInternalError

from fluentpro.config.files import Fingerprint

POLLING: Final = 0.5
"""Seconds between two looks where the kernel gives us no watches."""
AGAIN: Final = 5.0
"""Seconds after which the kernel is asked for watches again."""
LINKS: Final = 40
"""How many symbolic links a path may lead over; the kernel follows no more either."""

Folders: TypeAlias = tuple[tuple[str, int, int], ...]
"""The directories to watch: path, device and inode, since another one may take the same place."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast changes are taken up, in s."""

    settle: float = 0.005
    """Quiet time after the last write before we look; also how often watchfiles asks whether anything came.

    An idle process pays for the asking: 0.4% of a processor at 0.005, 0.25% at 0.01, 0.07% at 0.05.
    """
    longest: float = 0.05
    """Longest time that writes which never pause are gathered: bounds the rate of reloads."""
    reconcile: float = 1.0
    """Time after which we look at the files even if nobody said a thing."""


def looks(
    paths: Callable[[], Sequence[Path]],
    stamp: Callable[[], Fingerprint],
    stop: threading.Event,
    pace: Pace,
    watching: Callable[[Exception | None], None],
) -> Iterator[bool]:
    """Yield at each look at the files whether they differ from the look before, until `stop` is set.

    Directories are watched, not files: a watch on a file sees only its first replacement. The stamp
    decides; an event is a hint, and an event that was lost is made up for by the next look. The first
    look comes when the watch is in place and always differs: what was before it, nobody knows.
    `watching` is told None when a watch is in place, and the error when there can be none.
    """
    seen: Fingerprint | None = None
    for _ in _wakes(paths, stop, pace, watching):
        now = _settled(stamp, stop, pace)
        if stop.is_set():
            return
        yield now != seen
        seen = now


def _settled(stamp: Callable[[], Fingerprint], stop: threading.Event, pace: Pace) -> Fingerprint:
    """The stamp of the files once they are quiet, or once they were not for too long."""
    until = time.monotonic() + pace.longest
    while True:
        now = stamp()
        left = min(_newest(now) + pace.settle - time.time(), until - time.monotonic())
        if left <= 0 or stop.wait(min(left, pace.settle)):
            return now


def _wakes(
    paths: Callable[[], Sequence[Path]],
    stop: threading.Event,
    pace: Pace,
    watching: Callable[[Exception | None], None],
) -> Iterator[None]:
    """Yield each time a look at the files is worth while."""
    longest, settle, reconcile = _ms(pace.longest), _ms(pace.settle), _ms(pace.reconcile)
    while not stop.is_set():
        folders = _folders(paths())
        try:
            with _notify(folders) as notify:
                watching(None)
                yield
                # A directory may have been made, moved or swapped: then the new ones are watched.
                while _folders(paths()) == folders:
                    if notify.watch(longest, settle, reconcile, stop) == "stop":
                        return
                    yield
        except FileNotFoundError:  # a directory was there a moment ago
            stop.wait(pace.settle)
        except (OSError, WatchfilesRustInternalError) as error:
            watching(error)
            yield from _polls(stop, pace)


def _notify(folders: Folders) -> RustNotify:
    """The kernel's watches on the directories themselves, or an error if it has none to give."""
    return RustNotify(
        [path for path, *_ in folders],
        debug=False,
        force_polling=False,
        poll_delay_ms=0,
        recursive=False,
        ignore_permission_denied=False,  # True hides every error, also that there are no watches left
    )


def _polls(stop: threading.Event, pace: Pace) -> Iterator[None]:
    """Yield for looks without a watch, until it is time to ask for one again."""
    until = time.monotonic() + AGAIN
    yield
    while time.monotonic() < until and not stop.wait(min(POLLING, pace.reconcile)):
        yield


def _folders(paths: Sequence[Path]) -> Folders:
    """The directories in which something must be replaced for one of the paths to mean another file."""
    return tuple(sorted({item for path in paths for item in _way(path)}))


def _way(path: Path) -> Iterator[tuple[str, int, int]]:
    """The directory of each symbolic link that a path leads over, and the last one that is there."""
    path, links = path.absolute(), 0
    at, todo = Path(path.anchor), list(path.parts[1:])
    while todo:
        name = todo.pop(0)
        try:
            target = (at / name).readlink()
        except OSError:  # no link
            if not (at / name).is_dir():
                break
            at = at.parent if name == ".." else at / name
            continue
        if os.access(at, os.R_OK):  # else an event there is lost, and the next look finds it
            yield from _known(at)
        links += 1
        if links > LINKS:
            return
        if target.is_absolute():
            at, todo = Path(target.anchor), [*target.parts[1:], *todo]
        else:
            todo = [*target.parts, *todo]
    yield from _known(at)


def _known(folder: Path) -> Iterator[tuple[str, int, int]]:
    try:
        stat = folder.stat()
    except OSError:
        return
    yield str(folder), stat.st_dev, stat.st_ino


def _newest(stamp: Fingerprint) -> float:
    """When the last change was, in s of Unix time."""
    return max((changed for _, _, changed, _ in stamp), default=0) / 1e9


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
