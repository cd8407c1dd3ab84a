"""The Django app that makes the tables."""

from __future__ import annotations

from django.apps import AppConfig


class Overrides(AppConfig):
    """The operators' overrides, and the configurations that served."""

    name = "fluentpro.web.overrides"
    label = "overrides"
