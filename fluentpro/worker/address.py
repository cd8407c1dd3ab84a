"""Where the broker is, and with which password: asked anew for every connection."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote, urlencode, urlsplit, urlunsplit

from redis.credentials import CredentialProvider

from fluentpro.process import runtime
from fluentpro.schema.redis import Redis


class Credentials(CredentialProvider):
    """What kombu and Celery ask for each connection that they open: the newest snapshot's password."""

    def get_credentials(self) -> tuple[str, ...]:  # type: ignore[override]  # redis takes none, too
        """Password, or user and password; nothing where there is none."""
        redis = runtime().store.snapshot.config.redis
        parts = urlsplit(redis.location(redis.broker_db) or "")
        return tuple(unquote(part) for part in (parts.username, parts.password) if part)


ASKS: Final = urlencode({"credential_provider": f"{Credentials.__module__}.{Credentials.__qualname__}"})


def address(redis: Redis) -> str:
    """The broker's address in kombu's words, without user and password. There has to be a `redis.url`."""
    parts = urlsplit(redis.location(redis.broker_db) or "")
    if parts.scheme == "unix":
        return f"redis+socket://{parts.path}?virtual_host={redis.broker_db}&{ASKS}"
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, ASKS, ""))
