"""The fleet as the API tells it."""

from __future__ import annotations

import os

from fluentpro.stack.stack import Running
from tests.conftest import Launch
from tests.support.inside import Inside
from tests.support.waiting import eventually
from tests.web.api.conftest import Make

FIELDS = {
    "process",
    "host",
    "role",
    "pid",
    "digest",
    "state",
    "error",
    "pending_restart",
    "age_seconds",
}


def test_without_redis_a_process_knows_itself(inside: Inside, make: Make) -> None:
    with inside.client() as client:
        [process] = client.get("/api/v1/fleet", headers=make("anna")).json()
        digest = client.get("/api/v1/about").json()["config"]["digest"]
    assert process.keys() == FIELDS
    assert (process["pid"], process["role"], process["state"]) == (os.getpid(), "web", "SYNCED")
    assert process["digest"] == digest


def test_without_a_token_nothing_is_told_of_it(inside: Inside) -> None:
    with inside.client() as client:
        assert client.get("/api/v1/fleet").status_code == 401


def test_where_redis_does_not_answer_it_says_so(inside: Inside) -> None:
    inside.apply(("fleet.enabled", True), ("redis.url", "redis://:canary@127.0.0.1:1"))
    with inside.client() as client:
        answer = client.get("/api/v1/fleet", headers=inside.bearer)
    assert (answer.status_code, answer.headers["Content-Type"]) == (503, "application/problem+json")
    assert "canary" not in answer.text


def test_over_redis_every_process_is_there(launch: Launch, running_stack: Running) -> None:
    valkey = running_stack.valkey
    server = launch(
        2,
        FLUENTPRO_FLEET__ENABLED="true",
        FLUENTPRO_REDIS__URL=valkey.url,
        FLUENTPRO_REDIS__PASSWORD=valkey.password,
        FLUENTPRO_REDIS__KEY_PREFIX="api-test",
    )

    def pids() -> set[int]:
        answer = server.get("/api/v1/fleet", server.bearer)
        assert answer.status_code == 200, answer.text
        return {item["pid"] for item in answer.json() if item["role"] == "web" and item["state"] == "SYNCED"}

    workers = eventually(lambda: len(found := pids()) == 2 and found)
    assert workers <= server.children()

    done = server.request(
        "POST",
        "/api/v1/overrides",
        server.bearer,
        json={"key": "site.banner", "value": "Everywhere", "reason": "tour"},
    )
    assert done.status_code == 200, done.text
    eventually(lambda: server.serves("Everywhere"))
    digest = done.json()["digest"]
    eventually(
        lambda: {item["digest"] for item in server.get("/api/v1/fleet", server.bearer).json()} == {digest}
    )
