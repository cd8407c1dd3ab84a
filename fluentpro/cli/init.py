"""`fluentpro init`: this machine's own secrets."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import NoReturn

import click

from fluentpro.config.diagnostics import EX_CONFIG, EX_NOPERM
from fluentpro.process import sources

SECRETS = ".secrets.local.toml"
TEXT = """\
#:schema ./settings/schema.json
#
# This machine's own secrets, made by `fluentpro init`. git ignores this file; keep it to yourself.

[django]
secret_key = "{secret_key}"

[operations]
token = "{token}"
"""


@click.command(epilog="Example: fluentpro init")
def init() -> None:
    """Write generated development secrets to .secrets.local.toml.

    You alone may read the file. One that is there already is left as it is.
    """
    where = sources()
    path = where.root / SECRETS
    if not (where.root / "settings.toml").is_file():
        _refuse(
            f"no settings.toml in {where.root} or above", "go to the project, or set FLUENTPRO_ROOT to it"
        )
    if where.environment in where.guarded:
        _refuse(
            f"{where.environment} takes no secrets from {SECRETS}",
            "give them in Vault or as FLUENTPRO_* variables, or unset ENV_FOR_DYNACONF",
        )
    made = write(path)
    click.echo(f"wrote {path} with generated secrets" if made else f"{path} is there already; left as it is")


def write(path: Path) -> bool:
    """Write the file with mode 0600; False, and nothing is touched, if there is one or a link of its name."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    except OSError as error:
        _refuse(f"can't write {path}: {error.strerror}", "let this user write there", EX_NOPERM)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(TEXT.format(secret_key=secrets.token_urlsafe(50), token=secrets.token_urlsafe(32)))
    except OSError as error:
        path.unlink()  # half a file would pass for one that is there already
        _refuse(f"can't write {path}: {error.strerror}", "make room on the disk", EX_NOPERM)
    return True


def _refuse(what: str, fix: str, status: int = EX_CONFIG) -> NoReturn:
    click.echo(f"fluentpro: {what}\n        fix: {fix}", err=True)
    raise SystemExit(status)
