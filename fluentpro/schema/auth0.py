"""Auth0, which signs learners in; needed when `features.auth0` is on."""

from __future__ import annotations

from typing import Literal

from fluentpro.config.fields import Table, setting
from fluentpro.schema.types import HostName, Name, Secret


class Auth0(Table):
    """The tenant, and the tokens that we accept from it."""

    domain: HostName | None = setting(
        None,
        meaning='The host of the Auth0 tenant, such as "fluentpro.eu.auth0.com", without a scheme.',
    )
    client_id: Name | None = setting(None, meaning="The identifier under which Auth0 knows this service.")
    client_secret: Secret | None = setting(None, meaning="The secret that goes with the client id.")
    audience: Name = setting(
        "https://api.fluentpro.com",
        meaning="The API identifier that an accepted token names as its audience.",
    )
    algorithms: tuple[Literal["RS256"], ...] = setting(
        ("RS256",),
        meaning="The signature algorithms that an accepted token may use.",
        min_length=1,
    )

    @property
    def issuer(self) -> str | None:
        """The issuer that an accepted token names: `https://<domain>/`."""
        return f"https://{self.domain}/" if self.domain else None
