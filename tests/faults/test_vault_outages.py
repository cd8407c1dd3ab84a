"""Faults 16 to 18, 20, 22 and 24: a Vault that is sealed, gone, in trouble, or says no."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from tests.conftest import Launch
from tests.faults.safe import CREDENTIALS, ENVIRONMENT, Safe, left
from tests.support.server import Server
from tests.support.traffic import traffic
from tests.support.waiting import eventually

pytestmark = pytest.mark.faults


def report(server: Server) -> str:
    """What a start that failed said, without a traceback."""
    text = "\n".join([*server.output, *server.errors])
    assert "Traceback" not in text
    return text


def test_a_sealed_vault_is_waited_for_and_then_the_start_says_how_to_unseal_it(
    safe: Safe, launch: Launch
) -> None:
    """Fault 16."""
    safe.seal()
    began = time.monotonic()
    server = launch(ready=False, **safe.variables)
    assert server.wait() == 69
    assert 2 < time.monotonic() - began < 12
    assert "waiting up to 2 s for Vault: the Vault is sealed" in report(server)
    assert "CFG303" in report(server)
    assert "bao operator unseal" in report(server)


def test_a_vault_that_is_unsealed_while_a_start_waits_is_taken(safe: Safe, launch: Launch) -> None:
    """Fault 16."""
    safe.seal()
    server = launch(ready=False, **safe.variables | {"FLUENTPRO_VAULT__STARTUP_WAIT": "30"})
    eventually(lambda: any("waiting up to" in line for line in server.errors))
    safe.mend()
    eventually(server.agreed, within=20)


def test_a_secret_id_that_is_used_up_ends_the_start_with_what_to_do(safe: Safe, launch: Launch) -> None:
    """Fault 24."""
    used_up = safe.secret_id(num_uses=1)
    safe.log_in(used_up)
    variables = {**safe.variables, "FLUENTPRO_VAULT__SECRET_ID": used_up}
    variables.pop("FLUENTPRO_VAULT__SECRET_ID_FILE")
    server = launch(ready=False, **variables)
    assert server.wait() == 77
    assert "CFG307" in report(server)
    assert "give a new secret id" in report(server)
    assert used_up not in report(server)


@pytest.mark.parametrize("how", ["sealed", "hung", "killed"])
def test_a_vault_that_is_lost_is_a_warning_until_a_lease_ends_and_heals_alone(
    safe: Safe, launch: Launch, how: str
) -> None:
    """Fault 17."""
    safe.change_role(default_ttl="6s", max_ttl="1h")
    server = launch(**safe.variables)
    digest = server.agreed()
    if how == "hung":
        with safe.hung():
            outage(server)
    else:
        safe.seal() if how == "sealed" else safe.up.openbao.kill()
        outage(server)
        safe.mend()
    eventually(lambda: server.get("/health/ready").json() == {"status": "pass"}, within=25)
    eventually(lambda: left(server) > 0)
    assert server.agreed() == digest
    assert len([line for line in server.events("vault.failed") if "CFG30" in line["cause"]]) <= 12


def outage(server: Server) -> None:
    """Watch how the service takes it."""
    with traffic(server) as seen:
        eventually(lambda: all(server.check("secret-backend")["valid_until"] for _ in range(6)))
        check = server.check("secret-backend")
        until = datetime.fromisoformat(check["valid_until"])
        assert -2 < (until - datetime.now(UTC)).total_seconds() < 7
        if left(server) > 1:
            assert check["status"] == "warn"
            assert server.get("/health/ready").json() == {"status": "warn"}
        eventually(lambda: all(server.get("/health/ready").status_code == 503 for _ in range(5)), within=15)
        assert server.get("/health/live").status_code == 200
        assert CREDENTIALS in server.check("secret-backend")["observation"]
        seen.grows()  # what needs no database is served on


def test_a_policy_that_is_taken_away_keeps_the_values_and_is_told_once(safe: Safe, launch: Launch) -> None:
    """Fault 20: not even the look at our own token is allowed any more; new logins come ever more rarely."""
    server = launch(**safe.variables)
    digest, tokens = server.agreed(), len(safe.tokens())
    person = safe.session()
    policy = f"fluentpro-{ENVIRONMENT}-web"
    with traffic(server, 2, "/admin/", person) as seen:
        safe.root.sys.create_or_update_policy(policy, 'path "nothing" { capabilities = ["read"] }')
        eventually(lambda: "CFG301" in server.check("secret-backend")["observation"])
        eventually(lambda: {line["pid"] for line in server.events("vault.failed")} >= server.children())
        before, began = server.metric("fluentpro_vault_requests_total"), time.monotonic()
        eventually(lambda: time.monotonic() > began + 3)
        rate = (server.metric("fluentpro_vault_requests_total") - before) / 3 / server.workers
        assert rate < 25, "requests of each process in a second"
        assert len(safe.tokens()) - tokens <= 4 * server.workers
        safe.mend()
        eventually(lambda: server.check("secret-backend")["status"] == "pass", within=20)
        seen.grows()
    assert server.agreed() == digest
    for line in server.events("vault.failed"):
        assert "denied" in line["cause"]


def test_a_deleted_secret_is_refused_by_its_own_name_until_it_is_back(safe: Safe, launch: Launch) -> None:
    """Fault 22."""
    server = launch(**safe.variables)
    kept = server.agreed()
    path = f"fluentpro/{ENVIRONMENT}/operations"
    version = safe.put("operations", token=safe.project.token)
    kv = safe.root.secrets.kv.v2
    with traffic(server) as seen:
        kv.delete_latest_version_of_secret(path, mount_point="kv")
        try:
            eventually(lambda: server.refuses(kept, "CFG305"))
            assert "is deleted" in server.check("secret-backend")["observation"]
            assert server.get("/health/ready").json() == {"status": "warn"}
        finally:
            kv.undelete_secret_versions(path, [version], mount_point="kv")
        eventually(server.successful, within=20)
        eventually(lambda: server.get("/health/ready").json() == {"status": "pass"}, within=20)
        seen.grows()
    assert server.agreed() == kept
