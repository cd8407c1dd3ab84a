"""`fluentpro check`: is the configuration valid?"""

from __future__ import annotations

import json

import click

from fluentpro.cli.report import refusing
from fluentpro.config.diagnostics import render
from fluentpro.config.fields import settings_of
from fluentpro.process import VALIDATOR, sources
from fluentpro.schema import Config


@click.command(epilog="Example: ENV_FOR_DYNACONF=production fluentpro check --json")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def check(*, as_json: bool) -> None:
    """Check the whole configuration and print everything that is wrong with it.

    Exit status: 0 valid, 78 not valid, 77 a file that may not be read.
    """
    with refusing(as_json=as_json):
        snapshot = VALIDATOR.validate(sources().load())
    count, layers = len(settings_of(Config)), len(snapshot.candidate.layers) + 1
    if as_json:
        answer = {
            "valid": True,
            "environment": snapshot.environment,
            "settings": count,
            "layers": layers,
            "digest": snapshot.digest,
            "findings": [item.as_dict() for item in snapshot.warnings],
        }
        click.echo(json.dumps(answer, indent=2))
        return
    if snapshot.warnings:
        click.echo(render(snapshot.warnings), err=True)
    click.echo(
        f"{snapshot.environment}: {count} settings from {layers} layers are valid, digest {snapshot.digest}"
    )
