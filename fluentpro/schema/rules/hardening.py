"""What `manage.py check --deploy` asks of Django, and what the other tables need to match it."""

from __future__ import annotations

from typing import Final

from pydantic import SecretStr

from fluentpro.config.rules import Rule
from fluentpro.schema.rules.vocabulary import DEPLOYED, PRODUCTION, must

_PLACEHOLDERS: Final = (
    "django-insecure-",
    "insecure",
    "changeme",
    "change-me",
    "placeholder",
    "development",
    "example",
)
_LONG: Final = 50
_VARIED: Final = 5
_NEW_KEY: Final = (
    f"give a new one of at least {_LONG} random characters, such as one of `openssl rand -base64 48`"
)


def _varied(key: SecretStr) -> bool:
    return len(set(key.get_secret_value())) >= _VARIED


def _own(key: SecretStr) -> bool:
    return not key.get_secret_value().casefold().startswith(_PLACEHOLDERS)


RULES: Final[tuple[Rule, ...]] = (
    must(
        "CFG401",
        "django.debug",
        "must be off in staging and production: error pages would show code and local variables",
        "set debug = false",
        eq=False,
        env=DEPLOYED,
    ),
    must(
        "CFG402",
        "django.allowed_hosts",
        "must name a host in staging and production: without one, every request is refused",
        'name the hosts that this service answers to, such as allowed_hosts = ["api.example.com"]',
        len_min=1,
        env=DEPLOYED,
    ),
    must(
        "CFG403",
        "django.allowed_hosts",
        'must not hold "*" in staging and production: anyone could choose the host in links that we send',
        'name the hosts instead of "*"; ".example.com" takes in the subdomains',
        condition=lambda hosts: "*" not in hosts,
        env=DEPLOYED,
    ),
    *(
        must(
            "CFG404",
            f"django.{cookie}",
            "must be on in staging and production: the cookie would travel over plain HTTP",
            f"set {cookie} = true",
            eq=True,
            env=DEPLOYED,
        )
        for cookie in ("session_cookie_secure", "csrf_cookie_secure")
    ),
    must(
        "CFG405",
        "django.ssl_redirect",
        "must be on in staging and production: pages would be served over plain HTTP",
        "set ssl_redirect = true",
        eq=True,
        env=DEPLOYED,
    ),
    must(
        "CFG406",
        "django.hsts_seconds",
        "must be more than 0 in staging and production: browsers would try plain HTTP first",
        "set hsts_seconds = 3600 to begin with, and 31536000 once every page works over HTTPS",
        gte=1,
        env=DEPLOYED,
    ),
    must(
        "CFG407",
        "django.hsts_include_subdomains",
        "must be on in production: a subdomain over plain HTTP could set this host's cookies",
        "set hsts_include_subdomains = true",
        eq=True,
        env=PRODUCTION,
    ),
    must(
        "CFG408",
        "django.hsts_preload",
        "must be on in production: a browser's very first visit would be over plain HTTP",
        "set hsts_preload = true",
        eq=True,
        env=PRODUCTION,
    ),
    must(
        "CFG409",
        "django.secret_key",
        f"too short for staging and production: it must have at least {_LONG} characters",
        _NEW_KEY,
        len_min=_LONG,
        env=DEPLOYED,
    ),
    must(
        "CFG410",
        "django.secret_key",
        f"too easy to guess for staging and production: it has fewer than {_VARIED} different characters",
        _NEW_KEY,
        condition=_varied,
        env=DEPLOYED,
    ),
    must(
        "CFG411",
        "django.secret_key",
        "begins like a placeholder, and a placeholder can be read in public",
        _NEW_KEY,
        condition=_own,
        env=DEPLOYED,
    ),
    must(
        "CFG412",
        "django.secret_key_fallbacks",
        "one of them is short, easy to guess or a placeholder, and what it signs is still accepted",
        "take that key out: a fallback must be as good as the secret key",
        condition=lambda keys: all(len(key) >= _LONG and _varied(key) and _own(key) for key in keys),
        env=DEPLOYED,
    ),
    must(
        "CFG413",
        "database.engine",
        "must be PostgreSQL in staging and production: SQLite serves one machine and one writer",
        'set engine = "postgresql", with host, name, user and password',
        eq="postgresql",
        env=DEPLOYED,
    ),
    must(
        "CFG414",
        "logging.format",
        "must be JSON in staging and production: what collects the log reads one object a line",
        'set format = "json"',
        eq="json",
        env=DEPLOYED,
    ),
    must(
        "CFG415",
        "operations.token",
        "missing, and staging and production need it for /health, /metrics and the API",
        "give it in Vault, or set FLUENTPRO_OPERATIONS__TOKEN to one of `openssl rand -hex 32`",
        must_exist=True,
        env=DEPLOYED,
    ),
    must(
        "CFG416",
        "operations.token",
        "too short for staging and production: it must have at least 32 characters",
        "give a new one, such as one of `openssl rand -hex 32`",
        len_min=32,
        env=DEPLOYED,
    ),
)
