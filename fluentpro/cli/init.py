"""`fluentpro init`: this machine's own secrets."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import click

from fluentpro.process import sources

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
    """Write .secrets.local.toml with generated development secrets, readable by you alone.

    A file that is there already is left as it is.
    """
    path = sources().root / ".secrets.local.toml"
    made = write(path)
    click.echo(f"wrote {path} with generated secrets" if made else f"{path} is there already; left as it is")


def write(path: Path) -> bool:
    """Write the file with mode 0600; False, and nothing is touched, if there is one."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(handle, "w") as file:
        file.write(TEXT.format(secret_key=secrets.token_urlsafe(50), token=secrets.token_urlsafe(32)))
    return True
