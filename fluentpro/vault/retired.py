"""Credentials that were replaced: each is given back as soon as nobody uses it, or when its time is over."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from fluentpro.vault.documents import Document

SETTLE: Final = 1.0
"""Seconds in which something may still be under way that was begun with it, and that nobody counts yet."""
LOOK: Final = 0.25
"""Seconds between two looks whether a credential is still in use."""


@dataclass(slots=True, eq=False)
class _Old:
    """One of them. Times are monotonic, in s."""

    document: Document
    free_at: float
    """From when on it may be given back if nobody uses it."""
    at: float
    """When it is given back in any case."""
    drains: list[float]
    """When to let go once more of what was being made with it while it was replaced."""


@dataclass(slots=True)
class Retired:
    """What nothing new uses. Whoever adds to it and whoever tends it may be two threads."""

    _old: list[_Old] = field(default_factory=list)

    def add(self, documents: Iterable[Document], now: float, delay: float) -> None:
        """Give them back within `delay` s; at once if that is 0."""
        settled = now + min(SETTLE, delay)
        drains = [settled, now + delay / 2] if delay else []
        self._old += [_Old(document, settled, now + delay, sorted(drains)) for document in documents]

    def drain(self, now: float) -> bool:
        """Whether it is time to let go of what is not in use just now, though made with one of them."""
        due = [item for item in self._old if item.drains and item.drains[0] <= now]
        for item in due:
            item.drains = [time for time in item.drains if time > now]
        return bool(due)

    def free(self, now: float, held: Callable[[Document], bool]) -> list[Document]:
        """Take out those that nobody holds any more, and those that have had their time."""
        free = [
            item for item in self._old if item.at <= now or not (item.free_at > now or held(item.document))
        ]
        self._old = [item for item in self._old if item not in free]
        return [item.document for item in free]

    def due(self, now: float) -> float:
        """When there may be something to do."""
        times = (min(item.at, max(item.free_at, now + LOOK), *item.drains) for item in self._old)
        return min(times, default=float("inf"))

    def forget(self) -> None:
        """Forget them: they are another process's to give back."""
        self._old = []
