"""`fluentpro doctor`: a line for each thing that a machine can get wrong."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from fluentpro.cli import machine
from fluentpro.cli.machine import Verdict
from fluentpro.schema.server import Server
from tests.cli.project import ROOT, SECRETS, Project


def findings(project: Project, **variables: str) -> dict[str, dict[str, str]]:
    """What the doctor found by its subject, the worst where there are several."""
    found = json.loads(project.run("doctor", "--json", **variables).stdout)
    order = ["ok", "warn", "fail"]
    return {item["subject"]: item for item in sorted(found, key=lambda item: order.index(item["verdict"]))}


@pytest.fixture
def migrated(project: Project) -> Project:
    done = project.manage("migrate", "--verbosity", "0")
    assert done.returncode == 0, done.stderr
    return project


def test_a_sound_machine_has_nothing_but_good_lines(migrated: Project) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    result = migrated.run("doctor", FLUENTPRO_SERVER__PORT=port)
    assert (result.returncode, result.stderr) == (0, "")
    verdicts = {line.split()[1]: line.split()[0] for line in result.stdout.splitlines()}
    assert verdicts.pop("memory") in ("ok", "warn")
    assert set(verdicts) >= {"python", "root", "configuration", "port", "database", "migrations"}
    assert set(verdicts.values()) == {"ok"}


def test_a_database_without_tables_fails_with_status_1(project: Project) -> None:
    (project.root / "db.sqlite3").touch()
    result = project.run("doctor")
    assert result.returncode == 1
    assert "migrations are not applied" in result.stdout
    assert "fix: ./manage.py migrate" in result.stdout


def test_a_database_that_is_not_there_yet_is_not_made(project: Project) -> None:
    assert findings(project)["database"]["verdict"] == "warn"
    assert not (project.root / "db.sqlite3").exists()


def test_a_database_that_does_not_answer_is_told_without_its_password(project: Project) -> None:
    found = findings(
        project,
        FLUENTPRO_DATABASE__ENGINE="postgresql",
        FLUENTPRO_DATABASE__NAME="fluentpro",
        FLUENTPRO_DATABASE__HOST="127.0.0.1",
        FLUENTPRO_DATABASE__PORT="1",
        FLUENTPRO_DATABASE__USER="fluentpro",
        FLUENTPRO_DATABASE__POOL_MAX="4",
        **SECRETS,
    )
    assert found["database"]["verdict"] == "fail"
    assert "refused" in found["database"]["text"]
    assert not any(secret in json.dumps(found) for secret in SECRETS.values())


def test_a_configuration_that_is_not_valid_fails_with_status_78(project: Project) -> None:
    project.replace("settings/development.toml", "debug = true", "debug = 3")
    result = project.run("doctor")
    assert (result.returncode, result.stderr) == (78, "")
    assert "CFG202 django.debug" in result.stdout
    assert "database " not in result.stdout


def test_a_stray_variable_is_named(project: Project) -> None:
    found = findings(project, FLUENTPRO_DATABASE__PROT="1")["variables"]
    assert found["verdict"] == "fail"
    assert "FLUENTPRO_DATABASE__PROT" in found["text"]
    assert found["fix"] == "did you mean FLUENTPRO_DATABASE__PORT?"


def test_other_settings_for_django_are_a_warning(project: Project) -> None:
    found = findings(project, DJANGO_SETTINGS_MODULE="other.settings")
    assert found["variables"]["verdict"] == "warn"


def test_a_fresh_clone_is_told_to_make_its_secrets(bare: Project) -> None:
    result = bare.run("doctor")
    assert result.returncode == 78
    assert "fix: fluentpro init" in result.stdout


def test_secrets_that_others_may_read_fail(project: Project) -> None:
    (project.root / ".secrets.local.toml").chmod(0o644)
    found = findings(project)[".secrets.local.toml"]
    assert (found["verdict"], found["fix"].split()[:2]) == ("fail", ["chmod", "600"])


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_secrets_that_git_would_take_fail_until_it_ignores_them(project: Project) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=project.root, check=True)
    assert findings(project)[".secrets.local.toml"]["verdict"] == "fail"
    shutil.copy(ROOT / ".gitignore", project.root)
    assert findings(project)[".secrets.local.toml"]["verdict"] == "ok"
    subprocess.run(["git", "add", "--force", ".secrets.local.toml"], cwd=project.root, check=True)
    assert findings(project)[".secrets.local.toml"]["verdict"] == "fail"


def test_a_port_that_somebody_else_has_fails(project: Project) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        other.settimeout(0)
        assert machine.port(Server(port=port)).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("version", "verdict"),
    [
        ((3, 10, 9), Verdict.FAIL),
        ((3, 11, 0), Verdict.OK),
        ((3, 13, 9), Verdict.OK),
        ((3, 14, 0), Verdict.FAIL),
    ],
)
def test_a_python_that_fluentpro_does_not_run_on_fails(version: tuple[int, ...], verdict: Verdict) -> None:
    assert machine.python(version).verdict is verdict


def test_a_machine_without_a_folder_in_memory_is_warned(tmp_path: Path) -> None:
    assert machine.memory(tmp_path).verdict is Verdict.OK
    assert machine.memory(tmp_path / "none").verdict is Verdict.WARN
    assert machine.memory(tmp_path, room=2**80).verdict is Verdict.WARN


def test_a_folder_that_can_not_be_watched_means_polling(tmp_path: Path) -> None:
    assert machine.watches(tmp_path).verdict is Verdict.OK
    assert machine.watches(tmp_path / "none").verdict is Verdict.WARN
