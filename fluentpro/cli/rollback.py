"""`fluentpro rollback`: the overrides of an earlier revision again."""

from __future__ import annotations

import click

from fluentpro.cli.overriding import author
from fluentpro.cli.reach import Wish, change, options
from fluentpro.fleet.changes import By, Plan, propose_rollback


@click.command(epilog="Example: fluentpro rollback 11 --reason 'the new limit was too low'")
@click.argument("number", metavar="[N]", type=click.IntRange(0), required=False)
@click.option("--author", "name", default=author, help="Who does it; this user unless told otherwise.")
@options
def rollback(number: int | None, reason: str, name: str, wish: Wish) -> None:
    """Go back to the overrides of revision N, as a new revision.

    Without N it is the one before the newest; 0 is before the first. What has ended since stays away. A
    revision that is still with its canaries is taken back.

    Exit status: 78 refused, 69 the database does not answer, 75 somebody else changed them meanwhile, or
    not every process has it.
    """

    def said(plan: Plan) -> str:
        many = f"{len(plan.overrides)} override{'' if len(plan.overrides) == 1 else 's'}"
        verb = "would roll back" if wish.dry_run else "rolled back"
        return f"{verb} to revision {plan.to}: {many} (revision {plan.number})"

    change(
        lambda desk: propose_rollback(desk, number, By(name, reason)),
        said,
        wish,
    )
