"""Who changed what, and who was not let: one event of the log for each write. Never a token."""

from __future__ import annotations

from typing import Any

import structlog
from django.http import HttpRequest

from fluentpro.config.display import visible
from fluentpro.fleet.changes import Plan
from fluentpro.web.access import address

log = structlog.stdlib.get_logger("fluentpro.audit")

LONGEST = 500
"""Characters of a text that the log keeps."""


def note(request: HttpRequest, **facts: Any) -> None:
    """Remember what is known of a write, in case that it is refused."""
    vars(request).setdefault("audited", {}).update(_fit(facts))


def changed(request: HttpRequest, plan: Plan) -> None:
    """Tell of a change of the overrides that was made."""
    facts = _fit(
        {
            "author": plan.by.author,
            "reason": plan.by.reason,
            "revision": plan.number,
            "changed": {item.key: f"{item.old} -> {item.new}" for item in plan.changes},
            "digest": plan.digest,
            "previous_digest": plan.previous_digest,
            "address": address(request),
        }
    )
    match plan.verb:
        case "set":
            log.info("audit.override_set", key=plan.key, until=plan.by.until, **facts)
        case "unset":
            log.info("audit.override_unset", key=plan.key, **facts)
        case _:
            log.info("audit.override_rolled_back", to=plan.to, **facts)


def refused(request: HttpRequest, status: int, why: str) -> None:
    """Tell of a write that changed nothing. The value that was asked for is not told: it may be a secret."""
    facts = {"address": address(request), **vars(request).get("audited", {})}
    log.warning(
        "audit.refused", method=request.method, path=request.path_info, status=status, why=why, **facts
    )


def _fit(facts: dict[str, Any]) -> dict[str, Any]:
    return {
        name: visible(value[:LONGEST]) if isinstance(value, str) else value for name, value in facts.items()
    }
