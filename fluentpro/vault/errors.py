"""What can go wrong between us and a Vault: each its own code, with the fix; never a response's text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

from fluentpro.config.diagnostics import EX_CONFIG, EX_NOPERM, EX_UNAVAILABLE


class Kind(Enum):
    """A kind of failure: its code, its title, the exit status of a start that ends with it."""

    DENIED = ("CFG301", "Vault denied a read", EX_NOPERM)
    UNREACHABLE = ("CFG302", "Vault does not answer", EX_UNAVAILABLE)
    SEALED = ("CFG303", "Vault is sealed", EX_UNAVAILABLE)
    MISSING = ("CFG304", "Secret not in Vault", EX_CONFIG)
    DELETED = ("CFG305", "Secret deleted", EX_CONFIG)
    LOGIN = ("CFG306", "Vault refused the login", EX_NOPERM)
    SPENT = ("CFG307", "Secret id or wrapping token used up", EX_NOPERM)
    UNTRUSTED = ("CFG308", "Vault's certificate not trusted", EX_CONFIG)
    STRANGER = ("CFG309", "Not a Vault", EX_CONFIG)
    UNINITIALISED = ("CFG310", "Vault not initialised", EX_UNAVAILABLE)
    MALFORMED = ("CFG311", "Malformed reference", EX_CONFIG)
    NO_TEXT = ("CFG312", "Secret is not a text", EX_CONFIG)
    UNCONFIGURED = ("CFG313", "Vault not configured", EX_CONFIG)
    OVERLOADED = ("CFG314", "Vault overloaded or failing", EX_UNAVAILABLE)

    @property
    def code(self) -> str:
        """The stable code: `CFG301`."""
        return self.value[0]

    @property
    def title(self) -> str:
        """The heading in the documentation."""
        return self.value[1]

    @property
    def status(self) -> int:
        """The exit status (sysexits.h) of a start that ends with it."""
        return self.value[2]

    @property
    def passing(self) -> bool:
        """Whether waiting may help."""
        return self.status == EX_UNAVAILABLE


CODES: Final[Mapping[str, str]] = MappingProxyType({kind.code: kind.title for kind in Kind})
"""Every code of this package and its title."""


@dataclass(eq=False)
class VaultError(Exception):
    """A request that did not bring what was asked for. Its texts are safe to show."""

    kind: Kind
    message: str
    fix: str = ""
    retry_after: float = 0.0
    """Seconds that the Vault asked us to wait."""

    def __str__(self) -> str:
        return f"{self.kind.code} {self.message}"
