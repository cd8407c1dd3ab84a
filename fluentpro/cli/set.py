"""`fluentpro set`: an operator's override."""

from __future__ import annotations

import time
from dataclasses import replace

import click

from fluentpro.cli.keys import SETTINGS, Key
from fluentpro.cli.overriding import author, moment
from fluentpro.cli.reach import Wish, change, options
from fluentpro.config.display import display
from fluentpro.config.fields import Path
from fluentpro.fleet.changes import By, Plan, propose_set
from fluentpro.schema.durations import parse_duration


class Duration(click.ParamType[int]):
    """A length of time in s, written `30s`, `15m`, `2h` or `3d`."""

    name = "duration"

    def convert(
        self,
        value: str | int,
        param: click.Parameter | None,  # noqa: ARG002 # click's signature
        ctx: click.Context | None,  # noqa: ARG002 # click's signature
    ) -> int:
        """The seconds."""
        try:
            return value if isinstance(value, int) else parse_duration(value)
        except ValueError as error:
            raise click.UsageError(f"--for {value}: {error}") from None


@click.command(epilog='Example: fluentpro set site.banner "Back at 14:00" --reason maintenance --for 2h')
@click.argument("key", type=Key())
@click.argument("value")
@click.option("--for", "lasting", type=Duration(), help="How long it holds: 30s, 15m, 2h, 3d.")
@click.option("--canary", type=click.IntRange(1), default=None, help="Let so many processes take it first.")
@click.option("--author", "name", default=author, help="Who does it; this user unless told otherwise.")
@options
def set(  # noqa: A001, PLR0913, PLR0917 # the verb's name; click passes each option
    key: Path,
    value: str,
    reason: str,
    lasting: int | None,
    canary: int | None,
    name: str,
    wish: Wish,
) -> None:
    """Override a setting while the service runs.

    VALUE is read as its environment variable would be. It stands above every file and variable, in every
    process, until it ends or `fluentpro unset`. The whole configuration is checked with it first.

    Every process is asked first whether it would accept it; with --dry-run that is all. With --canary
    some take it first; once they run it and their checks are well the others follow, else it is taken back.

    Exit status: 78 refused or taken back, 69 the database does not answer, 75 somebody else changed
    them meanwhile, or not every process has it.
    """
    if key not in SETTINGS:
        raise click.UsageError(f"{'.'.join(key)} is a table: name one of its settings")
    now = time.time()
    by = By(name, reason, now + lasting if lasting else None)
    change(
        lambda desk: propose_set(desk, ".".join(key), value, by),
        lambda plan: f"{'would set' if wish.dry_run else 'set'} {_said(plan, now)}",
        replace(wish, canary=canary or 0),
    )


def _said(plan: Plan, now: float) -> str:
    value = next(item.value for item in plan.overrides if item.key == plan.key)
    ends = f", until {moment(plan.by.until, now)}" if plan.by.until else ""
    return f"{plan.key} to {display(value)} (revision {plan.number}{ends})"
