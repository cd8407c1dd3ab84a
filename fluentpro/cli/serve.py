"""`fluentpro serve` and `fluentpro up`: run the service."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import closing

import click

from fluentpro.cli import init as first
from fluentpro.cli.report import refusing
from fluentpro.config.environment import variable
from fluentpro.process import boot, runtime
from fluentpro.schema import Config

PORT = variable(("server", "port"))
EX_UNAVAILABLE = 69


@click.command(epilog="Example: fluentpro serve --process web --port 8123")
@click.option(
    "--process", type=click.Choice(["web"]), default="web", show_default=True, help="Which process type."
)
@click.option("--port", type=click.IntRange(1, 65535), help="The TCP port; stands above server.port.")
def serve(process: str, port: int | None) -> None:  # noqa: ARG001 # one process type so far
    """Run one process type until a signal ends it.

    The configuration is checked first; one that is not valid is printed, and nothing starts.
    """
    config = _start(port)
    _claim(config)
    from fluentpro.web.server import serve as run

    run()


@click.command(epilog="Example: PORT=8123 make up")
@click.option(
    "--port", type=click.IntRange(1, 65535), envvar="PORT", help="The TCP port; stands above server.port."
)
def up(port: int | None) -> None:
    """Set up what is missing and run the whole service: secrets, database, web."""
    path = runtime().sources.root / ".secrets.local.toml"
    if runtime().sources.environment not in runtime().sources.guarded and first.write(path):
        click.echo(f"wrote {path} with generated secrets")
    config = _start(port)
    _claim(config)
    _migrate()
    url = f"http://127.0.0.1:{config.server.port}"
    click.echo(f"FluentPro ({runtime().sources.environment}) serves at {url}")
    click.echo(f"  {url}/api/v1/about    what runs, with which configuration")
    click.echo(f"  {url}/api/v1/docs     the API")
    click.echo(f"  {url}/health          every check")
    click.echo("Edit settings/development.toml and look again. Ctrl-C ends it.")
    sys.stdout.flush()
    from fluentpro.web.server import serve as run

    run()


def _start(port: int | None) -> Config:
    if port is not None:
        os.environ[PORT] = str(port)
    with refusing():
        return boot().config


def _claim(config: Config) -> None:
    """End with a clear word, not with gunicorn's retries, where the port is taken."""
    server = config.server
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    with closing(socket.socket(family)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((server.host, server.port))
        except OSError as error:
            click.echo(f"fluentpro: can't listen on {server.host}:{server.port}: {error.strerror}", err=True)
            click.echo(
                "        fix: end what listens there, or choose another port: PORT=8001 make up", err=True
            )
            raise SystemExit(EX_UNAVAILABLE) from None


def _migrate() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "fluentpro.web.settings")
    import subprocess

    subprocess.run([sys.executable, "-m", "django", "migrate", "--verbosity", "0"], check=True)
