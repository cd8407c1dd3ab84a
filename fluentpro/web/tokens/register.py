"""What is done with tokens: create, find, revoke, list."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import Q

from fluentpro.web.tokens.form import NAME, OPERATIONS, Given, Scope, hash_secret, make, parse
from fluentpro.web.tokens.models import ACTIVE, Token

COARSE: Final = timedelta(minutes=10)
"""How exact `used_at` is: so often at most, a read of the API writes to the database."""


class TokenError(Exception):
    """A token that can't be made or revoked; the text says why and what mends it."""


def now() -> datetime:
    """The time, as the table has it."""
    return datetime.now(UTC)


def create(name: str, scope: Scope, lifetime: timedelta | None, at: datetime) -> Given:
    """Make a token and keep its hash; what comes back is never to be had again.

    Raises `TokenError` if the name is not one, or belongs to a token that is in use.
    """
    if not NAME.fullmatch(name):
        raise TokenError(f"{name!r} is not a name: up to 40 letters, digits, `.`, `_`, `@` and `-`")
    if name == OPERATIONS:
        raise TokenError(f"{name!r} is the name of whoever holds operations.token; take another")
    made = make()
    row = Token(id=made.identifier, name=name, scope=scope.value, hashed=hash_secret(made.secret))
    row.created_at, row.expires_at = at, at + lifetime if lifetime else None
    try:
        with transaction.atomic():
            # The name of one that has run out is free again.
            Token.objects.filter(name=name, revoked_at=None, expires_at__lte=at).update(revoked_at=at)
            row.save(force_insert=True)
    except IntegrityError:
        raise TokenError(
            f"there is a token of the name {name!r}; take another, or `fluentpro token revoke {name}` first"
        ) from None
    return made


def find(text: str, at: datetime) -> Token | None:
    """The token that a text is, noting that it was used; None if it is none, has run out or was revoked.

    Raises `DatabaseError` where nobody can tell.
    """
    given = parse(text)
    if given is None:
        return None
    row = Token.objects.filter(pk=given.identifier).first()
    if row is None or not given.fits(row.hashed) or row.state(at) != ACTIVE:
        return None
    if row.used_at is None or at - row.used_at >= COARSE:
        stale = Q(used_at=None) | Q(used_at__lte=at - COARSE)
        with suppress(DatabaseError):  # a database that takes no writes is no reason to refuse a reader
            Token.objects.filter(stale, pk=row.pk).update(used_at=at)
    return row


def revoke(name: str, at: datetime) -> None:
    """Let the token of that name open nothing any more; raises `TokenError` if there is none."""
    if not Token.objects.filter(name=name, revoked_at=None).update(revoked_at=at):
        raise TokenError(f"there is no token of the name {name!r} to revoke; `fluentpro token list` has them")


def listed() -> Sequence[Token]:
    """Every token that was ever made, the oldest first."""
    return list(Token.objects.order_by("created_at", "id"))
