"""Every process of the fleet, and what it runs."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from fluentpro.fleet.errors import FleetError
from fluentpro.fleet.registry import Process, judge
from fluentpro.process import current, runtime
from fluentpro.web import fleet
from fluentpro.web.api.doors import READ
from fluentpro.web.api.problems import ProblemError, documented

router = Router(tags=["fleet"], auth=READ)


class Member(Schema):
    """One process, as the fleet sees it."""

    process: str = Field(description="Its name: host, process type and process id.")
    host: str
    role: str = Field(description="The process type: `web`, `realtime`, `worker`.")
    pid: int
    digest: str
    state: str = Field(description="`SYNCED`, `STALE`, `REJECTED` or `RESTART`.")
    error: str = Field(description="Why it refused the last change; empty if it did not.")
    pending_restart: list[str]
    age_seconds: float = Field(description="Since its last sign of life.")


@router.get(
    "/fleet", response={200: list[Member], **documented(401, 429, 503)}, summary="Every process of the fleet"
)
def members(request: HttpRequest) -> list[dict[str, Any]]:
    """What `fluentpro fleet --json` says. Without Redis, it is the process that answers alone."""
    try:
        return [item.facts() for item in processes()]
    except FleetError as error:
        raise ProblemError(503, f"the fleet can't be asked: {error}", fix="look at Redis") from None


def processes() -> tuple[Process, ...]:
    """Every process that is known; raises `FleetError` where the server of the fleet does not answer."""
    channel = fleet.channel(current(), runtime().store.snapshot.environment)
    if channel is None:
        here = fleet.member
        return judge([(here.record(), 0.0)], current().fleet.stale_after) if here else ()
    with closing(channel):
        return channel.processes()
