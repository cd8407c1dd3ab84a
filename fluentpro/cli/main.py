"""The verbs of `fluentpro`, each loaded when it is used: a Tab or a `--help` waits for no other verb."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Final

import click

from fluentpro import __version__

EX_USAGE: Final = 64
"""Exit status of sysexits.h: the command line itself is wrong."""
INTERRUPTED: Final = 130
"""Exit status that shells give to what Ctrl-C ended."""
TERMINATED: Final = 143
"""Exit status that shells give to what SIGTERM ended."""

STACK: Final = ".stack/settings.toml"
"""See `fluentpro.config.layers`, which a Tab need not wait for."""

VERBS: Final = (
    "init",
    "up",
    "serve",
    "probe",
    "check",
    "explain",
    "show",
    "diff",
    "doctor",
    "schema",
    "reload",
    "fleet",
    "set",
    "unset",
    "history",
    "rollback",
    "rotate",
    "vault",
    "token",
    "completion",
)
"""In the order in which a newcomer meets them. Each is a command of that name in a module of that name."""


class Verbs(click.Group):
    """The group of verbs, with the exit statuses of sysexits.h."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 # click's signature
        """The verbs' names."""
        return list(VERBS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 # click's signature
        cmd_name: str,
    ) -> click.Command | None:
        """One verb, loaded now; None if there is no such verb."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = getattr(import_module(f"fluentpro.cli.{cmd_name}"), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb that the command line names; one that is not there is answered with the nearest."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            raise click.NoSuchCommand(error.command_name, possibilities=VERBS, ctx=ctx) from None

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Parse the command line up to the verb."""
        with _statuses():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Parse the verb's own part and run it."""
        with _statuses():
            return super().invoke(ctx)


@contextmanager
def _statuses() -> Iterator[None]:
    try:
        yield
    except click.UsageError as error:
        error.show()
        raise SystemExit(EX_USAGE) from None
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: fluentpro explain database.host",
)
@click.version_option(__version__, prog_name="fluentpro")
def main() -> None:
    """FluentPro's configuration: see it, check it, serve with it.

    ENV_FOR_DYNACONF chooses the environment: development (the default), testing, staging, production.

    Tab completes verbs and settings after: eval "$(fluentpro completion bash)"
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that can't show a value is no error
    if os.getpid() == 1:  # a container's: the kernel spares it each signal that it does not handle
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    _forget_dead_stack(Path(os.environ.get("FLUENTPRO_ROOT", ".")).absolute())


def _forget_dead_stack(start: Path) -> None:
    """A stack that was killed left its settings: no verb shall wait for servers that are gone."""
    with suppress(OSError):  # somebody else's
        for root in (start, *start.parents):
            if (root / STACK).exists():
                from fluentpro.stack.folder import forget_dead

                forget_dead(root)
                return
