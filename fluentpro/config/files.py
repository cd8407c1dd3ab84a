"""The settings files as they stood at one moment: never half of an old set and half of a new one."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

Fingerprint: TypeAlias = tuple[tuple[str, int, int, int], ...]
"""For each file: its real path, inode, time of change in ns and size; zeros where it can't be read."""

ATTEMPTS: Final = 20
"""How often a set of files that changes under our hands is read again before we give up for now."""
TICK: Final = 0.01
"""Seconds in which two changes can bear the same time: the clock of many kernels ticks 100 times a second."""
WAITS: Final = 3
"""How often a tick is waited for, so that files which are written all the time are read all the same."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was in each file at one moment, and by what to know whether that is still so."""

    contents: Mapping[Path, bytes | OSError] = field(repr=False)
    fingerprint: Fingerprint
    torn: bool = False
    """The files changed each time they were read: `contents` may mix two moments."""


def read(
    paths: Sequence[Path],
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> Reading:
    """Read all files at one moment; a file that can't be read is its `OSError`.

    A mounted Kubernetes volume changes all its files at once by moving one symbolic link, so the
    fingerprint holds real paths: reading across such a swap is noticed and done again. A file that was
    written this very moment could be written again without a trace, so that moment is waited for.
    """
    before, waits = fingerprint(paths), WAITS
    for _ in range(ATTEMPTS):
        while waits and (pause := _newest(before) + TICK - clock()) > 0:
            waits -= 1
            sleep(min(pause, TICK))
            before = fingerprint(paths)
        contents = {path: _content(path) for path in paths}
        after = fingerprint(paths)
        if after == before:
            return Reading(contents, after)
        before = after
    return Reading(contents, before, torn=True)


def fingerprint(paths: Sequence[Path]) -> Fingerprint:
    """What changes when any of the files does, without reading one."""
    return tuple(_stamp(path) for path in paths)


def _newest(stamps: Fingerprint) -> float:
    """When the last change was, in s of Unix time."""
    return max((changed for _, _, changed, _ in stamps), default=0) / 1e9


def _stamp(path: Path) -> tuple[str, int, int, int]:
    real = str(path)
    try:
        real = os.path.realpath(path)
        stat = Path(real).stat()
    except OSError as error:
        return (real, 0, 0, -(error.errno or 1))
    except ValueError:  # a name with a null character
        return (real, 0, 0, -errno.EINVAL)
    # Not the time of modification: a change of the right to read counts too, and this one can't be set.
    return (real, stat.st_ino, stat.st_ctime_ns, stat.st_size)


def _content(path: Path) -> bytes | OSError:
    try:
        return path.read_bytes()
    except OSError as error:
        return error
    except ValueError:
        return OSError(errno.EINVAL, os.strerror(errno.EINVAL))
