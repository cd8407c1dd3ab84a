"""The first deployment with an empty Vault, by the very commands that the page shows."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from fluentpro.stack.folder import Folder
from fluentpro.stack.postgresql import PostgreSQL
from fluentpro.stack.process import Nursery
from fluentpro.stack.stack import Running
from tests.docs.causes import copy_project
from tests.docs.pages import ROOT, page
from tests.docs.transcript import Project

SECTION = "First deployment with a Vault of your own"
ELSEWHERE = ("createdb ", "psql ", "export ", "bao operator ", "bao login", "run=", "$run ")
"""What needs a terminal, a client of PostgreSQL or an engine; `make image-test` runs the image."""
PASSWORD = uuid4().hex


def commands() -> list[str]:
    """The commands of the section, in order."""
    return re.findall(r"^ *\$ (.+)$", page("docs/development/deployment.md").section(SECTION), re.MULTILINE)


@dataclass(frozen=True)
class Place:
    """A folder to deploy from, an empty Vault and an empty PostgreSQL."""

    project: Project
    environ: dict[str, str]

    def shell(self, command: str, **more: str) -> str:
        """What a command prints; it is given a password to read."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.project.root,
            env=self.project.environ | self.environ | more,
            input=f"{PASSWORD}\n",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"$ {command}\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture
def place(tmp_path: Path, running_stack: Running) -> Iterator[Place]:
    folder, nursery = Folder(tmp_path / "postgresql"), Nursery()
    folder.path.mkdir()
    postgresql = PostgreSQL(folder, nursery)
    postgresql.start()
    postgresql.create("fluentpro", (ROOT / "secrets/database.sql").read_text())
    postgresql.set_password("fluentpro_vault", PASSWORD)
    root, namespace = running_stack.client(), f"docs-{uuid4().hex[:8]}"
    root.write_data(f"sys/namespaces/{namespace}", data={})
    assert running_stack.openbao.keys
    project = Project(tmp_path / "fluentpro")
    project.root.mkdir()
    copy_project(project.root)
    (project.root / "secrets").symlink_to(ROOT / "secrets")
    (project.root / ".venv").mkdir()
    (project.root / ".venv/bin").symlink_to(Path(sys.executable).parent)
    yield Place(
        project,
        {
            "VAULT_ADDR": running_stack.openbao.url,
            "VAULT_NAMESPACE": namespace,
            "VAULT_TOKEN": running_stack.openbao.keys.root,
            "PGHOST": "127.0.0.1",
            "PGPORT": str(postgresql.port),
            "PGDATABASE": "fluentpro",
            "PGPASSWORD": PASSWORD,
            "PGSSLMODE": "disable",
        },
    )
    root.delete(f"sys/namespaces/{namespace}")
    postgresql.stop()
    nursery.close()


def test_the_commands_make_an_empty_vault_fit_and_production_is_valid(place: Place) -> None:
    given = [command for command in commands() if not command.startswith(ELSEWHERE)]
    told = {command: place.shell(command) for command in given}

    assert [command.split()[0] for command in given] == ["fluentpro"] * 2 + ["bao"] * 4
    role_id = next(text for command, text in told.items() if command.endswith("/role-id"))
    variables = {
        "ENV_FOR_DYNACONF": "production",
        "FLUENTPRO_VAULT__ADDRESS": place.environ["VAULT_ADDR"],
        "FLUENTPRO_VAULT__NAMESPACE": place.environ["VAULT_NAMESPACE"],
        "FLUENTPRO_VAULT__ROLE_ID": role_id.strip(),
        "FLUENTPRO_VAULT__SECRET_ID_FILE": "vault_secret_id",
        "FLUENTPRO_DATABASE__HOST": "127.0.0.1",
        "FLUENTPRO_DATABASE__PORT": place.environ["PGPORT"],
        "FLUENTPRO_DATABASE__SSLMODE": "disable",
        "VAULT_TOKEN": "",
    }
    assert place.shell("fluentpro check", **variables).startswith("production: ")
    migrate = next(command for command in commands() if "manage.py" in command)
    arguments = migrate.partition("manage.py ")[2]
    printed = place.shell(f"{sys.executable} {ROOT}/manage.py {arguments}", **variables, FLUENTPRO_ROOT=".")
    assert "Applying overrides.0001_initial... OK" in printed


def test_every_command_of_the_section_is_run_or_named_as_one_that_is_not() -> None:
    skipped = {start for start in ELSEWHERE if any(command.startswith(start) for command in commands())}
    assert skipped == set(ELSEWHERE)
