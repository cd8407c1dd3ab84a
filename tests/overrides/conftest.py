"""The record of overrides in a real database: SQLite, and the stack's PostgreSQL."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from fluentpro.fleet.ledger import Ledger
from fluentpro.fleet.revision import Revision
from fluentpro.schema.database import Database
from tests.support.project import Project
from tests.support.server import KEPT

if TYPE_CHECKING:
    from fluentpro.stack.stack import Running

Made = Callable[..., Revision]


@pytest.fixture(scope="session")
def postgresql(running_stack: Running, tmp_path_factory: pytest.TempPathFactory) -> Database:
    """A migrated database of the stack's server, and a user of it who is nobody else."""
    server, name, password = running_stack.postgresql, "overrides", token_hex(8)
    with server.connect() as root:
        root.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
        root.execute(f"CREATE DATABASE {name} OWNER {name}")
    made = Database(
        engine="postgresql",
        name=name,
        host="127.0.0.1",
        port=server.port,
        user=name,
        password=SecretStr(password),
        sslmode="disable",
    )
    project = Project.make(tmp_path_factory.mktemp("overrides") / "project")
    environ = {item: os.environ[item] for item in KEPT if item in os.environ}
    environ |= {
        "DJANGO_SETTINGS_MODULE": "fluentpro.web.settings",
        "ENV_FOR_DYNACONF": "testing",
        "FLUENTPRO_ROOT": str(project.root),
        **variables(made),
    }
    subprocess.run([sys.executable, "-m", "django", "migrate", "--verbosity", "0"], env=environ, check=True)
    return made


def variables(database: Database) -> dict[str, str]:
    """The environment variables that name a PostgreSQL."""
    given = database.libpq()
    names = {"name": "dbname", **{name: name for name in ("host", "port", "user", "password", "sslmode")}}
    found = {f"FLUENTPRO_DATABASE__{ours.upper()}": str(given[theirs]) for ours, theirs in names.items()}
    return {"FLUENTPRO_DATABASE__ENGINE": "postgresql", **found}


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path, database: Path) -> Iterator[Ledger]:
    """An empty record in each kind of database."""
    if request.param == "sqlite":
        shutil.copy(database, tmp_path / "db.sqlite3")
        yield Ledger(Database(), tmp_path)
        return
    where: Database = request.getfixturevalue("postgresql")
    running: Running = request.getfixturevalue("running_stack")
    yield Ledger(where, tmp_path)
    with running.postgresql.connect(where.name) as root:
        root.execute("TRUNCATE overrides_revision, overrides_applied")


@pytest.fixture
def sqlite(tmp_path: Path, database: Path) -> Ledger:
    """An empty record in a SQLite file, for what no kind of database makes different."""
    shutil.copy(database, tmp_path / "db.sqlite3")
    return Ledger(Database(), tmp_path)


def revision(number: int, *overrides: Any, **more: Any) -> Revision:
    """A revision that somebody made."""
    given = {"author": "anna", "reason": "a tour", "change": {"verb": "set"}, **more}
    return Revision(number, 1_000.0 + number, overrides=overrides, **given)
