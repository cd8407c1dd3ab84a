"""Who may see the insides: holders of the operations token, and everybody in development."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeAlias

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare

from fluentpro.process import current, runtime

View: TypeAlias = Callable[[HttpRequest], HttpResponse]


def holds_token(request: HttpRequest) -> bool:
    """Whether a request carries `Authorization: Bearer` with the operations token.

    The bytes are compared as they came: a server hands headers over as Latin-1.
    """
    token = current().operations.token
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    return (
        token is not None
        and scheme.lower() == "bearer"
        and constant_time_compare(given.encode("latin-1", "replace"), token.get_secret_value().encode())
    )


def for_operators(view: View) -> View:
    """Answer 401 to whoever may not see the view."""

    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponse:
        if holds_token(request) or runtime().store.snapshot.environment == "development":
            return view(request)
        challenge = {"WWW-Authenticate": 'Bearer realm="operations"'}
        return JsonResponse({"detail": "the operations token is wanted"}, status=401, headers=challenge)

    return guarded
