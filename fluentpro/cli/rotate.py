"""`fluentpro rotate`: a new version of a secret, and its arrival."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click
from pydantic import SecretStr

from fluentpro.cli.arrival import Arrival, Here, in_fleet, tell_late
from fluentpro.cli.fleet import asking, channel_of
from fluentpro.cli.look import reading
from fluentpro.cli.report import refusing
from fluentpro.cli.succession import Succession
from fluentpro.config.diagnostics import EX_CONFIG, EX_TEMPFAIL
from fluentpro.config.display import is_reference
from fluentpro.config.fields import Path as Key
from fluentpro.config.fields import settings_of
from fluentpro.config.layers import STACK
from fluentpro.config.snapshot import Snapshot
from fluentpro.fleet.errors import FleetError
from fluentpro.process import VALIDATOR, sources
from fluentpro.schema import Config
from fluentpro.vault.connection import Connection
from fluentpro.vault.documents import newest
from fluentpro.vault.errors import VaultError
from fluentpro.vault.operator import Operator
from fluentpro.vault.reference import Location, Pointer, parse
from fluentpro.vault.rotate import generated, rotate_static, write

SECRET_KEY: Final[Key] = ("django", "secret_key")
PASSWORD: Final[Key] = ("database", "password")
FROM_VAULT: Final = "vault "
"""How the origins of values begin that a Vault gave."""


@click.command(epilog="Example: fluentpro rotate kv/fluentpro/production/openai --key api_key --generate")
@click.argument("target")
@click.option("--key", "keys", multiple=True, help="Which key of the document; more than once for several.")
@click.option("--generate", "random", is_flag=True, help="Make up random values instead of asking for them.")
@click.option(
    "--timeout", default=30.0, show_default=True, help="Seconds to wait until every process has it."
)
@click.option("--force", is_flag=True, help="With secret-key: go on although a process lags.")
@click.option("--retire", is_flag=True, help="With secret-key: accept what earlier keys signed no more.")
@click.option(
    "--idle",
    default=3600.0,
    show_default=True,
    help="With --retire: seconds for which no earlier key may have been needed.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def rotate(target: str, keys: tuple[str, ...], *, random: bool, as_json: bool, **how: Any) -> None:
    """Write a new version of a secret and watch it arrive.

    TARGET is `secret-key`, `database`, or the place of a document in Vault. The Vault is asked with
    VAULT_TOKEN where that is set, else as this service. Nobody else's change is overwritten: if
    the document changed meanwhile, nothing is written.

    The secret key takes two steps: every process accepts the new key before one signs with it. What
    lags is named, and nothing goes on without --force.

    Exit status: 0 every process has it, 75 not everywhere yet, 77 the Vault denied it.
    """
    if (how["force"] or how["retire"]) and target != "secret-key":
        raise click.UsageError("--force and --retire are for secret-key")
    with refusing(as_json=as_json), reading() as where:
        snapshot = VALIDATOR.validate(where.load())
    channel = channel_of(snapshot.candidate)
    with asking(), failing():
        if target == "secret-key":
            pointer = _pointer(snapshot, SECRET_KEY)
            way = Succession(
                _operator(snapshot),
                pointer,
                channel,
                snapshot.config,
                how["timeout"],
                how["force"],
                as_json,
            )
            way.retire(how["idle"]) if how["retire"] else way.rotate()
            return
        place = _pointer(snapshot, PASSWORD).location if target == "database" else _place(target)
        used = any(pointer.location == place for pointer in _used(snapshot).values())
        here = Here(snapshot)
        before = here.running() if used and channel is None else {}
        what, mark = _rotate(snapshot, place, keys, random=random)
    arrival, alone = None, "no service of this project answers here" if used else "no setting refers to it"
    if used and channel:
        try:
            arrival = in_fleet(channel, place, mark, how["timeout"])
        except FleetError as error:  # the version is written, and found by polling
            alone = str(error)
    elif used and before:
        arrival = here.wait(before, how["timeout"])
    _say(what, arrival, alone, how["timeout"], as_json=as_json)


def _say(what: str, arrival: Arrival | None, alone: str, timeout: float, *, as_json: bool) -> None:
    done = arrival is not None and arrival.done
    if as_json:
        total, late = (arrival.total, len(arrival.late)) if arrival else (0, 0)
        seconds = round(arrival.seconds, 3) if arrival and done else None
        click.echo(json.dumps({"rotated": what, "processes": total - late, "of": total, "seconds": seconds}))
    elif arrival is None or (arrival.total == 0 and not arrival.late):
        click.echo(f"rotated {what}; {alone}, so nobody was watched")
    elif done:
        click.echo(f"rotated {what}; all {arrival.total} processes use it after {arrival.seconds:.3g} s")
    if arrival and arrival.late:
        many = f"not every one of {arrival.total} processes uses it after {timeout:g} s"
        click.echo(f"fluentpro: rotated {what}, and {many}", err=True)
        tell_late(arrival.late)
        fix = "the service's log and /health say why; it arrives by itself once that is mended"
        click.echo(f"        fix: {fix}", err=True)
        raise SystemExit(EX_TEMPFAIL)


@contextmanager
def failing() -> Iterator[None]:
    """End the process with what the Vault has against it, and the fix."""
    try:
        yield
    except VaultError as failure:
        click.echo(f"fluentpro: {failure}", err=True)
        for line in failure.fix.splitlines():
            click.echo(f"        {line}", err=True)
        raise SystemExit(failure.kind.status) from None


def _rotate(
    snapshot: Snapshot[Config], place: Location, keys: tuple[str, ...], *, random: bool
) -> tuple[str, str]:
    """Do it; what was done, in words, and the mark of what stands there now."""
    connection = _operator(snapshot)
    if place.leased:
        rotate_static(connection, place)
        return f"the password of {place}", newest(connection, place)
    if not random and not keys:
        raise click.UsageError("say which --key, or --generate new values for all of them")
    values = dict(generated(connection, place, keys)) if random else {key: _asked(key) for key in keys}
    version = write(connection, place, values)
    return f"{place} ({', '.join(sorted(values))}) to version {version}", str(version)


def _operator(snapshot: Snapshot[Config]) -> Connection:
    return Operator(snapshot.config.vault, os.environ, _stack_login()).connect()


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
