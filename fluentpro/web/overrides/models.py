"""What the tables hold. Rows are only added; a stage moves once, from canary to everyone or taken back."""

from __future__ import annotations

from django.db import models


class Revision(models.Model):
    """All overrides after one change of them."""

    number: models.IntegerField[int, int] = models.IntegerField(primary_key=True)
    made_at: models.FloatField[float, float] = models.FloatField(help_text="Unix time in s.")
    author: models.CharField[str, str] = models.CharField(max_length=100)
    reason: models.CharField[str, str] = models.CharField(max_length=500)
    change = models.JSONField(help_text="What this revision did.")
    entries = models.JSONField(help_text="Each overridden key with value, author, reason, since and until.")
    stage: models.CharField[str, str] = models.CharField(
        max_length=20, help_text="everyone, canary or taken back."
    )
    canary = models.JSONField(help_text="The processes that take it first.")

    class Meta:
        ordering = ("-number",)

    def __str__(self) -> str:
        return f"revision {self.number} by {self.author}"


class Applied(models.Model):
    """A configuration that served, without its secrets."""

    digest: models.CharField[str, str] = models.CharField(max_length=64, primary_key=True)
    environment: models.CharField[str, str] = models.CharField(max_length=50)
    release: models.CharField[str, str] = models.CharField(max_length=100)
    previous: models.CharField[str, str] = models.CharField(max_length=64)
    trigger: models.CharField[str, str] = models.CharField(max_length=50)
    first_seen: models.FloatField[float, float] = models.FloatField(help_text="Unix time in s.")
    changes = models.JSONField(help_text="What differs from the previous one.")
    settings = models.JSONField(help_text="Each key's value and origin, a secret as its mark.")

    class Meta:
        ordering = ("-first_seen",)
        verbose_name_plural = "applied"

    def __str__(self) -> str:
        return self.digest
