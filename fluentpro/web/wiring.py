"""What every serving process has: Django in step with the configuration, and the threads that keep it so.

The one place where a web worker, a realtime worker, a Celery worker and its children are wired.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from enum import StrEnum

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "fluentpro.web.settings")

import django

from fluentpro.config.store import Listener
from fluentpro.health.check import Verdict
from fluentpro.process import GUARDED, boot, keeper, runtime
from fluentpro.schema import Config


class Role(StrEnum):
    """The process types."""

    WEB = "web"
    REALTIME = "realtime"
    WORKER = "worker"


def setup() -> None:
    """Start the configuration, the log and Django. Begins no thread."""
    snapshot = boot()
    django.setup(set_prefix=False)
    from fluentpro.web import bridge, logs

    logs.configure(snapshot.config, lambda: runtime().store.snapshot.digest)
    if snapshot.environment not in GUARDED:  # there, nobody needs `collectstatic`
        warnings.filterwarnings("ignore", "No directory at: ", UserWarning)
    bridge.fill()
    if snapshot.config.redis.url:
        import fluentpro.worker.queue  # noqa: F401 # from here on, `task.delay()` knows where to send it


def start(
    role: Role,
    remake: Callable[[], None] = lambda: None,
    listeners: Sequence[Listener[Config]] = (),
    *,
    checked: bool = True,
) -> None:
    """Follow the configuration in this process, after the fork; `setup` comes first.

    `remake` makes Django's middleware anew. `listeners` react after all others. A process that is not
    `checked` answers no probe, and tries no dependency.
    """
    from fluentpro.web import bridge, database, fleet, health, logs, metrics

    process = runtime()
    if process.store.boot.config.redis.url:
        from fluentpro.worker.queue import app

        listeners = [Listener("celery", app.rebind), *listeners]
    process.store.checks = [database.check]
    process.store.listeners = [
        Listener("django.conf", bridge.Bridge(process.store, remake).react),
        Listener("log", logs.rebind),
        Listener("metrics", metrics.rebind),
        *listeners,
    ]
    process.store.acknowledge = [
        logs.acknowledge,
        metrics.acknowledge,
        lambda _outcome: metrics.judge([health.config_source(process)]),
    ]
    process.warn = logs.warn
    health.keeper = keeper(logs.warn)
    metrics.started(process.store.snapshot)
    health.checker.checks = health.checks(role)
    health.checker.told = told
    database.doubted.clear()  # a child inherits its parent's
    if kept := health.keeper:
        kept.told = lambda: metrics.vault(kept)
        kept.let_go = database.drain
        kept.held = database.held
        database.doubted.append(kept.doubt)
        kept.catch_up()
        kept.start()
    fleet.join(role, health.keeper, health.healthy)
    if process.store.snapshot.config.reload.enabled:
        process.start()
    if checked:
        health.checker.start()


def told(verdict: Verdict) -> None:
    """Publish a fresh verdict, and note the first moment of readiness, asked or not."""
    from fluentpro.web import health, metrics

    metrics.judge([verdict])
    health.probes.startup()


def stop() -> None:
    """End every thread that `start` began; one that hangs is left to die with the process."""
    from fluentpro.web import fleet, health

    runtime().stop()
    fleet.leave()
    health.checker.stop()
    if health.keeper:
        health.keeper.stop()
