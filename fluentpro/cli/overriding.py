"""What the verbs that change overrides have in common."""

from __future__ import annotations

import getpass
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import click

from fluentpro.cli.look import reading
from fluentpro.cli.report import refusing
from fluentpro.config.diagnostics import EX_CONFIG, EX_TEMPFAIL, EX_UNAVAILABLE
from fluentpro.config.display import display, visible
from fluentpro.config.overrides import none_given
from fluentpro.fleet.changes import Desk, Plan, RefusedError
from fluentpro.fleet.ledger import ConflictError, LedgerError, NoTableError
from fluentpro.fleet.revision import Revision
from fluentpro.process import desk
from fluentpro.schema import Config


@contextmanager
def answering(*, as_json: bool = False) -> Iterator[None]:
    """Turn what can go wrong into its message, its fix and its exit status."""
    with refusing(as_json=as_json):
        try:
            yield
        except RefusedError as error:
            _end(str(error), error.fix, EX_CONFIG)
        except ConflictError as error:
            _end(str(error), "look at `fluentpro history`, then try again", EX_TEMPFAIL)
        except NoTableError as error:
            _end(str(error), "`fluentpro up` makes it, or ./manage.py migrate", EX_UNAVAILABLE)
        except LedgerError as error:
            _end(str(error), "`fluentpro doctor` tells whether it can be reached", EX_UNAVAILABLE)


@contextmanager
def at_desk() -> Iterator[Desk[Config]]:
    """Where a change is planned: over this machine's configuration, and the database that it names."""
    with reading() as read:
        where = replace(read, overrides=none_given)  # the desk reads them itself
        yield desk(where, where.load())


def author(environ: Mapping[str, str] = os.environ) -> str:
    """Who types: the user behind sudo, else this one."""
    try:
        return environ.get("SUDO_USER") or environ.get("USER") or getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"


def moment(at: float, now: float) -> str:
    """A time for people: `14:05 UTC` today, else with its date."""
    day, today = (time.strftime("%Y-%m-%d", time.gmtime(each)) for each in (at, now))
    clock = time.strftime("%H:%M UTC", time.gmtime(at))
    return clock if day == today else f"{day} {clock}"


def told(revision: Revision) -> str:
    """What a revision did, in words, whatever stands in the database."""
    change = revision.change
    verb, key = str(change.get("verb", "?")), str(change.get("key", ""))
    if verb == "rollback":
        return visible(f"rollback to revision {change.get('to')}")
    for item in revision.overrides:
        if verb == "set" and item.key == key:
            return visible(f"set {key} to {display(item.value)}")
    return visible(f"{verb} {key}")


def differences(changes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Lines that tell what each setting was and is, and what it takes."""
    width = max((len(str(item.get("key"))) for item in changes), default=0)
    for item in changes:
        key, old, new, effect = (str(item.get(name)) for name in ("key", "old", "new", "effect"))
        yield visible(f"  {key:<{width}}  {old} -> {new}  ({effect})")


def rehearsal(plan: Plan) -> Iterator[str]:
    """Lines that tell what a plan would do; the fleet's votes belong below them."""
    yield from differences(plan.change["changes"]) if plan.changes else ("  no setting changes",)
    if plan.digest and plan.previous_digest:
        yield f"  digest {plan.previous_digest} -> {plan.digest}"


def _end(message: str, fix: str, status: int) -> None:
    click.echo(f"fluentpro: {visible(message)}\n        fix: {visible(fix)}", err=True)
    raise SystemExit(status)
