"""`fluentpro show`: the effective configuration, without its secrets."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable

import pytest
from click.testing import Result

from fluentpro.config.fields import settings_of
from fluentpro.schema import Config
from tests.cli.project import SECRETS, Project

Invoke = Callable[..., Result]


def test_the_configuration_is_shown_as_toml_that_reads_back(invoke: Invoke) -> None:
    shown = tomllib.loads(invoke("show").stdout)
    assert shown["django"]["secret_key"] == "********"
    assert shown["django"]["debug"] is True
    assert shown["database"]["port"] == 5432
    assert shown["cors"]["allowed_origins"] == ["http://localhost:3000", "http://localhost:8080"]


@pytest.mark.parametrize("text", ['"quoted"', "back\\slash", "line\nline", "\x7f\x01\x9b", "ü€😀", "\u202e"])
def test_any_text_reads_back_as_it_was_and_none_commands_the_terminal(text: str, invoke: Invoke) -> None:
    said = invoke("show", "site", FLUENTPRO_SITE__BANNER=text).stdout
    assert tomllib.loads(said)["site"]["banner"] == text
    assert all(line.isprintable() for line in said.splitlines())


def test_every_setting_is_shown_even_one_that_is_unset(invoke: Invoke) -> None:
    said = invoke("show").stdout
    for item in settings_of(Config).values():
        assert f"{item.path[-1]} " in said
    assert "# host is unset" in said


def test_origins_are_comments_behind_the_values(invoke: Invoke) -> None:
    lines = invoke("show", "site", "--origins", FLUENTPRO_SITE__NAME="Here").stdout.splitlines()
    assert 'name = "Here"  # env FLUENTPRO_SITE__NAME' in lines
    assert any(line.startswith("banner = ") and "# settings/development.toml:" in line for line in lines)


def test_one_table_or_one_setting_can_be_shown_alone(invoke: Invoke) -> None:
    assert list(tomllib.loads(invoke("show", "site").stdout)) == ["site"]
    assert tomllib.loads(invoke("show", "site.name").stdout) == {"site": {"name": "FluentPro"}}


def test_the_configuration_as_json_has_the_environment_and_the_digest(invoke: Invoke) -> None:
    answer = json.loads(invoke("show", "--json").stdout)
    assert (answer["environment"], answer["valid"], len(answer["digest"])) == ("development", True, 16)
    assert answer["settings"]["database"]["host"] is None
    assert len(answer["settings"]) == len({path[0] for path in settings_of(Config)})


def test_json_has_origins_too(invoke: Invoke) -> None:
    answer = json.loads(invoke("show", "site", "--json", "--origins", FLUENTPRO_SITE__NAME="Here").stdout)
    assert answer["settings"]["site"]["name"] == {"value": "Here", "origin": "env FLUENTPRO_SITE__NAME"}


@pytest.mark.parametrize("more", [(), ("--json",), ("--origins",), ("--json", "--origins")])
def test_no_secret_is_shown(more: tuple[str, ...], invoke: Invoke) -> None:
    result = invoke("show", *more, **SECRETS, FLUENTPRO_REDIS__URL="redis://me:s3cr3t@host:6379")
    assert result.exit_code == 0
    assert not any(secret in result.output for secret in ("s3cr3t", *SECRETS.values()))
    assert result.stdout.count("********") == len(SECRETS) + 1


def test_a_configuration_that_is_not_valid_is_shown_and_said_to_be_so(project: Project) -> None:
    result = project.run("show", FLUENTPRO_DATABASE__PORT="0", FLUENTPRO_SERVER__PORT="0")
    assert result.returncode == 0
    assert "not valid here (2 errors): see `ENV_FOR_DYNACONF=development fluentpro check`" in result.stderr
    assert tomllib.loads(result.stdout)["database"]["port"] == 0
