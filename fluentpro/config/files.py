"""The settings files as they stood at one moment: never half of an old set and half of a new one."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

Fingerprint: TypeAlias = tuple[tuple[str, int, int, int], ...]
"""For each file: its real path, inode, time of change in ns and size; zeros where it can't be read."""

ATTEMPTS: Final = 20
"""How often a set of files that changes under our hands is read again before we give up for now."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was in each file at one moment, and by what to know whether that is still so."""

    contents: Mapping[Path, bytes | OSError]
    fingerprint: Fingerprint
    torn: bool = False
    """The files changed each time they were read: `contents` may mix two moments."""


def read(paths: Sequence[Path]) -> Reading:
    """Read all files at one moment; a file that can't be read is its `OSError`.

    A mounted Kubernetes volume changes all its files at once by moving one symbolic link, so the
    fingerprint holds real paths: reading across such a swap is noticed and done again.
    """
    before = fingerprint(paths)
    for _ in range(ATTEMPTS):
        contents = {path: _content(path) for path in paths}
        after = fingerprint(paths)
        if after == before:
            return Reading(contents, after)
        before = after
    return Reading(contents, before, torn=True)


def fingerprint(paths: Sequence[Path]) -> Fingerprint:
    """What changes when any of the files does, without reading one."""
    return tuple(_stamp(path) for path in paths)


def _stamp(path: Path) -> tuple[str, int, int, int]:
    real = os.path.realpath(path)
    try:
        stat = Path(real).stat()
    except OSError as error:
        return (real, 0, 0, -(error.errno or 1))
    return (real, stat.st_ino, stat.st_mtime_ns, stat.st_size)


def _content(path: Path) -> bytes | OSError:
    try:
        return path.read_bytes()
    except OSError as error:
        return error
