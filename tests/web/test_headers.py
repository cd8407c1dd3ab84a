"""Every answer names its configuration and its request, whatever became of it."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.conftest import Launch
from tests.support.project import Project
from tests.support.server import Server
from tests.support.waiting import eventually

ID = re.compile(r"[0-9a-f]{32}")


@pytest.fixture
def sessionless(server: Server) -> Iterator[None]:
    """Whoever comes with a session meets an error that nobody expected."""
    path = server.project.root / "testing.sqlite3"
    with closing(sqlite3.connect(path, timeout=10)) as connection:
        connection.execute("ALTER TABLE django_session RENAME TO hidden")
        connection.commit()
        yield
        connection.execute("ALTER TABLE hidden RENAME TO django_session")
        connection.commit()


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/api/v1/about", {}, 200),
        ("/api/v1/docs", {}, 200),
        ("/api/v1/openapi.json", {}, 200),
        ("/health/live", {}, 200),
        ("/admin/", {}, 302),
        ("/health", {}, 401),
        ("/nothing", {}, 404),
        ("/api/nothing", {}, 404),
        ("/api/v1/about", {"Host": "not.allowed"}, 400),
        ("/admin/", {"Cookie": "sessionid=canarycanarycanarycanarycanary12"}, 500),
    ],
)
@pytest.mark.usefixtures("sessionless")
def test_every_answer_names_the_configuration_and_the_request(
    server: Server, path: str, headers: dict[str, str], status: int
) -> None:
    answer = server.get(path, headers)
    assert answer.status_code == status
    assert answer.headers["X-Config-Digest"] == server.agreed()
    assert ID.fullmatch(answer.headers["X-Request-ID"])
    named = server.get(path, {**headers, "X-Request-ID": "my-own.request_1"})
    assert named.headers["X-Request-ID"] == "my-own.request_1"


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "<script>", "ü", "a\tb", 'a"b'])
def test_an_id_that_does_not_look_like_one_is_replaced(server: Server, given: str) -> None:
    answer = server.request("GET", "/api/v1/about", {"X-Request-ID": given.encode()})
    assert ID.fullmatch(answer.headers["X-Request-ID"])


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/v2/about", "/api/v1/nothing", "/api/v1/about/"])
def test_a_page_that_is_not_there_is_json_under_api(server: Server, path: str) -> None:
    answer = server.get(path)
    assert (answer.status_code, answer.json()["detail"]) == (404, "no such page")
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_method_that_is_not_allowed_says_so(server: Server) -> None:
    assert server.request("DELETE", "/api/v1/about").status_code == 405


def test_a_client_cannot_claim_https_or_another_root_where_no_proxy_is_believed(server: Server) -> None:
    for claim in ({"X-Forwarded-Proto": "https"}, {"X-Forwarded-Ssl": "on"}, {"X-Forwarded-Protocol": "ssl"}):
        page = server.get("/admin/login/", claim)
        assert page.status_code == 200
        answer = server.request(
            "POST", "/admin/login/", {**claim, "Origin": "https://127.0.0.1"}, data={"username": "x"}
        )
        assert answer.status_code == 403, "it would be this very site, over HTTPS"
    moved = server.get("/admin/", {"Script-Name": "/evil", "SCRIPT_NAME": "/evil"})
    assert moved.headers["Location"] == "/admin/login/?next=/admin/"


def test_in_development_pages_for_operators_are_open_and_mistakes_are_explained(
    project: Project, launch: Launch
) -> None:
    project.set("database.name", "testing.sqlite3", "settings/development.toml")
    server = launch(ENV_FOR_DYNACONF="development")
    assert server.get("/health").status_code == 200
    assert "fluentpro_config_info" in server.get("/metrics").text
    assert server.get("/api/nothing").json()["detail"] == "no such page"
    explained = server.get("/nothing")
    assert (explained.status_code, "DEBUG = True" in explained.text) == (404, True)
    for answer in (explained, server.get("/api/v1/about", {"Host": "not.allowed"})):
        assert answer.headers["X-Config-Digest"] == eventually(server.agreed)
        assert ID.fullmatch(answer.headers["X-Request-ID"])
