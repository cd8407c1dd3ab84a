"""The ASGI application: Django for HTTP, and the WebSockets."""

from __future__ import annotations

from typing import Any

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.handlers.asgi import ASGIHandler
from django.urls import path, re_path

from fluentpro.config.store import Listener
from fluentpro.web import wiring


class Application:
    """Answers HTTP with the current Django handler."""

    def __init__(self) -> None:
        self._handler = ASGIHandler()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle one request with one handler, whichever is current when it comes."""
        await self._handler(scope, receive, send)

    def remake(self) -> None:
        """Make Django's middleware anew: one assignment, and no request meets a half-made chain."""
        self._handler = ASGIHandler()


def start() -> ProtocolTypeRouter:
    """Make Django and the WebSockets ready, and keep them in step with the configuration."""
    wiring.setup()
    from fluentpro.web.realtime.about import About, nothing
    from fluentpro.web.realtime.changes import changes
    from fluentpro.web.realtime.origins import Origins

    made = Application()
    views: dict[str, Any] = {"about": About.as_asgi(), "nothing": nothing}  # no views to Django's types
    routes: list[Any] = [path("ws/v1/about", views["about"]), re_path("", views["nothing"])]
    wiring.start(wiring.Role.REALTIME, made.remake, [Listener("realtime", changes.announce)])
    return ProtocolTypeRouter({"http": made, "websocket": Origins(URLRouter(routes))})


application: Any = start()
