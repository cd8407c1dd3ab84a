"""The verdict on the secret backend: down is a warning while everything that was read is still valid."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from fluentpro.health.check import Status, Verdict
from fluentpro.vault.errors import Kind
from fluentpro.vault.secrets import Secrets

NAME = "secret-backend"


def secret_backend(
    secrets: Secrets, clock: Callable[[], float] = time.monotonic, now: Callable[[], float] = time.time
) -> Verdict:
    """What is known of the Vault, the token and each lease. Asks nobody."""
    if not secrets.vault.enabled:
        return Verdict(NAME, Status.PASS, False, "no Vault is enabled")
    moment, problems = clock(), dict(secrets.problems)
    leases = {
        str(place): loan.remaining(moment)
        for place, document in sorted(secrets.documents.items())
        if (loan := document.loan)
    }
    trouble = problems.get(None) or next((item for item in problems.values() if item.kind.passing), None)
    first = min(leases.values(), default=None)
    expired = [place for place, remaining in leases.items() if remaining <= 0]
    texts = [str(problem) for problem in problems.values()]
    texts += [f"not accepted: what is newest at {place}; see the log" for place in sorted(secrets.refused)]
    status = Status.WARN if texts else Status.PASS
    if expired:
        status = Status.FAIL
        texts.insert(0, f"expired: {', '.join(expired)}")
    facts = {
        "reachable": trouble is None or not trouble.kind.passing,
        "sealed": trouble is not None and trouble.kind is Kind.SEALED,
        "token_seconds": _seconds(secrets.token.remaining(moment)) if secrets.token else None,
        "leases": {place: _seconds(remaining) for place, remaining in leases.items()},
        "versions": {
            str(place): held.label for place, held in sorted(secrets.documents.items()) if held.label
        },
        "valid_until": _moment(now() + first) if texts and first is not None else None,
    }
    age = now() - secrets.answered_at if secrets.answered_at else 0.0
    return Verdict(NAME, status, True, "; ".join(texts) or "answers", facts, age=age)


def _seconds(remaining: float) -> float | None:
    """Seconds to one decimal; None for a life without end, which JSON has no number for."""
    return None if remaining == float("inf") else round(remaining, 1)


def _moment(unix: float) -> str:
    return (datetime.fromtimestamp(0, UTC) + timedelta(seconds=unix)).isoformat(timespec="seconds")
