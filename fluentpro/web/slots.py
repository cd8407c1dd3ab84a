"""Where the processes of one service keep their metrics: one set of files for each slot, in memory."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Names the folder that the processes share; prometheus_client reads it."""


@contextmanager
def folder() -> Iterator[None]:
    """A folder for this process and its children, as long as the block runs."""
    owner, path = os.getpid(), tempfile.mkdtemp(prefix="fluentpro-metrics-", dir=memory())
    os.environ[FOLDER] = path
    try:
        yield
    finally:
        if os.getpid() == owner:  # a child, forked in there, leaves by this way too
            shutil.rmtree(path, ignore_errors=True)


def share(slot: Callable[[], int]) -> None:
    """Keep this process's metrics in the files of its slot: a successor goes on counting in them.

    One set of files for each process id would grow for ever, and every scrape reads all of them.
    """
    from prometheus_client import values

    Path(os.environ[FOLDER]).mkdir(mode=0o700, exist_ok=True)  # somebody may have tidied up
    values.ValueClass = values.MultiProcessValue(slot)  # type: ignore[no-untyped-call]


def clear(slot: int) -> None:
    """Let the gauges of a process that is dead vanish."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(slot)  # type: ignore[no-untyped-call]


def memory() -> str | None:
    """A folder in memory, so that a full disk stops neither heartbeats nor metrics."""
    shared = Path("/dev/shm")  # noqa: S108 # the system's own shared memory, not a temporary file
    return str(shared) if shared.is_dir() and os.access(shared, os.W_OK) else None
