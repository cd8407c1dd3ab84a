"""Fault 18: a Vault that asks for patience, then fails, then is there again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from secrets import token_hex

import pytest

from tests.conftest import Launch
from tests.faults.gateway import Gateway, before
from tests.faults.safe import Safe
from tests.support.traffic import traffic
from tests.support.waiting import eventually, throughout

pytestmark = pytest.mark.faults


@pytest.fixture
def gateway(safe: Safe) -> Iterator[Gateway]:
    """Between the service and its Vault."""
    with before(safe.up.openbao.url) as made:
        yield made


@pytest.fixture
def variables(safe: Safe, gateway: Gateway) -> dict[str, str]:
    """The service asks through the gateway."""
    return {**safe.variables, "FLUENTPRO_VAULT__ADDRESS": gateway.url, "VAULT_ADDR": gateway.url}


def test_retry_after_is_honoured_and_nothing_is_lost(
    safe: Safe, launch: Launch, gateway: Gateway, variables: dict[str, str]
) -> None:
    """A process that is asked for 4 s of patience sends nothing for as long; then it goes on by itself."""
    server = launch(**variables)
    usual = len(gateway.asked)
    eventually(lambda: len(gateway.asked) > usual + 20)  # it asks all the time
    person, new = safe.session(), token_hex(32)
    with traffic(server, 2, "/admin/", person) as seen:
        gateway.troubled(429, "4")
        eventually(lambda: {line["pid"] for line in server.events("vault.failed")} >= server.children())
        began, asked = time.monotonic(), len(gateway.asked)
        assert "CFG314" in server.events("vault.failed")[0]["cause"]
        throughout(lambda: len(gateway.asked) == asked, seconds=3, every=0.05)
        assert server.get("/health/ready").status_code == 200
        assert all("Vault answered 429" in server.check("secret-backend")["observation"] for _ in range(4))
        safe.put("operations", token=new)
        gateway.troubled(0)
        safe.project.token, old = new, safe.project.token
        eventually(
            lambda: server.agreed() and server.get("/health", bearer(old)).status_code == 401, within=8
        )
        assert time.monotonic() - began > 3
        eventually(lambda: server.get("/health/ready").json() == {"status": "pass"})
        seen.grows()


def test_a_vault_that_fails_for_a_while_is_asked_ever_more_rarely_and_taken_up_again(
    safe: Safe, launch: Launch, gateway: Gateway, variables: dict[str, str]
) -> None:
    server = launch(**variables)
    digest = server.agreed()
    with traffic(server) as seen:
        gateway.troubled(503)
        eventually(lambda: {line["pid"] for line in server.events("vault.failed")} >= server.children())
        asked, began = len(gateway.asked), time.monotonic()
        eventually(lambda: time.monotonic() > began + 3)
        rate = (len(gateway.asked) - asked) / 3 / server.workers
        assert rate < 20, "requests of each process in a second, retries included"
        assert server.get("/health/ready").json() == {"status": "warn"}
        gateway.troubled(0)
        eventually(lambda: server.get("/health/ready").json() == {"status": "pass"}, within=15)
        seen.grows()
    assert server.agreed() == digest
    assert len(server.events("vault.failed")) <= 2 * server.workers, "told once, and not each time"


@pytest.mark.parametrize("status", [429, 503])
def test_a_start_waits_no_longer_than_it_may_whatever_it_is_asked_for(
    launch: Launch, gateway: Gateway, variables: dict[str, str], status: int
) -> None:
    """A day of patience is more than `vault.startup_wait`."""
    gateway.troubled(status, "86400")
    began = time.monotonic()
    server = launch(ready=False, **variables)
    assert server.wait() == 69
    assert 2 < time.monotonic() - began < 12
    text = "\n".join([*server.output, *server.errors])
    assert "CFG314" in text
    assert "Traceback" not in text
    assert len(gateway.asked) <= 4


def test_a_start_that_is_asked_for_patience_goes_on_when_it_is_over(
    launch: Launch, gateway: Gateway, variables: dict[str, str]
) -> None:
    gateway.troubled(429, "1")
    server = launch(ready=False, **variables | {"FLUENTPRO_VAULT__STARTUP_WAIT": "30"})
    eventually(lambda: any("waiting up to" in line for line in server.errors))
    gateway.troubled(0)
    eventually(server.agreed, within=20)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
