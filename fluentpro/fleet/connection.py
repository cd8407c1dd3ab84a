"""A client of the Redis or Valkey that the fleet meets on: one server, sentinels, or a cluster."""

from __future__ import annotations

from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from redis import Redis as Server
from redis import RedisCluster as Cluster
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from fluentpro.schema.fleet import Fleet
from fluentpro.schema.redis import Redis

Client: TypeAlias = Server | Cluster

SENTINEL_PORT: Final = 26379


def location(fleet: Fleet, redis: Redis) -> str | None:
    """The address of the fleet's server, password included; None where there is none."""
    if fleet.url is None:
        return redis.location(redis.streams_db)
    own = redis.model_copy(update={"url": fleet.url, "password": fleet.password})
    return own.location(database_of(fleet))


def database_of(fleet: Fleet) -> int:
    """The number of the database in `fleet.url`, 0 where it names none: a cluster has no other."""
    number = urlsplit(fleet.url or "").path.strip("/")
    return int(number) if number.isdigit() else 0


def connect(fleet: Fleet, redis: Redis, patience: float = 0.0) -> Client | None:
    """A client; None without an address. That of a cluster asks at once which nodes there are.

    A command fails after `redis.socket_timeout` and `patience` seconds, and is not tried again: whoever
    sends it knows whether that makes sense.
    """
    address = location(fleet, redis)
    if address is None:
        return None
    options: dict[str, Any] = {
        "decode_responses": True,
        "protocol": 2,  # the same answers from every version of the server
        "socket_connect_timeout": redis.connect_timeout,
        "socket_timeout": redis.socket_timeout + patience,
    }
    if fleet.cluster:
        return Cluster.from_url(address, **options, retry=Retry(NoBackoff(), 1))  # one other node, at once
    options |= {"retry": Retry(NoBackoff(), 0), "client_name": "fluentpro-fleet"}
    if fleet.sentinels:
        return _by_sentinels(fleet, address, options)
    return Server.from_url(address, **options)


def _by_sentinels(fleet: Fleet, address: str, options: dict[str, Any]) -> Server:
    parts, server = urlsplit(address), Server.from_url(address)
    known = server.connection_pool.connection_kwargs  # what the address says, as redis reads it
    ours = {name: known[name] for name in ("username", "password", "db") if known.get(name)}
    if parts.scheme == "rediss":
        ours["ssl"] = True
    timeouts = {name: options[name] for name in ("socket_connect_timeout", "socket_timeout")}
    sentinels = Sentinel(  # type: ignore[no-untyped-call]  # redis annotates neither
        [_host_and_port(item) for item in fleet.sentinels],
        sentinel_kwargs=timeouts | ({"ssl": True} if parts.scheme == "rediss" else {}),
        **options,
        **ours,
    )
    made: Server = sentinels.master_for(parts.hostname or "")  # type: ignore[no-untyped-call]  # as above
    return made


def _host_and_port(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return (host, int(port)) if host and port.isdigit() else (text, SENTINEL_PORT)
