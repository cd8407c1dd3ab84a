"""The API's doors: which scope an operation wants, how often a token may knock, what a write must say."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest
from ninja.security.base import AuthBase

from fluentpro.process import current
from fluentpro.web.access import Caller, DeniedError, identify, too_many
from fluentpro.web.api import audit
from fluentpro.web.api.problems import ProblemError
from fluentpro.web.limits import limits
from fluentpro.web.tokens.form import Scope

JSON: Final = "application/json"


class ReadToken(AuthBase):
    """Whoever sends a good token: `Authorization: Bearer`."""

    openapi_type = "http"
    openapi_scheme = "bearer"
    openapi_description = "`operations.token`, or one that `fluentpro token create` made."
    scope = Scope.READ

    def __call__(self, request: HttpRequest) -> Caller:
        """The caller; raises `DeniedError` if there is none who may."""
        caller = identify(request)
        audit.note(request, author=caller.name)
        if wait := limits.count("token", caller.identifier, current().api.throttle_token):
            raise too_many(wait, "this token was used too often")
        if not caller.scope.covers(self.scope):
            make = "make one that may: `fluentpro token create --scope write`"
            raise DeniedError(403, f"the token {caller.name!r} may read, and not write", make)
        return caller


class WriteToken(ReadToken):
    """Whoever sends a token that may write, in a request that is fit to be one."""

    openapi_description = "`operations.token`, or one made with `fluentpro token create --scope write`."
    scope = Scope.WRITE

    def __call__(self, request: HttpRequest) -> Caller:
        """The caller; raises `ProblemError` where the write is not to be tried."""
        caller = super().__call__(request)
        if request.method == "POST" and request.content_type != JSON:
            raise ProblemError(415, "the body has to be JSON", fix=f"send `Content-Type: {JSON}`")
        return caller


def expect(wanted: str | None, running: str) -> None:
    """Raise 412 if a write wants a configuration (`If-Match: "<digest>"`) that no longer runs here.

    It is asked last: a request that would be refused anyhow is told why (RFC 9110, 13.2.1).
    """
    if wanted is None or wanted.strip() == "*":
        return
    if f'"{running}"' not in [item.strip() for item in wanted.split(",")]:
        raise ProblemError(
            412,
            f"the configuration has moved on: {running} runs here now",
            fix="look at /api/v1/config again, and send its ETag as If-Match",
        )


READ = ReadToken()
WRITE = WriteToken()
