"""Who may see the insides, and who may change them: whoever sends a token that says so.

A token comes as `Authorization: Bearer`, never as a cookie: no page can make a browser send it, so
there is no forgery across sites to guard against, and a staff member's session opens nothing here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import wraps
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TypeAlias

import structlog
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare

from fluentpro.process import current, runtime
from fluentpro.web.limits import limits
from fluentpro.web.tokens.form import OPERATIONS, Scope

View: TypeAlias = Callable[[HttpRequest], HttpResponse]

log = structlog.stdlib.get_logger("fluentpro.audit")


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever sent a good token."""

    name: str
    """The author of what it writes."""
    scope: Scope
    identifier: str
    """What its requests are counted by: the token's id, no secret."""


@dataclass
class DeniedError(Exception):
    """A request that may not go on. Its text is fit for whoever sent it."""

    status: int
    detail: str
    fix: str = ""
    headers: dict[str, str] = field(default_factory=dict)


def identify(request: HttpRequest) -> Caller:
    """Whoever sent a request, by the token that it carries.

    Raises `DeniedError`: 401 without a good token, 429 after too many wrong ones from one address, 503
    where nobody can tell.
    """
    given = _bearer(request)
    if not given:
        raise unauthorized("the operations token is wanted")
    rate, where = current().api.throttle_failures, address(request)
    if wait := limits.used_up("failures", where, rate):
        raise too_many(wait, "too many wrong tokens came from this address")
    caller = _recognise(given)
    if caller is None:
        limits.count("failures", where, rate)
        log.warning("audit.denied", address=where, path=request.path_info, cause="not a good token")
        raise unauthorized("the operations token is wanted")
    return caller


def for_operators(view: View) -> View:
    """Answer 401 to whoever may not see the view; in development, everybody may."""

    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponse:
        if runtime().store.snapshot.environment == "development":
            return view(request)
        try:
            identify(request)
        except DeniedError as denied:
            return JsonResponse({"detail": denied.detail}, status=denied.status, headers=denied.headers)
        return view(request)

    return guarded


def unauthorized(detail: str) -> DeniedError:
    """No good token."""
    return DeniedError(
        401,
        detail,
        "send `Authorization: Bearer` with operations.token, or with one that `fluentpro token create` makes",
        {"WWW-Authenticate": 'Bearer realm="operations"'},
    )


def too_many(wait: int, detail: str) -> DeniedError:
    """Too many in too short a time; `wait` is in s."""
    return DeniedError(429, detail, f"wait {wait} s", {"Retry-After": str(wait)})


def address(request: HttpRequest) -> str:
    """The network address that a request came from; of IPv6 the network, of which a client has all.

    Where a proxy is believed (`django.proxy_ssl_header`), it is what that proxy says: the last address
    in `X-Forwarded-For`, since the ones before it are the client's own words.
    """
    peer = request.META.get("REMOTE_ADDR", "")
    if current().django.proxy_ssl_header:
        peer = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip() or peer
    try:
        known = ip_address(peer)
    except ValueError:
        return "unknown"  # a socket of this machine, or a proxy's fancy
    if isinstance(known, IPv6Address):
        mapped = known.ipv4_mapped
        return str(mapped or ip_network((known.packed, 64), strict=False).network_address)
    return str(known)


def _recognise(given: str) -> Caller | None:
    """Whose token it is; the bytes are compared as they came: a server hands headers over as Latin-1."""
    token = current().operations.token
    if token is not None and constant_time_compare(
        given.encode("latin-1", "replace"), token.get_secret_value().encode()
    ):
        return Caller(OPERATIONS, Scope.WRITE, OPERATIONS)
    from fluentpro.web.tokens import register  # the table needs Django's apps, which settings.py has not

    try:
        row = register.find(given, datetime.now(UTC))
    except DatabaseError:
        raise DeniedError(
            503,
            "the database does not answer, and so nobody can tell whose token this is",
            "try again, or send operations.token, which needs no database",
            {"Retry-After": "5"},
        ) from None
    return Caller(row.name, Scope(row.scope), row.id) if row else None


def _bearer(request: HttpRequest) -> str:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    return given if scheme.lower() == "bearer" else ""
