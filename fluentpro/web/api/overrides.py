"""What operators override while the service runs: seen, set, taken back, rolled back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final, TypeAlias

from django.http import HttpRequest
from ninja import Header, Query, Router
from ninja import Path as PathParameter

from fluentpro.config.errors import ConfigError
from fluentpro.fleet import changes
from fluentpro.fleet.announcement import Kind
from fluentpro.fleet.changes import By, Desk, Plan, RefusedError
from fluentpro.fleet.ledger import ConflictError, LedgerError, NoTableError
from fluentpro.fleet.overrides import ended
from fluentpro.process import current, desk, follow_overrides, overrides, runtime
from fluentpro.schema import Config
from fluentpro.schema.durations import parse_duration
from fluentpro.web import fleet
from fluentpro.web.access import Caller
from fluentpro.web.api import audit
from fluentpro.web.api.config import running
from fluentpro.web.api.doors import READ, WRITE, expect
from fluentpro.web.api.forms import Back, Done, InForce, Made, Reason, Wish, made, shown
from fluentpro.web.api.problems import ProblemError, documented

router = Router(tags=["overrides"])

IfMatch: TypeAlias = Annotated[
    str | None, Header(alias="If-Match", description="Only if this is the ETag of /api/v1/config still.")
]
DryRun: TypeAlias = Annotated[bool, Query(description="Only tell what it would do.")]
WRITES: Final = documented(401, 403, 409, 412, 422, 429, 503)


@router.get(
    "/overrides",
    auth=READ,
    response={200: InForce, **documented(401, 429, 503)},
    summary="The overrides in force",
)
def in_force(request: HttpRequest) -> InForce:
    """What operators set, by whom, why and until when."""
    now, known = time.time(), overrides()
    try:
        with _answering():
            revision = _desk().ledger.current()
    except ProblemError:
        if known is None or not known.revision:
            raise
        listed = [shown(item) for item in known.given]
        return InForce(revision=known.revision, overrides=listed, known_only=True)
    given = revision.overrides if revision else ()
    listed = [shown(item) for item in given if not ended(item, now)]
    return InForce(revision=revision.number if revision else 0, overrides=listed, known_only=False)


@router.get(
    "/overrides/history",
    auth=READ,
    response={200: list[Made], **documented(401, 422, 429, 503)},
    summary="The last revisions",
)
def history(
    request: HttpRequest,
    limit: Annotated[
        int | None, Query(ge=1, le=500, description="How many; api.page_size of them without it.")
    ] = None,
) -> list[Made]:
    """Who changed what, when and why; the newest first."""
    with _answering():
        return [made(item) for item in _desk().ledger.history(limit or current().api.page_size)]


@router.post(
    "/overrides",
    auth=WRITE,
    response={200: Done, **documented(400, 413, 415), **WRITES},
    summary="Set a setting",
)
def set_override(
    request: HttpRequest, wish: Wish, if_match: IfMatch = None, dry_run: DryRun = False
) -> dict[str, Any]:
    """Give a setting a value, in every process, above every file and variable.

    Only settings that are overridable can be set, and never a secret. A value that is not valid, alone
    or with the others, is refused with everything that is wrong; nothing changes then.
    """
    until = time.time() + parse_duration(wish.lifetime) if wish.lifetime else None
    by = _by(request, wish.reason, until, key=wish.key)
    return _change(request, lambda desk: changes.propose_set(desk, wish.key, _text(wish.value), by), dry_run)


@router.post(
    "/overrides/rollback",
    auth=WRITE,
    response={200: Done, **documented(400, 404, 413, 415), **WRITES},
    summary="Go back to an earlier revision",
)
def roll_back(
    request: HttpRequest, back: Back, if_match: IfMatch = None, dry_run: DryRun = False
) -> dict[str, Any]:
    """Make a new revision with the overrides of an earlier one, without those that have ended."""
    by = _by(request, back.reason, to=back.to)

    def propose(desk: Desk[Config]) -> Plan:
        if back.to and desk.ledger.revision(back.to) is None:
            raise ProblemError(
                404, f"there is no revision {back.to}", fix="/api/v1/overrides/history lists them"
            )
        return changes.propose_rollback(desk, back.to, by)

    return _change(request, propose, dry_run)


@router.delete(
    "/overrides/{key}",
    auth=WRITE,
    response={200: Done, **documented(404), **WRITES},
    summary="Take an override back",
)
def unset_override(
    request: HttpRequest,
    key: Annotated[str, PathParameter(examples=["site.banner"])],
    reason: Annotated[Reason, Query()],
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> dict[str, Any]:
    """Let files and variables give the setting its value again."""
    by = _by(request, reason, key=key)

    def propose(desk: Desk[Config]) -> Plan:
        revision = desk.ledger.current()
        if key not in {item.key for item in (revision.overrides if revision else ())}:
            raise ProblemError(404, "this setting is not overridden", fix="/api/v1/overrides lists what is")
        return changes.propose_unset(desk, key, by)

    return _change(request, propose, dry_run)


def _by(request: HttpRequest, reason: str, until: float | None = None, **what: Any) -> By:
    """Whoever asks, for the revision and, should it be refused, for the log."""
    caller: Caller = request.auth  # type: ignore[attr-defined]  # ninja puts it there
    audit.note(request, reason=reason, **what)
    return By(caller.name, reason, until)


def _desk() -> Desk[Config]:
    return desk(runtime().sources, running().candidate)


def _change(request: HttpRequest, propose: Callable[[Desk[Config]], Plan], dry_run: bool) -> dict[str, Any]:
    """Plan a change, and make it unless it is a trial: in the record, here, and then everywhere."""
    with _answering():
        where = _desk()
        plan = propose(where)
        expect(request.headers.get("If-Match"), running().digest)
        if not dry_run:
            changes.commit(plan, where)
    if not dry_run:
        audit.changed(request, plan)
        if fleet.member:
            fleet.member.announce(Kind.OVERRIDE, revision=plan.number)
        follow_overrides()
    return {"to": None, "key": "", **plan.as_dict(), "written": not dry_run}


@contextmanager
def _answering() -> Iterator[None]:
    """Turn what stops a change into a problem."""
    try:
        yield
    except ConfigError as error:
        raise ProblemError(
            422,
            "the configuration would not be valid, and nothing was changed",
            findings=error.findings,
        ) from None
    except RefusedError as error:
        raise ProblemError(409, f"{error}", fix=error.fix) from None
    except ConflictError as error:
        raise ProblemError(409, f"{error}", fix="look again, and send it again") from None
    except NoTableError as error:
        raise ProblemError(503, f"{error}", fix="./manage.py migrate") from None
    except LedgerError as error:
        raise ProblemError(503, f"{error}", fix="try again; /health says how the database is") from None


def _text(value: Any) -> str:
    """A value as a variable would give it."""
    return value if isinstance(value, str) else json.dumps(value)
