"""`fluentpro probe`: ask the service of this machine how it is, as a container's health check does."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from contextlib import suppress
from typing import Any, Final

import click

PORT: Final = 8000
"""Where the service listens unless it is told otherwise; see `fluentpro.schema.server`, not loaded here."""
VARIABLE: Final = "FLUENTPRO_SERVER__PORT"
LOOPBACK: Final = "127.0.0.1"
LONGEST: Final = 4096
"""Bytes of an answer; a probe's has some twenty."""


@click.command(epilog="Example: fluentpro probe ready --port 8123")
@click.argument("question", metavar="live|ready|startup", type=click.Choice(["live", "ready", "startup"]))
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=PORT,
    envvar=VARIABLE,
    show_envvar=True,
    show_default=True,
    help="The port it serves.",
)
@click.option("--timeout", default=3.0, show_default=True, help="Seconds it may take, all in all.")
def probe(question: str, port: int, timeout: float) -> None:
    """Ask the service that runs here how it is.

    The status is printed: pass, warn or fail. It reads no configuration and waits for no dependency, so it is
    cheap enough to be asked often.

    Exit status: 0 pass or warn, 1 fail, or no answer in time.
    """
    status, problem = ask(question, port, timeout)
    click.echo(status)
    if problem:
        click.echo(f"fluentpro: {problem}", err=True)
    raise SystemExit(0 if status in ("pass", "warn") else 1)


def ask(question: str, port: int, timeout: float) -> tuple[str, str]:
    """The status that /health/<question> answers, and why it is "fail" where the service did not say so.

    It takes `timeout` seconds at most, also if the answer comes a byte at a time.
    """
    began = time.monotonic()
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=timeout)
    late = threading.Timer(timeout, _end, [connection])
    late.daemon = True
    late.start()
    try:
        connection.request("GET", f"/health/{question}", headers={"Connection": "close"})
        answer = connection.getresponse()
        status, problem = judged(answer.status, answer.read(LONGEST))
    except (OSError, http.client.HTTPException) as error:
        status, problem = "fail", getattr(error, "strerror", None) or type(error).__name__
        problem = f"no answer from port {port}: {problem}"
    finally:
        late.cancel()
        connection.close()
    if problem and time.monotonic() - began >= timeout:
        problem = f"no answer from port {port} within {timeout:g} s"
    return status, problem


def judged(code: int, body: bytes) -> tuple[str, str]:
    """What an answer says; an answer that is no probe's is a failure with a reason."""
    try:
        document: Any = json.loads(body)
        status = document["status"]
    except (ValueError, KeyError, TypeError):
        return "fail", f"an answer that is not a probe's, with HTTP status {code}"
    if status in ("pass", "warn") and code == http.client.OK:
        return str(status), ""
    return "fail", "" if status == "fail" else f"an answer that contradicts itself, with HTTP status {code}"


def _end(connection: http.client.HTTPConnection) -> None:
    """Let whoever reads from the connection go on, with an end of file."""
    with suppress(OSError):  # nobody may be there any more
        if connection.sock is not None:
            connection.sock.shutdown(socket.SHUT_RDWR)
