"""Faults 25 and 26, and secrets that change while requests run."""

from __future__ import annotations

import os
import signal
from secrets import token_hex

import pytest

from tests.conftest import Launch
from tests.faults.safe import CREDENTIALS, ROTATION, STATIC, Safe, left
from tests.support.server import Server
from tests.support.traffic import traffic
from tests.support.waiting import eventually, throughout

pytestmark = pytest.mark.faults

NO_POOL = {"FLUENTPRO_DATABASE__POOL_MAX": "0", "FLUENTPRO_DATABASE__POOL_MIN": "0"}


def opens(server: Server, token: str) -> bool:
    """Whether a token opens the pages for operators."""
    return server.get("/health", {"Authorization": f"Bearer {token}"}).status_code == 200


@pytest.mark.parametrize(("times", "variables"), [(20, {}), (6, NO_POOL)], ids=["pool", "no pool"])
def test_a_database_credential_changes_under_load_and_no_request_fails(
    safe: Safe, launch: Launch, times: int, variables: dict[str, str]
) -> None:
    """Fault 25: each request reads the database; the old users are gone, and not too many at any time."""
    safe.change_role(default_ttl="4s", max_ttl="1h")
    person = safe.session()
    known, came, most = safe.users(), set[str](), 0
    server = launch(**safe.variables | variables)
    with traffic(server, 4, "/admin/", person) as seen:
        while len(came) < times:
            users, connections = safe.users() - known, safe.connections()
            came |= connections.keys() - known
            most = max(most, sum(connections.values()))
            assert len(users) <= 3 * server.workers + 1
            assert not seen.failures, server.output[-20:]
        seen.grows()
    assert most <= 2 * server.workers * 5, "each has a pool of four, and what it drains"
    assert server.successful()
    server.end()
    eventually(lambda: not safe.users() - known)


def test_a_credential_that_does_not_work_is_refused_and_the_old_one_serves_beyond_its_time(
    safe: Safe, launch: Launch
) -> None:
    """Fault 26: it is tried ever more rarely, and an edit of a file goes through meanwhile."""
    working = safe.role()["creation_statements"]
    safe.change_role(default_ttl="4s", max_ttl="1h")
    person = safe.session()
    server = launch(**safe.variables)
    known = safe.users()
    safe.change_role(creation_statements=[text.replace(" LOGIN ", " NOLOGIN ") for text in working])
    with traffic(server, 2, "/admin/", person) as seen:
        eventually(lambda: len({line["pid"] for line in server.refusals()}) == server.workers)
        assert all("CFG501" in line["errors"][0] for line in server.refusals())
        eventually(lambda: server.check("secret-backend")["status"] == "warn")
        assert "not accepted" in server.check("secret-backend")["observation"]
        assert server.get("/health/ready").json() == {"status": "warn"}
        tries = server.reloads("refused")
        throughout(lambda: not seen.failures, seconds=4)  # longer than the first credential would live
        assert server.reloads("refused") - tries <= 6 * server.workers
        assert len(safe.users() - known) <= 2 * server.workers
        server.project.set("site.banner", "an edit")
        eventually(lambda: server.serves("an edit"))
        safe.change_role(creation_statements=working)
        eventually(lambda: server.check("secret-backend")["status"] == "pass", within=20)
        eventually(server.successful, within=20)
        seen.grows()


def test_a_static_users_password_changes_under_load_and_no_request_fails(safe: Safe, launch: Launch) -> None:
    """A connection that is refused meanwhile is the pool's to make again: the new password is soon there."""
    person = safe.session()
    text = safe.project.read(".secrets.toml")
    safe.project.replace(".secrets.toml", text.replace("database/creds/fluentpro-{env}", STATIC))
    server = launch(**safe.variables)
    digest = server.agreed()
    with traffic(server, 4, "/admin/", person) as seen:
        for _ in range(5):
            safe.root.write_data(ROTATION, data={})
            eventually(lambda old=digest: server.agreed() not in ("", old))
            digest = server.agreed()
            seen.grows()
    assert server.check("secret-backend")["leases"] == {}, "its password has no lease to run out"


def test_a_new_token_for_operators_is_accepted_by_every_worker(safe: Safe, launch: Launch) -> None:
    server = launch(**safe.variables)
    old, new = safe.project.token, token_hex(32)
    with traffic(server) as seen:
        safe.put("operations", token=new)
        eventually(lambda: opens(server, new))
        safe.project.token = new
        eventually(lambda: server.agreed() and not opens(server, old))
        seen.grows()
    assert all(opens(server, new) for _ in range(10))
    (line, *_) = server.events("config.applied")
    assert line["changed"] == {"operations.token": "******** -> ********"}


def test_what_the_old_secret_key_signed_is_accepted_throughout(safe: Safe, launch: Launch) -> None:
    signed = {**safe.message()}
    server = launch(**safe.variables)
    digest = server.agreed()
    with traffic(server, 2, "/admin/login/", signed) as seen:
        for _ in range(3):
            safe.put("django", secret_key=token_hex(40))
            eventually(lambda old=digest: server.agreed() not in ("", old))
            digest = server.agreed()
            seen.grows()
    assert all("Signed long ago" in answer.text for answer in seen.answers)


def test_a_replacement_starts_with_the_newest_secrets_also_while_the_vault_is_down(
    safe: Safe, launch: Launch
) -> None:
    """Two changes at once: whoever replaces a worker has it all from the master."""
    levels = {"FLUENTPRO_VAULT__POLL_INTERVAL": "1", "FLUENTPRO_LOGGING__LEVEL": "DEBUG"}
    server = launch(**safe.variables | levels)
    for _ in range(2):
        before, new = server.agreed(), token_hex(32)
        safe.put("operations", token=new)
        safe.project.token = new
        eventually(lambda: server.agreed() not in ("", before))  # noqa: B023 # asked at once
    digest, children = server.agreed(), server.children()
    eventually(lambda: master_has(server, digest))
    with safe.hung():
        os.kill(min(children), signal.SIGKILL)
        eventually(lambda: len(server.children()) == 2 and server.children() != children)
        eventually(lambda: server.agreed() == digest, within=20)
        assert server.get("/health/ready").status_code == 200
        assert all(opens(server, new) for _ in range(10))
        assert left(server) > 0
    eventually(lambda: server.get("/health/ready").json() == {"status": "pass"}, within=20)
    assert CREDENTIALS in server.check("secret-backend")["leases"]


def master_has(server: Server, digest: str) -> bool:
    """Whether the master follows, too."""
    followed = server.events("config.followed", pid=server.process.pid, config=digest)
    return bool(followed)
