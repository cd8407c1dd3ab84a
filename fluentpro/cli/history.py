"""`fluentpro history`: who overrode what and why; and which configuration a digest stands for."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict

import click

from fluentpro.cli.overriding import answering, at_desk, differences, moment, told
from fluentpro.config.display import display, visible
from fluentpro.fleet.changes import RefusedError
from fluentpro.fleet.revision import Applied, Revision, Stage


@click.command(epilog="Example: fluentpro history --limit 5")
@click.argument("digest", required=False)
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def history(digest: str | None, limit: int, *, as_json: bool) -> None:
    """List the revisions of the overrides, the newest first.

    With DIGEST, or its beginning: what that configuration was, when it came and what it changed. Log
    lines and answers carry the digest that produced them. No secret is shown.

    Exit status: 78 no such digest was recorded, 69 the database does not answer.
    """
    with answering(as_json=as_json), at_desk() as desk:
        if digest is not None:
            found = _only(digest, desk.ledger.applied(digest))
        else:
            revisions = desk.ledger.history(limit)
    if digest is not None:
        click.echo(json.dumps(asdict(found), indent=2) if as_json else "\n".join(_configuration(found)))
    elif as_json:
        click.echo(json.dumps([item.as_dict() for item in revisions], indent=2))
    elif revisions:
        click.echo("\n".join(_lines(revisions)))
    else:
        click.echo("nothing was ever overridden")


def _only(digest: str, found: tuple[Applied, ...]) -> Applied:
    if len(found) == 1:
        return found[0]
    fix = "give more of it" if found else "give the digest as the log has it, 4 characters or more"
    raise RefusedError(f"{'more than one' if found else 'no'} configuration has the digest {digest}", fix)


def _lines(revisions: tuple[Revision, ...]) -> Iterator[str]:
    width = max(len(visible(item.author)) for item in revisions)
    for item in revisions:
        stage = "" if item.stage is Stage.EVERYONE else f"  [{item.stage}]"
        at = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(item.made_at))
        yield f"{item.number:>4}  {at}  {visible(item.author):<{width}}  {told(item)}{stage}"
        yield f"      {visible(item.reason)}"


def _configuration(of: Applied) -> Iterator[str]:
    now = time.time()
    yield visible(f"{of.digest}: {of.environment}, release {of.release}")
    after = f", after {of.previous}" if of.previous else ""
    yield visible(f"first seen {moment(of.first_seen, now)} by {of.trigger}{after}")
    if of.changes:
        yield "\nchanged"
        yield from differences(of.changes)
    yield "\nsettings"
    for key, item in sorted(of.settings.items()):  # PostgreSQL keeps no order
        known = item if isinstance(item, dict) else {}
        yield visible(f"  {key} = {display(known.get('value'))}  # {known.get('origin', '')}")
