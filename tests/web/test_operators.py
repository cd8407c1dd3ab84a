"""Who sees the insides: holders of the operations token, and everybody in development."""

from __future__ import annotations

import pytest

from tests.support.inside import Inside
from tests.support.server import Server
from tests.support.waiting import eventually

PAGES = ("/health", "/metrics")
TOKEN = "Schlüssel-für-Übungen-😀-0123456789"


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(
    "given",
    [None, "", "Bearer", "Bearer wrong", "Basic {token}", "{token}", "Bearer {token}x", "Bearer \xff"],
)
def test_without_the_token_there_is_a_challenge_and_nothing_else(
    server: Server, path: str, given: str | None
) -> None:
    raw = None if given is None else given.format(token=server.project.token).encode("latin-1")
    answer = server.request("GET", path, {} if raw is None else {"Authorization": raw})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="operations"'
    assert answer.json() == {"detail": "the operations token is wanted"}


@pytest.mark.parametrize("path", PAGES)
def test_the_token_opens_it_and_the_scheme_may_be_written_small(server: Server, path: str) -> None:
    assert server.get(path, server.bearer).status_code == 200
    assert server.get(path, {"Authorization": f"bearer {server.project.token}"}).status_code == 200


def test_a_new_token_opens_it_at_once_and_the_old_one_does_not(inside: Inside) -> None:
    inside.apply(("operations.token", "another token, long enough"), name=".secrets.local.toml")
    with inside.client() as client:
        assert client.get("/health", headers=inside.bearer).status_code == 401
        new = {"Authorization": "Bearer another token, long enough"}
        assert client.get("/health", headers=new).status_code == 200


def test_a_token_may_hold_any_character(server: Server) -> None:
    server.project.set("operations.token", TOKEN, ".secrets.local.toml")
    given = {"Authorization": f"Bearer {TOKEN}".encode()}
    eventually(lambda: server.request("GET", "/health", given).status_code == 200)
    assert server.get("/health", server.bearer).status_code in (200, 401)  # the other worker may still read
    other = {"Authorization": "Bearer Schlüssel".encode()}
    assert server.request("GET", "/health", other).status_code == 401


def test_without_a_token_the_pages_stay_shut(inside: Inside) -> None:
    text = inside.project.read(".secrets.local.toml")
    inside.project.replace(".secrets.local.toml", text.partition("[operations]")[0])
    inside.reload()
    with inside.client() as client:
        for given in ("Bearer None", "Bearer"):
            assert client.get("/health", headers={"Authorization": given}).status_code == 401
