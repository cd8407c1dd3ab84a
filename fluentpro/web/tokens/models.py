"""The table of the tokens."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Final

from django.db import models
from django.db.models import Q

from fluentpro.web.tokens.form import Scope


class Token(models.Model):
    """A token that was made: who has it, what it opens, until when; of its secret, the hash alone."""

    id: models.CharField[str, str] = models.CharField(primary_key=True, max_length=12)
    name: models.CharField[str, str] = models.CharField(max_length=40)
    scope: models.CharField[str, str] = models.CharField(
        max_length=5, choices=[(scope.value, scope.value) for scope in Scope]
    )
    hashed: models.CharField[str, str] = models.CharField(max_length=64)
    created_at: models.DateTimeField[datetime, datetime] = models.DateTimeField()
    expires_at: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField(null=True)
    revoked_at: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField(null=True)
    used_at: models.DateTimeField[datetime | None, datetime | None] = models.DateTimeField(null=True)
    """When it was last used, to some minutes."""

    objects: ClassVar[models.Manager[Token]] = models.Manager()

    class Meta:
        db_table = "fluentpro_token"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["name"], condition=Q(revoked_at__isnull=True), name="fluentpro_token_one_of_a_name"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.scope})"

    def state(self, now: datetime) -> str:
        """`active`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return REVOKED
        return EXPIRED if self.expires_at is not None and self.expires_at <= now else ACTIVE


ACTIVE: Final = "active"
EXPIRED: Final = "expired"
REVOKED: Final = "revoked"
