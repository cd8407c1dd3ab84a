"""Everything FluentPro can be told: one frozen model for each table of settings.toml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import model_validator

from fluentpro.config.fields import Table
from fluentpro.schema.api import Api
from fluentpro.schema.auth0 import Auth0
from fluentpro.schema.azure import AzureOpenAI, AzureSearch
from fluentpro.schema.celery import Celery
from fluentpro.schema.cors import Cors
from fluentpro.schema.database import Database
from fluentpro.schema.django import Django
from fluentpro.schema.email import Email
from fluentpro.schema.features import Features
from fluentpro.schema.fleet import Fleet
from fluentpro.schema.health import Health
from fluentpro.schema.logging import Logging
from fluentpro.schema.openai import OpenAI
from fluentpro.schema.operations import Operations
from fluentpro.schema.redis import Redis
from fluentpro.schema.reload import Reload
from fluentpro.schema.server import Server
from fluentpro.schema.site import Site
from fluentpro.schema.supabase import Supabase
from fluentpro.schema.vault import Vault

ENVIRONMENTS = ("development", "testing", "staging", "production")
"""What ENV_FOR_DYNACONF may say; the first is what it means when it says nothing."""


class Config(Table):
    """The whole configuration of FluentPro."""

    site: Site = Site()
    django: Django
    server: Server = Server()
    operations: Operations = Operations()
    database: Database = Database()
    redis: Redis = Redis()
    celery: Celery = Celery()
    cors: Cors = Cors()
    auth0: Auth0 = Auth0()
    supabase: Supabase = Supabase()
    openai: OpenAI = OpenAI()
    azure_search: AzureSearch = AzureSearch()
    azure_openai: AzureOpenAI = AzureOpenAI()
    api: Api = Api()
    email: Email = Email()
    logging: Logging = Logging()
    features: Features = Features()
    vault: Vault = Vault()
    reload: Reload = Reload()
    health: Health = Health()
    fleet: Fleet = Fleet()

    @model_validator(mode="before")
    @classmethod
    def _report_settings_not_tables(cls, data: Any) -> Any:
        """Take a missing table as an empty one: `django.secret_key` is missing, not `django`."""
        if not isinstance(data, Mapping):
            return data
        return {name: {} for name, field in cls.model_fields.items() if field.is_required()} | dict(data)


__all__ = ["ENVIRONMENTS", "Config"]
