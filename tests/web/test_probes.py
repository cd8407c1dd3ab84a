"""Liveness, readiness and startup, as an orchestrator asks for them."""

from __future__ import annotations

import re
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.conftest import Launch
from tests.support.project import Project, changed
from tests.support.server import Server
from tests.support.traffic import traffic
from tests.support.waiting import eventually

PROBES = ("/health/live", "/health/ready", "/health/startup")


@pytest.mark.parametrize("path", PROBES)
def test_a_probe_says_its_status_and_nothing_else(server: Server, path: str) -> None:
    answer = eventually(lambda: (given := server.get(path)).text == '{"status": "pass"}' and given)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/health+json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Config-Digest"] == server.agreed()


@pytest.mark.parametrize("path", PROBES)
def test_a_probe_may_be_a_head_and_nothing_that_changes_something(server: Server, path: str) -> None:
    head = server.request("HEAD", path)
    assert (head.status_code, head.text) == (200, "")
    assert head.headers["Content-Type"] == "application/health+json"
    assert head.headers["Content-Length"] == str(len('{"status": "pass"}'))
    post = server.request("POST", path)
    assert (post.status_code, post.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("host", ["10.1.2.3:8000", "anything.example", "[::1]", "under_score", "a,b"])
def test_a_probe_answers_under_every_name(server: Server, host: str) -> None:
    for path in PROBES:
        assert server.get(path, {"Host": host}).status_code == 200
    assert server.get("/api/v1/about", {"Host": host}).status_code in (200, 400)


def test_a_probe_is_not_redirected_to_https(server: Server) -> None:
    text = changed(server.project.read(), "django.proxy_ssl_header", True)
    server.project.replace("settings/testing.toml", changed(text, "django.ssl_redirect", True))
    eventually(lambda: server.get("/api/v1/about").status_code == 301)
    for path in PROBES:
        assert server.get(path).status_code == 200
    assert server.get("/metrics", server.bearer | {"Host": "10.1.2.3:8000"}).status_code == 200
    assert server.get("/health").status_code == 401, (
        "nor are the operators' pages, which tools ask for inside"
    )


def test_probes_leave_no_line_in_the_log(server: Server) -> None:
    for path in PROBES:
        server.get(path)
    server.get("/api/v1/about")
    (line,) = eventually(lambda: server.events("request", path="/api/v1/about"))
    assert not [item for item in server.lines() if "/health/" in str(item)], line


# ---- A database that does not answer


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Nobody else gets a word out of the database: whoever asks waits for 20 s."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=20)) as connection:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("CREATE TABLE held (id)")
        yield
        connection.execute("ROLLBACK")


def threads(pid: int) -> int:
    found = re.search(r"^Threads:\s+(\d+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1])


def test_a_database_that_hangs_makes_it_not_ready_and_alive_until_it_answers_again(
    project: Project, launch: Launch
) -> None:
    project.set("server.threads", 1)  # a second one would come whenever it is first wanted
    server = launch(workers=1)
    (worker,) = server.children()
    seen: list[str] = []

    def ready() -> str:
        answer = server.get("/health/ready")
        status: str = answer.json()["status"]
        assert answer.status_code == (503 if status == "fail" else 200)
        seen.append(status)
        return status

    with locked(project.root / "testing.sqlite3"):
        eventually(lambda: ready() == "fail")
        counts = set()
        with httpx.Client(
            base_url=server.url, timeout=1
        ) as client:  # 1 s is far less than the database takes
            for _ in range(400):
                assert client.get("/health/ready").status_code == 503
                assert client.get("/health/live").status_code == 200
                counts.add(threads(worker))
        assert len(counts) == 1
        assert "no answer for" in server.check("database")["observation"]
        assert server.get("/health/startup").status_code == 200, "it did start"
    assert list(dict.fromkeys(seen)) == ["pass", "warn", "fail"], "one failure is none"
    eventually(lambda: ready() == "pass")
    assert seen[-2:] in (["fail", "pass"], ["warn", "pass"])
    assert not [line for line in server.lines() if "Traceback" in str(line)]


def test_a_service_whose_database_never_answered_is_alive_and_not_ready(
    project: Project, launch: Launch
) -> None:
    with closing(socket.socket()) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(64)  # connections are taken, and never served
        text = project.read()
        for key, value in (
            ("database.engine", "postgresql"),
            ("database.name", "nothing"),
            ("database.host", "127.0.0.1"),
            ("database.port", silent.getsockname()[1]),
            ("database.user", "nobody"),
            ("database.connect_timeout", 20),
        ):
            text = changed(text, key, value)
        project.replace("settings/testing.toml", text)
        server = launch(ready=False)
        eventually(lambda: server.get("/health/live").json() == {"status": "pass"})
        for path in ("/health/ready", "/health/startup"):
            answer = server.get(path)
            assert (answer.status_code, answer.json()) == (503, {"status": "fail"})
        with traffic(server, path="/api/v1/about") as seen:
            seen.grows()
        assert server.get("/health", server.bearer).status_code == 503
        server.signal(15)
        assert server.wait() == 0, "nor does it hold up the end"
