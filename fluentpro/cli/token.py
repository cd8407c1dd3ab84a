"""`fluentpro token`: make, list and revoke the tokens of the operators' API."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from fluentpro.cli.machine import DJANGO_SETTINGS
from fluentpro.cli.report import end, refusing
from fluentpro.config.diagnostics import EX_CONFIG, EX_UNAVAILABLE
from fluentpro.process import boot
from fluentpro.process import secrets as process_secrets
from fluentpro.schema.durations import EXAMPLES, parse_duration

if TYPE_CHECKING:
    from fluentpro.web.tokens.models import Token

EX_USAGE = 64
"""Exit status of sysexits.h: the name can't be taken, or is not there."""


@click.group(epilog="Example: fluentpro token create --name anna --scope write --for 90d")
def token() -> None:
    """Make, list and revoke the tokens of the operators' API.

    They are kept in the database as hashes. The token in operations.token works besides them.
    """


@token.command(epilog="Example: fluentpro token create --name grafana --scope read --for 90d")
@click.option("--name", required=True, help="Whose it is; the author of every change made with it.")
@click.option("--scope", type=click.Choice(["read", "write"]), default="read", show_default=True)
@click.option(
    "--for", "lifetime", metavar="TIME", help=f"How long it is good: {EXAMPLES}. Without it, always."
)
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def create(name: str, scope: str, lifetime: str | None, *, as_json: bool) -> None:
    """Make a token, and print it this one time.

    The token is all that is printed on standard output. Write implies read.
    """
    seconds = _seconds(lifetime)
    with _database():
        from fluentpro.web.tokens import register
        from fluentpro.web.tokens.form import Scope

        now, life = register.now(), timedelta(seconds=seconds) if seconds else None
        made = register.create(name, Scope(scope), life, now)
    until = _time(now + life) if life else None
    if as_json:
        facts = {"id": made.identifier, "name": name, "scope": scope, "expires_at": until, "token": made.text}
        click.echo(json.dumps(facts))
        return
    click.echo(made.text)
    end = f"until {until}" if until else "until it is revoked"
    click.echo(f"made a token for {name} ({scope}), good {end}; it is not shown again", err=True)


@token.command("list", epilog="Example: fluentpro token list --json")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def list_tokens(*, as_json: bool) -> None:
    """List every token that was made; nothing of the tokens themselves is shown but their ids."""
    with _database():
        from fluentpro.web.tokens import register

        now, rows = register.now(), register.listed()
    facts = [_facts(row, now) for row in rows]
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    if not facts:
        click.echo("there is no token; `fluentpro token create --name NAME` makes one")
        return
    columns = ("name", "scope", "state", "id", "created_at", "expires_at", "used_at")
    table = [[name.removesuffix("_at") for name in columns]]
    table += [[str(item[name] or "-") for name in columns] for item in facts]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        click.echo("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


@token.command(epilog="Example: fluentpro token revoke anna")
@click.argument("name")
def revoke(name: str) -> None:
    """Let the token of that NAME open nothing any more, at once and in every process."""
    with _database():
        from fluentpro.web.tokens import register

        register.revoke(name, register.now())
    click.echo(f"revoked the token of {name}")


def _seconds(lifetime: str | None) -> int:
    try:
        return parse_duration(lifetime) if lifetime else 0
    except ValueError as error:
        raise click.UsageError(f"--for {lifetime!r}: {error}") from None


@contextmanager
def _database() -> Iterator[None]:
    """Django with its database, which is told of in plain words where it does not answer."""
    os.environ["DJANGO_SETTINGS_MODULE"] = DJANGO_SETTINGS
    with refusing():
        database = boot().config.database
    import django
    from django.conf import settings
    from django.db import DatabaseError, ProgrammingError, connections

    from fluentpro.web.settings import database_settings

    # A pool would wait, and its threads with it: one connection is enough.
    settings.DATABASES["default"] = database_settings(database.model_copy(update={"pool_max": 0}))
    django.setup(set_prefix=False)
    from fluentpro.web.tokens.register import TokenError

    try:
        yield
    except TokenError as error:
        end(str(error), "", EX_USAGE)
    except DatabaseError as error:
        if isinstance(error, ProgrammingError) or "no such table" in str(error):
            end("the database has no table of tokens yet", "./manage.py migrate", EX_CONFIG)
        why = f"the database does not answer ({type(error).__name__})"
        end(why, "`fluentpro doctor` says more", EX_UNAVAILABLE)
    finally:
        connections.close_all()
        if known := process_secrets():
            known.close()


def _facts(row: Token, now: datetime) -> dict[str, Any]:
    return {
        "name": row.name,
        "scope": row.scope,
        "state": row.state(now),
        "id": row.id,
        "created_at": _time(row.created_at),
        "expires_at": _time(row.expires_at),
        "revoked_at": _time(row.revoked_at),
        "used_at": _time(row.used_at),
    }


def _time(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat(timespec="seconds") if at else None
