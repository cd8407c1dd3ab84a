"""The background checker behind the probes."""

from __future__ import annotations

from fluentpro.config.fields import Table, setting


class Health(Table):
    """How often dependencies are tried, and when one counts as down."""

    interval: float = setting(
        5.0, meaning="How often each dependency is tried.", unit="s", overridable=True, ge=0.05, le=3600
    )
    timeout: float = setting(
        2.0, meaning="How long one try may take.", unit="s", overridable=True, ge=0.01, le=600
    )
    failures_before_down: int = setting(
        2,
        meaning="How many tries in a row must fail before a dependency counts as down.",
        unit="tries",
        overridable=True,
        ge=1,
        le=100,
    )
