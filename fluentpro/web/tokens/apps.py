"""What Django knows of the tokens."""

from __future__ import annotations

from django.apps import AppConfig


class Tokens(AppConfig):
    """The table of the tokens."""

    name = "fluentpro.web.tokens"
    verbose_name = "tokens"
