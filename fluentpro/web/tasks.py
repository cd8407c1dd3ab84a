"""Housekeeping that no request should wait for."""

from __future__ import annotations

from importlib import import_module

from celery import shared_task
from django.conf import settings


@shared_task(acks_late=True, ignore_result=True)  # twice does no harm: what is gone is gone
def clear_sessions() -> None:
    """Remove the sessions that have ended; the database keeps them otherwise."""
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
