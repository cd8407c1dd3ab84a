"""The WSGI application: Django behind one reference, so that it can be swapped whole."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "fluentpro.web.settings")

import django
from django.core.handlers.wsgi import WSGIHandler

from fluentpro.config.store import Listener
from fluentpro.health.check import Verdict
from fluentpro.process import GUARDED, boot, keeper, runtime

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class Application:
    """Answers with the current Django handler."""

    def __init__(self) -> None:
        self._handler = WSGIHandler()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Handle one request with one handler, whichever is current when it comes."""
        return self._handler(environ, start_response)

    def remake(self) -> None:
        """Make Django's middleware anew: one assignment, and no request meets a half-made chain."""
        self._handler = WSGIHandler()


def start() -> Application:
    """Make Django ready, and keep it, the log and the metrics in step with the configuration."""
    snapshot = boot()
    django.setup(set_prefix=False)
    from fluentpro.web import bridge, database, health, logs, metrics

    process = runtime()
    logs.configure(snapshot.config, lambda: process.store.snapshot.digest)
    if snapshot.environment not in GUARDED:  # there, nobody needs `collectstatic`
        warnings.filterwarnings("ignore", "No directory at: ", UserWarning)
    made = Application()
    bridge.fill()
    process.store.checks = [database.check]
    process.store.listeners = [
        Listener("django.conf", bridge.Bridge(process.store, made.remake).react),
        Listener("log", logs.rebind),
        Listener("metrics", metrics.rebind),
    ]
    process.store.acknowledge = [
        logs.acknowledge,
        metrics.acknowledge,
        lambda _outcome: metrics.judge([health.config_source(process)]),
    ]
    process.warn = logs.warn
    health.keeper = keeper(logs.warn)
    metrics.started(snapshot)
    health.checker.told = told
    if kept := health.keeper:
        kept.told = lambda: metrics.vault(kept)
        kept.let_go = database.drain
        database.doubted.append(kept.doubt)
        kept.catch_up()
        kept.start()
    if snapshot.config.reload.enabled:
        process.start()
    health.checker.start()
    return made


def told(verdict: Verdict) -> None:
    """Publish a fresh verdict, and note the first moment of readiness, asked or not."""
    from fluentpro.web import health, metrics

    metrics.judge([verdict])
    health.probes.startup()


def stop() -> None:
    """End every thread that `start` began; one that hangs is left to die with the process."""
    from fluentpro.web import health

    runtime().stop()
    health.checker.stop()
    if health.keeper:
        health.keeper.stop()


application: Any = start()
