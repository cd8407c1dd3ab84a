"""What opens the API: a good token, and nothing else."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.conftest import Launch
from tests.support.inside import Inside
from tests.support.project import Project
from tests.web.api.conftest import Make

PAGES = ("/api/v1/config", "/api/v1/config/explain/site.banner", "/api/v1/config/explain/database")


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("given", [None, "Bearer", "Bearer wrong", "Basic {token}", "Bearer {token}x"])
def test_without_a_good_token_nothing_is_told(inside: Inside, path: str, given: str | None) -> None:
    headers = {} if given is None else {"Authorization": given.format(token=inside.project.token)}
    with inside.client() as client:
        answer = client.get(path, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="operations"'
    body = answer.json()
    assert (body["status"], body["title"]) == (401, "Unauthorized")
    assert "fluentpro token create" in body["fix"]
    assert body["request_id"] == answer.headers["X-Request-ID"]


@pytest.mark.parametrize("path", [*PAGES, "/health", "/metrics"])
@pytest.mark.parametrize("scope", ["read", "write"])
def test_a_token_of_either_scope_may_read(inside: Inside, make: Make, path: str, scope: str) -> None:
    with inside.client() as client:
        assert client.get(path, headers=make("anna", scope)).status_code == 200
        assert client.get(path, headers=inside.bearer).status_code == 200


def test_a_name_is_free_again_once_its_token_has_run_out(inside: Inside, make: Make) -> None:
    from fluentpro.web.tokens.register import TokenError

    make("anna", "read", timedelta(hours=1), 3601)
    new = make("anna", "write")
    with inside.client() as client:
        assert client.get("/api/v1/config", headers=new).status_code == 200
    with pytest.raises(TokenError, match="there is a token of the name 'anna'"):
        make("anna")
    for wrong in ("operations", "an na", ""):
        with pytest.raises(TokenError):
            make(wrong)


def test_a_token_that_is_revoked_or_past_its_end_opens_nothing(inside: Inside, make: Make) -> None:
    from fluentpro.web.tokens import register

    good, late = make("anna"), make("late", "read", timedelta(hours=1), 3601)
    with inside.client() as client:
        assert client.get("/api/v1/config", headers=late).status_code == 401
        assert client.get("/api/v1/config", headers=good).status_code == 200
        register.revoke("anna", register.now())
        assert client.get("/api/v1/config", headers=good).status_code == 401


def test_one_wrong_digit_is_a_wrong_token(inside: Inside, make: Make) -> None:
    text = make("anna")["Authorization"]
    flipped = text[:-1] + ("0" if text[-1] != "0" else "1")
    other_id = re.sub(r"fp_.{12}", "fp_000000000000", text)
    with inside.client() as client:
        for wrong in (flipped, other_id, text.upper(), f"{text} ", text.replace("fp_", "")):
            assert client.get("/api/v1/config", headers={"Authorization": wrong}).status_code == 401, wrong


def test_a_session_of_a_member_of_the_staff_opens_nothing(inside: Inside) -> None:
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.auth.models import User
    from django.contrib.sessions.backends.db import SessionStore

    user = User.objects.create_superuser("anna", password="x")
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    try:
        with inside.client() as client:
            cookies = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={session.session_key}"}
            assert client.get("/admin/", headers=cookies).status_code == 200
            assert client.get("/api/v1/config", headers=cookies).status_code == 401
    finally:
        user.delete()
        session.delete()


def test_where_the_database_is_away_the_operations_token_works_and_another_can_t_be_told(
    inside: Inside, make: Make
) -> None:
    anna = make("anna")
    path = inside.project.root / "testing.sqlite3"
    with inside.client() as client, closing(sqlite3.connect(path, timeout=10)) as connection:
        connection.execute("ALTER TABLE fluentpro_token RENAME TO hidden")
        connection.commit()
        try:
            assert client.get("/api/v1/config", headers=inside.bearer).status_code == 200
            refused = client.get("/api/v1/config", headers=anna)
            pages = [client.get(path, headers=anna) for path in ("/health", "/metrics")]
        finally:
            connection.execute("ALTER TABLE hidden RENAME TO fluentpro_token")
            connection.commit()
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        assert "operations.token" in refused.json()["fix"]
        assert [page.status_code for page in pages] == [503, 503]
        assert client.get("/api/v1/config", headers=anna).status_code == 200


def test_when_a_token_was_used_is_written_down_now_and_then(inside: Inside, make: Make) -> None:
    from fluentpro.web.tokens import register
    from fluentpro.web.tokens.models import Token

    anna = make("anna")
    assert Token.objects.get(name="anna").used_at is None
    with inside.client() as client:
        client.get("/api/v1/config", headers=anna)
        first = Token.objects.get(name="anna").used_at
        assert first is not None
        client.get("/api/v1/config", headers=anna)
        assert Token.objects.get(name="anna").used_at == first, "no write for each request"
        earlier = first - register.COARSE
        Token.objects.update(used_at=earlier)
        client.get("/api/v1/config", headers=anna)
        later = Token.objects.get(name="anna").used_at
        assert later is not None
        assert later > earlier


def test_a_wrong_token_is_told_of_in_the_log_without_itself(
    inside: Inside, told: list[dict[str, Any]]
) -> None:
    with inside.client() as client:
        client.get("/api/v1/config", headers={"Authorization": "Bearer canary-canary-canary"})
    [event] = [item for item in told if item["event"] == "audit.denied"]
    assert (event["address"], event["path"]) == ("127.0.0.1", "/api/v1/config")
    assert "canary" not in str(told)


def test_in_development_health_is_open_and_the_api_is_not(project: Project, launch: Launch) -> None:
    project.set("database.name", "testing.sqlite3", "settings/development.toml")
    server = launch(1, ENV_FOR_DYNACONF="development")
    assert server.get("/health").status_code == 200
    assert server.get("/api/v1/config").status_code == 401
    wish = {"key": "site.banner", "value": "x", "reason": "x"}
    assert server.request("POST", "/api/v1/overrides", json=wish).status_code == 401
    assert server.get("/api/v1/config", server.bearer).status_code == 200


@pytest.mark.parametrize(
    ("peer", "forwarded", "behind_proxy", "seen"),
    [
        ("192.0.2.7", None, False, "192.0.2.7"),
        ("192.0.2.7", "198.51.100.9", False, "192.0.2.7"),
        ("192.0.2.7", "198.51.100.9", True, "198.51.100.9"),
        ("192.0.2.7", "10.9.9.9, 198.51.100.9", True, "198.51.100.9"),
        ("192.0.2.7", "nonsense", True, "unknown"),
        ("192.0.2.7", None, True, "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", None, False, "2001:db8:1:2::"),
        ("::ffff:192.0.2.7", None, False, "192.0.2.7"),
        ("", None, False, "unknown"),
    ],
)
def test_the_address_is_the_peer_s_or_what_a_believed_proxy_says(
    inside: Inside, peer: str, forwarded: str | None, behind_proxy: bool, seen: str
) -> None:
    from django.test import RequestFactory

    from fluentpro.web.access import address

    if behind_proxy:
        inside.apply(("django.proxy_ssl_header", True))
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    request = RequestFactory().get("/", headers=headers, REMOTE_ADDR=peer)
    assert address(request) == seen


def test_the_client_may_say_bearer_as_it_likes(inside: Inside) -> None:
    with inside.client() as client:
        given = httpx.Headers({"authorization": f"bEaReR {inside.project.token}"})
        assert client.get("/api/v1/config", headers=given).status_code == 200
