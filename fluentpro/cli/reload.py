"""`fluentpro reload`: every process tries its sources now."""

from __future__ import annotations

import json
import time
from dataclasses import asdict

import click

from fluentpro.cli.fleet import opened
from fluentpro.config.diagnostics import EX_TEMPFAIL
from fluentpro.fleet.announcement import Announcement, Kind
from fluentpro.fleet.looks import poll


@click.command(epilog="Example: fluentpro reload --timeout 10")
@click.option("--timeout", default=10.0, show_default=True, help="Seconds to wait for the processes.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def reload(timeout: float, *, as_json: bool) -> None:
    """Let every process read its sources now.

    A saved file and a new secret are noticed without it; this asks at once, and shows the answer.

    Exit status: 0 every process answered and refused nothing, 75 one did not, or refused.
    """
    with opened(as_json=as_json) as channel:
        votes, silent = poll(
            channel, Announcement(Kind.RELOAD, "fluentpro reload"), time.monotonic() + timeout
        )
    refused = [vote for vote in votes if not vote.accepts]
    if as_json:
        answer = {
            "asked": len(votes) + len(silent),
            "votes": [asdict(vote) for vote in votes],
            "silent": silent,
        }
        click.echo(json.dumps(answer, indent=2))
    elif votes and not refused and not silent:
        digests = ", ".join(sorted({vote.digest for vote in votes}))
        click.echo(f"{len(votes)} processes tried their sources, and run {digests}")
    if refused or silent or not votes:
        many = f"{len(refused) + len(silent)} of {len(votes) + len(silent)} processes did not take it up"
        click.echo(f"fluentpro: {many if votes or silent else 'no process has joined the fleet'}", err=True)
        for vote in refused:
            click.echo(f"        {vote.process}: {vote.error}", err=True)
        for name in silent:
            click.echo(f"        {name}: no answer for {timeout:g} s", err=True)
        raise SystemExit(EX_TEMPFAIL)
