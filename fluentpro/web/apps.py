"""What Django does once it knows its apps."""

from __future__ import annotations

from django.apps import AppConfig


class Web(AppConfig):
    """FluentPro's web application."""

    name = "fluentpro.web"

    def ready(self) -> None:
        """Let `manage.py check` know FluentPro's rules."""
        from fluentpro.web import checks  # noqa: F401 # the import registers them
