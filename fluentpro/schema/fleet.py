"""The fleet: every process of the service, and how they keep together."""

from __future__ import annotations

from functools import partial

from fluentpro.config.fields import Effect, Table
from fluentpro.config.fields import setting as any_setting
from fluentpro.schema.types import Name, RedisUrl, Secret

setting = partial(any_setting, effect=Effect.RESTART)


class Fleet(Table):
    """How processes tell each other of changes; without it each follows its sources alone."""

    enabled: bool = setting(False, meaning="Announce changes and acknowledge them, over Redis.")
    url: RedisUrl | None = any_setting(
        None,
        meaning="The address of the server for the fleet alone; `redis.url` where this is not set.",
        effect=Effect.REBIND,
    )
    password: Secret | None = any_setting(
        None,
        meaning="The password of `fleet.url`, kept out of the address.",
        effect=Effect.REBIND,
    )
    sentinels: tuple[Name, ...] = setting(
        (),
        meaning="The sentinels (`host:port`) that know the server; the host of the address is the "
        "name by which they know it.",
    )
    cluster: bool = setting(False, meaning="The address is that of any node of a Redis cluster.")
    release: str = setting(
        "",
        meaning="The release of a process, each a fleet of its own; FluentPro's version by default.",
        max_length=100,
    )
    heartbeat: float = setting(
        2.0, meaning="How often a process says that it is alive.", unit="s", ge=0.05, le=3600
    )
    stale_after: float = setting(
        10.0,
        meaning="After how long without such a sign a process counts as stale.",
        unit="s",
        ge=0.1,
        le=86_400,
    )
    forget_after: float = setting(
        60.0,
        meaning="After how long without such a sign a process is no longer listed.",
        unit="s",
        ge=0.1,
        le=604_800,
    )
    reconcile: float = setting(
        30.0,
        meaning="How often a process compares itself with its sources, in case an announcement was lost.",
        unit="s",
        ge=0.1,
        le=86_400,
    )
