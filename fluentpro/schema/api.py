"""The JSON API's pages and limits."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from fluentpro.config.fields import Table, setting

Rate: TypeAlias = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,6}/(s|sec|m|min|h|hour|d|day)$")]
"""So many requests in a period: `60/min`."""


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
