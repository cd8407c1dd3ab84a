"""gunicorn: the configuration is valid before it forks, and every fork starts from the last good one."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from contextlib import closing
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.util import import_app

from fluentpro.config.store import Listener, Outcome, Result
from fluentpro.process import keeper, runtime
from fluentpro.schema.server import Server as Settings
from fluentpro.web import database, logs, slots
from fluentpro.web.server.master import Master
from fluentpro.web.server.worker import FollowingWorker, RealtimeWorker, WebWorker


def serve(
    ready: Callable[[], None] = lambda: None, *, port: int | None = None, realtime: bool = False
) -> None:
    """Serve until a signal ends it, at this port or else at `server.port`.

    `ready` is called once connections are taken. The configuration has been started by then.
    """
    store = runtime().store
    logs.configure(store.snapshot.config, lambda: store.snapshot.digest)
    logging.captureWarnings(True)
    store.checks = [database.check]
    store.listeners = [Listener("log", logs.rebind)]
    store.acknowledge = [_log_in_master]
    Master.keeper = keeper(logs.warn)
    with slots.folder():
        Master(Server(ready, port, realtime=realtime)).run()


class Server(BaseApplication):
    """What gunicorn is told; on SIGHUP it asks again, and gets the last good configuration."""

    def __init__(self, ready: Callable[[], None], port: int | None, *, realtime: bool) -> None:
        self.ready, self.port, self.realtime = ready, port, realtime
        self.bound: Settings | None = None
        super().__init__()

    def load_config(self) -> None:
        """Take the server's settings from the current snapshot."""
        server = self.bound = self._reachable(runtime().store.snapshot.config.server)
        host, port = self._address(server)
        for name, value in {
            "bind": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
            "workers": server.workers,
            "threads": 1 if self.realtime else server.threads,
            "timeout": server.timeout,
            "graceful_timeout": server.graceful_timeout,
            "keepalive": server.keepalive,
            "max_requests": server.max_requests,
            "max_requests_jitter": server.max_requests_jitter,
            "worker_class": RealtimeWorker if self.realtime else WebWorker,
            "asgi_lifespan": "off",
            "asgi_loop": "asyncio",
            "logger_class": Log,
            "control_socket_disable": True,  # it has no authentication
            "worker_tmp_dir": slots.memory(),
            "forwarded_allow_ips": "",  # Django alone decides whom it believes: django.proxy_ssl_header
            "proc_name": "fluentpro",
            "when_ready": lambda _arbiter: self.ready(),
            "pre_fork": _give_slot,
            "child_exit": _free_slot,
        }.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """The application, made in the worker."""
        return import_app(f"fluentpro.web.{'asgi' if self.realtime else 'wsgi'}:application")

    def reload(self) -> None:
        """Answer SIGHUP: try the sources; if they are refused, go on with the last good snapshot."""
        store = runtime().store
        store.reload("SIGHUP")
        super().reload()
        store.rebase(server=self.bound)

    def _address(self, server: Settings) -> tuple[str, int]:
        """Where to listen: a port from the command line stands above the settings, and is no part of them."""
        return server.host, self.port or server.port

    def _reachable(self, server: Settings) -> Settings:
        """The settings; with the address as it is, where the new one is taken: gunicorn would give up."""
        old, (host, port) = self.bound, self._address(server)
        if old is None or self._address(old) == (host, port) or _free(host, port):
            return server
        logs.warn("server.address_kept", f"{host} port {port} can't be listened on")
        return server.model_copy(update={"host": old.host, "port": old.port})


class Log(Logger):
    """gunicorn's logger without handlers of its own: its lines take our format."""

    def setup(self, cfg: Any) -> None:
        """Leave the handlers to `fluentpro.web.logs`."""
        self.cfg = cfg
        self.error_log.propagate = True
        self.access_log.disabled = True  # our middleware logs requests, with id and digest

    def access(self, *_: Any) -> None:
        """Nothing: see `setup`."""


def _log_in_master(outcome: Outcome[Any]) -> None:
    """The workers log what they apply and refuse; the master only what it was asked for."""
    if outcome.trigger == "SIGHUP":
        logs.acknowledge(outcome)
    elif outcome.result is Result.APPLIED:
        logs.log.debug("config.followed", generation=outcome.snapshot.generation)


def _give_slot(arbiter: Master, worker: FollowingWorker) -> None:
    taken = {other.slot for other in arbiter.WORKERS.values()}
    worker.slot = next(number for number in range(1, len(taken) + 2) if number not in taken)
    slots.clear(worker.slot)


def _free_slot(arbiter: Master, worker: FollowingWorker) -> None:
    slots.clear(worker.slot)


def _free(host: str, port: int) -> bool:
    """Whether somebody could listen on an address now."""
    with closing(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
        return True
