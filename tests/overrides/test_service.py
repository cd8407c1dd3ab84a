"""A real service starts with the overrides in force; so does a worker forked while the database is down."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

from fluentpro.config.overrides import Override
from fluentpro.fleet.ledger import Ledger
from fluentpro.schema.database import Database
from tests.conftest import Launch
from tests.overrides.conftest import revision
from tests.support.project import Project
from tests.support.server import COMMAND
from tests.support.waiting import eventually


@pytest.fixture
def record(project: Project) -> Ledger:
    return Ledger(Database(name="testing.sqlite3"), project.root)


def override(value: str, since: int, until: float | None = None) -> Override:
    return Override("site.banner", value, "anna", "a tour", since, until)


def test_a_service_starts_with_the_overrides(launch: Launch, record: Ledger) -> None:
    record.append(revision(1, override("from anna", 1)))
    server = launch(workers=2)
    assert server.serves("from anna")


def test_a_worker_that_comes_later_starts_with_what_is_in_force_then(launch: Launch, record: Ledger) -> None:
    record.append(revision(1, override("first", 1)))
    server = launch(workers=1)
    record.append(revision(2, override("second", 2)))
    before = server.children()
    kill(*before)
    eventually(lambda: server.children().isdisjoint(before) and server.serves("second"))


def test_a_worker_that_is_forked_while_the_database_is_down_has_the_known_overrides(
    launch: Launch, record: Ledger, project: Project
) -> None:
    record.append(revision(1, override("from anna", 1)))
    server = launch(workers=1)
    file = project.root / "testing.sqlite3"
    file.rename(project.root / "elsewhere.sqlite3")
    file.mkdir()
    before = server.children()
    kill(*before)
    eventually(lambda: server.children().isdisjoint(before) and server.serves("from anna"))
    said = server.check("config-source")
    assert said["status"] == "warn"
    assert "overrides could not be read, those that are known stay" in str(said)


def test_the_command_reaches_every_worker_and_its_end_comes_on_time(launch: Launch, record: Ledger) -> None:
    server = launch(
        workers=2, FLUENTPRO_FLEET__RECONCILE="0.2"
    )  # nobody announces anything: there is no Redis
    usual = server.about()["banner"]
    done = subprocess.run(
        [COMMAND, "set", "site.banner", "short", "--reason", "a tour", "--for", "4s"],
        env=server.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith('set site.banner to "short" (revision 1, until ')
    eventually(lambda: server.serves("short"))
    [made] = record.history()
    [ends] = [item.until for item in made.overrides]
    assert ends
    eventually(lambda: server.serves(usual))
    assert time.time() >= ends
    served = record.applied(server.agreed())
    assert [item.settings["site.banner"]["value"] for item in served] == [usual]


def kill(*pids: int) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
