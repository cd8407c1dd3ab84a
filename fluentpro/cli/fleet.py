"""`fluentpro fleet`: every process of the service, and what it runs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

import click
from pydantic import ValidationError

from fluentpro import __version__
from fluentpro.cli.look import reading
from fluentpro.cli.report import refusing
from fluentpro.config.diagnostics import EX_CONFIG, EX_TEMPFAIL, EX_UNAVAILABLE, errors
from fluentpro.config.errors import ConfigError
from fluentpro.config.overrides import none_given
from fluentpro.config.snapshot import Candidate
from fluentpro.fleet.channel import Channel
from fluentpro.fleet.errors import FleetError
from fluentpro.fleet.looks import lagging, looks
from fluentpro.fleet.registry import Process, State
from fluentpro.process import VALIDATOR
from fluentpro.schema.fleet import Fleet
from fluentpro.schema.redis import Redis

DIFFERS: Final = 1
"""Exit status where a process is stale or refused a change."""
SHORTEST: Final = 4
"""Digits of a digest that name it."""
COLUMNS: Final = ("process", "role", "digest", "state", "age", "")


@click.command(epilog="Example: fluentpro fleet --wait 1f0c2a94d0b35c7e --timeout 60")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
@click.option("--watch", is_flag=True, help="Show it again whenever something changes, until Ctrl-C.")
@click.option("--wait", "digest", metavar="DIGEST", help="Wait until every process runs this digest.")
@click.option("--timeout", default=60.0, show_default=True, help="Seconds to wait with --wait.")
def fleet(digest: str | None, timeout: float, *, as_json: bool, watch: bool) -> None:
    """Show every process of the service and what it runs.

    SYNCED: it runs the newest change. STALE: something older, or it gave no sign of life for
    fleet.stale_after. REJECTED: it refused the newest change, and says why. RESTART: some of the
    change waits for a restart. The age is that of its last sign of life.

    Exit status: 0 all are SYNCED or RESTART, 1 one is not, 69 the fleet can't be asked; with --wait:
    0 every process runs the digest, 75 not in time.
    """
    if digest is not None and len(digest) < SHORTEST:
        raise click.UsageError(f"give at least {SHORTEST} digits of the digest")
    with opened(as_json=as_json) as channel:
        if digest is not None:
            _wait(channel, digest, timeout, as_json=as_json)
        elif watch:
            _watch(channel, as_json=as_json)
        else:
            processes = channel.processes()
            _print(processes, as_json=as_json)
            raise SystemExit(DIFFERS if _differing(processes) else 0)


@contextmanager
def opened(*, as_json: bool = False) -> Iterator[Channel]:
    """The channel to the fleet of this environment; ends the process where there is none.

    The rest of the configuration need not be valid: that may be what somebody looks for.
    """
    with refusing(as_json=as_json), reading() as read:
        where = replace(read, overrides=none_given)  # none of them says where the fleet is
        candidate = where.load()
        if not candidate.layers and errors(candidate.findings):
            raise ConfigError(candidate.environment, candidate.findings)
        channel = channel_of(candidate)
    if channel is None:
        click.echo(f"fluentpro: {candidate.environment} has no fleet: its processes do not meet", err=True)
        click.echo(f"        fix: {_cure(candidate)}", err=True)
        raise SystemExit(EX_CONFIG)
    for item in candidate.findings:
        if any(f"{table}.password" in item.key for table in ("fleet", "redis")):
            click.echo(f"fluentpro: the password of Redis is not known here: {item.message}", err=True)
    with asking():
        try:
            yield channel
        finally:
            channel.close()


def channel_of(candidate: Candidate) -> Channel | None:
    """The channel to the fleet that a configuration names, valid or not; None where it names none.

    Raises `ConfigError` where the very tables that say so are not valid.
    """
    try:
        fleet = Fleet.model_validate(candidate.values.get("fleet", {}))
        redis = Redis.model_validate(candidate.values.get("redis", {}))
    except ValidationError:
        config = VALIDATOR.validate(candidate).config  # tells what is wrong
        fleet, redis = config.fleet, config.redis
    return Channel.open(fleet, redis, candidate.environment, __version__)


@contextmanager
def asking() -> Iterator[None]:
    """End the process with a clear word where the fleet's server can't be asked."""
    try:
        yield
    except FleetError as error:
        click.echo(f"fluentpro: {error}", err=True)
        fix = (
            "see that it runs and that redis.url and redis.password are right: `fluentpro explain redis.url`"
        )
        click.echo(f"        fix: {fix}", err=True)
        raise SystemExit(EX_UNAVAILABLE) from None


def _cure(candidate: Candidate) -> str:
    table = candidate.values.get("fleet")
    if isinstance(table, dict) and table.get("enabled") is True:
        return "give redis.url the address of a Redis or Valkey"
    if candidate.environment == "development":
        return "`fluentpro up` runs a Valkey of its own; ask while it runs"
    return "set fleet.enabled"


def _wait(channel: Channel, digest: str, timeout: float, *, as_json: bool) -> None:
    began, processes = time.monotonic(), tuple[Process, ...]()
    for processes in looks(channel, began + timeout):
        if processes and not lagging(processes, digest):
            break
    late = lagging(processes, digest)
    if as_json:
        _print(processes, as_json=True)
    elif processes and not late:
        click.echo(f"all {len(processes)} processes run {digest} after {time.monotonic() - began:.1f} s")
    if processes and not late:
        return
    many = f"{len(late)} of {len(processes)} processes do not run {digest} after {timeout:g} s"
    click.echo(f"fluentpro: {many if processes else 'no process has joined the fleet'}", err=True)
    for item in late:
        click.echo(f"        {item.process} runs {item.digest}: {item.error or item.state.value}", err=True)
    raise SystemExit(EX_TEMPFAIL)


def _watch(channel: Channel, *, as_json: bool) -> None:
    shown: object = None
    for processes in looks(channel, float("inf")):
        now = [(item.process, item.digest, item.state, item.error) for item in processes]
        if now != shown:
            if shown is not None and not as_json:
                click.echo()
            _print(processes, as_json=as_json, indent=None)
            shown = now


def _print(processes: Sequence[Process], *, as_json: bool, indent: int | None = 2) -> None:
    if as_json:
        click.echo(json.dumps([item.facts() for item in processes], indent=indent))
        return
    rows = [COLUMNS, *(_row(item) for item in processes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    if not processes:
        click.echo("no process has joined the fleet")


def _row(item: Process) -> tuple[str, ...]:
    note = item.error or (", ".join(item.pending_restart) if item.state is State.RESTART else "")
    if item.record.canary:
        note = f"canary {note}".strip()
    return (item.process, item.role, item.digest, item.state.value, f"{item.age_seconds:.1f} s", note)


def _differing(processes: Sequence[Process]) -> bool:
    return any(item.state in (State.STALE, State.REJECTED) for item in processes)
