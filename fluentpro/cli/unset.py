"""`fluentpro unset`: an override taken back."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from fluentpro.cli.keys import SETTINGS, Key
from fluentpro.cli.overriding import author
from fluentpro.cli.reach import Wish, change, options
from fluentpro.fleet.changes import By, Plan, propose_unset


class Overridden(Key):
    """A setting, or the name of one that is gone: its override can still be there."""

    def convert(  # type: ignore[override]  # a name stays a name
        self,
        value: str,
        param: click.Parameter | None,  # noqa: ARG002 # click's signature
        ctx: click.Context | None,  # noqa: ARG002 # click's signature
    ) -> str:
        """The dotted name."""
        return value

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        """The settings that operators may override."""
        found = super().shell_complete(ctx, param, incomplete)
        allowed = {item.key for item in SETTINGS.values() if item.overridable}
        return [item for item in found if "." not in item.value or item.value in allowed]


@click.command(epilog="Example: fluentpro unset site.banner --reason 'maintenance is over'")
@click.argument("key", type=Overridden())
@click.option("--author", "name", default=author, help="Who does it; this user unless told otherwise.")
@options
def unset(key: str, reason: str, name: str, wish: Wish) -> None:
    """Take an override back: files and variables count again.

    It works when the configuration is not valid, and then may be what heals it.

    Exit status: 78 refused, 69 the database does not answer, 75 somebody else changed them meanwhile, or
    not every process has it.
    """

    def said(plan: Plan) -> str:
        now = next((f": it is {item.new}" for item in plan.changes if item.key == key), "")
        return f"{'would unset' if wish.dry_run else 'unset'} {key}{now} (revision {plan.number})"

    change(
        lambda desk: propose_unset(desk, key, By(name, reason)),
        said,
        wish,
    )
