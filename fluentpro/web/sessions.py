"""Sessions live on while the secret key is replaced, also for a browser that asks twice at once."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import middleware
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject


class AuthenticationMiddleware(middleware.AuthenticationMiddleware):
    """Django's, but a session that an earlier key vouches for keeps its id.

    Django gives it another one and deletes the first; whatever else the same browser has asked for
    meanwhile is then signed out (decision 0010).
    """

    def process_request(self, request: HttpRequest) -> None:
        """Give the request its user, looked up when somebody asks."""
        super().process_request(request)
        request.user = SimpleLazyObject(lambda: _user(request))  # type: ignore[assignment]  # as Django does


def _user(request: HttpRequest) -> Any:
    session: Any = request.session
    session.cycle_key = _keep  # of this object alone; looking up the user is all that happens meanwhile
    try:
        return middleware.get_user(request)
    finally:
        del session.cycle_key


def _keep() -> None:
    """Leave the session its id: the present key vouches for it from now on, as for any other."""
