"""Which pages of other origins may call the API from a browser."""

from __future__ import annotations

from fluentpro.config.fields import Table, setting
from fluentpro.schema.types import Name, Origin


class Cors(Table):
    """What the browser is told about calls across origins."""

    allowed_origins: tuple[Origin, ...] = setting(
        (),
        meaning='The origins whose pages may call the API; "*" means every one.',
    )
    allow_credentials: bool = setting(True, meaning="Let such calls carry cookies.")
    allowed_methods: tuple[Name, ...] = setting(
        ("DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT"),
        meaning="The HTTP methods that such calls may use.",
    )
    allowed_headers: tuple[Name, ...] = setting(
        ("accept", "authorization", "content-type", "user-agent", "x-csrftoken", "x-requested-with"),
        meaning="The request headers that such calls may carry.",
    )

    @property
    def allow_all(self) -> bool:
        """Whether every origin may call."""
        return "*" in self.allowed_origins
