"""The verbs of `fluentpro`."""

from __future__ import annotations

import click

from fluentpro import __version__
from fluentpro.cli.check import check
from fluentpro.cli.init import init
from fluentpro.cli.serve import serve, up


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fluentpro")
def main() -> None:
    """FluentPro's configuration: see it, check it, serve with it.

    ENV_FOR_DYNACONF chooses the environment: development (the default), testing, staging, production.
    """


for verb in (init, up, serve, check):
    main.add_command(verb)
