"""`fluentpro rotate`: a new version of a secret, and its arrival."""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.error
import urllib.request
from typing import Any, Final

import click

from fluentpro.cli.report import refusing
from fluentpro.config.diagnostics import EX_CONFIG
from fluentpro.config.fields import Path
from fluentpro.config.references import is_reference
from fluentpro.config.snapshot import Snapshot
from fluentpro.process import VALIDATOR, sources
from fluentpro.schema import Config
from fluentpro.vault.errors import VaultError
from fluentpro.vault.operator import Operator
from fluentpro.vault.reference import Location, Pointer, parse
from fluentpro.vault.rotate import generate, generated, rotate_static, write

SECRET_KEY: Final[Path] = ("django", "secret_key")
PASSWORD: Final[Path] = ("database", "password")
EVERY: Final = 0.02
"""Seconds between two looks at who has it."""
EX_TEMPFAIL: Final = 75
"""Exit status of sysexits.h: written, and not everybody has it yet."""


@click.command(epilog="Example: fluentpro rotate kv/fluentpro/production/openai --key api_key --generate")
@click.argument("target")
@click.option("--key", "keys", multiple=True, help="Which key of the document; more than once for several.")
@click.option("--generate", "random", is_flag=True, help="Make up random values instead of asking for them.")
@click.option(
    "--timeout", default=30.0, show_default=True, help="Seconds to wait until every process has it."
)
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def rotate(target: str, keys: tuple[str, ...], timeout: float, *, random: bool, as_json: bool) -> None:
    """Write a new version of a secret and watch it arrive.

    TARGET is `secret-key`, `database`, or the place of a document in Vault. The Vault is asked with
    VAULT_TOKEN where that is set, else as this service. Nobody else's change is overwritten: if
    the document changed meanwhile, nothing is written.

    Exit status: 0 every process has it, 75 written and not everywhere yet, 77 the Vault denied it.
    """
    with refusing(as_json=as_json):
        snapshot = VALIDATOR.validate(sources().load())
    before = _running(snapshot)
    try:
        what = _rotate(snapshot, target, keys, random=random)
    except VaultError as failure:
        click.echo(f"fluentpro: {failure}", err=True)
        for line in failure.fix.splitlines():
            click.echo(f"        {line}", err=True)
        raise SystemExit(failure.kind.status) from None
    began = time.monotonic()
    arrived = _arrived(snapshot, before, began + timeout) if before else None
    seconds = round(time.monotonic() - began, 3)
    if as_json:
        answer = {"rotated": what, "processes": arrived, "seconds": seconds if arrived else None}
        click.echo(json.dumps(answer))
    elif not before:
        click.echo(f"rotated {what}; no service of this project answers here, so nobody was watched")
    elif arrived:
        click.echo(f"rotated {what}; all {arrived} processes use it after {seconds:g} s")
    else:
        click.echo(f"rotated {what}; not every process uses it after {timeout:g} s: see /health", err=True)
    if before and not arrived:
        raise SystemExit(EX_TEMPFAIL)


def _rotate(snapshot: Snapshot[Config], target: str, keys: tuple[str, ...], *, random: bool) -> str:
    """Do it; what was done, in words."""
    operator = Operator(snapshot.config.vault, os.environ)
    if target == "database":
        place = _pointer(snapshot, PASSWORD).location
        rotate_static(operator.connect(), place)
        return f"the password of {place}"
    if target == "secret-key":
        pointer = _pointer(snapshot, SECRET_KEY)
        place, values = (
            pointer.location,
            {pointer.key: generate(snapshot.config.django.secret_key.get_secret_value())},
        )
    else:
        place = _place(target)
        connection = operator.connect()
        values = dict(generated(connection, place, keys)) if random else {key: _asked(key) for key in keys}
        if not values:
            raise click.UsageError("say which --key, or --generate new values for all of them")
    version = write(operator.connect(), place, values)
    return f"{place} ({', '.join(sorted(values))}) to version {version}"


def _pointer(snapshot: Snapshot[Config], path: Path) -> Pointer:
    """Where a setting's reference points to."""
    for layer in reversed(snapshot.candidate.layers):
        text = layer.values.get(path)
        if isinstance(text, str) and is_reference(text) and (pointer := parse(text, snapshot.environment)):
            return pointer
    click.echo(
        f"fluentpro: {'.'.join(path)} does not come from a Vault here, so there is nothing to rotate",
        err=True,
    )
    raise SystemExit(EX_CONFIG)


def _place(target: str) -> Location:
    mount, _, path = target.removeprefix("@vault ").partition("#")[0].strip("/").partition("/")
    if not mount or not path:
        raise click.UsageError(
            f"{target!r} is no place in a Vault: give mount and path, such as kv/fluentpro/x"
        )
    return Location(mount, path)


def _asked(key: str) -> str:
    """A value from whoever types it, unseen; from standard input where nobody does."""
    if sys.stdin.isatty():
        return str(click.prompt(f"New value of {key}", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\n")


def _running(snapshot: Snapshot[Config]) -> dict[str, int]:
    """How many processes of the service that listens here run each digest; empty where none answers."""
    server, token = snapshot.config.server, snapshot.config.operations.token
    host = "127.0.0.1" if server.host in ("0.0.0.0", "::") else server.host  # noqa: S104 # what it listens on
    request = urllib.request.Request(f"http://{host}:{server.port}/metrics")  # always http, to ourselves
    request.add_header("Host", "localhost")
    if token:
        request.add_header("Authorization", f"Bearer {token.get_secret_value()}")
    try:
        with urllib.request.urlopen(request, timeout=2) as answer:  # noqa: S310 # as above
            return _digests(answer.read().decode())
    except (urllib.error.URLError, OSError, ValueError):
        return {}


def _digests(page: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for line in page.splitlines():
        if line.startswith("fluentpro_config_info{"):
            labels, _, value = line.rpartition(" ")
            found[labels.partition('digest="')[2].partition('"')[0]] = int(float(value))
    return found


def _arrived(snapshot: Snapshot[Config], before: dict[str, Any], until: float) -> int | None:
    """The number of processes once none runs what ran before; None if that does not come in time."""
    while time.monotonic() < until:
        now = _running(snapshot)
        if now and not now.keys() & before.keys() and sum(now.values()) >= sum(before.values()):
            return sum(now.values())
        time.sleep(EVERY)
    return None
