"""`fluentpro serve`: run one process type."""

from __future__ import annotations

import errno
import socket
from contextlib import closing
from typing import Final

import click

from fluentpro.cli.report import refusing
from fluentpro.config.diagnostics import EX_CONFIG, EX_NOPERM, EX_UNAVAILABLE
from fluentpro.process import boot
from fluentpro.schema.server import Server

PROCESSES: Final = ("web", "realtime", "worker")


@click.command(epilog="Example: fluentpro serve --process web --port 8123")
@click.option(
    "--process", type=click.Choice(PROCESSES), default="web", show_default=True, help="Which process type."
)
@click.option("--port", type=click.IntRange(1, 65535), help="The TCP port, instead of server.port.")
@click.option("--json", "as_json", is_flag=True, help="Print a configuration that is refused as JSON.")
def serve(process: str, port: int | None, *, as_json: bool) -> None:
    """Run one process type until a signal ends it.

    web answers HTTP, realtime holds WebSockets, worker runs background tasks. Each answers /health,
    /health/live, /health/ready, /health/startup and /metrics at its port.

    The configuration is checked first: one that is not valid is printed, and nothing starts. The
    database is not migrated; /health/ready says if it has to be.

    Exit status: 78 the configuration is not valid, 69 the port is taken or Redis can't be reached,
    77 the port is not for this user, or Redis denies the password.
    """
    with refusing(as_json=as_json):
        server = boot().config.server
    claim(server if port is None else server.model_copy(update={"port": port}))
    if process == "worker":
        from fluentpro.cli.worker import work

        raise SystemExit(work(port or server.port))
    from fluentpro.web.server import serve as run

    run(port=port, realtime=process == "realtime")


def claim(server: Server) -> None:
    """End with a clear word, not with the server's retries, where the address can't be listened on."""
    try:
        bind(server)
    except OSError as error:
        status, fix = cure(error)
        where = f"{server.host} port {server.port}"
        click.echo(f"fluentpro: can't listen on {where}: {error.strerror}\n        fix: {fix}", err=True)
        raise SystemExit(status) from None


def bind(server: Server) -> None:
    """Take the server's address for a moment, as it will; raises what the system has against it."""
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    with closing(socket.socket(family)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((server.host, server.port))
        probe.listen(1)


def cure(error: OSError) -> tuple[int, str]:
    """The exit status of an address that can't be had, and what helps."""
    if error.errno == errno.EADDRINUSE:
        return EX_UNAVAILABLE, "end what listens there, or take another port: --port 8001, PORT=8001 make up"
    if error.errno in (errno.EACCES, errno.EPERM):
        return EX_NOPERM, "take a port of 1024 or more: --port 8001, PORT=8001 make up"
    return EX_CONFIG, "set server.host to an address of this machine: `fluentpro explain server.host`"
