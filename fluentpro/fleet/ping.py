"""Does the Redis or Valkey answer, and take our password?"""

from __future__ import annotations

from enum import StrEnum

from redis import Redis as Client
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError
from redis.retry import Retry

from fluentpro.schema.redis import Redis


class Answer(StrEnum):
    """What became of a ping."""

    GIVEN = "answers"
    DENIED = "denies the password"
    NONE = "does not answer"


def ping(redis: Redis, database: int) -> Answer:
    """Ask one database over a connection of its own. Takes no longer than the timeouts in `[redis]`."""
    client = Client.from_url(
        redis.location(database) or "",
        socket_connect_timeout=redis.connect_timeout,
        socket_timeout=redis.socket_timeout,
        retry=Retry(NoBackoff(), 0),
    )
    try:
        client.ping()
    except (AuthenticationError, NoPermissionError):
        return Answer.DENIED
    except ResponseError as error:
        return Answer.DENIED if str(error).startswith(("NOAUTH", "WRONGPASS")) else Answer.NONE
    except (RedisError, OSError):
        return Answer.NONE
    finally:
        client.close()
    return Answer.GIVEN
