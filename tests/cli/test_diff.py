"""`fluentpro diff`: two environments side by side, though this machine could run only one of them."""

from __future__ import annotations

import json
from collections.abc import Callable

from click.testing import Result

from tests.cli.project import SECRETS, Project

Invoke = Callable[..., Result]


def test_two_environments_are_compared_though_one_is_not_valid_here(project: Project) -> None:
    result = project.run("diff", "development", "production")
    assert result.returncode == 0
    assert result.stdout.startswith("development and production differ in ")
    assert "production is not valid here" in result.stderr
    block = result.stdout.partition("\ndatabase.engine\n")[2].splitlines()
    assert block[0].startswith('    development  "sqlite"  from settings/development.toml:')
    assert block[1].startswith('    production   "postgresql"  from settings/production.toml:')


def test_an_environment_does_not_differ_from_itself(invoke: Invoke) -> None:
    assert invoke("diff", "testing", "testing").stdout.startswith("testing and testing differ in 0 of ")


def test_differences_as_json(invoke: Invoke) -> None:
    answer = json.loads(invoke("diff", "development", "production", "--json").stdout)
    assert [item["environment"] for item in answer["environments"]] == ["development", "production"]
    assert [item["valid"] for item in answer["environments"]] == [True, False]
    found = {item["key"]: item for item in answer["differences"]}
    here, there = found["database.engine"]["values"]
    assert (here["value"], there["value"]) == ("sqlite", "postgresql")
    assert found["database.engine"]["effect"] == "restart"
    assert "database.port" not in found


def test_a_secret_differs_without_being_shown(project: Project, invoke: Invoke) -> None:
    answer = json.loads(invoke("diff", "development", "production", "--json").stdout)
    here, there = next(item for item in answer["differences"] if item["key"] == "django.secret_key")["values"]
    assert (here["value"], there["value"], there["unresolved"]) == ("********", None, True)
    secret = (project.root / ".secrets.local.toml").read_text().splitlines()[1].split('"')[1]
    assert secret not in json.dumps(answer)


def test_a_variable_counts_for_both(invoke: Invoke) -> None:
    result = invoke("diff", "development", "production", **SECRETS, FLUENTPRO_DATABASE__ENGINE="sqlite")
    assert "database.engine" not in result.stdout
    assert "secret_key\n" not in result.stdout


def test_an_unknown_environment_is_a_wrong_command_line(invoke: Invoke) -> None:
    result = invoke("diff", "development", "produktion")
    assert result.exit_code == 64
    assert "production" in result.stderr
