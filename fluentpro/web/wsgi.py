"""The WSGI application: Django behind one reference, so that it can be swapped whole."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "fluentpro.web.settings")

import django
from django.core.handlers.wsgi import WSGIHandler

from fluentpro.config.store import Listener
from fluentpro.process import boot, runtime

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
    made = Application()
    bridge.fill()
    process.store.checks = [database.check]
    process.store.listeners = [
        Listener("django.conf", bridge.Bridge(process.store, made.remake).react),
        Listener("log", logs.rebind),
        Listener("metrics", metrics.rebind),
    ]
    process.store.acknowledge = [logs.acknowledge, metrics.acknowledge]
    process.warn = logs.warn
    metrics.started(snapshot)
    if snapshot.config.reload.enabled:
        process.start()
    health.checker.start()
    return made


application: Any = start()
