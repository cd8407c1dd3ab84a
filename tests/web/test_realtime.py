"""The realtime process type: WebSockets that are told what changes, and the probes of every process type."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedOK, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from fluentpro.web.realtime.origins import allowed
from tests.support.inside import Inside
from tests.support.process import Process
from tests.support.project import Project
from tests.support.server import Server
from tests.support.waiting import eventually

OURS = "http://localhost:3000"
"""An origin in `cors.allowed_origins` of testing."""
HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


@pytest.fixture
def realtime(project: Project) -> Iterator[Process]:
    made = Process(project, "realtime").start()
    yield made
    made.end()


def page(of: Server, path: str = "/ws/v1/about", **options: Any) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{of.port}{path}", proxy=None, **options)


def told(by: ClientConnection) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(by.recv(timeout=10))
    return said


def status(of: Server, path: str = "/ws/v1/about", **options: Any) -> int:
    with pytest.raises(InvalidStatus) as refused:
        page(of, path, **options)
    return refused.value.response.status_code


def test_a_page_is_told_what_runs_and_again_after_each_change(realtime: Process) -> None:
    with ExitStack() as open_pages:
        pages = [open_pages.enter_context(page(realtime)) for _ in range(4)]
        first = [told(each) for each in pages]
        assert first == [realtime.about()] * 4
        headers = {each.response.headers["X-Config-Digest"] for each in pages if each.response}
        assert headers == {first[0]["config"]["digest"]}
        assert realtime.metric("fluentpro_websockets") == 4
        for banner in ("Hello", "Hello again"):
            realtime.project.set("site.banner", banner)
            said = [told(each) for each in pages]
            eventually(lambda text=banner: realtime.serves(text))
            assert {each["banner"] for each in said} == {banner}
            assert {each["config"]["digest"] for each in said} == set(realtime.digests())
        realtime.project.break_off()
        eventually(lambda: not realtime.successful())
        realtime.project.set("site.banner", "Bye")
        realtime.project.restore()
        assert {told(each)["banner"] for each in pages} == {"Welcome to FluentPro (testing)"}, (
            "not the refused"
        )
    eventually(lambda: realtime.metric("fluentpro_websockets") == 0)


def test_a_changed_port_on_the_command_line_changes_no_digest(realtime: Process) -> None:
    other = Process(realtime.project, "realtime").start()
    try:
        assert other.port != realtime.port
        assert other.agreed() == realtime.agreed() != ""
        assert other.check("config-source")["pending_restart"] == []
        other.signal(signal.SIGHUP)
        eventually(lambda: other.events("Hang up: Master"))
        eventually(lambda: other.agreed() == realtime.agreed())
        assert other.about()["environment"] == "testing", "it listens where it was told to"
        assert other.check("config-source")["pending_restart"] == []
    finally:
        other.end()


def test_it_answers_what_every_process_type_answers(realtime: Process) -> None:
    for probe in ("live", "ready", "startup"):
        answer = realtime.get(f"/health/{probe}")
        assert (answer.status_code, answer.json()) == (200, {"status": "pass"})
    assert realtime.get("/health").status_code == 401
    assert set(realtime.health()["checks"]) == {"config-source", "database", "migrations"}
    assert realtime.get("/api/v1/about").headers["X-Config-Digest"] == realtime.agreed()


def test_only_pages_of_ours_may_connect(realtime: Process) -> None:
    known = realtime.agreed()
    for origin in (OURS, f"http://127.0.0.1:{realtime.port}", None):
        with page(realtime, origin=origin) as ours:
            assert told(ours)["name"] == "FluentPro"
    assert status(realtime, origin="http://evil.example") == 403
    assert realtime.get("/ws/v1/about", {**HANDSHAKE, "Host": "evil.example"}).status_code == 403
    assert status(realtime, "/ws/v1/nothing") == 403
    realtime.project.set("cors.allowed_origins", ["http://evil.example"])
    digest = eventually(lambda: {realtime.agreed()} - {"", known}).pop()
    with page(realtime, origin="http://evil.example") as invited:
        assert told(invited)["config"]["digest"] == digest, "it follows the configuration"
    realtime.project.set("cors.allowed_origins", [])
    eventually(lambda: realtime.agreed() not in ("", digest))
    assert status(realtime, origin="http://evil.example") == 403


def test_from_sigterm_on_it_is_not_ready_and_then_says_goodbye(project: Project) -> None:
    project.set("server.drain_delay", 1)
    realtime = Process(project, "realtime").start()
    try:
        with page(realtime) as ours:
            told(ours)
            realtime.signal(signal.SIGTERM)
            eventually(lambda: realtime.get("/health/ready").status_code == 503)
            assert realtime.get("/health/live").status_code == 200
            with pytest.raises(ConnectionClosedOK) as closed:
                ours.recv(timeout=10)
            assert closed.value.rcvd
            assert closed.value.rcvd.code == 1001
        assert realtime.wait() == 0
    finally:
        realtime.end()


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_a_client_that_does_not_answer_holds_up_no_end(project: Project, sig: int) -> None:
    project.set("server.graceful_timeout", 2)
    realtime = Process(project, "realtime").start()
    try:
        with socket.create_connection(("127.0.0.1", realtime.port)) as silent:
            headers = {**HANDSHAKE, "Host": "localhost"}
            lines = ["GET /ws/v1/about HTTP/1.1", *(f"{name}: {text}" for name, text in headers.items())]
            silent.sendall("\r\n".join([*lines, "", ""]).encode())
            said = silent.recv(9)
            assert said == b"HTTP/1.1 "  # and from here on it neither reads nor answers
            eventually(lambda: realtime.metric("fluentpro_websockets") == 1)
            began = time.monotonic()
            realtime.signal(sig)
            assert realtime.wait() == 0
            assert time.monotonic() - began < 15
        assert not [line for line in realtime.errors if "Traceback" in line]
    finally:
        realtime.end()


@pytest.mark.parametrize(
    ("host", "origin", "expected"),
    [
        ("api.example.com", None, True),
        ("api.example.com:8443", "https://api.example.com:8443", True),
        ("api.example.com", "https://app.example.com", True),
        ("api.example.com", "http://app.example.com", False),
        ("api.example.com", "https://evil.example", False),
        ("evil.example", None, False),
        ("evil.example", "https://app.example.com", False),
        ("api.example.com", "null", False),
        ("api.example.com", "http://[::1", False),
        ("", None, False),
    ],
)
def test_hosts_and_origins(inside: Inside, host: str, origin: str | None, expected: bool) -> None:
    config: Any = SimpleNamespace(
        django=SimpleNamespace(allowed_hosts=("api.example.com",), debug=False),
        cors=SimpleNamespace(allow_all=False, allowed_origins=("https://app.example.com",)),
    )
    assert allowed(config, host, origin) is expected
    config.cors.allow_all = True
    assert allowed(config, host, origin) is (host.startswith("api."))


def test_while_debugging_this_machine_is_ours(inside: Inside, tmp_path: Path) -> None:
    config: Any = SimpleNamespace(
        django=SimpleNamespace(allowed_hosts=(), debug=True),
        cors=SimpleNamespace(allow_all=False, allowed_origins=()),
    )
    assert allowed(config, "localhost:8001", "http://localhost:3000")
    assert not allowed(config, "localhost:8001", "http://evil.example")
