"""The gunicorn server; it reads its settings once, when it starts."""

from __future__ import annotations

from functools import partial

from fluentpro.config.fields import Effect, Table
from fluentpro.config.fields import setting as any_setting
from fluentpro.schema.types import HostName, Port

setting = partial(any_setting, effect=Effect.RESTART)


class Server(Table):
    """How many processes and threads serve, and where."""

    host: HostName = setting(
        "127.0.0.1",
        meaning='The address to listen on: "127.0.0.1" for this machine only, "0.0.0.0" for every network.',
    )
    port: Port = setting(8000, meaning="The TCP port to listen on.")
    workers: int = setting(2, meaning="The number of server processes.", unit="processes", ge=1, le=256)
    threads: int = setting(4, meaning="The number of threads in each process.", unit="threads", ge=1, le=256)
    timeout: int = setting(
        30,
        meaning="How long a process may show no sign of life before it is replaced.",
        unit="s",
        ge=1,
        le=3600,
    )
    graceful_timeout: int = setting(
        30,
        meaning="How long a process may take to finish its requests when it is asked to end.",
        unit="s",
        ge=1,
        le=3600,
    )
    drain_delay: int = setting(
        0,
        meaning="How long after SIGTERM new connections are still taken, while readiness already fails.",
        unit="s",
        ge=0,
        le=300,
    )
    keepalive: int = setting(
        5,
        meaning="How long an idle connection stays open for the next request.",
        unit="s",
        ge=0,
        le=3600,
    )
    max_requests: int = setting(
        0,
        meaning="After how many requests a process is replaced by a fresh one; 0 means never.",
        unit="requests",
        ge=0,
        le=10_000_000,
    )
    max_requests_jitter: int = setting(
        0,
        meaning="Up to how many requests later at random, so that not all processes are replaced together.",
        unit="requests",
        ge=0,
        le=10_000_000,
    )
