"""`fluentpro rotate`: what it does not do, and how it says whom it watched."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from click.testing import Result

from fluentpro.cli import rotate as module
from fluentpro.cli.arrival import Here
from fluentpro.vault.reference import Location
from tests.cli.project import Project

Invoke = Callable[..., Result]
Running = Iterator[dict[str, int]]
REFERRED = '[openai]\napi_key = "@vault kv/fluentpro/{env}/openai#api_key"\n'


@pytest.fixture
def watched(project: Project, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A service whose processes run these digests, look by look; the last stays."""
    project.write("settings.local.toml", REFERRED)

    def watched(*looks: dict[str, int]) -> None:
        left = list(looks)
        monkeypatch.setattr(Here, "running", lambda _: left.pop(0) if len(left) > 1 else left[0])
        monkeypatch.setattr(
            module, "_rotate", lambda _snapshot, place, keys, random: (f"{place} {keys} {random}", "1")
        )

    return watched


def rotate(invoke: Invoke, *words: str) -> Result:
    return invoke("rotate", "kv/fluentpro/development/openai", "--key", "api_key", "--timeout", "0.2", *words)


def test_it_is_done_when_no_process_runs_what_ran_before(
    invoke: Invoke, watched: Callable[..., None]
) -> None:
    watched({"old": 2}, {"old": 1, "new": 1}, {"new": 1}, {"new": 2})
    result = rotate(invoke)
    assert result.exit_code == 0
    assert "all 2 processes use it after " in result.stdout


def test_it_says_how_many_lag(invoke: Invoke, watched: Callable[..., None]) -> None:
    watched({"old": 3}, {"old": 1, "new": 2})
    result = rotate(invoke)
    assert (result.exit_code, result.stdout) == (75, "")
    assert "not every one of 3 processes uses it after 0.2 s" in result.stderr
    assert "1 of 3 processes run what they ran before" in result.stderr
    watched({"old": 3}, {"old": 1, "new": 2})
    as_data = rotate(invoke, "--json")
    assert as_data.exit_code == 75
    assert json.loads(as_data.stdout)["processes"] == 2
    assert json.loads(as_data.stdout)["of"] == 3


def test_a_service_that_falls_silent_does_not_have_it(invoke: Invoke, watched: Callable[..., None]) -> None:
    watched({"old": 2}, {})
    result = rotate(invoke)
    assert result.exit_code == 75
    assert "2 of 2 processes run what they ran before" in result.stderr


def test_without_a_service_nobody_was_watched(invoke: Invoke, watched: Callable[..., None]) -> None:
    watched({})
    result = rotate(invoke)
    assert result.exit_code == 0
    assert "no service of this project answers here, so nobody was watched" in result.stdout


def test_a_place_that_no_setting_refers_to_is_not_waited_for(
    project: Project, invoke: Invoke, watched: Callable[..., None]
) -> None:
    watched({"old": 2})
    project.write("settings.local.toml", "# nothing\n")
    result = rotate(invoke)
    assert result.exit_code == 0
    assert "no setting refers to it" in result.stdout


def test_what_comes_from_elsewhere_can_not_be_rotated(invoke: Invoke) -> None:
    result = invoke("rotate", "secret-key")
    assert result.exit_code == 78
    assert "django.secret_key comes from .secrets.local.toml:2:14, and not from a Vault" in result.stderr
    assert "fix: `fluentpro up` runs a Vault of its own" in result.stderr
    assert "database.password is not set: there is nothing to rotate" in invoke("rotate", "database").stderr


@pytest.mark.parametrize("place", ["kv", "/", "kv/"])
def test_a_place_has_a_mount_and_a_path(place: str, invoke: Invoke) -> None:
    result = invoke("rotate", place)
    assert result.exit_code == 64
    assert "is no place in a Vault" in result.stderr


def test_a_place_may_be_written_as_a_reference() -> None:
    assert module._place("@vault kv/fluentpro/x#key") == Location("kv", "fluentpro/x")
