"""How often a token may be used, and how often an address may guess."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from fluentpro.stack.stack import Running
from tests.support.inside import Inside
from tests.web.api.conftest import Make

WRONG = {"Authorization": "Bearer wrong"}


@dataclass
class Clock:
    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Broken:
    """A cache that does not answer, and counts how often it was asked."""

    asked: int = 0
    answers: dict[str, int] = field(default_factory=dict)
    away: bool = True

    def add(self, key: str, value: int, timeout: float) -> bool:
        self.asked += 1
        if self.away:
            raise ConnectionError("redis://:canary@example.com is away")
        return self.answers.setdefault(key, value) == value

    def incr(self, key: str) -> int:
        self.answers[key] += 1
        return self.answers[key]


class Forgetful:
    """A cache that is full, and keeps nothing from one question to the next."""

    def add(self, key: str, value: int, timeout: float) -> bool:
        return True

    def incr(self, key: str) -> int:
        raise ValueError(key)


@pytest.mark.usefixtures("counted")
def test_a_token_that_is_used_too_often_has_to_wait(inside: Inside, make: Make) -> None:
    inside.apply(("api.throttle_token", "3/d"))
    anna, bert = make("anna"), make("bert")
    with inside.client() as client:
        statuses = [client.get("/api/v1/config", headers=anna).status_code for _ in range(4)]
        assert statuses == [200, 200, 200, 429]
        refused = client.get("/api/v1/config", headers=anna)
        assert 0 < int(refused.headers["Retry-After"]) <= 86_400
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert client.get("/api/v1/config", headers=bert).status_code == 200, "each token by itself"
        assert client.get("/api/v1/about").status_code == 200, "nobody counts what is public"
        assert client.get("/metrics", headers=anna).status_code == 200, "nor what is scraped"
        inside.apply(("api.throttle_token", "9/d"))
        assert client.get("/api/v1/config", headers=anna).status_code == 200, "a live setting"


@pytest.mark.usefixtures("counted")
@pytest.mark.parametrize("path", ["/api/v1/config", "/health", "/metrics"])
def test_after_some_wrong_tokens_an_address_is_not_listened_to(inside: Inside, path: str) -> None:
    inside.apply(("api.throttle_failures", "3/d"))
    with inside.client() as client:
        assert [client.get(path).status_code for _ in range(5)] == [401] * 5, "no token is no guess"
        assert [client.get(path, headers=WRONG).status_code for _ in range(4)] == [401, 401, 401, 429]
        right = client.get(path, headers=inside.bearer)
        assert right.status_code == 429, "else a guesser would know the right one by its answer"
        assert int(right.headers["Retry-After"]) > 0
    elsewhere = httpx.WSGITransport(app=inside.application, remote_addr="192.0.2.7")
    with httpx.Client(transport=elsewhere, base_url="http://testserver") as client:
        assert client.get(path, headers=inside.bearer).status_code == 200


def test_a_window_ends_and_another_begins(inside: Inside) -> None:
    from fluentpro.web.limits import Limits

    clock = Clock(1_000_020.5)  # 0.5 s into a minute
    limits = Limits(Broken(away=False), clock)  # type: ignore[arg-type]
    assert [limits.count("token", "anna", "2/min") for _ in range(3)] == [0, 0, 60]
    assert limits.count("token", "bert", "2/min") == 0
    assert limits.count("token", "anna", "2/h") == 0, "another period, another count"
    clock.now += 59
    assert limits.count("token", "anna", "2/min") == 1
    clock.now += 1
    assert limits.count("token", "anna", "2/min") == 0


def test_a_count_that_the_cache_let_go_begins_anew(inside: Inside) -> None:
    from fluentpro.web.limits import Limits

    limits = Limits(Forgetful())  # type: ignore[arg-type]
    assert [limits.count("token", "anna", "1/d") for _ in range(3)] == [0, 0, 0]


def test_while_the_cache_is_away_a_process_counts_alone_and_says_so_once(
    inside: Inside, told: list[dict[str, Any]]
) -> None:
    from fluentpro.web.limits import REST, Limits

    clock, broken = Clock(), Broken()
    limits = Limits(broken, clock)  # type: ignore[arg-type]
    assert [limits.count("token", "anna", "2/d") for _ in range(3)][:2] == [0, 0]
    assert limits.used_up("token", "anna", "2/d") > 0
    assert broken.asked == 1, "nobody waits for each timeout"
    clock.now += REST
    limits.count("token", "anna", "2/d")
    assert broken.asked == 2
    broken.away = False
    clock.now += REST
    assert limits.count("token", "anna", "2/d") == 0
    events = [item["event"] for item in told]
    assert events == ["api.limits_alone", "api.limits_shared"]
    assert "canary" not in str(told)


@pytest.mark.usefixtures("counted")
def test_over_redis_processes_count_together_and_without_it_requests_are_served(
    inside: Inside, running_stack: Running, make: Make
) -> None:
    from django.core.cache import cache

    from fluentpro.web.limits import Limits

    valkey = running_stack.valkey
    inside.apply(("redis.password", valkey.password), name=".secrets.local.toml")
    inside.apply(("redis.url", valkey.url), ("api.throttle_token", "3/d"))
    cache.clear()
    anna = make("anna")
    identifier = anna["Authorization"].split("_")[1]
    with inside.client() as client:
        assert [client.get("/api/v1/config", headers=anna).status_code for _ in range(2)] == [200, 200]
        assert Limits(cache).count("token", identifier, "3/d") == 0, "another process's, say"
        assert client.get("/api/v1/config", headers=anna).status_code == 429
        inside.apply(("redis.url", "redis://127.0.0.1:1"))
        statuses = [client.get("/api/v1/config", headers=anna).status_code for _ in range(4)]
        assert statuses == [200, 200, 200, 429], "this process by itself"
