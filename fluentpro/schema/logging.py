"""The log."""

from __future__ import annotations

from typing import Literal

from fluentpro.config.fields import Effect, Table, setting


class Logging(Table):
    """How much is logged, and in which form."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = setting(
        "INFO",
        meaning="The least serious kind of line that is still logged.",
        effect=Effect.REBIND,
        overridable=True,
    )
    format: Literal["json", "console"] = setting(
        "json",
        meaning='The form of a line: "json" for machines, "console" for a person at a terminal.',
        effect=Effect.REBIND,
    )
