"""`fluentpro up`: from a fresh checkout to a running service."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial

import click

from fluentpro.cli.init import SECRETS, write
from fluentpro.cli.serve import claim, configured
from fluentpro.config.diagnostics import EX_UNAVAILABLE
from fluentpro.config.display import visible, without_password
from fluentpro.process import runtime
from fluentpro.schema import Config

EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 # compared with, never bound


@click.command(epilog="Example: fluentpro up --port 8123")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    envvar="PORT",
    show_envvar=True,
    help="The TCP port; stands above server.port.",
)
def up(port: int | None) -> None:
    """Set up what is missing and run the whole service.

    That is: this machine's secrets, the database, the web processes. Ctrl-C ends them all.

    Exit status: 78 the configuration is not valid, 69 the port is taken or the database is not there.
    """
    where = runtime().sources
    if where.environment not in where.guarded and (where.root / "settings.toml").is_file():
        path = where.root / SECRETS
        if write(path):
            click.echo(f"wrote {path} with generated secrets")
    config = configured(port)
    claim(config.server)
    _migrate(config)
    from fluentpro.web.server import serve as run

    run(ready=partial(_announce, config))


def _migrate(config: Config) -> None:
    """Bring the database up to date, in a process of its own: the server forks from one without Django."""
    environ = {"DJANGO_SETTINGS_MODULE": "fluentpro.web.settings", **os.environ}
    command = [sys.executable, "-m", "django", "migrate", "--no-input", "--no-color"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)  # noqa: S603 # our own
    if done.returncode:
        *_, last = done.stderr.splitlines() or [f"exit status {done.returncode}"]
        click.echo(f"fluentpro: the database can't be migrated: {visible(without_password(last))}", err=True)
        click.echo("        fix: `fluentpro doctor` tells whether it can be reached", err=True)
        raise SystemExit(EX_UNAVAILABLE)
    applied = done.stdout.count("... OK")
    if applied:
        click.echo(f"migrated {config.database.name}: {applied} migration{'' if applied == 1 else 's'}")


def _announce(config: Config) -> None:
    environment, server = runtime().sources.environment, config.server
    host = "127.0.0.1" if server.host in EVERYWHERE else server.host
    url = f"http://{f'[{host}]' if ':' in host else host}:{server.port}"
    click.echo(
        f"FluentPro ({environment}) serves at {url}\n"
        f"  {url}/api/v1/about    what runs, with which configuration\n"
        f"  {url}/api/v1/docs     the API\n"
        f"  {url}/health          every check\n"
        f"Edit settings/{environment}.toml and look again. Ctrl-C ends it."
    )
    sys.stdout.flush()
