"""The Celery application: tasks and results on Redis, written as JSON."""

from __future__ import annotations

import logging
import ssl
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from celery import Celery
from celery.schedules import crontab
from celery.signals import setup_logging

from fluentpro.config.snapshot import Snapshot
from fluentpro.process import runtime
from fluentpro.schema import Config
from fluentpro.worker import messages
from fluentpro.worker.address import address
from fluentpro.worker.restore import GiveBack, connect_anew

MARGIN: Final = 60
"""Seconds beyond `celery.time_limit` after which an unanswered task is given to somebody else."""
PAUSES: Final[dict[str, Any]] = {"interval_start": 0.5, "interval_step": 0.5, "interval_max": 5.0}
"""Seconds between two tries to reach the broker: the first, by how much it grows, and the longest."""
RESULT_TRIES: Final = 9
"""How often a result is written that can't be, over about 5 s."""
LONGEST_START: Final = 60.0
"""Seconds that a child may take to start: it may have to read a Vault."""


class Queue(Celery):
    """Celery, which connects to wherever the newest snapshot says."""

    consumer: Any = None
    """What takes tasks from the queue, in the process that does."""
    beat: Callable[[], None] = staticmethod(lambda: None)
    """Says that tasks are taken; called every now and then by the loop that takes them."""

    def connection_for_read(self, url: str | None = None, **options: Any) -> Any:
        """A connection that is not made yet; where it can't be made, it is soon tried again."""
        made: Any = super().connection_for_read(url or _newest(), **options)
        made.ensure_connection = partial(made.ensure_connection, **PAUSES)  # Celery would wait up to 30 s
        return made

    def connection_for_write(self, url: str | None = None, **options: Any) -> Any:
        """A connection that is not made yet."""
        return super().connection_for_write(url or _newest(), **options)

    def rebind(self, old: Snapshot[Config], new: Snapshot[Config]) -> None:
        """Move to another server. A password needs no more than to be asked for, see `Credentials`."""
        if new.config.redis.url is None or (
            old.config.redis.url is not None and address(old.config.redis) == address(new.config.redis)
        ):
            return
        self.conf.update(encryption(new.config))
        self.backend_cls = address(new.config.redis)
        # As Celery does after a fork: whoever asks next gets new ones.
        self._pool, self._backend_cache, self._local = None, None, threading.local()
        self.amqp._producer_pool = None  # type: ignore[attr-defined]  # the stubs leave it out
        if self.consumer:
            self.consumer.call_soon(connect_anew)


def settings(config: Config, environment: str) -> dict[str, Any]:
    """What Celery is told once, when the process starts."""
    celery, redis = config.celery, config.redis
    prefix = {"global_keyprefix": f"{redis.key_prefix}:{environment}:"}
    timeouts = {"socket_timeout": redis.socket_timeout, "socket_connect_timeout": redis.connect_timeout}
    return {
        "accept_content": ["json"],
        "task_serializer": celery.serializer,
        "result_serializer": celery.serializer,
        "event_serializer": celery.serializer,
        "timezone": celery.time_zone,
        "task_soft_time_limit": celery.soft_time_limit,
        "task_time_limit": celery.time_limit,
        "result_expires": celery.result_expires,
        "worker_concurrency": celery.concurrency,
        # A child takes one task, and the next when it is done: what is not begun stays in Redis.
        "worker_prefetch_multiplier": 1,
        "worker_proc_alive_timeout": LONGEST_START,
        # A task outlives the connection that brought it: see `fluentpro.worker.restore`.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_consumer": "fluentpro.worker.restore:Taker",
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_connection_timeout": redis.connect_timeout,
        "broker_transport_options": {
            **prefix,
            **timeouts,
            "visibility_timeout": celery.time_limit + MARGIN,
        },
        "result_backend_transport_options": prefix,
        # A password that was just changed may be known here a moment later.
        "result_backend_always_retry": True,
        "result_backend_max_retries": RESULT_TRIES,
        "redis_socket_timeout": redis.socket_timeout,
        "redis_socket_connect_timeout": redis.connect_timeout,
        "beat_schedule": {
            "clear-sessions": {
                "task": "fluentpro.web.tasks.clear_sessions",
                "schedule": crontab(minute="17", hour="3"),
            }
        },
        **encryption(config),
    }


def encryption(config: Config) -> dict[str, Any]:
    """How `rediss://` is spoken: the server has to show a certificate that this machine trusts."""
    encrypted = (config.redis.url or "").startswith("rediss:")
    tls = {"ssl_cert_reqs": ssl.CERT_REQUIRED} if encrypted else None
    return {"broker_use_ssl": tls, "redis_backend_use_ssl": tls}


def _newest() -> str:
    return address(runtime().store.snapshot.config.redis)


def _make() -> Queue:
    snapshot = runtime().store.start()
    # Without the fixups: the processes are wired as every other of the service, see `fluentpro.web.wiring`.
    made = Queue("fluentpro", fixups=[], backend=address(snapshot.config.redis), set_as_current=True)
    made.conf.update(settings(snapshot.config, snapshot.environment))
    made.set_default()
    setup_logging.connect(_keep_logging, weak=False)
    messages.connect()
    made.steps["consumer"].add(GiveBack)
    return made


def _keep_logging(**_: Any) -> None:
    """Leave the log to `fluentpro.web.logs`: that somebody listens here keeps Celery from taking it over."""
    logging.getLogger("celery").propagate = True


app = _make()
