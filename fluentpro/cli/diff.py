"""`fluentpro diff`: what two environments do differently."""

from __future__ import annotations

import json
from typing import Any

import click

from fluentpro.cli.look import Look, look_from_afar
from fluentpro.cli.report import note_invalid, refusing
from fluentpro.config.explain import Difference, Effective, compare
from fluentpro.schema import ENVIRONMENTS

ENVIRONMENT = click.Choice(ENVIRONMENTS)


@click.command(epilog="Example: fluentpro diff development production")
@click.argument("here", metavar="A", type=ENVIRONMENT)
@click.argument("there", metavar="B", type=ENVIRONMENT)
@click.option("--json", "as_json", is_flag=True, help="Print the differences as JSON.")
def diff(here: str, there: str, *, as_json: bool) -> None:
    """Show what differs between two environments, and why.

    Both are read on this machine: its variables count for both, and a reference to a secret that can't
    be resolved here counts as unset. Neither has to be valid.
    """
    with refusing(as_json=as_json):
        one, other = look_from_afar(here), look_from_afar(there)
    for seen in (one, other):
        note_invalid(seen.environment, seen.findings)
    found = compare(one.values, other.values)
    if as_json:
        click.echo(json.dumps(_as_data(one, other, found), indent=2))
        return
    total = len(one.values)
    click.echo(f"{here} and {there} differ in {len(found)} of {total} settings")
    width = max(len(here), len(there))
    for item in found:
        click.echo(f"\n{item.here.setting.key}")
        for name, value in ((here, item.here), (there, item.there)):
            click.echo(f"    {name:<{width}}  {value.text}  from {value.source}")


def _as_data(one: Look, other: Look, found: tuple[Difference, ...]) -> dict[str, Any]:
    return {
        "environments": [
            {"environment": seen.environment, "valid": seen.valid, "digest": seen.digest}
            for seen in (one, other)
        ],
        "settings": len(one.values),
        "differences": [
            {
                "key": item.here.setting.key,
                "effect": item.here.setting.effect.value,
                "secret": item.here.setting.secret,
                "values": [_value(one, item.here), _value(other, item.there)],
            }
            for item in found
        ],
    }


def _value(seen: Look, of: Effective) -> dict[str, Any]:
    return {
        "environment": seen.environment,
        "value": of.data,
        "origin": str(of.origin),
        "unresolved": of.unresolved,
    }
