"""What `[vault]` says counts from the start to the end of a process: a change waits for the restart."""

from __future__ import annotations

import os
import signal
import tomllib
from pathlib import Path
from secrets import token_hex

import pytest

from tests.conftest import Launch
from tests.faults.safe import CREDENTIALS, Safe
from tests.support.server import Server
from tests.support.traffic import traffic
from tests.support.waiting import eventually

pytestmark = pytest.mark.faults

LOCAL = "settings.local.toml"
ENABLED = "FLUENTPRO_VAULT__ENABLED"


def pending(server: Server) -> list[str]:
    """What waits for the restart, by the worker that answers."""
    found: list[str] = server.check("config-source")["pending_restart"]
    return found


def everywhere(server: Server, keys: list[str]) -> bool:
    """Whether this waits in every worker: several are asked in a row."""
    return all(pending(server) == keys for _ in range(6))


def test_a_vault_that_is_enabled_is_used_from_the_restart_on(safe: Safe, launch: Launch) -> None:
    """Half of it would be worse: credentials that nobody renews. A replaced worker is no restart."""
    project = safe.project
    project.token = tomllib.loads(project.read(".secrets.local.toml"))["operations"]["token"]
    kept = {name: value for name, value in safe.variables.items() if name != ENABLED}
    server = launch(**{name: value for name, value in kept.items() if "DATABASE" not in name})
    tokens = safe.tokens()
    with traffic(server) as seen:
        project.set("vault.enabled", True, LOCAL)
        eventually(lambda: everywhere(server, ["vault.enabled"]))
        project.set("site.banner", "an edit")
        eventually(lambda: server.serves("an edit"))
        seen.grows()
    os.kill(min(children := server.children()), signal.SIGKILL)
    eventually(lambda: len(server.children()) == 2 and server.children() != children)
    eventually(lambda: everywhere(server, ["vault.enabled"]))
    assert server.successful()
    assert "secret-backend" not in server.health()["checks"]
    assert safe.tokens() == tokens, "nobody logged in"
    server.end()
    project.token = safe.read("operations")["token"]
    project.local = project.read(LOCAL)
    server = launch(**kept)
    assert everywhere(server, [])
    assert server.check("secret-backend")["status"] == "pass"
    assert safe.tokens() != tokens


def test_a_vault_that_is_disabled_is_used_until_the_restart(safe: Safe, launch: Launch) -> None:
    """What it gave stays in use, and stays current."""
    safe.project.set("vault.enabled", True, LOCAL)
    safe.project.local = safe.project.read(LOCAL)
    server = launch(**{name: value for name, value in safe.variables.items() if name != ENABLED})
    person, old = safe.session(), safe.project.token
    with traffic(server, 2, "/admin/", person) as seen:
        safe.project.set("vault.enabled", False, LOCAL)
        eventually(lambda: everywhere(server, ["vault.enabled"]))
        safe.project.token = token_hex(32)
        safe.put("operations", token=safe.project.token)
        wrong = {"Authorization": f"Bearer {old}"}
        eventually(lambda: all(server.get("/health", wrong).status_code == 401 for _ in range(6)))
        seen.grows()
    assert server.successful()
    assert server.check("secret-backend")["leases"][CREDENTIALS] > 0


def test_another_address_waits_for_the_restart_and_a_new_secret_id_does_not(
    safe: Safe, launch: Launch, tmp_path: Path
) -> None:
    """The old one is used up by the start, so that every login that follows needs the new one."""
    file = tmp_path / "secret-id"
    file.write_text(safe.secret_id())
    variables = safe.variables | {"FLUENTPRO_VAULT__SECRET_ID_FILE": str(file)}
    del variables["FLUENTPRO_VAULT__ADDRESS"]
    safe.project.set("vault.address", safe.up.openbao.url, LOCAL)
    safe.project.local = safe.project.read(LOCAL)
    before = safe.tokens()
    server = launch(**variables)
    first = file.read_text()
    file.write_text(safe.secret_id())
    eventually(lambda: len({line["pid"] for line in server.events("config.applied")}) == server.workers)
    safe.destroy(first)
    safe.project.set("vault.address", "http://127.0.0.1:1", LOCAL)
    eventually(lambda: everywhere(server, ["vault.address"]))
    for accessor in safe.tokens() - before:
        safe.root.auth.token.revoke_accessor(accessor)
    old = safe.project.token
    safe.project.token = token_hex(32)
    safe.put("operations", token=safe.project.token)
    wrong = {"Authorization": f"Bearer {old}"}
    eventually(lambda: all(server.get("/health", wrong).status_code == 401 for _ in range(6)))
    eventually(lambda: server.get("/health/ready").json() == {"status": "pass"})
