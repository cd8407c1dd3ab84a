"""`fluentpro vault`: make a Vault fit for FluentPro."""

from __future__ import annotations

import json
import os
import tomllib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from fluentpro.cli.report import end
from fluentpro.config.diagnostics import EX_CONFIG
from fluentpro.process import sources
from fluentpro.schema import ENVIRONMENTS

if TYPE_CHECKING:
    from fluentpro.vault.plan import Database

TOKEN_FILE: Final = ".vault-token"  # noqa: S105 # where `vault login` and `bao login` leave the token
POSTGRESQL_PORT: Final = "5432"


@click.group(epilog="Example: fluentpro vault bootstrap --dry-run")
def vault() -> None:
    """Look after the Vault that FluentPro's secrets come from."""


@vault.command(
    epilog="Example: VAULT_ADDR=https://vault.example.com:8200 fluentpro vault bootstrap --dry-run"
)
@click.option("--dry-run", is_flag=True, help="Only tell what would be done.")
@click.option(
    "--env",
    "environments",
    type=click.Choice(ENVIRONMENTS),
    multiple=True,
    help="For which environment; may be repeated. Without it, the one of ENV_FOR_DYNACONF.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the steps as JSON.")
def bootstrap(*, dry_run: bool, environments: tuple[str, ...], as_json: bool) -> None:
    """Make what FluentPro needs in a Vault or OpenBao, as the folder secrets/ says.

    What is there already is left alone, so it may be run again at any time. VAULT_ADDR names the Vault
    and VAULT_TOKEN (or ~/.vault-token) a token that may administer it. With PGHOST, PGDATABASE and
    PGPASSWORD (PGPORT, PGSSLMODE), Vault is also told to make the users of that PostgreSQL; prepare it
    with secrets/database.sql first. Secrets that exist are never overwritten, and none is shown.

    Exit status: 0 done, 69 the Vault does not answer or is sealed, 77 it denied access, 78 it, or
    secrets/, is not as it has to be.
    """
    from fluentpro.vault.bootstrap import BootstrapError, Step, connect
    from fluentpro.vault.bootstrap import bootstrap as run
    from fluentpro.vault.plan import read_plan

    where = sources()
    chosen = tuple(dict.fromkeys(environments)) or (where.environment,)
    address, token = _address(os.environ), _token(os.environ)
    databases = _databases(os.environ, chosen)
    try:
        plan = read_plan(where.root / "secrets", chosen, databases)
    except (OSError, tomllib.TOMLDecodeError) as error:
        end(f"the folder {where.root / 'secrets'} can't be read: {error}", "restore it", EX_CONFIG)
    client = connect(
        address,
        token,
        namespace=os.environ.get("VAULT_NAMESPACE", ""),
        ca_file=os.environ.get("VAULT_CACERT", ""),
    )
    steps: list[Step] = []
    try:
        for step in run(client, plan, dry_run=dry_run):
            steps.append(step)
            if not as_json:
                click.echo(step)
    except BootstrapError as error:
        end(error.message, error.fix, error.exit_status)
    if as_json:
        click.echo(json.dumps([{"state": step.state, "subject": step.subject} for step in steps], indent=2))
        return
    counts = Counter(step.state for step in steps)
    told = ", ".join(f"{count} {state}" for state, count in counts.items())
    without = "" if databases else "; no database, since PGHOST is not set"
    click.echo(f"{address}, for {', '.join(chosen)}: {told}{without}")


def _address(environ: Mapping[str, str]) -> str:
    if not (address := environ.get("VAULT_ADDR", "")):
        end("VAULT_ADDR is not set", "export VAULT_ADDR=https://vault.example.com:8200", EX_CONFIG)
    return address


def _token(environ: Mapping[str, str]) -> str:
    """The token of VAULT_TOKEN, else the one that `vault login` or `bao login` left."""
    if token := environ.get("VAULT_TOKEN", ""):
        return token
    file = Path(environ.get("HOME", "/")) / TOKEN_FILE
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError:
        fix = "run `bao login`, or set VAULT_TOKEN to a token that may administer the Vault"
        end(f"there is no token: VAULT_TOKEN is not set, and {file} can't be read", fix, EX_CONFIG)


def _databases(environ: Mapping[str, str], environments: tuple[str, ...]) -> tuple[Database, ...]:
    """The PostgreSQL that libpq's variables name, for the one environment that it serves."""
    from fluentpro.vault.plan import Database

    if not (host := environ.get("PGHOST", "")):
        return ()
    if len(environments) > 1:
        fix = "run the command for one environment at a time, or unset PGHOST"
        end("PGHOST names one database, and each environment has its own", fix, EX_CONFIG)

    def password() -> str:
        if not (text := environ.get("PGPASSWORD", "")):
            fix = "set PGPASSWORD to what you gave fluentpro_vault; Vault changes it at once"
            end("Vault has to be told the password of fluentpro_vault", fix, EX_CONFIG)
        return text

    port = environ.get("PGPORT", POSTGRESQL_PORT)
    if not port.isdecimal():
        end("PGPORT is not a number", "unset it, or set it to PostgreSQL's port", EX_CONFIG)
    name = environ.get("PGDATABASE", "fluentpro")
    sslmode = environ.get("PGSSLMODE", "require")
    return (Database(environments[0], host, int(port), name, password, sslmode),)
