"""Access for operators and their tools."""

from __future__ import annotations

from fluentpro.config.fields import Table, setting
from fluentpro.schema.types import Token


class Operations(Table):
    """What opens `/health`, `/metrics` and the configuration part of the API."""

    token: Token | None = setting(
        None,
        meaning="The token that tools send as `Authorization: Bearer`; it may read and write, and works "
        "without the database.",
    )
