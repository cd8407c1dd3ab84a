"""The WSGI application."""

from __future__ import annotations

from typing import Any

from fluentpro.web import wiring


def start() -> Any:
    """Make Django ready to answer, and keep it in step with the configuration."""
    wiring.setup()
    from fluentpro.web.application import Application

    made = Application()
    wiring.start(wiring.Role.WEB, made.remake)
    return made


application = start()
