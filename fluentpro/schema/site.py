"""What every visitor of the API and the console sees."""

from __future__ import annotations

from fluentpro.config.fields import Table, setting
from fluentpro.schema.types import Name


class Site(Table):
    """How the service presents itself."""

    name: Name = setting("FluentPro", meaning="The name of the service, as the API and the console show it.")
    banner: str = setting(
        "Welcome to FluentPro",
        meaning="The text that the API and the console show on top: the simplest setting to change live.",
        overridable=True,
        max_length=200,
    )
