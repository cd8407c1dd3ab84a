"""From SIGTERM to the end: not ready at once, no request lost, and no waiting for whoever insists."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests.conftest import Launch
from tests.support.project import Project
from tests.support.server import Server
from tests.support.waiting import eventually

BODY = b"username=nobody&password=nothing"


@contextmanager
def half_a_request(server: Server) -> Iterator[socket.socket]:
    """A request that a thread of a worker waits for the rest of."""
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=60)) as connection:
        head = (
            "POST /admin/login/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            f"Cookie: csrftoken={'c' * 32}\r\n"  # so that Django reads the body to find its twin
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(BODY)}\r\n\r\n"
        )
        connection.sendall(head.encode() + BODY[:10])
        # It was begun before any request that comes after it and is answered, by this one worker.
        assert server.get("/health/live").status_code == 200
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(60)
        yield connection


def rest_of(connection: socket.socket) -> bytes:
    connection.sendall(BODY[10:])
    answer = b""
    while part := connection.recv(65536):
        answer += part
    return answer


@pytest.fixture
def patient(project: Project, launch: Launch) -> Server:
    """One worker, with a long grace."""
    project.set("server.graceful_timeout", 60)
    return launch(workers=1)


def test_from_sigterm_on_it_is_not_ready_and_serves_while_others_notice(
    project: Project, launch: Launch
) -> None:
    project.set("server.drain_delay", 60)
    server = launch()
    with half_a_request(server):
        server.signal(signal.SIGTERM)
        ready = eventually(lambda: (answer := server.get("/health/ready")).status_code == 503 and answer)
        assert ready.json() == {"status": "fail"}
        assert server.get("/health/live").json() == {"status": "pass"}
        assert server.get("/api/v1/about").status_code == 200
        health = server.get("/health", server.bearer)
        assert (health.status_code, health.json()["draining"]) == (503, True)
        os.kill(min(server.children()), signal.SIGKILL)
        eventually(server.agreed)
        for _ in range(10):
            assert server.get("/health/ready").status_code == 503, "a worker that comes up now knows it, too"
        server.signal(signal.SIGTERM)  # no more patience
        assert server.wait() == 0


def test_the_end_comes_when_others_had_the_time_to_notice(project: Project, launch: Launch) -> None:
    project.set("server.drain_delay", 1)
    server = launch()
    server.signal(signal.SIGTERM)
    eventually(server.is_shut)
    assert server.wait() == 0


def test_a_request_that_is_on_its_way_is_answered(patient: Server) -> None:
    with half_a_request(patient) as connection:
        patient.signal(signal.SIGTERM)
        eventually(patient.is_shut)
        assert patient.process.poll() is None
        answer = rest_of(connection)
    assert answer.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert b"X-Config-Digest: " in answer
    assert patient.wait() == 0


def test_a_second_sigterm_ends_it_at_once(patient: Server) -> None:
    with half_a_request(patient):
        patient.signal(signal.SIGTERM)
        eventually(patient.is_shut)
        patient.signal(signal.SIGTERM)
        assert patient.wait() == 0


def test_control_c_ends_it_at_once(patient: Server) -> None:
    with half_a_request(patient):
        os.killpg(patient.process.pid, signal.SIGINT)  # as a terminal does: to every process of the group
        assert patient.wait() == 0
    assert not [line for line in [*patient.output, *patient.errors] if "Traceback" in line]


def test_no_worker_outlives_a_master_that_was_killed(patient: Server) -> None:
    (worker,) = patient.children()
    patient.signal(signal.SIGKILL)
    patient.process.wait(5)

    def gone() -> bool:
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return True
        return False

    eventually(gone)


@pytest.mark.parametrize("moment", ["Listening at", "Booting worker"])
def test_control_c_while_it_still_comes_up_ends_it_without_a_traceback(
    project: Project, launch: Launch, moment: str
) -> None:
    server = launch(workers=3, ready=False)
    eventually(lambda: any(moment in line for line in server.output), within=20, every=0.001)
    os.killpg(server.process.pid, signal.SIGINT)
    assert server.wait() == 0
    assert not [line for line in [*server.output, *server.errors] if "Traceback" in line]
    assert not server.children()
