"""`fluentpro check`: is the configuration valid?"""

from __future__ import annotations

import json

import click

from fluentpro.cli.look import reading
from fluentpro.cli.report import counted, refusing
from fluentpro.config.diagnostics import render
from fluentpro.config.fields import settings_of
from fluentpro.config.layers import Sources
from fluentpro.fleet.overrides import Overrides
from fluentpro.process import VALIDATOR
from fluentpro.schema import Config


@click.command(epilog="Example: ENV_FOR_DYNACONF=production fluentpro check --json")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def check(*, as_json: bool) -> None:
    """Check the configuration; print everything that is wrong.

    Exit status: 0 valid, 78 not valid, 77 a file that may not be read.
    """
    with refusing(as_json=as_json), reading() as where:
        snapshot = VALIDATOR.validate(where.load())
    count, layers = len(settings_of(Config)), ["default", *(item.name for item in snapshot.candidate.layers)]
    if as_json:
        answer = {
            "valid": True,
            "environment": snapshot.environment,
            "settings": count,
            "layers": layers,
            "digest": snapshot.digest,
            "overrides": _overrides(where),
            **counted(snapshot.warnings),
        }
        click.echo(json.dumps(answer, indent=2))
        return
    if snapshot.warnings:
        click.echo(render(snapshot.warnings), err=True)
    click.echo(
        f"{snapshot.environment}: {count} settings from {len(layers)} layers are valid, "
        f"digest {snapshot.digest}"
    )


def _overrides(where: Sources) -> dict[str, object]:
    """The revision that counts; a problem is why the database could not be asked for it."""
    known = where.overrides
    if not isinstance(known, Overrides):
        return {"revision": 0, "problem": None}
    return {"revision": known.revision, "problem": known.problem or None}
