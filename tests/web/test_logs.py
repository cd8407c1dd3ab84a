"""One line, one JSON object: ours, Django's and gunicorn's; with request, configuration and process."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from secrets import token_hex

import pytest

from tests.support.project import changed
from tests.support.server import Server
from tests.support.waiting import eventually


@pytest.fixture
def sessionless(server: Server) -> Iterator[None]:
    """Whoever comes with a session meets an error that nobody expected."""
    with closing(sqlite3.connect(server.project.root / "testing.sqlite3", timeout=10)) as connection:
        connection.execute("ALTER TABLE django_session RENAME TO hidden")
        connection.commit()
        yield
        connection.execute("ALTER TABLE hidden RENAME TO django_session")
        connection.commit()


def test_a_request_is_one_line_with_its_id_and_its_configuration(server: Server) -> None:
    answer = server.get("/api/v1/about?token=canary", {"X-Request-ID": "the-request"})
    (line,) = eventually(lambda: server.events("request", request_id="the-request"))
    assert line["config"] == answer.headers["X-Config-Digest"]
    assert (line["method"], line["path"], line["status"], line["level"]) == (
        "GET",
        "/api/v1/about",
        200,
        "info",
    )
    assert line["pid"] in server.children()
    assert line["timestamp"].endswith("Z")
    assert "canary" not in str(line), "a query may hold what nobody should read"


@pytest.mark.usefixtures("sessionless")
def test_an_error_that_nobody_caught_is_told_once_without_a_local_variable(server: Server) -> None:
    answer = server.get(
        "/admin/", {"Cookie": "sessionid=canarycanarycanarycanarycanary12", "X-Request-ID": "the-failed"}
    )
    assert answer.status_code == 500
    lines = eventually(
        lambda: (
            [line for line in server.lines() if line.get("request_id") == "the-failed"][1:] and server.lines()
        )
    )
    mine = [line for line in lines if line.get("request_id") == "the-failed"]
    (told,) = [line for line in mine if "exception" in line]
    assert (told["logger"], told["level"]) == ("django.request", "error")
    assert told["config"] == answer.headers["X-Config-Digest"]
    assert "no such table: django_session" in told["exception"]
    assert told["exception"].startswith("Traceback (most recent call last):")
    (request,) = [line for line in mine if line is not told]
    assert (request["event"], request["status"], request["level"]) == ("request", 500, "error")
    assert "canary" not in "\n".join([*server.output, *server.errors])


def test_lines_of_django_and_gunicorn_have_the_same_form(server: Server) -> None:
    server.get("/api/v1/about", {"Host": "not.allowed"})
    os.kill(min(server.children()), signal.SIGKILL)
    lines = eventually(
        lambda: (
            server.events("request")
            and [
                line
                for line in server.lines()
                if line["logger"] in ("django.security.DisallowedHost", "gunicorn.error")
            ]
        )
    )
    eventually(lambda: any(line["logger"] == "gunicorn.error" for line in server.lines()))
    for line in (*lines, *server.lines()):
        assert {"event", "logger", "level", "timestamp", "config", "pid"} <= line.keys()
    (refused,) = [line for line in server.lines() if line["logger"].startswith("django.security")]
    assert refused["request_id"]
    assert server.errors == []


def test_a_path_cannot_forge_a_line(server: Server) -> None:
    server.get("/nothing%0A%7B%22event%22:%20%22forged%22%7D")
    line = eventually(lambda: [line for line in server.events("request") if "forged" in line["path"]])[0]
    assert line["path"] == '/nothing\n{"event": "forged"}'
    assert not server.events("forged")


def test_a_reload_is_one_event_with_what_changed_and_no_secret(server: Server) -> None:
    canary = token_hex(32)
    text = changed(server.project.read(), "site.banner", "told")
    text = changed(text, "redis.url", f"redis://user:{canary}@localhost:6379")
    server.project.replace("settings/testing.toml", text)
    eventually(lambda: server.serves("told"))
    server.project.set("operations.token", canary, ".secrets.local.toml")
    eventually(lambda: len(server.events("config.applied")) == 2 * server.workers)
    first, second = (
        next(line for line in server.events("config.applied") if key in line["changed"])
        for key in ("site.banner", "operations.token")
    )
    assert first["changed"]["site.banner"].endswith('-> "told"')
    assert first["changed"]["redis.url"] == 'unset -> "redis://user:********@localhost:6379"'
    assert second["changed"] == {"operations.token": "******** -> ********"}
    assert (second["trigger"], second["generation"]) == ("file", first["generation"] + 1)
    assert canary not in "\n".join([*server.output, *server.errors])
