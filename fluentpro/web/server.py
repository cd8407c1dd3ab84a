"""gunicorn: the configuration is valid before it forks, and every fork starts from the last good one."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger
from gunicorn.util import import_app
from gunicorn.workers.base import Worker
from gunicorn.workers.gthread import ThreadWorker
from prometheus_client.multiprocess import mark_process_dead

from fluentpro.config.files import Fingerprint
from fluentpro.config.store import Outcome, Result
from fluentpro.process import runtime
from fluentpro.schema import Config
from fluentpro.web import database, logs

DRAIN = signal.SIGUSR2
"""From the master to its workers: stop being ready. (To the master it means: start another one.)"""
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Names the folder that the processes share; prometheus_client reads it when the first metric is made."""


def serve() -> None:
    """Serve until a signal ends it. The configuration has been started by then."""
    snapshot = runtime().store.snapshot
    logs.configure(snapshot.config, lambda: runtime().store.snapshot.digest)
    runtime().store.checks = [database.check]
    runtime().store.acknowledge = [_log_in_master]
    master, folder = os.getpid(), tempfile.mkdtemp(prefix="fluentpro-metrics-", dir=_memory())
    os.environ[METRICS_FOLDER] = folder
    try:
        Master(Server()).run()
    finally:
        if os.getpid() == master:  # a worker, forked in there, leaves by this way too
            shutil.rmtree(folder, ignore_errors=True)


class Server(BaseApplication):
    """What gunicorn is told; on SIGHUP it asks again, and gets the last good configuration."""

    def load_config(self) -> None:
        """Take the server's settings from the current snapshot."""
        server = runtime().store.snapshot.config.server
        for name, value in {
            "bind": f"{server.host}:{server.port}",
            "workers": server.workers,
            "threads": server.threads,
            "timeout": server.timeout,
            "graceful_timeout": server.graceful_timeout,
            "keepalive": server.keepalive,
            "max_requests": server.max_requests,
            "max_requests_jitter": server.max_requests_jitter,
            "worker_class": DrainingWorker,
            "logger_class": Log,
            "control_socket_disable": True,  # it has no authentication
            "worker_tmp_dir": _memory(),
            "forwarded_allow_ips": "*",  # Django decides whom it believes: django.proxy_ssl_header
            "proc_name": "fluentpro",
            "child_exit": _forget,
        }.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """The WSGI application, made in the worker."""
        return import_app("fluentpro.web.wsgi:application")

    def reload(self) -> None:
        """Answer SIGHUP: try the sources; if they are refused, go on with the last good snapshot."""
        runtime().store.reload("SIGHUP")
        super().reload()


class Master(Arbiter):
    """The arbiter, which follows the sources too: a worker that died is replaced on the current snapshot.

    It looks at the files once a second, between two signals, and needs no thread, so that nothing of
    it is half done when it forks.
    """

    seen: Fingerprint = ()
    draining_until: float | None = None

    def manage_workers(self) -> None:
        """Bring the snapshot up to date, then the number of workers."""
        self.follow()
        super().manage_workers()
        if self.draining_until is not None and time.monotonic() >= self.draining_until:
            raise StopIteration

    def follow(self) -> None:
        """Reload if a file differs from the last look."""
        now = runtime().sources.fingerprint()
        if now != self.seen:
            if self.seen:
                runtime().store.reload("file")
            self.seen = now

    def handle_term(self) -> None:
        """Begin to drain; the end comes after `server.drain_delay`, for load balancers to notice."""
        delay = runtime().store.snapshot.config.server.drain_delay
        self.kill_workers(DRAIN)
        if delay == 0 or self.draining_until is not None:
            raise StopIteration
        self.draining_until = time.monotonic() + delay


class DrainingWorker(ThreadWorker):
    """Not ready from the first word of a stop on."""

    def init_signals(self) -> None:
        """Listen for the master's word as well."""
        super().init_signals()
        signal.signal(DRAIN, self.drain)

    def drain(self, sig: int, frame: FrameType | None) -> None:
        """Fail readiness; go on serving."""
        from fluentpro.web.health import probes

        probes.draining = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop taking connections, finish the requests, end."""
        self.drain(sig, frame)
        super().handle_exit(sig, frame)


class Log(Logger):
    """gunicorn's logger without handlers of its own: its lines take our format."""

    def setup(self, cfg: Any) -> None:
        """Leave the handlers to `fluentpro.web.logs`."""
        self.error_log.propagate = True
        self.access_log.disabled = True  # our middleware logs requests, with id and digest

    def access(self, *_: Any) -> None:
        """Nothing: see `setup`."""


def _log_in_master(outcome: Outcome[Config]) -> None:
    """The workers log what they apply; the master only what it can't hand on to a new one."""
    if outcome.result is Result.REFUSED and outcome.trigger == "SIGHUP":
        logs.acknowledge(outcome)


def _forget(arbiter: Arbiter, worker: Worker) -> None:
    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def _memory() -> str | None:
    """A folder in memory, so that a full disk stops neither heartbeats nor metrics."""
    shared = Path("/dev/shm")  # noqa: S108 # the system's own shared memory, not a temporary file
    return str(shared) if shared.is_dir() and os.access(shared, os.W_OK) else None
