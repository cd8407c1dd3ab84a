"""Setting, taking back and rolling back what operators override."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest

from tests.support.inside import Inside
from tests.web.api.conftest import Bearer, Make

PROBLEM = "application/problem+json"


@pytest.fixture
def anna(inside: Inside, make: Make) -> Bearer:
    """A token that may write."""
    return make("anna", "write")


@pytest.fixture
def client(inside: Inside) -> Iterator[httpx.Client]:
    """Asks; the overrides are empty before and after."""
    forget(inside)
    with inside.client() as client:
        yield client
    forget(inside)


def database(inside: Inside) -> sqlite3.Connection:
    return sqlite3.connect(inside.project.root / "testing.sqlite3", timeout=10)


def forget(inside: Inside) -> None:
    """Remove every revision, and take that up."""
    from fluentpro.process import follow_overrides

    with closing(database(inside)) as connection:
        connection.execute("DELETE FROM overrides_revision")
        connection.commit()
    follow_overrides()


def wish(key: str = "site.banner", value: Any = "Hello", reason: str = "tour", **more: Any) -> dict[str, Any]:
    return {"key": key, "value": value, "reason": reason, **more}


def banner(client: httpx.Client) -> str:
    text: str = client.get("/api/v1/about").json()["banner"]
    return text


def test_a_setting_is_set_and_taken_back(client: httpx.Client, anna: Bearer) -> None:
    before = banner(client)
    done = client.post("/api/v1/overrides", json=wish(), headers=anna)
    assert done.status_code == 200, done.text
    body = done.json()
    assert (body["revision"], body["verb"], body["key"], body["written"]) == (1, "set", "site.banner", True)
    assert (body["author"], body["reason"], body["until"]) == ("anna", "tour", None)
    assert body["changes"] == [
        {"key": "site.banner", "effect": "live", "old": f'"{before}"', "new": '"Hello"'}
    ]
    assert banner(client) == "Hello", "here at once"
    assert client.get("/api/v1/about").json()["config"]["digest"] == body["digest"]
    assert done.headers["X-Config-Digest"] == body["previous_digest"]

    listed = client.get("/api/v1/overrides", headers=anna).json()
    assert (listed["revision"], listed["known_only"]) == (1, False)
    [item] = listed["overrides"]
    assert (item["key"], item["value"], item["author"], item["since"]) == ("site.banner", "Hello", "anna", 1)
    origin = client.get("/api/v1/config/explain/site.banner", headers=anna).json()["origin"]
    assert origin == "override #1 by anna"

    back = client.delete("/api/v1/overrides/site.banner", params={"reason": "over"}, headers=anna)
    assert (back.status_code, back.json()["verb"], back.json()["revision"]) == (200, "unset", 2)
    assert banner(client) == before
    assert client.get("/api/v1/overrides", headers=anna).json()["overrides"] == []


@pytest.mark.parametrize(
    ("key", "value", "kept"),
    [
        ("site.banner", 'with "quotes", commas, [brackets] and ü 😀', None),
        ("site.banner", "", None),
        ("api.page_size", 50, None),
        ("api.page_size", "50", 50),
        ("redis.cache_timeout", 60, None),
    ],
)
def test_a_value_is_taken_as_it_is_meant(
    client: httpx.Client, anna: Bearer, key: str, value: object, kept: object
) -> None:
    done = client.post("/api/v1/overrides", json=wish(key, value), headers=anna)
    assert done.status_code == 200, done.text
    told = client.get(f"/api/v1/config/explain/{key}", headers=anna).json()
    assert told["value"] == (value if kept is None else kept)
    [item] = client.get("/api/v1/overrides", headers=anna).json()["overrides"]
    assert item["value"] == told["value"]


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("api.page_size", 0, "CFG204"),
        ("api.page_size", "many", "CFG202"),
        ("api.page_size", [1, 2], "CFG202"),
        ("api.throttle_user", "often", "CFG205"),
        ("site.baner", "x", "CFG130"),
        ("server.workers", 3, "CFG131"),
        ("django.secret_key", "canary" * 10, "CFG131"),
        ("site", "x", "CFG130"),
    ],
)
def test_a_change_that_is_not_valid_is_refused_with_the_findings(
    client: httpx.Client, anna: Bearer, told: list[dict[str, Any]], key: str, value: object, code: str
) -> None:
    answer = client.post("/api/v1/overrides", json=wish(key, value), headers=anna)
    assert (answer.status_code, answer.headers["Content-Type"]) == (422, PROBLEM), answer.text
    [finding] = answer.json()["findings"]
    assert (finding["code"], finding["key"]) == (code, key)
    assert finding["message"]
    assert finding["fix"] or finding["suggestion"]
    assert client.get("/api/v1/overrides", headers=anna).json()["revision"] == 0
    [event] = [item for item in told if item["event"] == "audit.refused"]
    assert (event["author"], event["key"], event["reason"], event["status"]) == ("anna", key, "tour", 422)
    assert event["codes"] == [code]
    assert "canary" not in answer.text + str(told)


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, "body.key"),
        (wish(reason=""), "body.reason"),
        (wish(reason="x" * 501), "body.reason"),
        (wish(reason="a\0b"), "body.reason"),
        (wish(value=None), "body.value"),
        (wish(value={"a": 1}), "body.value"),
        (wish(value="\0"), "body.value"),
        (wish(**{"for": "3w"}), "body.for"),
        (wish(author="root"), "body.author"),
    ],
)
def test_a_request_of_the_wrong_form_is_told_where(
    client: httpx.Client, anna: Bearer, body: dict[str, Any], where: str
) -> None:
    answer = client.post("/api/v1/overrides", json=body, headers=anna)
    assert (answer.status_code, answer.headers["Content-Type"]) == (422, PROBLEM)
    assert any(item["where"].startswith(where) for item in answer.json()["mistakes"]), answer.text


def test_what_is_not_json_is_not_taken_for_it(client: httpx.Client, anna: Bearer) -> None:
    form = client.post("/api/v1/overrides", data={"key": "site.banner"}, headers=anna)
    assert (form.status_code, form.headers["Content-Type"]) == (415, PROBLEM)
    broken = client.post(
        "/api/v1/overrides", content='{"key": canary', headers={**anna, "Content-Type": "application/json"}
    )
    assert (broken.status_code, broken.json()["detail"]) == (400, "the body is not JSON")
    large = client.post("/api/v1/overrides", json=wish(value="x" * 3_000_000), headers=anna)
    assert (large.status_code, large.headers["Content-Type"]) == (413, PROBLEM)


def test_a_token_that_may_read_may_not_write(
    client: httpx.Client, make: Make, told: list[dict[str, Any]]
) -> None:
    bert = make("bert")
    for answer in (
        client.post("/api/v1/overrides", json=wish(), headers=bert),
        client.delete("/api/v1/overrides/site.banner", params={"reason": "x"}, headers=bert),
        client.post("/api/v1/overrides/rollback", json={"reason": "x"}, headers=bert),
    ):
        assert (answer.status_code, answer.headers["Content-Type"]) == (403, PROBLEM)
    assert client.get("/api/v1/overrides", headers=bert).json()["revision"] == 0
    refused = [item for item in told if item["event"] == "audit.refused"]
    assert [(item["author"], item["status"]) for item in refused] == [("bert", 403)] * 3


def test_nobody_writes_without_a_token(client: httpx.Client, told: list[dict[str, Any]]) -> None:
    answer = client.post("/api/v1/overrides", json=wish())
    assert (answer.status_code, answer.headers["Content-Type"]) == (401, PROBLEM)
    [event] = [item for item in told if item["event"] == "audit.refused"]
    assert (event["status"], event["path"], event["address"]) == (401, "/api/v1/overrides", "127.0.0.1")


def test_the_operations_token_writes_as_operations(client: httpx.Client, inside: Inside) -> None:
    done = client.post("/api/v1/overrides", json=wish(), headers=inside.bearer)
    assert done.json()["author"] == "operations"


def test_a_write_that_expects_another_configuration_is_not_made(client: httpx.Client, anna: Bearer) -> None:
    tag = client.get("/api/v1/config", headers=anna).headers["ETag"]
    first = client.post("/api/v1/overrides", json=wish(), headers={**anna, "If-Match": tag})
    assert first.status_code == 200
    late = client.post("/api/v1/overrides", json=wish(value="Late"), headers={**anna, "If-Match": tag})
    assert (late.status_code, late.headers["Content-Type"]) == (412, PROBLEM)
    weak = client.post(
        "/api/v1/overrides",
        json=wish(value="Late"),
        headers={**anna, "If-Match": f'W/"{first.json()["digest"]}"'},
    )
    assert weak.status_code == 412, "for a write, a weak tag is none (RFC 9110)"
    assert banner(client) == "Hello"
    any_one = client.post("/api/v1/overrides", json=wish(value="Any"), headers={**anna, "If-Match": "*"})
    assert any_one.status_code == 200
    newest = any_one.json()["digest"]
    good = client.post(
        "/api/v1/overrides", json=wish(value="Good"), headers={**anna, "If-Match": f'"x", "{newest}"'}
    )
    assert good.status_code == 200


def test_a_trial_changes_nothing(client: httpx.Client, anna: Bearer, told: list[dict[str, Any]]) -> None:
    before = banner(client)
    tried = client.post("/api/v1/overrides", params={"dry_run": "true"}, json=wish(), headers=anna).json()
    assert (tried["written"], tried["changes"][0]["new"]) == (False, '"Hello"')
    assert banner(client) == before
    assert client.get("/api/v1/overrides", headers=anna).json()["revision"] == 0
    assert not [item for item in told if item["event"].startswith("audit.")]


def test_an_override_for_a_while_has_an_end(client: httpx.Client, anna: Bearer) -> None:
    done = client.post("/api/v1/overrides", json=wish(**{"for": "2h"}), headers=anna)
    assert done.json()["until"] == pytest.approx(time.time() + 7200, abs=60)
    [item] = client.get("/api/v1/overrides", headers=anna).json()["overrides"]
    assert item["until"] == done.json()["until"]


def test_an_override_that_has_ended_is_not_listed(client: httpx.Client, anna: Bearer, inside: Inside) -> None:
    client.post("/api/v1/overrides", json=wish(**{"for": "1s"}), headers=anna)
    from tests.support.waiting import eventually

    eventually(lambda: client.get("/api/v1/overrides", headers=anna).json()["overrides"] == [])


def test_history_and_rollback(client: httpx.Client, anna: Bearer, make: Make) -> None:
    before = banner(client)
    client.post("/api/v1/overrides", json=wish(value="One"), headers=anna)
    client.post("/api/v1/overrides", json=wish(value="Two"), headers=make("bert", "write"))
    made = client.get("/api/v1/overrides/history", headers=anna).json()
    assert [(item["number"], item["author"]) for item in made] == [(2, "bert"), (1, "anna")]
    assert made[0]["overrides"][0]["value"] == "Two"
    assert made[0]["stage"] == "everyone"
    one = client.get("/api/v1/overrides/history", params={"limit": 1}, headers=anna).json()
    assert [item["number"] for item in one] == [2]

    back = client.post("/api/v1/overrides/rollback", json={"reason": "wrong"}, headers=anna)
    assert (back.status_code, back.json()["revision"], back.json()["to"]) == (200, 3, 1), back.text
    assert banner(client) == "One"
    none = client.post("/api/v1/overrides/rollback", json={"to": 0, "reason": "all"}, headers=anna)
    assert none.status_code == 200
    assert banner(client) == before
    gone = client.post("/api/v1/overrides/rollback", json={"to": 99, "reason": "x"}, headers=anna)
    assert (gone.status_code, gone.json()["detail"]) == (404, "there is no revision 99")
    again = client.post("/api/v1/overrides/rollback", json={"to": 0, "reason": "x"}, headers=anna)
    assert (again.status_code, again.headers["Content-Type"]) == (409, PROBLEM)


def test_what_is_not_overridden_can_t_be_taken_back(client: httpx.Client, anna: Bearer) -> None:
    for key in ("site.banner", "nothing.here", "x" * 300):
        answer = client.delete(f"/api/v1/overrides/{key}", params={"reason": "x"}, headers=anna)
        assert (answer.status_code, answer.headers["Content-Type"]) == (404, PROBLEM)
    without = client.delete("/api/v1/overrides/site.banner", headers=anna)
    assert (without.status_code, without.json()["mistakes"][0]["where"]) == (422, "query.reason")


def test_of_two_writes_at_once_one_is_told_of_the_other(
    client: httpx.Client, anna: Bearer, inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fluentpro.fleet import changes

    real = changes.commit

    def late(plan: Any, desk: Any) -> Any:
        real(changes.propose_set(desk, "site.banner", "First", changes.By("bert", "quicker")), desk)
        return real(plan, desk)

    monkeypatch.setattr(changes, "commit", late)  # somebody else, in the worst of moments
    answer = client.post("/api/v1/overrides", json=wish(), headers=anna)
    assert (answer.status_code, answer.headers["Content-Type"]) == (409, PROBLEM)
    assert answer.json()["detail"].startswith("bert made revision 1 meanwhile")


def test_while_the_database_is_away_what_is_known_is_told_and_nothing_is_written(
    client: httpx.Client, inside: Inside
) -> None:
    client.post("/api/v1/overrides", json=wish(), headers=inside.bearer)
    path = inside.project.root / "testing.sqlite3"
    hidden = path.rename(path.with_name("hidden"))
    path.write_text("no database, as it were")
    try:
        known = client.get("/api/v1/overrides", headers=inside.bearer).json()
        refused = client.post("/api/v1/overrides", json=wish(value="x"), headers=inside.bearer)
        history = client.get("/api/v1/overrides/history", headers=inside.bearer)
    finally:
        hidden.rename(path)
    assert (known["known_only"], known["revision"]) == (True, 1)
    assert [item["key"] for item in known["overrides"]] == ["site.banner"]
    for answer in (refused, history):
        assert (answer.status_code, answer.headers["Content-Type"]) == (503, PROBLEM)
    assert banner(client) == "Hello"


def test_every_write_is_one_event_with_who_why_and_what(
    client: httpx.Client, anna: Bearer, told: list[dict[str, Any]]
) -> None:
    before = banner(client)
    client.post("/api/v1/overrides", json=wish(reason="a\x1b[31m tour"), headers=anna)
    client.delete("/api/v1/overrides/site.banner", params={"reason": "over"}, headers=anna)
    client.post("/api/v1/overrides/rollback", json={"to": 1, "reason": "again"}, headers=anna)
    events = [item for item in told if item["event"].startswith("audit.")]
    assert [item["event"] for item in events] == [
        "audit.override_set",
        "audit.override_unset",
        "audit.override_rolled_back",
    ]
    first = events[0]
    assert (first["author"], first["key"], first["revision"]) == ("anna", "site.banner", 1)
    assert first["changed"] == {"site.banner": f'"{before}" -> "Hello"'}
    assert first["reason"].isprintable()
    assert first["digest"] != first["previous_digest"]
    assert anna["Authorization"].split("_")[2] not in str(told)
