"""What a Celery worker does while the users that Vault made for it in the database are replaced."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.safe import CREDENTIALS, Safe
from tests.support.process import Process
from tests.support.waiting import eventually
from tests.worker.conftest import CHILDREN, SENDER, TASKS, WORKER

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]
SENT = 120


@pytest.fixture
def worker(safe: Safe, tmp_path: Path) -> Iterator[Process]:
    """A worker whose broker and database take their passwords from Vault."""
    (tmp_path / "tasks_of_tests.py").write_text(TASKS)
    (tmp_path / "done.txt").touch()
    made = Process(safe.project, "worker", CHILDREN + 1, (sys.executable, "-c", WORKER))
    made.start(
        **safe.variables,
        FLUENTPRO_FEATURES__CELERY="true",
        PYTHONPATH=str(tmp_path),
        DONE=str(tmp_path / "done.txt"),
    )
    yield made
    made.end()


def test_no_task_is_lost_while_its_database_user_is_replaced(
    worker: Process, safe: Safe, tmp_path: Path
) -> None:
    """25, for tasks: each replacement is noticed, and none of them fails a task or takes one away."""

    def noted() -> Counter[str]:
        return Counter((tmp_path / "done.txt").read_text().splitlines())

    names = [f"task-{number}" for number in range(SENT)]
    before = safe.users()
    role = safe.role()
    safe.change_role(default_ttl=6, max_ttl=6)
    try:
        # The users of now live for an hour: let those that come be replaced every few seconds.
        safe.root.sys.revoke_prefix(CREDENTIALS)
        eventually(lambda: safe.users() - before and not safe.users() & before, within=40)
        eventually(lambda: worker.get("/health/ready").status_code == 200, within=40)
        script = SENDER + f"for name in {names!r}: tasks.ask.delay(name)"
        sent = subprocess.run(
            [sys.executable, "-c", script], env=worker.environ, cwd=tmp_path, timeout=90, check=False
        )
        assert sent.returncode == 0
        first = safe.users()
        eventually(lambda: len(noted()) == SENT or not safe.users() & first, within=60)
        eventually(lambda: set(noted()) == set(names), within=60)
    finally:
        safe.change_role(default_ttl=role["default_ttl"], max_ttl=role["max_ttl"])
    assert max(noted().values()) == 1
    failed = [line["event"] for line in worker.lines() if "raised unexpected" in line["event"]]
    assert not failed
