"""Which pages may open a WebSocket: a browser asks no permission for it, and names the page's origin."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import urlsplit

from django.http.request import split_domain_port, validate_host

from fluentpro.process import runtime
from fluentpro.schema import Config

Application = Callable[[Any, Any, Any], Awaitable[None]]

LOCAL: Final = [".localhost", "127.0.0.1", "[::1]"]
"""What Django allows while debugging, where no host is named."""


class Origins:
    """Refuses, by the newest configuration, hosts and origins that are not ours."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a WebSocket on, or refuse its handshake with 403."""
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        config = runtime().store.snapshot.config
        if allowed(config, headers.get(b"host", ""), headers.get(b"origin")):
            await self.application(scope, receive, send)
        else:
            await send({"type": "websocket.close"})


def allowed(config: Config, host: str, origin: str | None) -> bool:
    """Whether a page of this origin may connect to this host; what is no browser names no origin."""
    if not _is_ours(config, host):
        return False
    if origin is None or config.cors.allow_all or origin in config.cors.allowed_origins:
        return True
    try:
        return _is_ours(config, urlsplit(origin).netloc)
    except ValueError:
        return False


def _is_ours(config: Config, host: str) -> bool:
    known = list(config.django.allowed_hosts)
    if config.django.debug and not known:
        known = LOCAL
    domain, _port = split_domain_port(host)
    return bool(domain) and validate_host(domain, known)
