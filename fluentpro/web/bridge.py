"""Snapshot -> django.conf: after a swap, each changed setting is current everywhere in Django.

`django.conf.settings` keeps every value that was read in its own `__dict__` and would look a missing
one up again. We fill that dict once, before there are threads; from then on a change is one
assignment for each key, a reader finds the old value or the new one, and reading costs what it
costs in plain Django. (Swapping `settings._wrapped` empties that dict first: see decision 0003.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from asgiref.local import Local
from django.conf import settings
from django.core.cache import caches

from fluentpro.config.fields import Effect, settings_of
from fluentpro.config.snapshot import Snapshot, value_at
from fluentpro.config.store import Store
from fluentpro.schema import Config
from fluentpro.web import database
from fluentpro.web.settings import derived

COPIED = frozenset(
    {
        "CSRF_TRUSTED_ORIGINS",
        "SECURE_HSTS_INCLUDE_SUBDOMAINS",
        "SECURE_HSTS_PRELOAD",
        "SECURE_HSTS_SECONDS",
        "SECURE_SSL_REDIRECT",
    }
)
"""What Django's middleware copies when it is made."""


def fill() -> None:
    """Let no later read of a setting go past `settings.__dict__`. Call it before there are threads."""
    for name in dir(settings):
        if name.isupper():
            getattr(settings, name)


class Bridge:
    """Carries each swap over to Django."""

    def __init__(self, store: Store[Config], remake_handler: Callable[[], None]) -> None:
        self._store = store
        self._remake_handler = remake_handler

    def react(self, old: Snapshot[Config], new: Snapshot[Config]) -> None:
        """Assign what changed, then rebuild what Django made of it."""
        boot = self._store.boot.config
        changed = changes(derived(_effective(old.config, boot)), derived(_effective(new.config, boot)))
        assign(changed)
        if "CACHES" in changed:
            _renew_caches()
        if "DATABASES" in changed:
            database.renew()
        elif old.config.database != new.config.database:
            database.drain()
        if changed.keys() & COPIED:
            self._remake_handler()


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The Django settings that differ, with their new values, in the order of derivation."""
    return {name: value for name, value in new.items() if value != old[name]}


def assign(changed: Mapping[str, Any]) -> None:
    """Make each value current for every reader: one assignment for each key, never a moment without it."""
    holder = settings._wrapped  # django.conf has no public way to change a setting
    for name, value in changed.items():
        holder.__dict__[name] = value
        settings.__dict__[name] = value


def _effective(config: Config, boot: Config) -> Config:
    """The configuration as Django has it: what needs a restart is still as it was at the start."""
    for path, item in settings_of(Config).items():
        if item.effect is Effect.RESTART and value_at(config, path) != value_at(boot, path):
            table, name = path
            kept = getattr(config, table).model_copy(update={name: value_at(boot, path)})
            config = config.model_copy(update={table: kept})
    return config


def _renew_caches() -> None:
    """Each thread makes its caches anew on its next use, as `django.test.signals` does."""
    caches.__dict__["settings"] = caches.configure_settings(None)
    caches._connections = Local(caches.thread_critical)  # type: ignore[attr-defined]  # the stubs leave it out
