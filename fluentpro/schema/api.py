"""The JSON API's pages and limits."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final, TypeAlias

from pydantic import Field

from fluentpro.config.fields import Table, setting

Rate: TypeAlias = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,6}/(s|sec|m|min|h|hour|d|day)$")]
"""So many requests in a period: `60/min`."""

SECONDS: Final[Mapping[str, int]] = MappingProxyType({"s": 1, "m": 60, "h": 3600, "d": 86_400})
"""Seconds in a period, by its first letter."""


class Api(Table):
    """How much a client gets, and how fast."""

    page_size: int = setting(
        20,
        meaning="How many rows a page of a list holds when the client does not say.",
        unit="rows",
        overridable=True,
        ge=1,
        le=500,
    )
    throttle_anonymous: Rate = setting(
        "60/min",
        meaning="How many requests a client may make without signing in.",
        unit="requests/period",
        overridable=True,
    )
    throttle_user: Rate = setting(
        "600/min",
        meaning="How many requests a signed-in user may make.",
        unit="requests/period",
        overridable=True,
    )
    throttle_token: Rate = setting(
        "600/min",
        meaning="How many requests to the operators' API the holder of a token may make.",
        unit="requests/period",
        overridable=True,
    )
    throttle_failures: Rate = setting(
        "10/min",
        meaning="How many wrong tokens an address may send until none of its tokens is looked at.",
        unit="requests/period",
    )


def parse_rate(rate: Rate) -> tuple[int, int]:
    """How many requests, and the period in s."""
    count, _, period = rate.partition("/")
    return int(count), SECONDS[period[0]]
