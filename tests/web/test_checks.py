"""`manage.py check`: FluentPro's rules as Django system checks, and a report where Django can't start."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cli.project import ROOT, SECRETS, Project, clone, with_secrets

PRODUCTION = {**SECRETS, "ENV_FOR_DYNACONF": "production", "FLUENTPRO_VAULT__ENABLED": "false"}
NEEDED = ("DJANGO__SECRET_KEY", "OPERATIONS__TOKEN", "DATABASE__PASSWORD", "EMAIL__PASSWORD")
# Django starts with the good configuration; then the sources turn bad, and the checks look again.
LOOK_AGAIN = """
import django, sys
django.setup()
from pathlib import Path
path = Path("settings/testing.toml")
path.write_text(path.read_text().replace(*sys.argv[1:]))
from django.core.management import call_command
call_command("check")
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return with_secrets(clone(tmp_path))


def look_again(project: Project, old: str, new: str) -> str:
    result = project.execute(
        sys.executable,
        "-c",
        LOOK_AGAIN,
        old,
        new,
        DJANGO_SETTINGS_MODULE="fluentpro.web.settings",
        ENV_FOR_DYNACONF="testing",
        PYTHONPATH=str(ROOT),
    )
    assert result.returncode == 1
    return result.stderr


def test_a_sound_configuration_has_no_issue(project: Project) -> None:
    result = project.manage("check")
    assert (result.returncode, result.stdout) == (0, "System check identified no issues (0 silenced).\n")


def test_production_passes_djangos_deployment_checks_without_a_warning(tmp_path: Path) -> None:
    secrets = {name: value for name, value in PRODUCTION.items() if name.endswith(NEEDED)}
    unvaulted = {name: value for name, value in PRODUCTION.items() if name not in SECRETS}
    result = clone(tmp_path).manage("check", "--deploy", "--fail-level", "WARNING", **unvaulted, **secrets)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "System check identified no issues (0 silenced).\n"


def test_staging_lacks_only_what_can_not_be_taken_back(tmp_path: Path) -> None:
    variables = PRODUCTION | {"ENV_FOR_DYNACONF": "staging"}
    result = clone(tmp_path).manage("check", "--deploy", **variables)
    assert result.returncode == 0
    assert "security.W021" in result.stderr
    assert "1 issue" in result.stderr


@pytest.mark.parametrize("command", ["check", "migrate", "runserver", "shell"])
def test_where_django_can_not_start_the_report_is_printed_instead_of_a_traceback(
    command: str, project: Project
) -> None:
    result = project.manage(command, FLUENTPRO_DATABASE__PORT="0")
    assert result.returncode == 78
    assert result.stderr == project.run("check", FLUENTPRO_DATABASE__PORT="0").stderr


def test_a_broken_rule_is_an_issue_with_a_stable_id_its_place_and_its_cure(project: Project) -> None:
    said = look_again(project, "timeout = 0.4 ", "timeout = 400 ")
    assert "settings/testing.toml:" in said
    assert "(fluentpro.CFG451) health.timeout: must be less than interval" in said
    assert "HINT: lower timeout, or raise interval" in said


def test_every_finding_is_an_issue_not_only_the_rules(project: Project) -> None:
    said = look_again(project, "[health]", "[health]\ninterwal = 3\n[databse]\n[health.x]")
    assert "(fluentpro.CFG110) health.interwal: unknown key" in said
    assert "HINT: did you mean health.interval?" in said
    assert "(fluentpro.CFG111) databse" in said
