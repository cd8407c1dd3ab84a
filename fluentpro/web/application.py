"""Django for WSGI behind one reference, so that it can be swapped whole."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.core.handlers.wsgi import WSGIHandler

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class Application:
    """Answers with the current Django handler."""

    def __init__(self) -> None:
        self._handler = WSGIHandler()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Handle one request with one handler, whichever is current when it comes."""
        return self._handler(environ, start_response)

    def remake(self) -> None:
        """Make Django's middleware anew: one assignment, and no request meets a half-made chain."""
        self._handler = WSGIHandler()
