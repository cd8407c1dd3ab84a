"""`fluentpro probe`: what a container's health check is told."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from click.testing import Result

from fluentpro.cli.probe import PORT, ask, judged
from fluentpro.schema.server import Server as Settings
from tests.support.server import Server

Invoke = Callable[..., Result]


@contextmanager
def stranger(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """Something that listens and is no FluentPro; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(4096)
                    answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


def drip(connection: socket.socket) -> None:
    """A byte at a time: each one is in time, and all of them never are."""
    for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"." * 500:
        connection.send(bytes([byte]))
        time.sleep(0.02)


def test_the_port_it_asks_is_the_one_that_is_served_by_default() -> None:
    assert Settings().port == PORT


@pytest.mark.parametrize("question", ["live", "ready", "startup"])
def test_a_service_that_is_well_passes(invoke: Invoke, server: Server, question: str) -> None:
    result = invoke("probe", question, "--port", str(server.port))
    assert (result.exit_code, result.stdout, result.stderr) == (0, "pass\n", "")


def test_the_port_can_come_from_the_setting_s_variable(invoke: Invoke, server: Server) -> None:
    assert invoke("probe", "ready", FLUENTPRO_SERVER__PORT=str(server.port)).exit_code == 0


def test_where_nobody_listens_it_fails_and_says_so(invoke: Invoke) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    result = invoke("probe", "ready", "--port", str(port))
    assert (result.exit_code, result.stdout) == (1, "fail\n")
    assert result.stderr == f"fluentpro: no answer from port {port}: Connection refused\n"


def test_it_never_takes_longer_than_it_may() -> None:
    with stranger(drip) as port:
        began = time.monotonic()
        assert ask("ready", port, 0.3) == ("fail", f"no answer from port {port} within 0.3 s")
        assert time.monotonic() - began < 2


def test_a_silent_service_fails_in_time() -> None:
    with stranger(lambda connection: time.sleep(0.6)) as port:
        assert ask("ready", port, 0.2) == ("fail", f"no answer from port {port} within 0.2 s")


def test_a_stranger_is_not_taken_for_a_service() -> None:
    with stranger(lambda connection: connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n<html>")) as port:
        assert ask("ready", port, 5) == ("fail", "an answer that is not a probe's, with HTTP status 200")
    with stranger(lambda connection: connection.sendall(b"220 mail.example.com ESMTP\r\n")) as port:
        assert ask("ready", port, 5) == ("fail", f"no answer from port {port}: BadStatusLine")


@pytest.mark.parametrize(
    ("code", "body", "status", "says"),
    [
        (200, b'{"status": "pass"}', "pass", ""),
        (200, b'{"status": "warn"}', "warn", ""),
        (503, b'{"status": "fail"}', "fail", ""),
        (503, b'{"status": "pass"}', "fail", "an answer that contradicts itself, with HTTP status 503"),
        (200, b'{"status": "fine"}', "fail", "an answer that contradicts itself, with HTTP status 200"),
        (200, b"[]", "fail", "an answer that is not a probe's, with HTTP status 200"),
        (400, b"", "fail", "an answer that is not a probe's, with HTTP status 400"),
    ],
)
def test_what_an_answer_says(code: int, body: bytes, status: str, says: str) -> None:
    assert judged(code, body) == (status, says)
