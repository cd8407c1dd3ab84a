"""`fluentpro schema`: everything FluentPro can be told, for editors, readers and deployments."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final

import click

from fluentpro.config import manual
from fluentpro.config.jsonschema import json_schema
from fluentpro.schema import ENVIRONMENTS, Config

MARKDOWN: Final = """\
<!-- Made by `fluentpro schema --markdown`; a test compares. Write the texts in fluentpro/schema/. -->

# Settings

Every setting of FluentPro: what it means, what it may be, and what a change of it takes. The value in
force and where it comes from: `fluentpro explain database.port`. A *live* setting is seen at once; what
uses a *rebind* setting is rebuilt without a restart; a *restart* setting is shown as pending until the
process starts anew. Only an *overridable* setting can be overridden by an operator."""

ENV_TEMPLATE: Final = f"""\
FluentPro's environment variables, made by `fluentpro schema --env-template`.

Every one is optional and stands above the settings files. Take the # away from what you need.
A list is written with commas, or as JSON. Any of them with _FILE behind its name names a file that
holds the value: the right way for a secret, which without _FILE would be in the process's environment.

The environment, one of {", ".join(ENVIRONMENTS)}:

   ENV_FOR_DYNACONF={ENVIRONMENTS[0]}

The folder of settings.toml, if it is not the current one or one above it:

   FLUENTPRO_ROOT=/app"""


def editors() -> str:
    """The JSON Schema of the settings files, as settings/schema.json holds it."""
    return json.dumps(json_schema(Config, "FluentPro's settings"), indent=2, ensure_ascii=False) + "\n"


def markdown() -> str:
    """The settings reference, as docs/reference/settings.md holds it."""
    return manual.markdown(Config, MARKDOWN)


def env_template() -> str:
    """Every environment variable, commented out."""
    return manual.env_template(Config, ENV_TEMPLATE)


FORMS: Final[Mapping[str, Callable[[], str]]] = {
    "json": editors,
    "markdown": markdown,
    "env": env_template,
}


@click.command(epilog="Example: fluentpro schema --json-schema > settings/schema.json")
@click.option(
    "--json-schema",
    "form",
    flag_value="json",
    help="A JSON Schema: editors complete and check settings.toml with it.",
)
@click.option("--markdown", "form", flag_value="markdown", help="The settings reference.")
@click.option("--env-template", "form", flag_value="env", help="A .env file with every variable.")
def schema(form: str | None) -> None:
    """Print everything FluentPro can be told, in one of three forms."""
    if form is None:
        raise click.UsageError("say which form: --json-schema, --markdown or --env-template")
    click.echo(FORMS[form](), nl=False)
