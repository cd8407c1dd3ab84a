"""How a token is written, made and kept: `fp_<id>_<secret>`.

The prefix lets scanners for secrets find one that strayed into a repository. The id is no secret: it
finds the row without a search by the secret, whose comparison then takes the same time wherever two
differ. Of the secret only the SHA-256 is kept. A slow hash, as passwords need, would win nothing:
nobody can try out 256 random bits, and every request would pay for it.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from enum import StrEnum
from secrets import compare_digest, token_hex
from typing import Final

PATTERN: Final = re.compile(r"fp_(?P<id>[0-9a-f]{12})_(?P<secret>[0-9a-f]{64})", re.ASCII)
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,39}", re.ASCII)
OPERATIONS: Final = "operations"
"""The name of whoever holds `operations.token`; no other token has it."""


class Scope(StrEnum):
    """What a token opens. Write implies read."""

    READ = "read"
    WRITE = "write"

    def covers(self, wanted: Scope) -> bool:
        """Whether it opens what wants that scope."""
        return self is Scope.WRITE or wanted is Scope.READ


@dataclass(frozen=True, slots=True)
class Given:
    """A token as somebody sent it: of the right form, and not yet known to be good."""

    identifier: str
    secret: str = field(repr=False)

    def fits(self, hashed: str) -> bool:
        """Whether its secret is the one that was hashed; takes the same time wherever two differ."""
        return compare_digest(hash_secret(self.secret), hashed)

    @property
    def text(self) -> str:
        """The whole token."""
        return f"fp_{self.identifier}_{self.secret}"


def make() -> Given:
    """A new token of 256 random bits."""
    return Given(token_hex(6), token_hex(32))


def parse(text: str) -> Given | None:
    """The parts of a token; None if the text has not the form of one."""
    found = PATTERN.fullmatch(text)
    return Given(found["id"], found["secret"]) if found else None


def hash_secret(secret: str) -> str:
    """What is kept of a secret: its SHA-256, in hexadecimal digits."""
    return hashlib.sha256(secret.encode()).hexdigest()
