"""What runs periodically. Every worker has the schedule; for each time, one of them sends the task."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final

import structlog
from celery import Celery
from celery.beat import ScheduleEntry, Scheduler
from django.core.cache import cache

JOIN: Final = 2.0
"""Seconds that `stop` waits for the thread."""
REST: Final = 30.0
"""Seconds after which the schedule is looked at again, at the latest."""
CLAIM: Final = 3600
"""Seconds for which one worker's claim keeps the others from sending the same: more than clocks differ."""

log = structlog.stdlib.get_logger("fluentpro")


class Shared(Scheduler):
    """Celery's scheduler, which sends only what no other worker has sent already."""

    def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:
        """Send a task that is due, or leave it to whoever was first."""
        try:
            mine = cache.add(f"celery:due:{entry.name}", 1, CLAIM)
        except Exception as error:  # noqa: BLE001 # whatever Redis raises; the task is due again another day
            log.error("worker.schedule_failed", entry=entry.name, cause=type(error).__name__)
            return
        if mine:
            super().apply_entry(entry, producer=producer)


class Schedule:
    """The thread that looks what is due."""

    def __init__(self, app: Celery, make: Callable[..., Scheduler] = Shared) -> None:
        self.scheduler = make(app, max_interval=REST)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="celery-schedule", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End it; returns when it has ended, or after 2 s."""
        self._stop.set()
        self._thread.join(JOIN)

    def _run(self) -> None:
        pause = 0.0
        while not self._stop.wait(pause):
            try:
                pause = max(0.0, float(self.scheduler.tick()))
            except Exception as error:  # noqa: BLE001 # the schedule outlives whatever befalls it
                log.error("worker.schedule_failed", cause=type(error).__name__)
                pause = REST
