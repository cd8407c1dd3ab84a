"""The schema: what each setting takes, what it refuses, and that a refusal never shows the value."""

from __future__ import annotations

from secrets import token_hex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError
from pydantic_core import PydanticCustomError

from fluentpro.config.fields import Effect, settings_of, tables_of
from fluentpro.schema import Config, types
from fluentpro.schema.auth0 import Auth0
from fluentpro.schema.redis import Redis

FAKE = token_hex(32)
SETTINGS = settings_of(Config)
KEYS = sorted(item.key for item in SETTINGS.values())


def configured(**tables: dict[str, Any]) -> Config:
    """A configuration of defaults, with some tables given."""
    return Config.model_validate({"django": {"secret_key": FAKE}} | tables)


def refusals(key: str, value: Any) -> list[str]:
    """What is said when a setting has a value; nothing when it is taken."""
    table, _, name = key.partition(".")
    try:
        configured(**{table: {"secret_key": FAKE, name: value} if table == "django" else {name: value}})
    except ValidationError as error:
        return [item["msg"] for item in error.errors(include_input=False)]
    return []


def test_a_missing_secret_key_is_reported_as_the_setting_even_without_its_table() -> None:
    with pytest.raises(ValidationError) as caught:
        Config.model_validate({})
    assert [(item["type"], item["loc"]) for item in caught.value.errors()] == [
        ("missing", ("django", "secret_key"))
    ]


def test_everything_but_the_secret_key_has_a_default() -> None:
    assert [item.key for item in SETTINGS.values() if item.required] == ["django.secret_key"]


def test_what_is_not_a_table_is_refused_without_a_traceback() -> None:
    nothings: tuple[Any, ...] = (None, [], "text", 1)
    for nothing in nothings:
        with pytest.raises(ValidationError):
            Config.model_validate(nothing)
    assert refusals("server.port", {"a": 1})


@pytest.mark.parametrize("key", KEYS)
def test_a_setting_says_what_it_means_in_one_sentence(key: str) -> None:
    meaning = SETTINGS[tuple(key.split("."))].meaning
    assert meaning.endswith(".")
    assert meaning[0].isupper()
    assert 10 < len(meaning) < 120


def test_times_and_amounts_have_a_unit() -> None:
    bare = {
        item.key
        for item in SETTINGS.values()
        if item.annotation in (int, float) and not item.unit and not item.key.endswith(("port", "_db"))
    }
    assert bare == set()


def test_a_table_says_what_it_is() -> None:
    assert all(table.__doc__ for table in tables_of(Config).values())


def test_a_default_is_valid_where_it_is_written_out() -> None:
    for item in SETTINGS.values():
        if not item.required and item.default is not None:
            assert refusals(item.key, item.default) == [], item.key


def test_a_configuration_and_its_lists_cannot_be_changed() -> None:
    config = configured()
    with pytest.raises(ValidationError):
        config.site.banner = "changed"  # type: ignore[misc]  # the point of the test
    assert all(hash(table) is not None for _, table in config)


def test_secrets_are_the_settings_that_hold_one() -> None:
    assert {item.key for item in SETTINGS.values() if item.secret} == {
        "django.secret_key",
        "django.secret_key_fallbacks",
        "operations.token",
        "database.password",
        "redis.password",
        "auth0.client_secret",
        "fleet.password",
        "supabase.anon_key",
        "supabase.service_key",
        "openai.api_key",
        "azure_search.key",
        "azure_openai.api_key",
        "email.password",
        "vault.token",
        "vault.secret_id",
    }


def test_no_secret_can_be_overridden_and_the_harmless_switches_can() -> None:
    overridable = {item.key for item in SETTINGS.values() if item.overridable}
    assert not any(SETTINGS[tuple(key.split("."))].secret for key in overridable)
    assert overridable >= {
        "site.banner",
        "features.openai",
        "api.page_size",
        "api.throttle_user",
        "logging.level",
    }


def test_what_gunicorn_reads_once_says_that_it_takes_a_restart() -> None:
    assert {item.effect for item in SETTINGS.values() if item.path[0] == "server"} == {Effect.RESTART}


def test_the_names_that_scripts_rely_on_are_there() -> None:
    assert set(KEYS) >= {"server.workers", "server.port", "operations.token", "site.banner"}


GOOD = {
    "server.port": (1, 65535),
    "server.host": ("127.0.0.1", "0.0.0.0", "::1", "localhost", "my_service"),  # noqa: S104  # a value, not a bind
    "django.allowed_hosts": ((), ("*",), (".example.com",), ("[::1]", "127.0.0.1"), ("API.example.com",)),
    "django.csrf_trusted_origins": (("https://*.example.com",), ("http://localhost:3000",)),
    "django.hsts_seconds": (0, 31_536_000),
    "django.time_zone": ("UTC", "Europe/Berlin"),
    "django.static_url": ("/", "/static/", "https://cdn.example.com/static/"),
    "django.language_code": ("de", "en-us", "zh-hans"),
    "database.host": ("db", "10.0.0.5", "/var/run/postgresql"),
    "redis.url": (
        "redis://localhost",
        "redis://localhost:6379/0",
        "rediss://user@redis.example.com:6379",
        "unix:///run/redis.sock",
        "redis://[::1]:6379",
    ),
    "cors.allowed_origins": (("*",), ("http://localhost:3000", "https://app.example.com")),
    "auth0.domain": ("fluentpro.eu.auth0.com",),
    "supabase.url": ("https://x.supabase.co", "http://localhost:54321", "http://127.0.0.1:54321/path"),
    "api.throttle_user": ("1/s", "600/min", "1000000/day"),
    "email.from_address": ("a@example.com", "FluentPro <noreply@fluentpro.com>"),
    "logging.level": ("DEBUG", "CRITICAL"),
    "openai.timeout": (1, 0.5),
    "operations.token": (FAKE[:16],),
}
BAD = {
    "server.port": (0, 65536, -1, "8000", 80.0, True, 10**40),
    "server.workers": (0, 257, "2", 2.0, True),
    "server.host": ("", "http://localhost", "localhost:8000", "a b", "-x", "a" * 300, "x\n"),
    "site.banner": ("b" * 201, 5, ("a",)),
    "site.name": ("",),
    "django.secret_key": ("",),
    "django.debug": ("true", 1),
    "django.allowed_hosts": (
        "localhost",
        ("https://a.example.com",),
        ("a:8000",),
        ("",),
        (".",),
        ("a\n",),
        (5,),
    ),
    "django.csrf_trusted_origins": (("app.example.com",), ("https://app.example.com/",), ("*",)),
    "django.hsts_seconds": (-1, 10**40, 3600.0),
    "django.time_zone": ("Mars/Olympus", "", "../etc/passwd", "Europe", "a\x00b", "x" * 5000),
    "django.static_url": ("", "static/", "/static", "/a b/"),
    "django.language_code": ("EN-US", "english language", ""),
    "database.engine": ("mysql", "PostgreSQL", ""),
    "database.sslmode": ("on",),
    "database.pool_max": (-1, 1001),
    "redis.url": (
        "",
        "localhost:6379",
        "http://localhost",
        "redis://",
        "redis://host:99999",
        "redis://ho st",
        "unix://",
        "redis://[::1",
        "redis://host\n:6379",
    ),
    "redis.cache_db": (-1, 256),
    "redis.key_prefix": ("", "a b"),
    "cors.allowed_origins": (
        ("localhost:3000",),
        ("https://app.example.com/",),
        ("https://user@app.example.com",),
        ("ftp://x",),
        ("https://x?y",),
    ),
    "auth0.domain": ("https://fluentpro.eu.auth0.com/", "fluentpro.eu.auth0.com/"),
    "auth0.algorithms": ((), ("HS256",), ("none",)),
    "supabase.url": ("http://x.supabase.co", "x.supabase.co", "https://", "javascript:alert(1)"),
    "azure_search.api_version": ("latest", "2024-7-1"),
    "api.page_size": (0, 501),
    "api.throttle_user": ("600", "600/year", "0/s", "-1/s", "600 / min"),
    "email.from_address": (
        "",
        "noreply",
        "a@",
        "@b",
        "a b@example.com",
        "A <a@example.com>\nBcc: x@example.com",
    ),
    "logging.level": ("debug", "LOUD"),
    "openai.timeout": (0, -1, float("inf"), float("nan"), 1e300),
    "operations.token": ("", FAKE[:15]),
    "health.failures_before_down": (0,),
    "reload.settle": (0, 11),
}


@pytest.mark.parametrize("key", sorted(GOOD))
def test_a_setting_takes_what_it_should(key: str) -> None:
    for value in GOOD[key]:
        assert refusals(key, value) == [], value


@pytest.mark.parametrize("key", sorted(BAD))
def test_a_setting_refuses_what_it_should(key: str) -> None:
    for value in BAD[key]:
        assert refusals(key, value), value


@pytest.mark.parametrize("key", KEYS)
def test_a_refusal_never_shows_the_value(key: str) -> None:
    canary = f"{FAKE} // canary"
    for value in (canary, (canary,), {canary: canary}):
        assert not any(FAKE in said for said in refusals(key, value))


def outcome(check: Any, text: str) -> str:
    try:
        return str(check(text))
    except PydanticCustomError as refusal:
        helpful = refusal.message().startswith("not ") and (refusal.context or {}).get("fix")
        return "refused" if helpful else "refused without help"


@pytest.mark.parametrize(
    "check",
    [
        types.check_host,
        types.check_host_or_socket,
        types.check_host_pattern,
        types.check_origin,
        types.check_trusted_origin,
        types.check_service_url,
        types.check_redis_url,
        types.check_time_zone,
        types.check_mail_address,
    ],
)
@given(st.one_of(st.text(), st.from_regex(r"[a-z]{0,6}:?//?[\[\]@:./*\w]*")))
def test_a_form_takes_a_text_as_it_is_or_refuses_it_with_a_fix(check: Any, text: str) -> None:
    assert outcome(check, text) in (text, "refused")


def test_a_secret_says_how_long_it_must_be_and_not_how_long_it_is() -> None:
    assert refusals("operations.token", FAKE[:15]) == ["too short (at least 16 characters)"]
    assert refusals("database.password", "") == ["empty"]


def test_a_redis_address_names_the_database_and_carries_the_password() -> None:
    def location(url: str | None, password: str | None = None) -> str | None:
        return Redis(url=url, password=SecretStr(password) if password else None).location(3)

    assert location(None) is None
    assert location("redis://host:6379") == "redis://host:6379/3"
    assert location("redis://host:6379/0") == "redis://host:6379/3"
    assert location("rediss://host", "p/w@") == "rediss://:p%2Fw%40@host/3"
    assert location("rediss://user:old@host:1", "new") == "rediss://user:new@host:1/3"
    assert location("rediss://user:own@host:1") == "rediss://user:own@host:1/3"
    assert location("unix:///run/redis.sock") == "unix:///run/redis.sock?db=3"
    assert location("unix:///run/redis.sock", "pw") == "unix://:pw@/run/redis.sock?db=3"


def test_the_issuer_of_tokens_follows_from_the_domain() -> None:
    assert Auth0(domain="x.auth0.com").issuer == "https://x.auth0.com/"
    assert Auth0().issuer is None
