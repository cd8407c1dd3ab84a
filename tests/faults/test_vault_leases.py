"""Faults 19, 21 and 23: what a Vault gave, it takes back, or lets end."""

from __future__ import annotations

import pytest

from tests.conftest import Launch
from tests.faults.safe import CREDENTIALS, Safe
from tests.support.traffic import traffic
from tests.support.waiting import eventually

pytestmark = pytest.mark.faults


def test_a_revoked_token_is_replaced_by_one_login_in_each_process_and_its_leases_with_it(
    safe: Safe, launch: Launch
) -> None:
    """Fault 19: with the token, the Vault takes back the database's users."""
    before = safe.tokens()
    server = launch(**safe.variables)
    person = safe.session()
    ours, users = safe.tokens() - before, safe.users()
    assert server.get("/admin/", person).status_code == 200
    for accessor in ours:
        safe.root.auth.token.revoke_accessor(accessor)
    eventually(lambda: not safe.users() & users)
    eventually(lambda: len(safe.connections().keys() - users) == server.workers, within=20)
    eventually(lambda: all(server.get("/admin/", person).status_code == 200 for _ in range(10)), within=20)
    eventually(lambda: server.get("/health/ready").json() == {"status": "pass"})
    assert len(safe.tokens() - before) <= server.workers + 1, "the workers, and the master"


def test_a_token_at_the_end_of_its_longest_life_is_replaced_and_no_request_fails(
    safe: Safe, launch: Launch
) -> None:
    """Fault 21: for two lives of each worker, after the one that they began with."""
    person = safe.session()
    before = safe.tokens()
    safe.change_login(token_ttl="3s", token_max_ttl="6s")
    server = launch(**safe.variables)
    seen_tokens = set[str]()
    with traffic(server, 4, "/admin/", person) as seen:

        def came() -> bool:
            seen_tokens.update(safe.tokens() - before)
            assert not seen.failures, [line for line in server.lines() if line["level"] != "info"]
            return len(seen_tokens) > 2 * server.workers

        eventually(came, within=30, every=0.1)
        seen.grows()


def test_a_credential_that_is_taken_back_behind_our_back_is_replaced(safe: Safe, launch: Launch) -> None:
    """Fault 23: its lease has an hour to go, and nobody asks after it until the database says no."""
    server = launch(**safe.variables)
    person = safe.session()
    server.get("/admin/", person)
    old = safe.users()
    safe.root.sys.revoke_prefix(CREDENTIALS)
    eventually(lambda: not safe.users() & old)
    eventually(lambda: len({line["pid"] for line in server.events("vault.lease_ended")}) == 2, within=20)
    eventually(lambda: all(server.get("/admin/", person).status_code == 200 for _ in range(10)), within=20)
    eventually(lambda: server.get("/health/ready").json() == {"status": "pass"})
    assert server.successful()
