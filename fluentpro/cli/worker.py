"""`fluentpro serve --process worker`: the queue is reached, and then a worker runs."""

from __future__ import annotations

import logging
import time
from typing import Final
from urllib.parse import urlsplit

from fluentpro.cli.report import end
from fluentpro.config.diagnostics import EX_CONFIG, EX_NOPERM, EX_UNAVAILABLE
from fluentpro.fleet.ping import Answer, ping
from fluentpro.process import runtime
from fluentpro.schema.redis import Redis

TASKS: Final = ("fluentpro.web.tasks",)
"""The modules whose tasks a worker runs."""
WAIT: Final = 15.0
"""Seconds to wait for a Redis that does not answer yet."""
PAUSE: Final = 0.5
"""Seconds between two tries."""


def work(port: int) -> int:
    """Run a worker until a signal ends it; the exit status."""
    reach(runtime().store.snapshot.config.redis)
    from fluentpro.web import slots

    with slots.folder():
        slot = 1
        slots.share(lambda: slot)
        from fluentpro.web import wiring

        wiring.setup()
        logging.captureWarnings(True)
        from fluentpro.web import database, health
        from fluentpro.web.application import Application
        from fluentpro.worker.serve import Parts, Worker

        application = Application()

        def start(checked: bool) -> None:
            wiring.start(wiring.Role.WORKER, application.remake, checked=checked)

        def settle(number: int) -> None:
            nonlocal slot
            slot = number + 1
            slots.clear(slot)
            database.forget()

        server = runtime().store.boot.config.server
        parts = Parts(start, wiring.stop, health.revive, settle, application, health.ALIVE, TASKS)
        worker = Worker(server.host, port, float(server.graceful_timeout), parts)
        health.probes.draining = lambda: worker.draining
        return worker.run()


def reach(redis: Redis, wait: float = WAIT) -> None:
    """Return once Redis takes our password; end the process with a clear word if it does not."""
    if redis.url is None:
        end("a worker takes its tasks from Redis, and redis.url is not set", "set it", EX_CONFIG)
    parts, until = urlsplit(redis.url), time.monotonic() + wait
    place = parts.netloc.rpartition("@")[2] or parts.path
    while (answer := ping(redis, redis.broker_db)) is not Answer.GIVEN:
        if answer is Answer.DENIED:
            fix = "`fluentpro explain redis.password` says where it comes from"
            end(f"the Redis at {place} denies the password", fix, EX_NOPERM)
        if time.monotonic() > until:
            fix = "start it, or correct redis.url"
            end(f"no answer from the Redis at {place} for {wait:g} s", fix, EX_UNAVAILABLE)
        time.sleep(PAUSE)
