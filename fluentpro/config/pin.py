"""One snapshot from the first to the last line of a request, a task or a message."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from fluentpro.config.snapshot import C, Snapshot

pinned: ContextVar[Snapshot[Any] | None] = ContextVar("fluentpro_pinned_snapshot", default=None)


@contextmanager
def pin(snapshot: Snapshot[C]) -> Iterator[Snapshot[C]]:
    """Hold this context to a snapshot, whatever is swapped meanwhile."""
    token = pinned.set(snapshot)
    try:
        yield snapshot
    finally:
        pinned.reset(token)
