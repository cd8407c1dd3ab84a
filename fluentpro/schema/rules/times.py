"""Times that contradict each other."""

from __future__ import annotations

from typing import Final

from fluentpro.config.rules import Rule
from fluentpro.schema.rules.vocabulary import never

RULES: Final[tuple[Rule, ...]] = (
    never(
        "CFG450",
        "celery.soft_time_limit",
        "must be less than time_limit: a task would be killed before it is told to end",
        "lower soft_time_limit, or raise time_limit",
        when=lambda config: config.celery.soft_time_limit >= config.celery.time_limit,
    ),
    never(
        "CFG451",
        "health.timeout",
        "must be less than interval: a check would still run when the next one is due",
        "lower timeout, or raise interval",
        when=lambda config: config.health.timeout >= config.health.interval,
    ),
    never(
        "CFG452",
        "reload.settle",
        "more than debounce: the files could not be quiet for long enough",
        "lower settle, or raise debounce",
        when=lambda config: config.reload.settle > config.reload.debounce,
    ),
    never(
        "CFG453",
        "fleet.heartbeat",
        "must be less than stale_after: a healthy process would count as stale",
        "lower heartbeat, or raise stale_after",
        when=lambda config: config.fleet.heartbeat >= config.fleet.stale_after,
    ),
    never(
        "CFG454",
        "fleet.stale_after",
        "more than forget_after: a process would be gone before it could be seen to be stale",
        "lower stale_after, or raise forget_after",
        when=lambda config: config.fleet.stale_after > config.fleet.forget_after,
    ),
)
