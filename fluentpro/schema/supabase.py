"""Supabase, which stores learners' files; needed when `features.supabase` is on."""

from __future__ import annotations

from fluentpro.config.fields import Table, setting
from fluentpro.schema.types import Secret, ServiceUrl


class Supabase(Table):
    """The project and its two keys."""

    url: ServiceUrl | None = setting(None, meaning="The address of the Supabase project.")
    anon_key: Secret | None = setting(None, meaning="The key for what a visitor may do.")
    service_key: Secret | None = setting(None, meaning="The key that passes every access rule.")
