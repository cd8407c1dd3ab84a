"""Where a secret is kept: `@vault kv/fluentpro/production/auth0#client_secret`.

`...#secret_key@previous` stands for the values that the key had before, newest first: what was
signed with one of them is still accepted. Before them comes the value that it gets next, where there
is a key `secret_key_next` beside it: no process signs with what another does not accept yet.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_FORM = re.compile(r"@vault\s+(?P<mount>[\w.-]+)/(?P<path>[\w./-]+)#(?P<key>[\w.-]+)(?P<previous>@previous)?")

NEXT: Final = "_next"
"""Ends the key of the value that another key gets next."""


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """One document in Vault: `kv/fluentpro/production/auth0`."""

    mount: str
    path: str

    def __str__(self) -> str:
        return f"{self.mount}/{self.path}"

    @property
    def leased(self) -> bool:
        """Whether it is a credential of the database engine, which Vault makes and takes back."""
        return self.path.startswith(("creds/", "static-creds/"))

    @property
    def static(self) -> bool:
        """Whether it is a database role whose password Vault changes on a schedule."""
        return self.path.startswith("static-creds/")

    @property
    def own(self) -> bool:
        """Whether each read brings a new credential, for the reader alone."""
        return self.leased and not self.static

    @property
    def api_path(self) -> str:
        """The path that a policy has to allow."""
        return f"{self.mount}/{self.path}" if self.leased else f"{self.mount}/data/{self.path}"


@dataclass(frozen=True, slots=True)
class Pointer:
    """One value in a document."""

    location: Location
    key: str
    previous: bool = False
    """Not the value itself, but those that it replaced."""

    def __str__(self) -> str:
        return f"{self.location}#{self.key}{'@previous' if self.previous else ''}"


def parse(text: str, environment: str) -> Pointer | None:
    """The pointer that a reference names, `{env}` filled in; None if it has not the form of one."""
    match = _FORM.fullmatch(text.strip().replace("{env}", environment))
    if match is None:
        return None
    location = Location(match["mount"], match["path"].strip("/"))
    return Pointer(location, match["key"], bool(match["previous"]))
