"""`fluentpro explain`: a setting's value, meaning and origins, whatever state the files are in."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from click.testing import Result

from fluentpro.cli.keys import suggestions
from tests.cli.project import SECRETS, Project

Invoke = Callable[..., Result]


def test_a_setting_is_explained_with_its_origin_and_what_that_hides(invoke: Invoke) -> None:
    said = invoke("explain", "database.port", FLUENTPRO_DATABASE__PORT="5433").stdout
    first, *rest = said.splitlines()
    assert first == "database.port = 5433"
    assert "  The TCP port of the PostgreSQL server." in rest
    facts = {line[2:14].strip(): line[14:] for line in rest if line.startswith("  ")}
    assert facts["from"] == "env FLUENTPRO_DATABASE__PORT"
    assert facts["shadows"].startswith("5432 from settings.toml:")
    assert facts["type"] == "whole number, 1 to 65535"
    assert facts["default"] == "5432"
    assert facts["effect"].startswith("rebind: ")
    assert facts["overridable"] == "no"
    assert facts["variable"].startswith("FLUENTPRO_DATABASE__PORT, or FLUENTPRO_DATABASE__PORT_FILE")


def test_the_origin_of_a_value_in_a_file_is_its_line_and_column(project: Project, invoke: Invoke) -> None:
    lines = (project.root / "settings.toml").read_text().splitlines()
    line = next(number for number, text in enumerate(lines, 1) if text.startswith("connect_timeout = 5"))
    answer = json.loads(invoke("explain", "database.connect_timeout", "--json").stdout)
    assert answer["origin"] == f"settings.toml:{line}:{len('connect_timeout = ') + 1}"


def test_a_setting_as_json_tells_all(invoke: Invoke) -> None:
    answer = json.loads(invoke("explain", "database.port", "--json", FLUENTPRO_DATABASE__PORT="5433").stdout)
    shadows = answer.pop("shadows")
    assert answer == {
        "environment": "development",
        "valid": True,
        "key": "database.port",
        "value": 5433,
        "type": "whole number, 1 to 65535",
        "meaning": "The TCP port of the PostgreSQL server.",
        "unit": None,
        "effect": "rebind",
        "overridable": False,
        "secret": False,
        "required": False,
        "default": 5432,
        "variable": "FLUENTPRO_DATABASE__PORT",
        "origin": "env FLUENTPRO_DATABASE__PORT",
        "version": None,
        "age_seconds": None,
        "unresolved": False,
        "findings": [],
    }
    assert shadows[0]["value"] == "5432"


def test_a_variable_is_another_name_of_its_setting(invoke: Invoke) -> None:
    by_key = invoke("explain", "redis.url").stdout
    assert invoke("explain", "FLUENTPRO_REDIS__URL").stdout == by_key
    assert invoke("explain", "FLUENTPRO_REDIS__URL_FILE").stdout == by_key


def test_a_table_lists_its_settings_in_brief(invoke: Invoke) -> None:
    said = invoke("explain", "openai").stdout.splitlines()
    assert said[0].startswith("openai: ")
    assert [line.split()[0] for line in said[2:]] == ["api_key", "model", "timeout"]


def test_a_table_as_json_has_each_setting_whole(invoke: Invoke) -> None:
    answer = json.loads(invoke("explain", "openai", "--json").stdout)
    assert (answer["table"], answer["valid"]) == ("openai", True)
    assert [item["key"] for item in answer["settings"]] == [
        "openai.api_key",
        "openai.model",
        "openai.timeout",
    ]


def test_a_number_has_its_unit(invoke: Invoke) -> None:
    assert "  unit        s\n" in invoke("explain", "openai.timeout").stdout


@pytest.mark.parametrize("key", ["database.password", "redis.url", "redis.password", "django.secret_key"])
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_no_secret_is_shown_and_no_password_of_a_url(key: str, more: tuple[str], invoke: Invoke) -> None:
    result = invoke("explain", key, *more, **SECRETS, FLUENTPRO_REDIS__URL="redis://me:s3cr3t@host:6379")
    assert result.exit_code == 0
    assert not any(secret in result.stdout for secret in ("s3cr3t", *SECRETS.values()))
    assert "********" in result.stdout


def test_a_shadowed_secret_is_not_shown_either(project: Project, invoke: Invoke) -> None:
    said = invoke("explain", "django.secret_key", **SECRETS).stdout
    assert "shadows     a value from .secrets.local.toml:2:14" in said
    assert (project.root / ".secrets.local.toml").read_text().splitlines()[1].split('"')[1] not in said


def test_a_value_that_is_wrong_is_explained_with_what_is_wrong(invoke: Invoke) -> None:
    result = invoke("explain", "database.port", FLUENTPRO_DATABASE__PORT="many")
    assert result.exit_code == 0
    assert 'database.port = "many"' in result.stdout
    assert "CFG202  database.port" in result.stdout


def test_what_is_wrong_elsewhere_stands_in_nobodys_way(invoke: Invoke) -> None:
    result = invoke("explain", "database.port", FLUENTPRO_SERVER__PORT="0")
    assert (result.exit_code, "CFG" in result.stdout) == (0, False)


def test_a_file_that_is_no_toml_is_told_since_it_may_hold_the_truth(project: Project, invoke: Invoke) -> None:
    project.write("settings/development.toml", "[database\nport = 1\n")
    result = invoke("explain", "database.port")
    assert result.exit_code == 0
    assert "database.port = 5432" in result.stdout
    assert "CFG105" in result.stdout


def test_a_required_setting_that_nothing_gives_is_missing(bare: Project) -> None:
    result = bare.run("explain", "django.secret_key")
    assert result.returncode == 0
    assert "django.secret_key = missing" in result.stdout
    assert "CFG201" in result.stdout


def test_a_reference_that_nothing_resolved_is_named_as_one(project: Project, invoke: Invoke) -> None:
    text = '[openai]\napi_key = "@vault kv/fluentpro/{env}/openai#api_key"\n'
    project.write("settings.local.toml", text)
    said = invoke("explain", "openai.api_key").stdout
    assert "openai.api_key = unset" in said
    assert "settings.local.toml:2:11, a reference that is not resolved" in said


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("database.prot", "database.port"),
        ("databse", "database"),
        ("banner", "site.banner"),
        ("Database.Port", "database.port"),
        ("prot", "database.port"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(wrong: str, right: str, invoke: Invoke) -> None:
    result = invoke("explain", wrong)
    assert result.exit_code == 64
    assert right in result.stderr
    assert right in suggestions(wrong)


def test_a_name_like_no_other_gets_no_suggestion_but_a_way_on(invoke: Invoke) -> None:
    assert "`fluentpro show` lists them all" in invoke("explain", "xyzzy").stderr
