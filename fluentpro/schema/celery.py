"""Celery, which runs the background work; broker and results live on Redis (`redis.broker_db`)."""

from __future__ import annotations

from typing import Literal

from fluentpro.config.fields import Effect, Table, setting
from fluentpro.schema.types import TimeZone


class Celery(Table):
    """How background tasks are written down and limited."""

    serializer: Literal["json"] = setting(
        "json",
        meaning="How tasks and results are written; JSON alone, since a pickle can run code.",
        effect=Effect.RESTART,
    )
    time_zone: TimeZone = setting("UTC", meaning="The time zone of the schedule.", effect=Effect.RESTART)
    soft_time_limit: int = setting(
        240,
        meaning="After how long a task is told to end.",
        unit="s",
        effect=Effect.RESTART,
        ge=1,
        le=86_400,
    )
    time_limit: int = setting(
        300,
        meaning="After how long a task is killed.",
        unit="s",
        effect=Effect.RESTART,
        ge=1,
        le=86_400,
    )
    result_expires: int = setting(
        3600,
        meaning="How long a result is kept.",
        unit="s",
        effect=Effect.RESTART,
        ge=1,
        le=86_400,
    )
    concurrency: int = setting(
        2,
        meaning="How many tasks one worker runs at a time.",
        unit="tasks",
        effect=Effect.RESTART,
        ge=1,
        le=256,
    )
