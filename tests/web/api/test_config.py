"""What the API tells of the configuration: the same as the command, and never a secret."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest

from fluentpro.config.fields import settings_of
from fluentpro.schema import Config
from tests.support.inside import Inside
from tests.support.project import Project
from tests.support.server import COMMAND, KEPT


def command(project: Project, *arguments: str) -> Any:
    """What the command says of the same files, in JSON."""
    environ = {name: os.environ[name] for name in KEPT if name in os.environ}
    environ |= {"ENV_FOR_DYNACONF": "testing", "HOME": str(project.root)}
    done = subprocess.run(
        [COMMAND, *arguments], cwd=project.root, env=environ, capture_output=True, text=True, check=False
    )
    return json.loads(done.stdout)


def test_every_setting_is_there_with_value_origin_and_effect(inside: Inside) -> None:
    inside.apply(("site.banner", "Hello"))
    with inside.client() as client:
        answer = client.get("/api/v1/config", headers=inside.bearer)
        about = client.get("/api/v1/about").json()
    body = answer.json()
    assert body["settings"].keys() == {item.key for item in settings_of(Config).values()}
    banner = body["settings"]["site.banner"]
    assert (banner["value"], banner["effect"], banner["overridable"]) == ("Hello", "live", True)
    assert banner["origin"].startswith("settings/testing.toml:")
    assert body["digest"] == about["config"]["digest"] == answer.headers["X-Config-Digest"]
    assert body["environment"] == "testing"


def test_a_secret_is_hidden_and_a_url_shows_without_its_password(inside: Inside) -> None:
    inside.apply(("redis.url", "redis://user:canary@127.0.0.1:1"))
    with inside.client() as client:
        answer = client.get("/api/v1/config", headers=inside.bearer)
        told = client.get("/api/v1/config/explain/redis.url", headers=inside.bearer)
    settings = answer.json()["settings"]
    for item in settings_of(Config).values():
        if item.secret:
            assert settings[item.key]["value"] in (None, [], "********"), item.key
    assert settings["django.secret_key"]["value"] == "********"
    assert settings["redis.url"]["value"] == told.json()["value"] == "redis://user:********@127.0.0.1:1"
    for canary in ("canary", inside.project.token, inside.project.secret_key):
        assert canary not in answer.text + told.text


def test_whoever_has_it_already_is_told_no_more(inside: Inside) -> None:
    with inside.client() as client:
        first = client.get("/api/v1/config", headers=inside.bearer)
        tag = first.headers["ETag"]
        assert tag == f'"{first.json()["digest"]}"'
        for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            again = client.get("/api/v1/config", headers={**inside.bearer, "If-None-Match": known})
            assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag), known
        inside.apply(("site.banner", "Another"))
        changed = client.get("/api/v1/config", headers={**inside.bearer, "If-None-Match": tag})
        assert changed.status_code == 200
        assert changed.headers["ETag"] != tag


def test_what_waits_for_a_restart_says_so(inside: Inside) -> None:
    inside.apply(("server.workers", 3))
    with inside.client() as client:
        settings = client.get("/api/v1/config", headers=inside.bearer).json()["settings"]
    waiting = [key for key, item in settings.items() if item["pending_restart"]]
    assert waiting == ["server.workers"]


@pytest.mark.parametrize(
    "key", ["site.banner", "django.secret_key", "database", "api", "server.workers", "redis.url"]
)
def test_a_setting_or_a_table_is_explained_as_the_command_does(inside: Inside, key: str) -> None:
    with inside.client() as client:
        answer = client.get(f"/api/v1/config/explain/{key}", headers=inside.bearer)
    assert answer.status_code == 200
    said, told = answer.json(), command(inside.project, "explain", key, "--json")
    for each in (*said.get("settings", [said]), *told.get("settings", [told])):
        each.pop("age_seconds", None)  # it grows
    assert said == told


def test_after_a_refusal_it_says_what_is_wrong_and_what_runs(inside: Inside) -> None:
    inside.project.set("server.workers", 0)
    inside.reload()
    with inside.client() as client:
        answer = client.get("/api/v1/config/explain/server.workers", headers=inside.bearer).json()
        other = client.get("/api/v1/config/explain/site.banner", headers=inside.bearer).json()
    assert (answer["valid"], answer["value"]) == (False, 2)
    assert [item["code"] for item in answer["findings"]] == ["CFG204"]
    assert (other["valid"], other["findings"]) == (False, [])


@pytest.mark.parametrize(
    ("key", "fix"),
    [
        ("site.baner", "did you mean site.banner?"),
        ("nothing", "lists them all"),
        ("a.b.c", "lists them all"),
        (".x.", "lists them all"),
        ("x" * 5000, "lists them all"),
        ("site.%00%0a%1b[31m", "lists them all"),
    ],
)
def test_a_setting_that_is_not_there_is_answered_with_the_nearest(inside: Inside, key: str, fix: str) -> None:
    with inside.client() as client:
        answer = client.get(f"/api/v1/config/explain/{key}", headers=inside.bearer)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert fix in answer.json()["fix"]
    assert len(answer.text) < 1000
    assert answer.json()["detail"].isprintable()
