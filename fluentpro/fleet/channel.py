"""Every command that the fleet sends to its server; whatever goes wrong there is a `FleetError`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from redis import ConnectionPool
from redis.exceptions import AuthenticationError, NoPermissionError, RedisClusterException, RedisError
from redis.exceptions import TimeoutError as Late

from fluentpro.fleet.announcement import Announcement
from fluentpro.fleet.connection import Client, connect, location
from fluentpro.fleet.errors import FleetError
from fluentpro.fleet.registry import Process, Record, judge
from fluentpro.schema.fleet import Fleet
from fluentpro.schema.redis import Redis

BEGINNING: Final = "0-0"
"""The place in a stream before every entry."""
PATIENCE: Final = 2.0
"""Seconds for which one look at the announcements may wait for the next."""
KEPT: Final = 1000
"""Announcements and acknowledgements that are kept; whoever lags further behind looks everything up."""
KEPT_FOR: Final = 7 * 86_400
"""Seconds after which what a release leaves behind is removed, once its last process is gone."""
VOTES_FOR: Final = 120
"""Seconds for which votes are kept."""

BEAT: Final = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local id, joined, stale, forget = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
redis.call('ZADD', KEYS[2], now, id)
redis.call('ZADD', KEYS[1], 'NX', joined, id)
redis.call('HSET', KEYS[3], id, ARGV[5])
local target = redis.call('HGET', KEYS[4], 'since')
if ARGV[7] ~= '' and (not target or tonumber(ARGV[7]) > tonumber(target)) then
  redis.call('HSET', KEYS[4], 'since', ARGV[7], 'digest', ARGV[6])
end
if redis.call('SET', KEYS[5], 1, 'NX', 'PX', 500) then
  for _, other in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now - stale)) do
    redis.call('ZREM', KEYS[1], other)
  end
  for _, other in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now - forget)) do
    redis.call('ZREM', KEYS[2], other)
    redis.call('HDEL', KEYS[3], other)
  end
  for number = 1, 4 do redis.call('EXPIRE', KEYS[number], ARGV[8]) end
end
return {redis.call('ZCARD', KEYS[1]), redis.call('ZRANK', KEYS[1], id), tostring(now),
  redis.call('HGET', KEYS[4], 'digest') or ''}
"""
"""One sign of life. A script, so that it is one command however much it does, by the server's clock."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """What a process learns with each sign of life."""

    count: int
    """How many processes are alive."""
    rank: int
    """Its own number among them, from 0."""
    clock: float
    """The server's Unix time in s."""
    target: str
    """The digest that a process took up last."""


@dataclass(frozen=True, slots=True)
class Limits:
    """After how long without a sign of life, in s."""

    stale: float
    forget: float


@dataclass(slots=True)
class Channel:
    """The streams and the registry of one release in one environment."""

    connect: Callable[[], Client | None] = field(repr=False)
    prefix: str
    limits: Limits
    closed: bool = False
    _client: Client | None = field(default=None, repr=False)

    @property
    def client(self) -> Any:
        """Made with the first command, since making one can fail as a command can.

        Of no type: redis-py annotates each answer as whatever any protocol and setting may give.
        """
        if self._client is None:
            self._client = self.connect()
        return self._client

    @classmethod
    def open(cls, fleet: Fleet, redis: Redis, environment: str, release: str) -> Channel | None:
        """A channel to the server that the configuration names; None where it names none."""
        if not fleet.enabled or location(fleet, redis) is None:
            return None
        # In braces: the part by which a cluster keeps all keys of one fleet on one node.
        prefix = f"{redis.key_prefix}:fleet:{{{environment}:{fleet.release or release}}}"
        limits = Limits(fleet.stale_after, fleet.forget_after)
        return cls(lambda: connect(fleet, redis, PATIENCE), prefix, limits)

    def close(self) -> None:
        """End its connections; a look that waits in another thread fails at once."""
        self.closed = True
        with suppress(RedisError, OSError):
            if self._client:
                self._client.close()
                if isinstance(pool := getattr(self._client, "connection_pool", None), ConnectionPool):
                    pool.disconnect()

    # ---- Announcements

    def announce(self, said: Announcement) -> str:
        """Put a hint on the stream; returns its place there."""
        return self._add("announcements", said.fields())

    def newest(self, stream: str = "announcements") -> str:
        """The place of the newest entry of a stream."""
        with self._failing():
            found = self.client.xrevrange(self._key(stream), count=1)
        return str(found[0][0]) if found else BEGINNING

    def listen(self, after: str, wait: float) -> tuple[str, Sequence[Announcement]]:
        """What was announced after a place, and the place of the last; waits up to `PATIENCE` for some."""
        place, entries = self._read("announcements", after, wait)
        parsed = (Announcement.parse(number, fields) for number, fields in entries)
        return place, [said for said in parsed if said]

    # ---- Acknowledgements

    def acknowledge(self, facts: Mapping[str, str]) -> str:
        """Say what became of a change."""
        return self._add("acknowledgements", facts)

    def acknowledged(self, after: str, wait: float) -> tuple[str, Sequence[Mapping[str, str]]]:
        """What was acknowledged after a place, and the place of the last; waits for some as `listen` does."""
        place, entries = self._read("acknowledgements", after, wait)
        return place, [fields for _, fields in entries]

    # ---- The registry

    def beat(self, record: Record, joined: float) -> Pulse:
        """A sign of life, with what the process says of itself."""
        keys = [self._key(name) for name in ("members", "beats", "records", "target", "swept")]
        given = [
            record.process,
            joined,
            self.limits.stale,
            self.limits.forget,
            record.text(),
            record.digest,
            "" if record.canary else record.since,
            KEPT_FOR,
        ]
        with self._failing():
            count, rank, clock, target = self.client.eval(BEAT, len(keys), *keys, *given)
        return Pulse(int(count), int(rank), float(clock), str(target))

    def leave(self, *names: str) -> None:
        """Take processes off the registry."""
        with self._failing():
            for key in ("members", "beats"):
                self.client.zrem(self._key(key), *names)
            self.client.hdel(self._key("records"), *names)

    def records(self) -> list[tuple[Record, float]]:
        """What every known process says of itself, and the seconds since its last sign of life."""
        with self._failing():
            seconds, microseconds = self._time()
            given: dict[str, str] = self.client.hgetall(self._key("records"))
            beats = dict(self.client.zrange(self._key("beats"), 0, -1, withscores=True))
        now = seconds + microseconds / 1_000_000
        parsed = ((name, Record.parse(text)) for name, text in given.items())
        return [(record, max(now - beats[name], 0.0)) for name, record in parsed if record and name in beats]

    def processes(self) -> tuple[Process, ...]:
        """Every known process, with its state."""
        return judge(self.records(), self.limits.stale)

    # ---- Votes

    def vote(self, ballot: str, facts: Mapping[str, Any]) -> None:
        """Answer a rehearsal."""
        key = self._key(f"votes:{ballot}")
        with self._failing():
            self.client.rpush(key, json.dumps(dict(facts)))
            self.client.expire(key, VOTES_FOR)

    def votes(self, ballot: str, wait: float) -> list[dict[str, Any]]:
        """The answers that came to a ballot since this was asked last; waits up to `PATIENCE` for one."""
        key = self._key(f"votes:{ballot}")
        with self._failing():
            first = self.client.blpop([key], timeout=max(min(wait, PATIENCE), 0.01))
            more = self.client.lpop(key, KEPT) if first else None
        return [json.loads(text) for text in ([first[1], *(more or ())] if first else ())]

    # ---- Use of the fallback keys

    def count(self, name: str, uses: Mapping[str, int]) -> None:
        """Add to counters under a name; each remembers when it was added to last."""
        with self._failing():
            seconds, _ = self._time()
            for item, number in uses.items():
                self.client.hincrby(self._key(name), item, number)
                self.client.hset(self._key(f"{name}:last"), item, seconds)
            for key in (name, f"{name}:last"):
                self.client.expire(self._key(key), KEPT_FOR)

    def counted(self, name: str) -> dict[str, tuple[int, float]]:
        """For each counter under a name: how much, and the seconds since it was added to last."""
        with self._failing():
            seconds, _ = self._time()
            given = self.client.hgetall(self._key(name))
            last = self.client.hgetall(self._key(f"{name}:last"))
        return {item: (int(number), seconds - float(last.get(item, 0))) for item, number in given.items()}

    # ---- The commands below

    def _add(self, stream: str, fields: Mapping[str, str]) -> str:
        key = self._key(stream)
        with self._failing():
            number = self.client.xadd(key, dict(fields), maxlen=KEPT, approximate=True)
            self.client.expire(key, KEPT_FOR)
        return str(number)

    def _read(self, stream: str, after: str, wait: float) -> tuple[str, list[tuple[str, dict[str, str]]]]:
        pause = max(1, round(min(wait, PATIENCE) * 1000))  # 0 would wait for ever
        with self._failing():
            answer = self.client.xread({self._key(stream): after}, count=KEPT, block=pause)
        entries = answer[0][1] if answer else []
        return (str(entries[-1][0]) if entries else after), entries

    def _time(self) -> tuple[int, int]:
        answer: Any = self.client.time()
        if isinstance(answer, dict):  # a cluster answers for each node
            answer = next(iter(answer.values()))
        return int(answer[0]), int(answer[1])

    def _key(self, name: str) -> str:
        return f"{self.prefix}:{name}"

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Say of a failure what an operator needs, and nothing that the server or the address said."""
        try:
            yield
        except (AuthenticationError, NoPermissionError):
            message = "Redis refused the password, or does not allow its user what the fleet does"
            raise FleetError(message) from None
        except (Late, TimeoutError):
            raise FleetError("Redis did not answer in time") from None
        except (RedisError, RedisClusterException, OSError) as error:
            raise FleetError(f"Redis can't be asked: {type(error).__name__}") from None
        except Exception:  # a read whose connection another thread closes fails in any way
            if not self.closed:
                raise
            raise FleetError("the connection was closed") from None
