"""What Django does once it knows its apps."""

from __future__ import annotations

from django.apps import AppConfig


class Web(AppConfig):
    """FluentPro's web application."""

    name = "fluentpro.web"

    def ready(self) -> None:
        """Let `manage.py check` know FluentPro's rules, and count which secret keys are needed."""
        from fluentpro.web import checks, signing  # noqa: F401 # the import of the checks registers them

        signing.watch()
