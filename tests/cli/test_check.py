"""`fluentpro check`: the verdict, for people, for programs and for shells."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from click.testing import Result

from tests.cli.project import SECRETS, Project

Invoke = Callable[..., Result]


def test_a_valid_configuration_is_one_line_and_status_0(project: Project) -> None:
    result = project.run("check")
    assert (result.returncode, result.stderr) == (0, "")
    assert re.fullmatch(
        r"development: \d+ settings from 4 layers are valid, digest [0-9a-f]{16}\n", result.stdout
    )


def test_a_valid_configuration_as_json(invoke: Invoke) -> None:
    answer = json.loads(invoke("check", "--json").stdout)
    assert (answer["valid"], answer["environment"], answer["errors"]) == (True, "development", 0)
    assert answer["layers"] == [
        "default",
        "settings.toml",
        "settings/development.toml",
        ".secrets.local.toml",
    ]
    assert answer["findings"] == []


def test_everything_that_is_wrong_comes_at_once_with_status_78(project: Project) -> None:
    project.replace("settings/development.toml", "debug = true", "debug = 3")
    project.replace("settings/development.toml", "[cors]", "[corse]")
    result = project.run("check", FLUENTPRO_DATABASE__PORT="80000")
    assert (result.returncode, result.stdout) == (78, "")
    assert result.stderr.startswith("fluentpro: configuration for development is not valid: 3 errors\n")
    for said in (
        "CFG202  django.debug",
        "CFG111  corse",
        "did you mean cors?",
        "env FLUENTPRO_DATABASE__PORT",
    ):
        assert said in result.stderr


def test_what_is_wrong_as_json_is_data_on_standard_output(invoke: Invoke) -> None:
    result = invoke("check", "--json", FLUENTPRO_DATABASE__PORT="80000")
    answer = json.loads(result.stdout)
    assert (result.exit_code, result.stderr) == (78, "")
    assert (answer["valid"], answer["errors"], answer["warnings"]) == (False, 1, 0)
    assert answer["findings"][0]["key"] == "database.port"
    assert answer["findings"][0]["source"] == "env FLUENTPRO_DATABASE__PORT"


def test_a_warning_goes_to_standard_error_and_changes_no_status(project: Project) -> None:
    named = ("DJANGO__SECRET_KEY", "OPERATIONS__TOKEN", "DATABASE__PASSWORD", "EMAIL__PASSWORD")
    secrets = {name: value for name, value in SECRETS.items() if name.endswith(named)}
    (project.root / ".secrets.local.toml").unlink()
    with (project.root / "settings/production.toml").open("a") as file:
        file.write('\n[openai]\napi_key = "@vault kv/fluentpro/production/openai#api_key"\n')
    result = project.run("check", ENV_FOR_DYNACONF="production", FLUENTPRO_VAULT__ENABLED="false", **secrets)
    assert (result.returncode, result.stdout.count("\n")) == (0, 1), result.stderr
    assert "CFG300" in result.stderr


def test_it_works_where_django_can_not_be_imported(project: Project) -> None:
    (project.root / "broken/django").mkdir(parents=True)
    project.write("broken/django/__init__.py", "raise ImportError('no Django here')")
    result = project.run("check", PYTHONPATH=str(project.root / "broken"))
    assert (result.returncode, result.stderr) == (0, "")


def test_an_unknown_environment_is_answered_with_the_nearest(project: Project) -> None:
    result = project.run("check", ENV_FOR_DYNACONF="prodution")
    assert result.returncode == 78
    assert "did you mean production?" in result.stderr


@pytest.mark.parametrize("verb", ["check", "explain", "show", "diff", "doctor"])
def test_an_empty_folder_is_no_project_and_no_traceback(verb: str, project: Project) -> None:
    empty = Project(project.root / "elsewhere")
    empty.root.mkdir()
    words = {"explain": ("database.port",), "diff": ("development", "testing")}.get(verb, ())
    result = empty.run(verb, *words, FLUENTPRO_ROOT=str(empty.root))
    assert result.returncode == 78
    assert "FLUENTPRO_ROOT" in result.stdout + result.stderr
    assert "Traceback" not in result.stderr
