"""Each rule of the validator set: what breaks it, and that a good configuration breaks none."""

from __future__ import annotations

from collections.abc import Iterator
from secrets import token_hex
from typing import Any

import pytest

from fluentpro.config.fields import settings_of
from fluentpro.config.rules import broken
from fluentpro.schema import ENVIRONMENTS, Config
from fluentpro.schema.rules import RULES

FAKE = token_hex(32)
HARDENED = {
    "django.secret_key": FAKE,
    "django.allowed_hosts": ("api.example.com",),
    "django.csrf_trusted_origins": ("https://app.example.com",),
    "django.proxy_ssl_header": True,
    "django.ssl_redirect": True,
    "django.hsts_seconds": 31_536_000,
    "django.hsts_include_subdomains": True,
    "django.hsts_preload": True,
    "operations.token": FAKE,
    "database.engine": "postgresql",
    "database.name": "fluentpro",
    "database.host": "db.example.com",
    "database.user": "fluentpro",
    "database.password": FAKE,
    "redis.url": "rediss://redis.example.com:6379",
    "cors.allowed_origins": ("https://app.example.com",),
    "email.backend": "smtp",
    "email.use_tls": True,
}
EASY = {"django.secret_key": FAKE}

UNSET: Any = object()
ANY = ENVIRONMENTS
DEPLOYED = ("staging", "production")
PRODUCTION = ("production",)

# What breaks a rule: its code and key, the environments where it counts, and the change that breaks it.
Case = tuple[str, str, tuple[str, ...], dict[str, Any]]
BREAKS: tuple[Case, ...] = (
    ("CFG401", "django.debug", DEPLOYED, {"django.debug": True}),
    ("CFG402", "django.allowed_hosts", DEPLOYED, {"django.allowed_hosts": ()}),
    ("CFG402", "django.allowed_hosts", DEPLOYED, {"django.allowed_hosts": UNSET}),
    ("CFG403", "django.allowed_hosts", DEPLOYED, {"django.allowed_hosts": ("api.example.com", "*")}),
    ("CFG404", "django.session_cookie_secure", DEPLOYED, {"django.session_cookie_secure": False}),
    ("CFG404", "django.csrf_cookie_secure", DEPLOYED, {"django.csrf_cookie_secure": False}),
    ("CFG405", "django.ssl_redirect", DEPLOYED, {"django.ssl_redirect": False}),
    ("CFG406", "django.hsts_seconds", DEPLOYED, {"django.hsts_seconds": 0}),
    ("CFG407", "django.hsts_include_subdomains", PRODUCTION, {"django.hsts_include_subdomains": False}),
    ("CFG408", "django.hsts_preload", PRODUCTION, {"django.hsts_preload": False}),
    ("CFG409", "django.secret_key", DEPLOYED, {"django.secret_key": FAKE[:49]}),
    ("CFG410", "django.secret_key", DEPLOYED, {"django.secret_key": "abcd" * 13}),
    ("CFG411", "django.secret_key", DEPLOYED, {"django.secret_key": f"django-insecure-{FAKE}"}),
    ("CFG411", "django.secret_key", DEPLOYED, {"django.secret_key": f"ChangeMe-{FAKE}"}),
    ("CFG412", "django.secret_key_fallbacks", DEPLOYED, {"django.secret_key_fallbacks": (FAKE, FAKE[:49])}),
    ("CFG412", "django.secret_key_fallbacks", DEPLOYED, {"django.secret_key_fallbacks": ("abcd" * 13,)}),
    (
        "CFG412",
        "django.secret_key_fallbacks",
        DEPLOYED,
        {"django.secret_key_fallbacks": (f"django-insecure-{FAKE}",)},
    ),
    ("CFG413", "database.engine", DEPLOYED, {"database.engine": "sqlite"}),
    ("CFG414", "logging.format", DEPLOYED, {"logging.format": "console"}),
    ("CFG415", "operations.token", DEPLOYED, {"operations.token": UNSET}),
    ("CFG416", "operations.token", DEPLOYED, {"operations.token": FAKE[:31]}),
    (
        "CFG420",
        "cors.allowed_origins",
        DEPLOYED,
        {"cors.allowed_origins": ("*",), "cors.allow_credentials": False},
    ),
    ("CFG421", "cors.allowed_origins", PRODUCTION, {"cors.allowed_origins": ("http://app.example.com",)}),
    (
        "CFG421",
        "django.csrf_trusted_origins",
        PRODUCTION,
        {"django.csrf_trusted_origins": ("http://app.example.com",)},
    ),
    ("CFG422", "cors.allow_credentials", ANY, {"cors.allowed_origins": ("*",)}),
    (
        "CFG423",
        "django.proxy_ssl_header",
        ANY,
        {"django.ssl_redirect": True, "django.proxy_ssl_header": False},
    ),
    (
        "CFG424",
        "django.hsts_preload",
        ANY,
        {
            "django.hsts_preload": True,
            "django.hsts_include_subdomains": False,
            "django.hsts_seconds": 31_536_000,
        },
    ),
    (
        "CFG425",
        "django.hsts_preload",
        ANY,
        {
            "django.hsts_preload": True,
            "django.hsts_include_subdomains": True,
            "django.hsts_seconds": 31_535_999,
        },
    ),
    ("CFG426", "email.backend", PRODUCTION, {"email.backend": "console"}),
    ("CFG426", "email.backend", PRODUCTION, {"email.backend": "memory"}),
    ("CFG427", "email.use_tls", DEPLOYED, {"email.use_tls": False}),
    ("CFG428", "email.use_ssl", ANY, {"email.use_tls": True, "email.use_ssl": True}),
    ("CFG429", "email.password", ANY, {"email.backend": "smtp", "email.user": "fluentpro"}),
    (
        "CFG430",
        "database.host",
        ANY,
        {
            "database.engine": "postgresql",
            "database.name": "fluentpro",
            "database.user": "fluentpro",
            "database.host": UNSET,
        },
    ),
    (
        "CFG430",
        "database.user",
        ANY,
        {
            "database.engine": "postgresql",
            "database.name": "fluentpro",
            "database.host": "db",
            "database.user": UNSET,
        },
    ),
    (
        "CFG431",
        "database.name",
        ANY,
        {
            "database.engine": "postgresql",
            "database.name": UNSET,
            "database.host": "db",
            "database.user": "fluentpro",
        },
    ),
    ("CFG432", "database.password", DEPLOYED, {"database.password": UNSET}),
    ("CFG433", "database.pool_min", ANY, {"database.pool_min": 9, "database.pool_max": 8}),
    ("CFG434", "database.conn_max_age", ANY, {"database.pool_max": 8, "database.conn_max_age": 60}),
    ("CFG435", "database.pool_max", ANY, {"database.pool_max": 3, "server.threads": 4}),
    ("CFG436", "database.connect_timeout", DEPLOYED, {"database.connect_timeout": 30, "server.timeout": 30}),
    ("CFG436", "database.pool_timeout", DEPLOYED, {"database.pool_timeout": 30.5, "server.timeout": 30}),
    ("CFG437", "redis.cache_db", ANY, {"redis.url": "redis://localhost", "redis.streams_db": 0}),
    ("CFG440", "redis.url", ANY, {"features.celery": True, "redis.url": UNSET}),
    ("CFG441", "redis.url", ANY, {"fleet.enabled": True, "redis.url": UNSET}),
    ("CFG442", "fleet.cluster", ANY, {"fleet.cluster": True, "fleet.sentinels": ("localhost:26379",)}),
    ("CFG450", "celery.soft_time_limit", ANY, {"celery.soft_time_limit": 300, "celery.time_limit": 300}),
    ("CFG451", "health.timeout", ANY, {"health.timeout": 5.0, "health.interval": 5.0}),
    ("CFG452", "reload.settle", ANY, {"reload.settle": 0.06, "reload.debounce": 0.05}),
    ("CFG453", "fleet.heartbeat", ANY, {"fleet.heartbeat": 10.0, "fleet.stale_after": 10.0}),
    ("CFG454", "fleet.stale_after", ANY, {"fleet.stale_after": 61.0, "fleet.forget_after": 60.0}),
)
INTEGRATIONS = {
    "auth0": {"domain": "x.auth0.com", "client_id": "x", "client_secret": FAKE},
    "supabase": {"url": "https://x.supabase.co", "anon_key": FAKE, "service_key": FAKE},
    "openai": {"api_key": FAKE},
    "azure_search": {"endpoint": "https://x.example.com", "key": FAKE},
    "azure_openai": {"endpoint": "https://x.example.com", "api_key": FAKE},
}


def configured(environment: str, changes: dict[str, Any]) -> Config:
    """A good configuration for the environment, changed."""
    base = HARDENED if environment in DEPLOYED else EASY
    nested: dict[str, dict[str, Any]] = {}
    for key, value in (base | changes).items():
        table, _, name = key.partition(".")
        if value is not UNSET:
            nested.setdefault(table, {})[name] = value
    return Config.model_validate(nested)


def findings(environment: str, changes: dict[str, Any]) -> set[tuple[str, str]]:
    """The code and key of each rule that the changed configuration breaks."""
    config = configured(environment, changes)
    return {(rule.code, ".".join(rule.path)) for rule in broken(RULES, config, environment)}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_good_configuration_breaks_no_rule(environment: str) -> None:
    assert findings(environment, {}) == set()


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"{number} {case[0]} {case[1]}") for number, case in enumerate(BREAKS, 1)]
)
def test_a_rule_is_broken_in_its_environments_and_in_no_other(case: Case) -> None:
    code, key, environments, changes = case
    for environment in ENVIRONMENTS:
        assert ((code, key) in findings(environment, changes)) == (environment in environments), environment


@pytest.mark.parametrize(
    ("feature", "key"), [(feature, key) for feature, table in INTEGRATIONS.items() for key in table]
)
def test_a_feature_that_is_on_requires_each_setting_of_its_integration(feature: str, key: str) -> None:
    given = {f"{feature}.{name}": value for name, value in INTEGRATIONS[feature].items()}
    on = {f"features.{feature}": True}
    assert findings("development", on | given) == set()
    assert findings("development", on | given | {f"{feature}.{key}": UNSET}) == {
        ("CFG440", f"{feature}.{key}")
    }
    assert findings("development", {}) == set()


def test_every_setting_that_a_feature_misses_is_reported_at_once() -> None:
    on = {f"features.{feature}": True for feature in INTEGRATIONS}
    missing = {("CFG440", f"{feature}.{key}") for feature, table in INTEGRATIONS.items() for key in table}
    assert findings("production", on) == missing


def test_every_rule_has_a_case_here() -> None:
    tried = {(code, key) for code, key, _, _ in BREAKS}
    tried |= {("CFG440", f"{feature}.{key}") for feature, table in INTEGRATIONS.items() for key in table}
    assert {(rule.code, ".".join(rule.path)) for rule in RULES} == tried


def test_a_rule_is_known_by_its_code_and_key() -> None:
    known = [(rule.code, rule.path) for rule in RULES]
    assert len(known) == len(set(known))


def test_every_rule_is_about_a_setting_and_says_what_is_wrong_and_how_to_mend_it() -> None:
    for rule in RULES:
        assert rule.path in settings_of(Config)
        assert len(rule.message) > 10, rule
        assert not rule.message.endswith("."), rule
        assert len(rule.fix) > 10, rule


def test_all_broken_rules_are_reported_together() -> None:
    worst = {
        "django.debug": True,
        "django.allowed_hosts": ("*",),
        "database.engine": "sqlite",
        "operations.token": UNSET,
    }
    assert findings("production", worst) == {
        ("CFG401", "django.debug"),
        ("CFG403", "django.allowed_hosts"),
        ("CFG413", "database.engine"),
        ("CFG415", "operations.token"),
    }


def test_a_rule_gives_the_same_answer_whichever_environment_it_saw_first() -> None:
    on = {"features.openai": True}
    for environment in (*ENVIRONMENTS, *reversed(ENVIRONMENTS)):
        assert findings(environment, on) == {("CFG440", "openai.api_key")}


def fitting() -> Iterator[tuple[str, dict[str, Any]]]:
    """What lies just on the good side of a rule."""
    yield "a database on a socket needs no password", {"database.host": "/run/pg", "database.password": UNSET}
    yield "a key of 50 characters is long enough", {"django.secret_key": FAKE[:50]}
    yield "a token of 32 characters is long enough", {"operations.token": FAKE[:32]}
    yield "a fallback as good as the key", {"django.secret_key_fallbacks": (FAKE[:50], FAKE)}
    yield "a pool as large as the threads", {"database.pool_max": 4, "database.pool_min": 4}
    yield "a kept connection without a pool", {"database.conn_max_age": 60}
    yield "a domain with its subdomains", {"django.allowed_hosts": (".example.com",)}
    yield "equal databases without a server", {"redis.url": UNSET, "redis.streams_db": 0}
    yield "mail over TLS from the first byte", {"email.use_tls": False, "email.use_ssl": True}
    yield "a mail password that no user needs", {"email.password": FAKE}
    yield "mail with user and password", {"email.user": "fluentpro", "email.password": FAKE}
    yield "files quiet for as long as they are gathered", {"reload.settle": 0.05, "reload.debounce": 0.05}


@pytest.mark.parametrize("changes", [pytest.param(changes, id=name) for name, changes in fitting()])
def test_what_lies_on_the_good_side_of_a_rule_is_taken(changes: dict[str, Any]) -> None:
    assert findings("production", changes) == set()
