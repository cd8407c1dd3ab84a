"""How often somebody may do something: counted in Django's cache, so that all processes count together.

While the cache does not answer, each process counts by itself: nobody is refused for that, and nobody
gets more than the limit from one process.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog
from django.core.cache import cache
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.locmem import LocMemCache

from fluentpro.process import runtime
from fluentpro.schema.api import Rate, parse_rate

REST: Final = 5.0
"""Seconds for which a cache that failed is not asked again: no request shall wait for each timeout."""

log = structlog.stdlib.get_logger("fluentpro.api")


@dataclass(slots=True)
class Limits:
    """Counts in windows as long as a rate's period, one after the other."""

    shared: BaseCache
    clock: Callable[[], float] = time.time
    own: BaseCache = field(
        default_factory=lambda: LocMemCache("limits", {"OPTIONS": {"MAX_ENTRIES": 10_000}})
    )
    """Where this process counts alone."""
    _shut_until: float = 0.0
    _alone: bool = False

    def used_up(self, what: str, who: str, rate: Rate) -> int:
        """Seconds until somebody may again; 0 who may now. Counts nothing."""
        most, key, left = self._window(what, who, rate)
        return left if self._ask(lambda counts: int(counts.get(key) or 0)) >= most else 0

    def count(self, what: str, who: str, rate: Rate) -> int:
        """Count once; seconds until somebody may again, 0 if this once was within the limit."""
        most, key, left = self._window(what, who, rate)
        return left if self._ask(lambda counts: _increase(counts, key, 2 * left)) > most else 0

    def _window(self, what: str, who: str, rate: Rate) -> tuple[int, str, int]:
        """How often at most, the key of the present window, and the whole seconds that are left of it."""
        most, period = parse_rate(rate)
        number, into = divmod(self.clock(), period)
        environment = runtime().store.snapshot.environment
        return most, f"limit:{environment}:{what}:{who}:{period}:{number:.0f}", math.ceil(period - into)

    def _ask(self, question: Callable[[BaseCache], int]) -> int:
        if self.clock() >= self._shut_until:
            try:
                answer = question(self.shared)
            except Exception as error:  # noqa: BLE001 # whatever the cache's client raises
                self._shut_until = self.clock() + REST
                if not self._alone:
                    log.warning("api.limits_alone", cause=type(error).__name__)
                self._alone = True
            else:
                if self._alone:
                    log.info("api.limits_shared")
                self._alone = False
                return answer
        return question(self.own)


def _increase(counts: BaseCache, key: str, seconds: int) -> int:
    counts.add(key, 0, timeout=seconds)
    try:
        return counts.incr(key)
    except ValueError:  # it went between the two, as a cache may let anything go
        return 1


limits = Limits(cache)
