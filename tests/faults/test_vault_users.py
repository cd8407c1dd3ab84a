"""The database's users and the pool: given back when nobody needs them, never taken from who works."""

from __future__ import annotations

import os
import signal
import threading
import time
from functools import partial

import httpx
import pytest

from tests.conftest import Launch
from tests.faults.safe import Safe
from tests.support.server import CONTEXT, Server
from tests.support.traffic import traffic
from tests.support.waiting import eventually, throughout

pytestmark = pytest.mark.faults

LEASE = 14.0
"""Seconds that a user lives."""
DEADLINE = {"FLUENTPRO_VAULT__DRAIN_DELAY": "60"}
"""A replaced user might stay so long."""
PAGES = '''
"""A page that keeps a transaction open for as long as a file is there."""
import time
from pathlib import Path
from django.db import connection, transaction
from django.http import JsonResponse
from django.urls import path
from fluentpro.web.urls import *


def work(request):
    file = Path({file!r})
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT session_user")
        first = cursor.fetchone()[0]
        file.write_text(first)
        while file.exists():
            time.sleep(0.02)
        cursor.execute("SELECT session_user")
        return JsonResponse({{"users": [first, cursor.fetchone()[0]]}})


urlpatterns = [path("work", work), *urlpatterns]
'''


def own_users(safe: Safe, server: Server, before: set[str]) -> set[str]:
    """The users that the workers took themselves; the one that they were born with is the master's."""
    born = eventually(lambda: safe.connections().keys() - before)
    own = eventually(lambda: _many(safe.connections().keys() - before - born, server.workers), within=LEASE)
    return set(own)


def _many(users: set[str], least: int) -> set[str]:
    return users if len(users) >= least else set()


def test_a_replaced_user_goes_as_soon_as_no_connection_is_its_own(safe: Safe, launch: Launch) -> None:
    """Long before the deadline, which is a minute away, and before its lease ends."""
    safe.change_role(default_ttl=f"{LEASE:g}s", max_ttl="1h")
    person, before = safe.session(), safe.users()
    server = launch(**safe.variables | DEADLINE)
    with traffic(server, 2, "/admin/", person) as load:
        own = own_users(safe, server, before)
        began = time.monotonic()
        eventually(lambda: not safe.users() & own, within=LEASE, every=0.05)
        assert time.monotonic() - began < LEASE - 2, "else the lease ended it"
        load.grows()
    assert not server.events("vault.lease_not_returned")


def test_a_user_at_work_stays_until_the_work_is_done(safe: Safe, launch: Launch) -> None:
    file = safe.project.root / "at-work"
    (safe.project.root / "pages.py").write_text(PAGES.format(file=str(file)))
    (safe.project.root / "paged.py").write_text(
        'from fluentpro.web.settings import *\nROOT_URLCONF = "pages"\n'
    )
    paths = os.pathsep.join([str(safe.project.root), *filter(None, [os.environ.get("PYTHONPATH")])])
    safe.change_role(default_ttl=f"{LEASE:g}s", max_ttl="1h")
    before = safe.users()
    more = {"DJANGO_SETTINGS_MODULE": "paged", "PYTHONPATH": paths}
    server = launch(**safe.variables | DEADLINE | more)
    own = own_users(safe, server, before)
    answers: list[list[str]] = []

    def work() -> None:
        answer = httpx.get(f"{server.url}/work", timeout=60, trust_env=False, verify=CONTEXT)
        answers.append(answer.json()["users"])

    thread = threading.Thread(target=work)
    thread.start()
    try:
        user = eventually(lambda: file.exists() and file.read_text())
        assert user in own
        # Another user takes its place, and settles, and the other worker's has gone: this one is there.
        eventually(lambda: safe.users() & own == {user}, within=LEASE)
        throughout(lambda: user in safe.users(), seconds=1.2, every=0.1)
    finally:
        file.unlink(missing_ok=True)
        thread.join()
    assert answers == [[user, user]]
    eventually(lambda: user not in safe.users(), within=1.5)


def test_a_pool_of_another_size_takes_over_and_no_request_fails(safe: Safe, launch: Launch) -> None:
    """Also of those that wait: each new pool is empty at first."""
    given = {name: value for name, value in safe.variables.items() if "POOL" not in name}
    for name, value in {"pool_min": 1, "pool_max": 2}.items():
        safe.project.set(f"database.{name}", value)
    person = safe.session()
    server = launch(**given)
    with traffic(server, 8, "/admin/", person) as seen:
        for size in (3, 2) * 5:
            before = server.agreed()
            safe.project.set("database.pool_max", size)
            eventually(partial(changed, server, before))
            seen.grows(20)
            assert not seen.failures
    assert server.check("config-source")["failed_listeners"] == []
    ours = safe.connections
    eventually(lambda: sum(ours().values()) <= 2 * server.workers, within=10)


def changed(server: Server, before: str) -> bool:
    """Whether every worker runs another configuration."""
    return server.agreed() not in ("", before)


def test_a_worker_that_is_born_with_an_ended_credential_serves_once_the_vault_is_back(
    safe: Safe, launch: Launch
) -> None:
    """Until then it says that it is not ready, and lives."""
    safe.change_role(default_ttl="6s", max_ttl="1h")
    person = safe.session()
    server = launch(**safe.variables)
    with safe.hung():
        eventually(lambda: all(server.get("/health/ready").status_code == 503 for _ in range(6)), within=30)
        old = server.children()
        for pid in old:
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: len(server.children() - old) == server.workers)
        eventually(lambda: server.get("/health/live").status_code == 200, within=20)
        throughout(lambda: server.get("/health/ready").status_code == 503, seconds=3, every=0.1)
        assert "expired" in server.check("secret-backend")["observation"]
        assert server.get("/health/live").status_code == 200
        newborn = server.children()
    eventually(lambda: server.get("/health/ready").json() == {"status": "pass"}, within=20)
    eventually(lambda: all(server.get("/admin/", person).status_code == 200 for _ in range(12)), within=20)
    assert server.children() == newborn, "nobody had to start anew"
