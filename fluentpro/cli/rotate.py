"""`fluentpro rotate`: a new version of a secret, and its arrival."""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click
from pydantic import SecretStr

from fluentpro.cli.look import reading
from fluentpro.cli.report import refusing
from fluentpro.config.diagnostics import EX_CONFIG
from fluentpro.config.display import is_reference
from fluentpro.config.fields import Path as Key
from fluentpro.config.fields import settings_of
from fluentpro.config.layers import STACK
from fluentpro.config.snapshot import Snapshot
from fluentpro.process import VALIDATOR, sources
from fluentpro.schema import Config
from fluentpro.vault.errors import VaultError
from fluentpro.vault.operator import Operator
from fluentpro.vault.reference import Location, Pointer, parse
from fluentpro.vault.rotate import generated, rotate_static, write

SECRET_KEY: Final[Key] = ("django", "secret_key")
PASSWORD: Final[Key] = ("database", "password")
FROM_VAULT: Final = "vault "
"""How the origins of values begin that a Vault gave."""
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
    with refusing(as_json=as_json), reading() as where:
        snapshot = VALIDATOR.validate(where.load())
    place, keys, made = _target(snapshot, target, keys)
    before = _running(snapshot)
    try:
        what = _rotate(snapshot, place, keys, random=random or made)
    except VaultError as failure:
        click.echo(f"fluentpro: {failure}", err=True)
        for line in failure.fix.splitlines():
            click.echo(f"        {line}", err=True)
        raise SystemExit(failure.kind.status) from None
    began = time.monotonic()
    used = any(pointer.location == place for pointer in _used(snapshot).values())
    now = _arriving(snapshot, before, began + timeout) if before and used else {}
    seconds = round(time.monotonic() - began, 3)
    total = max(sum(before.values()), sum(now.values()))
    arrived = sum(count for digest, count in now.items() if digest not in before)
    if as_json:
        done = arrived == total > 0
        answer = {"rotated": what, "processes": arrived, "of": total, "seconds": seconds if done else None}
        click.echo(json.dumps(answer))
    elif not used:
        click.echo(f"rotated {what}; no setting refers to it, so nobody was watched")
    elif not before:
        click.echo(f"rotated {what}; no service of this project answers here, so nobody was watched")
    elif arrived == total:
        click.echo(f"rotated {what}; all {arrived} processes use it after {seconds:g} s")
    if used and before and arrived < total:
        many = f"{total - arrived} of {total} processes do not use it after {timeout:g} s"
        fix = "the service's log and /health say why; it arrives by itself once that is mended"
        click.echo(f"fluentpro: rotated {what}, and {many}\n        fix: {fix}", err=True)
        raise SystemExit(EX_TEMPFAIL)


def _target(
    snapshot: Snapshot[Config], target: str, keys: tuple[str, ...]
) -> tuple[Location, tuple[str, ...], bool]:
    """The document that is meant, which of its keys, and whether their values are always made up."""
    if target == "database":
        return _pointer(snapshot, PASSWORD).location, (), False
    if target == "secret-key":
        pointer = _pointer(snapshot, SECRET_KEY)
        return pointer.location, (pointer.key,), True
    return _place(target), keys, False


def _rotate(snapshot: Snapshot[Config], place: Location, keys: tuple[str, ...], *, random: bool) -> str:
    """Do it; what was done, in words."""
    connection = Operator(snapshot.config.vault, os.environ, _stack_login()).connect()
    if place.leased:
        rotate_static(connection, place)
        return f"the password of {place}"
    if not random and not keys:
        raise click.UsageError("say which --key, or --generate new values for all of them")
    values = dict(generated(connection, place, keys)) if random else {key: _asked(key) for key in keys}
    version = write(connection, place, values)
    return f"{place} ({', '.join(sorted(values))}) to version {version}"


def _stack_login() -> dict[str, object]:
    """The operator's login of the local stack; nothing where that does not run."""
    folder = (sources().root / STACK).parent
    try:
        if not (folder / Path(STACK).name).is_file():
            return {}
        known = json.loads((folder / "operator.json").read_text(encoding="utf-8"))
        return {"role_id": known["role_id"], "secret_id": SecretStr(known["secret_id"])}
    except (OSError, ValueError, KeyError):
        return {}


def _pointer(snapshot: Snapshot[Config], path: Key) -> Pointer:
    """Where a setting's reference points to; ends the process where its value comes from elsewhere."""
    if pointer := _used(snapshot).get(path):
        return pointer
    key, winner = ".".join(path), snapshot.candidate.winner(path)
    origin = f"comes from {winner.origin}, and not from a Vault" if winner else "is not set"
    click.echo(f"fluentpro: {key} {origin}: there is nothing to rotate", err=True)
    click.echo(f"        fix: {_cure(snapshot)}", err=True)
    raise SystemExit(EX_CONFIG)


def _cure(snapshot: Snapshot[Config]) -> str:
    if snapshot.config.vault.enabled:
        return "remove that value, so that the reference in .secrets.toml counts"
    if snapshot.environment == "development":
        return "`fluentpro up` runs a Vault of its own; rotate while it runs"
    return "set vault.enabled, so that the references in .secrets.toml count"


def _used(snapshot: Snapshot[Config]) -> dict[Key, Pointer]:
    """The settings whose values come from a Vault, or would if it had one, with their places there."""
    found = {}
    for path in settings_of(Config):
        winner = snapshot.candidate.winner(path)
        given = [winner.value, *(value for value, _ in winner.shadows)] if winner else []
        if not winner or not (is_reference(winner.value) or winner.origin.source.startswith(FROM_VAULT)):
            continue
        text = next(value for value in given if is_reference(value))
        if pointer := parse(text, snapshot.environment):
            found[path] = pointer
    return found


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


def _arriving(snapshot: Snapshot[Config], before: Mapping[str, int], until: float) -> dict[str, int]:
    """How many processes run each digest, once none runs what ran before, or when the time is up."""
    now: dict[str, int] = {}
    while time.monotonic() < until:
        now = _running(snapshot)
        if now and not now.keys() & before.keys() and sum(now.values()) >= sum(before.values()):
            return now
        time.sleep(EVERY)
    return now
