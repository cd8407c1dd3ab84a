"""The fleet: every process of the service, and how they keep together."""

from __future__ import annotations

from functools import partial

from fluentpro.config.fields import Effect, Table
from fluentpro.config.fields import setting as any_setting

setting = partial(any_setting, effect=Effect.RESTART)


class Fleet(Table):
    """How processes tell each other of changes; without it each follows its sources alone."""

    enabled: bool = setting(False, meaning="Announce changes and acknowledge them, over Redis.")
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
    reconcile: float = setting(
        30.0,
        meaning="How often a process compares itself with the fleet, in case an announcement was lost.",
        unit="s",
        ge=0.1,
        le=86_400,
    )
