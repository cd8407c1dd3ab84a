"""`fluentpro token`: made once, listed without what they are, revoked by name."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fluentpro.stack.stack import Running
from tests.cli.project import Project

TESTING = {"ENV_FOR_DYNACONF": "testing"}
FORM = re.compile(r"fp_[0-9a-f]{12}_[0-9a-f]{64}")


@pytest.fixture
def migrated(project: Project, database: Path) -> Project:
    """A project with its tables."""
    shutil.copy(database, project.root / "testing.sqlite3")
    return project


def test_a_token_is_printed_once_and_kept_as_a_hash(migrated: Project) -> None:
    made = migrated.run("token", "create", "--name", "anna", "--scope", "write", "--for", "90d", **TESTING)
    assert made.returncode == 0, made.stderr
    token = made.stdout.strip()
    assert FORM.fullmatch(token), "nothing else on standard output, for a script to take"
    assert made.stderr.startswith("made a token for anna (write), good until ")
    assert token not in made.stderr
    with closing(sqlite3.connect(migrated.root / "testing.sqlite3")) as connection:
        [row] = connection.execute("SELECT * FROM fluentpro_token").fetchall()
    secret = token.rpartition("_")[2]
    assert secret not in str(row)
    assert token.split("_")[1] in row
    listed = migrated.run("token", "list", **TESTING)
    assert secret not in listed.stdout
    assert re.search(rf"^anna +write +active +{token.split('_')[1]} ", listed.stdout, re.MULTILINE)


def test_as_json_it_is_data(migrated: Project) -> None:
    made = json.loads(migrated.run("token", "create", "--name", "anna", "--json", **TESTING).stdout)
    assert (made["name"], made["scope"], made["expires_at"]) == ("anna", "read", None)
    assert FORM.fullmatch(made["token"])
    [row] = json.loads(migrated.run("token", "list", "--json", **TESTING).stdout)
    assert (row["name"], row["state"], row["used_at"]) == ("anna", "active", None)
    assert "token" not in row


def test_a_name_is_taken_until_its_token_is_revoked(migrated: Project) -> None:
    assert "there is no token" in migrated.run("token", "list", **TESTING).stdout
    assert migrated.run("token", "create", "--name", "anna", **TESTING).returncode == 0
    again = migrated.run("token", "create", "--name", "anna", **TESTING)
    assert (again.returncode, again.stdout) == (64, "")
    assert "fluentpro token revoke anna" in again.stderr
    revoked = migrated.run("token", "revoke", "anna", **TESTING)
    assert (revoked.returncode, revoked.stdout) == (0, "revoked the token of anna\n")
    twice = migrated.run("token", "revoke", "anna", **TESTING)
    assert (twice.returncode, "no token of the name 'anna'" in twice.stderr) == (64, True)
    assert migrated.run("token", "create", "--name", "anna", **TESTING).returncode == 0
    states = [row["state"] for row in json.loads(migrated.run("token", "list", "--json", **TESTING).stdout)]
    assert states == ["revoked", "active"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--name", "operations"], "holds operations.token"),
        (["--name", "an na"], "is not a name"),
        (["--name", ""], "is not a name"),
        (["--name", "anna", "--for", "3w"], "30m, 2h or 90d"),
        (["--name", "anna", "--for", "99999d"], "up to ten years"),
        (["--name", "anna", "--scope", "all"], "'read', 'write'"),
        ([], "--name"),
    ],
)
def test_what_can_t_be_made_is_told_why(migrated: Project, arguments: list[str], why: str) -> None:
    done = migrated.run("token", "create", *arguments, **TESTING)
    assert (done.returncode, done.stdout) == (64, "")
    assert why in done.stderr
    assert "Traceback" not in done.stderr


def test_without_its_table_it_says_what_to_run(project: Project) -> None:
    done = project.run("token", "list", **TESTING)
    assert done.returncode == 78
    assert "./manage.py migrate" in done.stderr


def test_a_database_that_does_not_answer_is_told_in_plain_words(project: Project) -> None:
    where = {
        "FLUENTPRO_DATABASE__ENGINE": "postgresql",
        "FLUENTPRO_DATABASE__NAME": "fluentpro",
        "FLUENTPRO_DATABASE__HOST": "127.0.0.1",
        "FLUENTPRO_DATABASE__PORT": "1",
        "FLUENTPRO_DATABASE__USER": "fluentpro",
        "FLUENTPRO_DATABASE__PASSWORD": "canary-canary",
        "FLUENTPRO_DATABASE__POOL_MAX": "0",
    }
    done = project.run("token", "list", **TESTING, **where)
    assert done.returncode == 69, done.stderr
    assert "the database does not answer" in done.stderr
    assert "canary" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_configuration_that_is_not_valid_is_reported(project: Project) -> None:
    done = project.run("token", "list", **TESTING, FLUENTPRO_SERVER__WORKERS="0")
    assert done.returncode == 78
    assert "CFG204" in done.stderr


def test_in_postgresql_it_is_the_same(project: Project, running_stack: Running) -> None:
    server = running_stack.postgresql
    server.create("tokens", "")
    where = {
        **TESTING,
        "FLUENTPRO_DATABASE__ENGINE": "postgresql",
        "FLUENTPRO_DATABASE__NAME": "tokens",
        "FLUENTPRO_DATABASE__HOST": "127.0.0.1",
        "FLUENTPRO_DATABASE__PORT": str(server.port),
        "FLUENTPRO_DATABASE__USER": "postgres",
        "FLUENTPRO_DATABASE__PASSWORD": server.password,
        "FLUENTPRO_DATABASE__SSLMODE": "disable",
    }
    assert "./manage.py migrate" in project.run("token", "list", **where).stderr
    assert project.manage("migrate", "--verbosity", "0", **where).returncode == 0
    made = project.run("token", "create", "--name", "anna", **where)
    assert FORM.fullmatch(made.stdout.strip()), made.stderr
    again = project.run("token", "create", "--name", "anna", **where)
    assert (again.returncode, "there is a token" in again.stderr) == (64, True)
    assert project.run("token", "revoke", "anna", **where).returncode == 0
    assert project.run("token", "create", "--name", "anna", **where).returncode == 0
    states = [row["state"] for row in json.loads(project.run("token", "list", "--json", **where).stdout)]
    assert states == ["revoked", "active"]
