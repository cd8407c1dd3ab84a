"""The database, Redis, and the integrations that a feature needs."""

from __future__ import annotations

from typing import Final

from fluentpro.config.rules import Rule
from fluentpro.schema import Config
from fluentpro.schema.rules.vocabulary import DEPLOYED, Statement, never, required

INTEGRATIONS: Final = {
    "auth0": ("auth0.domain", "auth0.client_id", "auth0.client_secret"),
    "supabase": ("supabase.url", "supabase.anon_key", "supabase.service_key"),
    "openai": ("openai.api_key",),
    "azure_search": ("azure_search.endpoint", "azure_search.key"),
    "azure_openai": ("azure_openai.endpoint", "azure_openai.api_key"),
    "celery": ("redis.url",),
}
"""What each feature needs before it can be switched on."""


def _on(feature: str) -> Statement:
    return lambda config: bool(getattr(config.features, feature))


def _postgresql(config: Config) -> bool:
    return config.database.engine == "postgresql"


def _over_network_without_password(config: Config) -> bool:
    database = config.database
    return (
        _postgresql(config)
        and database.host is not None
        and not database.host.startswith("/")
        and database.password is None
    )


def _one_database_twice(config: Config) -> bool:
    redis = config.redis
    numbers = (redis.cache_db, redis.broker_db, redis.channels_db, redis.streams_db)
    return redis.url is not None and len(set(numbers)) < len(numbers)


def _waits_too_long(key: str) -> Statement:
    return lambda config: _postgresql(config) and getattr(config.database, key) >= config.server.timeout


RULES: Final[tuple[Rule, ...]] = (
    *(
        required(
            "CFG430",
            f"database.{key}",
            "missing, and PostgreSQL needs it",
            f"set {key} in the table [database]",
            when=_postgresql,
        )
        for key in ("host", "user")
    ),
    never(
        "CFG431",
        "database.name",
        "names a SQLite file, and the engine is PostgreSQL",
        'set the name of the PostgreSQL database, such as name = "fluentpro"',
        when=lambda config: (
            _postgresql(config) and config.database.name.endswith((".sqlite3", ".sqlite", ".db", ":memory:"))
        ),
    ),
    required(
        "CFG432",
        "database.password",
        "missing, and the database is reached over the network",
        "give it in Vault, or set FLUENTPRO_DATABASE__PASSWORD",
        when=_over_network_without_password,
        env=DEPLOYED,
    ),
    never(
        "CFG433",
        "database.pool_min",
        "more than pool_max",
        "lower pool_min, or raise pool_max",
        when=lambda config: config.database.pool_min > config.database.pool_max,
    ),
    never(
        "CFG434",
        "database.conn_max_age",
        "must be 0 with a pool: Django refuses to keep connections in both ways",
        "set conn_max_age = 0, or pool_max = 0",
        when=lambda config: config.database.pool_max > 0 and config.database.conn_max_age > 0,
    ),
    never(
        "CFG435",
        "database.pool_max",
        "less than server.threads: a thread would have to wait for another one's connection",
        "raise pool_max to server.threads, or lower server.threads",
        when=lambda config: 0 < config.database.pool_max < config.server.threads,
    ),
    *(
        never(
            "CFG436",
            f"database.{key}",
            "must be less than server.timeout: the process would be replaced while it waits",
            f"lower {key}, or raise server.timeout",
            when=_waits_too_long(key),
        )
        for key in ("connect_timeout", "pool_timeout")
    ),
    never(
        "CFG437",
        "redis.cache_db",
        "two of cache_db, broker_db, channels_db and streams_db are the same: clearing the cache clears more",
        "give each a number of its own",
        when=_one_database_twice,
    ),
    *(
        required(
            "CFG440",
            key,
            f"missing, and features.{feature} is on",
            f"set {key}, or switch off features.{feature}",
            when=_on(feature),
        )
        for feature, keys in INTEGRATIONS.items()
        for key in keys
    ),
    required(
        "CFG441",
        "redis.url",
        "missing, and fleet.enabled is on: processes tell each other of changes there",
        "set redis.url or fleet.url, or fleet.enabled = false",
        when=lambda config: config.fleet.enabled and config.fleet.url is None,
    ),
    never(
        "CFG442",
        "fleet.cluster",
        "sentinels know no cluster: only one of the two can be",
        "remove fleet.sentinels, or set fleet.cluster = false",
        when=lambda config: config.fleet.cluster and bool(config.fleet.sentinels),
    ),
)
